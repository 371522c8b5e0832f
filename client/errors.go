package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// Effect tells what a call did. The zero value is EffectNone.
type Effect uint8

// The effects.
const (
	EffectNone    Effect = Effect(problem.None)    // it changed nothing, and no copy of it is on its way
	EffectUnknown Effect = Effect(problem.Unknown) // it may or may not have been decided: ask again with the same key
	EffectApplied Effect = Effect(problem.Applied) // it was decided
)

// String returns the wire form of e.
func (e Effect) String() string { return problem.Effect(e).String() }

// EffectOf tells what the call that returned err did: EffectApplied for nil, what the error knows, EffectUnknown for an error
// that is not of this package.
func EffectOf(err error) Effect {
	var open *Unanswered
	var refused *Problem
	var code Code
	switch {
	case err == nil:
		return EffectApplied
	case errors.As(err, &open):
		return open.Effect
	case errors.As(err, &refused):
		return refused.Effect
	case errors.As(err, &code): // refused here, unsent
		return EffectNone
	}
	return EffectUnknown
}

// Problem is a refusal by the server, as it was answered (RFC 9457). errors.Is compares its code: errors.Is(err, ErrPaused).
type Problem struct {
	Op         string // what was called: "draw flash/u1"
	Key        Key    // under which, where there is one
	Status     int    // HTTP status
	Code       Code   // "" where the answer was not drawd's, or to a player's ticket
	PublicCode string // in an answer to a ticket alone: "limit_reached", "over", …
	Title      string
	Detail     string
	Effect     Effect // of the last send
	Retryable  bool   // the same call may succeed later, unchanged
	RequestID  string // what `drawd explain` opens
	RetryAfter time.Duration
	Errors     []FieldError
}

// FieldError is one fault in what was sent.
type FieldError struct {
	Pointer string `json:"pointer"` // RFC 6901
	Code    string `json:"code"`
	Message string `json:"message"`
	Line    int    `json:"line"` // of a YAML document, from 1; 0 for none
	Column  int    `json:"column"`
}

// Error tells all that a person needs, in one line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString("drawd: ")
	b.WriteString(p.Op)
	b.WriteString(": ")
	switch {
	case p.Code != "":
		b.WriteString(string(p.Code))
	case p.PublicCode != "":
		b.WriteString(p.PublicCode)
	default:
		fmt.Fprintf(&b, "status %d, not in drawd's form", p.Status)
	}
	if text := cmp.Or(p.Detail, p.Title); text != "" {
		b.WriteString(": " + strings.TrimSuffix(text, "."))
	}
	for _, e := range p.Errors {
		b.WriteString("; " + e.Pointer + ": " + strings.TrimSuffix(e.Message, "."))
	}
	if p.RequestID != "" {
		b.WriteString(" (request " + p.RequestID + ")")
	}
	return b.String()
}

// Is reports whether target is the problem's code.
func (p *Problem) Is(target error) bool {
	code, ok := target.(Code)
	return ok && p.Code != "" && code == p.Code
}

// Denial is a refusal that consumed nothing and is an answer, not a failure: a cap is reached, nothing is left, the campaign is
// paused. It is never sent again by this package. Its Problem is found by errors.As too.
type Denial struct {
	Problem

	Cap       string     // capped: the cap's id, "ns/<id>" above all campaigns
	Used      int64      // capped
	Limit     int64      // capped
	ResetsAt  *time.Time // capped: nil for never
	Allowed   int        // capped, no_chances: how many sub-draws would fit
	Remaining int64      // no_chances: what can be spent now
	Price     int64      // no_chances: of a draw
	StartsAt  time.Time  // not_started
	Now       time.Time  // not_started: the log's time that was compared
	MayReturn bool       // insufficient_stock: units are held and may come back
	State     string     // hold_finished: the hold's end state
}

// Error tells all that a person needs, in one line.
func (d *Denial) Error() string {
	text := d.Problem.Error()
	switch {
	case d.Cap != "" && d.ResetsAt != nil:
		text += fmt.Sprintf(" [cap %s: %d of %d, resets at %s]", d.Cap, d.Used, d.Limit, d.ResetsAt.Format(time.RFC3339))
	case d.Cap != "":
		text += fmt.Sprintf(" [cap %s: %d of %d, never resets]", d.Cap, d.Used, d.Limit)
	case d.State != "":
		text += " [" + d.State + "]"
	}
	return text
}

// Unwrap returns the problem.
func (d *Denial) Unwrap() error { return &d.Problem }

// Unanswered is a call that no answer settled: nobody was reached (EffectNone), or what was sent may have been decided
// (EffectUnknown; then errors.Is(err, ErrUnknownOutcome)). The same call with the same key is safe at any time.
type Unanswered struct {
	Op       string
	Key      Key // under which it was sent, where there is one
	Effect   Effect
	Attempts int   // sends
	Err      error // why the last one failed: of the network, of the context, or a *Problem
}

// Error tells what is known, and what to do about it.
func (u *Unanswered) Error() string {
	text := fmt.Sprintf("drawd: %s: no answer after %d sends, effect %s", u.Op, u.Attempts, u.Effect)
	if u.Effect == EffectUnknown && u.Key != "" {
		text += " (ask again with the key " + string(u.Key) + ")"
	}
	return text + ": " + u.Err.Error()
}

// Unwrap returns why the last send failed.
func (u *Unanswered) Unwrap() error { return u.Err }

// Is reports whether target is ErrUnknownOutcome and the effect is unknown.
func (u *Unanswered) Is(target error) bool {
	return u.Effect == EffectUnknown && target == ErrUnknownOutcome
}

// wireProblem is a problem as it is answered.
type wireProblem struct {
	Status     int          `json:"status"`
	Code       Code         `json:"code"`
	PublicCode string       `json:"public_code"`
	Title      string       `json:"title"`
	Detail     string       `json:"detail"`
	Effect     string       `json:"effect"`
	Retryable  bool         `json:"retryable"`
	RequestID  string       `json:"request_id"`
	Errors     []FieldError `json:"errors"`

	Cap       string     `json:"cap"`
	Used      int64      `json:"used"`
	Limit     int64      `json:"limit"`
	ResetsAt  *time.Time `json:"resets_at"`
	Allowed   int        `json:"allowed"`
	Remaining int64      `json:"remaining"`
	Price     int64      `json:"price"`
	StartsAt  time.Time  `json:"starts_at"`
	Now       time.Time  `json:"now"`
	MayReturn bool       `json:"may_return"`
	State     string     `json:"state"`
}

// readProblem makes an error of a refusal: a *Denial, or a *Problem. What is not in drawd's form comes from something between
// us, and whether that had handed the request on nobody knows.
func readProblem(op string, key Key, status int, body []byte) error {
	var w wireProblem
	if json.Unmarshal(body, &w) != nil || w.Code == "" && w.PublicCode == "" || w.Effect == "" {
		return &Problem{Op: op, Key: key, Status: status, Effect: EffectUnknown, Retryable: status >= 500}
	}
	p := Problem{
		Op: op, Key: key, Status: status, Code: w.Code, PublicCode: w.PublicCode, Title: w.Title, Detail: w.Detail,
		Retryable: w.Retryable, RequestID: w.RequestID, Errors: w.Errors,
	}
	switch w.Effect {
	case EffectNone.String():
	case EffectApplied.String():
		p.Effect = EffectApplied
	default: // a word that we do not know promises nothing
		p.Effect = EffectUnknown
	}
	if !p.denies() {
		return &p
	}
	return &Denial{
		Problem: p, Cap: w.Cap, Used: w.Used, Limit: w.Limit, ResetsAt: w.ResetsAt, Allowed: w.Allowed, Remaining: w.Remaining,
		Price: w.Price, StartsAt: w.StartsAt, Now: w.Now, MayReturn: w.MayReturn, State: w.State,
	}
}

// denies reports whether the state of things refused, and not the request's form, its key or the node.
func (p *Problem) denies() bool {
	if p.Effect != EffectNone {
		return false
	}
	switch p.Code {
	case ErrNotEligible, ErrBlocked, ErrTicketInvalid:
		return true
	}
	return p.Status == http.StatusConflict || p.Status == http.StatusForbidden && p.PublicCode != ""
}

// again reports whether the server says that the same request can be sent now: it changed nothing, and what stood in its way
// passes by itself. Denials pass too, but when the campaign is resumed or the day is over.
func (p *Problem) again() bool {
	if p.Effect != EffectNone || !p.Retryable {
		return false
	}
	return p.Status == http.StatusRequestTimeout || p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

// settles reports whether the refusal of a request that was marked as a retry tells what became of the sends before it. Under a key
// such a request is denied in the order of the log only, behind the first send if that came so far; without one, the codes that are
// about what the operation itself does tell it. What refuses at the door (401, 422, 429, 503) has not looked.
func (p *Problem) settles(r repeat) bool {
	switch p.Code {
	case ErrKeyAbandoned, ErrKeyUnknown, ErrHoldFinished, ErrHoldExpired, ErrGone:
		return true
	case ErrNotEligible, ErrBlocked, ErrIdempotencyMismatch:
		return r == keyed
	}
	return r == keyed && p.Status == http.StatusConflict
}

// problemOf returns the problem inside err, or nil.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}
