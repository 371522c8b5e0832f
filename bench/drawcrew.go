package bench

import (
	"context"
	"errors"
	"time"

	"github.com/drawd/drawd/bench/oracle"
)

// found starts a cluster of our own and chooses whom everybody asks: a node that does not lead, as a client that knows nothing of
// leaders might.
func (f *drawRun) found(ctx context.Context) (err error) {
	f.say.now("founding a cluster of %d …", f.nodes)
	if f.crew, err = newCrew(ctx, &f.o.Environment, f.nodes, false); err != nil {
		return err
	}
	leader, err := f.crew.leader(ctx)
	if err != nil {
		return err
	}
	for _, m := range f.crew.nodes {
		if m != leader {
			f.mate = m
		}
	}
	return nil
}

// settled waits until all nodes have the same entries: a node that has not applied the publication says that there is no such
// campaign. Nodes that differ are a fault of drawd's. Without a cluster there is nothing to wait for.
func (f *drawRun) settled(ctx context.Context) error {
	if f.crew == nil {
		return nil
	}
	f.say.now("waiting until all nodes have the same entries …")
	fault, err := f.crew.alike(ctx)
	if err == nil && fault != "" {
		return &VerdictError{[]oracle.Fault{{Rule: "replicas", Detail: fault}}}
	}
	return err
}

// whoIsKilled is the daemon, or who leads the cluster now.
func (f *drawRun) whoIsKilled(ctx context.Context) (victim, error) {
	if f.crew == nil {
		return f.daemon, nil
	}
	leader, err := f.crew.leader(ctx)
	if err != nil {
		return nil, err
	}
	if leader == f.mate {
		return nil, errors.New("bench: the node that everybody asks leads now: killing it is no failover")
	}
	return mateVictim{leader}, nil
}

// mateVictim is a node of a cluster that is killed and started again.
type mateVictim struct{ *mate }

// start starts the node's process and returns how long it took until it served.
func (v mateVictim) start(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	err := v.startMate(ctx)
	return time.Since(begin), err
}
