package engine

import (
	"fmt"

	"github.com/drawd/drawd/engine/names"
)

// stockCut is what a capture takes along of pools and holds.
type stockCut struct {
	pools                  []poolCut
	keys                   uint64
	ownerRows, accountRows uint64
	days                   []stockDayCut
}

type poolCut struct {
	id       string
	terms    *poolTerms
	books    cell
	seq      uint64
	epoch    uint64
	holds    agenda
	spread   agenda
	forfeits agenda
	low      bool
	fenced   string
}

type stockDayCut struct {
	number             uint32
	first              LogIndex
	open               bool // its tables of holds are there
	narrow, wide, keys uint64
	desk               uint64 // 0: there is none
}

// cutStock takes pools and holds. Every shard is locked. A namespace without pools has none.
func (n *Namespace) cutStock() *stockCut {
	pools := n.Pools()
	if len(pools) == 0 {
		return nil
	}
	s := &n.stock
	x := &stockCut{keys: s.keys.Load(), ownerRows: s.owners.rows(), accountRows: s.accounts.rows()}
	for _, p := range pools {
		p.mu.Lock()
		x.pools = append(x.pools, poolCut{
			p.id, p.terms.Load(), p.books, p.mu.seq, p.epoch.Load(), p.holds.clone(), p.spread.clone(), p.forfeits.clone(), p.low, p.fenced,
		})
		p.mu.Unlock()
	}
	for _, d := range n.stockDays() {
		c := stockDayCut{number: d.number, first: d.first, open: d.narrow != nil}
		if c.open {
			c.narrow, c.wide, c.keys = d.narrow.rows(), d.wide.rows(), d.keys.rows()
		}
		if d.desk != nil {
			c.desk = d.desk.rows()
		}
		x.days = append(x.days, c)
	}
	return x
}

// unplaced returns x without what depends on where in the log things happened.
func (x *stockCut) unplaced() *stockCut {
	if x == nil {
		return nil
	}
	y := *x
	y.days = append([]stockDayCut(nil), x.days...)
	for i := range y.days {
		y.days[i].first = 0
	}
	return &y
}

func (w *writer) pools(x *stockCut) {
	if x == nil {
		return
	}
	w.u32(uint32(len(x.pools)))
	for i := range x.pools {
		p := &x.pools[i]
		w.str(p.id)
		w.u64(p.terms.revision)
		w.poolPolicy(&p.terms.PoolPolicy)
		w.cell(&p.books)
		w.u64(p.seq)
		w.u64(p.epoch)
		w.agenda(&p.holds)
		w.agenda(&p.spread)
		w.flag(p.low)
		w.str(p.fenced)
	}
}

func (r *reader) pools(x *stockCut) {
	for range r.count(MaxPools) {
		p := poolCut{id: r.str(MaxIDBytes), terms: &poolTerms{revision: r.u64()}}
		p.terms.PoolPolicy = r.poolPolicy()
		p.books, p.seq, p.epoch = r.cell(), r.u64(), r.u64()
		p.holds, p.spread = r.agenda(), r.agenda()
		p.low, p.fenced = r.flag(), r.str(MaxReasonBytes)
		if r.fail || p.terms.Validate() != nil || !names.Pool(p.id) || p.books.Unlimited {
			r.fail = true
			return
		}
		x.pools = append(x.pools, p)
	}
}

func (w *writer) holdTables(x *stockCut) {
	if x == nil {
		return
	}
	for _, n := range [...]uint64{x.ownerRows, x.keys, x.ownerRows, x.accountRows} {
		w.u64(n)
	}
	w.u32(uint32(len(x.days)))
	for i := range x.days {
		d := &x.days[i]
		w.u32(d.number)
		w.u64(uint64(d.first))
		w.flag(d.open)
		for _, n := range [...]uint64{d.narrow, d.wide, d.keys, d.desk} {
			w.u64(n)
		}
	}
}

// maxStockDays bounds the days that are kept: a week and today.
const maxStockDays = 16

func (r *reader) holdTables(x *stockCut) {
	_, x.keys, x.ownerRows, x.accountRows = r.u64(), r.u64(), r.u64(), r.u64()
	for range r.count(maxStockDays) {
		d := stockDayCut{number: r.u32(), first: LogIndex(r.u64()), open: r.flag(), narrow: r.u64(), wide: r.u64(), keys: r.u64(), desk: r.u64()}
		if r.fail || d.number > 1<<16-1 || len(x.days) > 0 && x.days[len(x.days)-1].number >= d.number {
			r.fail = true
			return
		}
		x.days = append(x.days, d)
	}
}

// restoreStock fills a namespace from a cut. The rows come with the pages.
func (n *Namespace) restoreStock(x *stockCut) error {
	if x == nil {
		return nil
	}
	if len(x.pools) == 0 || len(x.days) == 0 {
		return fmt.Errorf("engine: meta: pools without a day: %w", errTruncated)
	}
	index := &poolIndex{pools: make(map[string]*Pool)}
	for i := range x.pools {
		c := &x.pools[i]
		if index.pools[c.id] != nil {
			return fmt.Errorf("engine: meta: pool %q twice: %w", c.id, errTruncated)
		}
		p := &Pool{namespace: n, ref: PoolRef(i + 1), id: c.id, books: c.books, holds: c.holds, spread: c.spread, forfeits: c.forfeits, low: c.low, fenced: c.fenced}
		p.counted()
		p.terms.Store(c.terms)
		p.epoch.Store(c.epoch)
		p.mu.seq = c.seq
		index.all, index.pools[p.id] = append(index.all, p), p
	}
	n.stock.byID.Store(index)
	n.openStock()
	n.stock.rows.Store(x.ownerRows + x.accountRows)
	n.stock.keys.Store(x.keys)
	var days []*stockDay
	for i := range x.days {
		c := &x.days[i]
		d := &stockDay{number: c.number, first: c.first}
		if c.open {
			d = n.newDay(c.number, c.first)
		}
		if c.desk > 0 {
			d.desk = n.world.newRowTable(n.stockTable(c.number, tableDesk), digestKeyBytes, keyRowBytes)
		}
		days = append(days, d)
	}
	if last := days[len(days)-1]; last.narrow == nil {
		return fmt.Errorf("engine: meta: no day for holds: %w", errTruncated)
	}
	n.stock.days.Store(&days)
	return nil
}

// stockTables calls fn for each table of pools and holds with the number of rows that the meta announces.
func (n *Namespace) stockTables(x *stockCut, fn func(t *rowTable, rows uint64) error) error {
	if n.stock.owners == nil {
		return nil
	}
	type counted struct {
		t    *rowTable
		rows uint64
	}
	all := []counted{{n.stock.owners, x.ownerRows}, {n.stock.accounts, x.accountRows}}
	for i, d := range n.stockDays() {
		c := &x.days[i]
		all = append(all, counted{d.narrow, c.narrow}, counted{d.wide, c.wide}, counted{d.keys, c.keys}, counted{d.desk, c.desk})
	}
	for _, c := range all {
		if c.t != nil {
			if err := fn(c.t, c.rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// forfeits writes the agendas of forfeit units, of the pools that have any.
func (w *writer) forfeits(x *stockCut) {
	for i := 0; x != nil && i < len(x.pools); i++ {
		if a := &x.pools[i].forfeits; len(a.minutes) > 0 {
			w.u32(uint32(i))
			w.agenda(a)
		}
	}
}

// forfeits reads them, behind the pools.
func (r *reader) forfeits(x *stockCut) {
	for last := -1; !r.fail && len(r.b) > 0; {
		i := int(r.u32())
		a := r.agenda()
		if r.fail || i <= last || i >= len(x.pools) || len(a.minutes) == 0 {
			r.fail = true
			return
		}
		x.pools[i].forfeits, last = a, i
	}
}
