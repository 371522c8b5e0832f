package campaignfile

import (
	"os"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

func treeSource(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("testdata/good/helps.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

func TestHelpsFile(t *testing.T) {
	src := treeSource(t)
	file, faults := Parse([]byte(src))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	v := file.Version
	if *v.Helps != (engine.Helps{Owner: engine.HelpGrant{Source: "invite", Amount: 1}, Helper: engine.HelpGrant{Source: "assist", Amount: 1}}) ||
		v.Caps[0].Counts != engine.CountInvites || v.Caps[1].Counts != engine.CountAssists || v.Validate() != nil {
		t.Errorf("compiled %+v %+v %v", v.Helps, v.Caps, v.Validate())
	}
	again, faults := Parse(v.Document)
	if len(faults) > 0 || string(again.Version.Document) != string(v.Document) || *again.Version.Helps != *v.Helps {
		t.Errorf("again: %v %s", faults, v.Document)
	}
	for _, tc := range []struct{ old, with, pointer string }{
		{"counts: invites", "counts: invites, scope: device", "/caps/0/scope"},
		{"counts: invites", "counts: invites, prize: coupon", "/caps/0/prize"},
		{"counts: assists, window", "counts: assists, on_reached: deny, window", "/caps/1/on_reached"},
		{"{source: invite, amount: 1}", "{source: other, amount: 1}", "/helps/owner/source"},
		{"{source: assist, amount: 1}", "{source: assist, amount: 0}", "/helps/helper/amount"},
		{"{source: assist, amount: 1}", "{source: assist}", "/helps/helper/amount"},
		{"  helper:", "  friend:", "/helps/friend"},
		{"chances: {mode: granted, sources: {invite: {daily_limit: 4}, assist: {}}}", "chances: {mode: purse, purse: p}", ""},
	} {
		faults := faultsOf([]byte(strings.Replace(src, tc.old, tc.with, 1)))
		if tc.pointer == "" { // both sources
			if len(faults) != 2 || faults[0].Pointer != "/helps/owner/source" || faults[1].Pointer != "/helps/helper/source" {
				t.Errorf("%s: %v", tc.with, faults)
			}
			continue
		}
		if len(faults) != 1 || faults[0].Pointer != tc.pointer || faults[0].Line == 0 {
			t.Errorf("%s → %s: want one fault at %s, got %v", tc.old, tc.with, tc.pointer, faults)
		}
	}
}

func faultsOf(src []byte) []Fault {
	_, faults := Parse(src)
	return faults
}

// What a new version takes from whoever helps.
func TestHelpsThatTake(t *testing.T) {
	src := treeSource(t)
	for _, tc := range []struct{ old, with, pointer string }{
		{"source: invite, amount: 1", "source: invite, amount: 2", ""},
		{"counts: invites, window: day, limit: 4", "counts: invites, window: day, limit: 5", ""},
		{"counts: invites, window: day, limit: 4", "counts: invites, window: day, limit: 3", "/caps/0/limit"},
		{"counts: invites, window: day, limit: 4", "counts: assists, window: day, limit: 4", "/caps/0"},
		{"  owner: {source: invite, amount: 1}\n", "", "/helps/owner"},
	} {
		live, next := parse(t, src), parse(t, strings.Replace(src, tc.old, tc.with, 1))
		faults := Favourable(live.Version, next.Version)
		if tc.pointer == "" && len(faults) > 0 || tc.pointer != "" && (len(faults) != 1 || faults[0].Pointer != tc.pointer) {
			t.Errorf("%s → %s: want %q, got %v", tc.old, tc.with, tc.pointer, faults)
		}
	}
	none := strings.Split(src, "helps:")[0] + "prizes:" + strings.Split(src, "prizes:")[1]
	if faults := Favourable(parse(t, src).Version, parse(t, none).Version); len(faults) != 1 || faults[0].Pointer != "/helps" {
		t.Errorf("no helps any more: %v", faults)
	}
}
