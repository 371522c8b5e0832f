package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/server/dataplane"
	"github.com/drawd/drawd/server/render"
	"github.com/drawd/drawd/server/resp"
	"github.com/drawd/drawd/server/ticket"
)

// Server is both planes of a node, and its RESP front.
type Server struct {
	options Options
	gate    *access.Gate
	data    *dataplane.Server
	control *control.Plane
	resp    *resp.Server // nil without a RESP front
	http    *http.Server
	tls     *tls.Config // nil without TLS

	draining atomic.Bool // the end has begun
	drained  atomic.Bool // an operator wants no traffic here, for a while
	// giveUp ends what waits in the control plane: the long polls of the feed.
	giveUp context.CancelFunc
	pause  func(ctx context.Context, d time.Duration) // waits for d, or until ctx ends

	listeners struct{ data, control, resp net.Listener } // resp: nil without a RESP front
}

// New builds a Server. Nothing is open yet.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{options: o.withDefaults(), pause: pause}
	o = s.options
	var err error
	if s.tls, err = loadTLS(o.TLSCert, o.TLSKey); err != nil {
		return nil, err
	}
	if s.gate, err = access.New(access.Options{Source: o.Engine, Logger: o.Logger, Settle: o.Settle}); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	tickets, err := ticket.NewRing(ticket.Options{Source: o.Engine, ClusterKey: o.ClusterKey, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s.data, err = dataplane.New(dataplane.Options{
		Engine: o.Engine, Decider: o.Decider, Records: o.Records, Gate: s.gate, Tickets: tickets, Health: health{s}, Place: o.Place, Logger: o.Logger,
		Metrics: o.Metrics, Node: o.NodeNumber, Now: o.Now, AddressRate: o.AddressRate, UserRate: o.UserRate,
		Build: dataplane.Build{Version: o.Build.Version, Commit: o.Build.Commit, Go: o.Build.Go},
	})
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s.control, err = control.New(control.Options{
		Engine: o.Engine, Decider: o.Decider, Records: o.Records, Node: health{s}, Cluster: o.Cluster, Backups: o.Backups, Drain: s.drained.Store, Gate: s.gate, Sealer: render.NewSealer(o.Engine, o.NodeNumber), ClusterKey: o.ClusterKey,
		Build: o.Build, Metrics: o.Metrics, Exposed: append([]control.MetricsWriter{o.Metrics}, o.Exposed...), Logger: o.Logger, Now: o.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if err := s.newRESP(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	registerMetrics(o.Metrics, o.Engine)
	s.http = s.control.HTTPServer()
	var base context.Context
	base, s.giveUp = context.WithCancel(context.Background())
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	return s, nil
}

// newRESP makes the RESP front, if there is to be one.
func (s *Server) newRESP() (err error) {
	o := &s.options
	if o.RESP == "" {
		return nil
	}
	var age func() time.Duration
	if o.Place != nil {
		age = o.Place.Age
	}
	s.resp, err = resp.New(resp.Options{
		Age:    age,
		Engine: o.Engine, Decider: o.Decider, Records: o.Records, Gate: s.gate, Ready: health{s}.Ready, Logger: o.Logger,
		Metrics: o.Metrics, Version: o.Build.Version, Node: o.NodeNumber, Now: o.Now,
	})
	return err
}

// Listen opens every listener, or none. Those of a Starting are taken over.
func (s *Server) Listen() error {
	api, admin, err := s.open()
	if err != nil {
		return err
	}
	data, err := s.admit(dataPlane(&s.options), api)
	if err != nil {
		_ = admin.Close()
		return err
	}
	control, err := s.admit(controlPlane(&s.options), admin)
	if err != nil {
		_ = data.Close()
		return err
	}
	if s.listeners.resp, err = s.listenRESP(); err != nil {
		_, _ = data.Close(), control.Close()
		return err
	}
	s.listeners.data, s.listeners.control = data, control
	return nil
}

func (s *Server) listenRESP() (net.Listener, error) {
	if s.resp == nil {
		return nil, nil
	}
	p := respFront(&s.options)
	ln, err := p.open()
	if err != nil {
		return nil, err
	}
	return s.admit(p, ln)
}

func (s *Server) open() (data, control *net.TCPListener, err error) {
	if starting := s.options.Starting; starting != nil {
		data, control = starting.take()
		return data, control, nil
	}
	if data, err = dataPlane(&s.options).open(); err != nil {
		return nil, nil, err
	}
	if control, err = controlPlane(&s.options).open(); err != nil {
		_ = data.Close()
		return nil, nil, err
	}
	return data, control, nil
}

// API returns the address of the data plane once Listen has opened it.
func (s *Server) API() net.Addr { return s.listeners.data.Addr() }

// Admin returns the address of the control plane once Listen has opened it.
func (s *Server) Admin() net.Addr { return s.listeners.control.Addr() }

// RESP returns the address of the RESP front once Listen has opened it; nil without one.
func (s *Server) RESP() net.Addr {
	if s.listeners.resp == nil {
		return nil
	}
	return s.listeners.resp.Addr()
}

// Gate returns the gate of both planes.
func (s *Server) Gate() *access.Gate { return s.gate }

// Serve answers until Shutdown, and returns nil then. When one listener cannot go on, the others are closed too.
func (s *Server) Serve() error {
	if s.listeners.data == nil {
		panic("BUG: server: Serve before Listen")
	}
	var wg sync.WaitGroup
	var faults [3]error
	if s.resp != nil {
		wg.Go(func() {
			if err := s.resp.Serve(s.listeners.resp); err != nil && !s.draining.Load() {
				faults[2] = fmt.Errorf("server: the RESP front stopped: %w", err)
				_, _ = s.listeners.data.Close(), s.http.Close()
			}
		})
	}
	wg.Go(func() {
		err := s.data.Serve(s.listeners.data)
		if s.draining.Load() {
			return
		}
		if err == nil {
			err = net.ErrClosed // fasthttp takes the end of its listener for a shutdown
		}
		faults[0] = fmt.Errorf("server: the data plane stopped: %w", err)
		_ = s.http.Close()
		s.closeRESP()
	})
	wg.Go(func() {
		err := s.http.Serve(s.listeners.control)
		if errors.Is(err, http.ErrServerClosed) {
			return
		}
		faults[1] = fmt.Errorf("server: the control plane stopped: %w", err)
		_ = s.listeners.data.Close()
		s.closeRESP()
	})
	wg.Wait()
	return errors.Join(faults[:]...)
}

// Shutdown ends Serve: readiness off, drain, close. What is not finished when ctx ends is cut off, and that is an error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	if s.options.DrainDelay > 0 {
		s.pause(ctx, s.options.DrainDelay)
	}
	var faults []error
	if err := s.data.Shutdown(ctx); err != nil {
		faults = append(faults, fmt.Errorf("server: %w", err))
	}
	if s.resp != nil {
		s.closeRESP()
		if err := s.resp.Shutdown(ctx); err != nil {
			faults = append(faults, fmt.Errorf("server: %w", err))
		}
	}
	// A Serve that comes only now finds its listener closed. (net/http remembers by itself.)
	if s.listeners.data != nil {
		_ = s.listeners.data.Close()
	}
	s.giveUp()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		faults = append(faults, fmt.Errorf("server: the control plane was cut off: %w", err))
	}
	return errors.Join(faults...)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *Server) closeRESP() {
	if s.listeners.resp != nil {
		_ = s.listeners.resp.Close()
	}
}
