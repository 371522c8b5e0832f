package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/hugepage"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/raftlog/join"
	"github.com/drawd/drawd/server"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/storage"
)

// node is one running drawd: storage under an engine under a log under two planes. It is built in that order and taken
// down in reverse.
type node struct {
	store  *storage.Store
	log    *raftlog.Node
	peers  *peers // nil on a node that runs alone
	server *server.Server
	scheme string
	ended  chan error // from Serve
}

// startNode opens a data directory and returns when the node serves. When it fails nothing is left open.
func startNode(ctx context.Context, o serveOptions, logger *slog.Logger) (_ *node, err error) {
	n := &node{scheme: "http", ended: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop(10*time.Second))
		}
	}()
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	// The store comes first: its lock tells a second drawd on this directory from one whose addresses are taken.
	var key [32]byte
	if o.Peers.Raft == "" {
		if key, err = storage.ClusterKey(o.Data, rand.Reader); err != nil {
			return nil, err
		}
	}
	if n.store, err = storage.Open(o.Slow.disk(storage.Options{Dir: o.Data, Logger: logger})); err != nil {
		return nil, err
	}
	planes := o.planes(logger)
	starting, err := server.Start(planes)
	if err != nil {
		return nil, err
	}
	defer func() {
		if starting != nil {
			starting.Close()
		}
	}()
	say := func(what string) { starting.Say("The node is starting: " + what + ".") }
	if o.Peers.Raft != "" {
		if n.peers, err = openPeers(ctx, o, n.store, logger, say); err != nil {
			return nil, err
		}
		key = n.peers.entry.Key
	}
	e, err := engine.New(engine.Options{ClusterKey: key, Alloc: new(hugepage.Allocator).Alloc})
	if err != nil {
		return nil, err
	}
	logMetrics := metrics.NewSet()
	if o.TLSCert != "" {
		n.scheme = "https"
	}
	if err := n.openLog(ctx, o, e, logMetrics, logger, n.reached(starting.API(), o.Peers), say); err != nil {
		return nil, err
	}
	b := thisBuild()
	planes.Engine, planes.Decider, planes.Records, planes.Node, planes.ClusterKey = e, n.log, n.log, standing{log: n.log}, key
	planes.Backups = n.log
	planes.Build = control.Build{Version: b.Version, Commit: b.Commit, Go: b.Go}
	planes.Exposed = []control.MetricsWriter{logMetrics, storeMetrics{n.store}}
	if n.peers != nil {
		planes.Cluster, planes.Node, planes.Place = crowd{n.log, n.peers.host}, standing{n.log, n.peers}, n.log
		planes.Settle = func() bool { return n.log.Settle(context.Background()) }
		planes.Exposed = append(planes.Exposed, n.peers.metrics)
	}
	planes.Starting = starting
	if n.server, err = server.New(planes); err != nil {
		return nil, err
	}
	starting = nil // Listen takes its listeners, also when it fails
	if err := n.server.Listen(); err != nil {
		n.server = nil // there is nothing to shut down
		return nil, err
	}
	go func() { n.ended <- n.server.Serve() }()
	return n, nil
}

// reached is where clients of other machines reach the data plane: on a node that listens everywhere, at the host at which the
// other nodes reach it.
func (n *node) reached(api net.Addr, o peerOptions) string {
	host, port, err := net.SplitHostPort(api.String())
	if ip, perr := netip.ParseAddr(host); err == nil && perr == nil && ip.IsUnspecified() {
		for _, of := range []string{o.Raft, o.Advertise} {
			if name, _, err := net.SplitHostPort(of); err == nil {
				host = name
			}
		}
	}
	return n.scheme + "://" + net.JoinHostPort(host, port)
}

// planes is what the flags say of the planes.
func (o *serveOptions) planes(logger *slog.Logger) server.Options {
	p := server.Options{API: o.API, Admin: o.Admin, RESP: o.RESP, TLSCert: o.TLSCert, TLSKey: o.TLSKey, Insecure: o.Insecure, DrainDelay: o.DrainWait, Logger: logger}
	p.AddressRate, p.UserRate = rateOf(o.AddressRate), rateOf(o.UserRate)
	return p
}

// openLog opens the log over an empty engine and returns when the engine has what was answered before.
func (n *node) openLog(ctx context.Context, o serveOptions, e *engine.Engine, set *metrics.Set, logger *slog.Logger, api string, say func(string)) (err error) {
	of := raftlog.Options{NodeID: o.NodeID, Store: n.store, Engine: e, Logger: logger, Metrics: set, Skip: skipOf(o.SkipEntry), MaxStateBytes: stateMemory(o.StateMemory)}
	o.Slow.log(&of)
	if n.peers != nil {
		of.Peers, of.Found = n.peers.mux, n.peers.found()
		of.API, of.Build = api, thisBuild().Version
		of.Outcast = func(id string) bool { return join.Outcast(e, id) }
	}
	if n.log, err = raftlog.Open(ctx, of); err != nil || n.peers == nil {
		return err
	}
	if err := n.peers.serve(n.log, e, logger); err != nil {
		return err
	}
	return catchUp(ctx, n.log, say)
}

// stop takes down what stands, in reverse: readiness off and drained, checkpoint written, disk closed.
func (n *node) stop(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var faults []error
	if n.server != nil {
		faults = append(faults, n.server.Shutdown(ctx))
	}
	if n.log != nil {
		if err := n.log.Close(ctx); err != nil {
			// Something may still write: the process ends without closing the disk under it, and the log is replayed.
			return errors.Join(append(faults, err)...)
		}
	}
	if n.peers != nil {
		faults = append(faults, n.peers.close())
	}
	if n.store != nil {
		faults = append(faults, n.store.Close())
	}
	return errors.Join(faults...)
}

// failed tells when the planes have ended, which before stop is a failure.
func (n *node) failed() <-chan error { return n.ended }

func (n *node) apiURL() string   { return n.scheme + "://" + n.server.API().String() }
func (n *node) adminURL() string { return n.scheme + "://" + n.server.Admin().String() }

// respAddr is where the RESP front listens; empty without one.
func (n *node) respAddr() string {
	if a := n.server.RESP(); a != nil {
		return a.String()
	}
	return ""
}

// standing tells the planes where the node stands.
type standing struct {
	log   *raftlog.Node
	peers *peers // nil on a node that runs alone
}

// AcceptClock hands the operator's word on.
func (s standing) AcceptClock() error { return s.log.AcceptClock() }

// Status turns the log's status into readiness checks.
func (s standing) Status() control.Status {
	from := s.log.Status()
	ahead := time.Duration(0)
	if from.LogTime > 0 {
		ahead = time.Since(time.UnixMilli(int64(from.LogTime)))
	}
	log := control.Check{Name: "log"}
	clock := control.Check{Name: "clock"}
	switch {
	case from.Ready, from.Forwards && from.Wedged == "":
	case from.Code == problem.ClockSkew:
		clock.Code, clock.Message = from.Code, from.Reason
	default:
		log.Code, log.Message = from.Code, from.Reason
	}
	if from.ClockSkew != "" && clock.Code == problem.OK {
		clock.Code, clock.Message = problem.ClockSkew, from.ClockSkew
	}
	checkpoint := control.Check{Name: "checkpoint"} // one that fails keeps the log growing; draws go on
	if from.CheckpointError != "" {
		checkpoint.Message = from.CheckpointError
	}
	checks := []control.Check{log, clock, checkpoint}
	if s.peers != nil {
		checks = append(checks, s.peers.check(), replicas(&from))
	}
	return control.Status{
		Node: from.NodeID, Leader: from.Leader, Term: from.Term, Last: from.LastLog, Checkpoint: from.Checkpoint,
		LogBytes: from.LogBytes, Queued: from.QueueCommands, ClockAhead: ahead, Checks: checks,
	}
}

// replicas tells whether this node still says what the others say. One that does not follow is no reason to send it nothing:
// what it decides is decided by the leader.
func replicas(from *raftlog.Status) control.Check {
	c := control.Check{Name: "replicas", Message: from.Wedged}
	switch {
	case from.Removed:
		c.Code, c.Message = problem.NoLeader, "This node was removed from the cluster: stop it."
	case from.Diverged != "":
		c.Code, c.Message = problem.NoLeader, from.Diverged
	}
	return c
}
