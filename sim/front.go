package sim

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/dataplane"
)

// front is a run's data plane: the real one, over the simulated network.
type front struct {
	layer *Layer
	data  *dataplane.Server
	ended chan struct{} // closed when it takes no more connections
}

// apiAddress is where callers reach a machine, and apiURL what they know of it: without keys only direct requests to loopback
// are served, so that nodes are told apart by their ports.
func (m *machine) apiAddress() string { return m.id + "/api" }
func (m *machine) apiHost() string    { return "127.0.0.1:" + m.id[1:] }
func (m *machine) apiURL() string     { return "http://" + m.apiHost() }

// serve lets callers in. The process may be dead already: then nobody gets in.
func (r *run) serve() error {
	gate, err := access.New(access.Options{Source: r.engine, Logger: slog.New(r.logger().Handler())})
	if err != nil {
		return err
	}
	o := dataplane.Options{
		Engine: r.engine, Decider: r.node, Records: r.node, Gate: gate, Logger: slog.New(r.logger().Handler()), Now: r.machine.clock.Now,
		Build: dataplane.Build{Version: "sim", Commit: "sim", Go: "sim"},
	}
	if r.mux != nil {
		o.Place = r.node
	}
	f := &r.front
	if f.data, err = dataplane.New(o); err != nil {
		return err
	}
	f.ended = make(chan struct{})
	go func() {
		defer close(f.ended)
		if !r.caughtUp() {
			return
		}
		if err := f.data.Serve(direct{f.layer}); err != nil && !r.dead.Load() {
			r.machine.world.fault("serve", "%s: %v", r, err)
		}
	}()
	return nil
}

// caughtUp waits until the node has what was answered before it started, as drawd does before it lets callers in; false when
// the process ended first.
func (r *run) caughtUp() bool {
	for r.node.DecideContext(r.ctx, new(engine.Batch)) != nil {
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
			return false
		}
	}
	return true
}

// close ends what is left of the data plane of a dead run.
func (f *front) close(ctx context.Context) error {
	if f.data == nil {
		return nil
	}
	err := errors.Join(f.layer.Close(), f.data.Shutdown(ctx))
	<-f.ended
	return err
}

// direct takes connections whose callers are on the machine itself, as far as the gate can see.
type direct struct{ *Layer }

// Accept returns the next connection.
func (d direct) Accept() (net.Conn, error) {
	c, err := d.Layer.Accept()
	if err != nil {
		return nil, err
	}
	return local{c}, nil
}

type local struct{ net.Conn }

// RemoteAddr says that the caller is on this machine.
func (local) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }
