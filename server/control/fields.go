package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// fields reads the members of a JSON object (or the parameters of a query) one by one, and collects everything that is
// wrong with them, so that a caller learns all of it at once. Members that nobody asked for are unknown.
type fields struct {
	members object
	pointer string
	asked   map[string]bool
	faults  *[]render.FieldError
}

func newFields(o object) *fields {
	return &fields{members: o, asked: map[string]bool{}, faults: new([]render.FieldError)}
}

func (f *fields) fault(name, code, format string, args ...any) {
	*f.faults = append(*f.faults, render.FieldError{Pointer: f.pointer + "/" + escape(name), Code: code, Message: fmt.Sprintf(format, args...)})
}

// faultAt is a fault of an element of a list.
func (f *fields) faultAt(name string, i int, code, format string, args ...any) {
	*f.faults = append(*f.faults, render.FieldError{Pointer: f.pointer + "/" + escape(name) + "/" + itoa(i), Code: code, Message: fmt.Sprintf(format, args...)})
}

// escape makes a member's name a part of a JSON pointer (RFC 6901).
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// get returns a member. A missing one is a fault when it is needed; null is no value anywhere.
func (f *fields) get(name string, needed bool) (any, bool) {
	f.asked[name] = true
	v, ok := f.members[name]
	if !ok && needed {
		f.fault(name, "required", "%s is needed", name)
	}
	return v, ok
}

// has reports whether a member is there.
func (f *fields) has(name string) bool { _, ok := f.members[name]; return ok }

// text returns a string of minBytes to maxBytes; one that may be empty need not be there.
func (f *fields) text(name string, minBytes, maxBytes int) string {
	v, ok := f.get(name, minBytes > 0)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		f.fault(name, "type", "%s must be a string", name)
		return ""
	}
	f.checkText(name, s, minBytes, maxBytes)
	return s
}

func (f *fields) checkText(name, s string, minBytes, maxBytes int) {
	switch {
	case len(s) < minBytes:
		f.fault(name, "range", "must not be empty")
	case len(s) > maxBytes:
		f.fault(name, "range", "must have at most %d bytes", maxBytes)
	case strings.ContainsFunc(s, unprintable):
		f.fault(name, "pattern", "must not have control characters")
	}
}

// unprintable reports control characters and those that reorder text: a reason must read as it was written.
func unprintable(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// flag returns a boolean, false when it is not there.
func (f *fields) flag(name string) bool {
	v, ok := f.get(name, false)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		f.fault(name, "type", "%s must be true or false", name)
	}
	return b
}

// integer returns an integer from least to most; one that is not needed and not there is 0.
func (f *fields) integer(name string, needed bool, least, most int64) int64 {
	v, ok := f.get(name, needed)
	if !ok {
		return 0
	}
	number, ok := v.(json.Number)
	n, err := strconv.ParseInt(number.String(), 10, 64)
	switch {
	case !ok:
		f.fault(name, "type", "%s must be an integer", name)
	case err != nil && strings.Trim(number.String(), "-0123456789") != "":
		f.fault(name, "type", "%s must be an integer, without fraction or exponent", name)
	case err != nil || n < least || n > most:
		f.fault(name, "range", "%s must be %d to %d", name, least, most)
	default:
		return n
	}
	return 0
}

// instant returns a time in RFC 3339; the zero time when it is not there.
func (f *fields) instant(name string) time.Time {
	v, ok := f.get(name, false)
	if !ok {
		return time.Time{}
	}
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9998 {
		f.fault(name, "pattern", "%s must be a time as in RFC 3339, such as 2026-11-11T00:00:00+08:00", name)
		return time.Time{}
	}
	return t
}

// texts returns a list of distinct strings.
func (f *fields) texts(name string, needed bool, most int) []string {
	v, ok := f.get(name, needed)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) > most || needed && len(list) == 0 {
		f.fault(name, "type", "%s must be a list of at most %d strings", name, most)
		return nil
	}
	var out []string
	for i, e := range list {
		s, ok := e.(string)
		if !ok || slices.Contains(out, s) {
			f.faultAt(name, i, "type", "must be a string that is not yet in the list")
			continue
		}
		out = append(out, s)
	}
	return out
}

// inside returns a member that is an object.
func (f *fields) inside(name string) *fields {
	v, ok := f.get(name, false)
	if !ok {
		return nil
	}
	o, ok := v.(object)
	if !ok {
		f.fault(name, "type", "%s must be an object", name)
		return nil
	}
	return &fields{members: o, pointer: f.pointer + "/" + name, asked: map[string]bool{}, faults: f.faults}
}

// close adds the members that nobody asked for. Of an inside object it must be called too.
func (f *fields) close() {
	var unknown []string
	for name := range f.members {
		if !f.asked[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	known := make([]string, 0, len(f.asked))
	for name := range f.asked {
		known = append(known, name)
	}
	slices.Sort(known)
	for _, name := range unknown {
		f.fault(name, problem.UnknownField.String(), "is not known here; known are %s", strings.Join(known, ", "))
	}
}

// done returns the refusal for everything that was wrong, or nil.
func (f *fields) done() *render.Problem {
	f.close()
	if len(*f.faults) == 0 {
		return nil
	}
	p := &render.Problem{Code: problem.InvalidField, Errors: *f.faults}
	p.Detail = strings.TrimPrefix(p.Errors[0].Pointer+": ", ": ") + p.Errors[0].Message
	if n := len(p.Errors) - 1; n > 0 {
		p.Detail += fmt.Sprintf(" (and %d more, in errors)", n)
	}
	for i := range p.Errors {
		if p.Errors[i].Code == problem.UnknownField.String() {
			p.Code = problem.UnknownField
		}
	}
	return p
}
