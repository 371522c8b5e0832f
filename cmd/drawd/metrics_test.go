package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/drawd/drawd/storage"
)

// What the daemon exposes of its store is what docs/metrics.md lists under Storage, no more and no less.
func TestStoreMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := bytes.Cut(page, []byte("\n## Storage\n"))
	if !found {
		t.Fatal("docs/metrics.md has no section Storage")
	}
	documented := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)`").FindAllSubmatch(section, -1) {
		documented["drawd_storage_"+string(row[1])] = true
	}
	store, err := storage.Open(storage.Options{Dir: filepath.Join(t.TempDir(), "data")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var out bytes.Buffer
	storeMetrics{store}.WritePrometheus(&out)
	exposed := make(map[string]bool)
	for _, line := range regexp.MustCompile(`(?m)^([a-z0-9_]+)(\{db="(log|state)"\})? [0-9.e+]+$`).FindAllSubmatch(out.Bytes(), -1) {
		exposed[string(line[1])] = true
		if !documented[string(line[1])] {
			t.Errorf("%s is not in docs/metrics.md", line[1])
		}
	}
	for name := range documented {
		if !exposed[name] {
			t.Errorf("%s is in docs/metrics.md and not exposed", name)
		}
	}
	if lines := bytes.Count(out.Bytes(), []byte("\n")); len(exposed) != len(documented) || lines <= len(exposed) {
		t.Errorf("%d names on %d lines, %d are documented:\n%s", len(exposed), lines, len(documented), &out)
	}
}
