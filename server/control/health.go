package control

import (
	"net/http"
	netpprof "net/http/pprof"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

func (p *Plane) livez(x *exchange) *render.Problem {
	return x.answer(http.StatusOK, struct {
		Live bool `json:"live"`
	}{true})
}

// readyz tells whether draws would be decided now. With ?verbose it is text, one line a check.
func (p *Plane) readyz(x *exchange) *render.Problem {
	q, refused := x.query("verbose")
	if refused != nil {
		return refused
	}
	if refused := q.refusal(); refused != nil {
		return refused
	}
	s := p.Node.Status()
	bad := s.firstBad()
	switch {
	case q.values.Has("verbose"):
		x.readyText(&s)
		return nil
	case bad == nil:
		return x.answer(http.StatusOK, struct {
			Ready  bool        `json:"ready"`
			Checks []checkView `json:"checks"`
		}{true, viewChecks(s.Checks)})
	}
	refused = refusal(bad.Code, bad.Message)
	for _, c := range s.Checks {
		if c.Code != problem.OK {
			refused.Errors = append(refused.Errors, render.FieldError{Code: c.Code.String(), Message: c.Name + ": " + c.Message})
		}
	}
	return refused
}

func (x *exchange) readyText(s *Status) {
	var b strings.Builder
	for _, c := range s.Checks {
		mark, message := "[+]", "ok"
		if c.Code != problem.OK {
			mark, message = "[-]", c.Message
		}
		b.WriteString(mark + c.Name + ": " + message + "\n")
	}
	status, line := http.StatusOK, "ready\n"
	if !s.Ready() {
		status, line = http.StatusServiceUnavailable, "not ready\n"
		x.Header().Set("Retry-After", "1")
	}
	b.WriteString(line)
	x.answerBytes(status, "text/plain; charset=utf-8", []byte(b.String()))
}

func (p *Plane) version(x *exchange) *render.Problem {
	return x.answer(http.StatusOK, struct {
		Version string `json:"version"`
		Commit  string `json:"commit"`
		Go      string `json:"go"`
		Level   uint32 `json:"level"`
	}{p.Build.Version, p.Build.Commit, p.Build.Go, p.Engine.Level()})
}

func (p *Plane) exposeMetrics(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	h := x.Header()
	h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	x.WriteHeader(http.StatusOK)
	for _, m := range p.Exposed {
		m.WritePrometheus(x)
	}
	metrics.WriteProcessMetrics(x)
	return nil
}

// maxProfile bounds how long a profile may run.
const maxProfile = 60 * time.Second

// profile serves the runtime's profiles.
func (p *Plane) profile(x *exchange) *render.Problem {
	q, refused := x.query("seconds", "debug", "gc")
	if refused != nil {
		return refused
	}
	seconds := q.number("seconds", 0, 1, int64(maxProfile.Seconds()))
	q.number("debug", 0, 0, 2)
	if refused := q.refusal(); refused != nil {
		return refused
	}
	// The CPU profile and the trace run for 30 s and 1 s unless told otherwise.
	x.answerWithin(answerTime + max(time.Duration(seconds)*time.Second, answerTime))
	x.Header().Set("Cache-Control", "no-store")
	switch name := x.params.profile; {
	case name == "":
		netpprof.Index(x, x.request)
	case name == "cmdline":
		netpprof.Cmdline(x, x.request)
	case name == "profile":
		netpprof.Profile(x, x.request)
	case name == "trace":
		netpprof.Trace(x, x.request)
	case pprof.Lookup(name) != nil:
		netpprof.Handler(name).ServeHTTP(x, x.request)
	default:
		return refusal(problem.NotFound, "There is no such profile; GET /debug/pprof/ lists them.")
	}
	return nil
}
