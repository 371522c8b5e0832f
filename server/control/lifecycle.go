package control

import (
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

func (p *Plane) pause(x *exchange) *render.Problem { return x.control(engine.ActionPause) }

func (p *Plane) resume(x *exchange) *render.Problem { return x.control(engine.ActionResume) }

func (p *Plane) end(x *exchange) *render.Problem { return x.control(engine.ActionEnd) }

// control pauses, resumes or ends the campaign.
func (x *exchange) control(action engine.Action) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	command := engine.Control{Action: action, Actor: x.grant.Actor(), Reason: f.text("reason", 1, engine.MaxReasonBytes)}
	if action == engine.ActionResume {
		command.ExtendByPause = f.flag("extend_by_pause")
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	command.Campaign = c.Ref()
	var b engine.Batch
	b.AddControl(&command)
	if _, refused := x.decide(&b); refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		Status   string `json:"status"`
		At       stamp  `json:"at"`
	}{c.ID(), c.Status(b.Time).String(), stamp(b.Time)})
}

// idempotencyKey returns the caller's key.
func (x *exchange) idempotencyKey() (string, *render.Problem) {
	values := x.request.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", refusal(problem.IdempotencyKeyMissing, "")
	}
	if len(values) > 1 || len(values[0]) == 0 || len(values[0]) > engine.MaxIdempotencyKeyBytes {
		return "", refusal(problem.IdempotencyKeyInvalid, "")
	}
	for _, c := range []byte(values[0]) {
		if c < '!' || c > '~' {
			return "", refusal(problem.IdempotencyKeyInvalid, "")
		}
	}
	return values[0], nil
}

func (p *Plane) adjust(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	key, refused := x.idempotencyKey()
	if refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	delta, reason := f.integer("delta", true, -engine.MaxStock, engine.MaxStock), f.text("reason", 1, engine.MaxReasonBytes)
	session := f.text("session", 0, engine.MaxIDBytes)
	if delta == 0 && len(*f.faults) == 0 {
		f.fault("delta", "range", "must not be 0")
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	keyer, actor, books := x.grant.Namespace.Keyer(), x.grant.Actor(), x.params.prize
	if session != "" {
		books = session + "/" + books // units of the session's own
	}
	var b engine.Batch
	b.AddAdjust(&engine.Adjust{
		Campaign: c.Ref(), Prize: books, Delta: engine.Quantity(delta), Actor: actor, Reason: reason,
		Digest: keyer.Digest(engine.DigestAdjust, c.Ref(), keyer.User([]byte(actor)), []byte(key)),
	})
	r, refused := x.decide(&b)
	if refused != nil {
		return x.explainAdjust(c, books, refused)
	}
	record, refused := x.adjustment(r, &b)
	if refused != nil {
		return refused
	}
	if r.Replayed {
		x.Header().Set("Idempotent-Replayed", "true")
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		Prize    string `json:"prize"`
		Session  string `json:"session,omitempty"`
		Total    int64  `json:"total"`
		Seq      uint64 `json:"seq"`
	}{c.ID(), x.params.prize, session, int64(record.Total), record.Seq})
}

// adjustment returns the record of an adjustment, of now or of the first time.
func (x *exchange) adjustment(r *engine.Result, b *engine.Batch) (record engine.Record, refused *render.Problem) {
	encoded := b.Records[r.Offset:]
	if r.Replayed {
		var err error
		if encoded, err = x.plane.Records.Records(nil, uint64(r.At.Index), r.At.Ordinal, 1); err != nil {
			return record, x.broken("the record of an adjustment cannot be read", err)
		}
	}
	if _, err := engine.DecodeRecord(encoded, &record); err != nil {
		return record, x.broken("the record of an adjustment cannot be decoded", err)
	}
	return record, nil
}

// explainAdjust says in words why stock cannot be changed.
func (x *exchange) explainAdjust(c *engine.Campaign, books string, refused *render.Problem) *render.Problem {
	if refused.Code != problem.InsufficientStock {
		return refused
	}
	_, prizes := c.Stock()
	for i := range prizes {
		switch s := &prizes[i]; {
		case s.CellID() != books:
		case s.Total == engine.Unlimited:
			refused.Detail = "The prize is unlimited."
		default:
			refused.Detail = "The total is " + units(s.Total) + ", of which " + units(s.Available) + " are available: no more can be taken back."
		}
	}
	return refused
}
