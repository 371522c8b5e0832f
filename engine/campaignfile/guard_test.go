package campaignfile

import (
	"os"
	"strings"
	"testing"
)

// Every rule about guards, broken alone; and a guard is never a reason to force a version.
func TestGuardRules(t *testing.T) {
	src, err := os.ReadFile("testdata/good/guard.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const guard = "guard: {wins: {limit: 500, per: minute}, amount: {limit: 1000000, per: minute}, then: pause}"
	for _, tc := range []struct{ old, with, pointer, says string }{
		{guard, "guard: pause", "/guard", "must be a mapping"},
		{guard, "guard: {then: pause}", "/guard", "limits nothing"},
		{", then: pause", "", "/guard/then", "missing"},
		{"then: pause", "then: end", "/guard/then", "must be pause or defensive"},
		{"{limit: 500, per: minute}", "{limit: 0, per: minute}", "/guard/wins/limit", "from 1 to"},
		{"{limit: 500, per: minute}", "{limit: 500}", "/guard/wins/per", "missing"},
		{"{limit: 500, per: minute}", "{limit: 500, per: hour}", "/guard/wins/per", "must be minute"},
		{"{limit: 500, per: minute}", "{per: minute}", "/guard/wins/limit", "missing"},
		{"limit: 1000000", "limit: 9007199254740993", "/guard/amount/limit", "from 1 to"},
		{"amount: {limit: 1000000, per: minute}", "cash: {limit: 1000000, per: minute}", "/guard/cash", "not a field"},
		{"{id: packet, kind: cash", "{id: packet, kind: points", "/guard/amount", "no prize pays cash"},
	} {
		file, faults := Parse([]byte(change(t, string(src), tc.old, tc.with)))
		if file != nil || len(faults) != 1 || faults[0].Pointer != tc.pointer || !strings.Contains(faults[0].Message, tc.says) || faults[0].Line == 0 || faults[0].Column == 0 {
			t.Errorf("%s → %s: want one fault at %s saying %q, got %v", tc.old, tc.with, tc.pointer, tc.says, faults)
		}
	}
	live := parse(t, string(src)).Version
	if err := live.Validate(); err != nil {
		t.Errorf("the engine would refuse it: %v", err)
	}
	if again := parse(t, string(live.Document)).Version; string(again.Document) != string(live.Document) || *again.Guard != *live.Guard {
		t.Errorf("%s\n%s", live.Document, again.Document)
	}
	for _, with := range []string{"", change(t, guard, "pause", "defensive"), strings.Replace(guard, "500", "5", 1)} {
		next := parse(t, change(t, string(src), guard, with)).Version
		if faults := Favourable(live, next); len(faults) != 0 {
			t.Errorf("%q: %v", with, faults)
		}
		if len(Changes(live, next)) == 0 {
			t.Errorf("%q: no difference is shown", with)
		}
	}
}
