package bench

import (
	"context"
	"strings"
	"testing"
	"time"
)

// countedVictim is killed and started by name only.
type countedVictim struct{ kills, starts int }

func (v *countedVictim) kill() { v.kills++ }

func (v *countedVictim) start(context.Context) (time.Duration, error) {
	v.starts++
	return time.Millisecond, nil
}

// TestKillerChoosesAtEachMoment: who leads is asked when the moment has come, and a kill without a victim ends the run.
func TestKillerChoosesAtEachMoment(t *testing.T) {
	first, second := &countedVictim{}, &countedVictim{}
	next := []*countedVictim{first, second}
	watch := &restartWatch{}
	k := &killer{watch: watch, say: &console{}, moments: []time.Duration{0, 0}, choose: func(context.Context) (victim, error) {
		v := next[0]
		next = next[1:]
		watch.first.Store(1) // a draw is answered at once, so that nobody waits for one
		return v, nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.restarts = nil
	if err := k.run(ctx, time.Now().Add(-time.Second)); err == nil || first.kills+second.kills > 1 {
		t.Errorf("%v, %d kills after the run was given up", err, first.kills+second.kills)
	}
	f := &drawRun{mate: &mate{id: "n3"}, daemon: &daemon{}}
	if v, err := f.whoIsKilled(t.Context()); err != nil || v != victim(f.daemon) {
		t.Errorf("%v %v", v, err)
	}
}

func TestClustersOfAFlash(t *testing.T) {
	err := (&FlashOptions{Cluster: 4, Kill9: 2}).Validate()
	for _, says := range []string{"Cluster must be 3 or 5", "Kill9 is at most 1 in a cluster"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not in %v", says, err)
		}
	}
}
