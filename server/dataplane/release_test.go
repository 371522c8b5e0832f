package dataplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

// The page states windows and counts; a player's answer says nothing of release: a miss is a miss.
func TestReleaseOnThePage(t *testing.T) {
	r := start(t, nil)
	v := open("drip")
	v.Prizes = []engine.Prize{{ID: "a", Weight: v.Denominator, Stock: 9, Units: 1, Fallback: -1, Slot: -1}}
	v.Schedules = []engine.Schedule{{Windows: []engine.ReleaseWindow{{StartsAt: v.EndsAt - 5000, EndsAt: v.EndsAt, Weight: 1}}}}
	v.Releases = []engine.Release{{}}
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	page := string(r.do("GET", "/v1/campaigns/drip", "").body)
	if !strings.Contains(page, `"release":[{"prize":"a","starts_at":"`) || !strings.Contains(page, `"units":9}]`) || !strings.Contains(page, `"release_hash":"`) {
		t.Errorf("page: %s", page)
	}
	for i := range 3 {
		a := r.draw("drip", fmt.Sprint("k", i), `{"user":"u"}`)
		r.want("draw", a, 200, "")
		if body := string(a.body); !strings.Contains(body, `"outcome":"miss","remaining"`) || strings.Contains(body, "release") {
			t.Errorf("a player's answer: %s", body)
		}
	}
	if a := r.do("GET", "/v1/campaigns/drip/stock", ""); !strings.Contains(string(a.body), `"total":9,"unreleased":9,"available":0`) {
		t.Errorf("stock: %s", a.body)
	}
}
