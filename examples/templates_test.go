package examples

import (
	"slices"
	"testing"
)

func TestTemplates(t *testing.T) {
	names := Templates()
	if !slices.Contains(names, "flash-sale") || !slices.Contains(names, "daily-wheel") || slices.Contains(names, "resale-policy") {
		t.Errorf("templates: %v", names)
	}
	for _, name := range names {
		if source, ok := Template(name); !ok || len(source) == 0 {
			t.Errorf("template %s is not there", name)
		}
	}
	if _, ok := Template("doc"); ok {
		t.Error("what is no campaign file is no template")
	}
}
