package campaignfile

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// MaskedCode stands for a shared code in a file that is shown to somebody who may not see codes. A file with it can be
// read, and compared with another, and is not published.
const MaskedCode = "********"

// Mask returns a canonical document with its shared codes masked; nil for one that cannot be masked, which is then not to
// be shown. A document without shared codes is returned as it is.
func Mask(v *engine.Version) []byte {
	document := v.Document
	for i := range v.Codes {
		if code := v.Codes[i].Shared; code != "" {
			document = bytes.ReplaceAll(document, sharedForm(code), sharedForm(MaskedCode))
		}
	}
	var d struct {
		Prizes []struct {
			Codes json.RawMessage `json:"codes"`
		} `json:"prizes"`
	}
	if len(v.Codes) > 0 && json.Unmarshal(document, &d) != nil {
		return nil
	}
	for _, p := range d.Prizes {
		var c struct{ Shared string }
		if json.Unmarshal(p.Codes, &c) == nil && c.Shared != "" && c.Shared != MaskedCode {
			return nil
		}
	}
	return document
}

// sharedForm is how the canonical form has a shared code. Inside a text its quotes would be escaped, so it stands nowhere
// else.
func sharedForm(code string) []byte {
	return append([]byte(`"codes":`), marshal(map[string]string{"shared": code})...)
}

// Masked reports the prizes whose code is masked: whoever made the file was not shown it.
func (f *File) Masked() (faults []Fault) {
	for i := range f.Version.Codes {
		if c := &f.Version.Codes[i]; c.Shared == MaskedCode {
			faults = append(faults, Fault{
				Pointer: fmt.Sprintf("/prizes/%d/codes", c.Prize), Code: problem.InvalidField,
				Message: "the code is masked: this file was read with a key that may not see codes; write the code itself",
			})
		}
	}
	return faults
}
