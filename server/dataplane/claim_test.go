package dataplane

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

// A player claims what he won: once, in time, and only his own. Reads say where it stands.
func TestClaim(t *testing.T) {
	r := start(t, nil)
	v := open("claims")
	v.Prizes[0].Weight = 1000
	v.Deliveries = []engine.Delivery{{Prize: 0, ClaimWithin: 60_000}}
	plain := open("plain")
	plain.Prizes[0].Weight = 1000
	var b engine.Batch
	for _, v := range []*engine.Version{v, plain} {
		b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	}
	r.decide(&b)
	win := func(campaign, user string) (id string) {
		t.Helper()
		a := r.draw(campaign, "k-"+user, `{"user":"`+user+`"}`)
		var d struct{ Draw, Outcome string }
		if err := json.Unmarshal(a.body, &d); err != nil || d.Outcome != "win" || strings.Contains(string(a.body), "award") {
			t.Fatalf("%s %v", a.body, err)
		}
		return d.Draw
	}
	claim := func(campaign, user, id string, headers ...string) answer {
		t.Helper()
		return r.do("POST", "/v1/campaigns/"+campaign+"/users/"+user+"/draws/"+id+":claim", "", headers...)
	}
	mine, late, final := win("claims", "u1"), win("claims", "u2"), win("plain", "u1")
	r.says("won", r.do("GET", "/v1/draws/"+mine, ""), `"award":{"state":"won","at":"2026-11-10T16:00:00.000Z","expires_at":"2026-11-10T16:01:00.000Z"}}`)
	if a := r.do("GET", "/v1/draws/"+final, ""); strings.Contains(string(a.body), "award") {
		t.Errorf("a win that is final at once: %s", a.body)
	}
	before := r.engine.StateHash()
	r.want("another's", claim("claims", "u2", mine), 404, "draw_not_found")
	r.want("another campaign's", claim("plain", "u1", mine), 404, "draw_not_found")
	r.want("no campaign's", claim("nowhere", "u1", mine), 404, "campaign_not_found")
	r.want("no draw", claim("claims", "u1", "daaaaaaaaaaaaaaaaaaaaaaaaaa"), 404, "draw_not_found")
	r.want("final", claim("plain", "u1", final), 409, "conflict")
	r.want("a wrong method", r.do("GET", "/v1/campaigns/claims/users/u1/draws/"+mine+":claim", ""), 405, "method_not_allowed")
	if r.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	r.says("claimed", claim("claims", "u1", mine), `{"draw":"`+mine+`","award":{"state":"claimed","at":"2026-11-10T16:00:00.000Z"},"already":false}`)
	r.says("again", claim("claims", "u1", mine), `"already":true}`)
	r.says("read", r.do("GET", "/v1/draws/"+mine, ""), `"award":{"state":"claimed",`)
	r.says("listed", r.do("GET", "/v1/campaigns/claims/users/u1/draws", ""), `"award":{"state":"claimed",`)
	r.says("replayed as it was", r.draw("claims", "k-u1", `{"user":"u1"}`), `"outcome":"win"`)
	r.clock.Add(60_000)
	a := claim("claims", "u2", late)
	r.want("too late", a, 409, "conflict")
	if !strings.Contains(string(a.body), "The award is expired.") {
		t.Errorf("%s", a.body)
	}
	r.says("expired", r.do("GET", "/v1/draws/"+late, ""), `"award":{"state":"expired","at":"2026-11-10T16:01:00.000Z"}}`)
}
