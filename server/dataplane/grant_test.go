package dataplane

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
)

// chanceCampaigns publishes "earned", whose draws cost 2 chances of its own, and "shared", whose draws cost 1 of a purse.
func chanceCampaigns(r *rig) {
	own, shared := open("earned"), open("shared")
	own.Prizes[0].Weight = 1000
	own.Chances = &engine.Chances{
		Mode: engine.ChancesGranted, Price: 2, Lots: 2, Sources: []engine.ChanceSource{{ID: "share", DailyLimit: 5}, {ID: "shop"}},
		Milestones: []engine.Milestone{{ID: "first", Draws: 1, Amount: 7}},
	}
	shared.Prizes[0] = engine.Prize{ID: "again", Kind: engine.KindChance, Amount: 3, Weight: 1000, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: -1}
	shared.Chances = &engine.Chances{Mode: engine.ChancesPurse, Purse: "points", Price: 1}
	var b engine.Batch
	b.AddPolicy(&engine.PutPolicy{Namespace: 1, Policy: &engine.NamespacePolicy{TimeZone: "UTC", Purses: []engine.Purse{{ID: "points", Lots: 2, Sources: []engine.ChanceSource{{ID: "shop"}}}}}})
	for _, v := range []*engine.Version{own, shared} {
		b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	}
	r.decide(&b)
}

// says fails unless the answer is 200 and holds what it should.
func (r *rig) says(name string, a answer, want string) {
	r.t.Helper()
	if a.status != 200 || !strings.Contains(string(a.body), want) {
		r.t.Errorf("%s: %d %s, want %s", name, a.status, a.body, want)
	}
}

func TestGrants(t *testing.T) {
	r := start(t, nil)
	chanceCampaigns(r)
	const u = "/v1/campaigns/earned/users/u1"
	grant := func(body string) answer { t.Helper(); return r.do("POST", u+"/chances", body) }
	a := r.draw("earned", "k1", `{"user":"u1"}`)
	r.want("nothing granted", a, 409, "no_chances")
	if !strings.Contains(string(a.body), `"allowed":0,"remaining":0,"price":2`) {
		t.Errorf("%s", a.body)
	}
	r.says("first", grant(`{"amount":3,"source":"share","event":"e1"}`), `{"granted":3,"already":false,"remaining":3}`)
	r.says("again", grant(`{"amount":3,"source":"share","event":"e1"}`), `{"granted":3,"already":true,"remaining":3}`)
	r.says("cut", grant(`{"amount":3,"source":"share","event":"e2"}`), `{"granted":2,"already":false,"reason":"daily_limit","remaining":5}`)
	late := time.UnixMilli(testNow - 86400_001).UTC().Format(time.RFC3339Nano)
	r.says("late", grant(`{"amount":1,"source":"shop","event":"e3","occurred_at":"`+late+`"}`), `{"granted":0,"already":false,"reason":"late_event","remaining":5}`)
	r.says("late again", grant(`{"amount":1,"source":"shop","event":"e3"}`), `{"granted":0,"already":true,"reason":"late_event","remaining":5}`)
	a = r.draw("earned", "k1", `{"user":"u1","times":2,"expect":{"version":1,"max_price":2}}`)
	r.says("draw", a, `"remaining":{"chances":10,`) // 5 − 2 + 7 of the milestone
	r.says("second", a, `"remaining":{"chances":8,`)
	r.want("dearer than expected", r.draw("earned", "k2", `{"user":"u1","expect":{"max_price":1}}`), 409, "version_changed")
	r.says("user", r.do("GET", u, ""), `"chances":{"mode":"granted","price":2,"remaining":8,"spendable":8,"granted":12,"consumed":4,"expired":0,"revoked":0,"debt":0,"lots":[`+
		`{"remaining":1,"expires_at":null,"priority":0,"source":"share"},{"remaining":7,"expires_at":null,"priority":0,"source":"milestone"}]}`)
	r.says("revoked", r.do("POST", u+"/chances:revoke", `{"source":"share","event":"e1","reason":"fraud"}`), `{"revoked":3,"already":false,"remaining":5}`)
	r.says("once", r.do("POST", u+"/chances:revoke", `{"source":"share","event":"e1"}`), `{"revoked":0,"already":true,"remaining":5}`)
	r.says("page", r.do("GET", "/v1/campaigns/earned", ""), `"chances":{"mode":"granted","price":2,"prices":[]}`)
	later := func(n time.Duration) string {
		return time.UnixMilli(testNow).Add(n * time.Hour).UTC().Format(time.RFC3339)
	}
	// The shared lot that never ends is one, so one more end fits.
	r.says("ends", grant(`{"amount":4,"source":"shop","event":"l1","expires_at":"`+later(1)+`","priority":9,"reason":"order 7"}`), `"granted":4`)
	for _, tc := range []struct{ name, body, code, pointer string }{
		{"a third end", `{"amount":4,"source":"shop","event":"l2","expires_at":"` + later(2) + `"}`, "", ""},
		{"a fourth end", `{"amount":4,"source":"shop","event":"l3","expires_at":"` + later(3) + `"}`, "chances_full", ""},
		{"unknown source", `{"amount":1,"source":"nobody","event":"e"}`, "invalid_field", "/source"},
		{"ahead", `{"amount":1,"source":"shop","event":"e","occurred_at":"` + later(1) + `"}`, "invalid_field", "/occurred_at"},
		{"begins after its end", `{"amount":1,"source":"shop","event":"e","effective_at":"` + later(2) + `","expires_at":"` + later(1) + `"}`, "invalid_field", "/effective_at"},
	} {
		a := grant(tc.body)
		code, _ := a.json["code"].(string)
		if code != tc.code || tc.pointer != "" && !strings.Contains(string(a.body), `"pointer":"`+tc.pointer+`"`) {
			t.Errorf("%s: %d %s", tc.name, a.status, a.body)
		}
	}
	for body, want := range map[string]string{
		`{"source":"shop","event":"e"}`:                                    `"/amount","code":"required"`,
		`{"amount":0,"source":"shop","event":"e"}`:                         `"/amount","code":"range"`,
		`{"amount":1.5,"source":"shop","event":"e"}`:                       `"/amount","code":"type"`,
		`{"amount":1,"source":"Shop","event":"e"}`:                         `"/source","code":"pattern"`,
		`{"amount":1,"source":"shop","event":"e e"}`:                       `"/event","code":"pattern"`,
		`{"amount":1,"source":"shop","event":"e","expires_at":"tomorrow"}`: `"/expires_at","code":"pattern"`,
		`{"amount":1,"source":"shop","event":"e","priority":101}`:          `"/priority","code":"range"`,
		`{"amount":1,"source":"shop","event":"e","until":"x"}`:             `"/until","code":"unknown"`,
		`{"amount":1,"source":"shop","event":"e","reason":"two\nlines"}`:   `"/reason","code":"pattern"`,
		`{"amount":1,"source":"shop","event":"e","event":"f"}`:             `bad_json`,
		`[]`: `It must be an object`,
	} {
		before := r.engine.StateHash()
		if a := r.post(http.DefaultTransport, u+"/chances", body); a.status < 400 || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
		}
		if r.engine.StateHash() != before {
			t.Errorf("%s changed the state", body)
		}
	}
	r.want("a free campaign", r.do("POST", "/v1/campaigns/open/users/u1/chances", `{"amount":1,"source":"shop","event":"e"}`), 409, "conflict")
	r.want("no such grant", r.do("POST", u+"/chances:revoke", `{"source":"shop","event":"nothing"}`), 404, "key_unknown")
	if err := r.engine.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestPurse(t *testing.T) {
	r := start(t, nil)
	chanceCampaigns(r)
	const purse = "/v1/purses/points/users/u1"
	r.says("straight", r.do("POST", purse+"/chances", `{"amount":2,"source":"shop","event":"e1"}`), `{"granted":2,"already":false,"remaining":2}`)
	r.says("through a campaign", r.do("POST", "/v1/campaigns/shared/users/u1/chances", `{"amount":2,"source":"shop","event":"e1"}`), `{"granted":2,"already":true,"remaining":2}`)
	r.says("draw", r.draw("shared", "k", `{"user":"u1"}`), `"outcome":"win","prize":{"id":"again","kind":"chance","title":{"en":"Phone"},"chances":3}`[:41])
	r.says("balance", r.do("GET", purse, ""), `{"purse":"points","user":"u1","chances":{"mode":"purse","purse":"points","remaining":4,"spendable":4,"granted":5,"consumed":1,`)
	r.says("taken back", r.do("POST", purse+"/chances:revoke", `{"source":"shop","event":"e1"}`), `{"revoked":2,"already":false,"remaining":2}`)
	r.want("no such purse", r.do("GET", "/v1/purses/other/users/u1", ""), 404, "not_found")
	r.want("no such purse", r.do("POST", "/v1/purses/other/users/u1/chances", `{"amount":2,"source":"shop","event":"e1"}`), 404, "not_found")
}

// A batch is decided in its order: what a draw of it wins pays for the next one, which facts of before would deny.
func TestChancesWonInABatch(t *testing.T) {
	r := start(t, nil)
	chanceCampaigns(r)
	r.says("grant", r.do("POST", "/v1/purses/points/users/u1/chances", `{"amount":1,"source":"shop","event":"e1"}`), `"remaining":1}`)
	second := `{"campaign":"shared","user":"u1","key":"k2","times":2}`
	facts := r.server.figures.facts.Get()
	r.says("alone", r.do("POST", "/v1/draws:batch", `{"draws":[`+second+`]}`), `"no_chances"`)
	if r.server.figures.facts.Get() == facts {
		t.Error("facts did not deny it alone")
	}
	a := r.do("POST", "/v1/draws:batch", `{"draws":[{"campaign":"shared","user":"u1","key":"k1"},`+second+`]}`)
	if a.status != 200 || strings.Contains(string(a.body), "no_chances") || strings.Count(string(a.body), `"outcome":"win"`) != 3 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A revocation asks the grant's record when its chances ended: what has ended is not owed.
func TestRevocationOfWhatHasEnded(t *testing.T) {
	r := start(t, nil)
	chanceCampaigns(r)
	const u = "/v1/campaigns/earned/users/u1"
	soon := time.UnixMilli(testNow + 1000).UTC().Format(time.RFC3339Nano)
	r.says("grant", r.do("POST", u+"/chances", `{"amount":2,"source":"shop","event":"e1","expires_at":"`+soon+`"}`), `"granted":2`)
	r.clock.Add(1000)
	r.says("revoke", r.do("POST", u+"/chances:revoke", `{"source":"shop","event":"e1"}`), `{"revoked":0,"already":false,"remaining":0}`)
	r.says("user", r.do("GET", u, ""), `"granted":2,"consumed":0,"expired":2,"revoked":0,"debt":0,"lots":[]`)
}

// A key may be bound to sources and to an amount.
func TestKeysThatGrant(t *testing.T) {
	r := start(t, nil)
	chanceCampaigns(r)
	secrets := map[string]string{}
	var b engine.Batch
	for name, k := range map[string]access.Key{
		"operator": {Scopes: access.ScopeAdmin},
		"shop":     {Scopes: access.ScopeChances, Sources: []string{"shop"}, MaxAmount: 5},
		"drawer":   {Scopes: access.ScopeDraw},
		"limited":  {Scopes: access.ScopeChances, Campaigns: []string{"earned"}},
	} {
		id, secret, hash := access.NewSecret()
		k.Namespace, k.Name, k.Hash, k.CreatedAt = "default", name, hash, r.now()
		secrets[name] = secret
		b.AddDocument(&engine.PutDocument{Namespace: 1, Name: access.DocumentPrefix + id, Body: k.Encode()})
	}
	r.decide(&b)
	r.gate.Refresh()
	send := func(key, path, body string) answer {
		t.Helper()
		return r.do("POST", path, body, "Authorization", "Bearer "+secrets[key])
	}
	const own, purse = "/v1/campaigns/earned/users/u1/chances", "/v1/purses/points/users/u1/chances"
	r.says("as allowed", send("shop", own, `{"amount":5,"source":"shop","event":"1"}`), `"granted":5`)
	r.want("too much", send("shop", own, `{"amount":6,"source":"shop","event":"2"}`), 403, "forbidden")
	r.want("another source", send("shop", own, `{"amount":1,"source":"share","event":"2"}`), 403, "forbidden")
	r.want("taking back another's", send("shop", own+":revoke", `{"source":"share","event":"2"}`), 403, "forbidden")
	r.want("scope", send("drawer", own, `{"amount":1,"source":"shop","event":"2"}`), 403, "forbidden")
	r.says("its campaign", send("limited", own, `{"amount":5,"source":"share","event":"2"}`), `"granted":5`)
	r.want("another campaign", send("limited", "/v1/campaigns/shared/users/u1/chances", `{"amount":1,"source":"shop","event":"2"}`), 403, "forbidden")
	r.want("a purse is the namespace's", send("limited", purse, `{"amount":1,"source":"shop","event":"2"}`), 403, "forbidden")
	r.says("a purse", send("shop", purse, `{"amount":1,"source":"shop","event":"2"}`), `"granted":1`)
}

// The binary form tells the chances left, of draws and of denials.
func TestChancesInBinary(t *testing.T) {
	r := start(t, nil)
	chanceCampaigns(r)
	r.says("grant", r.do("POST", "/v1/campaigns/earned/users/u1/chances", `{"amount":4,"source":"share","event":"e1"}`), `"granted":4`)
	r.says("grant", r.do("POST", "/v1/campaigns/shared/users/u1/chances", `{"amount":4,"source":"shop","event":"e1"}`), `"granted":4`)
	b := (&wire{campaigns: []string{"earned", "shared", "open"}}).add(0, "u1", "k1", 0).add(1, "u1", "k1", 0).add(2, "u1", "k1", 0).add(0, "u2", "k1", 0).bytes()
	items := readWire(t, r.binary(b).body)
	if d := items[0].draws[0]; !d.win || d.chances != 9 || d.prize != "phone" {
		t.Errorf("%+v", d)
	}
	if d := items[1].draws[0]; !d.win || d.chances != 6 || d.prize != "again" || d.kind != byte(engine.KindChance) || d.amount != 3 {
		t.Errorf("%+v", d)
	}
	if d := items[2].draws[0]; d.chances != 0 {
		t.Errorf("%+v", d)
	}
	if items[3].code != problem.NoChances {
		t.Errorf("%+v", items[3])
	}
}

func FuzzGrantBody(f *testing.F) {
	for _, body := range []string{
		`{"amount":1,"source":"share","event":"e1"}`, `{"amount":1,"source":"s","event":"e","occurred_at":"2026-11-11T00:00:00+08:00","priority":0,"reason":"x"}`,
		`{"source":1,"event":[],"amount":1e3,"x":{"y":[]}}`, `{"source":"s","source":"t"}`, `[]`, `{"expires_at":null}`, `{`,
	} {
		f.Add([]byte(body), true)
		f.Add([]byte(body), false)
	}
	var s scanner
	f.Fuzz(func(t *testing.T, body []byte, revoke bool) {
		var g grantBody
		s.reset(body)
		sound := s.parseGrant(&g, revoke)
		switch {
		case sound && !json.Valid(body):
			t.Fatalf("taken: %q", body)
		case !sound && json.Valid(body) && !slices.Contains(stricter, s.why):
			t.Fatalf("refused, %s at %d: %q", s.why, s.i, body)
		case sound && len(g.faults.list) == 0 && (g.source == "" || g.event == "" || !revoke && g.amount < 1 || g.amount > engine.MaxGrant || len(g.event) > engine.MaxEventBytes):
			t.Fatalf("taken: %q as %+v", body, g)
		}
	})
}
