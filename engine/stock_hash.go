package engine

import (
	"bytes"
	"fmt"

	"github.com/drawd/drawd/engine/internal/pages"
)

// canonicalStockRow is a row of the stockroom as it is hashed: without places in the log. The row of a hold has its place for
// a key, so that goes too; what is left names the owner.
func canonicalStockRow(dst []byte, kind uint32, k *pages.Key, payload []byte) []byte {
	start := len(dst) + len(k)
	switch kind {
	case tableNarrow, tableWide:
		dst = append(append(dst, make([]byte, len(k))...), payload...)
		clear(dst[start+holdNextAt : start+holdOwnerAt])
	case tableOwners:
		dst = append(append(dst, k[:]...), payload...)
		clear(dst[start+ownerHeadAt : start+ownerPoolAt])
	case tableHoldKeys, tableDesk:
		dst = append(append(dst, k[:]...), payload...)
		putLocation(dst[start:], Location{Index: 1})
	default:
		dst = append(append(dst, k[:]...), payload...)
	}
	return bytes.TrimRight(dst, "\x00")
}

// stockCheck recounts pools from the rows of holds.
type stockCheck struct {
	n        *Namespace
	now      UnixMilli
	holds    []agenda   // by pool
	forfeits []agenda   // by pool
	issued   []Quantity // by pool, of holds and takes that are known still
	open     int        // holds that are open
}

// checkMinutes counts the minutes of all agendas again. Every shard is locked.
func (w *world) checkMinutes() error {
	minutes, pools := 0, 0
	for _, n := range *w.namespaces.Load() {
		for _, p := range n.Pools() {
			p.mu.Lock()
			minutes += len(p.holds.minutes) + len(p.spread.minutes) + len(p.forfeits.minutes)
			p.mu.Unlock()
			pools++
		}
	}
	if counted := w.minutes.Load(); int64(minutes) != counted || pools != w.pools {
		return fmt.Errorf("%d pools with %d minutes in agendas, the counters say %d and %d", pools, minutes, w.pools, counted)
	}
	return nil
}

// checkStock compares the books of n's pools with its rows. Every shard is locked.
func (n *Namespace) checkStock(now UnixMilli) error {
	pools := n.Pools()
	if len(pools) == 0 {
		return nil
	}
	x := stockCheck{n: n, now: now, holds: make([]agenda, len(pools)), forfeits: make([]agenda, len(pools)), issued: make([]Quantity, len(pools))}
	var keys uint64
	for _, d := range n.stockDays() {
		if d.narrow == nil {
			continue
		}
		keys += d.keys.rows()
		for items, t := range map[int]*rowTable{1: d.narrow, MaxHoldItems: d.wide} { // order: sums
			if err := x.count(t, items); err != nil {
				return err
			}
		}
	}
	if rows := n.stock.owners.rows() + n.stock.accounts.rows(); rows != n.stock.rows.Load() || keys != n.stock.keys.Load() {
		return fmt.Errorf("%d rows of owners and %d keys of holds, the counters say %d and %d", rows, keys, n.stock.rows.Load(), n.stock.keys.Load())
	}
	for i, p := range pools {
		if err := x.compare(p, i); err != nil {
			return fmt.Errorf("pool %q: %w", p.id, err)
		}
	}
	return x.chains()
}

// count adds the rows of one table.
func (x *stockCheck) count(t *rowTable, items int) (err error) {
	for _, part := range t.parts {
		part.Range(func(k pages.Key, payload []byte) bool {
			row, h := holdRow(payload), refOf((*Key)(&k))
			if !row.sound(items) {
				err = fmt.Errorf("the row of hold %v cannot be", h.At)
				return false
			}
			for i := range row.count() {
				item := row.item(i)
				if int(item.pool) > len(x.holds) || item.pool == 0 {
					err = fmt.Errorf("hold %v is of pool %d, which is not there", h.At, item.pool)
					return false
				}
				switch row.state() {
				case StateHeld:
					if back := row.deadline() + item.back; back > secondOf(x.now) {
						x.agendaOf(row, item.pool).add(back, item.units)
					}
				case StateConfirmed, StateTaken:
					x.issued[item.pool-1] += item.units
				}
			}
			if row.open(x.now) {
				x.open++
			}
			return true
		})
	}
	return err
}

// compare holds a pool's books against its rows.
func (x *stockCheck) compare(p *Pool, i int) error {
	held, sound := p.holds.sum()
	spread, spreadSound := p.spread.sum()
	forfeit, forfeitSound := p.forfeits.sum()
	var counted, kept writer
	x.holds[i].due(secondOf(x.now)) // what an engine used as a library has not given back yet is in neither
	mine := p.holds.clone()
	mine.due(secondOf(x.now))
	counted.agenda(&x.holds[i])
	kept.agenda(&mine)
	x.forfeits[i].due(secondOf(x.now))
	mine = p.forfeits.clone()
	mine.due(secondOf(x.now))
	counted.agenda(&x.forfeits[i])
	kept.agenda(&mine)
	switch {
	case p.fenced != "":
		return nil
	case !p.books.balanced():
		return fmt.Errorf("its books do not add up")
	case !sound || !spreadSound || !forfeitSound || held+spread+forfeit != p.books.Held:
		return fmt.Errorf("%d units are held, its seconds say %d and %d", p.books.Held, held, spread)
	case !bytes.Equal(counted.b, kept.b):
		return fmt.Errorf("its seconds are not those of its holds")
	case x.issued[i] > p.books.Issued:
		return fmt.Errorf("%d units are issued, its holds and takes say %d", p.books.Issued, x.issued[i])
	}
	return nil
}

// chains follows the chain of every owner: each open hold is on its owner's.
func (x *stockCheck) chains() (err error) {
	seen := 0
	for _, part := range x.n.stock.owners.parts {
		part.Range(func(k pages.Key, _ []byte) bool {
			var v ownerView
			v.load(x.n, (*Key)(&k))
			for i := range v.count {
				c := &v.chain[i]
				if owner := c.data.owner(); string(owner[:]) != string(v.owner[:]) {
					err = fmt.Errorf("hold %v is on the chain of another owner", c.at)
				}
				if c.data.state() != StateHeld {
					err = fmt.Errorf("hold %v is on a chain and %v", c.at, c.data.state())
				}
				if i > 0 && !c.at.Less(v.chain[i-1].at) {
					err = fmt.Errorf("a chain does not descend at hold %v", c.at)
				}
			}
			seen += v.open(x.now)
			return err == nil
		})
	}
	if err == nil && seen != x.open {
		err = fmt.Errorf("%d holds are open, %d are on a chain", x.open, seen)
	}
	return err
}

// agendaOf returns where the units of a hold's row of a pool are counted.
func (x *stockCheck) agendaOf(row holdRow, p PoolRef) *agenda {
	if row.forfeit() {
		return &x.forfeits[p-1]
	}
	return &x.holds[p-1]
}
