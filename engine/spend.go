package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/problem"
)

// chancePlan is what the ladder needs of a version's chances. A version without chances has none.
type chancePlan struct {
	mode       ChanceMode
	price      uint32
	periods    []PricePeriod
	account    *account // nil where chances are free
	purse      bool     // the account is in the namespace's rows
	milestones []Milestone
	streakAt   int      // offset of the streak in the campaign's row of a user, -1 for none
	targets    []string // by prize: the campaign that its chances are for, empty for this one; nil without such prizes
	elsewhere  bool     // some target is another campaign
	sources    []sourcePlan
}

// chanceTurn is what a tx needs for the chances of the command in hand.
type chanceTurn struct {
	chances   chances // of the user, taken out of his row
	taken     bool    // chances are what the draw's own row holds: it is read once for a draw
	spent     []part  // by the sub-draw, of lots
	won       []part  // by the sub-draw, of chances
	elsewhere subject // the user's row in another campaign, for the chances of a prize
}

// sourcePlan is a source that may grant, with its place.
type sourcePlan struct {
	*ChanceSource
	number uint8
	at     int // offset of what it granted by day, in the rows of the account; -1 without a daily limit
}

// A streak: u32 day of the last draw, u16 days in a row.
const streakBytes = 6

// compileChances resolves a version's chances to their places, which have been claimed.
func (c *Campaign) compileChances(v *Version) *chancePlan {
	x := v.Chances
	if x == nil {
		return nil
	}
	p := &chancePlan{mode: x.Mode, price: x.Price, periods: x.Periods, milestones: x.Milestones, streakAt: -1}
	switch x.Mode {
	case ChancesGranted:
		p.account = c.chances
		p.account.fit(c.layout.find(placeLots), x.Lots)
		p.sources = compileSources(&c.layout, "", x.Sources, p.account.sources.Load())
	case ChancesPurse:
		p.account, p.purse = c.namespace.purse(x.Purse).account, true
	}
	if x.account != p.account { // of a version that is live already, readers may look
		x.account = p.account
	}
	if s := c.layout.find(placeStreak); s != nil {
		p.streakAt = s.at()
	}
	for i := range v.Prizes {
		if v.Prizes[i].Kind == KindChance {
			if p.targets == nil {
				p.targets = make([]string, len(v.Prizes))
			}
			p.targets[i] = x.campaignOf(i)
			p.elsewhere = p.elsewhere || p.targets[i] != ""
		}
	}
	return p
}

func compileSources(l *layout, purse string, sources []ChanceSource, g *register) (all []sourcePlan) {
	for i := range sources {
		s := &sources[i]
		p := sourcePlan{s, g.number(s.ID), -1}
		if s.DailyLimit > 0 {
			p.at = l.find(sourcePlace(purse, s.ID)).at()
		}
		all = append(all, p)
	}
	return all
}

// priceAt returns what a draw costs at a time.
func (p *chancePlan) priceAt(at UnixMilli) uint32 { return p.lowest(at, at) }

// lowest returns the lowest price in force at some time from one moment to another. A reader sees a range: what he
// refuses must be refused at each time at which the log may decide.
func (p *chancePlan) lowest(from, to UnixMilli) uint32 {
	if len(p.periods) == 0 {
		return p.price
	}
	best, at := uint32(MaxPrice), from
	for i := range p.periods {
		x := &p.periods[i]
		if x.To <= at {
			continue
		}
		if x.From > at {
			best = min(best, p.price)
		}
		if x.From > to {
			return best
		}
		best, at = min(best, x.Price), x.To
		if at > to {
			return best
		}
	}
	return min(best, p.price)
}

// overpriced refuses a draw that costs more than its caller expects.
func (t *tx) overpriced(d *Draw, s sight) bool {
	return d.MaxPrice != 0 && t.plan.chances.lowest(s.logTime, s.now+s.margin) > d.MaxPrice
}

// chanceRow returns the row with the user's chances, nil when there is none.
func (t *tx) chanceRow() []byte {
	if t.plan.chances.purse {
		return t.everyone[ScopeUser].data
	}
	return t.campaign[ScopeUser].data
}

// chanceless refuses a draw whose sub-draws cannot all be paid.
func (t *tx) chanceless(d *Draw, s sight) problem.Code {
	p := t.plan.chances
	if p.account == nil {
		return problem.OK
	}
	price := p.lowest(s.logTime, s.now+s.margin)
	p.account.load(t.chanceRow(), &t.chances)
	t.taken = true
	left := t.chances.spendable(s.logTime, s.now+s.margin)
	if left >= uint64(price)*uint64(d.Times) {
		return problem.OK
	}
	r := &t.result
	r.Allowed, r.Used, r.Limit = uint8(left/uint64(price)), uint32(min(left, MaxCapLimit)), price
	return t.refuse(problem.NoChances)
}

// brokenChances returns the rule that the user's chances or their sums break, or nothing. chanceless took them.
func (t *tx) brokenChances() string {
	a := t.plan.chances.account
	if a == nil {
		return ""
	}
	if !t.chances.sound() || !a.book.sound() {
		return "chances"
	}
	return ""
}

// spendChances consumes the price of one sub-draw and begins its section of the record.
func (t *tx) spendChances() {
	p := t.plan.chances
	t.spent, t.won = t.spent[:0], t.won[:0]
	if p.account == nil {
		return
	}
	row := t.chanceRow()
	a, c := p.account, &t.chances
	if !t.taken {
		a.load(row, c)
	}
	expired, price := c.expired, p.priceAt(t.now)
	c.tidy(t.now)
	t.spent = c.spend(t.now, price, t.spent)
	a.save(row, c)
	a.book.spend(price, c.expired-expired)
	t.taken = true
}

// part is so many chances of one source, or of one milestone or prize.
type part struct {
	of uint8
	n  uint32
}

// passMilestones grants what the draw that was just counted has reached.
func (t *tx) passMilestones(number uint32) {
	p := t.plan.chances
	if len(p.milestones) == 0 {
		return
	}
	streak := uint32(0)
	if p.streakAt >= 0 {
		streak = t.countStreak(t.campaign[ScopeUser].data[p.streakAt:])
	}
	for i := range p.milestones {
		m := &p.milestones[i]
		if reached(number, m.Draws, m.Repeat) || reached(streak, m.StreakDays, m.Repeat) {
			n := t.grantOwn(p.account, t.chanceRow(), sourceMilestone, m.Amount)
			t.won = append(t.won, part{uint8(i), n})
		}
	}
}

func reached(n, goal uint32, repeat bool) bool {
	return goal != 0 && n != 0 && (n == goal || repeat && n%goal == 0)
}

// countStreak moves the streak and returns its length on the first draw of a day; 0 on the others.
func (t *tx) countStreak(b []byte) uint32 {
	last, length := binary.LittleEndian.Uint32(b), uint32(binary.LittleEndian.Uint16(b[4:]))
	today := t.own.windows[WindowDay]
	switch {
	case length > 0 && today <= last:
		return 0
	case length > 0 && today == last+1:
		length = min(length+1, MaxStreakDays)
	default:
		length = 1
	}
	binary.LittleEndian.PutUint32(b, today)
	binary.LittleEndian.PutUint16(b[4:], uint16(length))
	return length
}

// grantOwn books chances that drawd grants itself. They end with the campaign and always have a lot. It returns how many
// were booked: fewer only beyond what a user can ever be granted.
func (t *tx) grantOwn(a *account, row []byte, source uint8, n uint32) uint32 {
	c := &t.chances
	t.taken = false // the row may be of another campaign
	a.load(row, c)
	was := c.sums()
	c.tidy(t.now)
	if n = min(n, MaxCapLimit-c.granted); n > 0 {
		c.grant(lot{remaining: n, end: neverEnds, source: source}, a.limit)
		is := c.sums()
		a.save(row, c)
		a.book.move(&was, &is)
	}
	return n
}

// chancesClosed reports whether the chances of a prize can go nowhere: their campaign is over, fenced or counts none.
func (t *tx) chancesClosed(prize int) bool {
	id := t.plan.chances.targets[prize]
	if id == "" {
		return false
	}
	c := t.campaignOf(id)
	return c == nil || c.plan.Load().chances == nil || c.plan.Load().chances.account == nil || c.over(t.now) ||
		c.control.Load().fenced != "" || t.crowded(c)
}

// campaignOf returns another campaign of the namespace of the draw.
func (t *tx) campaignOf(id string) *Campaign {
	n := t.world.campaign(t.draw.Campaign).namespace
	return (*n.campaigns.Load())[id]
}

// crowded reports whether the draw's user has no row in c and cannot get one.
func (t *tx) crowded(c *Campaign) bool {
	if c.plan.Load().chances.purse || c.namespace.users.Load() < t.rules.maxUsers {
		return false
	}
	t.elsewhere.find(t.world, c.tables[ScopeUser], &t.draw.User)
	return t.elsewhere.data == nil
}

// giveChances books the chances of a prize that was won. Another campaign's row of the user stands in the same shard.
func (t *tx) giveChances(prize int) {
	p, n := t.plan.chances, uint32(t.plan.version.Prizes[prize].Amount)
	a, row := p.account, []byte(nil)
	if id := p.targets[prize]; id == "" {
		row = t.chanceRow()
	} else {
		c := t.campaignOf(id)
		q := c.plan.Load().chances
		a = q.account
		s := &t.elsewhere
		table := c.tables[ScopeUser]
		if q.purse {
			table = c.namespace.tables[ScopeUser]
		}
		s.find(t.world, table, &t.draw.User)
		if s.data == nil && !q.purse {
			c.namespace.users.Add(1)
		}
		s.open()
		row = s.data
	}
	t.won = append(t.won, part{wonPrize, t.grantOwn(a, row, sourcePrize, n)})
}

// over reports whether the campaign has ended for good: no resume can move its end any more.
func (c *Campaign) over(now UnixMilli) bool {
	k := c.control.Load()
	return now >= c.endsAt(k) && (!k.paused || k.endedAt != 0)
}
