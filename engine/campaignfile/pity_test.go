package campaignfile

import (
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

const withPity = `{"campaign":"c","time_zone":"UTC","starts_at":"2026-11-11T00:00:00Z","ends_at":"2026-11-12T00:00:00Z","denominator":100,
"caps":[{"id":"day","counts":"draws","window":"day","limit":3}],"expected_users":10,
"prizes":[{"id":"a","kind":"coupon","weight":10,"stock":500},{"id":"b","kind":"coupon","weight":20,"stock":"unlimited"}],
"pity":[{"id":"y","guarantee_within":10,"mode":"extra","group":["a","b"],"prizes":["a","b"],"reserve":{"a":50},"soft":[{"from":5,"weights":{"a":30}}]}]}`

// What is taken from users by a change of pity must be forced; what is given to them need not.
func TestFavourablePity(t *testing.T) {
	live := parse(t, withPity)
	for _, tc := range []struct{ old, with, pointer string }{
		{`"guarantee_within":10`, `"guarantee_within":11`, "/pity/0/guarantee_within"},
		{`"guarantee_within":10`, `"guarantee_within":9`, ""},
		{`"mode":"extra",`, ``, "/pity/0/mode"},
		{`"mode":"extra",`, `"mode":"extra","scope":"namespace",`, "/pity/0/scope"},
		{`"group":["a","b"]`, `"group":"any"`, "/pity/0/group"},
		{`"prizes":["a","b"]`, `"prizes":["b","a"]`, "/pity/0/prizes"},
		{`"prizes":["a","b"]`, `"prizes":["a"]`, "/pity/0/prizes"},
		{`"reserve":{"a":50}`, `"reserve":{"a":49}`, "/pity/0/reserve"},
		{`"reserve":{"a":50}`, `"reserve":{"a":51}`, ""},
		{`{"a":30}`, `{"a":29}`, "/pity/0/soft"},
		{`{"a":30}`, `{"a":31}`, ""},
		{`"from":5`, `"from":6`, "/pity/0/soft"},
		{`"from":5`, `"from":4`, ""},
		{`"id":"y"`, `"id":"z"`, "/pity"},
	} {
		next := parse(t, change(t, withPity, tc.old, tc.with))
		faults := next.Locate(Favourable(live.Version, next.Version))
		switch {
		case tc.pointer == "" && len(faults) > 0:
			t.Errorf("%s: takes something: %v", tc.with, faults)
		case tc.pointer != "" && (len(faults) == 0 || faults[0].Pointer != tc.pointer):
			t.Errorf("%s: %v, want a fault at %s", tc.with, faults, tc.pointer)
		}
	}
}

// Whatever the campaign file lets through, the engine takes.
func TestPityIsValidForTheEngine(t *testing.T) {
	for _, src := range []string{withPity,
		change(t, withPity, `"mode":"extra",`, ``),
		change(t, withPity, `"guarantee_within":10,"mode":"extra","group":["a","b"],"prizes":["a","b"],"reserve":{"a":50}`, `"group":"any"`),
		change(t, withPity, `"guarantee_within":10,"mode":"extra","group":["a","b"],"prizes":["a","b"],"reserve":{"a":50},`, ``),
	} {
		file := parse(t, src)
		if err := file.Version.Validate(); err != nil {
			t.Errorf("%v\n%s", err, src)
		}
		if again := parse(t, string(file.Version.Document)); string(again.Version.Document) != string(file.Version.Document) {
			t.Errorf("%s\n%s", again.Version.Document, file.Version.Document)
		}
	}
}

func TestPityIDLength(t *testing.T) {
	_, faults := Parse([]byte(change(t, withPity, `"id":"y"`, `"id":"`+strings.Repeat("y", engine.MaxIDBytes)+`"`)))
	if len(faults) != 1 || faults[0].Pointer != "/pity/0/id" {
		t.Errorf("%v", faults)
	}
}
