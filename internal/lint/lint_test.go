package lint

import (
	"testing"
)

// TestRepository holds this repository to its rules.
func TestRepository(t *testing.T) {
	tree, err := Repository("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.packages) < 5 || len(tree.texts) < 5 {
		t.Fatalf("found only %d packages and %d texts: is the root right?", len(tree.packages), len(tree.texts))
	}
	for _, r := range Rules() {
		t.Run(r.Name, func(t *testing.T) {
			for _, f := range r.Check(tree) {
				t.Error(f)
			}
		})
	}
}
