package raftlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/hashicorp/raft"
)

// lead follows the leadership: a new leader applies everything that earlier ones may have committed before it takes or
// answers anything. A take-over that fails is tried again for as long as this node leads.
func (n *Node) lead() {
	retry := time.NewTimer(0)
	<-retry.C
	defer retry.Stop()
	for {
		select {
		case leads := <-n.leadership:
			n.leading.Store(leads)
			if !leads {
				retry.Stop()
				n.gate.shut(reasonNoLeader, says(electing))
				continue
			}
		case <-retry.C:
		case <-n.stop:
			return
		}
		if err := n.takeOver(); err != nil && !n.leaving() {
			n.options.Logger.Warn("this node leads but cannot take over yet", "error", err)
			retry.Reset(takeOverRetry)
		}
	}
}

func (n *Node) takeOver() error {
	if err := n.barrier(); err != nil {
		return err
	}
	if n.stopped.Load() {
		return errNoOutcome
	}
	if err := n.awaitClocks(); err != nil {
		return err
	}
	n.time.observe(n.machine.LogTime())
	n.time.recheck()
	if !n.machine.Initialized() {
		if err := n.initialize(); err != nil {
			return err
		}
	}
	if err := errors.Join(n.confirmRestored(), n.readdress()); err != nil {
		return err
	}
	if n.cluster() {
		n.belong(n.machine.ClusterID())
	}
	n.gate.open(reasonNoLeader)
	n.raiseAlone()
	n.ticker.kick()
	n.readyOnce.Do(func() { close(n.ready) })
	return nil
}

// barrier returns when everything committed so far is applied.
func (n *Node) barrier() error {
	if err := n.awaits.answer(func() raft.Future { return n.raft.Barrier(0) }); err != nil {
		return fmt.Errorf("raftlog: barrier: %w", err)
	}
	return nil
}

// initialize proposes the first command of the cluster. Its secrets are made here, once, and live in replicated state.
func (n *Node) initialize() error {
	c := engine.Init{Namespace: engine.NewNamespace{Name: "default"}}
	for _, secret := range [][]byte{c.ClusterID[:], c.IDKey[:], c.Namespace.Secret[:]} {
		if _, err := io.ReadFull(n.options.Entropy, secret); err != nil {
			return fmt.Errorf("raftlog: make the cluster's secrets: %w", err)
		}
	}
	var b engine.Batch
	b.AddInit(&c)
	if !n.cluster() {
		b.AddRaise(&engine.Raise{Level: n.machine.Supports()}) // see raiseAlone
	}
	if err := n.proposer.decide(context.Background(), &b); err != nil {
		return fmt.Errorf("raftlog: propose the cluster's first entry: %w", err)
	}
	if !n.machine.Initialized() {
		return errors.New("raftlog: BUG: the cluster's first entry was applied and the engine is not initialized")
	}
	return nil
}

// Close stops the node: new commands are refused, those that wait are decided, the leadership is handed to another node, a
// checkpoint is taken, raft stops. The
// store is the caller's to close, but only after a nil error: otherwise something may still write, and the process should
// end instead. Nothing acknowledged depends on Close.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Do(func() { n.closed = n.close(ctx) })
	return n.closed
}

func (n *Node) close(ctx context.Context) error {
	n.gate.shut(reasonClosing, says(closing))
	n.proposer.queue.shut(says(closing))
	select {
	case <-n.proposer.queue.drained:
	case <-ctx.Done():
		n.proposer.drop(says(closing))
	}
	if n.forwarder != nil {
		n.forwarder.close(ctx)
	}
	n.handOver(ctx)
	var checkpointed error
	if n.fsm.sinceCheckpoint.Load() > 0 && (n.cluster() || n.leading.Load()) && !n.stopped.Load() && ctx.Err() == nil {
		checkpointed = within(ctx, n.points.take)
	}
	err := n.awaits.end(ctx)
	err = errors.Join(err, within(ctx, n.raft.Shutdown().Error))
	if n.cluster() {
		n.options.Peers.Answer(peer.CallMembers, nil)
	}
	n.blobs.close()
	close(n.stop)
	close(n.proposer.stop)
	ended := within(ctx, func() error {
		n.loops.Wait()
		n.proposer.done.Wait()
		return nil
	})
	if checkpointed != nil {
		// The log still holds everything: the next start only takes longer.
		n.options.Logger.Warn("no checkpoint was taken while shutting down", "error", checkpointed)
	}
	if err := errors.Join(err, ended); err != nil {
		return fmt.Errorf("raftlog: close: %w", err)
	}
	return nil
}

// within runs f and waits for it no longer than ctx lasts.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select { // both may be true
		case err := <-done:
			return err
		default:
			return ctx.Err()
		}
	}
}
