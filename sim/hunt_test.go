package sim

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// TestSeeds runs worlds with ascending seeds for as long as SIM_FOR says, beginning with SIM_SEED.
func TestSeeds(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("SIM_FOR"))
	if err != nil {
		t.Log("SIM_FOR names no duration")
		return
	}
	seed, _ := strconv.ParseUint(os.Getenv("SIM_SEED"), 10, 64)
	began, simulated, n := time.Now(), time.Duration(0), 0
	total := map[string]int{}
	for ; time.Since(began) < limit; seed++ {
		r := Run(t, Options{Seed: seed})
		simulated += r.Simulated
		n++
		for k, v := range r.Counts {
			total[k] += v
		}
		for _, f := range r.Faults {
			t.Errorf("seed %d: %.1500s", seed, f.String())
		}
		if t.Failed() {
			_ = r.Trace.Write(os.Stderr)
			return
		}
	}
	t.Logf("%d worlds, %v, %.0f ×: %v", n, simulated, simulated.Seconds()/time.Since(began).Seconds(), total)
}
