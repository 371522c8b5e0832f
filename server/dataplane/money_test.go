package dataplane

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine"
)

// The amount of a win is in the answer, the same when it is replayed or read, and the stock says what was paid.
func TestAmounts(t *testing.T) {
	r := start(t, nil)
	v := open("packets")
	v.Prizes[0] = engine.Prize{ID: "packet", Kind: engine.KindCash, Weight: 1000, Stock: 5, Units: 1, Fallback: -1, Slot: -1}
	v.Amounts = []engine.Amount{{Split: engine.SplitDoubleMean, Least: 100, Budget: 1234}}
	v.Caps = []engine.Cap{{ID: "cash", Counts: engine.CountAmount, Window: engine.Window{Kind: engine.WindowDay}, Limit: 1234, Prize: -1}}
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	sum := 0.0
	for i := range 5 {
		key := fmt.Sprint("k", i)
		a := r.draw("packets", key, `{"user":"u1"}`)
		prize, _ := a.json["prize"].(map[string]any)
		amount, _ := prize["amount"].(float64)
		if amount < 100 {
			t.Fatalf("draw %d: %s", i, a.body)
		}
		sum += amount
		left := a.json["remaining"].(map[string]any)["caps"].(map[string]any)["cash"]
		if left != 1234-sum {
			t.Errorf("%v may still be won under the cap, want %v", left, 1234-sum)
		}
		if again := r.draw("packets", key, `{"user":"u1"}`); !bytes.Equal(again.body, a.body) || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("replayed:\n%s\n%s", a.body, again.body)
		}
		if read := r.do("GET", "/v1/draws/"+a.json["draw"].(string), ""); !bytes.Equal(read.body, a.body) {
			t.Errorf("read:\n%s\n%s", a.body, read.body)
		}
	}
	stock := r.do("GET", "/v1/campaigns/packets/stock", "").json["prizes"].([]any)[0].(map[string]any)
	if sum != 1234 || stock["paid"] != 1234.0 || stock["budget"] != 1234.0 || stock["issued"] != 5.0 {
		t.Errorf("paid %v, stock %v", sum, stock)
	}
	r.want("nothing left", r.draw("packets", "k9", `{"user":"u2"}`), 409, "exhausted")
	user := r.do("GET", "/v1/campaigns/packets/users/u1", "").json
	if caps := user["caps"].([]any)[0].(map[string]any); caps["counts"] != "amount" || caps["used"] != 1234.0 {
		t.Errorf("user %v", user)
	}
}
