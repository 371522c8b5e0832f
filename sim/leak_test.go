package sim

import (
	"testing"
	"time"
)

// TestLeftBehind: a goroutine that a world leaves behind ends no test, as long as the world came to its end.
func TestLeftBehind(t *testing.T) {
	r := Run(t, Options{Nodes: 1, Length: time.Second, Watch: func(*World) {
		never := make(chan struct{})
		go func() { <-never }()
	}})
	if r.Counts["transfers never answered"] != 1 || len(r.Faults) > 0 || r.Simulated == 0 {
		t.Error(r)
	}
}
