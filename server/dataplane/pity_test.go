package dataplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

// pityCampaign gives q on every draw, p on top of every third, and has two units of p set aside.
func pityCampaign() *engine.Version {
	v := open("pity")
	v.Prizes = []engine.Prize{
		{ID: "q", Weight: 1000, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: 1},
		{ID: "p", Kind: engine.KindCash, Amount: 88, Stock: 2, Units: 1, Fallback: -1, Slot: 2},
	}
	v.Pity = []engine.Pity{{ID: "third", Within: 3, Extra: true, Group: []int16{1}, List: []engine.PityPrize{{Prize: 1, Reserve: 2}}}}
	return v
}

func TestPity(t *testing.T) {
	r := start(t, nil)
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: pityCampaign(), SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	page := r.do("GET", "/v1/campaigns/pity", "")
	r.want("page", page, 200, "")
	if want := `"pity":[{"id":"third","guarantee_within":3,"mode":"extra","prizes":["p"],"soft":false}]`; !strings.Contains(string(page.body), want) {
		t.Errorf("the page says %s, want %s", page.body, want)
	}
	counter := func(user, want string) {
		t.Helper()
		if a := r.do("GET", "/v1/campaigns/pity/users/"+user, ""); !strings.Contains(string(a.body), `"pity":[`+want+`]`) {
			t.Errorf("%s: %s, want %s", user, a.body, want)
		}
	}
	counter("u1", `{"id":"third","counter":0,"guarantee_within":3,"due":false}`)
	for i := range 6 {
		a := r.draw("pity", fmt.Sprint("k", i), `{"user":"u1"}`)
		r.want("draw", a, 200, "")
		if extra := strings.Contains(string(a.body), `"extra":{"id":"p","kind":"cash","amount":88}`); extra != (i%3 == 2) {
			t.Errorf("draw %d: %s", i, a.body)
		}
		if again := r.draw("pity", fmt.Sprint("k", i), `{"user":"u1"}`); string(again.body) != string(a.body) {
			t.Errorf("draw %d: the replay is %s, the answer was %s", i, again.body, a.body)
		}
		if i == 1 {
			counter("u1", `{"id":"third","counter":2,"guarantee_within":3,"due":true}`)
		}
	}
	if n := r.server.figures.unfunded.Get(); n != 0 {
		t.Errorf("%d unfunded, the reserve was enough", n)
	}
	r.draw("pity", "k0", `{"user":"u2","times":10}`)
	if n := r.server.figures.unfunded.Get(); n != 8 {
		t.Errorf("%d sub-draws were unfunded, want 8", n)
	}
	counter("u2", `{"id":"third","counter":2,"guarantee_within":3,"due":true}`)
}

// Where releases are scheduled the page states what is really paid: here units can come in 5 of 90 000 seconds.
func TestOddsOnThePage(t *testing.T) {
	r := start(t, nil)
	version := func(edit func(v *engine.Version)) {
		v := open("drip")
		v.Prizes = []engine.Prize{
			{ID: "a", Weight: 500, Stock: 9, Units: 1, Fallback: -1, Slot: -1},
			{ID: "secret", Weight: 100, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: -1, Unlisted: true},
		}
		v.Schedules = []engine.Schedule{{Windows: []engine.ReleaseWindow{{StartsAt: v.EndsAt - 5000, EndsAt: v.EndsAt, Weight: 1}}}}
		v.Releases = []engine.Release{{}}
		edit(v)
		var b engine.Batch
		b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
		r.decide(&b)
	}
	want := func(odds string) {
		t.Helper()
		for range 2 { // computed, and kept
			if a := r.do("GET", "/v1/campaigns/drip", ""); !strings.Contains(string(a.body), `,"odds":`+odds+`}`) {
				t.Errorf("page: %s, want %s", a.body, odds)
			}
		}
	}
	version(func(*engine.Version) {})
	want(`[{"prizes":[{"id":"a","pays_ppb":27778}],"other_ppb":100000000,"miss_ppb":899972222}]`)
	version(func(v *engine.Version) { v.Prizes[0].Weight, v.Prizes[0].Stock = 900, engine.StockUnstated })
	want(`[{"prizes":[{"id":"a","pays_ppb":50000}],"other_ppb":100000000,"miss_ppb":899950000}]`)
	if a := r.do("GET", "/v1/campaigns/flash", ""); strings.Contains(string(a.body), "odds") {
		t.Errorf("a page without release tells odds: %s", a.body)
	}
}
