package control

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

const (
	defensivePath = "/admin/v1/campaigns/flash/defensive"
	defendPath    = "/admin/v1/campaigns/flash:defend"
)

var meagreFile = strings.NewReplacer("weight: 500, stock: 5", "weight: 50", ", stock: 100", "").Replace(flashFile)

// A defensive version is set from a file or the draft, looked at, switched on by one person and shown as forced.
func TestDefensiveVersion(t *testing.T) {
	w := newWorld(t)
	w.refused(problem.CampaignNotFound, "GET", defensivePath, "")
	w.publish("flash", flashFile)
	w.refused(problem.NotFound, "GET", defensivePath, "")
	w.refused(problem.NotFound, "POST", defendPath, `{"reason":"x"}`)
	w.refused(problem.NotFound, "DELETE", defensivePath, `{"reason":"x"}`)
	before := w.engine.StateHash()
	const yaml = "Content-Type: application/yaml"
	w.refused(problem.InvalidField, "PUT", defensivePath, meagreFile, yaml)
	w.refused(problem.InvalidField, "PUT", defensivePath+"?reason="+strings.Repeat("x", 505), meagreFile, yaml)
	w.refused(problem.UnknownField, "PUT", defensivePath+"?why=x", meagreFile, yaml)
	w.refused(problem.Conflict, "PUT", defensivePath+"?reason=x", flashFile, yaml)
	w.refused(problem.StockChanged, "PUT", defensivePath+"?reason=x", strings.Replace(meagreFile, "weight: 50}", "weight: 50, stock: 9}", 1), yaml)
	w.refused(problem.InvalidCampaign, "PUT", defensivePath+"?reason=x", strings.Replace(meagreFile, "flash", "other", 1), yaml)
	w.refused(problem.VersionConflict, "PUT", defensivePath, `{"draft_etag":"\"9\"","reason":"x"}`)
	w.refused(problem.UnknownField, "PUT", defensivePath, `{"draft_etag":"\"1\"","reason":"x","forced":true}`)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	if got := w.want(200, "PUT", defensivePath+"?reason=too+much", meagreFile, yaml).json(); got["fits"] != true || got["against_version"] != 1.0 || got["reason"] != "too much" {
		t.Errorf("set: %v", got)
	}
	body, _ := json.Marshal(map[string]string{"draft_etag": w.saveDraft("flash", strings.Replace(meagreFile, "weight: 50,", "weight: 40,", 1)), "reason": "from the draft"})
	w.want(200, "PUT", defensivePath, string(body))
	if got := string(w.want(200, "GET", defensivePath, "").body); !strings.Contains(got, `"weight":50`) || !strings.Contains(got, `"from the draft"`) {
		t.Errorf("stands: %s", got)
	}
	if got := w.want(200, "POST", defendPath, `{"reason":"a leak"}`).json(); got["version"] != 2.0 {
		t.Errorf("on: %v", got)
	}
	c, _ := w.engine.CampaignByRef(1)
	if f := c.Forced(); len(f) != 1 || f[0].Reason != "from the draft" {
		t.Errorf("shown as %+v", f)
	}
	feed := string(w.want(200, "GET", "/admin/v1/records", "").body)
	for _, want := range []string{`"kind":"defensive"`, `"against":1`, `"reason":"forced: a leak","defensive":true`} {
		if !strings.Contains(feed, want) {
			t.Errorf("the feed has no %s: %s", want, feed)
		}
	}
	// Behind another version it must be set again.
	w.want(200, "PUT", defensivePath+"?reason=x", strings.Replace(meagreFile, "weight: 50", "weight: 5", 1), yaml)
	w.publish("flash", flashFile)
	if got := w.want(200, "GET", defensivePath, "").json(); got["fits"] != false || got["refusal"] != "conflict" {
		t.Errorf("stands: %v", got)
	}
	w.refused(problem.Conflict, "POST", defendPath, `{"reason":"x"}`)
	w.want(200, "DELETE", defensivePath, `{"reason":"old"}`)
	w.refused(problem.NotFound, "GET", defensivePath, "")
}

// The second person approves it when it is set.
func TestDefensiveVersionWaitsForApproval(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	ann, bob := w.two()
	asked := w.want(202, "PUT", defensivePath+"?reason=x", meagreFile, "Content-Type: application/yaml", ann)
	if got := asked.json(); got["subject"] != "set the defensive version campaign/flash" {
		t.Errorf("%v", got)
	}
	w.refused(problem.NotFound, "POST", defendPath, `{"reason":"x"}`, ann)
	other := strings.Replace(meagreFile, "weight: 50", "weight: 40", 1)
	if a := w.refused(problem.Conflict, "PUT", defensivePath+"?reason=x", other, "Content-Type: application/yaml", ann); !strings.Contains(string(a.body), asked.text("approval")) {
		t.Errorf("%s", a.body)
	}
	if a := w.approve(asked, bob); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.want(200, "POST", defendPath, `{"reason":"x"}`, ann)
}

// Validation says when the guard would find nothing to switch to.
func TestValidateWarnsOfAnUndefendedGuard(t *testing.T) {
	w := newWorld(t)
	file := strings.Replace(flashFile, "caps:", "guard: {wins: {limit: 5, per: minute}, then: defensive}\ncaps:", 1)
	warned := func() bool {
		t.Helper()
		got := string(w.want(200, "POST", "/admin/v1/campaigns/flash:validate", file, "Content-Type: application/yaml").body)
		if is := strings.Contains(got, `"guard_without_defensive"`); is {
			if !strings.Contains(got, `"/guard/then"`) {
				t.Errorf("%s", got)
			}
			return true
		}
		return false
	}
	if !warned() {
		t.Error("no warning before the first version")
	}
	w.publish("flash", file)
	if !warned() {
		t.Error("no warning while none is set")
	}
	w.want(200, "PUT", defensivePath+"?reason=x", meagreFile, "Content-Type: application/yaml")
	if warned() {
		t.Error("a warning although one is set")
	}
	file = strings.Replace(file, "limit: 5,", "limit: 6,", 1)
	if !warned() {
		t.Error("no warning although this file makes it fit no more")
	}
}
