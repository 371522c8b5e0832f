package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
)

// variables finds package variables that two nodes in one process would share: written after initialisation, taken the
// address of, or of a type that is made to change. What a pointer or an interface leads to is not decidable here; such
// types are listed as allowed one by one, and plain values, errors and function tables pass when nothing writes them.
func variables(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.packages {
		if !hasCode(p) {
			continue
		}
		if err := t.check(p); err != nil {
			out = append(out, Finding{p.dir, fmt.Sprintf("does not compile: %v", err)})
			continue
		}
		out = append(out, packageVariables(t, p)...)
	}
	return out
}

func packageVariables(t *Tree, p *pkg) []Finding {
	var out []Finding
	written := writtenVariables(p)
	scope := p.types.Scope()
	for _, name := range scope.Names() {
		v, ok := scope.Lookup(name).(*types.Var)
		if !ok || mutableAllowed[types.TypeString(v.Type(), nil)] != "" {
			continue
		}
		if pos, ok := written[v]; ok {
			out = append(out, Finding{t.atPos(pos), "package variable " + name + " is changed here: state lives in a struct, because two nodes run in one process"})
		} else if why := mutableType(v.Type(), nil); why != "" {
			out = append(out, Finding{t.atPos(v.Pos()), "package variable " + name + " holds " + why + ": state lives in a struct, because two nodes run in one process"})
		}
	}
	return out
}

// writtenVariables returns the package variables that are assigned to, in whole or in part, or whose address is taken.
func writtenVariables(p *pkg) map[*types.Var]token.Pos {
	written := map[*types.Var]token.Pos{}
	mark := func(e ast.Expr) {
		if id := root(p, e); id != nil {
			if v, ok := p.info.Uses[id].(*types.Var); ok && v.Parent() == p.types.Scope() {
				written[v] = e.Pos()
			}
		}
	}
	for _, f := range p.files {
		if f.test || !f.built {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					mark(left)
				}
			case *ast.IncDecStmt:
				mark(n.X)
			case *ast.RangeStmt:
				if n.Tok == token.ASSIGN {
					mark(n.Key)
					mark(n.Value)
				}
			case *ast.UnaryExpr:
				// &table[i] is how rows are handed out without a copy; only the address of the whole counts.
				if _, whole := ast.Unparen(n.X).(*ast.Ident); n.Op == token.AND && whole {
					mark(n.X)
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
					mark(n.Args[0])
				}
			}
			return true
		})
	}
	return written
}

// root returns the identifier at the root of x, x.f, x[i] or (x), when writing to the expression writes the variable
// itself or what it owns.
func root(p *pkg, e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if id, ok := x.X.(*ast.Ident); ok {
				if _, isPackage := p.info.Uses[id].(*types.PkgName); isPackage {
					return nil // another package's variable: its own rule finds it
				}
			}
			e = x.X
		default:
			return nil
		}
	}
}

// mutableType says why a type is made to change; empty when it is not.
func mutableType(typ types.Type, seen []types.Type) string {
	for _, s := range seen {
		if types.Identical(s, typ) {
			return ""
		}
	}
	seen = append(seen, typ)
	if named, ok := types.Unalias(typ).(*types.Named); ok && named.Obj().Pkg() != nil {
		switch named.Obj().Pkg().Path() {
		case "sync", "sync/atomic":
			return "a " + types.TypeString(typ, nil)
		}
	}
	switch u := typ.Underlying().(type) {
	case *types.Chan:
		return "a channel"
	case *types.Pointer:
		if mutableAllowed[types.TypeString(typ, nil)] == "" {
			return "a pointer to something that may change (" + types.TypeString(typ, nil) + "; immutable types are listed in internal/lint/policy.go)"
		}
	case *types.Struct:
		for i := range u.NumFields() {
			if why := mutableType(u.Field(i).Type(), seen); why != "" {
				return why
			}
		}
	case *types.Array:
		return mutableType(u.Elem(), seen)
	case *types.Slice:
		return mutableType(u.Elem(), seen)
	case *types.Map:
		return mutableType(u.Elem(), seen)
	}
	return ""
}
