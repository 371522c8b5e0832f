package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const (
	resaleFile = `campaign: resale
time_zone: Asia/Shanghai
starts_at: 2026-11-11T00:00:00+08:00
ends_at: 2026-11-12T00:00:00+08:00
chances: {mode: granted, lots: 1, sources: {publish: {daily_limit: 50}, shop: {}}}
prizes:
  - {id: p, kind: coupon, weight: 500000, stock: unlimited}
`
	bulk = "/admin/v1/campaigns/resale/chances:grant"
	sums = "/admin/v1/campaigns/resale/chances"
)

func TestBulkGrants(t *testing.T) {
	w := newWorld(t)
	w.want(404, "GET", sums, "")
	w.publish("resale", resaleFile)
	var b strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&b, `{"user":"u%d","source":"publish","event":"e%d","amount":20}`+"\n", i%10, i)
	}
	b.WriteString("\n{\"user\":\"u1\",\"source\":\"nobody\",\"event\":\"e\",\"amount\":1}\n")
	b.WriteString("{\"user\":\"u1\",\"source\":\"shop\",\"event\":\"e\"}\nnothing\n{\"user\":\"a b\",\"source\":\"shop\",\"event\":\"e\",\"amount\":1,\"x\":1}\n")
	b.WriteString(`{"user":"u1","source":"shop","event":"o","amount":1,"expires_at":"2026-11-11T12:00:00Z"}`) // no line break
	a := w.want(200, "POST", bulk, b.String(), asLines)
	const want = `{"lines":1205,"events":30,"granted":500,"already":0,"cut":{"daily_limit":1180},"refused":{"bad_json":1,"chances_full":1,"invalid_field":2,"unknown_field":1},"errors":[`
	if !strings.HasPrefix(string(a.body), want) {
		t.Errorf("%s\nwant %s", a.body, want)
	}
	for _, part := range []string{`{"line":1202,"code":"invalid_field","pointer":"/source",`, `{"line":1203,"code":"invalid_field","pointer":"/amount",`, `{"line":1204,"code":"bad_json",`, `{"line":1206,"code":"chances_full",`} {
		if !strings.Contains(string(a.body), part) {
			t.Errorf("%s: no %s", a.body, part)
		}
	}
	before := w.engine.StateHash()
	a = w.want(200, "POST", bulk, b.String(), asLines)
	if !strings.HasPrefix(string(a.body), `{"lines":1205,"events":0,"granted":0,"already":1200,"cut":{},"refused":`) {
		t.Errorf("again: %s", a.body)
	}
	if w.engine.StateHash() != before {
		t.Error("sending it again changed something")
	}
	if a := w.want(200, "GET", sums, ""); !strings.Contains(string(a.body), `{"granted":500,"consumed":0,"remaining":500,"expired":0,"revoked":0,"debt":0}`) {
		t.Errorf("%s", a.body)
	}
	if err := w.engine.CheckInvariants(); err != nil {
		t.Error(err)
	}
	w.refused(problem.BodyTooLarge, "POST", bulk, strings.Repeat("\n", maxBulkLines+1), asLines)
	w.refused(problem.UnsupportedMediaType, "POST", bulk, "{}")
	w.refused(problem.CampaignNotFound, "POST", "/admin/v1/campaigns/none/chances:grant", "{}", asLines)
}

// A bulk that stops in the middle says so truly: unknown, send it again.
func TestBulkStopsInTheMiddle(t *testing.T) {
	w := newWorld(t)
	w.publish("resale", resaleFile)
	var b strings.Builder
	for i := range 2*bulkCommands + 10 {
		fmt.Fprintf(&b, `{"user":"u%d","source":"shop","event":"e","amount":1}`+"\n", i)
	}
	fail := func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.mu.fail = err
	}
	fail(problem.New(problem.Overloaded, ""))
	w.refused(problem.Overloaded, "POST", bulk, b.String(), asLines)
	fail(nil)
	decisions := 0
	w.plane.Decider = deciderFunc(func(b *engine.Batch) error {
		if decisions++; decisions == 2 {
			return problem.New(problem.Overloaded, "")
		}
		return w.Decide(b)
	})
	a := w.refused(problem.UnknownOutcome, "POST", bulk, b.String(), asLines)
	if !strings.Contains(a.text("detail"), "line 501") {
		t.Errorf("%s", a.body)
	}
	a = w.want(200, "POST", bulk, b.String(), asLines)
	if !strings.Contains(string(a.body), `"lines":1010,"events":510,"granted":510,"already":500,`) {
		t.Errorf("%s", a.body)
	}
	fail(errors.New("gone"))
	w.refused(problem.UnknownOutcome, "POST", bulk, b.String(), asLines)
}

func TestBulkGrantsIntoAPurse(t *testing.T) {
	w := newWorld(t)
	const purse = "/admin/v1/purses/points"
	w.want(404, "GET", purse, "")
	w.want(404, "POST", purse+"/chances:grant", "{}", asLines)
	w.want(200, "PUT", "/admin/v1/policy", `{"purses":[{"id":"points","sources":{"shop":{"daily_limit":5}}}]}`, "If-Match: *")
	a := w.want(200, "POST", purse+"/chances:grant", `{"user":"u1","source":"shop","event":"e1","amount":9}`+"\n"+`{"user":"u1","source":"shop","event":"e1","amount":9}`, asLines)
	if !strings.Contains(string(a.body), `"events":1,"granted":5,"already":1,"cut":{"daily_limit":1}`) {
		t.Errorf("%s", a.body)
	}
	if a := w.want(200, "GET", purse, ""); !strings.Contains(string(a.body), `"granted":5,"consumed":0,"remaining":5`) {
		t.Errorf("%s", a.body)
	}
	w.refused(problem.InvalidField, "PUT", "/admin/v1/policy", `{"time_zone":"UTC"}`, "If-Match: *")
}

// Explanations tell what a draw cost, and what a user has.
func TestExplainChances(t *testing.T) {
	w := newWorld(t)
	w.publish("resale", strings.Replace(resaleFile, "lots: 1,", "price: 2, lots: 1, milestones: [{id: first, draws: 1, grant: 4}],", 1))
	w.want(200, "POST", bulk, `{"user":"u1","source":"publish","event":"e","amount":1}`+"\n"+`{"user":"u1","source":"shop","event":"e","amount":2}`, asLines)
	w.at(start.Add(2 * time.Hour))
	id, _ := w.drawn("resale", "u1", "k1")
	a := w.want(200, "GET", "/admin/v1/draws/"+id+":explain", "")
	expect(t, "draw", a.says("chances"), "the draw cost 2: 2 of several sources; 5 were left", "milestone first gave 4")
	a = w.want(200, "GET", "/admin/v1/campaigns/resale/users/u1:explain", "")
	expect(t, "user", string(a.body), `"consumed":2`, `"remaining":5`, `"price":2`)
}
