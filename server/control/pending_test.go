package control

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// A version is left with a time, told, withdrawn, left again, and live when the log gets there.
func TestPublishAtATime(t *testing.T) {
	w := newWorld(t)
	const withdraw, pending = "/admin/v1/campaigns/flash:withdraw", "/admin/v1/pending"
	tag := w.saveDraft("flash", flashFile)
	for _, at := range []string{`"yesterday"`, `"2026-11-10T15:00:00Z"`, `"2026-11-12T00:00:00+08:00"`} {
		a := w.refused(problem.InvalidField, "POST", publishPath, publishBody(tag, `,"at":`+at))
		if !strings.Contains(string(a.body), `"/at"`) {
			t.Errorf("%s: %s", at, a.body)
		}
	}
	w.refused(problem.NotFound, "POST", withdraw, `{"reason":"nothing there"}`)
	at := publishBody(tag, `,"at":"2026-11-10T23:30:00+08:00","reason":"tonight"`)
	if got := w.want(202, "POST", publishPath, at).json(); got["at"] != "2026-11-10T15:30:00.000Z" || got["reason"] != "tonight" {
		t.Errorf("accepted: %v", got)
	}
	w.refused(problem.Conflict, "POST", publishPath, at)
	w.refused(problem.CampaignNotFound, "GET", "/admin/v1/campaigns/flash", "")
	if got := string(w.want(200, "GET", pending, "").body); !strings.Contains(got, `"campaign":"flash"`) || !strings.Contains(got, `"2026-11-10T15:30:00.000Z"`) {
		t.Errorf("pending: %s", got)
	}
	w.want(200, "POST", withdraw, `{"reason":"not tonight"}`)
	if got := string(w.want(200, "GET", pending, "").body); strings.Contains(got, "flash") {
		t.Errorf("after the withdrawal: %s", got)
	}
	w.want(202, "POST", publishPath, at)
	w.at(time.Date(2026, 11, 10, 15, 30, 0, 0, time.UTC))
	w.decide(func(b *engine.Batch) { b.AddTick() })
	if got := w.want(200, "GET", "/admin/v1/campaigns/flash", "").json(); got["version"] != 1.0 {
		t.Errorf("at its time: %v", got)
	}
	feed := string(w.want(200, "GET", "/admin/v1/records", "").body)
	for _, want := range []string{`"kind":"pending"`, `"state":"requested"`, `"state":"withdrawn"`, `"due_at":"2026-11-10T15:30:00.000Z"`} {
		if !strings.Contains(feed, want) {
			t.Errorf("the feed has no %s: %s", want, feed)
		}
	}
}

// What waits was compared with what is live: nothing better is published in between, which it would then take back.
func TestPublishWhileAVersionWaits(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	tag := w.saveDraft("flash", strings.Replace(flashFile, "limit: 3", "limit: 4", 1))
	w.want(202, "POST", publishPath, publishBody(tag, `,"at":"2026-11-10T23:30:00+08:00"`))
	tag = w.saveDraft("flash", strings.Replace(flashFile, "limit: 3", "limit: 9", 1))
	before := w.engine.StateHash()
	w.refused(problem.Conflict, "POST", publishPath, publishBody(tag))
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	w.want(200, "POST", "/admin/v1/campaigns/flash:withdraw", `{"reason":"something better"}`)
	w.want(200, "POST", publishPath, publishBody(tag))
}
