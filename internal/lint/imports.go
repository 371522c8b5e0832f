package lint

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// imports holds the table of layers: every import of ours must be allowed. Tests may import what they need of ours, but
// for commands: an integration test stands above its package.
func imports(t *Tree) []Finding {
	var out []Finding
	t.eachFile(func(p *pkg, f *file) {
		l := layerOf(p.dir)
		if l == nil {
			out = append(out, Finding{f.path, "folder " + p.dir + " is not in the table of layers: say in internal/lint/policy.go whom it may import, and why"})
			return
		}
		for _, spec := range f.syntax.Imports {
			target, ours := ourDir(importedPath(spec.Path.Value))
			if !ours || l.allows(target) || f.test && !under(target, "cmd") {
				continue
			}
			out = append(out, Finding{t.at(spec), fmt.Sprintf("%s must not import %s: %s", l.dir, target, l.why)})
		}
	})
	return out
}

func layerOf(dir string) *layer {
	var best *layer
	for i := range layers {
		if l := &layers[i]; under(dir, l.dir) && (best == nil || len(l.dir) > len(best.dir)) {
			best = l
		}
	}
	return best
}

func (l *layer) allows(target string) bool {
	if under(target, l.dir) || target == "internal/invariant" || target == "internal/mutant" || target == "internal/failpoint" {
		return true
	}
	for _, m := range l.may {
		if one, exact := strings.CutSuffix(m, "$"); m == everything || exact && target == one || !exact && under(target, m) {
			return true
		}
	}
	return false
}

func importedPath(quoted string) string {
	s, err := strconv.Unquote(quoted)
	if err != nil {
		return quoted // the parser takes only strings, so this is for show
	}
	return s
}

// ourDir returns the folder of an import path of this module.
func ourDir(imported string) (dir string, ours bool) {
	if imported == Module {
		return ".", true
	}
	return strings.CutPrefix(imported, Module+"/")
}

// libraryOwners holds each library to its owner folders.
func libraryOwners(t *Tree) []Finding {
	var out []Finding
	t.eachFile(func(p *pkg, f *file) {
		for _, spec := range f.syntax.Imports {
			for _, o := range owners {
				if under(importedPath(spec.Path.Value), o.library) && !underAny(p.dir, o.dirs) {
					out = append(out, Finding{t.at(spec), fmt.Sprintf("only %s may import %s: %s", strings.Join(o.dirs, ", "), o.library, o.why)})
				}
			}
		}
	})
	return out
}

func underAny(dir string, parents []string) bool {
	for _, p := range parents {
		if under(dir, p) {
			return true
		}
	}
	return false
}

// embeddableDeps holds everything that an embeddable package pulls in, at any depth.
func embeddableDeps(t *Tree) []Finding {
	var out []Finding
	for _, dir := range embeddable {
		for _, dep := range t.deps[dir] {
			for _, h := range heavy {
				if under(dep, h.library) && !slices.Contains(h.but, dir) {
					out = append(out, Finding{dir, fmt.Sprintf("pulls in %s: it runs inside other people's programs, and %s", dep, h.why)})
				}
			}
		}
	}
	return out
}

// packageDocs wants one package comment, in doc.go once a package has more than one file.
func packageDocs(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.packages {
		var commented []string
		n := 0
		for _, f := range p.files {
			if f.test {
				continue
			}
			n++
			if f.syntax.Doc != nil {
				commented = append(commented, path.Base(f.path))
			}
		}
		switch {
		case n == 0:
		case len(commented) == 0:
			out = append(out, Finding{p.dir, "has no package comment: a doc.go says purpose, threads, lock order, durability and what it does not do (a blank line before \"package\" cuts a comment off)"})
		case len(commented) > 1:
			out = append(out, Finding{p.dir, "has package comments in " + strings.Join(commented, ", ") + ": one doc.go tells it once"})
		case n > 1 && commented[0] != "doc.go":
			out = append(out, Finding{p.dir, "keeps its package comment in " + commented[0] + ": it belongs in doc.go"})
		}
		if len(commented) == 1 {
			out = append(out, docPrefix(t, p)...)
		}
	}
	return out
}

func docPrefix(t *Tree, p *pkg) []Finding {
	for _, f := range p.files {
		if f.test || f.syntax.Doc == nil {
			continue
		}
		want := "Package " + f.syntax.Name.Name + " "
		if f.syntax.Name.Name == "main" {
			want = "Command " + path.Base(p.dir) + " "
			if got := strings.ToLower(f.syntax.Doc.Text()); strings.HasPrefix(got, path.Base(p.dir)+" ") {
				return nil // "Drawd is …" is the other usual form
			}
		}
		if !strings.HasPrefix(f.syntax.Doc.Text(), want) {
			return []Finding{{t.at(f.syntax.Doc), fmt.Sprintf("the package comment begins with %q", want)}}
		}
	}
	return nil
}

func packageNames(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.packages {
		for _, bad := range badNames {
			if path.Base(p.dir) == bad {
				out = append(out, Finding{p.dir, "a package named " + bad + " says nothing about what is in it: name it after what it gives"})
			}
		}
	}
	return out
}
