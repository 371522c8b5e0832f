package control

import (
	"encoding/json"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// deliveryRoutes are those of table that are about the delivery of awards.
func deliveryRoutes() []route {
	return []route{
		{name: "deliver", method: "POST", pattern: "/admin/v1/draws/{id}:deliver", need: payers, handle: (*Plane).deliver},
		{name: "delivered", method: "POST", pattern: "/admin/v1/draws/{id}:delivered", need: payers, handle: (*Plane).delivered},
		{name: "fail_delivery", method: "POST", pattern: "/admin/v1/draws/{id}:fail", need: payers, handle: (*Plane).failDelivery},
		{name: "thaw", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/users/{user}/awards:thaw", need: changers, handle: (*Plane).thaw},
		{name: "switch_payout", method: "PUT", pattern: "/admin/v1/switches/payout/{kind}", need: changers, reach: reachNamespace, handle: (*Plane).switchPayout},
	}
}

func (p *Plane) deliver(x *exchange) *render.Problem { return x.moveAward(engine.MoveDeliver, 0) }

func (p *Plane) delivered(x *exchange) *render.Problem { return x.moveAward(engine.MoveDone, 0) }

func (p *Plane) failDelivery(x *exchange) *render.Problem { return x.moveAward(engine.MoveFail, 1) }

// moveAward moves the award of the draw that the path names. leastReason is 1 where a reason is needed.
func (x *exchange) moveAward(move engine.AwardMove, leastReason int) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	reason := f.text("reason", leastReason, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return refused
	}
	d := draw{exchange: x}
	if refused := d.load(); refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddMoveAward(&engine.MoveAward{Campaign: d.campaign.Ref(), Draw: d.encoded, At: d.at, Move: move, Actor: x.grant.Actor(), Reason: reason})
	r, refused := x.decide(&b)
	if refused != nil {
		switch refused.Code {
		case problem.Conflict:
			refused.Detail = render.AwardRefused(r)
		case problem.Killed:
			refused.Detail = "Payouts of this kind of prize are switched off: nothing of it is begun. What has begun can be told as it ended."
		}
		return refused
	}
	a, _ := d.campaign.AwardOf(&d.record, x.engineNow())
	return x.answer(http.StatusOK, struct {
		Draw     string          `json:"draw"`
		Campaign string          `json:"campaign"`
		User     string          `json:"user"`
		Award    json.RawMessage `json:"award"`
		Already  bool            `json:"already"`
	}{x.params.id, d.campaign.ID(), string(d.record.User), render.AppendAward(nil, &a), r.AlreadyLive})
}

// thaw lets a user's awards go on that a void by abuse had frozen.
func (p *Plane) thaw(x *exchange) *render.Problem {
	if !names.Subject(x.params.user) {
		return refusal(problem.NotFound, "No user can have such an id.")
	}
	c, reason, refused := x.reasoned()
	if refused != nil {
		return refused
	}
	keyer, user := c.Namespace().Keyer(), []byte(x.params.user)
	var b engine.Batch
	b.AddThaw(&engine.Thaw{Campaign: c.Ref(), User: keyer.User(user), UserID: user, Actor: x.grant.Actor(), Reason: reason})
	r, refused := x.decide(&b)
	if refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		User     string `json:"user"`
		Changed  bool   `json:"changed"`
		At       stamp  `json:"at"`
	}{c.ID(), x.params.user, !r.AlreadyLive, stamp(b.Time)})
}

func (p *Plane) switchPayout(x *exchange) *render.Problem {
	if kind, known := engine.ParsePrizeKind(x.params.kind); !known || kind == engine.KindThanks || kind == engine.KindChance {
		return refusal(problem.NotFound, "There are no payouts of such a kind of prize.")
	}
	return x.turn(engine.SwitchScope{Kind: engine.SwitchPayout, Prize: x.params.kind}, "payout/"+x.params.kind)
}
