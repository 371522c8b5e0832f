package dataplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

// Channels and sessions as callers see them: the wheel's place in every answer, and what is refused.
func TestSessionsAndChannels(t *testing.T) {
	r := start(t, nil)
	v := open("rounds")
	v.Denominator = 1000
	v.Prizes = []engine.Prize{{ID: "a", Weight: 500, Stock: engine.StockUnstated, Units: 1, Fallback: -1, Slot: -1}}
	v.Sets = []engine.PrizeSet{{{Prize: 0, Weight: 500, Stock: 100}}}
	v.Sessions = []engine.Session{{ID: "am", StartsAt: v.StartsAt, EndsAt: v.EndsAt}}
	v.Channels = []engine.Channel{{ID: "pc", All: true, Slots: []engine.Slot{{Prize: engine.NoPrize, Slot: 4}, {Prize: 0, Slot: 2}}}}
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	for _, body := range []string{`{"user":"u"}`, `{"user":"u","channel":"tv"}`} {
		a := r.draw("rounds", "k", body)
		r.want(body, a, 422, "unknown_channel")
		if !strings.Contains(string(a.body), `"effect":"none"`) || !strings.Contains(string(a.body), `Send \"channel\"`) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	wins := 0
	for i := range 40 {
		key, body := fmt.Sprint("k", i), `{"user":"u","channel":"pc"}`
		a := r.draw("rounds", key, body)
		r.want("draw", a, 200, "")
		want := `,"session":"am","channel":"pc","outcome":"miss","slot":4,`
		if strings.Contains(string(a.body), `"win"`) {
			want = `,"session":"am","channel":"pc","outcome":"win","prize":{"id":"a","kind":"physical"},"slot":2,`
			wins++
		}
		if !strings.Contains(string(a.body), want) {
			t.Errorf("%s has not %s", a.body, want)
		}
		if again := r.draw("rounds", key, body); string(again.body) != string(a.body) {
			t.Errorf("the replay is %s, the answer was %s", again.body, a.body)
		}
	}
	if a := r.do("GET", "/v1/campaigns/rounds/stock", ""); !strings.Contains(string(a.body), fmt.Sprintf(`{"id":"a","session":"am","total":100,"unreleased":0,"available":%d,`, 100-wins)) {
		t.Errorf("%d wins, stock %s", wins, a.body)
	}
}
