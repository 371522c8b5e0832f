package engine

import "github.com/drawd/drawd/engine/problem"

// ChanceUse is a user's chances as he sees them, in one cut.
type ChanceUse struct {
	Mode      ChanceMode
	Purse     string
	Price     uint32 // of a draw now; 0 for a campaign whose draws cost nothing
	Remaining uint64 // not ended; with those that have not begun
	Spendable uint64 // now
	Sums      ChanceSums
	Lots      []LotUse // in the order in which they are spent
}

// LotUse is chances that begin and end together.
type LotUse struct {
	Remaining uint32
	BeginsAt  UnixMilli // 0: has begun
	ExpiresAt UnixMilli // 0: at the campaign's end, or never
	Priority  uint8
	Source    string // empty: several
}

// use returns the chances in a row as they are at a time; over says that the campaign has ended, and with it all of them.
func (a *account) use(row []byte, now UnixMilli, over bool) (u ChanceUse) {
	var c chances
	a.load(row, &c)
	c.tidy(now)
	u.Sums = c.sums()
	if over {
		u.Sums.Expired, u.Sums.Remaining = u.Sums.Expired+u.Sums.Remaining, 0
		return u
	}
	u.Remaining = u.Sums.Remaining
	names := a.sources.Load()
	for i := range c.n {
		l := &c.lots[i]
		x := LotUse{Remaining: l.remaining, BeginsAt: UnixMilli(l.begin) * 1000, Priority: l.priority, Source: names.name(l.source)}
		if l.end != neverEnds {
			x.ExpiresAt = UnixMilli(l.end) * 1000
		}
		if l.begun(now) {
			u.Spendable += uint64(l.remaining)
		}
		u.Lots = append(u.Lots, x)
	}
	return u
}

// chanceUse returns the chances of the user whose rows were looked at; nil for a campaign without.
func (t *tx) chanceUse(c *Campaign, now UnixMilli) *ChanceUse {
	p := t.plan.chances
	if p == nil {
		return nil
	}
	u := ChanceUse{}
	if p.account != nil {
		u = p.account.use(t.chanceRow(), now, !p.purse && c.over(now))
	}
	u.Mode, u.Purse, u.Price = p.mode, t.plan.version.Chances.Purse, p.priceAt(now)
	return &u
}

// PriceAt returns what a draw of the version costs at a time; 0 for nothing.
func (v *Version) PriceAt(at UnixMilli) uint32 {
	if v.Chances == nil {
		return 0
	}
	p := chancePlan{price: v.Chances.Price, periods: v.Chances.Periods}
	return p.priceAt(at)
}

// ChanceSums returns the sums over all users of the chances of this campaign's own; after its end all that remained has
// expired. ok is false when chances were never granted here.
func (c *Campaign) ChanceSums(now UnixMilli) (s ChanceSums, ok bool) {
	mu := &c.world.shards[0].mu // whoever publishes holds every shard
	mu.Lock()
	defer mu.Unlock()
	if c.chances == nil {
		return s, false
	}
	s = c.chances.book.sums()
	if c.over(now) {
		s.Expired, s.Remaining = s.Expired+s.Remaining, 0
	}
	return s, true
}

// Purse returns a user's chances in a purse, in one cut; code is NotFound when there is no such purse.
func (n *Namespace) Purse(id string, user Key, now UnixMilli) (u ChanceUse, code problem.Code) {
	w := n.world
	mu := &w.shards[w.shardOf(&user)].mu
	mu.Lock()
	defer mu.Unlock()
	s := n.purse(id)
	if s == nil {
		return u, problem.NotFound
	}
	var x subject
	x.find(w, n.tables[ScopeUser], &user)
	u = s.account.use(x.data, max(now, UnixMilli(w.logTime.Load())), false)
	u.Mode, u.Purse = ChancesPurse, id
	return u, problem.OK
}

// PurseSums returns the sums over all users of a purse.
func (n *Namespace) PurseSums(id string) (s ChanceSums, ok bool) {
	mu := &n.world.shards[0].mu
	mu.Lock()
	defer mu.Unlock()
	if p := n.purse(id); p != nil {
		return p.account.book.sums(), true
	}
	return s, false
}

// FindGrant returns where the record of a grant stands; code is KeyUnknown when there was none, else as granting one
// would refuse. Campaign 0 means straight into the purse. It takes a lock.
func (e *Engine) FindGrant(c *Campaign, n *Namespace, purse string, user Key, source, event string) (Location, problem.Code) {
	t := steps.Get().(*tx)
	defer steps.Put(t)
	t.world = e.world.Load()
	g := Grant{Namespace: n.ref, Purse: purse, User: user, Source: source, Event: event}
	if c != nil {
		g.Campaign = c.ref
	}
	t.draw = Draw{User: user}
	t.lockShards(&t.draw)
	defer t.unlockShards()
	x, code := t.granting(&g)
	if code != problem.OK {
		return Location{}, code
	}
	k, ok := t.grantKey(&x)
	if !ok {
		return Location{}, problem.KeyUnknown
	}
	return k.at, problem.OK
}
