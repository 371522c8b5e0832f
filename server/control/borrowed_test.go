package control

import (
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// A key that is limited to campaigns reaches nothing else through what it publishes: a campaign that draws on a pool or a purse, moves a
// counter that campaigns share, or pays in another campaign's chances is published by somebody who may touch those.
func TestLimitedKeysPublishNothingShared(t *testing.T) {
	w := newWorld(t)
	_, operator := w.newKey("", operatorBody)
	_, limited := w.newKey(operator, `{"name":"load","scopes":["draw","read","admin"],"campaigns":["bench-*"]}`)
	w.want(200, "PUT", "/admin/v1/policy", `{"purses":[{"id":"points","sources":{"shop":{}}}]}`, "If-None-Match: *", operator)
	w.want(200, "PUT", "/admin/v1/pools/seats", `{"total":5}`, "If-None-Match: *", operator)
	for id, as := range map[string]string{"resale": operator, "bench-resale": limited} {
		path := "/admin/v1/campaigns/" + id
		tag := w.want(201, "PUT", path+"/draft", strings.Replace(resaleFile, "resale", id, 1), "If-None-Match: *", as).header.Get("ETag")
		w.want(200, "POST", path+":publish", publishBody(tag), as)
	}
	file := func(id, old, with string) string {
		return strings.NewReplacer("campaign: flash", "campaign: "+id, old, with).Replace(flashFile)
	}
	const phone, prizes = "weight: 500, stock: 5}", "prizes:\n"
	chance := prizes + "  - {id: again, kind: chance, weight: 1, stock: 5, chances: 1, chances_for: "
	for id, c := range map[string]struct{ old, with, pointer string }{
		"bench-pool":    {phone, "weight: 500, pool: seats}", "/prizes/0/pool"},
		"bench-purse":   {prizes, "chances: {mode: purse, purse: points}\n" + prizes, "/chances/purse"},
		"bench-pity":    {prizes, "pity:\n  - {id: p, guarantee_within: 10, group: any, prizes: [phone], reserve: {phone: 2}, scope: namespace}\n" + prizes, "/pity/0/scope"},
		"bench-chances": {prizes, chance + "resale}\n", "/prizes/0/chances_for"},
		"bench-own":     {prizes, chance + "bench-resale}\n", ""},
		"bench-plain":   {phone, phone, ""},
	} {
		path, source := "/admin/v1/campaigns/"+id, file(id, c.old, c.with)
		tag := w.want(201, "PUT", path+"/draft", source, "If-None-Match: *", limited).header.Get("ETag")
		if c.pointer == "" {
			w.want(200, "POST", path+":publish", publishBody(tag), limited)
			continue
		}
		before := w.engine.StateHash()
		for _, body := range []string{publishBody(tag), publishBody(tag, `,"at":"2026-11-11T00:00:00Z"`), publishBody(tag, `,"forced":true,"reason":"x"`)} {
			expect(t, id, string(w.refused(problem.Forbidden, "POST", path+":publish", body, limited).body), `"pointer":"`+c.pointer+`"`, `"line":`)
		}
		if w.engine.StateHash() != before {
			t.Errorf("%s: a refusal changed the state", id)
		}
		// What somebody else has published of it stays, whoever publishes the next version, live or defensive.
		w.want(200, "POST", path+":publish", publishBody(tag), operator)
		const wider = "limit: 3}"
		tag = w.want(200, "PUT", path+"/draft", strings.Replace(source, wider, "limit: 4}", 1), "If-Match: "+tag, limited).header.Get("ETag")
		w.want(200, "POST", path+":publish", publishBody(tag), limited)
	}
	const yaml = "Content-Type: application/yaml"
	meagre := file("bench-plain", "weight: 500, stock: 5}", "weight: 50, pool: seats}")
	w.refused(problem.Forbidden, "PUT", "/admin/v1/campaigns/bench-plain/defensive?reason=x", meagre, yaml, limited)
}
