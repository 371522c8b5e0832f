package campaignfile

import (
	"os"
	"strings"
	"testing"
)

// Every rule about deliveries, broken alone; and what takes time from winners must be forced.
func TestDeliveryRules(t *testing.T) {
	b, err := os.ReadFile("testdata/good/awards.yaml")
	if err != nil {
		t.Fatal(err)
	}
	src := string(b)
	for _, tc := range []struct{ old, with, pointer, says string }{
		{"award: {claim_within: 72h}", "award: claimed", "/prizes/0/award", "must be a mapping"},
		{"claim_within: 72h", "claim_within: 999ms", "/prizes/0/award/claim_within", "must be from 1s to 366d"},
		{"claim_within: 72h", "claim_within: soon", "/prizes/0/award/claim_within", "duration"},
		{"claim: none", "claim: maybe", "/prizes/1/award/claim", "must be required or none"},
		{"claim: none", "claim: none, claim_within: 1h", "/prizes/1/award/claim_within", "nobody has to claim it"},
		{"claim_within: 72h", "hold: 15m", "/prizes/0/award/hold", "only units of a pool"},
		{"kind: physical, weight: 100, stock: 5, award: {}", "kind: thanks, weight: 100, award: {}", "/prizes/2/award", "final at once"},
	} {
		file, faults := Parse([]byte(change(t, src, tc.old, tc.with)))
		if file != nil || len(faults) != 1 || faults[0].Pointer != tc.pointer || !strings.Contains(faults[0].Message, tc.says) || faults[0].Line == 0 {
			t.Errorf("%s → %s: want one fault at %s saying %q, got %v", tc.old, tc.with, tc.pointer, tc.says, faults)
		}
	}
	live := parse(t, src).Version
	if again := parse(t, string(live.Document)).Version; string(again.Document) != string(live.Document) || len(again.Deliveries) != 3 {
		t.Errorf("%s\n%s", live.Document, again.Document)
	}
	for _, tc := range []struct{ old, with, pointer string }{
		{"claim_within: 72h", "claim_within: 96h", ""},
		{"claim_within: 72h", "claim: none", ""},
		{", award: {claim_within: 72h}", "", ""},
		{"claim_within: 72h", "claim_within: 71h", "/prizes/0/award"},
		{"claim: none", "claim: required", "/prizes/1/award"},
		{"award: {}", "award: {claim_within: 300d}", "/prizes/2/award"},
		{"stock: 100}", "stock: 100, award: {}}", "/prizes/3/award"},
	} {
		next := parse(t, change(t, src, tc.old, tc.with)).Version
		switch faults := Favourable(live, next); {
		case tc.pointer == "" && len(faults) != 0, tc.pointer != "" && (len(faults) != 1 || faults[0].Pointer != tc.pointer):
			t.Errorf("%s → %s: %v", tc.old, tc.with, faults)
		}
		if len(Changes(live, next)) == 0 {
			t.Errorf("%s → %s: no difference is shown", tc.old, tc.with)
		}
	}
}
