package control

import (
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

const seats = "/admin/v1/pools/seats"

func TestPools(t *testing.T) {
	w := newWorld(t)
	w.refused(problem.PoolNotFound, "GET", seats, "")
	w.refused(problem.PreconditionRequired, "PUT", seats, `{"total":5}`)
	w.refused(problem.VersionConflict, "PUT", seats, `{"total":5}`, `If-Match: "1"`)
	w.refused(problem.PoolNotFound, "POST", seats+":adjust", `{"delta":1,"reason":"x"}`, "Idempotency-Key: k")
	made := w.want(200, "PUT", seats, `{"total":5,"limit_per_owner":2,"hold_ttl":"90s","max_hold":"15m","restock":"one","return_jitter":"500ms","max_unconfirmed":3,"cooldown":"1h","low_stock":1,"opens_at":"2026-11-11T00:00:00+08:00","closes_at":"2026-11-12T00:00:00+08:00","reason":"new"}`, "If-None-Match: *")
	expect(t, "made", string(made.body), `{"pool":"seats","revision":1,"total":5,"opens_at":"2026-11-10T16:00:00.000Z","closes_at":"2026-11-11T16:00:00.000Z","limit_per_owner":2,"hold_ttl":"90s","max_hold":"15m","restock":"one","return_jitter":"500ms","max_unconfirmed":3,"cooldown":"1h","low_stock":1,"stock":{"pool":"seats","seq":1,"epoch":0,"total":5,`, `"available":5,`, `"open":false`)
	if made.header.Get("ETag") != `"1"` {
		t.Errorf("ETag %s", made.header.Get("ETag"))
	}
	if got := w.want(200, "GET", seats, ""); string(got.body) != string(made.body) || got.header.Get("ETag") != `"1"` {
		t.Errorf("read: %s %v", got.body, got.header)
	}
	before := w.engine.StateHash()
	w.refused(problem.VersionConflict, "PUT", seats, `{"total":5}`, "If-None-Match: *")
	w.refused(problem.VersionConflict, "PUT", seats, `{"total":5}`, `If-Match: "2"`)
	expect(t, "another total", string(w.refused(problem.StockChanged, "PUT", seats, `{"total":6}`, `If-Match: "1"`).body), "The total is 5")
	for body, want := range map[string]string{
		`{"totl":5}`: `"pointer":"/totl"`, `{"total":-1}`: `"pointer":"/total"`, `{"hold_ttl":"2"}`: `"pointer":"/hold_ttl"`, `{"hold_ttl":120}`: `"pointer":"/hold_ttl"`,
		`{"cooldown":"-1s"}`: `"pointer":"/cooldown"`, `{"restock":"all"}`: `"pointer":"/restock"`, `{"hold_ttl":"1ms"}`: `hold_ttl: 1 s to 24 h`,
		`{"hold_ttl":"1us"}`: `"pointer":"/hold_ttl"`, `{"max_unconfirmed":65536}`: `"pointer":"/max_unconfirmed"`,
	} {
		if a := w.do("PUT", seats, body, `If-Match: "1"`); a.status != 422 || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	changed := w.want(200, "PUT", seats, `{}`, `If-Match: "1"`)
	expect(t, "changed", string(changed.body), `"revision":2,"total":5,"hold_ttl":"2m","restock":"one","stock"`)

	adjusted := w.want(200, "POST", seats+":adjust", `{"delta":10,"reason":"second delivery"}`, "Idempotency-Key: k1")
	expect(t, "adjusted", string(adjusted.body), `{"pool":"seats","delta":10,"total":15,"seq":2}`)
	w.want(200, "POST", seats+":adjust", `{"delta":-1,"reason":"broken"}`, "Idempotency-Key: k2")
	again := w.want(200, "POST", seats+":adjust", `{"delta":10,"reason":"second delivery"}`, "Idempotency-Key: k1")
	if string(again.body) != string(adjusted.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %s %v", again.body, again.header)
	}
	before = w.engine.StateHash()
	w.refused(problem.IdempotencyMismatch, "POST", seats+":adjust", `{"delta":11,"reason":"x"}`, "Idempotency-Key: k1")
	short := w.refused(problem.InsufficientStock, "POST", seats+":adjust", `{"delta":-15,"reason":"x"}`, "Idempotency-Key: k3")
	expect(t, "short", string(short.body), `of which 14 are available`, `"may_return":false`, `"pool":"seats"`)
	w.refused(problem.IdempotencyKeyMissing, "POST", seats+":adjust", `{"delta":1,"reason":"x"}`)
	w.refused(problem.InvalidField, "POST", seats+":adjust", `{"delta":0,"reason":"x"}`, "Idempotency-Key: k3")
	w.refused(problem.InvalidField, "POST", seats+":adjust", `{"delta":1}`, "Idempotency-Key: k3")
	w.refused(problem.NotFound, "GET", "/admin/v1/pools/-a", "")
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	w.want(200, "PUT", "/admin/v1/pools/Aisle.1", `{"total":0}`, "If-None-Match: *")
	first := w.want(200, "GET", "/admin/v1/pools?limit=1", "")
	expect(t, "first page", string(first.body), `{"items":[{"pool":"Aisle.1"`)
	rest := w.want(200, "GET", "/admin/v1/pools?cursor="+first.text("next_cursor"), "")
	expect(t, "rest", string(rest.body), `{"items":[{"pool":"seats"`, `"next_cursor":""`)
	feed := w.want(200, "GET", "/admin/v1/records", "")
	expect(t, "feed", string(feed.body), `{"kind":"pool","at":"2026-11-10T15:00:00.000Z","pool":"seats","seq":1,"revision":1,"total":5,"actor":`, `"reason":"new"`,
		`{"kind":"pool_adjust","at":"2026-11-10T15:00:00.000Z","pool":"seats","seq":2,"delta":10,"total":15,`, `"reason":"second delivery"`)
}

// Who may restock is the pool's policy: a machine, one person, or two.
func TestPoolsRestock(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.two()
	_, machine := w.newKey(ann, `{"name":"warehouse","scopes":["stock"]}`)
	for id, rule := range map[string]string{"m": "machine", "o": "one", "t": "two"} {
		w.want(200, "PUT", "/admin/v1/pools/"+id, `{"total":5,"restock":"`+rule+`"}`, "If-None-Match: *", ann)
	}
	const ten = `{"delta":10,"reason":"x"}`
	w.want(200, "POST", "/admin/v1/pools/m:adjust", ten, "Idempotency-Key: k", machine)
	w.want(200, "POST", "/admin/v1/pools/o:adjust", ten, "Idempotency-Key: k", ann)
	w.refused(problem.Forbidden, "PUT", "/admin/v1/pools/o", `{}`, `If-Match: "1"`, machine)
	before := w.engine.StateHash()
	expect(t, "a machine", string(w.refused(problem.Forbidden, "POST", "/admin/v1/pools/o:adjust", ten, "Idempotency-Key: k", machine).body), "scope admin")
	w.refused(problem.Forbidden, "POST", "/admin/v1/pools/t:adjust", ten, "Idempotency-Key: k", machine)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	asked := w.want(202, "POST", "/admin/v1/pools/t:adjust", ten, "Idempotency-Key: k", ann)
	expect(t, "asked", string(asked.body), `"subject":"pool t by 10`, `"person":"ann"`)
	expect(t, "nothing yet", string(w.want(200, "GET", "/admin/v1/pools/t", "", bob).body), `"total":5`)
	if a := w.approve(asked, bob); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	done := w.want(200, "POST", "/admin/v1/pools/t:adjust", ten, "Idempotency-Key: k", ann)
	expect(t, "done", string(done.body), `{"pool":"t","delta":10,"total":15,`)
	away := w.want(202, "PUT", "/admin/v1/pools/t", `{"restock":"one"}`, `If-Match: "1"`, ann)
	expect(t, "the rule", string(away.body), `"subject":"restock rule of pool t"`)
}
