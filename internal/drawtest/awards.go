package drawtest

import (
	"bytes"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// awardDay is one operator on one day of the namespace's zone.
type awardDay struct {
	actor string
	day   int64
}

// awardFingerprint is what an award under a used key must repeat.
type awardFingerprint struct{ prize string }

// compensate gives a user a prize without a draw (semantics.md §12): out of the stock, and of nothing else. In which order an
// award is refused the design leaves open.
func (r *Reference) compensate(a *engine.Award) Decided {
	c := r.campaign(a.Campaign)
	if c == nil {
		return refuse(0, problem.CampaignNotFound)
	}
	print := awardFingerprint{a.Prize}
	if known := r.keys[a.Digest]; known != nil && known.campaign == c {
		out := replay(c, known, print)
		out.Result.AlreadyLive = out.Result.Replayed
		return out
	}
	prize := indexOf(c.live(), a.Prize)
	if code := r.awardable(c, prize); code != problem.OK {
		out := refuse(c.ref, code)
		out.Result.Now = r.now
		return out
	}
	p := &c.live().Prizes[prize]
	today := awardDay{a.Actor, zone(r.policies[1].Transitions).dayOf(r.now)}
	if limit := r.policies[1].AwardLimit; limit > 0 {
		if spent := r.awarded[today]; p.Value == 0 || spent+p.Value > limit {
			out := refuse(c.ref, problem.Conflict)
			out.Result.Value, out.Result.Unvalued, out.Result.Limited = uint64(spent), p.Value == 0, p.Value != 0
			r.reach("award beyond the day's limit")
			return out
		}
		r.awarded[today] += p.Value // what was awarded while nothing bounded it does not count
	}
	r.reach("award")
	r.booksOf(c, prize).give(p.Units)
	c.seq++
	r.keys[a.Digest] = &answer{campaign: c, at: r.here(0), records: 1, fingerprint: print}
	live, _ := r.session(c)
	out := Decided{Result: engine.Result{Campaign: c.ref, At: r.here(0), Records: 1}}
	if limit := r.policies[1].AwardLimit; limit > 0 {
		out.Result.Value = uint64(r.awarded[today] - p.Value)
	}
	out.Records = []engine.Record{{
		Kind: engine.RecordAward, Campaign: c.ref, Version: c.live().Number, Seq: c.seq, At: r.now, Name: []byte(c.cell(live, prize)),
		Actor: []byte(a.Actor), Reason: bytes.Join([][]byte{a.UserID, []byte(a.Ticket), []byte(a.Reason)}, []byte("\n")),
		Delta: int64(prize), Total: engine.Quantity(p.Units),
	}}
	return out
}

// awardable says why a prize cannot be awarded now.
func (r *Reference) awardable(c *campaign, prize int) problem.Code {
	if prize < 0 {
		return problem.PrizeNotFound
	}
	p := &c.live().Prizes[prize]
	live, _ := r.session(c)
	_, here := c.set(live)[prize]
	switch {
	case r.forgotten(c):
		return problem.Ended
	case c.off[p.ID]:
		return problem.Killed
	case uniqueCodes(c.live(), p.ID), p.Kind == engine.KindThanks, p.Kind == engine.KindChance, pays(p) && c.bounded:
		return problem.Conflict // nothing to give, a grant's business, or a budget's
	case !here || r.booksOf(c, prize) == nil || !r.booksOf(c, prize).has(p.Units):
		return problem.InsufficientStock
	case r.keysFull(c.namespace):
		return problem.Capacity
	}
	return problem.OK
}
