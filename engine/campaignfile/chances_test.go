package campaignfile

import (
	"os"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

const earned = `{"campaign":"c","time_zone":"UTC","starts_at":"2026-11-11T00:00:00Z","ends_at":"2026-11-12T00:00:00Z","denominator":100,
"chances":{"mode":"granted","price":2,"lots":6,"prices":[{"from":"2026-11-11T02:00:00Z","to":"2026-11-11T03:00:00Z","price":1}],
"sources":{"share":{"daily_limit":3,"expires_after":"2h"},"shop":{}},"milestones":[{"id":"m","draws":10,"grant":2,"repeat":true}]},
"prizes":[{"id":"a","kind":"chance","weight":10,"stock":5,"chances":2,"chances_for":"d"}]}`

func TestFavourableChances(t *testing.T) {
	live := parse(t, earned)
	if err := live.Version.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, with, pointer string }{
		{`"mode":"granted"`, `"mode":"granted"`, ""},
		{`"price":2,`, `"price":1,`, ""},
		{`"price":2,`, `"price":3,`, "/chances/price"},
		{`"price":1}`, `"price":2}`, "/chances/price"},
		{`"to":"2026-11-11T03:00:00Z"`, `"to":"2026-11-11T02:59:59Z"`, "/chances/price"},
		{`"to":"2026-11-11T03:00:00Z"`, `"to":"2026-11-11T04:00:00Z"`, ""},
		{`"lots":6`, `"lots":5`, "/chances/lots"},
		{`"daily_limit":3`, `"daily_limit":2`, "/chances/sources/share/daily_limit"},
		{`"daily_limit":3,`, ``, ""},
		{`"shop":{}`, `"shop":{"daily_limit":1000000}`, "/chances/sources/shop/daily_limit"},
		{`"expires_after":"2h"`, `"expires_after":"1h"`, "/chances/sources/share/expires_after"},
		{`,"shop":{}`, ``, "/chances/sources"},
		{`"draws":10`, `"draws":9`, ""},
		{`"draws":10`, `"draws":11`, "/chances/milestones/0"},
		{`,"repeat":true`, ``, "/chances/milestones/0"},
		{`"chances_for":"d"`, `"chances_for":"e"`, "/prizes/0/chances_for"},
		{`"chances":2`, `"chances":1`, "/prizes/0/amount"},
	} {
		next := parse(t, change(t, earned, tc.old, tc.with))
		faults := Favourable(live.Version, next.Version)
		switch {
		case tc.pointer == "" && len(faults) != 0, tc.pointer != "" && (len(faults) != 1 || faults[0].Pointer != tc.pointer):
			t.Errorf("%s → %s: want %q, got %+v", tc.old, tc.with, tc.pointer, faults)
		}
	}
	free := parse(t, change(t, base, `"denominator":100`, `"denominator":100,"expected_users":1`))
	now := parse(t, change(t, base, `"denominator":100`, `"denominator":100,"chances":{"mode":"granted","sources":{"a":{}}}`))
	if faults := Favourable(free.Version, now.Version); len(faults) != 1 || faults[0].Pointer != "/chances/mode" {
		t.Errorf("free to granted: %+v", faults)
	}
	if faults := Favourable(now.Version, free.Version); len(faults) != 0 {
		t.Errorf("granted to free: %+v", faults)
	}
}

// What is written back parses to the same chances.
func TestCanonicalChances(t *testing.T) {
	for _, name := range []string{"chances.yaml", "wallet.yaml"} {
		src, err := os.ReadFile("testdata/good/" + name)
		if err != nil {
			t.Fatal(err)
		}
		file := parse(t, string(src))
		again := parse(t, string(file.Version.Document))
		if string(again.Version.Document) != string(file.Version.Document) {
			t.Errorf("%s:\n%s\n%s", name, file.Version.Document, again.Version.Document)
		}
	}
}

func TestPursesInAPolicy(t *testing.T) {
	const src = `{"time_zone":"UTC","purses":[{"id":"points","lots":4,"sources":{"shop":{"daily_limit":9}}},{"id":"tickets"}]}`
	p, faults := ParsePolicy([]byte(src))
	if len(faults) > 0 || len(p.Purses) != 2 || p.Purses[0].Lots != 4 || p.Purses[1].Lots != defaultLots || p.Purses[0].Sources[0] != (engine.ChanceSource{ID: "shop", DailyLimit: 9}) {
		t.Fatalf("%+v %v", p, faults)
	}
	if string(p.Document) != src {
		t.Errorf("%s", p.Document)
	}
	for _, tc := range []struct{ old, with, pointer string }{
		{`"id":"tickets"`, `"id":"points"`, "/purses/1/id"},
		{`"id":"tickets"`, `"id":"` + strings.Repeat("t", 41) + `"`, "/purses/1/id"},
		{`"lots":4`, `"lots":0`, "/purses/0/lots"},
		{`"shop"`, `"prize"`, "/purses/0/sources/prize"},
	} {
		if p, faults := ParsePolicy([]byte(change(t, src, tc.old, tc.with))); p != nil || len(faults) != 1 || faults[0].Pointer != tc.pointer {
			t.Errorf("%s → %s: want one fault at %s, got %v", tc.old, tc.with, tc.pointer, faults)
		}
	}
}

func TestWarningsAboutChances(t *testing.T) {
	for _, tc := range []struct{ old, with, pointer, says string }{
		{`"price":2,`, `"price":2,`, "", ""},
		{`"to":"2026-11-11T03:00:00Z"`, `"to":"2026-11-11T03:00:00Z","price":1},{"from":"2026-11-12T00:00:00Z","to":"2026-11-13T00:00:00Z"`, "/chances/prices/1", "never in force"},
		{`"weight":10,"stock":5,"chances":2,"chances_for":"d"`, `"weight":50,"stock":"unlimited","chances":2`, "/chances", "for ever"},
		{`"weight":10,"stock":5,"chances":2,"chances_for":"d"`, `"weight":49,"stock":"unlimited","chances":2`, "", ""},
		{`"weight":10,"stock":5,"chances":2,"chances_for":"d"`, `"weight":50,"stock":5,"chances":2`, "", ""},
	} {
		var got []Fault
		for _, w := range parse(t, change(t, earned, tc.old, tc.with)).Warnings {
			if strings.HasPrefix(w.Pointer, "/chances") {
				got = append(got, w)
			}
		}
		if tc.says == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].Pointer != tc.pointer || !strings.Contains(got[0].Message, tc.says) {
			t.Errorf("%s: want %s %q, got %+v", tc.with, tc.pointer, tc.says, got)
		}
	}
}
