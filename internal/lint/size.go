package lint

import (
	"fmt"
	"go/ast"
)

// sizes holds files and functions to their limits. Tests are held to the file limit only: a table of cases is long and
// flat. Generated files are nobody's to read.
func sizes(t *Tree) []Finding { return sizesWith(t, longFiles, longFunctions) }

func sizesWith(t *Tree, fileExceptions, functionExceptions []exception) []Finding {
	var out []Finding
	files, functions := newRatchet(maxFileLines, fileExceptions), newRatchet(maxFunctionLines, functionExceptions)
	t.eachFile(func(p *pkg, f *file) {
		if ast.IsGenerated(f.syntax) {
			return
		}
		out = files.hold(out, f.path, f.path, f.lines, "file")
		if f.test {
			return
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
			out = functions.hold(out, p.dir+"."+functionName(fn), t.at(fn), lines, "function "+fn.Name.Name)
		}
	})
	return append(append(out, files.unused()...), functions.unused()...)
}

// functionName is "Function" or "Type.Method".
func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	recv := fn.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if generic, ok := recv.(*ast.IndexExpr); ok {
		recv = generic.X
	}
	if id, ok := recv.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// ratchet holds a limit and its exceptions, which may only shrink.
type ratchet struct {
	limit      int
	exceptions []exception
	needed     map[string]bool
}

func newRatchet(limit int, exceptions []exception) *ratchet {
	return &ratchet{limit, exceptions, map[string]bool{}}
}

func (r *ratchet) hold(out []Finding, name, where string, lines int, what string) []Finding {
	if lines <= r.limit {
		return out
	}
	for _, e := range r.exceptions {
		if e.name != name {
			continue
		}
		r.needed[name] = true
		if lines <= e.lines {
			return out
		}
		return append(out, Finding{where, fmt.Sprintf("%s has %d lines; its exception allows %d (%s): shorten it", what, lines, e.lines, e.why)})
	}
	return append(out, Finding{where, fmt.Sprintf("%s has %d lines, more than %d: split it where the story has a seam", what, lines, r.limit)})
}

func (r *ratchet) unused() []Finding {
	var out []Finding
	for _, e := range r.exceptions {
		if !r.needed[e.name] {
			out = append(out, Finding{"internal/lint/policy.go", "the exception for " + e.name + " is no longer needed: remove it"})
		}
	}
	return out
}
