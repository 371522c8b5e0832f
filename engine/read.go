package engine

import (
	"sort"

	"github.com/drawd/drawd/engine/problem"
)

// Status is where a campaign stands at a time.
type Status uint8

// The statuses.
const (
	StatusScheduled Status = iota
	StatusRunning
	StatusPaused
	StatusEnded
	StatusFenced
	StatusKilled
)

// String returns the wire name of s.
func (s Status) String() string {
	return [...]string{"scheduled", "running", "paused", "ended", "fenced", "killed"}[s]
}

// Ref returns c's number.
func (c *Campaign) Ref() CampaignRef { return c.ref }

// ID returns c's id, unique in its namespace.
func (c *Campaign) ID() string { return c.id }

// Namespace returns the namespace that c lives in.
func (c *Campaign) Namespace() *Namespace { return c.namespace }

// Version returns the live version. It must not be modified.
func (c *Campaign) Version() *Version { return c.plan.Load().version }

// VersionNumber returns a version, nil when there is none of that number.
func (c *Campaign) VersionNumber(n uint32) *Version {
	all := *c.versions.Load()
	if n == 0 || int(n) > len(all) {
		return nil
	}
	return all[n-1]
}

// Versions returns all versions, oldest first.
func (c *Campaign) Versions() []*Version { return *c.versions.Load() }

// Status returns where c stands at a time.
func (c *Campaign) Status(now UnixMilli) Status {
	k := c.control.Load()
	switch {
	case k.fenced != "":
		return StatusFenced
	case k.endedAt != 0 && now >= k.endedAt:
		return StatusEnded
	case k.paused:
		return StatusPaused
	case now >= c.endsAt(k):
		return StatusEnded
	case k.killed != 0:
		return StatusKilled
	case now < c.plan.Load().version.StartsAt:
		return StatusScheduled
	}
	return StatusRunning
}

// Exhausted reports whether every prize of the live version is out; with sessions, of the one in force. With prizes from
// pools it takes locks.
func (c *Campaign) Exhausted() bool {
	p := c.plan.Load()
	between := len(p.version.Sessions) > 0 && p.calendar.live < 0
	return !between && c.winnable.Load() == 0 && !c.poolsGive()
}

// EndsAt returns when c ends, pauses added, or when it was ended.
func (c *Campaign) EndsAt() UnixMilli { return c.endsAt(c.control.Load()) }

// FencedBy returns the rule that c's books broke; empty when they did not.
func (c *Campaign) FencedBy() string { return c.control.Load().fenced }

// SeedHash returns the hash of c's seed, public from the start: SHA-256(0x02 ‖ campaign id ‖ seed). The seed is 128
// random bits, so the hash tells nothing about it.
func (c *Campaign) SeedHash() [32]byte { return c.seedHash }

// Seq returns the number of the last recorded sub-draw or stock change. It takes a lock.
func (c *Campaign) Seq() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.seq
}

// Stock returns the campaign's books in one cut: prizes of the live version in file order, then dropped ones. It takes
// a lock.
func (c *Campaign) Stock() (seq uint64, prizes []PrizeStock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, p := c.Version(), c.plan.Load()
	told := make([]bool, len(v.Prizes)) // what a prize paid is said once, where it is first
	for _, id := range v.cells() {
		s := c.books[c.cell(id)].stock()
		if z, pooled := v.PoolOf(v.prize(prizeOf(id))); pooled {
			s.Pool = z.Pool
		}
		if i := v.prize(prizeOf(id)); c.money != nil && p.money != nil && p.money.pays[i].pays && !told[i] {
			z := &p.money.pays[i]
			s.Paid, s.Budget, s.Money, told[i] = c.money.prizes[z.at].sum, z.budget, true, true
		}
		prizes = append(prizes, s)
	}
	for i := range c.books {
		if !c.books[i].Live {
			prizes = append(prizes, c.books[i].stock())
		}
	}
	return c.mu.seq, prizes
}

// PrizeNumber returns the number of a prize's books (Version.CellID) in the campaign's life, as it stands in Win. It takes a lock.
func (c *Campaign) PrizeNumber(id string) (uint16, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.cell(id)
	return uint16(max(i, 0)), i >= 0
}

// peekMargin is how far beyond the reader's clock a denial must stay true: twice what a leader's clock may be off.
const peekMargin UnixMilli = 1000

// Peek looks for an answer to d in committed facts: an earlier decision under the same key (Replayed, or
// IdempotencyMismatch, KeyAbandoned), or a denial that stays true whatever the log holds after them. ok is false when
// only the log can tell. now is the caller's clock. It allocates nothing and takes the locks of the draw's shards.
func (e *Engine) Peek(d *Draw, now UnixMilli) (r Result, ok bool) {
	w := e.world.Load()
	c := w.campaign(d.Campaign)
	if c == nil {
		return refuse(problem.CampaignNotFound), true
	}
	t := steps.Get().(*tx)
	defer steps.Put(t)
	t.world = w
	t.lockShards(d)
	defer t.unlockShards()
	t.result = Result{Campaign: c.ref}
	if _, known := c.seen(&d.Digest, fingerprint(d), &t.result); known {
		return t.result, true
	}
	s := w.sight(now)
	if c.unsettled(s) {
		return t.result, false
	}
	code := t.refusal(d, c, s)
	return t.result, code != problem.OK
}

// unsettled reports whether something happens by itself by then that can end what is refused now: a version that waits becomes live, or
// what was asked for by breaking the glass is done.
func (c *Campaign) unsettled(s sight) bool {
	by := s.now + s.margin
	return int64(by) >= c.world.glass.Load() || c.namespace.changes(c.id, by)
}

// sight is a reader's: the log's time, and his own clock where that is ahead.
func (w *world) sight(now UnixMilli) sight {
	logTime := UnixMilli(w.logTime.Load())
	return sight{logTime: logTime, now: max(now, logTime), margin: peekMargin}
}

// FindKey returns where the first answer to a draw's key stands; code is KeyUnknown or KeyAbandoned when there is none.
// It takes a lock.
func (e *Engine) FindKey(c *Campaign, user, digest Key) (l Location, code problem.Code) {
	mu := &c.world.shards[c.world.shardOf(&user)].mu
	mu.Lock()
	defer mu.Unlock()
	if c.keys == nil {
		return Location{}, problem.KeyUnknown
	}
	k, ok := c.findKey(&digest)
	switch {
	case !ok:
		return Location{}, problem.KeyUnknown
	case k.at.IsZero():
		return k.at, problem.KeyAbandoned
	}
	return k.at, problem.OK
}

// CapUse is one cap as a user sees it.
type CapUse struct {
	ID       string // "ns/<id>" for an aggregate cap
	Counts   Counts
	Used     uint32
	Limit    uint32
	ResetsAt UnixMilli // when one more could fit, or the window is over; 0 for never
}

// UserState is what a campaign knows about one user, in one cut.
type UserState struct {
	Known    bool // has drawn
	Draws    uint32
	Caps     []CapUse // of the user's scope: the namespace's, then the campaign's
	LastDraw Location
	LastWin  Location
	Pity     []PityUse // in file order
	Chances  *ChanceUse
	CanDraw  Result // code OK, or what would refuse a draw now
}

// UserState returns what a campaign knows about a user. It takes a lock and makes no row.
func (e *Engine) UserState(c *Campaign, user Key, now UnixMilli) UserState {
	w := c.world
	t := steps.Get().(*tx)
	defer steps.Put(t)
	t.world = w
	d := Draw{Campaign: c.ref, User: user, Times: 1}
	t.lockShards(&d)
	defer t.unlockShards()
	s := w.sight(now)
	s.margin, s.onlyUser = 0, true
	t.result = Result{Campaign: c.ref}
	t.refusal(&d, c, s)
	u := UserState{CanDraw: t.result}
	t.look(&d, c, s.now)
	if row := t.campaign[ScopeUser].data; row != nil {
		u.Draws = drawsOf(row) // 0: he has chances only
		u.Known = u.Draws > 0
		u.LastDraw, u.LastWin = getLocation(row[rowLast:]), getLocation(row[rowLastWin:])
	}
	u.Chances = t.chanceUse(c, s.now)
	for _, counters := range [...][]counter{t.rules.draws, t.rules.wins, t.rules.amounts} {
		for i := range counters {
			if k := &counters[i]; k.scope == ScopeUser {
				a := &t.rules.policy.AggregateCaps[k.index]
				u.Caps = append(u.Caps, k.use("ns/"+a.ID, a.Counts, t.everyone[ScopeUser].data, &t.shared))
			}
		}
	}
	for i := range t.plan.ofUser {
		k := &t.plan.ofUser[i]
		a := &t.plan.version.Caps[k.index]
		u.Caps = append(u.Caps, k.use(a.ID, a.Counts, t.campaign[ScopeUser].data, &t.own))
	}
	u.Pity = t.pityUse()
	return u
}

func (k *counter) use(id string, counts Counts, row []byte, m *moment) CapUse {
	u := CapUse{ID: id, Counts: counts, Used: k.used(row, m), Limit: k.limit}
	if k.kind >= WindowHour && k.kind <= WindowMonth || u.Used >= u.Limit {
		u.ResetsAt = k.resets(row, m, 1)
	}
	return u
}

// CapName returns the name of the cap in a Capped result: "day", or "ns/<id>" for an aggregate one.
func (e *Engine) CapName(r *Result) string {
	c := e.world.Load().campaign(r.Campaign)
	if c == nil {
		return ""
	}
	i := int(r.Cap &^ AggregateBit)
	if r.Cap&AggregateBit != 0 {
		if caps := c.namespace.Policy().AggregateCaps; i < len(caps) {
			return "ns/" + caps[i].ID
		}
	} else if caps := c.Version().Caps; i < len(caps) {
		return caps[i].ID
	}
	return ""
}

func sortBy[T any](s []T, less func(a, b T) bool) {
	sort.Slice(s, func(i, j int) bool { return less(s[i], s[j]) })
}
