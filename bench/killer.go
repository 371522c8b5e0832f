package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drawd/drawd/bench/oracle"
)

// Restart is one SIGKILL and what followed.
type Restart struct {
	At        time.Duration `json:"at_ns"`         // since T0
	Ready     time.Duration `json:"ready_ns"`      // from the start of the new process until it was ready
	FirstDraw time.Duration `json:"first_draw_ns"` // from the start of the new process until it answered a draw; 0 when none came
	Gap       time.Duration `json:"gap_ns"`        // from the kill until a draw was answered again; 0 when none came
}

// victim is a process that is killed and started again.
type victim interface {
	kill()
	start(ctx context.Context) (time.Duration, error)
}

// killer kills a process at given moments and starts it again.
type killer struct {
	choose  func(ctx context.Context) (victim, error) // at each moment
	watch   *restartWatch
	moments []time.Duration
	say     *console

	restarts []Restart
}

// run works through the moments. A moment that comes while the daemon is still on its way up is kept for when it serves.
func (k *killer) run(ctx context.Context, t0 time.Time) error {
	for i, at := range k.moments {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(t0.Add(at))):
		}
		if i > 0 && !k.settled(ctx, t0) {
			return ctx.Err()
		}
		v, err := k.choose(ctx)
		if err != nil {
			return err
		}
		killed := time.Since(t0)
		v.kill()
		began := time.Since(t0)
		k.watch.first.Store(0)
		k.watch.armed.Store(int64(began))
		ready, err := v.start(ctx)
		if err != nil && ctx.Err() == nil {
			return &VerdictError{[]oracle.Fault{{Rule: "restart", Detail: fmt.Sprintf("kill %d: %v", i+1, err)}}}
		}
		if err != nil {
			return err
		}
		k.restarts = append(k.restarts, Restart{At: killed, Ready: ready, FirstDraw: -began, Gap: -killed})
		k.say.say("        killed at %s, ready again after %s (%d of %d)", spanText(killed), spanText(ready), i+1, len(k.moments))
	}
	k.settled(ctx, t0)
	return nil
}

// settled waits until the newest restart has answered a draw, and notes when. It gives up after a while: the crowd may be
// over. It reports whether ctx still runs.
func (k *killer) settled(ctx context.Context, t0 time.Time) bool {
	r := &k.restarts[len(k.restarts)-1]
	for patience := time.Now().Add(10 * time.Second); time.Now().Before(patience); {
		if first := time.Duration(k.watch.first.Load()); first > 0 {
			r.FirstDraw += first
			r.Gap += first
			return true
		}
		select {
		case <-ctx.Done():
			r.FirstDraw, r.Gap = 0, 0
			return false
		case <-time.After(time.Millisecond):
		}
	}
	r.FirstDraw, r.Gap = 0, 0
	return true
}

var errDaemonEnded = errors.New("bench: the daemon ended by itself")
