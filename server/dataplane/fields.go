package dataplane

import (
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// faults is what is wrong with the fields of a body that is sound JSON. Bodies of draws and helps, which are in the way of a
// crowd, have a form of their own that aliases the request: drawBody.
type faults struct {
	list    []render.FieldError
	unknown bool // one of them is an unknown field
}

// add notes a fault at a JSON pointer.
func (f *faults) add(pointer, code, message string) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, render.FieldError{Pointer: pointer, Code: code, Message: message})
	}
}

func (f *faults) wrong(pointer string, w what) { f.add(pointer, whats[w].code, whats[w].message) }

// stray notes a field that the object at a pointer does not have. Its name is told only if it can hold nothing but a name.
func (f *faults) stray(at string, name []byte) {
	f.unknown = true
	if len(name) <= maxToldName && isPlainName(name) {
		at += "/" + string(name)
	}
	f.wrong(at, isUnknown)
}

// need notes that a field is missing, unless something is told of it already.
func (f *faults) need(pointer string, there bool) {
	if !there && !f.told(pointer) {
		f.wrong(pointer, isMissing)
	}
}

func (f *faults) told(pointer string) bool {
	for i := range f.list {
		if f.list[i].Pointer == pointer {
			return true
		}
	}
	return false
}

// Sentences of fields that several bodies have.
const (
	keyMessage    = "It must be 1 to 64 visible ASCII characters."
	reasonMessage = "It must be 1 to 512 bytes of text on one line."
)

// stringAt reads a string that must satisfy valid; nil when it does not. false means that the JSON is not sound.
func (s *scanner) stringAt(f *faults, pointer string, valid func([]byte) bool, message string) ([]byte, bool) {
	if s.space() != '"' {
		f.wrong(pointer, isNotString)
		return nil, s.skip(2)
	}
	text, ok := s.str()
	if ok && !valid(text) {
		f.add(pointer, "pattern", message)
		return nil, true
	}
	return text, ok
}

// wholeAt reads a whole number from least to most into n, which stays as it is if it is not one.
func (s *scanner) wholeAt(f *faults, pointer string, n *int64, least, most int64, message string) bool {
	if c := s.space(); c != '-' && (c < '0' || c > '9') {
		f.wrong(pointer, isNotWhole)
		return s.skip(2)
	}
	read, whole, ok := s.number()
	switch {
	case !ok:
	case !whole:
		f.wrong(pointer, isNotWhole)
	case read < least || read > most:
		f.add(pointer, "range", message)
	default:
		*n = read
	}
	return ok
}

// timeAt reads a time; t stays as it is if it is not one.
func (s *scanner) timeAt(f *faults, pointer string, t *engine.UnixMilli) bool {
	text, ok := s.stringAt(f, pointer, func([]byte) bool { return true }, "")
	if text == nil {
		return ok
	}
	read, err := time.Parse(time.RFC3339, string(text))
	if err != nil || read.Year() < 1971 || read.Year() > 2105 {
		f.add(pointer, "pattern", "It must be a time as in RFC 3339, such as 2026-11-11T00:00:00+08:00.")
	} else {
		*t = engine.UnixMilli(read.UnixMilli())
	}
	return ok
}

// bodyOf reads a body that is an object. field reads the value of one of its fields, or says that it does not know the name;
// missing is asked at the end. false means that it is not sound JSON.
func (s *scanner) bodyOf(f *faults, field func(name []byte) (known, ok bool), missing func()) bool {
	if s.space() != '{' {
		f.wrong("", isNotObject)
		return s.skip(1) && s.end()
	}
	s.i++
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			if ok {
				missing()
			}
			return ok && s.end()
		}
		if !s.unique(0, name) {
			return false
		}
		known, ok := field(name)
		if !known {
			f.stray("", name)
			ok = s.skip(2)
		}
		if !ok {
			return false
		}
	}
}

// sentJSON refuses a body of another type.
func (w *worker) sentJSON() bool {
	if w.head.content != contentJSON {
		w.refuse(problem.UnsupportedMediaType, "Content-Type must be application/json.")
		return false
	}
	return true
}

// keyed refuses a request without a sound Idempotency-Key.
func (w *worker) keyed() bool {
	fault := w.head.keyFault()
	if fault != problem.OK {
		w.refuse(fault, "")
	}
	return fault == problem.OK
}

// accepted reports whether the body was sound, which the caller found out, and nothing is wrong with its fields; else it refuses.
func (w *worker) accepted(sound bool, f *faults) bool {
	if !sound {
		w.badJSON()
		return false
	}
	if len(f.list) == 0 {
		return true
	}
	code := problem.InvalidField
	if f.unknown {
		code = problem.UnknownField
	}
	w.problem.Errors = append(w.problem.Errors, f.list...)
	w.refuse(code, "")
	return false
}
