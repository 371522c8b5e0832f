package dataplane

import (
	"testing"

	"github.com/drawd/drawd/engine"
)

// A win that is a hold names it; the payment confirms it under its own path, and a replay says the same bytes.
func TestWinIsAHold(t *testing.T) {
	r := start(t, nil)
	r.pool("phones", 2, engine.PoolPolicy{LimitPerOwner: 1})
	v := open("holds")
	v.Prizes = v.Prizes[:1]
	v.Prizes[0].Weight, v.Prizes[0].Stock, v.Guaranteed = v.Denominator, engine.Unlimited, false
	v.PoolPrizes = []engine.PoolPrize{{Prize: 0, Pool: "phones", Hold: 60_000}}
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	first := r.draw("holds", "k1", `{"user":"u1"}`)
	r.has("won", first, 200, `"hold_expires_at":"2026-11-10T16:01:00.000Z"`)
	hold, _ := first.json["hold"].(string)
	if len(hold) != 27 || hold[0] != 'h' {
		t.Fatalf("the answer names no hold: %s", first.body)
	}
	if again := r.draw("holds", "k1", `{"user":"u1"}`); string(again.body) != string(first.body) {
		t.Errorf("replayed: %s, first %s", again.body, first.body)
	}
	path := "/v1/holds/" + hold
	r.has("it is the user's", r.do("GET", path, ""), 200, `"state":"held","items":[{"pool":"phones","quantity":1}],"expires_at":"2026-11-10T16:01:00.000Z"`)
	r.has("whose it is", r.do("GET", path, ""), 200, `"owner":"u1"`)
	second := r.draw("holds", "k2", `{"user":"u1"}`)
	r.has("one each", second, 200, `"outcome":"miss"`)
	if second.json["hold"] != nil {
		t.Errorf("a miss holds something: %s", second.body)
	}
	r.has("paid", r.do("POST", path+":confirm", ""), 200, `"state":"confirmed"`)
	r.has("paid twice", r.do("POST", path+":confirm", ""), 200, `"already":true`)
	r.has("another", r.draw("holds", "k3", `{"user":"u2"}`), 200, `"outcome":"win"`)
	r.refuses("all are held or sold", func() answer { return r.draw("holds", "k4", `{"user":"u3"}`) }, 409, `"code":"exhausted"`)
	r.sound()
}
