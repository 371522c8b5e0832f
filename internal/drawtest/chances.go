package drawtest

import (
	"math"
	"slices"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// account names where chances are: a campaign's own, or a purse of the namespace, which campaigns share.
type account struct {
	campaign *campaign
	purse    string
}

// holder is one user in one account.
type holder struct {
	account
	user engine.Key
}

// lot is chances that begin and end together.
type lot struct {
	left       uint64
	begin, end engine.UnixMilli // begin 0: has begun; end never: with the campaign
	priority   uint8
	source     uint8 // its number; 0 when several sources share the lot
}

// wallet is one user's chances in one account, the lots in the order in which they are spent.
type wallet struct {
	granted, consumed, expired, revoked, debt uint64
	lots                                      []lot
}

// The sources that drawd grants from itself have the first numbers; those that are declared follow, as they come.
const (
	sourceMilestone = 1 + iota
	sourcePrize
	sourceCompensation
	firstDeclared
)

// accountOf returns where the chances of a campaign's draws come from; ok is false where nobody counts them.
func accountOf(c *campaign) (a account, ok bool) {
	x := c.live().Chances
	switch {
	case x == nil || x.Mode == engine.ChancesFree:
		return a, false
	case x.Mode == engine.ChancesPurse:
		return account{purse: x.Purse}, true
	}
	return account{campaign: c}, true
}

// wallet returns a user's chances as they are now.
func (r *Reference) wallet(a account, user engine.Key) *wallet {
	h := holder{a, user}
	if r.wallets[h] == nil {
		r.wallets[h] = &wallet{}
	}
	w := r.wallets[h]
	var kept []lot
	for _, l := range w.lots {
		if l.end <= r.now {
			w.expired += l.left
			continue
		}
		if l.begin <= r.now {
			l.begin = 0
		}
		kept = join(kept, l)
	}
	w.lots = kept
	return w
}

// join adds a lot to the last of those like it, or behind them all.
func join(lots []lot, l lot) []lot {
	for i := range lots {
		if m := lots[i]; m.begin == l.begin && m.end == l.end && m.priority == l.priority && m.source == l.source {
			lots[i].left += l.left
			return lots
		}
	}
	return append(lots, l)
}

// own reports whether drawd itself granted the lot: such a lot is always free.
func (l *lot) own() bool { return l.source == sourceMilestone || l.source == sourcePrize }

// put returns the lots with one more; ok is false when there is no room: sources share a lot before that.
func (w *wallet) put(l lot, most int) (lots []lot, ok bool) {
	lots = slices.Clone(w.lots)
	if l.left == 0 {
		return lots, true
	}
	hosts := 0
	for i := range lots {
		if !lots[i].own() {
			hosts++
		}
	}
	n := len(lots)
	if lots = join(lots, l); len(lots) == n || l.own() || hosts < most {
		slices.SortStableFunc(lots, func(a, b lot) int { // soonest end, then highest priority, then oldest
			switch {
			case a.end != b.end:
				return int(min(max(a.end-b.end, -1), 1))
			default:
				return int(b.priority) - int(a.priority)
			}
		})
		return lots, true
	}
	lots = lots[:n]
	for i := range lots {
		if m := &lots[i]; !m.own() && m.begin == l.begin && m.end == l.end && m.priority == l.priority {
			m.left, m.source = m.left+l.left, 0
			return lots, true
		}
	}
	return nil, false
}

// grant books chances. What went into debt is returned.
func (w *wallet) grant(l lot, most int) (paid uint64) {
	paid = min(w.debt, l.left)
	w.granted += l.left
	w.debt -= paid
	w.revoked += paid
	l.left -= paid
	lots, ok := w.put(l, most)
	if !ok {
		panic("BUG: granting without room")
	}
	w.lots = lots
	return paid
}

// spendable returns what can be spent now; left also what has not begun.
func (w *wallet) spendable() (now, left uint64) {
	for _, l := range w.lots {
		left += l.left
		if l.begin == 0 {
			now += l.left
		}
	}
	return now, left
}

func (w *wallet) left() uint64 {
	_, left := w.spendable()
	return left
}

// part is so many chances of one source, or of one milestone (-1: the prize).
type part struct {
	of     int
	amount uint32
}

// spend takes the price out of the lots.
func (w *wallet) spend(price uint64) (parts []part) {
	w.consumed += price
	for i := range w.lots {
		l := &w.lots[i]
		if n := min(price, l.left); n > 0 && l.begin == 0 {
			l.left -= n
			price -= n
			parts = append(parts, part{int(l.source), uint32(n)})
		}
	}
	if price > 0 {
		panic("BUG: spending what is not there")
	}
	w.sweep()
	return parts
}

func (w *wallet) sweep() {
	w.lots = slices.DeleteFunc(w.lots, func(l lot) bool { return l.left == 0 })
}

// revoke takes chances back, from what would be spent last on: of the same source and end, of the same source, of any.
func (w *wallet) revoke(n uint64, source uint8, end engine.UnixMilli) (taken uint64) {
	for _, fits := range []func(l lot) bool{
		func(l lot) bool { return l.source == source && l.end == end },
		func(l lot) bool { return l.source == source },
		func(lot) bool { return true },
	} {
		for i := len(w.lots) - 1; i >= 0; i-- {
			if l := &w.lots[i]; fits(*l) {
				some := min(l.left, n-taken)
				l.left -= some
				taken += some
			}
		}
	}
	w.revoked += taken
	w.debt += n - taken
	w.sweep()
	return taken
}

// number returns a source's number in an account: they stay for good.
func (r *Reference) number(a account, source string) uint8 {
	for i, own := range []string{"milestone", "prize", "compensation"} {
		if source == own {
			return uint8(sourceMilestone + i)
		}
	}
	if i := slices.Index(r.sources[a], source); i >= 0 {
		return uint8(firstDeclared + i)
	}
	return 0
}

// declare gives sources their numbers.
func (r *Reference) declare(a account, sources []engine.ChanceSource) {
	for _, s := range sources {
		if r.number(a, s.ID) == 0 {
			r.sources[a] = append(r.sources[a], s.ID)
		}
	}
}

// most returns how many lots the host's grants may fill in an account.
func (r *Reference) most(a account) int {
	if a.campaign != nil {
		return int(a.campaign.lots)
	}
	return int(r.purse(a.purse).Lots)
}

func (r *Reference) purse(id string) *engine.Purse {
	for i := range r.policies[1].Purses {
		if p := &r.policies[1].Purses[i]; p.ID == id {
			return p
		}
	}
	return nil
}

// chancesFit reports whether a version's chances can be: its purse is there, and so are the campaigns that its prizes are for.
func (r *Reference) chancesFit(id string, v *engine.Version) bool {
	x := v.Chances
	if x == nil {
		return true
	}
	if x.Mode == engine.ChancesPurse && r.purse(x.Purse) == nil {
		return false
	}
	for _, p := range x.Prizes {
		other := r.called(p.Campaign)
		if other == nil || p.Campaign == id {
			return false
		}
		if _, counts := accountOf(other); !counts {
			return false
		}
	}
	return true
}

func (r *Reference) called(id string) *campaign {
	for _, c := range r.campaigns {
		if c.id == id {
			return c
		}
	}
	return nil
}

// price returns what a draw costs now; 0 where nothing is paid.
func (r *Reference) price(c *campaign) uint32 {
	x := c.live().Chances
	if x == nil {
		return 0
	}
	for _, p := range x.Periods {
		if p.From <= r.now && r.now < p.To {
			return p.Price
		}
	}
	return x.Price
}

// unpaid refuses a draw that the user's chances do not pay.
func (r *Reference) unpaid(c *campaign, d *engine.Draw) (out Decided, refused bool) {
	a, counts := accountOf(c)
	if !counts {
		return out, false
	}
	price := uint64(r.price(c))
	now, _ := r.wallet(a, d.User).spendable()
	if now >= price*uint64(d.Times) {
		return out, false
	}
	out = refuse(c.ref, problem.NoChances)
	out.Result.Allowed, out.Result.Used, out.Result.Limit = uint8(now/price), uint32(min(now, engine.MaxCapLimit)), uint32(price)
	return out, true
}

// moves is what a sub-draw does to chances, in words that the engine's records can be held against.
type moves struct {
	some             bool // the version has chances
	mode             engine.ChanceMode
	price, remaining uint32
	spent, won       []part
}

// spendOne takes the price of a sub-draw.
func (r *Reference) spendOne(c *campaign, user engine.Key) (m moves) {
	x := c.live().Chances
	if x == nil {
		return m
	}
	m = moves{some: true, mode: x.Mode, price: r.price(c)}
	if a, counts := accountOf(c); counts {
		m.spent = r.wallet(a, user).spend(uint64(m.price))
	}
	return m
}

// home returns the account that a chance prize pays into. ok is false when its campaign is over or counts no chances, or
// the user would be one too many there.
func (r *Reference) home(c *campaign, who *subject, prize int) (a account, ok bool) {
	for _, p := range c.live().Chances.Prizes {
		if int(p.Prize) != prize {
			continue
		}
		other := r.called(p.Campaign)
		a, ok = accountOf(other)
		if !ok || r.over(other) {
			return a, false
		}
		if a.campaign != nil && !r.knows(other, who.user) {
			already := r.users(c.namespace)
			if !r.knows(c, who.user) {
				already++ // he is, with this draw
			}
			return a, already < r.maxUsers(c.namespace)
		}
		return a, true
	}
	a, ok = accountOf(c)
	return a, ok
}

// homeless reports whether the chances of a prize can go nowhere now.
func (r *Reference) homeless(c *campaign, who *subject, prize int) bool {
	if c.live().Prizes[prize].Kind != engine.KindChance {
		return false
	}
	_, ok := r.home(c, who, prize)
	return !ok
}

// payChances books the chances of a prize that was won.
func (r *Reference) payChances(c *campaign, who *subject, prize int, m *moves) {
	p := &c.live().Prizes[prize]
	if p.Kind != engine.KindChance {
		return
	}
	a, _ := r.home(c, who, prize)
	r.wallet(a, who.user).grant(lot{left: uint64(p.Amount), end: never, source: sourcePrize}, r.most(a))
	m.won = append(m.won, part{-1, uint32(p.Amount)})
}

// milestones grants what a draw has reached, and closes the account of the draw.
func (r *Reference) milestones(c *campaign, e *event, m *moves) {
	a, counts := accountOf(c)
	if !m.some || !counts {
		return
	}
	w := r.wallet(a, e.user)
	streak := uint32(0)
	if e.streaks {
		streak = r.streak(c, e)
	}
	for i, x := range c.live().Chances.Milestones {
		if reaches(e.number, x.Draws, x.Repeat) || reaches(streak, x.StreakDays, x.Repeat) {
			w.grant(lot{left: uint64(x.Amount), end: never, source: sourceMilestone}, r.most(a))
			m.won = append(m.won, part{i, x.Amount})
		}
	}
	m.remaining = uint32(min(w.left(), engine.MaxCapLimit))
}

func reaches(n, goal uint32, repeat bool) bool {
	return goal > 0 && n > 0 && (n == goal || repeat && n%goal == 0)
}

// streak returns how many days in a row the user drew, for the first draw of a day; 0 for another.
func (r *Reference) streak(c *campaign, e *event) (length uint32) {
	z := zone(c.live().Transitions)
	drew := map[int64]int{}
	for _, x := range r.events {
		if x.campaign == c && x.user == e.user && x.streaks {
			drew[z.dayOf(x.at)]++
		}
	}
	today := z.dayOf(e.at)
	if drew[today] > 1 {
		return 0
	}
	for day := today; drew[day] > 0; day-- {
		length++
	}
	return min(length, engine.MaxStreakDays)
}

func (z zone) dayOf(t engine.UnixMilli) int64 {
	from, _ := z.period(engine.WindowDay, t)
	return from.Unix() / (24 * 3600)
}

// knows reports whether a user has a row in a campaign: he drew, or was given chances.
func (r *Reference) knows(c *campaign, user engine.Key) bool {
	w := r.wallets[holder{account{campaign: c}, user}]
	return w != nil && w.granted > 0 || len(r.drawsOf(c, user)) > 0
}

func (r *Reference) maxUsers(n engine.NamespaceRef) uint64 {
	if limit := r.policies[n].MaxUsers; limit != 0 {
		return limit
	}
	return engine.DefaultMaxUsers
}

// sums returns what all users of an account have together.
func (r *Reference) sums(a account) (s engine.ChanceSums) {
	for h := range r.wallets {
		if h.account == a {
			w := r.wallet(a, h.user)
			s = add(s, w.sums())
		}
	}
	return s
}

func (w *wallet) sums() engine.ChanceSums {
	return engine.ChanceSums{
		Granted: w.granted, Consumed: w.consumed, Remaining: w.left(), Expired: w.expired, Revoked: w.revoked, Debt: w.debt,
	}
}

func add(a, b engine.ChanceSums) engine.ChanceSums {
	return engine.ChanceSums{
		Granted: a.Granted + b.Granted, Consumed: a.Consumed + b.Consumed, Remaining: a.Remaining + b.Remaining,
		Expired: a.Expired + b.Expired, Revoked: a.Revoked + b.Revoked, Debt: a.Debt + b.Debt,
	}
}

// seconds rounds an instant up to whole seconds.
func seconds(t engine.UnixMilli) engine.UnixMilli { return (t + 999) / 1000 * 1000 }

// latest is the last instant that a lot can begin or end at: its seconds are 32 bits.
const latest = engine.UnixMilli(math.MaxUint32-1) * 1000

func milestonesOf(v *engine.Version) []engine.Milestone {
	if v.Chances == nil {
		return nil
	}
	return v.Chances.Milestones
}

// openChances puts a version's chances in force.
func (c *campaign) openChances(r *Reference, v *engine.Version) {
	if x := v.Chances; x != nil && x.Mode == engine.ChancesGranted {
		c.lots = x.Lots
		r.declare(account{campaign: c}, x.Sources)
	}
	for _, m := range milestonesOf(v) {
		c.streaks = c.streaks || m.StreakDays > 0
	}
}

// keepsPurses reports whether a policy still has every purse: users hold chances in them.
func keepsPurses(live, next *engine.NamespacePolicy) bool {
	for i := range live.Purses {
		if !slices.ContainsFunc(next.Purses, func(p engine.Purse) bool { return p.ID == live.Purses[i].ID }) {
			return false
		}
	}
	return true
}
