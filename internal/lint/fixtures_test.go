package lint

import (
	"fmt"
	"go/importer"
	"go/token"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"testing/fstest"
)

// Each fixture is the smallest repository that breaks one rule, or that comes close and must pass. Keys are paths;
// want names the places of the findings.
var fixtures = []struct {
	rule, name string
	files      map[string]string
	want       []string
}{
	{"imports", "engine imports the log", map[string]string{
		"engine/a.go": "package engine\n\nimport _ \"github.com/drawd/drawd/raftlog\"\n",
	}, []string{"engine/a.go:3"}},
	{"imports", "server imports storage", map[string]string{
		"server/dataplane/a.go": "package dataplane\n\nimport (\n\t_ \"github.com/drawd/drawd/engine\"\n\t_ \"github.com/drawd/drawd/storage\"\n)\n",
	}, []string{"server/dataplane/a.go:5"}},
	{"imports", "what the table allows", map[string]string{
		"raftlog/a.go":           "package raftlog\n\nimport _ \"github.com/drawd/drawd/storage\"\n",
		"server/a.go":            "package server\n\nimport _ \"github.com/drawd/drawd/server/dataplane\"\n",
		"cmd/drawd/a.go":         "package main\n\nimport _ \"github.com/drawd/drawd/bench\"\n",
		"server/a_test.go":       "package server\n\nimport _ \"github.com/drawd/drawd/raftlog\"\n",
		"engine/internal/x/a.go": "package x\n\nimport _ \"github.com/drawd/drawd/engine/internal/y\"\n",
	}, nil},
	{"imports", "the root package of a subtree is not the subtree", map[string]string{
		"raftlog/a.go": "package raftlog\n\nimport _ \"github.com/drawd/drawd/engine/campaignfile\"\n",
	}, []string{"raftlog/a.go:3"}},
	{"imports", "a test imports a command", map[string]string{
		"server/a_test.go": "package server\n\nimport _ \"github.com/drawd/drawd/cmd/drawd\"\n",
	}, []string{"server/a_test.go:3"}},
	{"imports", "a folder nobody has placed", map[string]string{"payments/a.go": "package payments\n"}, []string{"payments/a.go"}},

	{"owners", "a second importer of Pebble", map[string]string{
		"raftlog/a.go": "package raftlog\n\nimport _ \"github.com/cockroachdb/pebble/v2/vfs\"\n",
		"storage/a.go": "package storage\n\nimport _ \"github.com/cockroachdb/pebble/v2\"\n",
	}, []string{"raftlog/a.go:3"}},
	{"owners", "a longer name is another library", map[string]string{
		"server/a.go": "package server\n\nimport _ \"github.com/hashicorp/raft-wal\"\n",
	}, nil},

	{"package-docs", "none", map[string]string{"a/a.go": "package a\n"}, []string{"a"}},
	{"package-docs", "cut off by a blank line", map[string]string{"a/a.go": "// Package a is cut off.\n\npackage a\n"}, []string{"a"}},
	{"package-docs", "twice", map[string]string{"a/a.go": "// Package a is.\npackage a\n", "a/b.go": "// Package a is too.\npackage a\n"}, []string{"a"}},
	{"package-docs", "not in doc.go", map[string]string{"a/a.go": "// Package a is.\npackage a\n", "a/b.go": "package a\n"}, []string{"a"}},
	{"package-docs", "another name", map[string]string{"a/a.go": "// Package b is.\npackage a\n"}, []string{"a/a.go:1"}},
	{"package-docs", "right", map[string]string{
		"a/doc.go": "// Package a is.\npackage a\n", "a/b.go": "package a\n",
		"cmd/x/main.go": "// Command x does.\npackage main\n", "t/t_test.go": "package t\n",
	}, nil},

	{"package-names", "util", map[string]string{"server/util/a.go": "package util\n"}, []string{"server/util"}},
	{"package-names", "inside a word", map[string]string{"server/utility/a.go": "package utility\n"}, nil},

	{"pure-imports", "clock, logger, network, randomness", map[string]string{
		"engine/a.go": "package engine\n\nimport (\n\t_ \"time\"\n\t_ \"log/slog\"\n\t_ \"net\"\n\t_ \"math/rand/v2\"\n\t_ \"net/netip\"\n)\n",
	}, []string{"engine/a.go:4", "engine/a.go:5", "engine/a.go:6", "engine/a.go:7"}},
	{"pure-imports", "deeper, and not in what is no state machine", map[string]string{
		"engine/internal/x/a.go":   "package x\n\nimport _ \"os\"\n",
		"engine/campaignfile/a.go": "package campaignfile\n\nimport _ \"time\"\n",
		"engine/a_test.go":         "package engine\n\nimport _ \"os\"\n",
	}, []string{"engine/internal/x/a.go:3"}},

	{"pure-syntax", "go, select, chan, sync.Map", map[string]string{
		"engine/a.go": "package engine\n\nimport \"sync\"\n\nfunc f(c chan int) {\n\tgo f(c)\n\tselect {\n\tcase <-c:\n\t}\n\tvar m sync.Map\n\t_ = &m\n}\n",
	}, []string{"engine/a.go:10", "engine/a.go:5", "engine/a.go:6", "engine/a.go:7"}},

	{"pure-floats", "type, literal, conversion, alias", map[string]string{
		"engine/a.go": "package engine\n\ntype share = float64\n\nvar x share\n\nfunc f(n int) int { return int(0.5 * 4) }\n\nfunc g(n int) bool { return float32(n) > 1 }\n",
	}, []string{"engine/a.go:3", "engine/a.go:5", "engine/a.go:7", "engine/a.go:9"}},
	{"pure-floats", "integers, and floats elsewhere", map[string]string{
		"engine/a.go": "package engine\n\nfunc f(n int64) int64 { return n * 3 / 2 }\n",
		"bench/a.go":  "package bench\n\nvar x = 0.5\n",
	}, nil},
	{"pure-floats", "what does not compile", map[string]string{"engine/a.go": "package engine\n\nvar x int = y\n"}, []string{"engine"}},

	{"pure-maps", "a range over a map, by name and by type", map[string]string{
		"engine/a.go": "package engine\n\ntype set map[int]bool\n\nfunc f(m map[string]int, s set, l []int) {\n\tfor range m {\n\t}\n\tfor range s {\n\t}\n\tfor range l {\n\t}\n}\n",
	}, []string{"engine/a.go:6", "engine/a.go:8"}},
	{"pure-maps", "a reason, and an empty reason", map[string]string{
		"engine/a.go": "package engine\n\nfunc f(m map[string]int) (n int) {\n\t// order: a sum.\n\tfor _, v := range m {\n\t\tn += v\n\t}\n\t// order:\n\tfor range m {\n\t}\n\treturn n\n}\n",
	}, []string{"engine/a.go:9"}},

	{"clock", "outside the clock file", map[string]string{
		"raftlog/clock.go":  "package raftlog\n\nimport \"time\"\n\nvar now = time.Now\n",
		"raftlog/a.go":      "package raftlog\n\nimport \"time\"\n\nfunc f() time.Time { return time.Now() }\n\nvar since = time.Since\n",
		"raftlog/a_test.go": "package raftlog\n\nimport \"time\"\n\nvar t0 = time.Now()\n",
		"server/a.go":       "package server\n\nimport \"time\"\n\nvar now = time.Now\n",
	}, []string{"raftlog/a.go:5", "raftlog/a.go:7"}},

	{"variables", "written, counted, cleared, and types made to change", map[string]string{
		"a/a.go": "package a\n\nimport \"sync\"\n\nvar n int\nvar m = map[string]int{}\nvar s struct{ x []int }\nvar mu sync.Mutex\nvar c = make(chan int)\nvar p = &T{}\n\ntype T struct{ n int }\n\n" +
			"func f() {\n\tn++\n\tdelete(m, \"\")\n\ts.x[0] = 1\n}\n",
	}, []string{"a/a.go:10", "a/a.go:15", "a/a.go:16", "a/a.go:17", "a/a.go:8", "a/a.go:9"}},
	{"variables", "tables, errors, locals of the same name", map[string]string{
		"a/a.go": "package a\n\nimport \"errors\"\n\nvar ErrX = errors.New(\"x\")\nvar names = [...]string{\"a\"}\nvar table = []row{{1}}\nvar _ = names\n\ntype row struct{ n int }\n\n" +
			"func f(i int) *row { return &table[i] }\n\nfunc g() { names := []string{}; names[0] = \"\" }\n",
	}, nil},

	{"tests", "sleep and skip", map[string]string{
		"a/a_test.go": "package a\n\nfunc TestX(t *testing.T) {\n\ttime.Sleep(1)\n\tt.Skip()\n}\n",
		"a/b_test.go": "package a\n\nimport \"testing/synctest\"\n\nfunc inBubble() { time.Sleep(1) }\n",
		"a/a.go":      "package a\n\nfunc f() { time.Sleep(1) }\n",
	}, []string{"a/a_test.go:4", "a/a_test.go:5"}},

	{"leftovers", "notes", map[string]string{
		"a/a.go": "package a\n\n// TO" + "DO: later\n", "b.md": "one\nFIX" + "ME\n", "c.md": "todo lists are fine\n",
	}, []string{"a/a.go:3", "b.md:2"}},
	{"machine-paths", "absolute paths", map[string]string{
		"a.md": "see /ho" + "me/ann/main and src/home/ann/main and https://x.io/home/ann/1\n",
	}, []string{"a.md:1"}},

	{"links", "broken file, broken anchor", map[string]string{
		"README.md":  "[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#the-one) [d](docs/a.md#none) [e](#here)\n# Here\n[w](https://x.io/y)\n```\n[x](none)\n```\n",
		"docs/a.md":  "# The one\n[up](../README.md) [up](..)\n[f](pic.png)\n",
		"docs/pic.x": "",
	}, []string{"README.md:1", "README.md:1", "docs/a.md:3"}},

	{"runbook", "a message that nothing prints any more", map[string]string{
		"docs/runbook.md":   "| it says | do |\n| `the disk … is full` | x |\n| `the disk is gone` | x |\n| `a_code` | x |\n",
		"storage/a.go":      "package storage\n\nconst full = \"the disk %s is full\"\n",
		"storage/b_test.go": "package storage\n\nconst gone = \"the disk is gone\"\n",
	}, []string{"docs/runbook.md:3"}},
	{"makefile", "an undocumented target", map[string]string{
		"Makefile": "X := 1\n.PHONY: a b\na: ## Does a\n\techo b:\nb: a\n",
	}, []string{"Makefile:5"}},
}

func TestFixtures(t *testing.T) {
	for _, fx := range fixtures {
		t.Run(fx.rule+"/"+fx.name, func(t *testing.T) {
			checkFixture(t, ruleNamed(t, fx.rule), fx.files, fx.want)
		})
	}
}

// TestEveryRuleCanFail: a rule without a fixture that breaks it proves nothing.
func TestEveryRuleCanFail(t *testing.T) {
	breaks := map[string]bool{"size": true, "embeddable": true} // their tests are below
	for _, fx := range fixtures {
		breaks[fx.rule] = breaks[fx.rule] || len(fx.want) > 0
	}
	for _, r := range Rules() {
		if !breaks[r.Name] {
			t.Errorf("no fixture breaks rule %s", r.Name)
		}
	}
}

func TestSize(t *testing.T) {
	function := func(lines int) string { return "func f() {\n" + strings.Repeat("\n", lines-2) + "}\n" }
	files := map[string]string{
		"a/long.go":  "package a\n" + strings.Repeat("\n", maxFileLines),
		"a/right.go": "package a\n\n" + function(maxFunctionLines),
		"a/fn.go":    "package a\n\n" + function(maxFunctionLines+1),
		"a/gen.go":   "// Code generated by x. DO NOT EDIT.\n\npackage a\n" + strings.Repeat("\n", maxFileLines),
	}
	check := func(name string, fileRows, functionRows []exception, want ...string) {
		t.Helper()
		rule := Rule{name, func(tree *Tree) []Finding { return sizesWith(tree, fileRows, functionRows) }}
		checkFixture(t, rule, files, want)
	}
	check("no exception", nil, nil, "a/fn.go:3", "a/long.go")
	check("right exceptions", []exception{{"a/long.go", 501, "x"}}, []exception{{"a.f", 71, "x"}})
	check("outgrown exceptions", []exception{{"a/long.go", 500, "x"}}, []exception{{"a.f", 70, "x"}}, "a/fn.go:3", "a/long.go")
	check("an exception that is not needed", []exception{{"a/long.go", 501, "x"}, {"a/right.go", 600, "x"}}, []exception{{"a.f", 71, "x"}}, "internal/lint/policy.go")
}

func TestEmbeddable(t *testing.T) {
	tree := &Tree{deps: map[string][]string{
		"engine":    {"fmt", "github.com/spf13/cobra"},
		"cmd/drawd": {"github.com/spf13/cobra"},
		"storage":   {"github.com/cockroachdb/pebble/v2"},
	}}
	if got := embeddableDeps(tree); len(got) != 1 || got[0].Where != "engine" {
		t.Errorf("findings %v, want one in engine", got)
	}
}

// TestPolicyHasReasons: a rule whose reason nobody wrote down is a rule nobody can change.
func TestPolicyHasReasons(t *testing.T) {
	for _, l := range layers {
		if l.why == "" {
			t.Errorf("layer %s has no reason", l.dir)
		}
	}
	for _, o := range owners {
		if o.why == "" {
			t.Errorf("owner of %s has no reason", o.library)
		}
	}
	for _, e := range append(append([]exception{}, longFiles...), longFunctions...) {
		if e.why == "" {
			t.Errorf("exception %s has no reason", e.name)
		}
	}
}

func ruleNamed(t *testing.T, name string) Rule {
	for _, r := range Rules() {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no rule %s", name)
	return Rule{}
}

// standardExport returns the export data of a package of the standard library. importer.Default finds none when the test
// was built with -trimpath.
func standardExport(imported string) (io.ReadCloser, error) {
	file, err := exec.Command("go", "list", "-export", "-f", "{{.Export}}", imported).Output()
	if err != nil {
		return nil, err
	}
	return os.Open(strings.TrimSpace(string(file)))
}

func checkFixture(t *testing.T, r Rule, files map[string]string, want []string) {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, body := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(body)}
	}
	tree, err := Load(fsys, importer.ForCompiler(token.NewFileSet(), "gc", standardExport))
	if err != nil {
		t.Fatal(err)
	}
	findings := r.Check(tree)
	var got []string
	for _, f := range findings {
		got = append(got, f.Where)
	}
	sort.Strings(got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: found %v, want findings at %v", r.Name, findings, want)
	}
}
