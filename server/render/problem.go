package render

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// typePrefix and the code make the "type" member of a problem: a URI that names and does not locate.
const typePrefix = "urn:drawd:problem:"

// Problem is one refusal, with what a program needs to act on it. The zero value of a member that its code does not use
// is not shown.
type Problem struct {
	Code      problem.Code
	Detail    string // for a person; the code's title when empty. Never holds what the caller sent
	RequestID []byte
	Undone    bool // nothing was done, where the code leaves that open, and sending it again does not help
	Kept      bool // the refusal stands under the request's idempotency key: only a new key may get another answer

	StartsAt engine.UnixMilli // not_started
	Now      engine.UnixMilli // not_started: the time that was compared

	Cap      string // capped: "day", or "ns/<id>" for an aggregate cap
	Used     uint32
	Limit    uint32
	ResetsAt engine.UnixMilli // 0: never
	Of       string           // of a help: whose cap, chances or list it is, "owner" or "helper"
	Allowed  uint32           // capped, no_chances: how many sub-draws, or how much of a hit, would fit

	Remaining uint32 // no_chances: what can be spent now
	Price     uint32 // no_chances: of a draw

	Pool      string           // whose stock or bound refuses units
	MayReturn bool             // insufficient_stock: units that are held or not released yet may come back
	State     engine.HoldState // of a hold or take that something cannot be done to: where it stands

	Errors []FieldError
}

// FieldError is one fault in what was sent.
type FieldError struct {
	Pointer string // RFC 6901
	Code    string // a word that a program can compare: "required", "range", "unknown", …
	Message string
	Line    int // of a YAML document, from 1; 0 when there is none
	Column  int
}

// Denied makes p the problem of a denial. cap is the name of the cap of a capped result.
func (p *Problem) Denied(r *engine.Result, cap string) {
	*p = Problem{Code: r.Code, RequestID: p.RequestID}
	switch r.Code {
	case problem.NotStarted:
		p.StartsAt, p.Now = r.ResetsAt, r.Now
	case problem.Capped:
		p.Cap, p.Used, p.Limit, p.ResetsAt, p.Allowed = cap, r.Used, r.Limit, r.ResetsAt, uint32(r.Allowed)
	case problem.NoChances:
		p.Allowed, p.Remaining, p.Price = uint32(r.Allowed), r.Used, r.Limit
	}
}

// DeniedUnits makes p the problem of a refused take, hold or resolution.
func (p *Problem) DeniedUnits(r *engine.Result, pools Pools) {
	cap := ""
	if r.Code == problem.Capped {
		cap = engine.HoldCap(r.Cap).String()
	}
	p.Denied(r, cap)
	p.MayReturn, p.State, p.Kept = r.MayReturn, r.State, r.Records > 0
	if pool, ok := pools.PoolByRef(r.Pool); ok {
		p.Pool = pool.ID()
	}
}

// Effect tells what the request did.
func (p *Problem) Effect() problem.Effect {
	return (&problem.Error{Code: p.Code, Undone: p.Undone}).Effect()
}

// retryable reports whether the same request, with the same key, may succeed later.
func (p *Problem) retryable() bool {
	return p.Code.Info().Retryable && !p.Undone && !p.Kept && (p.Code != problem.Capped || p.ResetsAt != 0)
}

// newKey is the sentence behind a refusal that stands under its key.
const newKey = " This answer stands under its idempotency key: ask again with a new one."

// AppendProblem appends p as an RFC 9457 document.
func AppendProblem(dst []byte, p *Problem) []byte {
	info := p.Code.Info()
	dst = append(dst, `{"type":"`+typePrefix...)
	dst = append(dst, info.Name...)
	dst = append(dst, `","title":`...)
	dst = AppendString(dst, info.Title)
	dst = append(dst, `,"status":`...)
	dst = appendUint(dst, uint64(info.Status))
	dst = append(dst, `,"detail":`...)
	switch {
	case p.Detail != "":
		dst = AppendString(dst, p.Detail)
	case p.Kept:
		dst = AppendString(dst, info.Title+newKey)
	default:
		dst = AppendString(dst, info.Title)
	}
	dst = append(dst, `,"code":"`...)
	dst = append(dst, info.Name...)
	dst = append(dst, `","effect":"`...)
	dst = append(dst, p.Effect().String()...)
	dst = append(dst, `","retryable":`...)
	dst = appendBool(dst, p.retryable())
	dst = append(dst, `,"request_id":"`...)
	dst = append(dst, p.RequestID...)
	dst = append(dst, '"')
	dst = appendFacts(dst, p)
	if len(p.Errors) > 0 {
		dst = appendErrors(dst, p.Errors)
	}
	return append(dst, '}')
}

// appendFacts appends the members that belong to the code, each after a comma.
func appendFacts(dst []byte, p *Problem) []byte {
	if p.Of != "" {
		dst = AppendString(append(dst, `,"of":`...), p.Of)
	}
	switch p.Code {
	case problem.NotStarted:
		dst = AppendTime(append(dst, `,"starts_at":`...), p.StartsAt)
		dst = AppendTime(append(dst, `,"now":`...), p.Now)
	case problem.Capped:
		dst = AppendString(append(dst, `,"cap":`...), p.Cap)
		dst = appendUint(append(dst, `,"used":`...), uint64(p.Used))
		dst = appendUint(append(dst, `,"limit":`...), uint64(p.Limit))
		dst = appendTimeOrNull(append(dst, `,"resets_at":`...), p.ResetsAt)
		dst = appendUint(append(dst, `,"allowed":`...), uint64(p.Allowed))
	case problem.NoChances:
		dst = appendUint(append(dst, `,"allowed":`...), uint64(p.Allowed))
		if p.Price > 0 {
			dst = appendUint(append(dst, `,"remaining":`...), uint64(p.Remaining))
			dst = appendUint(append(dst, `,"price":`...), uint64(p.Price))
		}
	case problem.InsufficientStock:
		dst = appendBool(append(dst, `,"may_return":`...), p.MayReturn)
	}
	if p.State != 0 {
		dst = AppendString(append(dst, `,"state":`...), p.State.String())
	}
	if p.Pool != "" {
		dst = AppendString(append(dst, `,"pool":`...), p.Pool)
	}
	return dst
}

func appendErrors(dst []byte, errors []FieldError) []byte {
	dst = append(dst, `,"errors":[`...)
	for i := range errors {
		if i > 0 {
			dst = append(dst, ',')
		}
		e := &errors[i]
		dst = AppendString(append(dst, `{"pointer":`...), e.Pointer)
		dst = AppendString(append(dst, `,"code":`...), e.Code)
		dst = AppendString(append(dst, `,"message":`...), e.Message)
		if e.Line > 0 {
			dst = appendInt(append(dst, `,"line":`...), int64(e.Line))
			dst = appendInt(append(dst, `,"column":`...), int64(e.Column))
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// AppendProblemBinary appends p in the binary form (docs/wire.md, "Problem"). Of several errors the first is told.
func AppendProblemBinary(dst []byte, p *Problem) []byte {
	retryable := byte(0)
	if p.retryable() {
		retryable = 1
	}
	dst = append(dst, byte(p.Code), byte(p.Effect()), retryable, byte(min(p.Allowed, 255)))
	dst = append(dst, p.RequestID...)
	dst = binary.LittleEndian.AppendUint32(dst, p.Used|p.Remaining) // one of them is 0: they belong to different codes
	dst = binary.LittleEndian.AppendUint32(dst, p.Limit|p.Price)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(max(p.ResetsAt, p.StartsAt)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Now))
	dst = appendShort(dst, p.Cap)
	pointer := ""
	if len(p.Errors) > 0 {
		pointer = p.Errors[0].Pointer
	}
	return appendShort(dst, pointer)
}

// appendShort appends the length of s in one byte, and s. It is cut to 255 bytes; nothing here is longer.
func appendShort(dst []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	return append(append(dst, byte(len(s))), s...)
}
