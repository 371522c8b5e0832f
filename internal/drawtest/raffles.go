package drawtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Raffle is a command on raffles (docs/adr/0017). Exactly one of the pointers is set.
type Raffle struct {
	Enter  *engine.AddEntrants
	Draw   *engine.DrawRaffle
	Redraw *engine.RedrawRaffle
}

func (f *Raffle) addTo(b *engine.Batch) {
	switch {
	case f.Enter != nil:
		b.AddEntrants(f.Enter)
	case f.Draw != nil:
		b.AddRaffle(f.Draw)
	default:
		b.AddRedraw(f.Redraw)
	}
}

func (f *Raffle) campaign() engine.CampaignRef {
	switch {
	case f.Enter != nil:
		return f.Enter.Campaign
	case f.Draw != nil:
		return f.Draw.Campaign
	}
	return f.Redraw.Campaign
}

// String returns the command as a line of a script.
func (f *Raffle) String() string {
	switch {
	case f.Enter != nil:
		return fmt.Sprintf("enter campaign %d raffle %s %v", f.Enter.Campaign, f.Enter.Raffle, f.Enter.Users)
	case f.Draw != nil:
		return fmt.Sprintf("raffle campaign %d %s: %d winners of %q, %d alternates", f.Draw.Campaign, f.Draw.Raffle, f.Draw.Winners, f.Draw.Prize, f.Draw.Alternates)
	}
	return fmt.Sprintf("redraw campaign %d %s absent %v", f.Redraw.Campaign, f.Redraw.Raffle, f.Redraw.Absent)
}

// raffle is a list of people, and what was drawn of it.
type raffle struct {
	id                  string
	entrants, absent    []string // ascending
	drawn               bool
	at                  engine.UnixMilli
	winners, alternates uint32
	prize               string
	units               engine.Quantity // that each winner took
}

func (c *campaign) raffle(id string) *raffle {
	for _, f := range c.raffles {
		if f.id == id {
			return f
		}
	}
	return nil
}

// places ranks the entrants by SHA-256(raffle seed ‖ entrant), and the raffle seed hangs on the campaign's, the raffle's id and the
// sorted list.
func (c *campaign) places(f *raffle) (all []string) {
	list := sha256.New()
	for _, u := range f.entrants {
		fmt.Fprintf(list, "%s\n", u)
	}
	seed := hash(0x10, c.seed[:], []byte(f.id), []byte{0}, list.Sum(nil))
	all = slices.Clone(f.entrants)
	score := func(u string) []byte {
		sum := sha256.Sum256(append(slices.Clone(seed), u...))
		return sum[:]
	}
	slices.SortFunc(all, func(a, b string) int { return bytes.Compare(score(a), score(b)) })
	return slices.DeleteFunc(all, func(u string) bool { return slices.Contains(f.absent, u) })
}

// results returns who wins and who would.
func (c *campaign) results(f *raffle) (winners, alternates []string) {
	if !f.drawn {
		return nil, nil
	}
	there := c.places(f)
	won := min(int(f.winners), len(there))
	return there[:won], there[won:min(won+int(f.alternates), len(there))]
}

func (r *Reference) raffle(f *Raffle) Decided {
	c := r.campaign(f.campaign())
	switch {
	case c == nil:
		return refuse(0, problem.CampaignNotFound)
	case f.Enter != nil:
		return r.enter(c, f.Enter)
	case f.Draw != nil:
		return r.drawRaffle(c, f.Draw)
	}
	return r.redraw(c, f.Redraw)
}

func (r *Reference) noteRaffle(c *campaign, rec engine.Record) Decided {
	rec.Campaign, rec.Version, rec.At = c.ref, c.live().Number, r.now
	return Decided{Result: engine.Result{Campaign: c.ref, At: r.here(0), Records: 1}, Records: []engine.Record{rec}}
}

// enter puts people on a list, and makes it.
func (r *Reference) enter(c *campaign, k *engine.AddEntrants) Decided {
	f := c.raffle(k.Raffle)
	entrants := []string(nil)
	if f != nil {
		entrants = slices.Clone(f.entrants)
	}
	was := len(entrants)
	for _, u := range k.Users {
		if !slices.Contains(entrants, u) {
			entrants = append(entrants, u)
		}
	}
	added := len(entrants) - was
	switch {
	case added == 0:
		return Decided{Result: engine.Result{Campaign: c.ref, Value: uint64(was), AlreadyLive: true}}
	case f != nil && f.drawn:
		return refuse(c.ref, problem.Conflict)
	case f == nil:
		f = &raffle{id: k.Raffle}
		c.raffles = append(c.raffles, f)
	}
	slices.Sort(entrants)
	f.entrants = entrants
	r.reach("entered")
	out := r.noteRaffle(c, engine.Record{
		Kind: engine.RecordEntrants, Name: []byte(f.id), Actor: []byte(k.Actor), Delta: int64(added), Total: engine.Quantity(len(entrants)),
	})
	out.Result.Value = uint64(len(entrants))
	return out
}

// drawRaffle draws a raffle, once. Its winners take their units out of the stock.
func (r *Reference) drawRaffle(c *campaign, k *engine.DrawRaffle) Decided {
	f := c.raffle(k.Raffle)
	switch {
	case f == nil:
		return refuse(c.ref, problem.NotFound)
	case f.drawn && f.winners == k.Winners && f.alternates == k.Alternates && f.prize == k.Prize:
		return Decided{Result: engine.Result{Campaign: c.ref, AlreadyLive: true}}
	case f.drawn || k.Winners < 1 || int(k.Winners+k.Alternates) > len(f.entrants):
		return refuse(c.ref, problem.Conflict)
	case r.killedBy(c) != 0:
		return refuse(c.ref, problem.Killed)
	}
	units := uint32(0)
	if k.Prize != "" {
		i, b := indexOf(c.live(), k.Prize), c.stock[k.Prize]
		if i < 0 || b == nil || !c.lists(k.Prize) {
			return refuse(c.ref, problem.PrizeNotFound)
		}
		p := &c.live().Prizes[i]
		units = p.Units
		switch {
		case p.Kind == engine.KindThanks || p.Kind == engine.KindChance || pays(p) || uniqueCodes(c.live(), p.ID):
			return refuse(c.ref, problem.PrizeNotFound) // its units are not all there is to give
		case c.off[p.ID]:
			return refuse(c.ref, problem.Killed)
		case !b.has(units * k.Winners):
			return refuse(c.ref, problem.InsufficientStock)
		}
		b.give(units * k.Winners)
	}
	r.reach("raffle drawn")
	f.drawn, f.at, f.winners, f.alternates, f.prize, f.units = true, r.now, k.Winners, k.Alternates, k.Prize, engine.Quantity(units)
	c.seq++
	return r.noteRaffle(c, engine.Record{
		Kind: engine.RecordRaffle, Seq: c.seq, Name: []byte(f.id), Actor: []byte(k.Actor), Reason: []byte(k.Reason), Delta: int64(k.Winners),
		Total: engine.Quantity(len(f.entrants)),
	})
}

// redraw strikes absentees off: those behind them move up. A place that nobody is left for gives back what it took; what is not in
// the game any more is withdrawn.
func (r *Reference) redraw(c *campaign, k *engine.RedrawRaffle) Decided {
	f := c.raffle(k.Raffle)
	switch {
	case f == nil || !f.drawn:
		return refuse(c.ref, problem.NotFound)
	case r.killedBy(c) != 0:
		return refuse(c.ref, problem.Killed)
	}
	winners, alternates := c.results(f)
	absent := slices.Clone(f.absent)
	for _, u := range k.Absent {
		switch {
		case slices.Contains(absent, u):
		case !slices.Contains(winners, u) && !slices.Contains(alternates, u):
			return refuse(c.ref, problem.Conflict)
		default:
			absent = append(absent, u)
		}
	}
	if len(absent) == len(f.absent) {
		return Decided{Result: engine.Result{Campaign: c.ref, AlreadyLive: true}}
	}
	empty := func(absent []string) int { return max(0, int(f.winners)-(len(f.entrants)-len(absent))) }
	if back := engine.Quantity(empty(absent)-empty(f.absent)) * f.units; back > 0 {
		b := c.stock[f.prize]
		b.issued -= back
		switch {
		case b.unlimited:
		case !c.lists(f.prize) || uniqueCodes(c.live(), f.prize):
			b.withdrawn += back
		default:
			b.available += back
		}
		r.reach("a place gives back")
	}
	slices.Sort(absent)
	f.absent = absent
	r.reach("raffle redrawn")
	c.seq++
	return r.noteRaffle(c, engine.Record{
		Kind: engine.RecordRedraw, Seq: c.seq, Name: []byte(f.id), Actor: []byte(k.Actor), Reason: []byte(k.Reason), Delta: int64(len(absent)),
		Total: engine.Quantity(f.winners),
	})
}

// observeRaffles compares the raffles of a campaign, with who wins.
func observeRaffles(ec *engine.Campaign, rc *campaign) string {
	if len(ec.Raffles()) != len(rc.raffles) {
		return fmt.Sprintf("raffles: engine %d, reference %d", len(ec.Raffles()), len(rc.raffles))
	}
	for i, f := range rc.raffles {
		e := ec.Raffles()[i]
		winners, alternates := ec.Results(e)
		won, next := rc.results(f)
		if e.ID != f.id || e.Drawn != f.drawn || e.DrawnAt != f.at || !slices.Equal(e.Entrants, f.entrants) || !slices.Equal(e.Absent, f.absent) ||
			!slices.Equal(winners, won) || !slices.Equal(alternates, next) {
			return fmt.Sprintf("raffle: engine %+v %v %v, reference %+v %v %v", e, winners, alternates, f, won, next)
		}
	}
	return ""
}

// gamble makes a command on raffles: short lists, a few prizes.
func (w *world) gamble() Command {
	c := w.anyCampaign()
	for range 4 {
		if len(c.raffles) > 0 {
			break
		}
		c = w.anyCampaign()
	}
	id := fmt.Sprint("r", w.rng.IntN(2))
	someone := func() string { return fmt.Sprint("guest", w.rng.IntN(9)) }
	f := c.raffle(id)
	switch n := w.rng.IntN(10); {
	case f == nil || n < 2:
		k := &engine.AddEntrants{Campaign: c.ref, Raffle: id, Actor: "op"}
		for range 1 + w.rng.IntN(6) {
			k.Users = append(k.Users, someone())
		}
		slices.Sort(k.Users)
		k.Users = slices.Compact(k.Users)
		return Command{Raffle: &Raffle{Enter: k}}
	case n < 3 || !f.drawn:
		k := &engine.DrawRaffle{Campaign: c.ref, Raffle: id, Winners: uint32(w.rng.IntN(1 + min(4, len(f.entrants)))), Alternates: uint32(w.rng.IntN(3)), Actor: "op", Reason: "now"}
		if w.chance(75) {
			k.Prize = c.live().Prizes[w.rng.IntN(len(c.live().Prizes))].ID
		}
		return Command{Raffle: &Raffle{Draw: k}}
	}
	k := &engine.RedrawRaffle{Campaign: c.ref, Raffle: id, Actor: "op", Reason: "absent"}
	winners, alternates := c.results(f)
	if all := append(slices.Clone(winners), alternates...); len(all) > 0 {
		for range 1 + w.rng.IntN(2) {
			k.Absent = append(k.Absent, all[w.rng.IntN(len(all))])
		}
	}
	if len(k.Absent) == 0 || w.chance(15) {
		k.Absent = append(k.Absent, someone())
	}
	slices.Sort(k.Absent)
	k.Absent = slices.Compact(k.Absent)
	return Command{Raffle: &Raffle{Redraw: k}}
}
