package examples

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Templates returns the names of the campaign files, sorted: "daily-wheel", "flash-sale", …
func Templates() (names []string) {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("BUG: the examples are not in the binary: " + err.Error())
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".yaml"); !strings.HasSuffix(name, "-policy") { // of a namespace, no campaign
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Template returns a campaign file by its name; ok is false when there is none.
func Template(name string) (source []byte, ok bool) {
	if !slices.Contains(Templates(), name) {
		return nil, false
	}
	source, err := files.ReadFile(name + ".yaml")
	return source, err == nil
}
