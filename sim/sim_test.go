package sim

import "testing"

func TestOneNode(t *testing.T) {
	for seed := range uint64(3) {
		r := Run(t, Options{Seed: seed + 1, Nodes: 1})
		t.Logf("%+v", r)
		for _, f := range r.Faults {
			t.Errorf("seed %d: %s", r.Seed, f)
		}
	}
}
