package control

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const (
	switchOff = `{"on":false,"reason":"wrong price"}`
	switchOn  = `{"on":true,"reason":"repaired"}`
)

// drawsOf makes n draws of new users and counts the codes and the wins of each prize.
func (w *world) drawsOf(campaign string, n int) (codes map[problem.Code]int, wins map[string]int) {
	w.t.Helper()
	c, ok := w.engine.Namespaces()[0].Campaign([]byte(campaign))
	if !ok {
		w.t.Fatal("no campaign " + campaign)
	}
	keyer := c.Namespace().Keyer()
	codes, wins = map[problem.Code]int{}, map[string]int{}
	for i := range n {
		user := []byte("p" + itoa(i) + itoa(int(w.engine.AppliedIndex())))
		key := keyer.User(user)
		b := w.decide(func(b *engine.Batch) {
			b.AddDraw(&engine.Draw{Campaign: c.Ref(), User: key, UserID: user, Digest: keyer.Digest(engine.DigestDraw, c.Ref(), key, user), Times: 1})
		})
		codes[b.Results[0].Code]++
		if b.Results[0].Code != problem.OK {
			continue
		}
		var r engine.Record
		if _, err := engine.DecodeRecord(b.Records, &r); err != nil {
			w.t.Fatal(err)
		}
		if r.Prize != engine.NoPrize {
			wins[c.Version().Prizes[r.Prize].ID]++
		}
	}
	return codes, wins
}

func TestSwitches(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", strings.Replace(flashFile, "stock: 5}", "stock: 500}", 1))
	w.at(start.Add(2 * time.Hour))
	for _, scope := range []string{"global", "namespace", "campaign/flash"} {
		path := "/admin/v1/switches/" + scope
		if a := w.want(200, "PUT", path, switchOff); a.text("scope") != scope || a.text("changed") != "true" || a.text("on") != "false" {
			t.Errorf("%s: %s", scope, a.body)
		}
		if a := w.want(200, "PUT", path, switchOff); a.text("changed") != "false" {
			t.Errorf("%s again: %s", scope, a.body)
		}
		if codes, _ := w.drawsOf("flash", 3); codes[problem.Killed] != 3 {
			t.Errorf("%s: %v", scope, codes)
		}
		if a := w.want(200, "GET", "/admin/v1/campaigns/flash", ""); a.text("status") != "killed" {
			t.Errorf("%s: %s", scope, a.body)
		}
		if a := w.want(200, "GET", "/admin/v1/switches", ""); !strings.Contains(string(a.body), `{"items":[{"scope":"`+scope+`","on":false,"at":"`) || !strings.Contains(string(a.body), `"undo_until"`) {
			t.Errorf("%s: %s", scope, a.body)
		}
		w.want(200, "PUT", path, switchOn)
		if codes, _ := w.drawsOf("flash", 3); codes[problem.OK] != 3 {
			t.Errorf("%s on: %v", scope, codes)
		}
	}
	w.want(200, "PUT", "/admin/v1/switches/prize/flash/coupon", switchOff)
	if _, wins := w.drawsOf("flash", 30); wins["coupon"] != 0 || wins["phone"] == 0 {
		t.Errorf("wins %v", wins)
	}
	if a := w.want(200, "GET", "/admin/v1/campaigns/flash", ""); !strings.Contains(string(a.body), `"off":[{"scope":"prize/flash/coupon","on":false,"at":"2026-11-10T17:00:00.000Z","actor":"loopback","reason":"wrong price"`) {
		t.Errorf("the campaign does not tell what is off: %s", a.body)
	}
	if a := w.want(200, "GET", "/admin/v1/records", ""); !strings.Contains(string(a.body), `"kind":"switch","campaign":"flash","version":1,"at":"2026-11-10T17:00:00.000Z","name":"prize/flash/coupon","actor":"loopback","reason":"wrong price","on":false,`) {
		t.Errorf("the record: %s", a.body)
	}
}

func TestSwitchRefusals(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	before := w.engine.StateHash()
	const path = "/admin/v1/switches/campaign/flash"
	for body, pointer := range map[string]string{
		`{"reason":"x"}`:                               "/on",
		`{"on":"no","reason":"x"}`:                     "/on",
		`{"on":false}`:                                 "/reason",
		`{"on":false,"reason":""}`:                     "/reason",
		`{"on":false,"reason":"x","break_glass":true}`: "/break_glass",
		`{"on":true,"reason":"x","break_glass":1}`:     "/break_glass",
	} {
		a := w.refused(problem.InvalidField, "PUT", path, body)
		if !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	w.refused(problem.UnknownField, "PUT", path, `{"on":false,"reason":"x","who":"me"}`)
	w.refused(problem.CampaignNotFound, "PUT", "/admin/v1/switches/campaign/none", switchOff)
	w.refused(problem.PrizeNotFound, "PUT", "/admin/v1/switches/prize/flash/none", switchOff)
	w.refused(problem.NotFound, "PUT", "/admin/v1/switches/payout", switchOff)
	w.refused(problem.NotFound, "POST", "/admin/v1/approvals/abbbbbbbbbbbbbbbbbbbbbbbbbb:reject", `{"reason":"x"}`)
	w.refused(problem.InvalidField, "POST", "/admin/v1/approvals/abbbbbbbbbbbbbbbbbbbbbbbbbb:approve", `{"digest":"`+strings.Repeat("x", 64)+`"}`)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
}

func TestApprovals(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	w.at(start.Add(2 * time.Hour))
	w.refused(problem.Conflict, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`)
	_, ann := w.newKey("", operatorBody)
	w.refused(problem.Conflict, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`, ann)
	_, bob := w.newKey(ann, `{"name":"bob","scopes":["admin"]}`)
	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`, ann)

	const path = "/admin/v1/switches/prize/flash/phone"
	w.want(200, "PUT", path, switchOff, ann)
	asked := w.want(202, "PUT", path, switchOn, bob)
	id, digest := asked.text("approval"), asked.text("digest")
	if asked.header.Get("Location") != "/admin/v1/approvals/"+id || asked.text("subject") != "switch on prize/flash/phone" || asked.text("expires_at") != "2026-11-11T17:00:00.000Z" {
		t.Errorf("asked: %s", asked.body)
	}
	if a := w.want(200, "GET", "/admin/v1/approvals", "", ann); !strings.Contains(string(a.body), `"approval":"`+id+`","digest":"`+digest+`"`) {
		t.Errorf("listed: %s", a.body)
	}
	before := w.engine.StateHash()
	w.refused(problem.Forbidden, "POST", "/admin/v1/approvals/"+id+":approve", `{"digest":"`+digest+`"}`, bob)
	w.refused(problem.Conflict, "POST", "/admin/v1/approvals/"+id+":approve", `{"digest":"`+strings.Repeat("0", 64)+`"}`, ann)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	if a := w.want(200, "POST", "/admin/v1/approvals/"+id+":approve", `{"digest":"`+digest+`","reason":"seen"}`, ann); a.text("state") != "done" {
		t.Errorf("approved: %s", a.body)
	}
	if a := w.want(200, "GET", "/admin/v1/switches", "", ann); !strings.HasPrefix(string(a.body), `{"items":[]`) {
		t.Errorf("still off: %s", a.body)
	}
	// By breaking the glass, and somebody is against it.
	w.want(200, "PUT", path, switchOff, ann)
	asked = w.want(202, "PUT", path, `{"on":true,"reason":"nobody is there","break_glass":true}`, bob)
	if asked.text("effect_at") != "2026-11-10T17:15:00.000Z" {
		t.Errorf("glass: %s", asked.body)
	}
	if a := w.want(200, "POST", "/admin/v1/approvals/"+asked.text("approval")+":reject", `{"reason":"I am"}`, ann); a.text("state") != "rejected" {
		t.Errorf("rejected: %s", a.body)
	}
	// Fewer approvals need approval.
	asked = w.want(202, "PUT", "/admin/v1/policy", `{"time_zone":"UTC"}`, `If-Match: "1"`, bob)
	w.want(200, "POST", "/admin/v1/approvals/"+asked.text("approval")+":approve", `{"digest":"`+asked.text("digest")+`"}`, ann)
	w.want(200, "PUT", path, switchOn, bob)
}

// A key that is limited to campaigns stops those, and nothing else.
func TestSwitchesOfLimitedKeys(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	_, ann := w.newKey("", operatorBody)
	_, limited := w.newKey(ann, `{"name":"other","scopes":["admin"],"campaigns":["other"]}`)
	for _, scope := range []string{"global", "namespace", "campaign/flash", "prize/flash/phone"} {
		w.refused(problem.Forbidden, "PUT", "/admin/v1/switches/"+scope, switchOff, limited)
	}
	w.want(200, "PUT", "/admin/v1/switches/campaign/flash", switchOff, ann)
	if a := w.want(200, "GET", "/admin/v1/switches", "", limited); !strings.HasPrefix(string(a.body), `{"items":[]`) {
		t.Errorf("%s", a.body)
	}
}

// What takes something from users needs another person, and everybody sees it.
func TestForcedNeedsApproval(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	_, ann := w.newKey("", operatorBody)
	_, bob := w.newKey(ann, `{"name":"bob","scopes":["admin"]}`)
	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","approvals":1}`, `If-Match: "0"`, ann)
	worse := strings.Replace(flashFile, "weight: 300", "weight: 200", 1)
	tag := w.want(200, "PUT", "/admin/v1/campaigns/flash/draft", worse, `If-Match: "1"`, ann).header.Get("ETag")
	const path = "/admin/v1/campaigns/flash:publish"
	w.refused(problem.Conflict, "POST", path, publishBody(tag), ann)
	asked := w.want(202, "POST", path, publishBody(tag, `,"forced":true,"reason":"a slip"`), ann)
	expect(t, "asked", string(asked.body), `"subject":"publish by force campaign/flash"`, `"reason":"a slip"`)
	c, _ := w.engine.Namespaces()[0].Campaign([]byte("flash"))
	if c.Version().Number != 1 {
		t.Error("it is live")
	}
	answer := `{"digest":"` + asked.text("digest") + `"}`
	w.refused(problem.Forbidden, "POST", "/admin/v1/approvals/"+asked.text("approval")+":approve", answer, ann)
	w.want(200, "POST", "/admin/v1/approvals/"+asked.text("approval")+":approve", answer, bob)
	if f := c.Forced(); c.Version().Number != 2 || len(f) != 1 || f[0].Reason != "a slip" {
		t.Errorf("version %d, forced %+v", c.Version().Number, f)
	}
}
