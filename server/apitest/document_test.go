package apitest

import (
	"context"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func document(t *testing.T) *Document {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocumentIsValid(t *testing.T) {
	d := document(t)
	if err := d.Spec.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}
