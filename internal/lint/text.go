package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// testCalls finds sleeping and skipping tests.
func testCalls(t *Tree) []Finding {
	var out []Finding
	t.eachFile(func(p *pkg, f *file) {
		if !f.test {
			return
		}
		if !importsSynctest(f.syntax) {
			for _, pos := range calls(f.syntax, "time", "Sleep") {
				out = append(out, Finding{t.atPos(pos), "a test waits for the event it is about, not for a time: use a channel, or testing/synctest, inside which sleeping is free"})
			}
		}
		for _, name := range []string{"t", "b", "f", "tb"} {
			for _, pos := range calls(f.syntax, name, "Skip", "Skipf", "SkipNow") {
				out = append(out, Finding{t.atPos(pos), "a skipped test proves nothing: make it run, or remove it"})
			}
		}
	})
	return out
}

// importsSynctest reports whether a test file uses fake time. Which of its functions run inside a bubble is not
// decidable here.
func importsSynctest(f *ast.File) bool {
	for _, spec := range f.Imports {
		if importedPath(spec.Path.Value) == "testing/synctest" {
			return true
		}
	}
	return false
}

// Written in two halves, so that this file does not find itself.
var (
	leftoverWords = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	machinePath   = regexp.MustCompile(`(^|[^A-Za-z0-9_.~/-])/(ro` + `ot|ho` + `me/[a-z]+|Us` + `ers/[A-Za-z]+)/`)
)

// leftovers finds notes to oneself: what is worth doing is an issue.
func leftovers(t *Tree) []Finding {
	return grep(t, leftoverWords, "is a note to oneself: do it, or open an issue")
}

// machinePaths finds absolute paths of somebody's machine.
func machinePaths(t *Tree) []Finding {
	return grep(t, machinePath, "is a path of one machine")
}

func grep(t *Tree, re *regexp.Regexp, what string) []Finding {
	var out []Finding
	in := func(name string, body []byte) {
		for i, line := range bytes.Split(body, []byte("\n")) {
			if m := re.Find(line); m != nil {
				out = append(out, Finding{fmt.Sprintf("%s:%d", name, i+1), fmt.Sprintf("%q %s", m, what)})
			}
		}
	}
	t.eachFile(func(_ *pkg, f *file) { in(f.path, f.src) })
	for _, x := range t.texts {
		in(x.path, x.body)
	}
	return out
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\))?)(?:\s+"[^"]*")?\)`)
	heading      = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	notInSlug    = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
	linkInTitle  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// links follows every relative link of every Markdown file, with its anchor.
func links(t *Tree) []Finding {
	bodies := map[string][]byte{}
	for _, x := range t.texts {
		bodies[x.path] = x.body
	}
	var out []Finding
	for _, x := range t.texts {
		if path.Ext(x.path) != ".md" {
			continue
		}
		eachLink(x.body, func(line int, target string) {
			file, anchor, _ := strings.Cut(target, "#")
			goal := x.path
			if file != "" {
				goal = path.Clean(path.Join(path.Dir(x.path), file))
			}
			where := fmt.Sprintf("%s:%d", x.path, line)
			if !t.paths[goal] {
				out = append(out, Finding{where, "link to " + target + ": there is no " + goal})
			} else if anchor != "" && path.Ext(goal) == ".md" && !anchors(bodies[goal])[anchor] {
				out = append(out, Finding{where, "link to " + target + ": " + goal + " has no such heading"})
			}
		})
	}
	return out
}

// eachLink calls fn for each relative link outside of code blocks.
func eachLink(body []byte, fn func(line int, target string)) {
	eachProseLine(body, func(number int, line string) {
		for _, m := range markdownLink.FindAllStringSubmatch(line, -1) {
			if target := m[1]; !strings.Contains(target, "://") && !strings.HasPrefix(target, "mailto:") {
				fn(number, target)
			}
		}
	})
}

// eachProseLine calls fn for each line outside of code blocks.
func eachProseLine(body []byte, fn func(number int, line string)) {
	inCode := false
	for i, line := range strings.Split(string(body), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inCode = !inCode
			continue
		}
		if !inCode {
			fn(i+1, line)
		}
	}
}

// anchors returns the anchors that the usual renderers make of the headings.
func anchors(body []byte) map[string]bool {
	out := map[string]bool{}
	seen := map[string]int{}
	eachProseLine(body, func(_ int, line string) {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			return
		}
		title := linkInTitle.ReplaceAllString(m[1], "$1")
		slug := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		if n := seen[slug]; n > 0 {
			out[fmt.Sprintf("%s-%d", slug, n)] = true
		}
		seen[slug]++
		out[slug] = true
	})
	return out
}

var target = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_./-]*)\s*:([^=].*)?$`)

// makefileHelp wants a word of help for every target: `make help` is the menu.
func makefileHelp(t *Tree) []Finding {
	var out []Finding
	for _, x := range t.texts {
		if path.Base(x.path) != "Makefile" {
			continue
		}
		for i, line := range strings.Split(string(x.body), "\n") {
			if m := target.FindStringSubmatch(line); m != nil && !strings.Contains(line, "## ") {
				out = append(out, Finding{fmt.Sprintf("%s:%d", x.path, i+1), "target " + m[1] + " has no \"## help\": make help is the menu"})
			}
		}
	}
	return out
}

// quoted finds the message in the first cell of a runbook's table: `like … this` |.
var quoted = regexp.MustCompile("^\\| `([^`]*[ :][^`]*)` \\|")

// runbookQuotes holds the messages that the runbook quotes against the code: somebody searches for them at night. The
// parts between the dots must stand in some file that is not a test.
func runbookQuotes(t *Tree) []Finding {
	var out []Finding
	for _, x := range t.texts {
		if path.Base(x.path) != "runbook.md" {
			continue
		}
		for i, line := range strings.Split(string(x.body), "\n") {
			m := quoted.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			for _, part := range strings.Split(m[1], "…") {
				if part = strings.TrimSpace(part); !t.says(part) {
					out = append(out, Finding{fmt.Sprintf("%s:%d", x.path, i+1), fmt.Sprintf("quotes %q, and nothing says that", part)})
				}
			}
		}
	}
	return out
}

func (t *Tree) says(words string) bool {
	found := false
	t.eachFile(func(_ *pkg, f *file) { found = found || !f.test && bytes.Contains(f.src, []byte(words)) })
	return found
}
