package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/raftlog/join"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/raftlog/peer/mtls"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/storage"
)

// peers is a node's side of the line to the others.
type peers struct {
	mux     *peer.Mux
	line    *mtls.Stream // nil where nodes speak without certificates
	entry   *join.Entry
	host    *join.Host // once the log is open
	metrics *metrics.Set
}

// openPeers opens the line to the other nodes and comes to the cluster: it returns when the log may be opened.
func openPeers(ctx context.Context, o serveOptions, store *storage.Store, logger *slog.Logger, say func(string)) (_ *peers, err error) {
	p := &peers{metrics: metrics.NewSet()}
	var stream peer.Stream
	if o.Peers.Plain {
		stream, err = mtls.ListenPlain(o.Peers.Raft, o.Peers.Advertise)
	} else {
		p.line, err = mtls.Listen(mtls.Options{
			Address: o.Peers.Raft, Advertise: o.Peers.Advertise, NodeID: o.NodeID, Now: time.Now, Logger: logger, Metrics: p.metrics,
			Files: mtls.Files{Certificate: o.Peers.Cert, Key: o.Peers.Key, Authority: o.Peers.CA},
		})
		stream = p.line
	}
	if err != nil {
		return nil, fmt.Errorf("--raft: %w", err)
	}
	p.mux = peer.NewMux(stream)
	p.mux.Serve()
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	_, checkpointed := store.State().Manifest()
	p.entry, err = join.Enter(ctx, join.Options{
		Dir: o.Data, Keys: keyFile(o.Data), HasLog: checkpointed || store.Log().Last() > 0, Node: o.NodeID, Address: p.mux.Addr().String(),
		Peers: p.mux, Entropy: rand.Reader, Addresses: o.Peers.Join, Expect: o.Peers.Expect, Token: o.Peers.Token, Edge: o.Peers.Edge,
		Logger: logger, Say: say,
	})
	if errors.Is(err, join.ErrNoWay) {
		return nil, usage(fmt.Errorf("%s is empty: found a cluster with --bootstrap-expect, or join one with --join and --join-token", o.Data))
	}
	return p, err
}

func (p *peers) close() error { return p.mux.Close() }

// found returns the members that an empty log begins with.
func (p *peers) found() (members []raftlog.Member) {
	for _, s := range p.entry.Found {
		members = append(members, raftlog.Member{ID: s.Node, Address: s.Address, Voter: true})
	}
	return members
}

// serve lets other nodes in from now on.
func (p *peers) serve(n *raftlog.Node, e *engine.Engine, logger *slog.Logger) (err error) {
	if err := p.entry.Opened(); err != nil {
		return err
	}
	p.host, err = join.NewHost(join.HostOptions{Entry: p.entry, Log: peerLog{n}, Engine: e, Now: time.Now, Logger: logger})
	if err == nil {
		p.host.Serve(p.mux)
	}
	return err
}

// check tells of the certificates. What is wrong with them stops nothing yet, so it does not make the node unready.
func (p *peers) check() control.Check {
	check := control.Check{Name: "certificates"}
	if p.line != nil {
		if err := p.line.Health(); err != nil {
			check.Message = err.Error()
		}
	}
	return check
}

// reload reads the certificates again, after SIGHUP.
func (p *peers) reload(logger *slog.Logger) {
	if p == nil || p.line == nil {
		return
	}
	if err := p.line.Reload(); err != nil {
		logger.Error("the certificates between nodes cannot be used; those before stay", "error", err)
	}
}

// keyFile is the cluster's key in a data directory.
type keyFile string

func (d keyFile) Read() ([32]byte, error)             { return storage.ReadClusterKey(string(d)) }
func (d keyFile) Keep(key [32]byte) ([32]byte, error) { return storage.KeepClusterKey(string(d), key) }

// peerLog is the log as package join wants it.
type peerLog struct{ *raftlog.Node }

// Members returns the members of the log.
func (l peerLog) Members() (all []join.Member) {
	for _, m := range l.Node.Members() {
		all = append(all, join.Member{Node: m.ID, Address: m.Address, Voter: m.Voter})
	}
	return all
}

// AddMember adds a member without a vote.
func (l peerLog) AddMember(ctx context.Context, node, address string) error {
	return l.Node.AddMember(ctx, raftlog.Member{ID: node, Address: address})
}

// caughtUpPace is how often a starting node looks whether it has what the others have.
const caughtUpPace = 25 * time.Millisecond

// catchUp returns when the node has everything that was answered before it started: only then does it know who may ask.
func catchUp(ctx context.Context, n *raftlog.Node, say func(string)) error {
	pace := time.NewTicker(caughtUpPace)
	defer pace.Stop()
	for {
		err := n.DecideContext(ctx, new(engine.Batch))
		if err == nil {
			return nil
		}
		status := n.Status()
		if status.Stopped {
			return fmt.Errorf("the node stopped while it was starting: %s", status.Reason)
		}
		if status.RolledBack != "" {
			say("it is kept out. " + strings.TrimPrefix(status.RolledBack, "raftlog: "))
		} else {
			say("waits for the others" + silent(n.Peers()) + ": " + err.Error())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the node did not catch up with the others: %w", errors.Join(ctx.Err(), err))
		case <-pace.C:
		}
	}
}

// silent names the voters that do not answer: without most of them nothing is decided.
func silent(all []raftlog.PeerStatus) string {
	var names []string
	for _, p := range all {
		if p.Voter && !p.Self && (!p.Contact || p.LastContact > silentAfter) {
			names = append(names, fmt.Sprintf("%s at %s", p.ID, p.Address))
		}
	}
	if names == nil {
		return ""
	}
	return " (silent: " + strings.Join(names, ", ") + ")"
}
