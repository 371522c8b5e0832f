package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// void takes a draw back, mostly one of the last that won something.
func (w *world) void() Command {
	if len(w.ref.events) == 0 {
		return Command{}
	}
	e := w.ref.events[w.rng.IntN(len(w.ref.events))]
	for range 3 {
		if len(e.wins) > 0 && w.ref.campaigns[e.campaign.ref-1].voided[e.seq] == 0 {
			break
		}
		e = w.ref.events[len(w.ref.events)-1-w.rng.IntN(min(30, len(w.ref.events)))]
	}
	v := &VoidDraw{
		Campaign: e.campaign.ref, Digest: e.draw.Digest, Part: e.part, Fault: engine.VoidSystem + engine.VoidFault(w.rng.IntN(3)), Actor: "op", Reason: "why",
	}
	if w.chance(40) {
		v.Fault = engine.VoidSystem
	}
	switch w.rng.IntN(40) {
	case 0:
		v.Campaign = 99
	case 1:
		v.Campaign = w.anyCampaign().ref
	}
	return Command{Void: v}
}

// award compensates a user for a complaint that is mostly new.
func (w *world) award() Command {
	c := w.anyCampaign()
	prizes := c.live().Prizes
	user := fmt.Sprint("u", w.rng.IntN(5))
	a := &engine.Award{
		Campaign: c.ref, Prize: prizes[w.rng.IntN(len(prizes))].ID, User: w.user(user), UserID: []byte(user),
		Ticket: fmt.Sprint("t", w.rng.IntN(60)), Actor: fmt.Sprint("op", w.rng.IntN(2)), Reason: "sorry",
	}
	a.Digest = digestOf("award", a.User, fmt.Sprint(c.ref, a.Ticket))
	if w.chance(3) {
		a.Prize = "no-such-prize"
	}
	return Command{Award: a}
}
