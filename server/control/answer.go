package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Media types of requests and answers.
const (
	typeJSON    = "application/json"
	typeYAML    = "application/yaml"
	typeLines   = "application/x-ndjson"
	typeProblem = "application/problem+json"
)

// refusal is a problem with a detail for a person; an empty detail means the code's title.
func refusal(code problem.Code, detail string) *render.Problem {
	return &render.Problem{Code: code, Detail: detail}
}

// refuse answers with a problem.
func (x *exchange) refuse(p *render.Problem) {
	plane := x.plane
	info := p.Code.Info()
	if c := plane.metrics.problems[p.Code]; c != nil {
		c.Inc()
	}
	facts := render.Facts{Code: p.Code, Index: plane.Engine.AppliedIndex(), Seconds: x.now.Unix()}
	if x.grant.Namespace != nil {
		if c, ok := x.grant.Namespace.Campaign([]byte(x.params.campaign)); ok {
			facts.Campaign = c.Ref()
		}
	}
	p.RequestID = plane.Sealer.Append(nil, &facts)
	h := x.Header()
	h.Set("Content-Type", typeProblem)
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	if info.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", itoa(1+rand.IntN(2)))
	}
	x.WriteHeader(info.Status)
	_, _ = x.Write(append(render.AppendProblem(nil, p), '\n')) // a client that went away needs no answer
}

// undecided turns an error of Decide into a problem.
func (x *exchange) undecided(err error) *render.Problem {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		p := refusal(e.Code, e.Detail)
		p.Undone = e.Undone
		return p
	}
	x.plane.Logger.Error("a command came back with an unexpected error", "route", x.pattern(), "error", err)
	return refusal(problem.Internal, "")
}

// broken is the refusal for a fault of ours that was found before anything was proposed or after it was decided.
func (x *exchange) broken(what string, err error) *render.Problem {
	if e, ok := errors.AsType[*problem.Error](err); ok { // records that this node has not been given yet
		return refusal(e.Code, e.Detail)
	}
	x.plane.Logger.Error(what, "route", x.pattern(), "error", err)
	return refusal(problem.Internal, "")
}

// answer writes v as JSON.
func (x *exchange) answer(status int, v any) *render.Problem {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return x.broken("an answer cannot be encoded", err)
	}
	x.answerBytes(status, typeJSON, b.Bytes())
	return nil
}

func (x *exchange) answerBytes(status int, kind string, b []byte) {
	h := x.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", itoa(len(b)))
	x.WriteHeader(status)
	_, _ = x.Write(b) // a client that went away needs no answer
}

// accepts picks the first of the types that the Accept header allows; empty for none of them.
func accepts(r *http.Request, kinds ...string) string {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return kinds[0]
	}
	for _, kind := range kinds {
		main, _, _ := strings.Cut(kind, "/")
		for accepted := range strings.SplitSeq(strings.Join(values, ","), ",") {
			name, params, _ := strings.Cut(accepted, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if (name == kind || name == "*/*" || name == main+"/*") && !refusedQuality(params) {
				return kind
			}
		}
	}
	return ""
}

// refusedQuality reports whether the parameters of an accepted type are "q=0": it is not accepted.
func refusedQuality(params string) bool {
	q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=0")
	return ok && strings.Trim(q, ".0") == ""
}

// stamp is a log time in an answer.
type stamp engine.UnixMilli

// MarshalJSON returns RFC 3339 in UTC with milliseconds.
func (s stamp) MarshalJSON() ([]byte, error) { return render.AppendTime(nil, engine.UnixMilli(s)), nil }

// fieldErrors turns the faults of a file into those of a problem.
func fieldErrors(faults []campaignfile.Fault) []render.FieldError {
	out := make([]render.FieldError, 0, len(faults))
	for _, f := range faults {
		out = append(out, render.FieldError{Pointer: f.Pointer, Code: f.Code.String(), Message: f.Message, Line: f.Line, Column: f.Column})
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }
