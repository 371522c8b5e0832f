package engine

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// A user's chances stand in a place of his row: sums, and lots of chances that end together.
//
//	0  u32 granted    8  u32 expired    16 u32 debt         21 … lots of 14 bytes
//	4  u32 consumed   12 u32 revoked    20 u8  lots in use
//
// A lot: u32 remaining, u32 end, u32 begin (seconds, 0 for "has begun"), u8 priority, u8 source. At all times
// granted = consumed + remaining + expired + revoked. Lots are in the order in which they are spent: soonest end,
// highest priority, oldest. What has ended stays in its lot until the row is next written: nothing sweeps rows.
const (
	lotsHead  = 21
	lotBytes  = 14
	maxLots   = MaxLots + ownLots
	ownLots   = 2 // kept for what drawd grants itself: milestones and prizes, one lot each
	neverEnds = 1<<32 - 1
)

func lotsBytes(lots uint8) int { return lotsHead + lotBytes*(int(lots)+ownLots) }

// lot is chances that begin and end together.
type lot struct {
	remaining  uint32
	end, begin uint32 // seconds since 1970; neverEnds; 0 for "has begun"
	priority   uint8
	source     uint8
}

func (l *lot) ended(now UnixMilli) bool {
	return l.end != neverEnds && int64(now) >= int64(l.end)*1000
}

func (l *lot) begun(now UnixMilli) bool { return int64(now) >= int64(l.begin)*1000 }

// like reports whether two lots differ in what they hold only.
func (l *lot) like(m *lot) bool {
	return l.end == m.end && l.begin == m.begin && l.priority == m.priority && l.source == m.source
}

// chances are one user's chances, taken out of his row.
type chances struct {
	granted, consumed, expired, revoked uint32
	debt                                uint32 // revoked after they were spent: the next grants pay it
	n                                   int
	lots                                [maxLots]lot
}

// ChanceSums are the sums over all users of a campaign or purse: Granted = Consumed + Remaining + Expired + Revoked.
// Remaining holds what has expired and was not looked at since.
type ChanceSums struct {
	Granted, Consumed, Remaining, Expired, Revoked, Debt uint64
}

func (s *ChanceSums) sound() bool { return s.Granted == s.Consumed+s.Remaining+s.Expired+s.Revoked }

// chanceBook holds the sums. Its lock is a leaf, taken while a user's shard is locked.
type chanceBook struct {
	mu struct {
		sync.Mutex
		sums ChanceSums
	}
}

func (b *chanceBook) sums() ChanceSums {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.sums
}

// sound reports whether the sums add up.
func (b *chanceBook) sound() bool {
	b.mu.Lock()
	ok := b.mu.sums.sound()
	b.mu.Unlock()
	return ok
}

// spend moves what a draw consumed, and what of the user's chances had expired before it.
func (b *chanceBook) spend(price, expired uint32) {
	b.mu.Lock()
	s := &b.mu.sums
	s.Consumed += uint64(price)
	s.Expired += uint64(expired)
	s.Remaining -= uint64(price) + uint64(expired)
	b.mu.Unlock()
}

// move adds what became of one user's chances between two looks at them.
func (b *chanceBook) move(was, is *ChanceSums) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.mu.sums
	s.Granted += is.Granted - was.Granted
	s.Consumed += is.Consumed - was.Consumed
	s.Remaining += is.Remaining - was.Remaining
	s.Expired += is.Expired - was.Expired
	s.Revoked += is.Revoked - was.Revoked
	s.Debt += is.Debt - was.Debt
}

// account is where the users' chances of a campaign or purse are kept. Every shard is locked when it changes.
type account struct {
	offsets []int                    // of the places in a row, oldest first: more lots made a larger one
	size    int                      // of the newest
	limit   int                      // lots that grants of the host may fill
	sources atomic.Pointer[register] // grown by replacing it
	book    *chanceBook
}

func (a *account) fit(p *place, lots uint8) {
	a.offsets, a.size, a.limit = p.Offsets, p.Sizes[len(p.Sizes)-1], int(lots)
}

// place returns where in the row this user's chances stand: the newest place that was ever written.
func (a *account) place(row []byte) []byte {
	for i := len(a.offsets) - 1; i >= 0; i-- {
		if at := a.offsets[i]; i == 0 || binary.LittleEndian.Uint32(row[at:]) != 0 {
			return row[at:]
		}
	}
	panic("BUG: chances without a place")
}

// load takes the chances out of a row; none when there is no row.
func (a *account) load(row []byte, c *chances) {
	c.granted, c.consumed, c.expired, c.revoked, c.debt, c.n = 0, 0, 0, 0, 0, 0
	if row == nil {
		return
	}
	b := a.place(row)
	c.granted = binary.LittleEndian.Uint32(b)
	c.consumed = binary.LittleEndian.Uint32(b[4:])
	c.expired = binary.LittleEndian.Uint32(b[8:])
	c.revoked = binary.LittleEndian.Uint32(b[12:])
	c.debt = binary.LittleEndian.Uint32(b[16:])
	c.n = min(int(b[20]), maxLots)
	for i := range c.n {
		getLot(b[lotsHead+i*lotBytes:], &c.lots[i])
	}
}

// save puts them back, into the newest place.
func (a *account) save(row []byte, c *chances) {
	at := a.offsets[len(a.offsets)-1]
	if len(a.offsets) > 1 {
		old := a.place(row)
		clear(old[:lotsHead+int(old[20])*lotBytes])
	}
	b := row[at : at+a.size]
	was := int(b[20])
	binary.LittleEndian.PutUint32(b, c.granted)
	binary.LittleEndian.PutUint32(b[4:], c.consumed)
	binary.LittleEndian.PutUint32(b[8:], c.expired)
	binary.LittleEndian.PutUint32(b[12:], c.revoked)
	binary.LittleEndian.PutUint32(b[16:], c.debt)
	b[20] = byte(c.n)
	for i := range c.n {
		putLot(b[lotsHead+i*lotBytes:], &c.lots[i])
	}
	if was > c.n { // freed lots are zero, so that a row has one form
		clear(b[lotsHead+c.n*lotBytes : lotsHead+was*lotBytes])
	}
}

func getLot(b []byte, l *lot) {
	_ = b[13]
	l.remaining = binary.LittleEndian.Uint32(b)
	l.end, l.begin = binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	l.priority, l.source = b[12], b[13]
}

func putLot(b []byte, l *lot) {
	_ = b[13]
	binary.LittleEndian.PutUint32(b, l.remaining)
	binary.LittleEndian.PutUint32(b[4:], l.end)
	binary.LittleEndian.PutUint32(b[8:], l.begin)
	b[12], b[13] = l.priority, l.source
}

// spendable returns how many chances can be spent at some time from one moment to another; the same twice for the
// applier. It reads the row only.
func (a *account) spendable(row []byte, from, to UnixMilli) (n uint64) {
	if row == nil {
		return 0
	}
	b := a.place(row)
	for i := range min(int(b[20]), maxLots) {
		var l lot
		getLot(b[lotsHead+i*lotBytes:], &l)
		if !l.ended(from) && l.begun(to) {
			n += uint64(l.remaining)
		}
	}
	return n
}

// spendable is account.spendable for chances that were taken out of their row.
func (c *chances) spendable(from, to UnixMilli) (n uint64) {
	for i := range c.n {
		if l := &c.lots[i]; !l.ended(from) && l.begun(to) {
			n += uint64(l.remaining)
		}
	}
	return n
}

// sound reports whether the user's chances add up.
func (c *chances) sound() bool {
	return uint64(c.granted) == uint64(c.consumed)+c.remaining()+uint64(c.expired)+uint64(c.revoked)
}

func (c *chances) remaining() (n uint64) {
	for i := range c.n {
		n += uint64(c.lots[i].remaining)
	}
	return n
}

func (c *chances) sums() ChanceSums {
	return ChanceSums{uint64(c.granted), uint64(c.consumed), c.remaining(), uint64(c.expired), uint64(c.revoked), uint64(c.debt)}
}

// tidy lets go what has ended, and joins lots that have become alike.
func (c *chances) tidy(now UnixMilli) {
	kept := 0
	if c.n == 1 && c.lots[0].begin == 0 && !c.lots[0].ended(now) {
		return // the rule
	}
	for i := range c.n {
		l := c.lots[i]
		if l.ended(now) {
			c.expired += l.remaining
			continue
		}
		if l.begin != 0 && l.begun(now) {
			l.begin = 0
		}
		if j := c.find(&l, kept); j >= 0 {
			c.lots[j].remaining += l.remaining
			continue
		}
		c.lots[kept] = l
		kept++
	}
	c.n = kept
}

// find returns the lot like l among the first n, or -1.
func (c *chances) find(l *lot, n int) int {
	for i := range n {
		if c.lots[i].like(l) {
			return i
		}
	}
	return -1
}

// fits reports whether add would find a place for l. Grants of the host leave the own lots alone.
func (c *chances) fits(l *lot, limit int) bool {
	return l.remaining == 0 || isOwn(l.source) || c.find(l, c.n) >= 0 || c.hosts() < limit || c.mixable(l) >= 0
}

// add puts l in its place in the order. fits was asked.
func (c *chances) add(l lot, limit int) {
	if l.remaining == 0 {
		return
	}
	if i := c.find(&l, c.n); i >= 0 {
		c.lots[i].remaining += l.remaining
		return
	}
	if !isOwn(l.source) && c.hosts() >= limit {
		m := &c.lots[c.mixable(&l)]
		m.remaining, m.source = m.remaining+l.remaining, sourceMixed
		return
	}
	at := c.n
	for at > 0 && l.before(&c.lots[at-1]) {
		c.lots[at] = c.lots[at-1]
		at--
	}
	c.lots[at] = l
	c.n++
}

// before reports whether l is spent before m, were both as old.
func (l *lot) before(m *lot) bool {
	return l.end < m.end || l.end == m.end && l.priority > m.priority
}

func isOwn(source uint8) bool { return source == sourceMilestone || source == sourcePrize }

// hosts counts the lots that are not drawd's own.
func (c *chances) hosts() (n int) {
	for i := range c.n {
		if !isOwn(c.lots[i].source) {
			n++
		}
	}
	return n
}

// mixable returns a lot that differs from l in its source only: when no lot is free, sources share one.
func (c *chances) mixable(l *lot) int {
	for i := range c.n {
		m := &c.lots[i]
		if !isOwn(m.source) && m.end == l.end && m.begin == l.begin && m.priority == l.priority {
			return i
		}
	}
	return -1
}

// spend consumes chances in order and appends each lot's part. The rung of chances made sure that there are enough.
func (c *chances) spend(now UnixMilli, price uint32, parts []part) []part {
	left := price
	for i := 0; i < c.n && left > 0; i++ {
		l := &c.lots[i]
		if l.ended(now) || !l.begun(now) {
			continue
		}
		n := min(left, l.remaining)
		l.remaining -= n
		left -= n
		if n > 0 {
			parts = append(parts, part{l.source, n})
		}
	}
	if left != 0 {
		panic("BUG: spending chances that were not checked")
	}
	c.consumed += price
	c.drop()
	return parts
}

// drop removes empty lots.
func (c *chances) drop() {
	kept := 0
	for i := range c.n {
		if c.lots[i].remaining > 0 {
			if kept < i {
				c.lots[kept] = c.lots[i]
			}
			kept++
		}
	}
	c.n = kept
}

// grant books chances: debt is paid first, the rest goes into the lot. It returns what went into debt.
func (c *chances) grant(l lot, limit int) (paid uint32) {
	paid = min(c.debt, l.remaining)
	c.granted += l.remaining
	c.debt -= paid
	c.revoked += paid
	l.remaining -= paid
	c.add(l, limit)
	return paid
}

// revoke takes n chances back: out of the lots of that source and end first, then of that source, then of any, each time
// beginning with what would be spent last. What is not there any more becomes debt.
func (c *chances) revoke(n uint32, source uint8, end uint32) (taken uint32) {
	for pass := range 3 {
		for i := c.n - 1; i >= 0; i-- {
			l := &c.lots[i]
			if pass < 2 && l.source != source || pass < 1 && l.end != end {
				continue
			}
			part := min(l.remaining, n-taken)
			l.remaining -= part
			taken += part
		}
	}
	c.revoked += taken
	c.debt += n - taken
	c.drop()
	return taken
}
