package sim

import (
	"os"
	"testing"
)

// mustStand runs worlds and fails t with what is wrong in them, and with the end of their traces.
func mustStand(t *testing.T, seeds uint64, o Options) {
	t.Helper()
	for seed := range seeds {
		o.Seed = seed + 1
		r := Run(t, o)
		t.Logf("seed %d: %d commands, %d told, %d without effect, %d unknown of which the log has %d, %d reads, %d samples; %v",
			o.Seed, r.Commands, r.Decided, r.Refused, r.Unknown, r.Resolved, r.Reads, r.Samples, r.Counts)
		for _, f := range r.Faults {
			t.Errorf("seed %d: %s", o.Seed, f)
		}
		if r.Decided < 200 || r.Counts["power cuts"] == 0 {
			t.Errorf("seed %d: too little happened", o.Seed)
		}
		if t.Failed() {
			_ = r.Trace.Write(os.Stderr)
			return
		}
	}
}

func TestOneNode(t *testing.T)    { mustStand(t, 2, Options{Nodes: 1}) }
func TestThreeNodes(t *testing.T) { mustStand(t, 3, Options{Nodes: 3}) }
func TestFiveNodes(t *testing.T)  { mustStand(t, 1, Options{Nodes: 5}) }
