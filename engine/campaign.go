package engine

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
)

// Campaign is a published campaign. Its methods take no locks unless they say so.
type Campaign struct {
	world     *world
	namespace *Namespace
	ref       CampaignRef
	id        string

	sealedSeed []byte
	seed       [16]byte
	seedHash   [32]byte

	// Changed while every shard is locked (ending by exhaustion: under mu), replaced as a whole, read without a lock.
	plan     atomic.Pointer[plan]
	versions atomic.Pointer[[]*Version]
	raffles  atomic.Pointer[[]*Raffle]
	control  atomic.Pointer[control]
	// winnable counts the prizes of the live version that can still be given out of the campaign's books; with 0, and no pool
	// that gives, it is exhausted. Moved under mu.
	winnable atomic.Int32
	// epoch moves, under mu, behind every change that draws see without it (change): draws that looked before look again.
	epoch atomic.Uint64

	layout     layout // every shard is locked when it changes
	tables     [scopes]*rowTable
	attributes attributeRows // changed like layout
	lists      lists         // every shard is locked when it changes
	keys       *rowTable     // nil once they may be forgotten
	moments    []keyMoment   // which entries came when; replaced, never changed
	packed     LogIndex      // keys remembered before it are packed, here
	awards     *rowTable     // nil before a version has deliveries

	_  [128]byte // what stands before is read by every draw, the lock is written by it
	mu struct {
		sync.Mutex
		seq uint64
	}
	books    books                           // under mu; prizes are added while every shard is locked too
	cells    map[string]int                  // index of books by id; replaced with them
	reserves reserves                        // like books
	releases releases                        // like books
	money    *money                          // what was paid; nil while no version bounded that. Like books
	mode     *modeState                      // what a deck or pacing knows of the draws before; nil for neither ever. Like books
	burn     *burn                           // what its guard counts; nil without one. Like books
	shares   shareTable                      // under mu; follows from the rest
	off      []switchedOff                   // its switches; every shard is locked when they change
	forced   atomic.Pointer[[]ForcedVersion] // replaced, never changed; nil for none
	shield   atomic.Pointer[shield]          // its defensive version; replaced, never changed; nil for none
	codes    []codeBook                      // under mu; books are added while every shard is locked too
	voids    []voided                        // under mu, ascending seq
	// turned is the end of the last session that was closed. Every shard is locked when it changes.
	turned  UnixMilli
	chances *account // every shard is locked when it changes; nil when chances were never granted here
	_       [64]byte
}

// control is what was done to a campaign outside its versions.
type control struct {
	paused   bool
	pausedAt UnixMilli  // also of a campaign that was ended in a pause; else 0 when it is not paused
	extended int64      // ms by which pauses moved the end
	endedAt  UnixMilli  // log time of the end by hand or by exhaustion; 0 for neither
	killed   SwitchKind // the widest switch that denies draws; 0 for none. Found anew at load
	fenced   string     // the rule that the books broke; empty for none
}

// books are the cells of every prize a campaign ever had, in the order of their introduction.
type books []cell

// index is where each cell stands in the books, by id.
func (b books) index() map[string]int {
	byID := make(map[string]int, len(b))
	for i := range b {
		byID[b[i].ID] = i
	}
	return byID
}

// find is index for a few: it walks.
func (b books) find(id string) int {
	for i := range b {
		if b[i].ID == id {
			return i
		}
	}
	return -1
}

// cell returns where the cell with an id stands in the books, -1 for nowhere.
func (c *Campaign) cell(id string) int {
	if i, found := c.cells[id]; found {
		return i
	}
	return -1
}

// keep makes b the campaign's books. A prize that is switched off is off in new cells too.
func (c *Campaign) keep(b books) {
	c.books, c.cells = b, b.index()
	for i := range c.off {
		if s := &c.off[i]; s.kind == SwitchPrize {
			b.throw(s.prize, true)
		}
	}
}

func (c *Campaign) endsAt(k *control) UnixMilli {
	if k.endedAt != 0 {
		return k.endedAt
	}
	return c.plan.Load().version.EndsAt + UnixMilli(k.extended)
}

// mark drops what may be forgotten at now and returns when it wants to be asked again. Every shard is locked.
func (c *Campaign) mark(now UnixMilli) UnixMilli {
	k := c.control.Load()
	start, end := c.plan.Load().version.StartsAt, c.endsAt(k)
	switch forget := end + KeyRetention; {
	case now < start:
		return start
	case now < end:
		return end
	case k.paused && k.endedAt == 0: // a resume may still move the end
		return maxTime
	case now < forget:
		return forget
	}
	if c.keys != nil {
		c.namespace.keys.Add(-c.keys.rows())
		c.world.dropRowTable(c.keys)
		c.keys, c.moments = nil, nil
	}
	return maxTime
}

// change lets do change what a draw looks at before it has the campaign's lock (tx.ladder), and then moves the epoch. Were the epoch
// moved first, a draw could read it, then read what was before, and take its look for a fresh one once it has the lock: recorded
// behind what ended the campaign, it would be refused by whoever decides the same in the order of positions. mu is held.
func (c *Campaign) change(do func()) {
	amid := c.world.engine.options.amid
	if amid != nil {
		amid()
	}
	do()
	if amid != nil {
		amid()
	}
	c.epoch.Add(1)
}

// runOut notes that the last unit of a prize has gone. With the last prize the campaign ends, where its version says so. mu is held.
func (t *tx) runOut(c *Campaign) {
	c.change(func() {
		if c.winnable.Add(-1) != 0 || t.plan.version.Exhausted != End || t.plan.calendar.next >= 0 {
			return
		}
		k := *c.control.Load()
		k.endedAt = max(t.now, 1)
		c.control.Store(&k)
		t.world.due.Store(int64(t.now)) // the next command finds anew when the keys may be forgotten
	})
}

// recount counts the winnable prizes again. Every shard is locked.
func (c *Campaign) recount() {
	p, n := c.plan.Load(), int32(0)
	for i := range p.prizes {
		if z := &p.prizes[i]; !z.thanks && !z.absent && z.pool == nil && !c.books[z.cell].hopeless(z.units) {
			n++
		}
	}
	c.winnable.Store(n)
	c.epoch.Add(1)
}

// applyControl pauses, resumes or ends a campaign.
func (t *tx) applyControl(c *Control) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	k := *a.control.Load()
	over := t.now >= a.endsAt(&k) && !k.paused
	resumed, paused := false, k.pausedAt
	switch c.Action {
	case ActionPause:
		if over {
			return Result{Code: problem.Ended, Campaign: a.ref, Now: t.now}
		}
		if k.paused {
			return Result{Campaign: a.ref, AlreadyLive: true}
		}
		k.paused, k.pausedAt = true, t.now
	case ActionResume:
		if !k.paused {
			return Result{Campaign: a.ref, AlreadyLive: true}
		}
		if c.ExtendByPause {
			k.extended += a.overlap(&k, t.now)
		}
		k.paused, k.pausedAt = false, 0
		resumed = true
	case ActionEnd:
		if k.endedAt != 0 || over {
			return Result{Campaign: a.ref, AlreadyLive: true}
		}
		k.endedAt, k.paused = max(t.now, 1), false // pausedAt stays: what a pause held back is held back for good
	default:
		return refuse(problem.InvalidField)
	}
	a.control.Store(&k)
	a.epoch.Add(1)
	if resumed {
		a.displace(paused, t.now)
	}
	t.world.settle(t.now)
	return t.note(Record{
		Kind: RecordControl, Campaign: a.ref, Version: a.Version().Number, Name: []byte(c.Action.String()),
		Actor: []byte(c.Actor), Reason: []byte(c.Reason),
	}, Result{Campaign: a.ref})
}

// overlap returns how much of a pause that ends now lay between start and end.
func (c *Campaign) overlap(k *control, now UnixMilli) int64 {
	from := max(k.pausedAt, c.plan.Load().version.StartsAt)
	return max(0, int64(now-from))
}

// applyAdjust changes the stock of one prize, once for its idempotency key.
func (t *tx) applyAdjust(c *Adjust) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	a.mu.Lock() // for readers of the books
	defer a.mu.Unlock()
	print := fingerprintAdjust(c)
	var r Result
	spot, known := a.seen(&c.Digest, print, &r)
	if known {
		if r.Code == problem.OK {
			r.Value = uint64(a.books[max(a.cell(c.Prize), 0)].Total)
		}
		return r
	}
	i := a.cell(c.Prize)
	if i < 0 || !a.books[i].Live {
		return Result{Code: problem.PrizeNotFound, Campaign: a.ref}
	}
	cell := &a.books[i]
	if a.codeBook(c.Prize) != nil {
		return Result{Code: problem.Conflict, Campaign: a.ref} // its stock is its codes
	}
	if i := a.Version().prize(c.Prize); i >= 0 && a.Version().pooled(i) {
		return Result{Code: problem.Conflict, Campaign: a.ref} // its stock is its pool's
	}
	if a.sessionOver(c.Prize) {
		return Result{Code: problem.Ended, Campaign: a.ref, Now: t.now}
	}
	if broken := a.unbalanced(); broken != "" {
		return t.fence(a, broken)
	}
	if !cell.adjustable(c.Delta) {
		return Result{Code: problem.InsufficientStock, Campaign: a.ref}
	}
	if a.keys == nil {
		return Result{Code: problem.Ended, Campaign: a.ref, Now: t.now}
	}
	if n := a.namespace; n.keys.Load() >= n.rules.Load().maxKeys {
		return Result{Code: problem.Capacity, Campaign: a.ref}
	}
	cell.adjust(c.Delta)
	a.recount()
	a.mu.seq++
	at := t.at
	r = t.note(Record{
		Kind: RecordAdjust, Campaign: a.ref, Version: a.Version().Number, Seq: a.mu.seq, Name: []byte(c.Prize),
		Actor: []byte(c.Actor), Reason: []byte(c.Reason), Delta: int64(c.Delta),
		Total: cell.Total,
	}, Result{Campaign: a.ref, Value: uint64(cell.Total)})
	a.remember(&c.Digest, spot, keyRow{at, print})
	return r
}

// unbalanced returns the rule that the campaign's books break, or nothing.
func (c *Campaign) unbalanced() string {
	for i := range c.books {
		if !c.books[i].balanced() {
			return "stock of " + c.books[i].ID
		}
	}
	if !c.money.balanced() {
		return "money"
	}
	return c.unbalancedReserve()
}

// fence stops a campaign whose books broke a rule: it refuses draws until people have looked. Callers hold mu and have
// written nothing yet.
func (t *tx) fence(c *Campaign, rule string) Result {
	k := *c.control.Load()
	k.fenced = rule
	c.change(func() { c.control.Store(&k) })
	r := t.note(Record{Kind: RecordFence, Campaign: c.ref, Version: c.Version().Number, Name: []byte(rule)}, Result{})
	r.Code, r.Campaign = problem.CampaignFenced, c.ref
	return r
}

// seen looks an idempotency key up. When it is known, r becomes the answer, whatever that is; when it is not, spot is where
// it would go, for remember.
func (c *Campaign) seen(digest *Key, fingerprint uint32, r *Result) (spot pages.Spot, known bool) {
	if c.keys == nil {
		return pages.Spot{}, false
	}
	if mutant.On(mutant.DedupeInProcess) {
		digest = (*Key)(mutant.Scoped((*[16]byte)(digest)))
	}
	part := &c.keys.block[c.world.shardOf(digest)]
	row, spot, ok := part.Seek((*pages.Key)(digest))
	var k keyRow
	if ok {
		k = getKeyRow(part.Payload(row))
	} else if k, ok = knownKey(part, digest); !ok {
		return spot, false
	}
	r.Campaign = c.ref
	switch {
	case k.at.IsZero():
		r.Code = problem.KeyAbandoned
	case k.fingerprint != fingerprint:
		r.Code = problem.IdempotencyMismatch
	default:
		r.Replayed, r.At = true, k.at
	}
	return pages.Spot{}, true
}

// remember keeps the answer to an idempotency key, and counts it. Every shard is locked: a draw counts its key with its rows
// (admitted).
func (c *Campaign) remember(digest *Key, spot pages.Spot, k keyRow) {
	c.put(digest, spot, k)
	c.namespace.keys.Add(1)
}

// put keeps the answer to an idempotency key. The key is not known, and no row was added to its table since seen gave the
// spot.
func (c *Campaign) put(digest *Key, spot pages.Spot, k keyRow) {
	if mutant.On(mutant.DedupeInProcess) {
		digest = (*Key)(mutant.Scoped((*[16]byte)(digest)))
	}
	part := &c.keys.block[c.world.shardOf(digest)]
	k.put(part.Fill((*pages.Key)(digest), spot))
}

// applyAbandon answers what was decided under a key, or fences the key for ever.
func (t *tx) applyAbandon(c *Abandon) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	if a.keys == nil {
		return Result{Code: problem.KeyUnknown, Campaign: a.ref}
	}
	if known, ok := a.findKey(&c.Digest); ok {
		if known.at.IsZero() {
			return Result{Code: problem.KeyAbandoned, Campaign: a.ref}
		}
		return Result{Replayed: true, Campaign: a.ref, At: known.at}
	}
	if n := a.namespace; n.keys.Load() >= n.rules.Load().maxKeys {
		return Result{Code: problem.Capacity, Campaign: a.ref}
	}
	a.remember(&c.Digest, pages.Spot{}, keyRow{})
	r := t.note(Record{
		Kind: RecordAbandon, Campaign: a.ref, Version: a.Version().Number, Name: c.UserID, Actor: []byte(c.Actor),
	}, Result{})
	r.Code, r.Campaign = problem.KeyAbandoned, a.ref
	return r
}

func hashSeed(campaign string, seed [16]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte{0x02})
	h.Write([]byte(campaign))
	h.Write(seed[:])
	return [32]byte(h.Sum(nil))
}
