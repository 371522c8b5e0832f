package sim

import (
	"testing"
	"time"
)

// mustStand runs worlds and fails t with what is wrong in them, and with the end of their traces.
func mustStand(t *testing.T, seeds uint64, o Options) {
	t.Helper()
	enough := 200
	if testing.Short() { // the race detector is slow
		seeds, o.Length, enough = 1, time.Minute, 40
	}
	for seed := range seeds {
		o.Seed = seed + 1
		r := Run(t, o)
		t.Logf("seed %d: %s", o.Seed, r)
		if len(r.Faults) > 0 {
			fail(t, r)
		}
		if r.Decided < enough || r.Counts["power cuts"] == 0 {
			t.Errorf("seed %d: too little happened", o.Seed)
		}
		if t.Failed() {
			return
		}
	}
}

func TestOneNode(t *testing.T)    { mustStand(t, 2, Options{Nodes: 1}) }
func TestThreeNodes(t *testing.T) { mustStand(t, 3, Options{Nodes: 3}) }
func TestFiveNodes(t *testing.T)  { mustStand(t, 1, Options{Nodes: 5}) }

// TestOldKeys: log time passes by five days, so that keys are packed under the nemeses, and asked for again; in a cluster, and
// by a node that runs alone.
func TestOldKeys(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		o := Options{Nodes: nodes, Seed: 4, Length: 2 * time.Minute, Think: 2 * time.Second, Days: 5}
		if testing.Short() {
			o.Length = time.Minute
		}
		r := Run(t, o)
		t.Logf("%d nodes: %s", nodes, r)
		if len(r.Faults) > 0 {
			fail(t, r)
		}
		if r.Counts["keys packed"] < 100 || r.Counts["old keys asked for"] < 100 {
			t.Errorf("%d nodes: too little happened", nodes)
		}
	}
}
