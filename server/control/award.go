package control

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// maxAwardLines bounds a bulk of awards. Longer ones come in parts: a part that is sent again awards nothing twice.
const maxAwardLines = 1000

// award answers POST /admin/v1/campaigns/{campaign}/prizes/{prize}:award: a compensation, or many of them, one a line.
func (p *Plane) award(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	body, kind, refused := x.readBody(typeJSON, typeLines)
	if refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	if kind == typeLines {
		return x.awardMany(c, body)
	}
	a, refused := x.readAward(c, body)
	if refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddAward(&a)
	r, refused := x.decide(&b)
	if refused != nil {
		return x.explainAward(r, refused)
	}
	encoded := b.Records
	if r.AlreadyLive {
		var err error
		if encoded, err = p.Records.Records(nil, uint64(r.At.Index), r.At.Ordinal, 1); err != nil {
			return x.broken("the record of an award cannot be read", err)
		}
	} else {
		encoded = encoded[r.Offset:]
	}
	var record engine.Record
	if _, err := engine.DecodeRecord(encoded, &record); err != nil {
		return x.broken("the record of an award cannot be decoded", err)
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		Prize    string `json:"prize"`
		User     string `json:"user"`
		Ticket   string `json:"ticket"`
		Already  bool   `json:"already"`
		Seq      uint64 `json:"seq"`
		At       stamp  `json:"at"`
	}{c.ID(), x.params.prize, string(a.UserID), a.Ticket, r.AlreadyLive, record.Seq, stamp(record.At)})
}

// readAward reads one award.
func (x *exchange) readAward(c *engine.Campaign, body []byte) (a engine.Award, refused *render.Problem) {
	v, err := parseJSON(body)
	if err != nil {
		return a, refusal(problem.BadJSON, err.Error())
	}
	o, ok := v.(object)
	if !ok {
		return a, refusal(problem.BadJSON, "An award must be an object.")
	}
	f := newFields(o)
	user, ticket := f.text("user", 1, engine.MaxUserBytes), f.text("ticket", 1, engine.MaxTicketBytes)
	if user != "" && !userPattern.MatchString(user) && len(user) <= engine.MaxUserBytes {
		f.fault("user", "pattern", "must match %s", userPattern)
	}
	if ticket != "" && len(ticket) <= engine.MaxTicketBytes && !eventPattern.MatchString(ticket) {
		f.fault("ticket", "pattern", "must match %s", eventPattern)
	}
	reason := f.text("reason", 1, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return a, refused
	}
	keyer := c.Namespace().Keyer()
	key := keyer.User([]byte(user))
	return engine.Award{
		Campaign: c.Ref(), Prize: x.params.prize, User: key, UserID: []byte(user), Ticket: ticket, Actor: x.grant.Actor(), Reason: reason,
		Digest: keyer.Digest(engine.DigestAward, c.Ref(), key, []byte(ticket)),
	}, nil
}

// explainAward says in words why an award was refused.
func (x *exchange) explainAward(r *engine.Result, refused *render.Problem) *render.Problem {
	switch refused.Code {
	case problem.Conflict:
		limit := x.grant.Namespace.Policy().AwardLimit
		switch refused.Detail = "The prize cannot be awarded: it is no thing of its own, or is paid out of a budget."; {
		case r.Unvalued:
			refused.Detail = "The policy bounds what an operator awards in a day, and the prize has no value: publish a version that states it."
			refused.Errors = []render.FieldError{{Pointer: "", Code: "value_unknown", Message: "The prize has no value."}}
		case r.Limited:
			refused.Errors = []render.FieldError{{Pointer: "", Code: "award_limit", Message: "Beyond the operator's daily value."}}
			refused.Detail = fmt.Sprintf("The operator has awarded %d of the %d that the policy allows him a day, and the prize would go beyond.", r.Value, limit)
		}
	case problem.IdempotencyMismatch:
		refused.Detail = "The user was compensated under this ticket with another prize."
	case problem.Killed:
		refused.Detail = "The prize is switched off."
	}
	return refused
}

// awardReport says what became of the lines of a bulk of awards.
type awardReport struct {
	Lines   int            `json:"lines"`
	Awarded int            `json:"awarded"`
	Already int            `json:"already"`
	Refused map[string]int `json:"refused"`
	Errors  []bulkError    `json:"errors"`
}

// awardMany decides awards line by line, each by itself.
func (x *exchange) awardMany(c *engine.Campaign, body []byte) *render.Problem {
	if bytes.Count(body, []byte{'\n'}) > maxAwardLines {
		return refusal(problem.BodyTooLarge, fmt.Sprintf("At most %d lines: send it in parts.", maxAwardLines))
	}
	bulk := bulkReport{Refused: map[string]int{}, Errors: []bulkError{}}
	report := awardReport{}
	var b engine.Batch
	var numbers []int
	for n, line := range lines(body) {
		report.Lines++
		a, refused := x.readAward(c, line)
		if refused != nil {
			bulk.tell(n, refused)
			continue
		}
		b.AddAward(&a)
		numbers = append(numbers, n)
	}
	if b.Len() > 0 {
		if err := x.plane.Decider.Decide(&b); err != nil {
			return x.undecided(err)
		}
	}
	for i := range b.Results {
		switch r := &b.Results[i]; {
		case r.Code != problem.OK:
			bulk.refuse(numbers[i], r.Code, "", x.explainAward(r, refusal(r.Code, "")).Detail)
		case r.AlreadyLive:
			report.Already++
		default:
			report.Awarded++
		}
	}
	report.Refused, report.Errors = bulk.Refused, bulk.Errors
	return x.answer(http.StatusOK, &report)
}
