package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/zeebo/xxh3"
)

// StateHash returns a hash of the whole state: the sum of the hashes of its rows and its meta, mod 2^128. It depends on
// no order, no page, no shard count and no position in the log, so engines that decided the same commands in other
// batches agree. It reads every row: for checks, not for the hot path. Nothing may be applied meanwhile.
func (e *Engine) StateHash() [16]byte {
	w := e.world.Load()
	w.lockAll()
	defer w.unlockAll()
	m := w.cut()
	sum := xxh3.Hash128(m.encode(false))
	var buf []byte
	_ = w.tables(m, func(t *rowTable, _ uint64) error {
		for _, part := range t.parts {
			part.Range(func(k pages.Key, payload []byte) bool {
				buf = canonicalRow(buf[:0], t, &k, payload)
				h := xxh3.Hash128(buf)
				var carry uint64
				sum.Lo, carry = bits.Add64(sum.Lo, h.Lo, 0)
				sum.Hi, _ = bits.Add64(sum.Hi, h.Hi, carry)
				return true
			})
		}
		return nil
	})
	return sum.Bytes()
}

// canonicalRow is a row as it is hashed: without positions in the log, and without the zeros that a wider layout adds.
func canonicalRow(dst []byte, t *rowTable, k *pages.Key, payload []byte) []byte {
	table := t.id
	dst = binary.LittleEndian.AppendUint32(dst, table)
	if table&(ofNamespace|ofFatigue|ofStock) == ofNamespace|ofStock {
		return canonicalStockRow(dst, table&7, k, payload)
	}
	dst = append(dst, k[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	switch kind := table & 7; {
	case kind == tableKeys:
		if !getLocation(payload).IsZero() {
			putLocation(dst[start:], Location{Index: 1}) // decided, and not abandoned
		}
	case kind == tableLists:
		clear(dst[start+listDeny+listAt : start+listAllow])
		clear(dst[start+listAllow+listAt : start+listRow])
	case kind == tableUser && table&ofNamespace == 0:
		clear(dst[start+rowLast : start+rowCounters])
	}
	for _, at := range t.located {
		if at > 0 && !getLocation(payload[at:]).IsZero() {
			putLocation(dst[start+at:], Location{Index: 1}) // helped
		}
	}
	return bytes.TrimRight(dst, "\x00")
}

// CheckInvariants walks the whole state and reports the first rule that it breaks: books that do not add up, rows that
// are not counted, counters beyond what their window can hold. Nothing may be applied meanwhile.
func (e *Engine) CheckInvariants() error {
	w := e.world.Load()
	w.lockAll()
	defer w.unlockAll()
	users, keys := make(map[NamespaceRef]uint64), make(map[NamespaceRef]uint64)
	for _, c := range *w.campaigns.Load() {
		if broken := c.unbalanced(); broken != "" {
			return fmt.Errorf("campaign %q: %s does not add up", c.id, broken)
		}
		winnable := c.winnable.Load()
		if c.recount(); c.winnable.Load() != winnable {
			return fmt.Errorf("campaign %q: %d prizes can be won, the counter says %d", c.id, c.winnable.Load(), winnable)
		}
		if broken := c.unbalancedReleases(); broken != "" {
			return fmt.Errorf("campaign %q: %s does not add up", c.id, broken)
		}
		if err := c.checkRows(); err != nil {
			return fmt.Errorf("campaign %q: %w", c.id, err)
		}
		if c.chances != nil {
			if err := c.chances.checkChances(c.tables[ScopeUser]); err != nil {
				return fmt.Errorf("campaign %q: %w", c.id, err)
			}
		}
		users[c.namespace.ref] += c.tables[ScopeUser].rows()
		if c.keys != nil {
			keys[c.namespace.ref] += c.keys.rows()
		}
		if c.awards != nil {
			keys[c.namespace.ref] += c.awards.rows()
		}
	}
	if err := w.checkMinutes(); err != nil {
		return err
	}
	for _, n := range *w.namespaces.Load() {
		if err := n.checkStock(w.clock.now); err != nil {
			return fmt.Errorf("namespace %q: %w", n.name, err)
		}
		for _, s := range n.purses {
			if err := s.account.checkChances(n.tables[ScopeUser]); err != nil {
				return fmt.Errorf("purse %q: %w", s.id, err)
			}
		}
		if n.purseKeys != nil {
			keys[n.ref] += n.purseKeys.rows()
		}
		u, k := n.fatigue.rows()
		users[n.ref], keys[n.ref] = users[n.ref]+u, keys[n.ref]+k
		if err := n.checkFatigue(); err != nil {
			return fmt.Errorf("namespace %q: %w", n.name, err)
		}
		if n.users.Load() != users[n.ref] || n.keys.Load() != keys[n.ref] {
			return fmt.Errorf("namespace %q: %d users and %d keys, the counters say %d and %d", n.name, users[n.ref], keys[n.ref], n.users.Load(), n.keys.Load())
		}
	}
	return nil
}

// checkRows recounts draws and wins over all users and compares them with the books.
func (c *Campaign) checkRows() error {
	p := c.plan.Load()
	var m moment
	m.set(&p.zone, c.world.clock.now)
	var draws uint64
	var err error
	for _, part := range c.tables[ScopeUser].parts {
		part.Range(func(k pages.Key, row []byte) bool {
			draws += uint64(drawsOf(row))
			if (drawsOf(row) == 0) != getLocation(row[rowLast:]).IsZero() || drawsOf(row) == 0 && !c.hasChances(row) && !c.hasHelped(row) {
				err = fmt.Errorf("user %x has a row and neither draws nor chances nor helps", k[:subjectKeyBytes])
			}
			for i := range p.ofUser {
				if used := p.ofUser[i].used(row, &m); used > MaxCapLimit {
					err = fmt.Errorf("user %x: counter %q stands at %d", k[:subjectKeyBytes], p.version.Caps[p.ofUser[i].index].ID, used)
				}
			}
			return err == nil
		})
	}
	if err == nil && draws > c.mu.seq {
		err = fmt.Errorf("users have drawn %d times, seq is %d", draws, c.mu.seq)
	}
	return err
}
