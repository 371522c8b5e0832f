package control

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

func TestAward(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", strings.Replace(flashFile, "stock: 5}", "stock: 5, value: 300}", 1))
	w.at(start.Add(2 * time.Hour))
	const path = "/admin/v1/campaigns/flash/prizes/phone:award"
	w.decide(func(b *engine.Batch) { b.AddTick() }) // the time is part of the state
	before := w.engine.StateHash()
	for body, pointer := range map[string]string{
		`{"ticket":"T","reason":"x"}`:               "/user",
		`{"user":"a b","ticket":"T","reason":"x"}`:  "/user",
		`{"user":"u1","reason":"x"}`:                "/ticket",
		`{"user":"u1","ticket":"a b","reason":"x"}`: "/ticket",
		`{"user":"u1","ticket":"T"}`:                "/reason",
	} {
		if a := w.refused(problem.InvalidField, "POST", path, body); !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	w.refused(problem.PrizeNotFound, "POST", "/admin/v1/campaigns/flash/prizes/none:award", `{"user":"u1","ticket":"T","reason":"x"}`)
	w.refused(problem.CampaignNotFound, "POST", "/admin/v1/campaigns/none/prizes/phone:award", `{"user":"u1","ticket":"T","reason":"x"}`)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	a := w.want(200, "POST", path, `{"user":"u1","ticket":"T-1","reason":"lost parcel"}`)
	expect(t, "award", string(a.body), `{"campaign":"flash","prize":"phone","user":"u1","ticket":"T-1","already":false,"seq":1,"at":"2026-11-10T17:00:00.000Z"}`)
	w.at(start.Add(3 * time.Hour))
	a = w.want(200, "POST", path, `{"user":"u1","ticket":"T-1","reason":"lost parcel"}`)
	expect(t, "again", string(a.body), `"already":true,"seq":1,"at":"2026-11-10T17:00:00.000Z"`)
	a = w.refused(problem.IdempotencyMismatch, "POST", "/admin/v1/campaigns/flash/prizes/coupon:award", `{"user":"u1","ticket":"T-1","reason":"x"}`)
	expect(t, "another prize", a.text("detail"), "with another prize")
	expect(t, "the record", string(w.want(200, "GET", "/admin/v1/records", "").body),
		`"kind":"award","campaign":"flash"`, `"name":"phone","actor":"loopback","user":"u1","ticket":"T-1","reason":"lost parcel","delta":1`)

	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","award_daily_value":500}`, `If-Match: "0"`)
	lines := `{"user":"u1","ticket":"T-1","reason":"x"}
{"user":"u2","ticket":"T-2","reason":"x"}

{"user":"u3","ticket":"T-3","reason":"x"}
{"user":"u3"}
not JSON
`
	a = w.want(200, "POST", path, lines, "Content-Type: application/x-ndjson")
	expect(t, "bulk", string(a.body), `{"lines":5,"awarded":1,"already":1,"refused":{"bad_json":1,"conflict":1,"invalid_field":1}`,
		`{"line":4,"code":"conflict","message":"The operator has awarded 300 of the 500 that the policy allows him a day, and the prize would go beyond."}`)
	if a := w.want(200, "POST", path, lines, "Content-Type: application/x-ndjson"); a.json()["already"] != 2.0 || a.json()["awarded"] != 0.0 {
		t.Errorf("again: %s", a.body)
	}
}
