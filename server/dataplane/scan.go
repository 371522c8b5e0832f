package dataplane

import (
	"bytes"
	"unicode/utf8"
)

// Bounds of JSON bodies.
const (
	maxDepth = 16
	maxNames = 64 // members of one object
)

// scanner reads JSON strictly, in one pass and without allocating: RFC 8259 with no duplicate names, no more than maxDepth
// levels, UTF-8 only, no lone surrogates, nothing after the value. Its methods return false at the first byte that is
// wrong and leave it at i; why says what is wrong in words of ours, never in the sender's.
type scanner struct {
	b     []byte
	i     int
	why   string
	arena []byte   // strings that had escapes, decoded
	names [][]byte // names of the objects that are open, innermost last
}

func (s *scanner) reset(b []byte) {
	*s = scanner{b: b, arena: s.arena[:0], names: s.names[:0]}
}

// forget drops what s holds of the body, and keeps its memory.
func (s *scanner) forget() {
	clear(s.names[:cap(s.names)])
	s.b, s.names = nil, s.names[:0]
}

func (s *scanner) fail(why string) bool {
	if s.why == "" {
		s.why = why
	}
	return false
}

// Words for what is wrong.
const (
	whyEnd       = "it ends too early"
	whyValue     = "a value is expected"
	whyString    = "a name in quotes is expected"
	whyColon     = "a colon is expected"
	whyComma     = "a comma or the end of the object or list is expected"
	whyControl   = "a control character in a string"
	whyEscape    = "an escape that does not exist"
	whySurrogate = "a lone surrogate"
	whyUTF8      = "not UTF-8"
	whyNumber    = "a number that is not one"
	whyDeep      = "more than 16 levels"
	whyNames     = "more than 64 members"
	whyTwice     = "the same name twice"
	whyTrailing  = "something after the value"
)

// space skips white space and returns the next byte, 0 at the end.
func (s *scanner) space() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take skips white space and then c.
func (s *scanner) take(c byte, why string) bool {
	if s.space() != c {
		if s.i == len(s.b) {
			why = whyEnd
		}
		return s.fail(why)
	}
	s.i++
	return true
}

// end checks that nothing follows.
func (s *scanner) end() bool {
	s.space()
	return s.i == len(s.b) || s.fail(whyTrailing)
}

// ordinary marks the bytes of a string that need no look: ASCII but for control characters, the quote and the backslash.
var ordinary = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// str reads a string, whose quote is next. What it returns is valid until the next reset.
func (s *scanner) str() (text []byte, ok bool) {
	s.i++
	from := s.i
	for s.i < len(s.b) && ordinary[s.b[s.i]] {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '"' {
		s.i++
		return s.b[from : s.i-1], true
	}
	return s.strSlow(from)
}

// strSlow goes on with a string that holds something else than ordinary ASCII.
func (s *scanner) strSlow(from int) (text []byte, ok bool) {
	start := len(s.arena)
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case ordinary[c] || c >= utf8.RuneSelf:
			s.i++
			continue
		case c == '"':
			if !utf8.Valid(s.b[from:s.i]) {
				return nil, s.fail(whyUTF8)
			}
			s.i++
			if len(s.arena) == start {
				return s.b[from : s.i-1], true
			}
			s.arena = append(s.arena, s.b[from:s.i-1]...)
			return s.arena[start:len(s.arena):len(s.arena)], true
		case c != '\\':
			return nil, s.fail(whyControl)
		}
		if !utf8.Valid(s.b[from:s.i]) {
			return nil, s.fail(whyUTF8)
		}
		s.arena = append(s.arena, s.b[from:s.i]...)
		if !s.escape() {
			return nil, false
		}
		from = s.i
	}
	return nil, s.fail(whyEnd)
}

// escape decodes the escape at i into the arena.
func (s *scanner) escape() bool {
	if s.i+1 >= len(s.b) {
		return s.fail(whyEnd)
	}
	c := s.b[s.i+1]
	if c == 'u' {
		return s.unicode()
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	at := bytes.IndexByte([]byte(from), c)
	if at < 0 {
		return s.fail(whyEscape)
	}
	s.arena = append(s.arena, to[at])
	s.i += 2
	return true
}

// unicode decodes \uXXXX, or the two that make a character beyond the first plane.
func (s *scanner) unicode() bool {
	r, ok := s.hex4(s.i)
	if !ok {
		return s.fail(whyEscape)
	}
	s.i += 6
	if r >= 0xD800 && r < 0xE000 {
		low, ok := s.hex4(s.i)
		if r >= 0xDC00 || !ok || low < 0xDC00 || low >= 0xE000 {
			return s.fail(whySurrogate)
		}
		s.i += 6
		r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
	}
	s.arena = utf8.AppendRune(s.arena, r)
	return true
}

// hex4 reads \uXXXX at i.
func (s *scanner) hex4(i int) (r rune, ok bool) {
	if i+6 > len(s.b) || s.b[i] != '\\' || s.b[i+1] != 'u' {
		return 0, false
	}
	for _, c := range s.b[i+2 : i+6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// number reads a number. whole is false for one with a fraction or an exponent, and for one beyond 2^53.
func (s *scanner) number() (n int64, whole, ok bool) {
	negative := s.b[s.i] == '-'
	if negative {
		s.i++
	}
	from := s.i
	whole = true
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		if n = n*10 + int64(s.b[s.i]-'0'); n > 1<<53 {
			whole, n = false, 0
		}
		s.i++
	}
	if s.i == from || s.b[from] == '0' && s.i > from+1 {
		return 0, false, s.fail(whyNumber)
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if whole = false; !s.digits() {
			return 0, false, false
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if whole = false; !s.digits() {
			return 0, false, false
		}
	}
	if negative {
		n = -n
	}
	return n, whole, true
}

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from || s.fail(whyNumber)
}

// skip reads any value. depth is the level on which it stands: that of the body is 1.
func (s *scanner) skip(depth int) bool {
	switch c := s.space(); {
	case c == '"':
		_, ok := s.str()
		return ok
	case c == '-' || '0' <= c && c <= '9':
		_, _, ok := s.number()
		return ok
	case c == '{' || c == '[':
		if depth > maxDepth {
			return s.fail(whyDeep)
		}
		s.i++
		if c == '[' {
			return s.skipList(depth)
		}
		return s.skipObject(depth)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	if s.i == len(s.b) {
		return s.fail(whyEnd)
	}
	return s.fail(whyValue)
}

func (s *scanner) literal(word string) bool {
	if !bytes.HasPrefix(s.b[s.i:], []byte(word)) {
		return s.fail(whyValue)
	}
	s.i += len(word)
	return true
}

// skipList reads the rest of a list.
func (s *scanner) skipList(depth int) bool {
	for first := true; ; first = false {
		more, ok := s.more(first, ']')
		if !more {
			return ok
		}
		if !s.skip(depth + 1) {
			return false
		}
	}
}

// skipObject reads the rest of an object.
func (s *scanner) skipObject(depth int) bool {
	mine := len(s.names)
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			s.names = s.names[:mine]
			return ok
		}
		if !s.unique(mine, name) || !s.skip(depth+1) {
			return false
		}
	}
}

// more moves to the next element of a list or an object; more is false behind the last one.
func (s *scanner) more(first bool, closing byte) (more, ok bool) {
	c := s.space()
	switch {
	case c == closing && s.i < len(s.b):
		s.i++
		return false, true
	case first:
		return true, true
	case c == ',':
		s.i++
		if s.space() == closing {
			return false, s.fail(whyValue)
		}
		return true, true
	}
	if s.i == len(s.b) {
		return false, s.fail(whyEnd)
	}
	return false, s.fail(whyComma)
}

// member reads the next name of an object and its colon; more is false behind the last one.
func (s *scanner) member(first bool) (name []byte, more, ok bool) {
	if more, ok = s.more(first, '}'); !more {
		return nil, false, ok
	}
	if s.space() != '"' {
		if s.i == len(s.b) {
			return nil, false, s.fail(whyEnd)
		}
		return nil, false, s.fail(whyString)
	}
	if name, ok = s.str(); !ok {
		return nil, false, false
	}
	if !s.take(':', whyColon) {
		return nil, false, false
	}
	return name, true, true
}

// unique notes a name of the object whose names begin at mine, and refuses one that is there already.
func (s *scanner) unique(mine int, name []byte) bool {
	if len(s.names)-mine >= maxNames {
		return s.fail(whyNames)
	}
	for _, other := range s.names[mine:] {
		if bytes.Equal(other, name) {
			return s.fail(whyTwice)
		}
	}
	s.names = append(s.names, name)
	return true
}
