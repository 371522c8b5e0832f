package engine

import "testing"

func TestRulePrograms(t *testing.T) {
	attributes := gated().Audience.Attributes
	a := &Audience{Attributes: attributes, Program: levelRule()}
	text := func(s string) Value { return Value{Type: TypeText, Text: []byte(s)} }
	for _, row := range []struct {
		values  Values
		ok      bool
		missing int
	}{
		{Values{{Type: TypeInt, Int: 2}, text("SH")}, true, -1},
		{Values{{Type: TypeInt, Int: 1}, text("SH")}, false, -1},
		{Values{{Type: TypeInt, Int: 2}, text("BJ")}, false, -1},
		{Values{{}, text("SH")}, false, 0},
		{Values{{}, text("BJ")}, false, -1}, // whatever the level is
		{Values{{Type: TypeInt, Int: 2}, {}}, false, 1},
		{Values{}, false, 0},
	} {
		if ok, missing := a.Eligible(&row.values); ok != row.ok || missing != row.missing {
			t.Errorf("%+v: %v, missing %d", row.values, ok, missing)
		}
	}
	for name, build := range map[string]func(p *Program){
		"nothing":               func(*Program) {},
		"a number":              func(p *Program) { p.Int(1) },
		"two results":           func(p *Program) { p.Bool(true); p.Bool(true) },
		"underflow":             func(p *Program) { p.Bool(true); p.Operator("&&") },
		"text is not a number":  func(p *Program) { p.Attribute(1); p.Int(1); p.Operator("==") },
		"no such attribute":     func(p *Program) { p.Attribute(3); p.Operator("!") },
		"product beyond 62 bit": func(p *Program) { p.Attribute(0); p.Attribute(0); p.Operator("*"); p.Int(1); p.Operator("<") },
		"too deep": func(p *Program) {
			for range ruleDepth + 1 {
				p.Bool(true)
			}
			for range ruleDepth {
				p.Operator("&&")
			}
		},
	} {
		var p Program
		if build(&p); checkProgram(p.w.b, attributes) {
			t.Errorf("%s is taken for a rule", name)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { a.Eligible(&Values{{Type: TypeInt, Int: 2}, {}}) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzProgram: a program that passes the check is evaluated without a panic; one that does not is never published.
func FuzzProgram(f *testing.F) {
	f.Add(levelRule(), int64(2), []byte("SH"))
	f.Add([]byte{ruleInInts, 255}, int64(0), []byte{})
	attributes := gated().Audience.Attributes
	f.Fuzz(func(t *testing.T, program []byte, n int64, text []byte) {
		a := &Audience{Attributes: attributes, Program: program}
		if !checkProgram(program, attributes) {
			return
		}
		n = min(max(n, -1<<53), 1<<53)
		for _, values := range []Values{{}, {{Type: TypeInt, Int: n}, {Type: TypeText, Text: text}, {Type: TypeBool, Int: n & 1}}} {
			ok, missing := a.Eligible(&values)
			if ok && missing >= 0 || values[0].Type != 0 && missing >= 0 {
				t.Fatalf("%v, missing %d", ok, missing)
			}
		}
	})
}
