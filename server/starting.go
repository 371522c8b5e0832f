package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Starting answers on a node's two addresses while the node reads its checkpoint and replays its log: it is alive, it is
// not ready, and nothing else. A replay of gigabytes takes seconds, in which a load balancer should read "not ready" and
// not guess at a refused connection; and an address that is taken is found before the replay and not after it.
//
// It knows nothing that could be told to strangers, so it needs neither keys nor TLS to listen beyond loopback: whether
// the node itself may is decided when the planes take its listeners over.
type Starting struct {
	detail    atomic.Pointer[string]
	listeners struct{ data, control *kept }
	servers   [2]*http.Server
	ended     chan struct{} // one value for each server that has returned
}

// Start listens on both addresses, or on none, and answers until Listen or Close.
func Start(o Options) (*Starting, error) {
	o = o.withDefaults()
	conf, err := loadTLS(o.TLSCert, o.TLSKey)
	if err != nil {
		return nil, err
	}
	s := &Starting{ended: make(chan struct{}, 2)}
	s.Say("The node is starting: it reads its checkpoint and replays its log.")
	if s.listeners.data, err = keep(dataPlane(&o)); err != nil {
		return nil, err
	}
	if s.listeners.control, err = keep(controlPlane(&o)); err != nil {
		_ = s.listeners.data.TCPListener.Close()
		return nil, err
	}
	for i, k := range []*kept{s.listeners.data, s.listeners.control} {
		s.servers[i] = &http.Server{
			Handler: http.HandlerFunc(s.answer), ReadHeaderTimeout: startingTimeout, ReadTimeout: startingTimeout,
			WriteTimeout: startingTimeout, MaxHeaderBytes: 16 << 10,
		}
		var ln net.Listener = k
		if conf != nil {
			ln = tls.NewListener(k, conf)
		}
		go func() {
			_ = s.servers[i].Serve(ln) // ends by Shutdown only: its listener is ours
			s.ended <- struct{}{}
		}()
	}
	return s, nil
}

const (
	startingTimeout = 5 * time.Second // bounds every step of a connection here
	// handover bounds how long a node that is ready waits for answers under way. A connection on which nothing was
	// asked yet is closed then: its request could only be told to come again.
	handover = 200 * time.Millisecond
	// acceptEvery paces new connections: a crowd that asks again and again must not take the processor from the replay.
	// Whoever is not accepted waits in the listener's queue, and is served by the planes.
	acceptEvery = 5 * time.Millisecond
)

// Say changes what callers are told while the node starts.
func (s *Starting) Say(detail string) { s.detail.Store(&detail) }

// answer answers everything but GET /livez with 503. Connections close: the next request finds the planes.
func (s *Starting) answer(rw http.ResponseWriter, req *http.Request) {
	head := rw.Header()
	head.Set("Connection", "close")
	if req.URL.Path == "/livez" && req.Method == http.MethodGet {
		head.Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{"live":true}`))
		return
	}
	head.Set("Content-Type", "application/problem+json")
	head.Set("Retry-After", "1")
	rw.WriteHeader(problem.NoLeader.Info().Status)
	_, _ = rw.Write(render.AppendProblem(nil, &render.Problem{
		Code: problem.NoLeader, Detail: *s.detail.Load(),
	}))
}

// take ends the answers and hands the listeners over, still open: callers that wait in their queues are served by whoever
// takes them.
func (s *Starting) take() (data, control *net.TCPListener) {
	for _, h := range s.servers {
		ctx, cancel := context.WithTimeout(context.Background(), handover)
		if h.Shutdown(ctx) != nil {
			_ = h.Close()
		}
		cancel()
	}
	for range s.servers {
		<-s.ended
	}
	for _, k := range []*kept{s.listeners.data, s.listeners.control} {
		_ = k.SetDeadline(time.Time{})
	}
	return s.listeners.data.TCPListener, s.listeners.control.TCPListener
}

// API returns the address of the data plane.
func (s *Starting) API() net.Addr { return s.listeners.data.Addr() }

// Close ends the answers and closes both addresses.
func (s *Starting) Close() {
	data, control := s.take()
	_ = data.Close()
	_ = control.Close()
}

// kept is a listener that outlives the server on it: closing it only ends a pending Accept.
type kept struct {
	*net.TCPListener
	left chan struct{} // closed by Close
	once sync.Once
}

func keep(p plane) (*kept, error) {
	ln, err := p.open()
	if err != nil {
		return nil, err
	}
	return &kept{TCPListener: ln, left: make(chan struct{})}, nil
}

// Accept returns the next connection until Close, at its pace.
func (k *kept) Accept() (net.Conn, error) {
	select {
	case <-time.After(acceptEvery):
	case <-k.left:
		return nil, net.ErrClosed
	}
	c, err := k.TCPListener.Accept()
	if err == nil {
		return c, nil
	}
	select {
	case <-k.left:
		return nil, net.ErrClosed
	default:
		return nil, err
	}
}

// Close ends Accept and leaves the address open.
func (k *kept) Close() error {
	k.once.Do(func() { close(k.left) })
	return k.SetDeadline(time.Unix(1, 0))
}
