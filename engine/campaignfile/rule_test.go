package campaignfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"

	"github.com/drawd/drawd/engine"
)

var ruleAttributes = []engine.Attribute{{Name: "level", Type: engine.TypeInt}, {Name: "region", Type: engine.TypeText}, {Name: "vip", Type: engine.TypeBool}}

func TestRules(t *testing.T) {
	values := engine.Values{{Type: engine.TypeInt, Int: 3}, {Type: engine.TypeText, Text: []byte("SH-1")}, {Type: engine.TypeBool, Int: 1}}
	for rule, want := range map[string]bool{
		`level >= 2 && region in ["SH", "SH-1"]`:             true,
		`level not in [1, 2, -3]`:                            true,
		`not (level < 3 or level > 3) and vip`:               true,
		`vip == false`:                                       false,
		`region startsWith "SH" && region endsWith "-1"`:     true,
		`region contains "BJ"`:                               false,
		`level * 2 - 1 == 5`:                                 true,
		`-level < +0`:                                        true,
		`"SH-1" == region && region != "SH"`:                 true,
		`true`:                                               true,
		"level >= 2 // a remark\n && region == \"\\x53H-1\"": true,
	} {
		program, _, faults := compileRule(rule, ruleAttributes)
		if len(faults) > 0 {
			t.Errorf("%s: %+v", rule, faults)
			continue
		}
		a := engine.Audience{Attributes: ruleAttributes, Program: program}
		if got, missing := a.Eligible(&values); got != want || missing != -1 {
			t.Errorf("%s: %v, missing %d", rule, got, missing)
		}
		if asExpr, err := oracle(rule, &values); err != nil || asExpr != want {
			t.Errorf("%s: expr says %v, %v", rule, asExpr, err)
		}
	}
}

// What is not for rules is refused where it stands.
func TestRefusedRules(t *testing.T) {
	for _, row := range []struct {
		rule string
		at   int
		says string
	}{
		{`level > 2.5`, 8, "fractions"},
		{`level / 2 > 1`, 6, "division"},
		{`level % 2 == 1`, 6, "division"},
		{`level ** 2 == 1`, 6, "powers"},
		{`region matches "S"`, 7, "matches"},
		{`len(region) > 2`, 0, "len"},
		{`all([1], {# > 0})`, 0, "all"},
		{`level in 1..3`, 10, "list of constants"},
		{`level in [1, "2"]`, 13, "holds a text"},
		{`level in [1, level]`, 13, "constants"},
		{`region in []`, 10, "1 to 64"},
		{`levle > 2`, 0, "declared are level, region, vip"},
		{`level`, 0, "a number"},
		{`level && vip`, 0, "needs true or false"},
		{`vip > 2`, 0, "needs a number"},
		{`region == level`, 10, "compares"},
		{`level.x == 1`, 6, "no parts"},
		{`vip ? vip : vip`, 14, "?"},
		{`let x = 1; x == 1`, 4, "not allowed"},
		{`level == nil`, 9, "nil"},
		{`vip ?? vip`, 4, "not allowed"},
		{`level * level == 1`, 0, "62 bits"},
		{`level == 9007199254740993`, 9, "at most"},
		{`region == "` + strings.Repeat("x", 65) + `"`, 10, "64 bytes"},
		{`vip` + strings.Repeat(` && vip`, 64), -1, "more than 64 parts"},
		{strings.Repeat("(", 500) + `vip` + strings.Repeat(")", 500) + " == ", -1, ""},
		{`vip &&`, -1, "unexpected"},
		{``, -1, ""},
		{`"a" == 'b`, -1, ""},
	} {
		program, _, faults := compileRule(row.rule, ruleAttributes)
		if program != nil || len(faults) == 0 {
			t.Errorf("%q is taken", row.rule)
			continue
		}
		if !strings.Contains(faults[0].message, row.says) || row.at >= 0 && faults[0].at != row.at {
			t.Errorf("%q: %+v, want %q at %d", row.rule, faults[0], row.says, row.at)
		}
	}
}

// oracle evaluates a rule with the language's own machine.
func oracle(rule string, values *engine.Values) (bool, error) {
	env := map[string]any{"level": int(values[0].Int), "region": string(values[1].Text), "vip": values[2].Int != 0}
	program, err := expr.Compile(rule, expr.Env(env), expr.AsBool())
	if err != nil {
		return false, err
	}
	got, err := expr.Run(program, env)
	if err != nil {
		return false, err
	}
	return got.(bool), nil
}

// FuzzRule: any text is compiled or has faults within its bounds; what is compiled says what the language's own machine
// says.
func FuzzRule(f *testing.F) {
	for _, rule := range []string{`level >= 2 && region in ["SH"]`, `not vip or level + 2 * level != -3`, `level not in [1]`, `region contains "a" == vip`, `1 < level < 3`} {
		f.Add(rule, int64(2), "SH", true)
	}
	f.Fuzz(func(t *testing.T, rule string, level int64, region string, vip bool) {
		if len(rule) > engine.MaxRuleBytes || len(region) > engine.MaxAttributeText {
			return
		}
		program, _, faults := compileRule(rule, ruleAttributes)
		if (program == nil) != (len(faults) > 0) {
			t.Fatalf("%d faults and a program of %d bytes", len(faults), len(program))
		}
		for _, fault := range faults {
			if fault.at < 0 || fault.at > len(rule) || fault.message == "" {
				t.Fatalf("%+v", fault)
			}
		}
		if program == nil {
			return
		}
		level = min(max(level, -maxRuleInt), maxRuleInt)
		values := engine.Values{{Type: engine.TypeInt, Int: level}, {Type: engine.TypeText, Text: []byte(region)}, {Type: engine.TypeBool}}
		if vip {
			values[2].Int = 1
		}
		a := engine.Audience{Attributes: ruleAttributes, Program: program}
		got, missing := a.Eligible(&values)
		want, err := oracle(rule, &values)
		if fault := (*file.Error)(nil); errors.As(err, &fault) {
			return // the language's checker knows some constants better
		}
		if err != nil || got != want || missing != -1 {
			t.Fatalf("%q: %v (missing %d), the language says %v, %v", rule, got, missing, want, err)
		}
	})
}

func TestAudienceMustGrow(t *testing.T) {
	form := func(rule, more string) *engine.Version {
		t.Helper()
		text := `"audience":{"attributes":{"level":{"type":"int"},"vip":{"type":"bool"}` + more + `}`
		if rule != "" {
			text += `,"rule":` + rule
		}
		return parse(t, change(t, base, `"denominator":100`, `"denominator":100,`+text+`}`)).Version
	}
	live := form(`"level >= 2"`, "")
	for rule, worse := range map[string]bool{
		`"level >= 2"`: false, ``: false, `"level >= 2 or vip"`: false, `"vip || (not vip || level >= 2)"`: false,
		`"level >= 1"`: true, `"level >= 2 and vip"`: true, `"not (level >= 2 or vip)"`: true,
	} {
		if faults := Favourable(live, form(rule, "")); (len(faults) > 0) != worse {
			t.Errorf("%s: %+v", rule, faults)
		}
	}
	if faults := Favourable(live, form(`"level >= 2"`, `,"a":{"type":"int"}`)); len(faults) > 0 {
		t.Errorf("another attribute before: %+v", faults)
	}
	if faults := Favourable(parse(t, base).Version, live); len(faults) != 1 || faults[0].Pointer != "/audience/rule" {
		t.Errorf("the first rule: %+v", faults)
	}
}
