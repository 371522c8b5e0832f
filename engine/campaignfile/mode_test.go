package campaignfile

import (
	"os"
	"strings"
	"testing"
)

// Every rule about modes and shares, broken alone.
func TestModeRules(t *testing.T) {
	for name, rules := range map[string][]struct{ old, with, pointer, says string }{
		"deck.yaml": {
			{"mode: {deck: {entries: 10}}", "mode: deck", "/mode", "{deck: {entries: n}}"},
			{"{deck: {entries: 10}}", "{deck: {}}", "/mode/deck/entries", "missing"},
			{"entries: 10", "entries: 1000000001", "/mode/deck/entries", "from 1 to"},
			{"entries: 10", "entries: 9", "/mode", "more than the 9 entries"},
			{"entries: 10", "entries: 11", "/mode", "every entry must win"},
			{"{deck: {entries: 10}}", "{shoe: {entries: 10}}", "/mode/shoe", "not a field"},
			{"{id: phone, kind: physical, stock: 1}", "{id: phone, kind: physical, stock: 1, weight: 1}", "/prizes/0/weight", "not by weights"},
			{"stock: 10, units: 2", "stock: unlimited", "/prizes/2/stock", "can be counted"},
			{"on_unavailable: {fallback: mug}", "on_unavailable: {redistribute: {max_boost_ppm: 2000000}}", "/prizes/1/on_unavailable/redistribute", "deals what is there"},
		},
		"pace.yaml": {
			{"mode: {pace: {expected: 100000, max_boost_ppm: 3000000}}", "mode: {pace: {expected: 100000}}", "/mode/pace/max_boost_ppm", "missing"},
			{"max_boost_ppm: 3000000", "max_boost_ppm: 999999", "/mode/pace/max_boost_ppm", "from 1000000 to"},
			{"max_boost_ppm: 1500000", "max_boost_ppm: 1000000", "/prizes/0/on_unavailable/redistribute/max_boost_ppm", "from 1000001 to"},
			{"weight: 50,", "weight: 0,", "/prizes/0/on_unavailable/redistribute", "no weight to share"},
			{"stock: 20000}", "stock: 20000, release: {windows: hourly}}", "/prizes/1/release", "by weights"},
			{"weight: 50, ", "", "/prizes/0/weight", "missing"},
			{"{redistribute: {max_boost_ppm: 1500000}}", "{}", "/prizes/0/on_unavailable", "{redistribute: {max_boost_ppm: n}}"},
			{"prizes:", "pity: [{id: p, guarantee_within: 9, prizes: [coupon], reserve: {coupon: 5}, soft: [{from: 5, weights: {coupon: 250000}}]}]\nprizes:", "/mode", "soft pity"},
		},
	} {
		src, err := os.ReadFile("testdata/good/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range rules {
			file, faults := Parse([]byte(change(t, string(src), tc.old, tc.with)))
			if file != nil || len(faults) != 1 || faults[0].Pointer != tc.pointer || !strings.Contains(faults[0].Message, tc.says) || faults[0].Line == 0 {
				t.Errorf("%s → %s: want one fault at %s saying %q, got %v", tc.old, tc.with, tc.pointer, tc.says, faults)
			}
		}
		first := parse(t, string(src)).Version
		if err := first.Validate(); err != nil {
			t.Errorf("%s: the engine would refuse it: %v", name, err)
		}
		if again := parse(t, string(first.Document)).Version; string(again.Document) != string(first.Document) {
			t.Errorf("%s\n%s", first.Document, again.Document)
		}
	}
}

// Nobody is promised what a budget can take away.
func TestGuaranteedEnds(t *testing.T) {
	const src = `{"campaign":"c","time_zone":"UTC","starts_at":"2026-11-11T00:00:00Z","ends_at":"2026-11-12T00:00:00Z","denominator":10,"guaranteed":true,
"prizes":[{"id":"a","kind":"cash","weight":4,"stock":5,"amount":{"fixed":7},"on_unavailable":{"fallback":"b"}},{"id":"b","kind":"cash","weight":6,"stock":"unlimited","amount":{"fixed":1}}]}`
	parse(t, src)
	for _, tc := range []struct{ old, with string }{
		{`"amount":{"fixed":1}`, `"amount":{"fixed":1,"budget":5}`},
		{`"guaranteed":true`, `"guaranteed":true,"budget":{"day":100}`},
		{`"stock":"unlimited"`, `"stock":100`},
		{`"on_unavailable":{"fallback":"b"}`, `"on_unavailable":{"redistribute":{"max_boost_ppm":2000000}}`},
	} {
		file, faults := Parse([]byte(change(t, src, tc.old, tc.with)))
		if file != nil || len(faults) == 0 || !strings.Contains(faults[0].Message, "in a guaranteed campaign every prize must be unlimited") {
			t.Errorf("%s: %v", tc.with, faults)
		}
	}
}

func TestFavourableModes(t *testing.T) {
	for name, rules := range map[string][]struct{ old, with, pointer string }{
		"deck.yaml": {{"guaranteed: true\nmode: {deck: {entries: 10}}", "mode: {deck: {entries: 11}}", "/mode"}},
		"pace.yaml": {
			{"expected: 100000", "expected: 100001", "/mode"},
			{"max_boost_ppm: 3000000", "max_boost_ppm: 2999999", "/mode"},
			{"mode: {pace: {expected: 100000, max_boost_ppm: 3000000}}", "mode: weighted", "/mode"},
			{"max_boost_ppm: 1500000", "max_boost_ppm: 1499999", "/prizes/0/on_unavailable"},
			{"on_unavailable: {redistribute: {max_boost_ppm: 1500000}}", "on_unavailable: miss", "/prizes/0/on_unavailable"},
		},
	} {
		src, err := os.ReadFile("testdata/good/" + name)
		if err != nil {
			t.Fatal(err)
		}
		live := parse(t, string(src)).Version
		for _, tc := range rules {
			next := parse(t, change(t, string(src), tc.old, tc.with)).Version
			if faults := Favourable(live, next); len(faults) != 1 || faults[0].Pointer != tc.pointer {
				t.Errorf("%s → %s: want one fault at %s, got %v", tc.old, tc.with, tc.pointer, faults)
			}
		}
	}
}
