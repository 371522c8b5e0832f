package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawd/drawd/storage"
)

// A guard trips inside a batch, and everything that people and machines look at says so, also after a restart. Its limit is
// one win: no minute ends between the draws that count.
func TestGuardOnANode(t *testing.T) {
	fs := storage.NewCrashFS()
	n := startNode(t, fs, nil)
	file := strings.Replace(strings.Replace(flashFile, "denominator: 1000", "denominator: 500\nguard: {wins: {limit: 1, per: minute}, then: pause}", 1), "weight: 300", "weight: 0", 1)
	saved, _ := n.want(201, "PUT", n.admin("/admin/v1/campaigns/flash/draft"), file, "If-None-Match: *")
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash:publish"), fmt.Sprintf(`{"draft_etag":%q}`, saved["etag"]))
	_, batch := n.want(200, "POST", n.api("/v1/draws:batch"),
		`{"draws":[{"campaign":"flash","user":"u1","key":"k"},{"campaign":"flash","user":"u2","key":"k"},{"campaign":"flash","user":"u3","key":"k"}]}`)
	if strings.Count(batch, `"phone"`) == 0 || strings.Count(batch, `"paused"`) != 2 {
		t.Fatalf("batch: %s", batch)
	}
	look := func() (feed string) {
		t.Helper()
		if got, _ := n.want(200, "GET", n.admin("/admin/v1/campaigns/flash"), ""); got["status"] != "paused" {
			t.Errorf("the campaign is %v", got["status"])
		}
		if _, answer, raw := n.do("POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u2"}`, "Idempotency-Key: k"); answer["code"] != "paused" || answer["effect"] != "none" {
			t.Errorf("the next draw: %s", raw)
		}
		if _, first := n.want(200, "POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u1"}`, "Idempotency-Key: k"); !strings.Contains(first, `"phone"`) {
			t.Errorf("the win, again: %s", first)
		}
		got, feed := n.want(200, "GET", n.admin("/admin/v1/records?campaign=flash"), "")
		items := got["items"].([]any)
		last := items[len(items)-1].(map[string]any)
		if last["kind"] != "control" || last["name"] != "pause" || last["actor"] != "guard" || last["reason"] != "wins: 1 in a minute, limit 1" {
			t.Errorf("recorded as %v", last)
		}
		return feed
	}
	before := look()
	n.stop()
	n = startNode(t, fs, nil)
	defer n.stop()
	if after := look(); after != before {
		t.Errorf("the feed was\n%s\nand is\n%s", before, after)
	}
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash:resume"), `{"reason":"looked"}`)
	n.want(200, "POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u2"}`, "Idempotency-Key: k")
}

// A guard makes the defensive version live inside a batch: the draws behind are decided by it, players see that it was
// forced, and after a restart all of it is as it was.
func TestGuardDefendsOnANode(t *testing.T) {
	fs := storage.NewCrashFS()
	n := startNode(t, fs, nil)
	file := strings.Replace(strings.Replace(flashFile, "denominator: 1000", "denominator: 500\nguard: {wins: {limit: 1, per: minute}, then: defensive}", 1), "weight: 300", "weight: 0", 1)
	saved, _ := n.want(201, "PUT", n.admin("/admin/v1/campaigns/flash/draft"), file, "If-None-Match: *")
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash:publish"), fmt.Sprintf(`{"draft_etag":%q}`, saved["etag"]))
	meagre := strings.NewReplacer("weight: 500, stock: 5", "weight: 0", ", stock: 100", "").Replace(file)
	saved, _ = n.want(200, "PUT", n.admin("/admin/v1/campaigns/flash/draft"), meagre, "If-Match: *")
	n.want(200, "PUT", n.admin("/admin/v1/campaigns/flash/defensive"), fmt.Sprintf(`{"draft_etag":%q,"reason":"too much is given"}`, saved["etag"]))
	_, batch := n.want(200, "POST", n.api("/v1/draws:batch"),
		`{"draws":[{"campaign":"flash","user":"u1","key":"k"},{"campaign":"flash","user":"u2","key":"k"},{"campaign":"flash","user":"u3","key":"k"}]}`)
	if strings.Count(batch, `"version":1`) != 1 || strings.Count(batch, `"version":2`) != 2 || strings.Count(batch, `"miss"`) != 2 {
		t.Fatalf("batch: %s", batch)
	}
	look := func() (page string) {
		t.Helper()
		_, page = n.want(200, "GET", n.api("/v1/campaigns/flash"), "")
		if !strings.Contains(page, `"forced":[{"version":2,`) || !strings.Contains(page, `"reason":"too much is given"`) {
			t.Errorf("the page: %s", page)
		}
		if got, _ := n.want(200, "GET", n.admin("/admin/v1/campaigns/flash"), ""); got["version"] != 2.0 || got["status"] == "paused" {
			t.Errorf("the campaign: %v", got)
		}
		return page
	}
	before := look()
	n.stop()
	n = startNode(t, fs, nil)
	defer n.stop()
	if after := look(); after != before {
		t.Errorf("the page was\n%s\nand is\n%s", before, after)
	}
}
