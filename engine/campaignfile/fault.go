package campaignfile

import (
	"encoding/json"
	"fmt"

	"github.com/drawd/drawd/engine/problem"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	Pointer string       // JSON pointer (RFC 6901) of the value; empty for the whole document
	Code    problem.Code // UnknownField, InvalidField or BadJSON (the source cannot be read at all); of a warning none
	Rule    string       // of a warning: the code of the rule that found it
	Message string       // for a person: what is wrong and what is allowed
	Line    int          // from 1; 0 when the value has no place in the source
	Column  int          // from 1, in characters
}

// Error returns the fault on one line: "12:5: /prizes/0/weight: must be …".
func (f Fault) Error() string {
	switch {
	case f.Line == 0 && f.Pointer == "":
		return f.Message
	case f.Line == 0:
		return f.Pointer + ": " + f.Message
	case f.Pointer == "":
		return fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Message)
	}
	return fmt.Sprintf("%d:%d: %s: %s", f.Line, f.Column, f.Pointer, f.Message)
}

// MarshalJSON returns the form in which faults stand in a problem's "errors".
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Pointer string `json:"pointer"`
		Code    string `json:"code"`
		Message string `json:"message"`
		Line    int    `json:"line,omitempty"`
		Column  int    `json:"column,omitempty"`
	}{f.Pointer, f.code(), f.Message, f.Line, f.Column})
}

// code is the word for programs.
func (f Fault) code() string {
	if f.Rule != "" {
		return f.Rule
	}
	return f.Code.String()
}

// invalid returns a fault that has no place yet.
func invalid(pointer, format string, args ...any) Fault {
	return Fault{Pointer: pointer, Code: problem.InvalidField, Message: fmt.Sprintf(format, args...)}
}

// pointerTo returns the pointer of the i-th item of a list, or of one of its fields.
func pointerTo(list string, i int, field string) string {
	p := fmt.Sprintf("/%s/%d", list, i)
	if field != "" {
		p += "/" + field
	}
	return p
}
