package engine

import (
	"slices"
	"sort"

	"github.com/drawd/drawd/engine/internal/pages"
)

// HoldQuery chooses holds and takes. Zero fields choose all.
type HoldQuery struct {
	Owner *Key
	Ref   []byte // by a hash of 32 bits: whoever needs to be sure compares the records' reasons
	State HoldState
	Pool  PoolRef
	After HoldCursor // where the last page ended
	Limit int        // 1 to MaxHoldPage
}

// HoldCursor is where a page of holds ended; the zero HoldCursor is the beginning, and of a page that ended: there is no more.
//
// A listing goes through the days, the newest first, and through each in stretches: so many shards that they have not many more than
// holdStretch rows, so mostly all. Within a stretch the newest come first. A cursor is within a stretch, behind a hold, or at its end. Shards are named by
// the first of the 1,024 homes that they have, so that it means the same whatever their number is.
type HoldCursor struct {
	day      uint16   // number of the day, counted from 1970; 0 for the newest
	from, to uint16   // the stretch; to 0 for one that has not begun
	before   Location // the last hold that was told; zero for none
}

// Done reports whether nothing is left behind c, of a page that ended.
func (c *HoldCursor) Done() bool { return *c == HoldCursor{} }

const (
	homes = 1 << 10
	// holdStretch is how many rows one step of a listing looks at, besides what the last shard has more.
	holdStretch = 1 << 16
	// holdPages is how many pages it looks at under one lock: some 5,000 rows, 50 microseconds.
	holdPages = 64
)

// Holds returns holds and takes that q chooses, and where the next page goes on. It looks at some 2^16 rows, or of a larger shard at all, so
// a page may have less than q.Limit, or nothing, and not be the last. It takes shards' locks, each for a few pages of
// rows.
func (e *Engine) Holds(n *Namespace, q *HoldQuery) (found []HoldView, next HoldCursor) {
	x := holdWalk{n: n, q: q, limit: min(max(q.Limit, 1), MaxHoldPage), now: n.world.time()}
	days := n.stockDays()
	for i := len(days) - 1; i >= 0; i-- {
		d, at := days[i], HoldCursor{day: uint16(days[i].number)}
		switch {
		case q.After.day == 0:
		case at.day > q.After.day:
			continue
		case at.day == q.After.day:
			at = q.After
		}
		for at.from < homes {
			if x.rows >= holdStretch {
				return found, at
			}
			at = x.stretch(d, at)
			found = append(found, x.found...)
			if x.limit -= len(x.found); x.limit == 0 {
				return found, at
			}
			at = HoldCursor{day: at.day, from: at.to}
		}
	}
	return found, HoldCursor{}
}

// holdWalk is a listing under way.
type holdWalk struct {
	n     *Namespace
	q     *HoldQuery
	now   UnixMilli
	limit int
	rows  int // looked at so far
	found []HoldView
}

// stretch finds what is chosen of a stretch, and returns the place behind the last one.
func (x *holdWalk) stretch(d *stockDay, at HoldCursor) HoldCursor {
	w := x.n.world
	x.found = x.found[:0]
	end := int(at.to)
	if end == 0 {
		end = homes
	}
	for home := int(at.from); home < end; {
		shard := home >> w.shift
		next := (shard + 1) << w.shift
		if x.q.Owner == nil || w.shardOf(x.q.Owner) == shard {
			x.shard(d, shard, uint16(home), uint16(min(next, end)), at.before)
		}
		if home = next; at.to == 0 && x.rows >= holdStretch {
			end = home
		}
	}
	at.to = uint16(end)
	if len(x.found) > 0 {
		at.before = x.found[len(x.found)-1].Ref.At
	}
	return at
}

// shard goes through the rows of a day in one shard, as far as their homes are in the stretch. It lets the lock go between pages.
func (x *holdWalk) shard(d *stockDay, shard int, from, to uint16, before Location) {
	mu := &x.n.world.shards[shard].mu
	for _, table := range [...]**rowTable{&d.narrow, &d.wide} {
		place, done := uint32(0), false
		for !done {
			mu.Lock()
			if *table == nil { // the day was let go
				mu.Unlock()
				return
			}
			place, done = (*table).parts[shard].Walk(place, holdPages, func(k pages.Key, row []byte) {
				x.rows++
				if h := refOf((*Key)(&k)); h.Home >= from && h.Home < to && (before.IsZero() || h.At.Less(before)) {
					x.choose(h, row)
				}
			})
			mu.Unlock()
		}
	}
}

// choose puts a row that is chosen into its place among those found.
func (x *holdWalk) choose(h HoldRef, row holdRow) {
	q, state := x.q, row.state()
	if state == StateHeld && !row.open(x.now) {
		state = StateExpired
	}
	switch {
	case q.State != 0 && state != q.State,
		q.Owner != nil && string(q.Owner[:subjectKeyBytes]) != string(row[holdOwnerAt:holdItemsAt]),
		len(q.Ref) > 0 && hashOfRef(q.Ref) != row.hash(),
		q.Pool != 0 && !row.has(q.Pool),
		len(x.found) == x.limit && h.At.Less(x.found[x.limit-1].Ref.At):
		return
	}
	at := sort.Search(len(x.found), func(i int) bool { return x.found[i].Ref.At.Less(h.At) })
	x.found = slices.Insert(x.found, at, viewHold(h, row, x.now))
	x.found = x.found[:min(len(x.found), x.limit)]
}

// AppendHoldCursor appends a cursor as sealed text, 27 characters as an id. It allocates nothing beyond dst.
func (e *Engine) AppendHoldCursor(dst []byte, c HoldCursor) []byte {
	stretch := uint32(c.from)<<11 | uint32(c.to)
	index := uint64(stretch>>16)<<56 | uint64(c.day)<<40 | uint64(c.before.Index)
	return e.appendID(dst, idHoldCursor, Location{LogIndex(index), c.before.Ordinal}, uint16(stretch))
}

// ParseHoldCursor returns the cursor in a text; ok is false for anything that AppendHoldCursor did not make.
func (e *Engine) ParseHoldCursor(text []byte) (c HoldCursor, ok bool) {
	l, home, ok := e.parseID(idHoldCursor, text)
	stretch := uint32(l.Index>>56)<<16 | uint32(home)
	c = HoldCursor{
		day: uint16(l.Index >> 40), from: uint16(stretch >> 11), to: uint16(stretch & (1<<11 - 1)),
		before: Location{l.Index & (1<<40 - 1), l.Ordinal},
	}
	return c, ok && c.from < homes && c.to <= homes
}
