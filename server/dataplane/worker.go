package dataplane

import (
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// worker is what one request needs while it is handled. It is pooled: a request borrows it and gives it back without any
// reference to what it was asked.
type worker struct {
	server *Server
	http   *fasthttp.RequestCtx // use sent and response
	conn   *conn
	head   *head
	now    time.Time
	place  place
	grant  access.Grant

	asker   access.Request
	scanner scanner
	body    drawBody
	command engine.Draw
	who     asking
	batch   *engine.Batch
	answer  render.Answer
	records []byte // read back from storage
	asked   engine.Hit
	helping engine.Help
	unit    unitWork      // of a request about pools, holds and takes
	told    engine.Record // decoded: kept for its memory

	problem   render.Problem
	facts     render.Facts // of the request id of a refusal
	requestID []byte
	buf       []byte // the answer; swapped with the response's own buffer
	number    []byte
	own       fasthttp.RequestCtx // of requests on the short lane
	short     bool                // the request is one of those: status, kind and index are written without fasthttp
	came      []byte              // the body of such a request
	filled    bool                // there is something in own.Response
	status    int                 // 0: the handler filled own.Response itself
	kind      string
	index     uint64          // for Drawd-Index; 0: none
	leader    string          // for Drawd-Leader; empty: none
	seen      engine.LogIndex // of a read: what it shows at least; 0: not a read of state
	out       []byte          // the whole answer

	wait int // seconds to say in Retry-After; 0 for a few
}

func newWorker(s *Server) *worker {
	w := &worker{server: s, batch: new(engine.Batch)}
	w.answer.IDs = s.options.Engine
	w.resetOwn()
	return w
}

// handle serves one request. A panic here is ours, but not of what decides: that runs elsewhere, and ends the process.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	w := s.workers.Get().(*worker)
	done := false
	defer func() {
		if !done {
			s.recovered(ctx, w, recover())
		}
	}()
	w.begin(ctx, ctx.Conn().(*conn))
	w.serve()
	w.end()
	done = true
}

// recovered answers a request whose handler panicked. The worker is not used again: nobody knows what state it is in.
func (s *Server) recovered(ctx *fasthttp.RequestCtx, w *worker, why any) {
	s.figures.panics.Inc()
	route := w.place.route
	fresh := newWorker(s)
	fresh.begin(ctx, nil)
	fresh.place.route = route
	ctx.Response.Reset()
	fresh.refuse(problem.Internal, "")
	ctx.SetConnectionClose()
	s.options.Logger.Error("a handler panicked", "panic", why, "route", routing[route].name, "request_id", string(fresh.requestID), "stack", string(debug.Stack()))
}

// begin takes a request. c is nil when nothing is known of it.
func (w *worker) begin(ctx *fasthttp.RequestCtx, c *conn) {
	w.http, w.conn = ctx, c
	if c != nil {
		w.head = &c.head
	}
	if now := w.server.options.Now; now != nil {
		w.now = now()
	} else if w.now = ctx.Time(); c == nil || w.now.IsZero() {
		w.now = time.Now()
	}
}

// end gives the worker back.
func (w *worker) end() {
	w.http, w.conn, w.head = nil, nil, nil
	w.filled = false
	w.place, w.grant, w.asker, w.command = place{}, access.Grant{}, access.Request{}, engine.Draw{}
	w.body.begin()
	w.who.end()
	w.scanner.forget()
	w.answer.Campaign, w.answer.Records = nil, nil
	w.asked.UserID, w.helping = nil, engine.Help{}
	if w.unit.used {
		w.unit.forget()
	}
	w.problem, w.facts, w.wait, w.seen = render.Problem{}, render.Facts{}, 0, 0
	w.server.workers.Put(w)
}

// sent returns the body of the request.
func (w *worker) sent() []byte {
	if w.short {
		return w.came
	}
	return w.http.Request.Body()
}

// response returns what the answer is put into, when it has more than a status, a type, Drawd-Index and a body.
func (w *worker) response() *fasthttp.Response {
	w.filled = true
	return &w.http.Response
}

// serve answers the request.
func (w *worker) serve() {
	if fault := w.conn.fault; fault != problem.OK {
		w.response().SetConnectionClose()
		w.refuse(fault, "")
		return
	}
	if w.server.draining.Load() {
		w.response().SetConnectionClose()
	}
	if w.head.http10 && !w.head.close {
		w.response().Header.Set("Connection", "keep-alive") // HTTP/1.0 wants to hear it
	}
	w.place = find(w.head.path)
	if w.place.route == routeHold && w.head.method != methodPost {
		w.place.route = routeHolds // the one path that is both made into and listed
	}
	about := &routing[w.place.route]
	if w.place.route == routeNone {
		w.refuse(problem.NotFound, "")
		return
	}
	if about.post != (w.head.method == methodPost) || w.head.method == methodOther {
		w.notAllowed(about.post)
		return
	}
	if w.head.query != nil && !w.takesQuery() {
		return
	}
	if !about.open && !(w.admitted(about.scope) && w.current()) {
		return
	}
	if !w.head.accepts(w.answers()) {
		w.refuse(problem.NotAcceptable, "")
		return
	}
	w.dispatch()
}

// answers returns the subtype of the form in which the request is answered.
func (w *worker) answers() string {
	switch {
	case w.place.route == routeBatch && w.head.content == contentBatch:
		return "vnd.drawd.batch"
	case w.place.route == routeReady && w.head.query != nil:
		return "*" // text
	}
	return "json"
}

func (w *worker) dispatch() {
	switch w.place.route {
	case routeDraws:
		w.draw()
	case routeBatch:
		w.drawBatch()
	case routeDraw:
		w.readDraw()
	case routeUser:
		w.readUser()
	case routeUserDraws:
		w.listDraws()
	case routeKey:
		w.readKey()
	case routeAbandon:
		w.abandon()
	case routeClaim:
		w.claim()
	case routeCampaign:
		w.readCampaign()
	case routeStock:
		w.readStock()
	case routeGrant, routePurseGrant:
		w.grantChances()
	case routeRevoke, routePurseRevoke:
		w.revokeChances()
	case routePurse:
		w.readPurse()
	case routeHelp:
		w.help()
	case routeUserHelps:
		w.listHelps()
	case routePool, routeTake, routeHold, routeHolds, routeOneHold, routeConfirm, routeRelease, routeExtend, routeVoidHold,
		routeOneTake, routeVoidTake, routeOwnerKey:
		w.dispatchUnits()
	case routeHit:
		w.hit()
	case routeFatigue:
		w.readFatigue()
	case routeLive:
		w.live()
	case routeReady:
		w.ready()
	case routeVersion:
		w.version()
	}
}

// admitted asks the gate, and refuses for it.
func (w *worker) admitted(need access.Scope) bool {
	h := w.head
	w.asker = access.Request{
		Now: w.now, Peer: w.conn.peer, Authorization: h.authorization, Host: h.host, Origin: h.origin,
		Namespace: h.namespace, Proxied: h.proxied,
	}
	grant, refusal := w.server.options.Gate.Check(&w.asker, need)
	if refusal.Code == problem.OK && w.place.campaign != nil && !grant.AllowsCampaign(w.place.campaign) {
		refusal = access.Refusal{Code: problem.Forbidden}
	}
	if refusal.Code == problem.Unauthenticated && h.authorization == nil && w.place.route == routeDraws {
		w.who.alone = true // a ticket may speak for it
		return true
	}
	if refusal.Code != problem.OK {
		if refusal.Code == problem.Unauthenticated {
			w.response().Header.Set("WWW-Authenticate", "Bearer")
		}
		w.wait = refusal.RetryAfter
		w.refuse(refusal.Code, refusal.Detail())
		return false
	}
	w.grant = grant
	// Codes are for who draws, and for admins.
	w.answer.Masked = !grant.Has(access.ScopeDraw | access.ScopeAdmin)
	return true
}

func (w *worker) takesQuery() bool {
	name, stray := strayParam(w.head.query, w.place.route)
	if stray {
		f := render.FieldError{Code: whats[isUnknown].code, Message: "There is no such query parameter, or it stands there twice."}
		if len(name) <= maxToldName && isPlainName(name) {
			f.Pointer = "/" + string(name)
		}
		w.problem.Errors = append(w.problem.Errors, f)
		w.refuse(problem.UnknownField, "")
	}
	return !stray
}

func (w *worker) notAllowed(post bool) {
	allow := "GET, HEAD"
	switch {
	case w.place.route == routeHolds:
		allow = "GET, HEAD, POST"
	case post:
		allow = "POST"
	}
	w.response().Header.Set("Allow", allow)
	w.refuse(problem.MethodNotAllowed, "")
}

// campaign finds the campaign in the path, or refuses.
func (w *worker) campaign() (*engine.Campaign, bool) {
	c, refused := w.grant.Campaign(w.place.campaign)
	return c, w.allowed(&refused)
}

// pool finds a pool of the namespace, or refuses.
func (w *worker) pool(id []byte) (*engine.Pool, bool) {
	p, refused := w.grant.Pool(id)
	return p, w.allowed(&refused)
}

// allowed refuses for the gate, or reports that it does not.
func (w *worker) allowed(r *access.Refusal) bool {
	if r.Code != problem.OK {
		w.refuse(r.Code, r.Detail())
	}
	return r.Code == problem.OK
}

// invalid refuses a request with one bad field.
func (w *worker) invalid(pointer, code, message string) {
	w.problem.Errors = append(w.problem.Errors, render.FieldError{Pointer: pointer, Code: code, Message: message})
	w.refuse(problem.InvalidField, "")
}

// refuse answers with a problem.
func (w *worker) refuse(code problem.Code, detail string) {
	w.problem.Code, w.problem.Detail = code, detail
	w.newRequestID()
	w.sendProblem()
}

// failed answers for an error of the decider.
func (w *worker) failed(err error) {
	refusal := refusalOf(err)
	if mutant.On(mutant.UnknownIsNone) && refusal.Code == problem.UnknownOutcome {
		refusal = problem.New(problem.Overloaded, refusal.Detail)
	}
	if refusal.Code == problem.Internal && w.batch.Index > w.server.options.Engine.AppliedIndex() {
		// The leader has decided it, and this node lags so far that it cannot tell it.
		w.server.figures.unknown.Inc()
		w.refuse(problem.UnknownOutcome, "It was decided, and this node has not applied that yet: ask again with the same key.")
		return
	}
	if refusal.Code == problem.Internal {
		w.server.options.Logger.Error("a request failed", "route", routing[w.place.route].name, "error", err)
	}
	w.problem.Undone = refusal.Undone
	w.refuse(refusal.Code, refusal.Detail)
}

// sendProblem answers with w.problem.
func (w *worker) sendProblem() {
	info := w.problem.Code.Info()
	if w.who.public {
		w.sendPublic(info)
		return
	}
	if info.Status == 429 || info.Status == 503 {
		w.retryAfter()
	}
	w.server.figures.problems[w.problem.Code].Inc()
	w.buf = render.AppendProblem(w.buf[:0], &w.problem)
	w.send(info.Status, typeProblem)
}

// newRequestID makes the request id of w.problem.
func (w *worker) newRequestID() {
	w.facts.Code, w.facts.Seconds = w.problem.Code, w.now.Unix()
	w.facts.Index = w.server.options.Engine.AppliedIndex()
	w.requestID = w.server.sealer.Append(w.requestID[:0], &w.facts)
	w.problem.RequestID = w.requestID
}

// Bounds of Retry-After where nobody knows better, in seconds. At random between them: whoever was refused together must
// not come back together.
const (
	retryAfterLeast = 1
	retryAfterMost  = 5
)

func (w *worker) retryAfter() {
	seconds := w.wait
	if seconds == 0 {
		seconds = retryAfterLeast + rand.IntN(retryAfterMost-retryAfterLeast+1)
	}
	w.number = strconv.AppendInt(w.number[:0], int64(seconds), 10)
	w.response().Header.SetBytesV("Retry-After", w.number)
}

// send answers with w.buf.
func (w *worker) send(status int, kind string) {
	leader := w.leaderAPI()
	if w.short {
		w.status, w.kind, w.leader = status, kind, leader
		w.server.figures.answered(w.place.route, status)
		return
	}
	r := w.response()
	if leader != "" {
		r.Header.Set("Drawd-Leader", leader)
	}
	r.SetStatusCode(status)
	r.Header.SetContentType(kind)
	w.buf = r.SwapBody(w.buf)
	w.server.figures.answered(w.place.route, status)
}
