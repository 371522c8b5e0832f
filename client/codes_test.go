package client

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// Every code of the table has a constant, in the table's order.
func TestCodes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			text, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			have = append(have, text)
		}
		return true
	})
	var want []string
	for _, code := range problem.Codes() {
		want = append(want, code.String())
	}
	if !slices.Equal(have, want) {
		t.Errorf("codes.go has\n%v, the table has\n%v", have, want)
	}
	for _, e := range []problem.Effect{problem.None, problem.Unknown, problem.Applied} {
		if Effect(e).String() != e.String() {
			t.Error(e)
		}
	}
}
