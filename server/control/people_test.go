package control

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
)

// two makes keys of two persons and asks for approvals.
func (w *world) two() (ann, bob string) {
	w.t.Helper()
	_, ann = w.newKey("", `{"name":"ann","person":"ann","scopes":["admin"]}`)
	_, bob = w.newKey(ann, `{"name":"bob","person":"bob","scopes":["admin"]}`)
	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`, ann)
	return ann, bob
}

// approve answers a request as somebody.
func (w *world) approve(asked *answer, as string) *answer {
	w.t.Helper()
	return w.do("POST", "/admin/v1/approvals/"+asked.text("approval")+":approve", `{"digest":"`+asked.text("digest")+`"}`, as)
}

// One admin cannot make himself a second one and approve what he asked for: the review's first finding.
func TestOneAdminIsOnePerson(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	_, ann := w.newKey("", `{"name":"ann","person":"ann","scopes":["admin"]}`)
	annID2, ann2 := w.newKey(ann, `{"name":"ann's other","person":"ann","scopes":["admin"]}`)
	w.refused(problem.Conflict, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`, ann) // one person, two keys
	bobID, bob := w.newKey(ann, `{"name":"bob","person":"bob","scopes":["admin"]}`)
	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`, ann)

	asked := w.want(202, "POST", keysPath, `{"name":"eve","person":"eve","scopes":["admin"]}`, ann)
	expect(t, "asked", string(asked.body), `"person":"ann"`, `of eve"`, `"reason":"name \"eve\", scopes admin"`, `"secret":"dk_`)
	_, rest, _ := strings.Cut(string(asked.body), `"secret":"`)
	secret, _, _ := strings.Cut(rest, `"`)
	eve := "Authorization: Bearer " + secret
	before := w.engine.StateHash()
	w.refused(problem.Unauthenticated, "GET", keysPath, "", eve)
	for _, as := range []string{ann, ann2} {
		if a := w.approve(asked, as); a.status != 403 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	w.refused(problem.Conflict, "DELETE", keysPath+"/"+bobID, "", ann) // one person would be left
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	if list := w.want(200, "GET", "/admin/v1/approvals", "", bob); strings.Contains(string(list.body), "dk_") {
		t.Errorf("the list tells a secret: %s", list.body)
	}
	if a := w.approve(asked, bob); a.status != 200 {
		t.Fatalf("bob: %d %s", a.status, a.body)
	}
	w.gate.Refresh() // as every node does within its RefreshEvery
	w.want(200, "GET", keysPath, "", eve)

	// A key that only draws is one person's act; one that may ask for something is not, whatever its campaigns.
	w.newKey(ann, `{"name":"front","scopes":["draw"]}`)
	w.want(202, "POST", keysPath, `{"name":"ann as carl","person":"carl","scopes":["admin"],"campaigns":["flash"]}`, ann)
	payout := w.want(202, "POST", keysPath, `{"name":"payouts","person":"ann","scopes":["payout"]}`, ann)
	if a := w.approve(payout, bob); a.status != 200 {
		t.Errorf("a payout key: %d %s", a.status, a.body)
	}
	out := w.want(202, "DELETE", keysPath+"/"+annID2, "", bob)
	if a := w.approve(out, ann2); a.status != 200 { // ann is another person than bob
		t.Errorf("%d %s", a.status, a.body)
	}
	w.gate.Refresh()
	w.refused(problem.Unauthenticated, "GET", keysPath, "", ann2)
	for _, body := range []string{`{"name":"a","scopes":["admin"],"person":""}`, `{"name":"a","scopes":["admin"],"person":"two words"}`, `{"name":"a","scopes":["admin"],"person":"` + strings.Repeat("x", 129) + `"}`} {
		w.refused(problem.InvalidField, "POST", keysPath, body, ann)
	}
}

// A second request that is not the first one says so, and names the first: the review's third finding.
func TestAnotherRequestForOneSubject(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	ann, bob := w.two()
	asked := w.want(202, "PUT", "/admin/v1/policy", `{"time_zone":"UTC"}`, `If-Match: "1"`, ann)
	same := w.want(202, "PUT", "/admin/v1/policy", `{"time_zone":"UTC"}`, `If-Match: "1"`, bob)
	if same.text("approval") != asked.text("approval") {
		t.Errorf("the same request twice: %s", same.body)
	}
	a := w.refused(problem.Conflict, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","max_users":5}`, `If-Match: "1"`, ann)
	expect(t, "conflict", string(a.body), `"code":"approval_open","message":"`+asked.text("approval")+`"`)
	w.want(200, "POST", "/admin/v1/approvals/"+asked.text("approval")+":reject", `{"reason":"a slip"}`, ann)
	w.want(202, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","max_users":5}`, `If-Match: "1"`, ann)

	const path = "/admin/v1/campaigns/flash:publish"
	tag := w.do("GET", "/admin/v1/campaigns/flash/draft", "", ann).header.Get("ETag")
	worse := func(weight string) *answer {
		file := strings.Replace(flashFile, "weight: 300", "weight: "+weight, 1)
		tag = w.want(200, "PUT", "/admin/v1/campaigns/flash/draft", file, `If-Match: `+tag, ann).header.Get("ETag")
		return w.do("POST", path, publishBody(tag, `,"forced":true,"reason":"a slip"`), ann)
	}
	first := worse("200")
	again := worse("200") // under a fresh salt and seed
	if first.status != 202 || again.status != 202 || first.text("approval") != again.text("approval") {
		t.Errorf("%d %s, %d %s", first.status, first.body, again.status, again.body)
	}
	if other := worse("100"); other.status != 409 || !strings.Contains(string(other.body), first.text("approval")) {
		t.Errorf("%d %s", other.status, other.body)
	}
}

// A key that is limited to campaigns withdraws its own requests, and no other.
func TestLimitedKeysWithdrawTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	_, ann := w.newKey("", `{"name":"ann","person":"ann","scopes":["admin"]}`)
	_, limited := w.newKey(ann, `{"name":"cyd","person":"cyd","scopes":["admin"],"campaigns":["flash"]}`)
	_, bob := w.newKey(ann, `{"name":"bob","person":"bob","scopes":["admin"]}`)
	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`, ann)
	w.want(200, "PUT", "/admin/v1/switches/campaign/flash", switchOff, ann)
	asked := w.want(202, "PUT", "/admin/v1/switches/campaign/flash", switchOn, limited)
	other := w.want(202, "PUT", "/admin/v1/policy", `{"time_zone":"UTC"}`, `If-Match: "1"`, bob)
	w.refused(problem.Forbidden, "POST", "/admin/v1/approvals/"+other.text("approval")+":reject", `{"reason":"x"}`, limited)
	w.refused(problem.Forbidden, "POST", "/admin/v1/approvals/"+asked.text("approval")+":approve", `{"digest":"`+asked.text("digest")+`"}`, limited)
	w.want(200, "POST", "/admin/v1/approvals/"+asked.text("approval")+":reject", `{"reason":"x"}`, limited)
}

// racing decides a command of its own before the next one that comes: what another node does meanwhile.
type racing struct {
	Decider
	first func()
}

func (r *racing) Decide(b *engine.Batch) error {
	if first := r.first; first != nil {
		r.first = nil
		first()
	}
	return r.Decider.Decide(b)
}

// A version is compared with the live one by the node that proposes it, and the log holds it to that: the review's second
// finding.
func TestPublishedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	c, _ := w.engine.Namespaces()[0].Campaign([]byte("flash"))
	better := func(weight string) string { return strings.Replace(flashFile, "weight: 300", "weight: "+weight, 1) }
	tag := w.want(200, "PUT", "/admin/v1/campaigns/flash/draft", better("350"), `If-Match: "1"`).header.Get("ETag")
	for i, extra := range []string{"", `,"at":"` + start.Add(time.Hour).Format(time.RFC3339) + `"`} {
		meanwhile := func() {
			file, _ := campaignfile.Parse([]byte(better([]string{"310", "320"}[i])))
			w.decide(func(b *engine.Batch) {
				b.AddPublish(&engine.Publish{Namespace: 1, Version: file.Version, Actor: "key:other", Reason: "meanwhile"})
			})
		}
		race := &racing{w.plane.Decider, meanwhile}
		w.plane.Decider = race
		number := c.Version().Number
		w.refused(problem.VersionConflict, "POST", "/admin/v1/campaigns/flash:publish", publishBody(tag, extra))
		w.plane.Decider = race.Decider
		if c.Version().Number != number+1 || len(w.engine.Namespaces()[0].Pending()) != 0 {
			t.Errorf("live %d, pending %+v", c.Version().Number, w.engine.Namespaces()[0].Pending())
		}
	}
}
