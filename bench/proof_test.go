//go:build linux

package bench

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/drawd/drawd/bench/load"
)

// runFake lets 600 requests of 250 users draw from a fake, and proves it.
func runFake(t *testing.T, lie string, byID int) (*Proof, *drawLoad) {
	t.Helper()
	f, s := startFake(t, lie)
	host, _, err := hostOf(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	const requests = 600
	user := func(id uint32) uint32 { return id % 250 }
	j, tmpl := newJournal(f.rules, requests), newDrawTemplate(host, "", "fake")
	work := newDrawLoad(j, tmpl, user, &restartWatch{}, 1)
	if _, err := load.Run(t.Context(), load.Options{Addr: host, Connections: 16}, load.Schedule{Requests: requests}, func(int) load.Workload { return work }); err != nil {
		t.Fatal(err)
	}
	p := &prover{
		control: newControl(s.URL, s.URL, ""), host: host, campaign: "fake", version: 1, rules: f.rules, journal: j, template: tmpl,
		user: user, alone: true, say: &console{}, effects: work.effects,
	}
	if err := p.resolve(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	proof, err := p.prove(t.Context(), MaxRequests, byID, 1)
	if err != nil {
		t.Fatal(err)
	}
	return proof, work
}

func TestProofOfAnHonestServer(t *testing.T) {
	for _, honest := range []string{"", "cuts the line"} {
		proof, work := runFake(t, honest, 300)
		v := proof.Verdict
		if !v.Right() {
			t.Fatalf("%q: faults %v", honest, v.Faults)
		}
		// 250 users, two draws each; 600 requests, so the last 100 are capped.
		if v.Draws != 500 || v.Found != 500 || v.Acknowledged != 500 || proof.ReplaysSame != 500 || proof.ByID != 300 || proof.ByIDSame != 300 {
			t.Errorf("%q: %+v, verdict %+v", honest, proof, v)
		}
		if work.progress.denied.Load() != 100 || work.codes[0].Code != "capped" || len(work.shed) != 1 || work.shed[0].Code != "overloaded" {
			t.Errorf("%q: denied %d, codes %v, shed %v", honest, work.progress.denied.Load(), work.codes, work.shed)
		}
		if (work.replayed > 0) != (honest == "cuts the line") {
			t.Errorf("%q: %d draws were rescued", honest, work.replayed)
		}
	}
}

func TestProofOfLyingServers(t *testing.T) {
	for lie, want := range map[string]struct{ rule, says string }{
		"draws again":        {"changed", "409 capped"},
		"changes an answer":  {"changed", "other bytes"},
		"exceeds a cap":      {"cap", "cap all"},
		"oversells":          {"stock", "prize phone"},
		"forgets a draw":     {"lost", "not in the feed"},
		"loses a draw by id": {"changed", "draw_not_found"},
	} {
		proof, _ := runFake(t, lie, 500)
		if !slices.ContainsFunc(proof.Verdict.Faults, func(f faultOf) bool { return f.Rule == want.rule && strings.Contains(f.Detail, want.says) }) {
			t.Errorf("a server that %s: faults %v", lie, proof.Verdict.Faults)
		}
	}
}

func TestReportNamesWhatWasBroken(t *testing.T) {
	proof, _ := runFake(t, "oversells", 0)
	r := &DrawReport{Proof: proof, Needed: 100, Enough: true}
	err := r.failure()
	if wrong, ok := err.(*VerdictError); !ok || !strings.Contains(wrong.Error(), "prize phone: oversold") {
		t.Fatalf("error %v", err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "VERDICT   WRONG") || !strings.Contains(text.String(), "prize phone: oversold by 1") {
		t.Fatal(text.String())
	}
	if err := r.WriteText(brokenWriter{}); err != io.ErrClosedPipe {
		t.Fatalf("a broken pipe is told as %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestTooLittleIsNoPass(t *testing.T) {
	proof, _ := runFake(t, "", 0)
	r := &DrawReport{Proof: proof, Needed: MinVerdictDraws, Invalid: []string{"the generator lagged"}}
	little, ok := r.failure().(*ThresholdError)
	if !ok || len(little.Reasons) != 2 || !strings.Contains(little.Error(), "verdict needs ≥ 100,000 logged draws, there were 500") {
		t.Fatalf("error %v", r.failure())
	}
	r.Needed, r.Invalid, r.Enough = 500, nil, true
	if err := r.failure(); err != nil {
		t.Fatal(err)
	}
}
