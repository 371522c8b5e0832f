package apitest

import (
	"os"
	"regexp"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Stock generators read the document too (docs/clients.md). What they stumble over is told here, and not by a compiler of Java.
func TestGeneratorsCanReadIt(t *testing.T) {
	path, err := find("docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if alias := regexp.MustCompile(`(?m)^.*: [*&][a-z]+$`).Find(text); alias != nil {
		t.Errorf("an alias of YAML, which converters keep: %s", alias)
	}
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.operations {
		o := &d.operations[i]
		name := o.method + " " + o.path
		if o.op.OperationID == "" {
			t.Errorf("%s has no operationId", name)
		}
		if ref := o.op.RequestBody; ref != nil {
			checkContent(t, name+": request", ref.Value.Content)
		}
		for status, ref := range o.op.Responses.Map() {
			checkContent(t, name+": "+status, ref.Value.Content)
		}
	}
}

// checkContent wants a schema of every type, and a name for whatever is one of several things.
func checkContent(t *testing.T, where string, content openapi3.Content) {
	t.Helper()
	for kind, media := range content {
		switch {
		case media.Schema == nil:
			t.Errorf("%s: %s has no schema: {type: string} at least", where, kind)
		case media.Schema.Ref == "" && len(media.Schema.Value.OneOf)+len(media.Schema.Value.AnyOf) > 0:
			t.Errorf("%s: %s is one of several schemas and has no name: give it one among the components", where, kind)
		}
	}
}
