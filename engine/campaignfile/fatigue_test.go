package campaignfile

import (
	"testing"

	"github.com/drawd/drawd/engine"
)

const fatigueSource = `
time_zone: Europe/Berlin
fatigue_caps:
  - {id: push, window: day, limit: 3}
  - {id: calls, window: {rolling: 10m}, limit: 64}
  - {id: popup, window: {cooldown: 30s}}
`

func TestFatigueCaps(t *testing.T) {
	p, faults := ParsePolicy([]byte(fatigueSource))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	const want = `{"time_zone":"Europe/Berlin","fatigue_caps":[{"id":"push","window":"day","limit":3},` +
		`{"id":"calls","window":{"rolling":"10m"},"limit":64},{"id":"popup","window":{"cooldown":"30s"},"limit":1}]}`
	if string(p.Document) != want {
		t.Errorf("document\n%s\nwant\n%s", p.Document, want)
	}
	if len(p.FatigueCaps) != 3 || p.FatigueCaps[1] != (engine.FatigueCap{ID: "calls", Window: engine.Window{Kind: engine.WindowRolling, Duration: 600_000}, Limit: 64}) || p.Validate() != nil {
		t.Errorf("compiled %+v, %v", p.FatigueCaps, p.Validate())
	}
	for _, tc := range []struct{ old, with, pointer string }{
		{"window: day", "window: campaign", "/fatigue_caps/0/window"},
		{"window: day", "window: session", "/fatigue_caps/0/window"},
		{"limit: 3", "limit: 0", "/fatigue_caps/0/limit"},
		{", limit: 3", "", "/fatigue_caps/0/limit"},
		{"limit: 3", "limit: 3, counts: draws", "/fatigue_caps/0/counts"},
		{"limit: 3", "limit: 3, scope: ip", "/fatigue_caps/0/scope"},
		{"limit: 64", "limit: 65", "/fatigue_caps/1/limit"},
		{"id: popup", "id: push", "/fatigue_caps/2/id"},
		{"{cooldown: 30s}", "{cooldown: 30s}, limit: 2", "/fatigue_caps/2/limit"},
	} {
		if p, faults := ParsePolicy([]byte(change(t, fatigueSource, tc.old, tc.with))); p != nil || len(faults) != 1 || faults[0].Pointer != tc.pointer {
			t.Errorf("%s → %s: want one fault at %s, got %v", tc.old, tc.with, tc.pointer, faults)
		}
	}
}
