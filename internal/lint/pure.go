package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// eachPure calls fn for every file of a pure package that is not a test.
func (t *Tree) eachPure(fn func(*pkg, *file)) {
	t.eachFile(func(p *pkg, f *file) {
		if !f.test && isPure(p.dir) {
			fn(p, f)
		}
	})
}

func isPure(dir string) bool { return underAny(dir, pure) && !underAny(dir, impure) }

// pureImportList allows instead of banning: a package nobody thought of is a finding.
func pureImportList(t *Tree) []Finding {
	var out []Finding
	t.eachPure(func(p *pkg, f *file) {
		for _, spec := range f.syntax.Imports {
			name := importedPath(spec.Path.Value)
			if _, ours := ourDir(name); ours {
				continue
			}
			if _, ok := pureImports[name]; !ok {
				out = append(out, Finding{t.at(spec), "the state machine must not import " + name +
					": it has no clock, no I/O, no logger and no randomness of its own (D1, D2); what is pure is listed in internal/lint/policy.go"})
			}
		}
	})
	return out
}

// pureSyntax finds what makes a result depend on the scheduler, and ways around the other rules.
func pureSyntax(t *Tree) []Finding {
	var out []Finding
	t.eachPure(func(p *pkg, f *file) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				out = append(out, Finding{t.at(n), "no goroutine in the state machine: it decides on the caller's"})
			case *ast.SelectStmt:
				out = append(out, Finding{t.at(n), "no select in the state machine: which case runs is random"})
			case *ast.ChanType:
				out = append(out, Finding{t.at(n), "no channel in the state machine: nobody runs beside it"})
			case *ast.SelectorExpr:
				if id, ok := n.X.(*ast.Ident); ok && id.Name == "sync" && n.Sel.Name == "Map" {
					out = append(out, Finding{t.at(n), "no sync.Map in the state machine: its order is random (D3)"})
				}
			}
			return true
		})
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:linkname") {
					out = append(out, Finding{t.at(c), "no linkname in the state machine: it goes around every rule"})
				}
			}
		}
	})
	return out
}

// pureFloats finds every expression and type that is a float or complex (D4), and every float literal.
func pureFloats(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.packages {
		if !isPure(p.dir) || !hasCode(p) {
			continue
		}
		if err := t.check(p); err != nil {
			out = append(out, Finding{p.dir, fmt.Sprintf("does not compile: %v", err)})
			continue
		}
		seen := map[string]bool{} // one finding a line
		for expr, tv := range p.info.Types {
			basic, ok := tv.Type.(*types.Basic)
			if !ok {
				basic, ok = tv.Type.Underlying().(*types.Basic)
			}
			if at := t.at(expr); ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 && !seen[at] {
				seen[at] = true
				out = append(out, Finding{at, "floats are not in state or results (D4): " + types.TypeString(tv.Type, nil) + " rounds, and not everywhere alike"})
			}
		}
	}
	return out
}

// pureMaps finds ranges over maps that nobody has justified (D3).
func pureMaps(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.packages {
		if !isPure(p.dir) || !hasCode(p) || t.check(p) != nil {
			continue // pureFloats reports what does not compile
		}
		for _, f := range p.files {
			if f.test || !f.built {
				continue
			}
			reasons := reasonLines(t, f)
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				r, ok := n.(*ast.RangeStmt)
				if !ok {
					return true
				}
				line := t.fset.Position(r.Pos()).Line
				if _, isMap := p.info.TypeOf(r.X).Underlying().(*types.Map); isMap && !reasons[line] && !reasons[line-1] {
					out = append(out, Finding{t.at(r), "a map's order is random (D3): sort the keys, or say why it cannot matter in \"// " + orderFree + " <reason>\" on the line above"})
				}
				return true
			})
		}
	}
	return out
}

// reasonLines returns the lines that carry an order-free comment with a reason.
func reasonLines(t *Tree, f *file) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.syntax.Comments {
		for _, c := range group.List {
			text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
			if why, ok := strings.CutPrefix(text, orderFree); ok && strings.TrimSpace(why) != "" {
				// A reason may run over several lines: what counts is that the group ends above the range.
				lines[t.fset.Position(c.Pos()).Line] = true
				lines[t.fset.Position(group.End()).Line] = true
			}
		}
	}
	return lines
}

func hasCode(p *pkg) bool {
	for _, f := range p.files {
		if f.built && !f.test {
			return true
		}
	}
	return false
}

// clockFiles finds readings of the wall clock outside the one file of a package that may.
func clockFiles(t *Tree) []Finding {
	var out []Finding
	t.eachFile(func(p *pkg, f *file) {
		c := clockOf(p.dir)
		if f.test || c == nil || f.path == c.file {
			return
		}
		for _, pos := range calls(f.syntax, "time", "Now", "Since", "Until") {
			out = append(out, Finding{t.atPos(pos), fmt.Sprintf("only %s reads the clock: %s", c.file, c.why)})
		}
	})
	return out
}

func clockOf(dir string) *clockRule {
	var best *clockRule
	for i := range clocks {
		if c := &clocks[i]; under(dir, c.dir) && (best == nil || len(c.dir) > len(best.dir)) {
			best = c
		}
	}
	return best
}

// calls returns where a file names one of the functions of the package imported as name (called or passed on).
func calls(f *ast.File, name string, functions ...string) []token.Pos {
	var out []token.Pos
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == name {
			for _, fn := range functions {
				if sel.Sel.Name == fn {
					out = append(out, sel.Pos())
				}
			}
		}
		return true
	})
	return out
}
