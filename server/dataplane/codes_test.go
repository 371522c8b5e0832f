package dataplane

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine"
)

// A win hands out its code: in the answer, in the replay, when it is read, and nowhere else.
func TestCodesInAnswers(t *testing.T) {
	r := start(t, nil)
	v := open("codes")
	v.Prizes = []engine.Prize{
		{ID: "movie", Kind: engine.KindCode, Weight: 500, Stock: engine.StockUnstated, Units: 1, Fallback: -1, Slot: -1},
		{ID: "welcome", Kind: engine.KindCoupon, Weight: 500, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: -1},
	}
	v.Codes = []engine.PrizeCodes{{Prize: 0}, {Prize: 1, Shared: "WELCOME10"}}
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	ns, _ := r.engine.Namespace("default")
	c, _ := ns.Campaign([]byte("codes"))
	sealer := engine.NewCodeSealer([32]byte{})
	b.Reset()
	b.AddImport(&engine.ImportCodes{Campaign: c.Ref(), Prize: "movie", Actor: "ann", Codes: []engine.SealedCode{
		sealer.Seal("codes", "movie", [12]byte{1}, []byte(`A"1`)), sealer.Seal("codes", "movie", [12]byte{2}, []byte("B-2")),
	}})
	r.decide(&b)
	got := map[string]int{}
	for i := 0; got["movie"] < 2 || got["welcome"] < 2; i++ {
		key, body := fmt.Sprint("k", i), fmt.Sprintf(`{"user":"u%d"}`, i)
		a := r.draw("codes", key, body)
		prize, _ := a.json["prize"].(map[string]any)
		if prize == nil {
			if got["movie"] < 2 {
				t.Fatalf("%s", a.body)
			}
			continue
		}
		id := prize["id"].(string)
		want := map[string][]string{"movie": {`A"1`, "B-2"}, "welcome": {"WELCOME10", "WELCOME10"}}[id]
		if n := got[id]; n < 2 && prize["code"] != want[n] {
			t.Errorf("%s: %s", id, a.body)
		}
		got[id]++
		if again := r.draw("codes", key, body); !bytes.Equal(again.body, a.body) {
			t.Errorf("the replay is\n%s\nand was\n%s", again.body, a.body)
		}
		if read := r.do("GET", "/v1/draws/"+a.json["draw"].(string), ""); !bytes.Equal(read.body, a.body) {
			t.Errorf("read: %s", read.body)
		}
	}
	if page := r.do("GET", "/v1/campaigns/codes", ""); bytes.Contains(page.body, []byte("WELCOME10")) {
		t.Errorf("the page tells the code: %s", page.body)
	}
}
