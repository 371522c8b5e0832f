package runfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// maxFile bounds a document: an hour of seconds and ten histograms stay far below it.
const maxFile = 256 << 20

// Close sets the result by the worst of what happened. It is called once, when the run is complete.
func (r *Run) Close() {
	r.SchemaVersion = SchemaVersion
	r.Result = OK
	for i := range r.Expectations {
		if !r.Expectations[i].Met {
			r.Result = Missed
		}
	}
	if r.Verdict != nil && r.Verdict.Status == Unproven {
		r.Result = TooLittle
	}
	if len(r.Invalid) > 0 {
		r.Result = Invalid
	}
	if r.Verdict != nil && r.Verdict.Status == Broken {
		r.Result = Wrong
	}
}

// Write writes the document to w.
func (r *Run) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("runfile: %w", err)
	}
	return nil
}

// WriteFile writes the document to a file.
func (r *Run) WriteFile(name string) error {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("runfile: %w", err)
	}
	return nil
}

// Read reads a document and checks that this package knows all of it.
func Read(from io.Reader) (*Run, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("runfile: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("runfile: the document is larger than %d bytes", maxFile)
	}
	var version struct {
		SchemaVersion int `json:"schema_version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("runfile: no run document: %w", err)
	}
	if v := version.SchemaVersion; v < 1 || v > SchemaVersion {
		return nil, fmt.Errorf("runfile: schema_version is %d; this build reads 1 to %d", v, SchemaVersion)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	r := &Run{}
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("runfile: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("runfile: something follows the document")
	}
	return r, nil
}

// ReadFile reads a document from a file.
func ReadFile(name string) (*Run, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("runfile: %w", err)
	}
	defer file.Close()
	r, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}
