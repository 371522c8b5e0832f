package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// Server is the data plane.
type Server struct {
	options Options
	http    *fasthttp.Server
	sealer  *render.Sealer
	figures *figures
	users   access.Users
	odds    pageOdds

	// How often those who come by a ticket alone may ask, from one address and for one user.
	addresses, people *access.Crowd
	workers           sync.Pool // of *worker
	batches           sync.Pool // of *batchWork

	// coarse is a clock in milliseconds that the sweeper moves: what only bounds waiting is not worth reading the real one.
	coarse   atomic.Int64
	draining atomic.Bool
	full     []byte // the answer to a connection that is one too many

	open struct {
		sync.Mutex
		conns    []*conn
		serve    int // Serve calls under way
		sweeping bool
	}
}

// New returns a Server.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{options: o.withDefaults()}
	s.sealer = render.NewSealer(o.Engine, o.Node)
	s.figures = newFigures(s.options.Metrics, s.connections)
	s.addresses, s.people = access.NewCrowd(s.options.AddressRate), access.NewCrowd(s.options.UserRate)
	s.workers.New = func() any { return newWorker(s) }
	s.batches.New = func() any { return &batchWork{batch: new(engine.Batch), patience: maxPatience} }
	s.coarse.Store(1)
	s.full = s.fullAnswer()
	s.http = &fasthttp.Server{
		Handler:      s.handle,
		ErrorHandler: s.handleError,
		Logger:       quiet{s.options.Logger},

		// The connection cap, the timeouts and the bounds of heads and bodies are kept by conn and listener. fasthttp's
		// own cost two or three timers a request, and it answers them in plain text.
		Concurrency:        s.options.MaxConnections + 1,
		ReadBufferSize:     s.options.MaxHeaderBytes + headSlack,
		MaxRequestBodySize: max(s.options.MaxBatchBody, s.options.MaxUnaryBody),

		NoDefaultServerHeader:         true,
		NoDefaultDate:                 true,
		NoDefaultContentType:          true,
		DisableHeaderNamesNormalizing: true,
		DisablePreParseMultipartForm:  true,
		SecureErrorLogMessage:         true,
		CloseOnShutdown:               true,
	}
	return s, nil
}

// Serve answers on ln until Shutdown, and closes it.
func (s *Server) Serve(ln net.Listener) error {
	s.startSweeper()
	defer s.endServe()
	if err := s.http.Serve(&listener{Listener: ln, server: s}); err != nil && !s.draining.Load() {
		return fmt.Errorf("dataplane: serve: %w", err)
	}
	return nil
}

// Shutdown stops taking connections, lets the requests that are here end, and closes. Idle connections are closed at
// once. When ctx ends first, what is left is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	for _, c := range s.snapshot(nil) {
		if c.until.Load()&1 == 1 {
			c.expire()
		}
	}
	err := s.http.ShutdownWithContext(ctx)
	if err != nil {
		for _, c := range s.snapshot(nil) {
			_ = c.Conn.Close()
		}
		return fmt.Errorf("dataplane: shutdown: %w", err)
	}
	return nil
}

// connections returns how many are open.
func (s *Server) connections() int {
	s.open.Lock()
	defer s.open.Unlock()
	return len(s.open.conns)
}

// snapshot appends the open connections to dst.
func (s *Server) snapshot(dst []*conn) []*conn {
	s.open.Lock()
	defer s.open.Unlock()
	return append(dst, s.open.conns...)
}

// adopt takes a connection in, or reports that there are too many.
func (s *Server) adopt(nc net.Conn) (*conn, bool) {
	c := &conn{Conn: nc, server: s, peer: peerOf(nc)}
	s.open.Lock()
	defer s.open.Unlock()
	if len(s.open.conns) >= s.options.MaxConnections {
		return nil, false
	}
	c.place = len(s.open.conns)
	s.open.conns = append(s.open.conns, c)
	return c, true
}

// forget drops a connection. It may be called twice.
func (s *Server) forget(c *conn) {
	s.open.Lock()
	defer s.open.Unlock()
	last := len(s.open.conns) - 1
	if c.place < 0 {
		return
	}
	moved := s.open.conns[last]
	s.open.conns[c.place], moved.place = moved, c.place
	s.open.conns[last] = nil
	s.open.conns = s.open.conns[:last]
	c.place = -1
}

// peerOf returns the address of the other side. A peer on a Unix socket is on this machine.
func peerOf(nc net.Conn) netip.Addr {
	switch a := nc.RemoteAddr().(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr()
	case *net.UnixAddr:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.Addr{}
}

// sweepEvery is how often waiting is looked at, and so how late a timeout may be.
func (s *Server) sweepEvery() time.Duration {
	o := &s.options
	return max(min(100*time.Millisecond, o.ReadTimeout/8, o.WriteTimeout/8, o.IdleTimeout/8), time.Millisecond)
}

// startSweeper counts a Serve call, and starts the sweeper for the first one.
func (s *Server) startSweeper() {
	s.open.Lock()
	defer s.open.Unlock()
	s.open.serve++
	if !s.open.sweeping {
		s.open.sweeping = true
		go s.sweep()
	}
}

func (s *Server) endServe() {
	s.open.Lock()
	defer s.open.Unlock()
	s.open.serve--
}

// idle reports whether there is nothing left to sweep, and then counts the sweeper as ended.
func (s *Server) idle() bool {
	s.open.Lock()
	defer s.open.Unlock()
	s.open.sweeping = s.open.serve > 0 || len(s.open.conns) > 0
	return !s.open.sweeping
}

// sweep moves the coarse clock and gives up what waits for too long. One goroutine for all connections; it ends after the
// last of them.
func (s *Server) sweep() {
	ticker := time.NewTicker(s.sweepEvery())
	defer ticker.Stop()
	began, base := time.Now(), s.coarse.Load()
	var conns []*conn
	for range ticker.C {
		now := base + time.Since(began).Milliseconds()
		s.coarse.Store(now)
		conns = s.snapshot(conns[:0])
		for _, c := range conns {
			c.sweep(now)
		}
		clear(conns)
		if s.idle() {
			return
		}
	}
}

// listener takes connections for a Server.
type listener struct {
	net.Listener
	server *Server
}

// fullTimeout bounds the answer to a connection that is one too many: it is written by the accepting goroutine, into an
// empty socket buffer, so it does not block.
const fullTimeout = 100 * time.Millisecond

// Accept returns the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c, ok := l.server.adopt(nc); ok {
			return c, nil
		}
		l.server.figures.overflow.Inc()
		_ = nc.SetWriteDeadline(time.Now().Add(fullTimeout))
		_, _ = nc.Write(l.server.full)
		_ = nc.Close()
	}
}

// handleError answers what fasthttp could not read: a body that did not come, or came too late. Heads are refused by conn.
func (s *Server) handleError(ctx *fasthttp.RequestCtx, err error) {
	code := problem.BadFraming
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		code = problem.RequestTimeout
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		code = problem.BodyTooLarge
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.figures.cut.Inc()
	}
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger.Store(true)
	}
	w := s.workers.Get().(*worker)
	w.begin(ctx, nil)
	w.refuse(code, "")
	w.end()
}

// quiet takes what fasthttp logs: about single connections, without their content.
type quiet struct{ logger *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.logger.Debug("data plane connection", "event", fmt.Sprintf(format, args...))
}

// fullAnswer makes the answer to a connection that is one too many. It is made once: its request id tells the time of the
// start, which is as good as any for a request that was never read.
func (s *Server) fullAnswer() []byte {
	p := render.Problem{
		Code: problem.Overloaded, Detail: "The node serves as many connections as Options.MaxConnections allows.",
	}
	p.RequestID = s.sealer.Append(nil, &render.Facts{Code: p.Code, Seconds: time.Now().Unix()})
	body := render.AppendProblem(nil, &p)
	head := "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + typeProblem + "\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: "
	return append([]byte(head+strconv.Itoa(len(body))+"\r\n\r\n"), body...)
}
