package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
)

// Hit asks a fatigue cap for so many more of what it counts, and counts them if they fit: all or none.
type Hit struct {
	Namespace NamespaceRef
	Cap       uint8  // Namespace.FatigueCap
	User      Key    // Keyer.User of UserID
	UserID    []byte // as the caller sent it; recorded
	Digest    Key    // Keyer.Hit of the idempotency key
	Quantity  uint32 // 1 to MaxHit; a cooldown counts a request once
}

// The body of a hit:
//
//	0 u32 namespace           8  u32  quantity                    44 … user
//	4 u8  number of the cap   12 16 B user key
//	5 3 B reserved, 0         28 16 B digest of the key
const hitFixed = 44

// AddHit appends a hit.
func (b *Batch) AddHit(h *Hit) {
	w, start := b.begin(opHit)
	var fixed [hitFixed]byte
	binary.LittleEndian.PutUint32(fixed[0:], uint32(h.Namespace))
	fixed[4] = h.Cap
	binary.LittleEndian.PutUint32(fixed[8:], h.Quantity)
	copy(fixed[12:], h.User[:])
	copy(fixed[28:], h.Digest[:])
	w.raw(fixed[:])
	w.raw(h.UserID)
	b.end(w, start)
}

// parseHit decodes the body of a hit into h, which then aliases body.
func parseHit(body []byte, h *Hit) error {
	if len(body) <= hitFixed || len(body) > hitFixed+MaxUserBytes {
		return fmt.Errorf("%w: hit of %d bytes", ErrDamagedEntry, len(body))
	}
	if body[5]|body[6]|body[7] != 0 {
		return fmt.Errorf("%w: hit", ErrUnknownEntry)
	}
	h.Namespace, h.Cap = NamespaceRef(binary.LittleEndian.Uint32(body)), body[4]
	h.Quantity = binary.LittleEndian.Uint32(body[8:])
	h.User, h.Digest, h.UserID = Key(body[12:28]), Key(body[28:44]), body[hitFixed:]
	if h.Quantity < 1 || h.Quantity > MaxHit || h.Digest[0] != h.User[0] || (h.Digest[1]^h.User[1])&0xC0 != 0 {
		return fmt.Errorf("%w: hit", ErrDamagedEntry)
	}
	return nil
}

// Hit hashes the idempotency key of a hit in its scope: the cap and the user.
func (k Keyer) Hit(number uint8, user Key, key []byte) Key {
	return k.Digest(DigestHit, CampaignRef(number), user, key)
}

// applyHit decides a hit. Like a draw it takes its user's shard and nothing else.
func (t *tx) applyHit(body []byte) error {
	h := &t.asked
	if err := parseHit(body, h); err != nil {
		return err
	}
	t.result = Result{}
	n := t.world.namespace(h.Namespace)
	if n == nil {
		t.refuse(problem.NamespaceNotFound)
		return nil
	}
	for again := true; again; {
		t.lockUser(&h.User)
		again = t.hit(h, n)
		t.unlockShards()
		if again {
			t.catchUp()
		}
	}
	return nil
}

// lockUser takes the lock of one user's shard, which a run of draws holds already.
func (t *tx) lockUser(user *Key) {
	if t.locks = 0; !t.bulk {
		t.locked[0], t.locks = t.world.shardOf(user), 1
		t.world.shards[t.locked[0]].mu.Lock()
	}
}

// hit is the ladder of a hit: idempotency, the cap, whether it fits. Nothing is written before the last check is passed. As
// a library it reports true, having done nothing, when something is due first: old keys are let go, sessions end.
func (t *tx) hit(h *Hit, n *Namespace) (late bool) {
	rules, f := n.rules.Load(), &n.fatigue
	t.result = Result{}
	if f.table == nil {
		t.refuse(problem.NotFound)
		return false
	}
	spot, known := t.seenHit(h, f)
	if known {
		return false
	}
	for {
		if t.late() || t.library && periodOf(t.now) > f.period {
			return true
		}
		k := t.overHit(h, n, rules, sight{logTime: t.now, now: t.now})
		if k == nil {
			return false
		}
		added := uint64(0)
		if t.fatigued.data == nil {
			added = 1
		}
		if stale := t.claimRows(n, rules, added, 1); stale {
			continue // as a library: time moved on
		}
		if t.result.Code == problem.OK {
			t.count(h, n, k, spot)
		}
		return false
	}
}

// seenHit looks the key of a hit up. When it is known, t.result becomes the answer, whatever that is.
func (t *tx) seenHit(h *Hit, f *fatigue) (spot pages.Spot, known bool) {
	k, spot, known := f.seen(t.world, &h.Digest)
	if known {
		if t.result.Replayed, t.result.At = k.fingerprint == h.Quantity, k.at; !t.result.Replayed {
			t.result = refuse(problem.IdempotencyMismatch)
		}
	}
	return spot, known
}

// overHit finds the user's row and refuses what does not fit; nil when it refused, or when a reader cannot know.
func (t *tx) overHit(h *Hit, n *Namespace, rules *rules, s sight) *hitRule {
	k := rules.hit(h.Cap)
	if k == nil {
		t.refuse(problem.NotFound)
		return nil
	}
	row := &t.fatigued
	row.find(t.world, n.fatigue.table, &h.User)
	t.shared.set(&rules.zone, s.now)
	c := &k.counter
	free, need := c.free(row.data, &t.shared), h.Quantity
	if c.kind == WindowCooldown {
		need = 1
	}
	if free >= need {
		return k
	}
	resets := UnixMilli(0) // more than the cap ever holds: waiting does not help
	if need <= c.limit {
		resets = c.resets(row.data, &t.shared, need)
	}
	if resets != 0 && resets <= s.now+s.margin {
		return nil // a reader: it may have reset by the time the log decides
	}
	r := &t.result
	r.Cap, r.Used, r.Limit, r.ResetsAt, r.Now = h.Cap, c.used(row.data, &t.shared), c.limit, resets, s.now
	r.Allowed, r.Value = uint8(min(free, 255)), uint64(free)
	t.refuse(problem.Capped)
	return nil
}

// claimRows takes the command's position and counts the rows that it will add against the namespace's bounds; Capacity when
// one is reached. As a library it does both under the clock's lock; stale says that time is not what was decided on.
func (t *tx) claimRows(n *Namespace, rules *rules, users, keys uint64) (stale bool) {
	w := t.world
	if t.library {
		w.clock.Lock()
		defer w.clock.Unlock()
		if max(w.clock.now, t.stamp) != t.now {
			return true
		}
	}
	if !n.countRows(rules, users, keys) {
		t.refuse(problem.Capacity)
		return false
	}
	if t.library {
		t.placeLocked()
	}
	return false
}

// count does all of a hit.
func (t *tx) count(h *Hit, n *Namespace, k *hitRule, spot pages.Spot) {
	row := &t.fatigued
	row.open()
	k.counter.add(row.data, &t.shared, h.Quantity)
	at := t.at
	n.fatigue.remember(t.world, &h.Digest, spot, keyRow{at, h.Quantity})
	u := k.counter.use(k.id, CountDraws, row.data, &t.shared)
	t.more = appendHitNote(t.more[:0], &u)
	start := len(t.out.records)
	t.keep(&Record{Kind: RecordHit, Namespace: n.ref, Name: h.UserID, Delta: int64(h.Quantity), Total: Quantity(u.Used), Sections: t.more})
	r := &t.result
	r.At, r.Records, r.Offset, r.Length = at, 1, uint32(start), uint32(len(t.out.records)-start)
}

// PeekHit looks for an answer to h in committed facts: an earlier decision under the same key, or a refusal that stays true
// whatever the log holds after them. ok is false when only the log can tell. now is the caller's clock. It allocates
// nothing and takes the lock of the user's shard.
func (e *Engine) PeekHit(h *Hit, now UnixMilli) (r Result, ok bool) {
	w := e.world.Load()
	n := w.namespace(h.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound), true
	}
	t := steps.Get().(*tx)
	defer steps.Put(t)
	t.world, t.bulk = w, false
	t.lockUser(&h.User)
	defer t.unlockShards()
	t.result = Result{}
	if n.fatigue.table == nil {
		return refuse(problem.NotFound), true
	}
	if _, known := t.seenHit(h, &n.fatigue); known {
		return t.result, true
	}
	t.overHit(h, n, n.rules.Load(), w.sight(now))
	return t.result, t.result.Code != problem.OK
}

// Fatigue returns where a user stands with a fatigue cap; ok is false when no cap of that number is in force. It takes a
// lock and makes no row.
func (e *Engine) Fatigue(n *Namespace, number uint8, user Key, now UnixMilli) (u CapUse, ok bool) {
	w := n.world
	t := steps.Get().(*tx)
	defer steps.Put(t)
	t.world, t.bulk = w, false
	t.lockUser(&user)
	defer t.unlockShards()
	rules := n.rules.Load()
	k := rules.hit(number)
	if k == nil {
		return u, false
	}
	t.fatigued.find(w, n.fatigue.table, &user)
	t.shared.set(&rules.zone, w.sight(now).now)
	return k.counter.use(k.id, CountDraws, t.fatigued.data, &t.shared), true
}
