package dataplane

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/access"
)

// Codes are shown to keys that draw and to admins; a key that only reads is told that there is one: the review's fifth
// finding.
func TestCodesAreForWhoDraws(t *testing.T) {
	r := start(t, nil)
	v := open("codes")
	v.Prizes = []engine.Prize{
		{ID: "movie", Kind: engine.KindCode, Weight: 500, Stock: engine.StockUnstated, Units: 1, Fallback: -1, Slot: -1},
		{ID: "welcome", Kind: engine.KindCoupon, Weight: 500, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: -1},
	}
	v.Codes = []engine.PrizeCodes{{Prize: 0}, {Prize: 1, Shared: "SECRET-1"}}
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	b.Reset()
	b.AddImport(&engine.ImportCodes{Campaign: engine.CampaignRef(len(r.engine.Namespaces()[0].Campaigns())), Prize: "movie", Actor: "ann", Codes: []engine.SealedCode{
		engine.NewCodeSealer([32]byte{}).Seal("codes", "movie", [12]byte{1}, []byte("SECRET-0")),
	}})
	r.decide(&b)
	as := map[string]string{}
	for name, scopes := range map[string]access.Scope{
		"draw": access.ScopeDraw, "read": access.ScopeRead, "read, draw": access.ScopeRead | access.ScopeDraw, "read, admin": access.ScopeRead | access.ScopeAdmin,
	} {
		id, secret, hash := access.NewSecret()
		k := access.Key{Name: name, Scopes: scopes, Hash: hash, CreatedAt: r.now()}
		b.Reset()
		b.AddDocument(&engine.PutDocument{Namespace: 1, Name: access.DocumentPrefix + id, Body: k.Encode()})
		r.decide(&b)
		as[name] = "Bearer " + secret
	}
	r.gate.Refresh()
	seen := map[string]bool{}
	for i := 0; len(seen) < 2 && i < 100; i++ {
		user := fmt.Sprint("u", i)
		a := r.draw("codes", "k", `{"user":"`+user+`"}`, "Authorization", as["draw"])
		if a.json["outcome"] != "win" {
			continue
		}
		seen[fmt.Sprint(a.json["prize"].(map[string]any)["id"])] = true
		for _, path := range []string{"/v1/draws/" + a.json["draw"].(string), "/v1/campaigns/codes/users/" + user + "/draws", "/v1/campaigns/codes/users/" + user + "/draws?outcome=win", "/v1/campaigns/codes/users/" + user + "/keys/k"} {
			for name, secret := range as {
				got := r.do("GET", path, "", "Authorization", secret)
				code, masked := bytes.Contains(got.body, []byte(`"code":"SECRET-`)), bytes.Contains(got.body, []byte(`"code_masked":true`))
				if got.status != 200 || code != (name != "read") || masked != (name == "read") {
					t.Errorf("%s as %s: %d %s", path, name, got.status, got.body)
				}
			}
		}
		// The worker that has just answered a reader answers who draws.
		r.do("GET", "/v1/draws/"+a.json["draw"].(string), "", "Authorization", as["read"])
		if again := r.draw("codes", "k", `{"user":"`+user+`"}`, "Authorization", as["draw"]); !bytes.Equal(again.body, a.body) {
			t.Errorf("the replay is %s", again.body)
		}
		if fresh := r.draw("codes", "fresh", `{"user":"`+user+`","times":3}`, "Authorization", as["draw"]); strings.Contains(string(fresh.body), "masked") {
			t.Errorf("%s", fresh.body)
		}
	}
	if len(seen) < 2 {
		t.Errorf("won %v", seen)
	}
}
