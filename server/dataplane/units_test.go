package dataplane

import (
	"net/http"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// pools makes what tests of units begin with: ten of a, one of b.
func (r *rig) pools() {
	r.t.Helper()
	r.pool("a", 10, engine.PoolPolicy{HoldTTL: 60_000})
	r.pool("b", 1, engine.PoolPolicy{})
}

func (r *rig) pool(id string, total engine.Quantity, p engine.PoolPolicy) {
	r.t.Helper()
	var b engine.Batch
	b.AddPool(&engine.PutPool{Namespace: 1, ID: id, Expect: engine.AnyRevision, Total: total, Policy: p})
	r.decide(&b)
}

func (r *rig) take(pool, key, body string, headers ...string) answer {
	r.t.Helper()
	return r.do("POST", "/v1/pools/"+pool+":take", body, append(headers, "Idempotency-Key", key)...)
}

func (r *rig) hold(key, body string, headers ...string) answer {
	r.t.Helper()
	return r.do("POST", "/v1/holds", body, append(headers, "Idempotency-Key", key)...)
}

// held holds and returns the path of the hold.
func (r *rig) held(key, body string) string {
	r.t.Helper()
	a := r.hold(key, body)
	r.want("hold "+key, a, 200, "")
	id, _ := a.json["hold"].(string)
	return "/v1/holds/" + id
}

// has fails unless an answer with a status says what.
func (r *rig) has(name string, a answer, status int, what string) {
	r.t.Helper()
	if a.status != status || !strings.Contains(string(a.body), what) {
		r.t.Errorf("%s: %d %s, want %d %s", name, a.status, a.body, status, what)
	}
}

// refuses fails unless a refusal has a status and says what, and the state is as before.
func (r *rig) refuses(name string, ask func() answer, status int, what string) {
	r.t.Helper()
	before := r.engine.StateHash()
	a := ask()
	r.has(name, a, status, what)
	if a.json["effect"] != "none" {
		r.t.Errorf("%s: effect %v", name, a.json["effect"])
	}
	if r.engine.StateHash() != before {
		r.t.Errorf("%s changed the state", name)
	}
}

func (r *rig) sound() {
	r.t.Helper()
	if err := r.engine.CheckInvariants(); err != nil {
		r.t.Error(err)
	}
}

func TestTake(t *testing.T) {
	r := start(t, nil)
	r.refuses("no pool", func() answer { return r.take("a", "k", `{"owner":"o1"}`) }, 404, `"code":"pool_not_found"`)
	r.pools()
	first := r.take("a", "k1", `{"owner":"o1","quantity":3,"ref":"order-1"}`)
	r.has("taken", first, 200, `","pool":"a","quantity":3,"owner":"o1","at":"2026-11-10T16:00:00.000Z","ref":"order-1"}`)
	if first.header.Get("Drawd-Index") == "" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%v", first.header)
	}
	again := r.take("a", "k1", `{"owner":"o1","quantity":3,"ref":"order-1"}`, "Drawd-Retry", "1")
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Drawd-Index") != first.header.Get("Drawd-Index") {
		t.Errorf("again: %s %v", again.body, again.header)
	}
	r.refuses("another quantity", func() answer { return r.take("a", "k1", `{"owner":"o1"}`) }, 422, `"code":"idempotency_mismatch"`)
	r.has("one is the default", r.take("a", "k1", `{"owner":"o2"}`), 200, `"quantity":1,"owner":"o2"`)
	r.has("the books", r.do("GET", "/v1/pools/a", ""), 200, `"epoch":0,"total":10,"unreleased":0,"available":6,"reserved":0,"held":0,"issued":4,"expired":0,"withdrawn":0,"open":true,"sold_out":false,"may_return":false}`)

	id := first.json["take"].(string)
	one := "/v1/takes/" + id
	r.has("one", r.do("GET", one, ""), 200, `{"take":"`+id+`","state":"taken","items":[{"pool":"a","quantity":3}],"ended_at":"2026-11-10T16:00:00.000Z","owner":"o1","at":"2026-11-10T16:00:00.000Z","ref":"order-1"}`)
	r.refuses("as a hold", func() answer { return r.do("GET", "/v1/holds/h"+id[1:], "") }, 404, `"code":"hold_not_found"`)
	r.refuses("confirmed", func() answer { return r.do("POST", "/v1/holds/h"+id[1:]+":confirm", "") }, 404, `"code":"hold_not_found"`)
	void := `{"fault":"abuse","reason":"a bot"}`
	r.has("voided", r.do("POST", one+":void", void), 200, `"state":"voided","items":[{"pool":"a","quantity":3}],"ended_at":"2026-11-10T16:00:00.000Z","already":false}`)
	r.has("again", r.do("POST", one+":void", void), 200, `"state":"voided","items":[{"pool":"a","quantity":3}],"ended_at":"2026-11-10T16:00:00.000Z","already":true}`)
	r.refuses("by another fault", func() answer { return r.do("POST", one+":void", `{"fault":"user","reason":"x"}`) }, 409, `"code":"conflict","effect":"none","retryable":false`)
	r.has("withdrawn", r.do("GET", "/v1/pools/a", ""), 200, `"available":6,"reserved":0,"held":0,"issued":1,"expired":0,"withdrawn":3,`)
	if again = r.take("a", "k1", `{"owner":"o1","quantity":3}`); string(again.body) != string(first.body) {
		t.Errorf("after the void: %s", again.body)
	}
	r.sound()
}

func TestHoldConfirmReleaseExtend(t *testing.T) {
	r := start(t, nil)
	r.pools()
	body := `{"owner":"o1","ttl_ms":30000,"ref":"order-7","items":[{"pool":"b"},{"pool":"a","quantity":2},{"pool":"a"}]}`
	first := r.hold("k1", body)
	r.has("held", first, 200, `","owner":"o1","state":"held","items":[{"pool":"a","quantity":3},{"pool":"b","quantity":1}],"at":"2026-11-10T16:00:00.000Z","expires_at":"2026-11-10T16:00:30.000Z","ref":"order-7"}`)
	id := first.json["hold"].(string)
	one := "/v1/holds/" + id
	r.has("one", r.do("GET", one, ""), 200, `{"hold":"`+id+`","state":"held","items":[{"pool":"a","quantity":3},{"pool":"b","quantity":1}],"expires_at":"2026-11-10T16:00:30.000Z","extends_to":"2026-11-10T16:10:00.000Z","owner":"o1","at":"2026-11-10T16:00:00.000Z","ref":"order-7"}`)
	r.has("the pool", r.do("GET", "/v1/pools/b", ""), 200, `"available":0,"reserved":0,"held":1,"issued":0,"expired":0,"withdrawn":0,"open":true,"sold_out":true,"may_return":true}`)
	r.refuses("as a take", func() answer { return r.do("GET", "/v1/takes/t"+id[1:], "") }, 404, `"code":"hold_not_found"`)
	r.refuses("a void of what is held", func() answer { return r.do("POST", one+":void", `{"fault":"user","reason":"x"}`) }, 409, `"code":"conflict"`)

	r.has("extended", r.do("POST", one+":extend", `{"ttl_ms":45000}`), 200, `"expires_at":"2026-11-10T16:00:45.000Z","extends_to":"2026-11-10T16:10:00.000Z","already":false}`)
	r.has("not nearer", r.do("POST", one+":extend", `{"ttl_ms":1000}`), 200, `"expires_at":"2026-11-10T16:00:45.000Z","extends_to":"2026-11-10T16:10:00.000Z","already":true}`)
	r.has("until", r.do("POST", one+":extend", `{"until":"2026-11-10T17:01:00+01:00"}`), 200, `"expires_at":"2026-11-10T16:01:00.000Z"`)
	r.has("as the pools say", r.do("POST", one+":extend", ``), 200, `"expires_at":"2026-11-10T16:01:00.000Z"`)
	r.has("not for ever", r.do("POST", one+":extend", `{"ttl_ms":86400000}`), 200, `"expires_at":"2026-11-10T16:10:00.000Z"`)

	r.refuses("not of the hold", func() answer { return r.do("POST", one+":confirm", `{"items":[{"pool":"a","quantity":4}]}`) }, 422, `"pointer":"/items","code":"range"`)
	part := `{"items":[{"pool":"a","quantity":2}]}`
	r.has("a part", r.do("POST", one+":confirm", part), 200, `"state":"confirmed","items":[{"pool":"a","quantity":2},{"pool":"b","quantity":0}],"ended_at":"2026-11-10T16:00:00.000Z","part":true,"already":false}`)
	r.has("again", r.do("POST", one+":confirm", part), 200, `"already":true}`)
	r.refuses("all", func() answer { return r.do("POST", one+":confirm", ``) }, 409, `"code":"hold_finished","effect":"none"`)
	for _, verb := range []string{":release", ":extend"} {
		r.refuses(verb, func() answer { return r.do("POST", one+verb, "{}") }, 409, `"code":"hold_finished"`)
		r.has(verb, r.do("POST", one+verb, "{}"), 409, `"state":"confirmed"`)
	}
	r.has("voided", r.do("POST", one+":void", `{"fault":"system","reason":"paid twice"}`), 200, `"state":"voided"`)
	r.refuses("confirmed again", func() answer { return r.do("POST", one+":confirm", part) }, 409, `"state":"voided"`)

	other := r.held("k2", `{"owner":"o1","items":[{"pool":"b"}]}`)
	r.has("released", r.do("POST", other+":release", `{"reason":"he went away"}`), 200, `"state":"released","items":[{"pool":"b","quantity":1}],"ended_at":"2026-11-10T16:00:00.000Z","already":false}`)
	r.has("again", r.do("POST", other+":release", ``), 200, `"already":true}`)
	r.refuses("then confirmed", func() answer { return r.do("POST", other+":confirm", ``) }, 409, `"state":"released"`)
	if a := r.hold("k1", body); string(a.body) != string(first.body) || a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the key after all that: %s", a.body)
	}
	r.sound()
}

func TestHoldExpires(t *testing.T) {
	r := start(t, nil)
	r.pools()
	early, late := r.held("k1", `{"owner":"o1","ttl_ms":5000,"items":[{"pool":"b"}]}`), ""
	r.clock.Add(5000)
	r.has("at the deadline it is back", r.hold("k2", `{"owner":"o2","items":[{"pool":"b"}]}`), 200, `"state":"held"`)
	r.has("expired", r.do("GET", early, ""), 200, `"state":"expired","items":[{"pool":"b","quantity":1}],"expired_at":"2026-11-10T16:00:05.000Z"`)
	for verb, body := range map[string]string{":confirm": "", ":extend": ""} {
		r.refuses(verb, func() answer { return r.do("POST", early+verb, body) }, 409, `"code":"hold_expired"`)
	}
	r.refuses(":release", func() answer { return r.do("POST", early+":release", "") }, 409, `"code":"hold_finished"`)
	r.has(":release", r.do("POST", early+":release", ""), 409, `"state":"expired"`)
	r.refuses("gone", func() answer { return r.do("POST", early+":confirm", `{"late":"reacquire"}`) }, 409, `"code":"gone"`)
	r.has("gone", r.do("POST", early+":confirm", `{"late":"reacquire"}`), 409, `"state":"expired","pool":"b"`)
	late = r.held("k3", `{"owner":"o3","ttl_ms":1000,"items":[{"pool":"a","quantity":2}]}`)
	r.clock.Add(2000)
	r.has("late", r.do("POST", late+":confirm", `{"late":"reacquire"}`), 200, `"state":"confirmed","items":[{"pool":"a","quantity":2}],"ended_at":"2026-11-10T16:00:07.000Z","already":false}`)
	r.has("late, again", r.do("POST", late+":confirm", `{"late":"reacquire"}`), 200, `"already":true}`)
	r.sound()
}

// What a hold was refused for stays its answer, whatever comes back meanwhile.
func TestRefusedHoldsAreRemembered(t *testing.T) {
	r := start(t, nil)
	r.pools()
	r.pool("soon", 1, engine.PoolPolicy{OpensAt: testNow + 1000})
	r.pool("over", 1, engine.PoolPolicy{ClosesAt: testNow})
	r.pool("few", 10, engine.PoolPolicy{LimitPerOwner: 2})
	r.pool("calm", 10, engine.PoolPolicy{Cooldown: 3600_000, HoldTTL: 1000})
	r.pool("strict", 10, engine.PoolPolicy{MaxUnconfirmed: 1, HoldTTL: 1000})
	r.has("not open", r.do("GET", "/v1/pools/soon", ""), 200, `"open":false,"opens_at":"2026-11-10T16:00:01.000Z"`)
	r.has("closed", r.do("GET", "/v1/pools/over", ""), 200, `"open":false,"closes_at":"2026-11-10T16:00:00.000Z"`)
	r.held("h1", `{"owner":"o9","ttl_ms":1000,"items":[{"pool":"b"}]}`)
	r.held("h2", `{"owner":"o1","items":[{"pool":"calm"},{"pool":"strict"}]}`)
	r.clock.Add(500)
	r.held("h3", `{"owner":"o1","items":[{"pool":"few","quantity":2}]}`)
	type refused struct{ name, body, want string }
	try := func(all []refused, replayed string) {
		t.Helper()
		for _, x := range all {
			first := r.hold(x.name, x.body)
			r.has(x.name, first, 409, x.want)
			var again answer
			r.refuses(x.name+" again", func() answer { again = r.hold(x.name, x.body); return again }, 409, x.want)
			r.refuses(x.name+" by its key", func() answer { return r.do("GET", "/v1/owners/o1/keys/"+x.name, "") }, 409, x.want)
			if again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != replayed {
				t.Errorf("%s: %v", x.name, again.header)
			}
			delete(first.json, "request_id")
			delete(again.json, "request_id")
			if detail, _ := first.json["detail"].(string); first.json["retryable"] != false || !strings.Contains(detail, "ask again with a new one") {
				t.Errorf("%s stands under its key and says retryable %v, %q", x.name, first.json["retryable"], detail)
			}
			if len(first.json) != len(again.json) {
				t.Errorf("%s: %v, again %v", x.name, first.json, again.json)
			}
			for k, v := range first.json {
				if again.json[k] != v {
					t.Errorf("%s: %s is %v, again %v", x.name, k, v, again.json[k])
				}
			}
		}
	}
	pool := func(id string) string { return `{"owner":"o1","items":[{"pool":"a"},{"pool":"` + id + `"}]}` }
	early := []refused{
		{"soon", pool("soon"), `"starts_at":"2026-11-10T16:00:01.000Z","now":"2026-11-10T16:00:00.500Z","pool":"soon"}`},
		{"over", pool("over"), `"pool":"over"}`},
		{"limit", pool("few"), `"cap":"limit_per_owner","used":2,"limit":2,"resets_at":null,"allowed":0,"pool":"few"}`},
		{"short", pool("b"), `"may_return":true,"pool":"b"}`},
		{"sum", `{"owner":"o1","items":[{"pool":"a","quantity":6},{"pool":"a","quantity":5}]}`, `"may_return":false,"pool":"a"}`},
	}
	try(early, "")
	r.clock.Add(1000)
	r.has("what was short is back", r.do("GET", "/v1/pools/b", ""), 200, `"available":0`) // log time has not moved yet
	try([]refused{
		{"cooldown", pool("calm"), `"cap":"cooldown","used":0,"limit":0,"resets_at":"2026-11-10T17:00:01.000Z","allowed":0,"pool":"calm"}`},
		{"unconfirmed", pool("strict"), `"cap":"max_unconfirmed","used":1,"limit":1,"resets_at":null,"allowed":0,"pool":"strict"}`},
	}, "")
	r.has("it is back", r.do("GET", "/v1/pools/b", ""), 200, `"available":1`)
	try(early, "true")
	r.sound()
}

func TestTheSixteenthHold(t *testing.T) {
	r := start(t, nil)
	r.pool("many", 100, engine.PoolPolicy{})
	for i := range engine.MaxOpenHolds {
		r.held("k"+string(rune('a'+i)), `{"owner":"o1","items":[{"pool":"many"}]}`)
	}
	r.has("one more", r.hold("k", `{"owner":"o1","items":[{"pool":"many"}]}`), 409, `"cap":"open_holds","used":16,"limit":16,"resets_at":null,`)
	r.has("another owner", r.hold("k", `{"owner":"o2","items":[{"pool":"many"}]}`), 200, `"state":"held"`)
}

func TestHoldKeysAndLists(t *testing.T) {
	r := start(t, nil)
	r.pools()
	const keys = "/v1/owners/o1/keys/"
	r.refuses("nothing yet", func() answer { return r.do("GET", keys+"k1", "") }, 404, `"code":"key_unknown"`)
	first := r.hold("k1", `{"owner":"o1","ref":"order-1","items":[{"pool":"a"}]}`)
	r.has("by its key", r.do("GET", keys+"k1", ""), 200, string(first.body))
	r.refuses("as a take", func() answer { return r.do("GET", keys+"k1?pool=a", "") }, 404, `"code":"key_unknown"`)
	r.refuses("of another owner", func() answer { return r.do("GET", "/v1/owners/o2/keys/k1", "") }, 404, `"code":"key_unknown"`)
	r.refuses("of no pool", func() answer { return r.do("GET", keys+"k1?pool=none", "") }, 404, `"code":"pool_not_found"`)
	taken := r.take("a", "k1", `{"owner":"o1","ref":"order-2"}`)
	a := r.do("GET", keys+"k1?pool=a", "")
	if string(a.body) != string(taken.body) || a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the take: %s", a.body)
	}
	r.held("k3", `{"owner":"o2","ref":"order-1","ttl_ms":1000,"items":[{"pool":"a"},{"pool":"b"}]}`)
	r.clock.Add(1000)
	r.has("anything, so that log time moves", r.take("a", "k4", `{"owner":"o3"}`), 200, "")
	for query, want := range map[string]int{
		"": 4, "?owner=o1": 2, "?ref=order-1": 2, "?ref=order-3": 0, "?ref=order%2D1": 2, "?owner=o1&ref=order-1": 1, "?state=held": 1, "?state=expired": 1, "?state=taken": 2, "?pool=b": 1,
		"?pool=a&state=expired": 1, "?owner=o4": 0,
	} {
		if a := r.do("GET", "/v1/holds"+query, ""); a.status != 200 || len(a.json["items"].([]any)) != want {
			t.Errorf("%q: %d, want %d: %s", query, a.status, want, a.body)
		}
	}
	var seen []string
	cursor := ""
	for range 4 {
		a := r.do("GET", "/v1/holds?limit=3&cursor="+cursor, "")
		for _, x := range a.json["items"].([]any) {
			seen = append(seen, x.(map[string]any)["owner"].(string))
		}
		if cursor, _ = a.json["next_cursor"].(string); cursor == "" {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "o3 o2 o1 o1" {
		t.Errorf("newest first, each once: %s", got)
	}
	for query, want := range map[string]string{
		"?owner=":        ``, // as if it were not there
		"?owner=o%2F":    `"pointer":"/owner"`,
		"?ref=a%20":      ``,
		"?state=open":    `"pointer":"/state","code":"range"`,
		"?pool=none":     `"code":"pool_not_found"`,
		"?limit=0":       `"pointer":"/limit","code":"range"`,
		"?limit=1001":    `"pointer":"/limit","code":"range"`,
		"?cursor=abc":    `"pointer":"/cursor"`,
		"?user=u1":       `"pointer":"/user","code":"unknown"`,
		"?limit=1&limit": `"code":"unknown_field"`,
	} {
		if a := r.get("/v1/holds" + query); !strings.Contains(string(a.body), want) || want != "" && a.status < 400 {
			t.Errorf("%q: %d %s, want %s", query, a.status, a.body, want)
		}
	}
}

func TestUnitsInput(t *testing.T) {
	r := start(t, nil)
	r.pools()
	hold := r.held("k", `{"owner":"o1","items":[{"pool":"a"}]}`)
	const item = `"items":[{"pool":"a"}]`
	for _, x := range []struct{ path, body, want string }{
		{"/v1/pools/a:take", `{}`, `"pointer":"/owner","code":"required"`},
		{"/v1/pools/a:take", ``, `"pointer":"/owner","code":"required"`},
		{"/v1/pools/a:take", `[]`, `It must be an object`},
		{"/v1/pools/a:take", `{`, `bad_json`},
		{"/v1/pools/a:take", `{"owner":"o1"}x`, `bad_json`},
		{"/v1/pools/a:take", `{"owner":"o1","owner":"o1"}`, `bad_json`},
		{"/v1/pools/a:take", `{"owner":"o 1"}`, `"pointer":"/owner","code":"pattern"`},
		{"/v1/pools/a:take", `{"owner":1}`, `"pointer":"/owner","code":"type"`},
		{"/v1/pools/a:take", `{"owner":"o1","quantity":0}`, `"pointer":"/quantity","code":"range"`},
		{"/v1/pools/a:take", `{"owner":"o1","quantity":1048577}`, `"pointer":"/quantity","code":"range"`},
		{"/v1/pools/a:take", `{"owner":"o1","quantity":1.5}`, `"pointer":"/quantity","code":"type"`},
		{"/v1/pools/a:take", `{"owner":"o1","quantity":"1"}`, `"pointer":"/quantity","code":"type"`},
		{"/v1/pools/a:take", `{"owner":"o1","ref":""}`, `"pointer":"/ref","code":"pattern"`},
		{"/v1/pools/a:take", `{"owner":"o1","ttl_ms":1000}`, `"code":"unknown_field"`},
		{"/v1/holds", `{"owner":"o1"}`, `"pointer":"/items","code":"required"`},
		{"/v1/holds", `{"owner":"o1","items":[]}`, `"pointer":"/items","code":"count"`},
		{"/v1/holds", `{"owner":"o1","items":{}}`, `"pointer":"/items","code":"type"`},
		{"/v1/holds", `{"owner":"o1","items":[1]}`, `"pointer":"/items/0","code":"type"`},
		{"/v1/holds", `{"owner":"o1","items":[{}]}`, `"pointer":"/items/0/pool","code":"required"`},
		{"/v1/holds", `{"owner":"o1","items":[{"pool":"-"}]}`, `"pointer":"/items/0/pool","code":"pattern"`},
		{"/v1/holds", `{"owner":"o1","items":[{"pool":"a","quantity":0}]}`, `"pointer":"/items/0/quantity","code":"range"`},
		{"/v1/holds", `{"owner":"o1","items":[{"pool":"a","n":0}]}`, `"pointer":"/items/0/n","code":"unknown"`},
		{"/v1/holds", `{"owner":"o1","items":[{"pool":"a","pool":"a"}]}`, `bad_json`},
		{"/v1/holds", `{"owner":"o1","items":[{"pool":"a"},{"pool":"none"}]}`, `"pointer":"/items/1/pool","code":"unknown"`},
		{"/v1/holds", `{"owner":"o1","items":[` + strings.Repeat(`{"pool":"a"},`, 8) + `{"pool":"a"}]}`, `"pointer":"/items","code":"count"`},
		{"/v1/holds", `{"owner":"o1","items":[{"pool":"a","quantity":1048576},{"pool":"b"}]}`, `"pointer":"/items","code":"range"`},
		{"/v1/holds", `{"owner":"o1","ttl_ms":999,` + item + `}`, `"pointer":"/ttl_ms","code":"range"`},
		{"/v1/holds", `{"owner":"o1","ttl_ms":600001,` + item + `}`, `"pointer":"/ttl_ms","code":"range"`},
		{"/v1/holds", `{"owner":"o1","ref":"` + strings.Repeat("r", 65) + `",` + item + `}`, `"pointer":"/ref","code":"pattern"`},
		{hold + ":confirm", `{"late":"yes"}`, `"pointer":"/late","code":"pattern"`},
		{hold + ":confirm", `{"items":[{"pool":"b"}]}`, `"pointer":"/items","code":"range"`},
		{hold + ":release", `{"reason":""}`, `"pointer":"/reason","code":"pattern"`},
		{hold + ":release", `{"reason":"` + strings.Repeat("r", 513) + `"}`, `"pointer":"/reason","code":"pattern"`},
		{hold + ":extend", `{"until":"tomorrow"}`, `"pointer":"/until","code":"pattern"`},
		{hold + ":extend", `{"until":"9999-01-01T00:00:00Z"}`, `"pointer":"/until","code":"pattern"`},
		{hold + ":extend", `{"until":"2027-01-01T00:00:00Z","ttl_ms":1000}`, `"pointer":"/until","code":"conflict"`},
		{hold + ":void", `{"reason":"x"}`, `"pointer":"/fault","code":"required"`},
		{hold + ":void", `{"fault":"user"}`, `"pointer":"/reason","code":"required"`},
		{hold + ":void", `{"fault":"mine","reason":"x"}`, `"pointer":"/fault","code":"pattern"`},
	} {
		r.refuses(x.path+" "+x.body, func() answer {
			a := r.post(http.DefaultTransport, x.path, x.body, "Idempotency-Key", "k9")
			a.status /= 100
			return a
		}, 4, x.want)
	}
	post := func(path string, headers ...string) answer {
		return r.post(http.DefaultTransport, path, `{"owner":"o1"}`, headers...)
	}
	const none = "habcdefghijklmnopqrstuvwxyz"
	r.want("no key", post("/v1/pools/a:take"), 400, "idempotency_key_missing")
	r.want("no key", post("/v1/holds"), 400, "idempotency_key_missing")
	r.want("not JSON", post("/v1/holds", "Idempotency-Key", "k", "Content-Type", "text/plain"), 415, "unsupported_media_type")
	for _, path := range []string{"/v1/pools/", "/v1/pools/:take", "/v1/pools/a:hold", "/v1/pools/a%20:take", "/v1/pools/a/x:take", "/v1/holds/", "/v1/owners/o1", "/v1/owners/o1/keys/", "/v1/owners/o1/keys/a/b"} {
		r.want(path, post(path, "Idempotency-Key", "k"), 404, "not_found")
	}
	for _, verb := range []string{":confirm", ":release", ":extend", ":void"} {
		r.want(verb, r.post(http.DefaultTransport, "/v1/holds/"+none+verb, `{}`), 404, "hold_not_found")
	}
	r.want("the other method", r.get("/v1/pools/a:take"), 405, "method_not_allowed")
	a := r.do("PUT", "/v1/holds", "")
	r.want("the other method", a, 405, "method_not_allowed")
	if got := a.header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow: %s", got)
	}
}

// A kill stops holds and takes, and nothing that becomes of them.
func TestUnitsUnderAKill(t *testing.T) {
	r := start(t, nil)
	r.pools()
	one, two := r.held("k1", `{"owner":"o1","items":[{"pool":"a"}]}`), r.held("k2", `{"owner":"o1","items":[{"pool":"a"}]}`)
	var b engine.Batch
	b.AddSwitch(&engine.SetSwitch{Namespace: 1, Scope: engine.SwitchScope{Kind: engine.SwitchNamespace}, Actor: "key:1", Reason: "x"})
	r.decide(&b)
	r.refuses("hold", func() answer { return r.hold("k3", `{"owner":"o1","items":[{"pool":"a"}]}`) }, 409, `"code":"killed"`)
	r.refuses("take", func() answer { return r.take("a", "k3", `{"owner":"o1"}`) }, 409, `"code":"killed"`)
	r.has("a replay", r.hold("k1", `{"owner":"o1","items":[{"pool":"a"}]}`), 200, `"state":"held"`)
	r.has("extend", r.do("POST", one+":extend", ""), 200, `"state":"held"`)
	r.has("confirm", r.do("POST", one+":confirm", ""), 200, `"state":"confirmed"`)
	r.has("void", r.do("POST", one+":void", `{"fault":"user","reason":"x"}`), 200, `"state":"voided"`)
	r.has("release", r.do("POST", two+":release", ""), 200, `"state":"released"`)
}

// Of an unknown outcome the same key tells the truth.
func TestHoldOfUnknownOutcome(t *testing.T) {
	r := start(t, nil)
	r.pools()
	unknown := func(*engine.Batch) error { return problem.New(problem.UnknownOutcome, "") }
	r.log.Before.Store(&unknown)
	r.want("unknown", r.hold("k1", `{"owner":"o1","items":[{"pool":"a"}]}`), 504, "unknown_outcome")
	r.log.Before.Store(nil)
	r.has("retried", r.hold("k1", `{"owner":"o1","items":[{"pool":"a"}]}`, "Drawd-Retry", "1"), 200, `"state":"held"`)
}

// Nothing of a request outlives it: its bytes are the next one's.
func TestUnitsAreForgotten(t *testing.T) {
	r := newRig(t, nil)
	w := newWorker(r.server)
	sent := []byte("o1")
	w.unit.used, w.unit.hold.OwnerID, w.unit.take.Ref, w.unit.body.owner, w.unit.body.items[7].pool = true, sent, sent, sent, sent
	w.unit.body.faults.add("/items/0/x", "unknown", "x")
	w.end()
	u := &w.unit
	if u.used || u.hold.OwnerID != nil || u.take.Ref != nil || u.body.owner != nil || u.body.items[7].pool != nil || len(u.body.faults.list) != 0 || u.body.faults.list[:1][0].Pointer != "" {
		t.Errorf("%+v", u)
	}
}
