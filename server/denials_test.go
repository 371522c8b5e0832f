package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/storage"
)

// Denials are answered from committed facts and never reach the log, so they cannot move its time. A campaign that
// opens, a cap that resets and stock that returns must not wait for somebody who is not denied.
//
// Client and node share a clock, so what follows is exact: a request sent at or after the moment is accepted, and one
// that is refused was sent before it.
func TestThingsHappenWhileOnlyDenialsArrive(t *testing.T) {
	n := startNode(t, storage.NewCrashFS(), nil)
	defer n.stop()
	starts := time.Now().Add(1300 * time.Millisecond).Truncate(time.Millisecond)
	file := strings.NewReplacer(
		"starts_at: 2020-01-01T00:00:00Z", "starts_at: "+starts.UTC().Format("2006-01-02T15:04:05.000Z"),
		"{id: life, counts: draws, window: campaign, limit: 3}", `{id: pause, counts: draws, window: {cooldown: 1500ms}, limit: 1}`,
		"weight: 500, stock: 5", "weight: 1000, stock: 2", "weight: 300, stock: 100", "weight: 0, stock: 0",
	).Replace(flashFile)
	saved, _ := n.want(201, "PUT", n.admin("/admin/v1/campaigns/flash/draft"), file, "If-None-Match: *")
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash:publish"), fmt.Sprintf(`{"draft_etag":%q}`, saved["etag"]))

	requests := 0
	draw := func() (status int, answer map[string]any, raw string) {
		requests++
		return n.do("POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u1"}`, fmt.Sprintf("Idempotency-Key: k%d", requests))
	}
	// until draws until it is accepted, and returns the log time of the draw.
	until := func(moment time.Time, code string) time.Time {
		t.Helper()
		for refused := 0; ; refused++ {
			sent := time.Now()
			status, answer, raw := draw()
			switch {
			case status == 200 && refused == 0:
				t.Fatalf("nothing was refused before %v: the test is too late to see anything", moment)
			case status == 200:
				at, err := time.Parse(time.RFC3339, answer["at"].(string))
				if err != nil || at.Before(moment) {
					t.Fatalf("accepted at %v, before %v", answer["at"], moment)
				}
				return at
			case answer["code"] != code:
				t.Fatalf("want %s: %s", code, raw)
			case !sent.Before(moment):
				t.Fatalf("sent at %v and refused, though the moment was %v: %s", sent, moment, raw)
			}
		}
	}
	first := until(starts, "not_started")
	second := until(first.Add(1500*time.Millisecond), "capped")

	// Both units are gone now. What refuses first is the cap; another user sees that nothing is left.
	other := func() (int, map[string]any) {
		requests++
		status, answer, _ := n.do("POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u2"}`, fmt.Sprintf("Idempotency-Key: k%d", requests))
		return status, answer
	}
	for range 3 {
		if status, answer := other(); answer["code"] != "exhausted" {
			t.Fatalf("after %v both units are gone, got %d %v", second, status, answer)
		}
	}
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash/prizes/phone:adjust"), `{"delta":1,"reason":"one came back"}`, "Idempotency-Key: a")
	if status, answer := other(); status != 200 || answer["outcome"] != "win" {
		t.Errorf("a unit came back, got %d %v", status, answer)
	}
}
