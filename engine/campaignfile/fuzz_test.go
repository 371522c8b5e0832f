package campaignfile

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// seeds adds every file of testdata to a fuzz corpus.
func seeds(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "testdata/*/*.json", "../../examples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
}

// FuzzParse: any source gives a version or faults; a version's document parses to the same version; every fault can
// be shown.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		file, faults := Parse(src)
		if (file == nil) != (len(faults) > 0) {
			t.Fatalf("file %v with %d faults", file, len(faults))
		}
		var out bytes.Buffer
		if err := Render(&out, "fuzz", src, faults); err != nil {
			t.Fatal(err)
		}
		if file == nil {
			return
		}
		if err := file.Version.Validate(); err != nil {
			t.Fatalf("the engine refuses what was accepted here: %v", err)
		}
		again, faults := Parse(file.Version.Document)
		if len(faults) > 0 {
			t.Fatalf("the canonical form has faults: %v\n%s", faults, file.Version.Document)
		}
		if !reflect.DeepEqual(again.Version, file.Version) {
			t.Fatalf("the canonical form means something else:\n%+v\n%+v", again.Version, file.Version)
		}
	})
}

// FuzzParsePolicy is FuzzParse for policies.
func FuzzParsePolicy(f *testing.F) {
	seeds(f)
	f.Add([]byte(policySource))
	f.Add([]byte(fatigueSource))
	f.Fuzz(func(t *testing.T, src []byte) {
		policy, faults := ParsePolicy(src)
		if (policy == nil) != (len(faults) > 0) {
			t.Fatalf("policy %v with %d faults", policy, len(faults))
		}
		if policy == nil {
			return
		}
		UserPattern(policy)
		again, faults := ParsePolicy(policy.Document)
		if len(faults) > 0 || !reflect.DeepEqual(again, policy) {
			t.Fatalf("the canonical form differs: %v\n%+v\n%+v", faults, again, policy)
		}
	})
}
