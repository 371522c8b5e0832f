package control

import (
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// void answers POST /admin/v1/draws/{id}:void: it takes a draw back, once.
func (p *Plane) void(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	fault, known := engine.ParseVoidFault(f.text("fault", 1, 16))
	if !known && len(*f.faults) == 0 {
		f.fault("fault", "unknown", "must be system, user or abuse: it decides what is given back")
	}
	reason := f.text("reason", 1, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return refused
	}
	d := draw{exchange: x}
	if refused := d.load(); refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddVoid(&engine.Void{Campaign: d.campaign.Ref(), Draw: d.encoded, At: d.at, Fault: fault, Actor: x.grant.Actor(), Reason: reason})
	r, refused := x.decide(&b)
	if refused != nil {
		if refused.Code == problem.Conflict {
			refused.Detail = "The award is being delivered: say first how that ended, with :delivered or :fail."
			if r.Value != 0 {
				refused.Detail = "The draw is void already, by the fault of " + engine.VoidFault(r.Value).String() + "."
			}
		}
		return refused
	}
	answer := struct {
		Draw     string   `json:"draw"`
		Campaign string   `json:"campaign"`
		User     string   `json:"user"`
		Fault    string   `json:"fault"`
		Already  bool     `json:"already"`
		Refunded []string `json:"refunded"`
		At       stamp    `json:"at"`
	}{x.params.id, d.campaign.ID(), string(d.record.User), fault.String(), r.AlreadyLive, []string{}, stamp(b.Time)}
	if r.AlreadyLive {
		_, at, _ := d.campaign.Voided(d.record.Seq)
		answer.At = stamp(at)
		return x.answer(http.StatusOK, answer)
	}
	var record engine.Record
	if _, err := engine.DecodeRecord(b.Records[r.Offset:], &record); err != nil {
		return x.broken("the record of a void cannot be decoded", err)
	}
	_, refunds := engine.VoidFlags(record.Flags)
	answer.Refunded = append(answer.Refunded, render.Refunds(refunds)...)
	return x.answer(http.StatusOK, answer)
}
