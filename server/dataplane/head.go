package dataplane

import (
	"bytes"
	"encoding/binary"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
)

// Bounds of a request head.
const (
	maxHeaders     = 64
	maxMethodBytes = 32
	maxLengthChars = 18 // digits of a Content-Length: more would overflow an int64
)

// method is a request method, as far as any path here has one.
type method uint8

const (
	methodOther method = iota
	methodGet
	methodHead
	methodPost
)

// content is what a Content-Type says about a body.
type content uint8

const (
	contentNone content = iota // no header
	contentJSON
	contentBatch // application/vnd.drawd.batch
	contentOther
)

// Media types of requests and answers.
const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeBatch   = "application/vnd.drawd.batch"
	typeText    = "text/plain; charset=utf-8"
)

// head is a request head that was found to be sound. Its slices alias the connection's copy of the raw bytes and are
// valid until the connection reads its next request.
type head struct {
	method    method
	http10    bool
	close     bool // the connection ends with this request
	keepAlive bool // "Connection: keep-alive" was said
	expect    bool // Expect: 100-continue
	length    int64
	hasLength bool

	path  []byte
	query []byte // without "?"; nil when there is none

	host          []byte
	authorization []byte
	origin        []byte
	namespace     []byte // Drawd-Namespace
	key           []byte // Idempotency-Key
	accept        []byte
	ifNoneMatch   []byte
	deadline      []byte // Drawd-Deadline-Ms
	minIndex      []byte // Drawd-Min-Index
	content       content
	keyTwice      bool
	retry         bool // Drawd-Retry: 1
	linearizable  bool // Drawd-Linearizable: 1
	proxied       bool
}

// headScan finds the end of a head in bytes as they arrive. A head is a request line and header lines that end with
// CRLF, and an empty line. What can be refused without the rest is refused at once: a peer that sends half a head in a
// form that we do not take must not wait for a timeout.
type headScan struct {
	start int // first byte of the request line: empty lines may stand before it
	at    int // first byte that was not scanned
	count int // lines found
	end   [maxHeaders + 1]uint16
}

// next scans b, which holds everything since the last request. done is true when the head is complete: it ends at s.at.
func (s *headScan) next(b []byte) (done bool, fault problem.Code) {
	for {
		n := bytes.IndexByte(b[s.at:], '\n')
		if n < 0 {
			return false, problem.OK
		}
		if n == 0 || b[s.at+n-1] != '\r' {
			return false, problem.BadFraming // a bare LF
		}
		line := b[s.at : s.at+n-1]
		s.at += n + 1
		switch {
		case len(line) > 0:
			if s.count > maxHeaders {
				return false, problem.HeadersTooLarge
			}
			if s.count == 0 && !soundRequestLine(line) {
				return false, problem.BadFraming
			}
			s.end[s.count] = uint16(s.at - 2)
			s.count++
		case s.count > 0:
			return true, problem.OK
		default:
			s.start = s.at // RFC 9112 §2.2: empty lines before the request line are ignored
		}
	}
}

// soundRequestLine reports whether a line has three parts and ends with a version that is served here. HTTP/0.9 and the
// preface of HTTP/2 are not.
func soundRequestLine(line []byte) bool {
	n := len(line) - len(" HTTP/1.1")
	return n > 0 && (string(line[n:]) == " HTTP/1.1" || string(line[n:]) == " HTTP/1.0") &&
		bytes.Count(line[:n], []byte{' '}) == 1 && line[0] != ' ' && line[n-1] != ' ' && clean(line)
}

// parse reads the head that s found in raw, which the connection keeps until the request is done.
func (h *head) parse(raw []byte, s *headScan) problem.Code {
	*h = head{}
	if fault := h.parseRequestLine(raw[s.start:s.end[0]]); fault != problem.OK {
		return fault
	}
	from := int(s.end[0]) + 2
	for i := 1; i < s.count; i++ {
		to := int(s.end[i])
		if fault := h.parseHeader(raw[from:to]); fault != problem.OK {
			return fault
		}
		from = to + 2
	}
	return h.check()
}

func (h *head) parseRequestLine(line []byte) problem.Code {
	space := bytes.IndexByte(line, ' ')
	name, target := line[:space], line[space+1:len(line)-len(" HTTP/1.1")]
	h.http10 = line[len(line)-1] == '0'
	switch string(name) {
	case "POST":
		h.method = methodPost
	case "GET":
		h.method = methodGet
	case "HEAD":
		h.method = methodHead
	default:
		if len(name) > maxMethodBytes || !isToken(name) {
			return problem.BadFraming
		}
	}
	h.path = target
	if q := bytes.IndexByte(target, '?'); q >= 0 {
		h.path, h.query = target[:q], target[q+1:]
	}
	return problem.OK
}

// check is what only the whole head can tell.
func (h *head) check() problem.Code {
	if len(h.host) == 0 || !all(h.host, inHost) || len(h.path) == 0 {
		return problem.BadFraming
	}
	if h.path[0] != '/' && !h.originForm() {
		return problem.BadFraming
	}
	if h.length > 0 && (h.method == methodGet || h.method == methodHead) {
		return problem.BadFraming
	}
	if h.http10 {
		h.close = h.close || !h.keepAlive
		h.expect = false
	}
	return problem.OK
}

// originForm turns an absolute target into a path, if its authority is the Host. "*" is left as it is: no path matches it.
func (h *head) originForm() bool {
	if string(h.path) == "*" {
		return true
	}
	_, rest, ok := bytes.Cut(h.path, []byte("://"))
	if !ok {
		return false
	}
	if scheme := h.path[:len(h.path)-len(rest)-len("://")]; !access.EqualASCII(scheme, "http") && !access.EqualASCII(scheme, "https") {
		return false
	}
	authority, path := rest, []byte("/")
	if slash := bytes.IndexByte(rest, '/'); slash >= 0 {
		authority, path = rest[:slash], rest[slash:]
	}
	h.path = path
	return bytes.EqualFold(authority, h.host)
}

// parseHeader reads one header line, without its CRLF.
func (h *head) parseHeader(line []byte) problem.Code {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !clean(line) {
		return problem.BadFraming // no name (also a folded line without a colon), or a control character
	}
	name, value := line[:colon], trim(line[colon+1:])
	if known, fault := h.known(name, value); known {
		return fault
	}
	if !isToken(name) { // also a folded line, and a space before the colon
		return problem.BadFraming
	}
	if access.IsProxyHeader(name) {
		h.proxied = true
	}
	return problem.OK
}

// known takes the headers that mean something here. Their names are of different lengths nearly always, so that one
// comparison finds them.
func (h *head) known(name, value []byte) (bool, problem.Code) {
	switch len(name) {
	case len("host"):
		return h.once(name, "host", "Host", &h.host, value)
	case len("accept"):
		if is(name, "accept", "Accept") {
			h.accept = value
			return true, problem.OK
		}
		if is(name, "expect", "Expect") {
			h.expect = access.EqualASCII(value, "100-continue")
			return true, problem.OK
		}
		return h.once(name, "origin", "Origin", &h.origin, value)
	case len("connection"):
		if is(name, "connection", "Connection") {
			h.close = h.close || hasToken(value, "close")
			h.keepAlive = h.keepAlive || hasToken(value, "keep-alive")
			return true, problem.OK
		}
	case len("drawd-retry"):
		if is(name, "drawd-retry", "Drawd-Retry") {
			h.retry = string(value) == "1"
			return true, problem.OK
		}
	case len("content-type"):
		if is(name, "content-type", "Content-Type") {
			if h.content != contentNone {
				return true, problem.BadFraming
			}
			h.content = contentOf(value)
			return true, problem.OK
		}
	case len("authorization"):
		if is(name, "if-none-match", "If-None-Match") {
			h.ifNoneMatch = value
			return true, problem.OK
		}
		return h.once(name, "authorization", "Authorization", &h.authorization, value)
	case len("content-length"):
		if is(name, "content-length", "Content-Length") {
			return true, h.parseLength(value)
		}
	case len("idempotency-key"):
		if is(name, "idempotency-key", "Idempotency-Key") {
			h.keyTwice = h.key != nil
			h.key = value
			return true, problem.OK
		}
		if known, fault := h.once(name, "drawd-min-index", "Drawd-Min-Index", &h.minIndex, value); known {
			return true, fault
		}
		return h.once(name, "drawd-namespace", "Drawd-Namespace", &h.namespace, value)
	case len("transfer-encoding"):
		if is(name, "transfer-encoding", "Transfer-Encoding") {
			return true, problem.LengthRequired
		}
		return h.once(name, "drawd-deadline-ms", "Drawd-Deadline-Ms", &h.deadline, value)
	case len("drawd-linearizable"):
		if is(name, "drawd-linearizable", "Drawd-Linearizable") {
			h.linearizable = string(value) == "1"
			return true, problem.OK
		}
	}
	return false, problem.OK
}

// once takes a header that may stand in a head once at most. The value is never nil afterwards.
func (h *head) once(name []byte, lower, canonical string, field *[]byte, value []byte) (bool, problem.Code) {
	if !is(name, lower, canonical) {
		return false, problem.OK
	}
	if *field != nil {
		return true, problem.BadFraming
	}
	*field = value
	return true, problem.OK
}

// parseLength reads a Content-Length: digits only, once.
func (h *head) parseLength(value []byte) problem.Code {
	if h.hasLength || len(value) == 0 || len(value) > maxLengthChars {
		return problem.BadFraming
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return problem.BadFraming
		}
		n = n*10 + int64(c-'0')
	}
	h.length, h.hasLength = n, true
	return problem.OK
}

// contentOf reads a Content-Type. The only parameter that is taken is a charset of UTF-8, with JSON.
func contentOf(value []byte) content {
	if string(value) == typeJSON {
		return contentJSON
	}
	kind, parameter, more := bytes.Cut(value, []byte{';'})
	kind = trim(kind)
	switch {
	case access.EqualASCII(kind, typeBatch) && !more:
		return contentBatch
	case access.EqualASCII(kind, typeJSON):
		parameter = trim(parameter)
		if !more || access.EqualASCII(parameter, "charset=utf-8") || access.EqualASCII(parameter, `charset="utf-8"`) {
			return contentJSON
		}
	}
	return contentOther
}

// accepts reports whether the caller takes answers of a media type "application/<subtype>".
func (h *head) accepts(subtype string) bool {
	if h.accept == nil {
		return true
	}
	for rest := h.accept; len(rest) > 0; {
		var item []byte
		item, rest, _ = bytes.Cut(rest, []byte{','})
		item, _, _ = bytes.Cut(item, []byte{';'})
		item = trim(item)
		if string(item) == "*/*" {
			return true
		}
		kind, sub, _ := bytes.Cut(item, []byte{'/'})
		if access.EqualASCII(kind, "application") && (string(sub) == "*" || access.EqualASCII(sub, subtype)) {
			return true
		}
	}
	return false
}

// is compares a header name: in the usual form with one comparison, in any other case of letters with a loop.
func is(name []byte, lower, canonical string) bool {
	return string(name) == canonical || access.EqualASCII(name, lower)
}

// hasToken reports whether a comma-separated list holds a token.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		var item []byte
		item, list, _ = bytes.Cut(list, []byte{','})
		if access.EqualASCII(trim(item), lower) {
			return true
		}
	}
	return false
}

// trim removes spaces and tabs at both ends. It never returns nil.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// clean reports whether b holds no control character but tabs. Eight bytes at a time: a byte below 0x20 borrows from its
// top bit when 0x20 is taken away, and 0x7f becomes zero under an exclusive or. Both tests may see a byte too many, never
// one too few, and then every byte is looked at.
func clean(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	rest := b
	for len(rest) >= 8 {
		x := binary.LittleEndian.Uint64(rest)
		y := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(y-ones)&^y)&tops != 0 {
			return cleanSlow(b)
		}
		rest = rest[8:]
	}
	return cleanSlow(rest)
}

func cleanSlow(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// token marks the characters of header names and methods (RFC 9110 §5.6.2).
var token = func() (t [256]bool) {
	for c := '0'; c <= 'z'; c++ {
		t[c] = c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !token[c] {
			return false
		}
	}
	return len(b) > 0
}
