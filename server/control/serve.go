package control

import (
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// Bounds of a request.
const (
	MaxBodyBytes = 1 << 20
	maxHeaders   = 64
	// answerTime is how long an answer may take to be read by the client after its handler began or had the body. Sockets know one clock, so
	// deadlines are by time.Now whatever Options.Now says.
	answerTime = 30 * time.Second
)

// exchange is one request and its answer.
type exchange struct {
	http.ResponseWriter
	plane   *Plane
	request *http.Request
	route   *route
	grant   access.Grant
	params  params
	now     time.Time
	status  int // 0 until the header was written
}

// WriteHeader remembers the status.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write is an answer of 200 unless the header was written.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// ServeHTTP answers one request.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, plane: p, request: r, now: p.Now()}
	defer x.finish()
	x.answerWithin(answerTime)
	if refusal := x.serve(); refusal != nil {
		x.refuse(refusal)
	}
}

// answerWithin bounds, from now on, how long the answer may take to be written.
func (x *exchange) answerWithin(d time.Duration) {
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(d))
}

// serve admits the request, finds its route and runs the handler, or says why not.
func (x *exchange) serve() *render.Problem {
	if refusal := x.checkFraming(); refusal != nil {
		return refusal
	}
	path, _, _ := strings.Cut(x.request.RequestURI, "?")
	route, allowed := x.plane.find(x.request.Method, path, &x.params)
	if route == nil && len(allowed) > 0 {
		x.Header().Set("Allow", strings.Join(allowed, ", "))
		return refusal(problem.MethodNotAllowed, "")
	}
	if route == nil {
		return refusal(problem.NotFound, "")
	}
	x.route = route
	if route.need != 0 {
		if refusal := x.admit(); refusal != nil {
			return refusal
		}
	}
	if !route.other && accepts(x.request, typeJSON) == "" {
		return refusal(problem.NotAcceptable, "There is "+typeJSON+" only.")
	}
	return route.handle(x.plane, x)
}

// checkFraming refuses what could be read in two ways. net/http has refused the rest.
func (x *exchange) checkFraming() *render.Problem {
	r := x.request
	if len(r.TransferEncoding) > 0 {
		x.Header().Set("Connection", "close")
		return refusal(problem.LengthRequired, "")
	}
	headers := 0
	for _, values := range r.Header {
		headers += len(values)
	}
	switch {
	case headers > maxHeaders:
		x.Header().Set("Connection", "close")
		return refusal(problem.HeadersTooLarge, "At most 64 headers.")
	case !strings.HasPrefix(r.RequestURI, "/"):
		return refusal(problem.BadFraming, "The request target must be a path.")
	case (r.Method == "GET" || r.Method == "HEAD") && r.ContentLength != 0:
		x.Header().Set("Connection", "close")
		return refusal(problem.BadFraming, "A GET request has no body.")
	case r.ContentLength > MaxBodyBytes:
		x.Header().Set("Connection", "close")
		return refusal(problem.BodyTooLarge, "At most 1 MiB.")
	case len(r.Header.Values("Drawd-Namespace")) > 1:
		return refusal(problem.BadFraming, "Drawd-Namespace may be given once.")
	}
	return nil
}

// admit asks the gate, and then what a key's limits leave of the route.
func (x *exchange) admit() *render.Problem {
	r := x.request
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	q := access.Request{Now: x.now, Peer: peer.Addr(), Host: []byte(r.Host), Origin: header(r, "Origin"), Namespace: header(r, "Drawd-Namespace")}
	switch values := r.Header.Values("Authorization"); len(values) {
	case 0:
	case 1:
		q.Authorization = []byte(values[0])
	default:
		q.Authorization = []byte{} // two keys are none
	}
	for name := range r.Header {
		q.Proxied = q.Proxied || access.IsProxyHeader([]byte(name))
	}
	grant, refused := x.plane.Gate.Check(&q, x.route.need)
	if refused.Code != problem.OK {
		return x.refusedBy(&refused)
	}
	x.grant = grant
	// A browser sends no key by itself, but it does reach loopback: a page of another origin gets nothing here.
	if site := r.Header.Get("Sec-Fetch-Site"); !access.SameOrigin(q.Origin, q.Host) || site == "cross-site" || site == "same-site" {
		return refusal(problem.Forbidden, "Pages of another origin may not use the control plane.")
	}
	switch {
	case x.route.reach == reachCluster && !grant.ClusterWide():
		return refusal(problem.Forbidden, "This needs a key of the namespace default that is not limited to campaigns.")
	case x.route.reach == reachNamespace && grant.Limited():
		return refusal(problem.Forbidden, "The key is limited to campaigns.")
	case x.params.campaign != "" && !grant.AllowsCampaign([]byte(x.params.campaign)):
		return refusal(problem.Forbidden, "The key is limited to other campaigns.")
	}
	return nil
}

// header returns a header's value, nil when there is none.
func header(r *http.Request, name string) []byte {
	if values := r.Header.Values(name); len(values) > 0 {
		return []byte(values[0])
	}
	return nil
}

func (x *exchange) refusedBy(r *access.Refusal) *render.Problem {
	if r.Code == problem.Unauthenticated {
		x.Header().Set("WWW-Authenticate", `Bearer realm="drawd"`)
	}
	if r.RetryAfter > 0 {
		x.Header().Set("Retry-After", itoa(r.RetryAfter))
	}
	return refusal(r.Code, r.Detail())
}

// finish counts and logs the request, and answers for a handler that panicked.
func (x *exchange) finish() {
	p := x.plane
	if cause := recover(); cause != nil {
		if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this
			panic(cause)
		}
		p.metrics.panics.Inc()
		p.Logger.Error("a handler panicked", "cause", cause, "method", x.request.Method, "route", x.pattern(), "stack", string(debug.Stack()))
		if x.status != 0 {
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		}
		x.refuse(refusal(problem.Internal, ""))
	}
	p.metrics.count(x.route, x.status)
	p.metrics.seconds.Update(p.Now().Sub(x.now).Seconds())
	x.audit()
}

// audit logs every attempt to change something, refused or not. It names no more than the path: bodies hold secrets.
func (x *exchange) audit() {
	if x.route == nil || x.route.method == "GET" {
		return
	}
	actor, namespace := "", ""
	if x.grant.Namespace != nil {
		actor, namespace = x.grant.Actor(), x.grant.Namespace.Name()
	}
	x.plane.Logger.LogAttrs(x.request.Context(), slog.LevelInfo, "control",
		slog.String("method", x.route.method), slog.String("route", x.route.pattern), slog.String("campaign", x.params.campaign),
		slog.String("namespace", namespace), slog.String("actor", actor), slog.String("peer", x.request.RemoteAddr), slog.Int("status", x.status))
}

func (x *exchange) pattern() string {
	if x.route == nil {
		return ""
	}
	return x.route.pattern
}

// decide brings one command into the log. The batch must not be used after a refusal.
func (x *exchange) decide(b *engine.Batch) (*engine.Result, *render.Problem) {
	if err := x.plane.Decider.Decide(b); err != nil {
		return nil, x.undecided(err)
	}
	if len(b.Results) != 1 {
		panic("BUG: control: one command has one result")
	}
	r := &b.Results[0]
	if r.Code == problem.Conflict && r.Pending {
		return r, x.openRequest(uint32(r.Value))
	}
	if r.Code != problem.OK {
		return r, refusal(r.Code, "")
	}
	return r, nil
}
