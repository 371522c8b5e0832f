package dataplane

import "github.com/drawd/drawd/engine"

// attributes are the members of a draw's "attributes", as they were sent: what campaigns that declare none do not look at
// is not judged.
type attributes struct {
	items [engine.MaxAttributes]attribute
	count int
	more  bool // there were more than that
}

// attribute is one of them. A value of type 0 is one that no attribute can have.
type attribute struct {
	name  []byte
	value engine.Value
}

func (a *attributes) begin() {
	clear(a.items[:a.count])
	a.count, a.more = 0, false
}

// attributes reads the object at i.
func (s *scanner) attributes(a *attributes, depth int) bool {
	s.i++
	mine := len(s.names)
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			s.names = s.names[:mine]
			return ok
		}
		if !s.unique(mine, name) {
			return false
		}
		value, ok := s.value(depth + 1)
		if !ok {
			return false
		}
		if a.count == len(a.items) {
			a.more = true
			continue
		}
		a.items[a.count] = attribute{name, value}
		a.count++
	}
}

// value reads any value; only those that an attribute can have come back with a type.
func (s *scanner) value(depth int) (v engine.Value, ok bool) {
	switch c := s.space(); {
	case c == '"':
		text, ok := s.str()
		if ok && len(text) <= engine.MaxAttributeText {
			v = engine.Value{Type: engine.TypeText, Text: text}
		}
		return v, ok
	case c == '-' || '0' <= c && c <= '9':
		n, whole, ok := s.number()
		if ok && whole {
			v = engine.Value{Type: engine.TypeInt, Int: n}
		}
		return v, ok
	case c == 't':
		return engine.Value{Type: engine.TypeBool, Int: 1}, s.literal("true")
	case c == 'f':
		return engine.Value{Type: engine.TypeBool}, s.literal("false")
	}
	return v, s.skip(depth)
}

// find returns the value that was sent under a name.
func (a *attributes) find(name string) (v engine.Value, there bool) {
	for i := range a.items[:a.count] {
		if string(a.items[i].name) == name {
			return a.items[i].value, true
		}
	}
	return v, false
}
