package campaignfile

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with the file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

func sources(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no files in testdata/%s: %v", dir, err)
	}
	var files []string
	for _, path := range all {
		if ext := filepath.Ext(path); ext == ".yaml" || ext == ".json" {
			files = append(files, path)
		}
	}
	return files
}

func TestFaultsGolden(t *testing.T) {
	for _, path := range sources(t, "faults") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file, faults := Parse(src)
			if file != nil || len(faults) == 0 {
				t.Fatal("a faulty file was accepted")
			}
			var out bytes.Buffer
			if err := Render(&out, filepath.Base(path), src, faults); err != nil {
				t.Fatal(err)
			}
			golden(t, path+".golden", out.Bytes())
		})
	}
}

func TestCompiledGolden(t *testing.T) {
	for _, path := range sources(t, "good") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file, faults := Parse(src)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			golden(t, path+".golden", describe(file))
		})
	}
}

// describe writes a compiled version for people.
func describe(f *File) []byte {
	var b bytes.Buffer
	v := f.Version
	fmt.Fprintf(&b, "%s\n\n", strings.ReplaceAll(string(v.Document), "},{", "},\n  {"))
	fmt.Fprintf(&b, "campaign %s  zone %s  [%d, %d)  1/%d  guaranteed %v  users %d  exhausted %d/%d  title %s\n",
		v.Campaign, v.TimeZone, v.StartsAt, v.EndsAt, v.Denominator, v.Guaranteed, v.ExpectedUsers, v.Exhausted, v.UserExhausted, v.Title)
	for _, t := range v.Transitions {
		fmt.Fprintf(&b, "transition %d %+d\n", t.At, t.OffsetSeconds)
	}
	for _, c := range v.Caps {
		line := fmt.Sprintf("cap %+v\n", c)
		if c.Scope != engine.ScopeAttribute {
			line = strings.Replace(line, " Attribute:0", "", 1) // only caps that count by an attribute have one
		}
		b.WriteString(line)
	}
	for _, p := range v.Prizes {
		title := p.Title
		p.Title = nil
		fmt.Fprintf(&b, "prize %+v %s\n", p, title)
	}
	for _, p := range v.Pity {
		fmt.Fprintf(&b, "pity %+v\n", p)
	}
	for _, a := range v.Amounts {
		fmt.Fprintf(&b, "amount %+v\n", a)
	}
	if v.Guard != nil {
		fmt.Fprintf(&b, "guard %+v\n", *v.Guard)
	}
	for _, d := range v.Deliveries {
		fmt.Fprintf(&b, "delivery %+v\n", d)
	}
	if v.Mode != (engine.Mode{}) {
		fmt.Fprintf(&b, "mode %+v\n", v.Mode)
	}
	for _, boost := range v.Boosts {
		fmt.Fprintf(&b, "boost %+v\n", boost)
	}
	if v.Budget != (engine.Budget{}) {
		fmt.Fprintf(&b, "budget %+v\n", v.Budget)
	}
	if v.Chances != nil {
		fmt.Fprintf(&b, "chances %+v\n", *v.Chances)
	}
	if v.Helps != nil {
		fmt.Fprintf(&b, "helps %+v\n", *v.Helps)
	}
	for i, s := range v.Sets {
		fmt.Fprintf(&b, "set %d %+v\n", i, s)
	}
	for _, s := range v.Sessions {
		fmt.Fprintf(&b, "session %s [%d, %d) set %d unsold %d %s\n", s.ID, s.StartsAt, s.EndsAt, s.Set, s.Unsold, s.Title)
	}
	for i, s := range v.Schedules {
		first, last := s.Windows[0], s.Windows[len(s.Windows)-1]
		fmt.Fprintf(&b, "schedule %d avoid %v expire %v %d windows %+v … %+v\n", i, s.AvoidWholeHour, s.Expire, len(s.Windows), first, last)
	}
	for _, r := range v.Releases {
		fmt.Fprintf(&b, "release %+v\n", r)
	}
	for _, c := range v.Codes {
		fmt.Fprintf(&b, "codes %+v\n", c)
	}
	for _, c := range v.Channels {
		fmt.Fprintf(&b, "channel %+v\n", c)
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "warning %s: %s\n", w.Rule, w.Error())
	}
	return b.Bytes()
}

// The two spellings of the same campaign have the same canonical bytes, which parse to themselves.
func TestCanonicalIsStable(t *testing.T) {
	var documents [][]byte
	for _, name := range []string{"double11.yaml", "double11.json"} {
		src, err := os.ReadFile(filepath.Join("testdata", "good", name))
		if err != nil {
			t.Fatal(err)
		}
		file, faults := Parse(src)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		again, faults := Parse(file.Version.Document)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		documents = append(documents, file.Version.Document, again.Version.Document)
	}
	for _, d := range documents[1:] {
		if !bytes.Equal(d, documents[0]) {
			t.Errorf("documents differ:\n%s\n%s", d, documents[0])
		}
	}
}

func TestSourceBounds(t *testing.T) {
	for name, tc := range map[string]struct{ src, want string }{
		"too large":  {strings.Repeat("#", engine.MaxDocumentBytes+1), "at most 163840 are allowed"},
		"not UTF-8":  {"campaign: a\ntitle: \xff\n", "2:8: this is not valid UTF-8"},
		"flow depth": {"a: " + strings.Repeat("[", 50_000), "nested deeper than 16"},
		"in a line":  {strings.Repeat("- ", 50_000), "nested deeper than 16"},
		"indent":     {blocks(300), "nested deeper than 16"},
		"blocks":     {blocks(20), "nested deeper than 16"},
		"JSON depth": {`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}", "nested deeper than 16"},
		"tokens":     {strings.Repeat("- 1\n", 35_000), "more than 60000 YAML tokens"},
		"trailing":   {`{"campaign":"a"} {}`, "1:18: this is not valid JSON"},
		"nothing":    {" \n\t", "the file is empty"},
		"scalar":     {"hello", "must be a mapping with the fields campaign, title"},
		"faults":     {"{" + strings.TrimSuffix(strings.Repeat(`"x":1,`, 300), ",") + "}", "more faults"},
	} {
		t.Run(name, func(t *testing.T) {
			file, faults := Parse([]byte(tc.src))
			if file != nil || len(faults) == 0 || len(faults) > maxFaults+1 {
				t.Fatalf("accepted, or %d faults", len(faults))
			}
			for _, f := range faults {
				if strings.Contains(f.Error(), tc.want) {
					return
				}
			}
			t.Errorf("no fault says %q: %v", tc.want, faults[0])
		})
	}
}

// blocks returns block mappings nested n deep.
func blocks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}
