package campaignfile

import (
	"os"
	"strings"
	"testing"
)

// Every rule about money, broken alone.
func TestMoneyRules(t *testing.T) {
	src, err := os.ReadFile("testdata/good/money.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, with, pointer, says string }{
		{"campaign: 9000000", "campaign: 0", "/budget/campaign", "from 1 to"},
		{"{campaign: 9000000, day: 1000000, user: 20000}", "{}", "/budget", "must bound something"},
		{"day: 1000000", "session: 1000000", "/budget/session", "there are no sessions"},
		{"min: 1, max: 9", "min: 10, max: 9", "/prizes/2/amount/max", "less than min"},
		{"min: 1, max: 9", "min: 1", "/prizes/2/amount/max", "missing"},
		{"min: 1, max: 9", "max: 9", "/prizes/2/amount/min", "missing"},
		{"min: 1, max: 9", "min: 1, max: 9, fixed: 5", "/prizes/2/amount/fixed", "says nothing of a split uniform"},
		{"split: uniform", "split: triple", "/prizes/2/amount/split", "uniform, double_mean or deck"},
		{"fixed: 100, budget: 5000", "fixed: 100, max: 5000", "/prizes/1/amount/max", "says nothing of a split fixed"},
		{"max: 2000, budget: 5000000", "max: 2000", "/prizes/3/amount/budget", "missing"},
		{"max: 2000, budget: 5000000", "budget: 1999999", "/prizes/3/amount/budget", "less than 20000 wins of at least 100"},
		{"max: 2000, budget: 5000000", "max: 249, budget: 5000000", "/prizes/3/amount/budget", "more than 20000 wins of at most 249"},
		{"stock: 20000", "stock: unlimited", "/prizes/3/stock", "how many wins"},
		{"stock: 50, units: 2", "stock: 51, units: 2", "/prizes/4/stock", "no multiple"},
		{"stock: 50, units: 2", "stock: 50", "/prizes/4/amount/cards", "are 25, the stock allows 50"},
		{"budget: 14000", "budget: 14001", "/prizes/4/amount/budget", "the cards sum to 14000"},
		{"{amount: 500, count: 4}", "{amount: 99, count: 4}", "/prizes/4/amount/cards/1", "must ascend"},
		{"{amount: 500, count: 4}", "{amount: 500}", "/prizes/4/amount/cards/1/count", "missing"},
		{"amount: 10000, count: 1", "amount: 9007199254740992, count: 2", "/prizes/4/amount/cards", "sum to more than"},
		{"window: campaign, limit: 100", "window: {rolling: 10m}, limit: 50", "/caps/1", "keeps a sum"},
		{"kind: points", "kind: coupon", "/prizes/2/amount", "only prizes of kind cash or points"},
		{"amount: {fixed: 100}}", "amount: 100}", "/prizes/0/amount", "{fixed: 100}"},
	} {
		file, faults := Parse([]byte(change(t, string(src), tc.old, tc.with)))
		if file != nil || len(faults) != 1 || faults[0].Pointer != tc.pointer || !strings.Contains(faults[0].Message, tc.says) || faults[0].Line == 0 {
			t.Errorf("%s → %s: want one fault at %s saying %q, got %v", tc.old, tc.with, tc.pointer, tc.says, faults)
		}
	}
}

// The canonical form of money means the same when it is read again.
func TestMoneyIsCanonical(t *testing.T) {
	src, err := os.ReadFile("testdata/good/money.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first := parse(t, string(src)).Version
	if err := first.Validate(); err != nil {
		t.Errorf("the engine would refuse it: %v", err)
	}
	again := parse(t, string(first.Document)).Version
	if string(again.Document) != string(first.Document) {
		t.Errorf("%s\n%s", first.Document, again.Document)
	}
}

// What pays users less is no favour.
func TestFavourableMoney(t *testing.T) {
	src, err := os.ReadFile("testdata/good/money.yaml")
	if err != nil {
		t.Fatal(err)
	}
	live := parse(t, string(src)).Version
	for _, tc := range []struct{ old, with, pointer string }{
		{"campaign: 9000000", "campaign: 8999999", "/budget/campaign"},
		{"amount: {fixed: 100}}", "amount: {fixed: 100, budget: 10000}}", "/prizes/0/amount"},
		{"fixed: 100, budget: 5000", "fixed: 100, budget: 4900", "/prizes/1/amount"},
		{"min: 1, max: 9", "min: 1, max: 8", "/prizes/2/amount"},
		{"min: 100, max: 2000", "min: 99, max: 2000", "/prizes/3/amount"},
		{"split: double_mean, min: 100, max: 2000, budget: 5000000", "split: uniform, min: 100, max: 2000, budget: 5000000", "/prizes/3/amount"},
		{"budget: 14000, cards: [{amount: 100, count: 20}", "cards: [{amount: 100, count: 19}, {amount: 200, count: 1}", "/prizes/4/amount"},
	} {
		next := parse(t, change(t, string(src), tc.old, tc.with)).Version
		if faults := Favourable(live, next); len(faults) != 1 || faults[0].Pointer != tc.pointer {
			t.Errorf("%s → %s: want one fault at %s, got %v", tc.old, tc.with, tc.pointer, faults)
		}
	}
	for _, tc := range []struct{ old, with string }{
		{"budget: {campaign: 9000000, day: 1000000, user: 20000}\n", ""},
		{"campaign: 9000000", "campaign: 9000001"},
		{"fixed: 100, budget: 5000", "fixed: 100"},
		{"min: 1, max: 9", "min: 2, max: 10"},
		{"budget: 5000000", "budget: 5000001"},
	} {
		next := parse(t, change(t, string(src), tc.old, tc.with)).Version
		if faults := Favourable(live, next); len(faults) != 0 {
			t.Errorf("%s → %s: %v", tc.old, tc.with, faults)
		}
	}
}
