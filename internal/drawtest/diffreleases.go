package drawtest

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine"
)

// observeReleases compares the windows of a campaign's schedules, with the instants that nobody is told before the end.
func (p *pair) observeReleases(ec *engine.Campaign, rc *campaign) (difference string) {
	if len(rc.drips) == 0 && len(ec.Version().Releases) == 0 {
		return ""
	}
	want := p.ref.windows(rc)
	n := 0
	ec.ReleaseWindows(p.ref.now, func(w *engine.ReleasedWindow) bool {
		if n == len(want) {
			difference = fmt.Sprintf("the engine has more windows than the reference's %d: %+v", n, w)
			return false
		}
		x := &want[n]
		n++
		var instants []engine.UnixMilli
		for _, at := range w.Instants() {
			instants = append(instants, engine.UnixMilli(at))
		}
		if w.Prize != x.prize || w.Session != x.session || w.From != x.from || w.To != x.to || w.Units != x.units || w.MakeUp != x.makeUp {
			difference = fmt.Sprintf("release window: engine %+v, reference %+v", w, x)
		} else if !slices.Equal(instants, x.instants) {
			difference = fmt.Sprintf("release instants of %+v: engine %v", x, instants)
		}
		return difference == ""
	})
	switch v := ec.Version(); {
	case difference != "":
		return difference
	case n < len(want):
		return fmt.Sprintf("release windows that the engine does not have: %+v", want[n:])
	default:
		sum, some := ec.ReleaseHash(v)
		if some && string(sum[:]) != string(hash(0x06, rc.live().Salt[:], rc.releaseSeed(), v.Hash[:])) || some != (len(v.Releases) > 0) {
			return "release hash"
		}
	}
	return ""
}

// shownWindow is one window as the engine tells it.
type shownWindow struct {
	prize, session int
	from, to       engine.UnixMilli
	units          engine.Quantity
	makeUp         bool
	instants       []engine.UnixMilli
}

// windows lists the windows that are not over: of the prizes' own units in file order, then of sessions.
func (r *Reference) windows(c *campaign) (all []shownWindow) {
	v := c.live()
	tell := func(cell string, session int) {
		d := c.drips[cell]
		if d == nil {
			return
		}
		add := func(w tranche, kind byte) {
			if w.to <= r.now {
				return
			}
			x := shownWindow{prize: indexOf(v, prizeOfCell(cell)), session: session, from: w.from, to: w.to, units: engine.Quantity(w.wins) * d.units(c), makeUp: kind == 1}
			if w.wins > 0 {
				x.instants = d.instants(c, w, kind)
			}
			all = append(all, x)
		}
		for _, w := range d.tranches(c) {
			add(w, 0)
		}
		for _, m := range d.makeUps {
			add(tranche(m), 1)
		}
	}
	for i := range v.Prizes {
		tell(v.Prizes[i].ID, -1)
	}
	for i := range v.Sessions {
		for _, p := range v.Sets[v.Sessions[i].Set] {
			if p.Stock != engine.StockShared {
				tell(v.Sessions[i].ID+"/"+v.Prizes[p.Prize].ID, i)
			}
		}
	}
	return all
}
