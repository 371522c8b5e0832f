package engine

import (
	"slices"

	"github.com/drawd/drawd/engine/internal/pages"
)

// A campaign's key is looked up in a table that has room for more until it is keysYoung old. Then it moves, in steps between
// entries, to the packed pages of the same table, which take less than half of the memory and are looked at only when the
// table does not know a key. Both are found, hashed, counted, captured and dropped as one table, so no result and no hash
// depends on when a key moved: each replica moves its own, and after a restart once more looks for what is left. Campaigns that grant
// chances keep theirs as they are.
//
// A row does not say when it came. The log does: every keysEvery of log time a campaign notes which entry has come, and who
// was remembered before that entry is at least as old as the note.
const (
	keysEvery = UnixMilli(12 * 3600_000)
	keysYoung = UnixMilli(48 * 3600_000)

	packLevel   = 2  // the feature level from which on packed pages and notes may be in a checkpoint
	packFrom    = 2  // pages of a shard: with fewer, nothing is won
	packStep    = 4  // pages at a time, and about twice as many packed ones: less than 1 ms of all shards' locks (ADR 0044)
	packLeisure = 8  // pages at a time, where entries are far between: less than 2 ms
	packPause   = 20 // ms of log time: so far
)

// keyMoment says which entry has come at a time.
type keyMoment struct {
	at    UnixMilli
	index LogIndex
}

// maxKeyMoments: the last one that is old enough, and those that are not yet.
const maxKeyMoments = int(keysYoung/keysEvery) + 2

// keyPacking is what packs a world's keys.
type keyPacking struct {
	packer   pages.Packer
	campaign *Campaign // whose keys; nil between two
	below    LogIndex  // keys remembered before it
	shard    int
	from     uint64 // in the shard's part of the table
	last     UnixMilli
}

// PackedKeys returns how many remembered keys are packed. It takes locks.
func (e *Engine) PackedKeys() (n uint64) {
	w := e.world.Load()
	for i := range w.shards {
		mu := &w.shards[i].mu
		mu.Lock()
		for _, c := range *w.campaigns.Load() {
			if c.keys != nil {
				rows, _ := c.keys.parts[i].Packed()
				n += uint64(rows)
			}
		}
		mu.Unlock()
	}
	return n
}

// knownKey looks a key up among those that were packed.
func knownKey(part *pages.Table, digest *Key) (k keyRow, ok bool) {
	var row [keyRowBytes]byte
	if !part.Recall((*pages.Key)(digest), row[:]) {
		return keyRow{}, false
	}
	return getKeyRow(row[:]), true
}

// findKey looks a key up. A shard is locked.
func (c *Campaign) findKey(digest *Key) (k keyRow, ok bool) {
	part := c.keys.parts[c.world.shardOf(digest)]
	if row, ok := part.Find((*pages.Key)(digest)); ok {
		return getKeyRow(part.Payload(row)), true
	}
	return knownKey(part, digest)
}

// granted reports whether any version of the campaign has granted chances of its own. The events of grants are in the same table as
// keys, are looked up there only, and their rows change when a grant is taken back: nothing may be packed.
func (c *Campaign) granted() bool {
	return slices.ContainsFunc(*c.versions.Load(), func(v *Version) bool { return v.Chances != nil && v.Chances.Purse == "" })
}

// noteKeys notes the entry that has come, when the last note is old, and lets go of notes that nobody needs. It returns when
// it wants to be asked again. Every shard is locked.
func (c *Campaign) noteKeys(now UnixMilli, index LogIndex) UnixMilli {
	if c.keys == nil || c.world.level.Load() < packLevel || c.granted() {
		return maxTime
	}
	if n := len(c.moments); n == 0 || now >= c.moments[n-1].at+keysEvery {
		c.moments = append(slices.Clip(c.moments), keyMoment{now, index}) // a cut has the old ones
	}
	for len(c.moments) > 1 && now >= c.moments[1].at+keysYoung {
		c.moments = c.moments[1:]
	}
	next := c.moments[len(c.moments)-1].at + keysEvery
	for _, m := range c.moments {
		if m.index > c.packed {
			return min(next, m.at+keysYoung)
		}
	}
	return next
}

// packKeys takes one step of what is due: it notes, begins with a campaign, or packs some of its keys. Every shard is locked.
func (t *tx) packKeys() {
	w, next := t.world, maxTime
	x := &w.packing
	if x.campaign != nil {
		x.step(t.now)
		next = t.now + 1
	} else {
		for _, c := range *w.campaigns.Load() {
			next = min(next, c.noteKeys(t.now, t.at.Index))
			if x.campaign == nil && c.keys != nil && len(c.moments) > 0 && t.now >= c.moments[0].at+keysYoung && c.moments[0].index > c.packed {
				x.campaign, x.below, x.shard, x.from = c, c.moments[0].index, 0, 0
				next = t.now + 1
			}
		}
	}
	w.packs.Store(int64(next))
}

// findPacks finds when packKeys has something to do next. Every shard is locked.
func (w *world) findPacks(now UnixMilli) {
	if w.packing.campaign != nil {
		return
	}
	w.clock.Lock()
	index, next := w.clock.index, maxTime
	w.clock.Unlock()
	for _, c := range *w.campaigns.Load() {
		next = min(next, c.noteKeys(now, index))
	}
	w.packs.Store(int64(next))
}

// step packs some keys of the campaign in hand.
func (x *keyPacking) step(now UnixMilli) {
	c := x.campaign
	if x.packer.Columns == nil {
		x.packer.Columns = []uint8{5, 2, 4} // index, ordinal, fingerprint: see putLocation
		x.packer.Old = func(row []byte) bool { return getLocation(row).Index < x.below }
	}
	n := packStep
	if now-x.last > packPause {
		n = packLeisure
	}
	for x.last = now; c.keys != nil && x.shard < len(c.keys.parts); x.shard, x.from = x.shard+1, 0 {
		part := c.keys.parts[x.shard]
		if x.from == 0 && part.Pages() < packFrom {
			continue
		}
		var done bool
		if x.from, done = x.packer.Step(part, x.from, n); !done {
			return
		}
		if x.shard+1 < len(c.keys.parts) {
			x.shard, x.from = x.shard+1, 0
			return
		}
	}
	c.packed, x.campaign = x.below, nil
}

// keyMoments is the section of a campaign's notes: i64 ms and u64 index of each, ascending.
func (w *writer) keyMoments(all []keyMoment) {
	for _, m := range all {
		w.i64(int64(m.at))
		w.u64(uint64(m.index))
	}
}

func (r *reader) keyMoments() (all []keyMoment) {
	for len(r.b) > 0 && !r.fail {
		m := keyMoment{UnixMilli(r.i64()), LogIndex(r.u64())}
		if n := len(all); n >= maxKeyMoments || n > 0 && (m.at < all[n-1].at+keysEvery || m.index < all[n-1].index) {
			r.fail = true
			return nil
		}
		all = append(all, m)
	}
	return all
}
