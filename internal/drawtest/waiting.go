package drawtest

import (
	"sort"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// PublishAt makes a version live at a time to come.
type PublishAt struct {
	engine.Publish
	At engine.UnixMilli
}

// waits is a version that waits for its time.
type waits struct {
	*PublishAt
	seed [16]byte
}

// publishAt keeps a version until its time (semantics.md §10). What is wrong with it already is refused now.
func (r *Reference) publishAt(p *PublishAt, seed [16]byte) Decided {
	id := p.Version.Campaign
	if p.At <= r.now || p.At >= p.Version.EndsAt {
		out := refuse(0, problem.InvalidField)
		out.Result.Now = r.now
		return out
	}
	for _, w := range r.waiting {
		if w.Version.Campaign == id {
			return refuse(0, problem.Conflict)
		}
	}
	if len(r.waiting) == engine.MaxPending {
		return refuse(0, problem.Capacity)
	}
	c := r.called(id)
	if c == nil {
		c = r.newCampaign(&p.Publish, seed)
	}
	before, drips := c.copyBooks(), c.drips
	code := r.admit(c, p.Version, p.At) // and closed again
	c.stock, c.reserves, c.drips = before.stock, before.reserves, drips
	if code == problem.OK && !expects(c, p.Expect) {
		out := refuse(r.refOf(c), problem.VersionConflict)
		out.Result.Value = uint64(len(c.versions))
		return out
	}
	if code != problem.OK {
		return refuse(r.refOf(c), code)
	}
	r.reach("publish at a time")
	r.waiting = append(r.waiting, &waits{p, seed})
	sort.SliceStable(r.waiting, func(i, j int) bool {
		a, b := r.waiting[i], r.waiting[j]
		return a.At < b.At || a.At == b.At && a.Version.Campaign < b.Version.Campaign
	})
	return r.notePending(p, r.refOf(c), 0)
}

func (r *Reference) notePending(p *PublishAt, c engine.CampaignRef, flags uint32) Decided {
	return Decided{
		Result: engine.Result{Campaign: c, At: r.here(0), Records: 1},
		Records: []engine.Record{{
			Kind: engine.RecordPending, Campaign: c, Namespace: p.Namespace, At: r.now, Name: []byte(p.Version.Campaign), Actor: []byte(p.Actor),
			Reason: []byte(p.Reason), Delta: int64(p.At), Flags: flags,
		}},
	}
}

// withdraw takes back what was to become live.
func (r *Reference) withdraw(k *engine.Withdraw) Decided {
	for i, w := range r.waiting {
		if w.Version.Campaign != k.Campaign {
			continue
		}
		r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
		p := *w.PublishAt
		p.Actor, p.Reason = k.Actor, k.Reason
		return r.notePending(&p, 0, engine.PendingWithdrawn)
	}
	return refuse(0, problem.NotFound)
}

// publishDue makes live what has become due, each at its own time: what was due before has happened then.
func (r *Reference) publishDue() {
	now := r.now
	for len(r.waiting) > 0 && r.waiting[0].At <= now {
		w := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.now = w.At
		r.pass()
		p := w.Publish
		out := r.publish(&p, w.seed)
		if out.Result.Code != problem.OK {
			p := *w.PublishAt
			p.Reason = out.Result.Code.String()
			out = r.notePending(&p, out.Result.Campaign, engine.PendingRefused)
			r.reach("publish at a time refused then")
		} else if len(out.Records) > 0 {
			r.reach("published at its time")
		}
		r.pass()
		r.aside = append(r.aside, out.Records...)
	}
	r.now = now
}
