package campaignfile

import (
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/drawd/drawd/engine"
)

// unbounded, as a number of draws, wins or minor units, means that nothing in the file bounds it.
const unbounded = math.MaxInt64

// times and plus saturate at unbounded.
func times(a, b int64) int64 {
	if hi, lo := bits.Mul64(uint64(a), uint64(b)); hi == 0 && lo < unbounded {
		return int64(lo)
	}
	return unbounded
}

func plus(a, b int64) int64 {
	if a > unbounded-b {
		return unbounded
	}
	return a + b
}

const (
	hourMilli = 3600 * 1000
	dayMilli  = 24 * hourMilli
)

// windows returns how many windows of a kind the campaign touches at most.
func windows(v *engine.Version, w engine.Window) int64 {
	span := int64(v.EndsAt - v.StartsAt)
	over := func(length int64) int64 { return span/length + 2 } // cut off at both ends
	switch w.Kind {
	case engine.WindowHour:
		return over(hourMilli)
	case engine.WindowDay:
		return over(dayMilli - 2*hourMilli) // none is shorter where clocks change
	case engine.WindowWeek:
		return over(7*dayMilli - 2*hourMilli)
	case engine.WindowMonth:
		return over(28*dayMilli - 2*hourMilli)
	case engine.WindowRolling, engine.WindowCooldown:
		return over(w.Duration) - 1
	case engine.WindowSession:
		return int64(max(len(v.Sessions), 1))
	}
	return 1
}

// days returns how many calendar days the campaign touches at most.
func days(v *engine.Version) int64 {
	first, last := localDay(v, v.StartsAt), localDay(v, v.EndsAt-1)
	return last - first + 1
}

// localDay is the number of the day in the campaign's zone.
func localDay(v *engine.Version, at engine.UnixMilli) int64 {
	offset := int64(0)
	for i, t := range v.Transitions {
		if i == 0 || t.At <= at {
			offset = int64(t.OffsetSeconds) * 1000
		}
	}
	return (int64(at) + offset) / dayMilli // campaigns are after 1970
}

// drawsPerUser bounds how often one user can draw over the campaign's life: by the caps, and by the chances that sources
// grant.
func drawsPerUser(v *engine.Version) int64 {
	best := int64(unbounded)
	for i := range v.Caps {
		c := &v.Caps[i]
		if c.Counts != engine.CountDraws || c.Scope != engine.ScopeUser {
			continue
		}
		n := windows(v, c.Window)
		if c.Window.Kind == engine.WindowDay {
			n = days(v)
		}
		best = min(best, times(int64(c.Limit), n))
	}
	if k := v.Chances; k != nil && k.Mode == engine.ChancesGranted && len(k.Milestones) == 0 {
		granted := int64(0)
		for i := range k.Sources {
			if k.Sources[i].DailyLimit == 0 {
				return best
			}
			granted = plus(granted, times(int64(k.Sources[i].DailyLimit), days(v)))
		}
		best = min(best, granted/int64(max(k.Price, 1)))
	}
	return best
}

// draws bounds how many draws all users can make; it needs expected_users.
func draws(v *engine.Version) int64 {
	if v.ExpectedUsers == 0 {
		return unbounded
	}
	if each := drawsPerUser(v); each != unbounded {
		return times(int64(v.ExpectedUsers), each)
	}
	return unbounded
}

// worth is what a win of the prize costs at most, in minor units.
func worth(v *engine.Version, prize int) int64 {
	p := &v.Prizes[prize]
	most := int64(0)
	if p.Kind == engine.KindCash {
		most = p.Amount
		for i := range v.Amounts {
			a := &v.Amounts[i]
			if int(a.Prize) != prize {
				continue
			}
			most = max(most, a.Most)
			for _, c := range a.Cards {
				most = max(most, c.Amount)
			}
			if a.Split == engine.SplitDoubleMean && a.Most == 0 {
				most = a.Budget
			}
		}
	}
	return max(p.Value, most)
}

// winsOf bounds how often a prize can be won: by its stock, those of sessions included, and by caps on the wins of users.
func winsOf(v *engine.Version, prize int) int64 {
	units, p := int64(0), &v.Prizes[prize]
	switch {
	case !v.HasOwnStock(prize):
	case p.Stock >= 0:
		units = int64(p.Stock)
	default:
		units = unbounded
	}
	for i := range v.Sessions {
		for _, z := range v.Sets[v.Sessions[i].Set] {
			switch {
			case int(z.Prize) != prize || z.Stock == engine.StockShared:
			case z.Stock < 0:
				units = unbounded
			default:
				units = plus(units, int64(z.Stock))
			}
		}
	}
	wins := units
	if units != unbounded {
		wins = units / int64(max(p.Units, 1))
	}
	if v.ExpectedUsers == 0 {
		return wins
	}
	for i := range v.Caps {
		c := &v.Caps[i]
		if c.Counts == engine.CountWins && c.Scope == engine.ScopeUser && (c.Prize < 0 || int(c.Prize) == prize) {
			wins = min(wins, times(times(int64(c.Limit), windows(v, c.Window)), int64(v.ExpectedUsers)))
		}
	}
	return min(wins, draws(v))
}

// Liability is the most that a campaign can cost, when everything is won that can be.
type Liability struct {
	MinorUnits int64    `json:"minor_units"`         // of all prizes that something bounds
	Unbounded  []string `json:"unbounded,omitempty"` // prizes of which nothing does
}

// Worst returns the most that a version can cost. A prize of a version that leaves its stock as it is counts as
// unbounded: the file does not know it.
func Worst(v *engine.Version) Liability {
	var l Liability
	cash := int64(0)
	for i := range v.Prizes {
		each, wins := worth(v, i), winsOf(v, i)
		if each == 0 {
			continue
		}
		cost := int64(unbounded)
		if wins != unbounded {
			cost = times(each, wins)
		}
		for j := range v.Amounts {
			if a := &v.Amounts[j]; int(a.Prize) == i && a.Budget > 0 && v.Prizes[i].Value == 0 {
				cost = min(cost, a.Budget)
			}
		}
		switch bounded := v.Prizes[i].Kind == engine.KindCash && v.Budget.Campaign > 0 && v.Prizes[i].Value == 0; {
		case bounded:
			cash = plus(cash, cost)
		case cost == unbounded:
			l.Unbounded = append(l.Unbounded, v.Prizes[i].ID)
		default:
			l.MinorUnits = plus(l.MinorUnits, cost)
		}
	}
	l.MinorUnits = plus(l.MinorUnits, min(cash, v.Budget.Campaign))
	return l
}

// liabilityUnbounded finds prizes that cost money and that nothing bounds.
func (l *linter) liabilityUnbounded() {
	reached := l.reached()
	for i := range l.Prizes {
		p := &l.Prizes[i]
		cash := p.Kind == engine.KindCash && l.Budget.Campaign > 0
		for j := range l.Amounts {
			cash = cash || int(l.Amounts[j].Prize) == i && l.Amounts[j].Budget > 0
		}
		_, pooled := l.PoolOf(i) // what it can cost is in the pool's total, which is not in the file
		if reached[i] && p.Stock == engine.Unlimited && !pooled && !cash && worth(l.Version, i) > 0 && winsOf(l.Version, i) == unbounded {
			l.risk(pointerTo("prizes", i, "stock"),
				"prize %q is unlimited and each win costs up to %d: give it a stock or a budget, or state expected_users and cap its wins per user", p.ID, worth(l.Version, i))
		}
	}
}

// pityUnfunded finds reserves that the draws that can be granted would use up.
func (l *linter) pityUnfunded() {
	most := draws(l.Version)
	for i := range l.Pity {
		p := &l.Pity[i]
		if p.Within == 0 {
			continue
		}
		wins := int64(0)
		for _, z := range p.List {
			if z.Reserve == 0 {
				wins = unbounded
			} else {
				wins = plus(wins, int64(z.Reserve)/int64(max(l.Prizes[z.Prize].Units, 1)))
			}
		}
		rows := most
		if most != unbounded {
			rows = most / int64(p.Within)
		}
		pointer := pointerTo("pity", i, "reserve")
		switch {
		case wins == unbounded:
		case rows == unbounded:
			l.risk(pointer, "%d wins are set aside, and nothing bounds how many pity %q promises: cap draws per user and state expected_users, or end its list with an unlimited prize",
				wins, p.ID)
		case rows > wins:
			l.risk(pointer, "%d wins are set aside; %d draws can be made, so pity %q may owe %d: reserve more, or end its list with an unlimited prize",
				wins, most, p.ID, rows)
		}
	}
}

// pityOutOfReach finds rows that no user can complete.
func (l *linter) pityOutOfReach() {
	for i := range l.Pity {
		p := &l.Pity[i]
		if each := drawsPerUser(l.Version); p.Within > 0 && !p.Shared && each < int64(p.Within) {
			l.risk(pointerTo("pity", i, "guarantee_within"), "one user can draw %d times, so draw %d of a row never comes", each, p.Within)
		}
	}
}

// pityHighValue finds pities that give the dearest prize: what everybody gets in the end should not be the jackpot.
func (l *linter) pityHighValue() {
	top, lower := int64(0), false
	for i := range l.Prizes {
		top = max(top, worth(l.Version, i))
	}
	for i := range l.Prizes {
		w := worth(l.Version, i)
		lower = lower || w < top && l.Prizes[i].Kind != engine.KindThanks
	}
	if !lower || top == 0 {
		return
	}
	for i := range l.Pity {
		for j, z := range l.Pity[i].List {
			if worth(l.Version, int(z.Prize)) == top {
				l.risk(pointerTo("pity", i, "prizes")+"/"+strconv.Itoa(j), "pity gives prize %q, worth %d, the dearest of the campaign: is it meant for everybody who draws on?",
					l.Prizes[z.Prize].ID, top)
			}
		}
	}
}

// pityReplacesBetter finds pities that take a better prize away: a draw that hits it when a row is over gives the pity's
// prize instead.
func (l *linter) pityReplacesBetter() {
	for i := range l.Pity {
		p := &l.Pity[i]
		if p.Extra || p.AnyWin || len(p.List) == 0 {
			continue
		}
		gives := worth(l.Version, int(p.List[0].Prize))
		for j := range l.Prizes {
			if l.Prizes[j].Weight > 0 && worth(l.Version, j) > gives && !slices.Contains(p.Group, int16(j)) {
				l.risk(pointerTo("pity", i, "group"), "a draw that hits prize %q, worth more, gives prize %q when a row is over: add it to the group, or use mode extra",
					l.Prizes[j].ID, l.Prizes[p.List[0].Prize].ID)
				break
			}
		}
	}
}
