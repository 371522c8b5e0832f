package control

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const publishPath = "/admin/v1/campaigns/flash:publish"

func TestPublish(t *testing.T) {
	w := newWorld(t)
	w.refused(problem.NotFound, "POST", publishPath, publishBody(`"1"`))
	w.refused(problem.CampaignNotFound, "GET", "/admin/v1/campaigns/flash", "")
	tag := w.saveDraft("flash", flashFile)
	w.refused(problem.VersionConflict, "POST", publishPath, publishBody(`"99"`))
	a := w.want(200, "POST", publishPath, publishBody(tag, `,"reason":"first"`))
	if got := a.json(); got["version"] != 1.0 || got["already_live"] != false || got["at"] != "2026-11-10T15:00:00.000Z" {
		t.Errorf("got %s", a.body)
	}
	hash := a.text("hash")

	// The same form again is no new version, whatever the salt.
	again := w.want(200, "POST", publishPath, publishBody(tag))
	if got := again.json(); got["version"] != 1.0 || got["already_live"] != true || got["hash"] != hash {
		t.Errorf("again: %s", again.body)
	}
	view := w.want(200, "GET", "/admin/v1/campaigns/flash", "").json()
	if view["status"] != "scheduled" || view["hash"] != hash || view["time_zone"] != "Asia/Shanghai" || view["ends_at"] != "2026-11-11T16:00:00.000Z" {
		t.Errorf("campaign: %v", view)
	}
	v := w.want(200, "GET", "/admin/v1/campaigns/flash/versions/1", "").json()
	if v["salt"] != nil || v["live"] != true || v["file"].(map[string]any)["campaign"] != "flash" {
		t.Errorf("version: %v", v)
	}
	for _, n := range []string{"2", "0", "01", "x", "4294967296", "-1"} {
		w.refused(problem.NotFound, "GET", "/admin/v1/campaigns/flash/versions/"+n, "")
	}
	// The salt is revealed when nobody can use it any more.
	w.want(200, "POST", "/admin/v1/campaigns/flash:end", `{"reason":"over"}`)
	if v := w.want(200, "GET", "/admin/v1/campaigns/flash/versions/1", "").json(); len(fmt.Sprint(v["salt"])) != 32 {
		t.Errorf("after the end: salt %v", v["salt"])
	}
	w.saveDraft("flash", strings.Replace(flashFile, "limit: 3", "limit: 4", 1))
	w.refused(problem.Ended, "POST", publishPath, publishBody(w.do("GET", draftPath, "").header.Get("ETag")))
}

// TestSeedAndSaltAreFresh: the same campaign, published twice on nodes of their own, shares neither.
func TestSeedAndSaltAreFresh(t *testing.T) {
	hashes, seeds := map[string]bool{}, map[string]bool{}
	for range 2 {
		w := newWorld(t)
		hashes[w.publish("flash", flashFile).text("hash")] = true
		seeds[w.want(200, "GET", "/admin/v1/campaigns/flash", "").text("seed_hash")] = true
	}
	if len(hashes) != 2 {
		t.Error("one salt")
	}
	if len(seeds) != 2 {
		t.Error("one seed")
	}
}

// TestPublishListsEveryFault: with line and column, and with the pointer into the file.
func TestPublishListsEveryFault(t *testing.T) {
	w := newWorld(t)
	broken := strings.NewReplacer("weight: 500", "weight: 5000", "limit: 3", "limit: -1", "denominator: 1000", "denominators: 1000").Replace(flashFile)
	tag := w.saveDraft("flash", broken)
	for _, path := range []string{publishPath, "/admin/v1/campaigns/flash:validate"} {
		body := ""
		if path == publishPath {
			body = publishBody(tag)
		}
		a := w.refused(problem.InvalidCampaign, "POST", path, body)
		var p struct {
			Errors []struct {
				Pointer, Code, Message string
				Line, Column           int
			}
		}
		if err := json.Unmarshal(a.body, &p); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"/denominators": 7, "/caps/0/limit": 9}
		for _, e := range p.Errors {
			if line, ok := want[e.Pointer]; ok && e.Line == line && e.Column > 0 && e.Message != "" {
				delete(want, e.Pointer)
			}
		}
		if len(want) > 0 {
			t.Errorf("%s: %v not found in %s", path, want, a.body)
		}
	}
	w.refused(problem.CampaignNotFound, "GET", "/admin/v1/campaigns/flash", "")
}

// TestPublishUnderAnotherName: the path decides which campaign it is, and the file must agree.
func TestPublishUnderAnotherName(t *testing.T) {
	w := newWorld(t)
	tag := w.saveDraft("other", flashFile)
	a := w.refused(problem.InvalidCampaign, "POST", "/admin/v1/campaigns/other:publish", publishBody(tag))
	if !strings.Contains(string(a.body), `"/campaign"`) || !strings.Contains(string(a.body), `"line":2`) {
		t.Errorf("got %s", a.body)
	}
}

// TestPublishUnstatedStock: a forgotten stock must not become an unlimited prize.
func TestPublishUnstatedStock(t *testing.T) {
	w := newWorld(t)
	without := strings.Replace(flashFile, ", stock: 5", "", 1)
	a := w.refused(problem.InvalidCampaign, "POST", publishPath, publishBody(w.saveDraft("flash", without)))
	if !strings.Contains(string(a.body), "/prizes/0") {
		t.Errorf("got %s", a.body)
	}
	w.publish("flash", flashFile)
	w.publish("flash", strings.Replace(without, "limit: 3", "limit: 4", 1)) // known now: keeps its stock
}

// TestPublishStockChanged: a version cannot change stock (semantics.md §3); the answer shows the current total.
func TestPublishStockChanged(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	more := strings.Replace(flashFile, "stock: 5", "stock: 6", 1)
	a := w.refused(problem.StockChanged, "POST", publishPath, publishBody(w.saveDraft("flash", more)))
	if body := string(a.body); !strings.Contains(body, `"/prizes/0/stock"`) || !strings.Contains(body, "current total is 5") || !strings.Contains(body, `"line":11`) {
		t.Errorf("got %s", body)
	}
	w.want(200, "POST", "/admin/v1/campaigns/flash/prizes/phone:adjust", `{"delta":1,"reason":"one more"}`, "Idempotency-Key: a")
	w.want(200, "POST", publishPath, publishBody(w.saveDraft("flash", more)))
}

// TestForced: what takes from users needs "forced" and a reason, and the record says so.
func TestForced(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	tag := w.saveDraft("flash", strings.Replace(flashFile, "weight: 500", "weight: 400", 1))
	a := w.refused(problem.Conflict, "POST", publishPath, publishBody(tag, `,"reason":"fewer phones"`))
	if !strings.Contains(string(a.body), "/prizes/0/weight") {
		t.Errorf("does not name what is worse: %s", a.body)
	}
	if a := w.want(200, "POST", "/admin/v1/campaigns/flash:validate", ""); !strings.Contains(string(a.body), "must be forced") {
		t.Errorf("validate does not warn: %s", a.body)
	}
	w.refused(problem.InvalidField, "POST", publishPath, publishBody(tag, `,"forced":true`))
	if got := w.want(200, "POST", publishPath, publishBody(tag, `,"forced":true,"reason":"fewer phones"`)).json(); got["version"] != 2.0 {
		t.Errorf("got %v", got)
	}
	feed := string(w.want(200, "GET", "/admin/v1/records", "").body)
	if !strings.Contains(feed, `"reason":"forced: fewer phones"`) {
		t.Errorf("the record does not say so: %s", feed)
	}
}

func TestValidateBody(t *testing.T) {
	w := newWorld(t)
	const path = "/admin/v1/campaigns/flash:validate"
	w.refused(problem.NotFound, "POST", path, "")
	if a := w.want(200, "POST", path, flashFile); a.json()["valid"] != true {
		t.Errorf("got %s", a.body)
	}
	w.refused(problem.InvalidCampaign, "POST", path, `{"campaign":"flash"}`)
	w.refused(problem.UnsupportedMediaType, "POST", path, flashFile, "Content-Type: text/plain")
	if w.engine.DocumentsRevision() != 0 {
		t.Error("validating changed something")
	}
	w.publish("flash", flashFile)
	a := w.refused(problem.InvalidCampaign, "POST", path, strings.Replace(flashFile, "stock: 5", "stock: 6", 1))
	if !strings.Contains(string(a.body), "stock_changed") {
		t.Errorf("got %s", a.body)
	}
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"c", "a", "b"} {
		w.publish(id, strings.Replace(flashFile, "campaign: flash", "campaign: "+id, 1))
	}
	for n := 4; n < 9; n++ {
		w.publish("a", strings.NewReplacer("campaign: flash", "campaign: a", "limit: 3", fmt.Sprintf("limit: %d", n)).Replace(flashFile))
	}
	var ids []string
	cursor := ""
	for {
		a := w.want(200, "GET", "/admin/v1/campaigns?limit=2&cursor="+cursor, "")
		for _, item := range a.json()["items"].([]any) {
			ids = append(ids, item.(map[string]any)["campaign"].(string))
		}
		if cursor = a.text("next_cursor"); cursor == "" {
			break
		}
	}
	if strings.Join(ids, "") != "abc" {
		t.Errorf("campaigns %v", ids)
	}
	a := w.want(200, "GET", "/admin/v1/campaigns/a/versions?limit=6", "").json()
	if items := a["items"].([]any); len(items) != 6 || a["next_cursor"] != "" || items[5].(map[string]any)["live"] != true || items[4].(map[string]any)["live"] != false {
		t.Errorf("versions %v", a)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "cursor=***"} {
		w.refused(problem.InvalidField, "GET", "/admin/v1/campaigns?"+query, "")
	}
	w.refused(problem.UnknownField, "GET", "/admin/v1/campaigns?page=2", "")
	w.refused(problem.UnknownField, "GET", "/admin/v1/campaigns/a?x=1", "")
}

func TestLifecycle(t *testing.T) {
	w := newWorld(t)
	do := func(action, body string) string {
		t.Helper()
		return w.want(200, "POST", "/admin/v1/campaigns/flash:"+action, body).text("status")
	}
	w.refused(problem.CampaignNotFound, "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"x"}`)
	w.publish("flash", flashFile)
	w.at(start.Add(2 * time.Hour))
	if got := do("pause", `{"reason":"a look"}`); got != "paused" {
		t.Errorf("pause: %s", got)
	}
	if got := do("pause", `{"reason":"again"}`); got != "paused" {
		t.Errorf("pause again: %s", got)
	}
	w.at(start.Add(3 * time.Hour))
	if got := do("resume", `{"reason":"fine","extend_by_pause":true}`); got != "running" {
		t.Errorf("resume: %s", got)
	}
	if got := w.want(200, "GET", "/admin/v1/campaigns/flash", "").text("ends_at"); got != "2026-11-11T17:00:00.000Z" {
		t.Errorf("the end moved to %s", got)
	}
	w.refused(problem.UnknownField, "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"x","extend_by_pause":true}`)
	if got := do("end", `{"reason":"over"}`); got != "ended" {
		t.Errorf("end: %s", got)
	}
	if got := do("end", `{"reason":"over"}`); got != "ended" {
		t.Errorf("end again: %s", got)
	}
	w.refused(problem.Ended, "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"x"}`)
	for _, body := range []string{`{}`, `{"reason":""}`, `{"reason":1}`, `{"reason":null}`, `{"reason":"` + strings.Repeat("x", 513) + `"}`, `{"reason":"a\u202eb"}`, `{"reason":"a\nb"}`} {
		w.refused(problem.InvalidField, "POST", "/admin/v1/campaigns/flash:end", body)
	}
}

// TestAdjust: a delta counts once for its key, and never takes what is given.
func TestAdjust(t *testing.T) {
	w := newWorld(t)
	const path = "/admin/v1/campaigns/flash/prizes/phone:adjust"
	w.refused(problem.CampaignNotFound, "POST", path, `{"delta":1,"reason":"x"}`, "Idempotency-Key: a")
	w.publish("flash", flashFile)
	a := w.want(200, "POST", path, `{"delta":10,"reason":"second delivery"}`, "Idempotency-Key: a")
	if got := a.json(); got["total"] != 15.0 || got["seq"] != 1.0 || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("got %s", a.body)
	}
	again := w.want(200, "POST", path, `{"delta":10,"reason":"second delivery"}`, "Idempotency-Key: a")
	if string(again.body) != string(a.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %s, replayed %q", again.body, again.header.Get("Idempotent-Replayed"))
	}
	// Also when the total has moved since.
	w.want(200, "POST", path, `{"delta":1,"reason":"one"}`, "Idempotency-Key: c")
	w.want(200, "POST", path, `{"delta":-1,"reason":"back"}`, "Idempotency-Key: d")
	w.want(200, "POST", path, `{"delta":2,"reason":"two"}`, "Idempotency-Key: e")
	if again := w.want(200, "POST", path, `{"delta":10,"reason":"second delivery"}`, "Idempotency-Key: a"); string(again.body) != string(a.body) {
		t.Errorf("later: %s, first %s", again.body, a.body)
	}
	w.want(200, "POST", path, `{"delta":-2,"reason":"back"}`, "Idempotency-Key: f")
	w.refused(problem.IdempotencyMismatch, "POST", path, `{"delta":11,"reason":"x"}`, "Idempotency-Key: a")
	w.refused(problem.IdempotencyKeyMissing, "POST", path, `{"delta":1,"reason":"x"}`)
	for _, key := range []string{"", "a b", "ü", strings.Repeat("k", 65)} {
		w.refused(problem.IdempotencyKeyInvalid, "POST", path, `{"delta":1,"reason":"x"}`, "Idempotency-Key: "+key)
	}
	for _, body := range []string{`{"reason":"x"}`, `{"delta":0,"reason":"x"}`, `{"delta":1.5,"reason":"x"}`, `{"delta":"1","reason":"x"}`, `{"delta":1e3,"reason":"x"}`,
		`{"delta":1125899906842625,"reason":"x"}`, `{"delta":99999999999999999999,"reason":"x"}`, `{"delta":1}`} {
		w.refused(problem.InvalidField, "POST", path, body, "Idempotency-Key: b")
	}
	if got := w.refused(problem.InsufficientStock, "POST", path, `{"delta":-16,"reason":"x"}`, "Idempotency-Key: b").text("detail"); !strings.Contains(got, "15 are available") {
		t.Errorf("detail %q", got)
	}
	w.refused(problem.PrizeNotFound, "POST", "/admin/v1/campaigns/flash/prizes/none:adjust", `{"delta":1,"reason":"x"}`, "Idempotency-Key: b")
	w.want(200, "POST", path, `{"delta":-15,"reason":"recall"}`, "Idempotency-Key: b")
	ns, _ := w.engine.Namespace("default")
	c, _ := ns.Campaign([]byte("flash"))
	if _, prizes := c.Stock(); prizes[0].Total != engine.Quantity(0) {
		t.Errorf("stock %+v", prizes[0])
	}
}
