package main

import "github.com/drawd/drawd/engine"

// poolKey names a pool.
type poolKey struct {
	namespace engine.NamespaceRef
	pool      engine.PoolRef
}

// poolTally is a pool recounted from the records.
type poolTally struct {
	seq                                 uint64
	total, available, issued, withdrawn engine.Quantity
}

func (t *tally) pool(n engine.NamespaceRef, p engine.PoolRef) *poolTally {
	k := poolKey{n, p}
	if t.pools[k] == nil {
		t.pools[k] = new(poolTally)
	}
	return t.pools[k]
}

// addPool counts a record about pools, holds and takes.
func (t *tally) addPool(at engine.Location, r *engine.Record) {
	all := t.engine.Namespaces()
	if r.Namespace == 0 || int(r.Namespace) > len(all) {
		t.fault(at, "there is no namespace %d", r.Namespace)
		return
	}
	switch r.Kind {
	case engine.RecordPool, engine.RecordPoolAdjust, engine.RecordPoolReturn:
		p, ok := all[r.Namespace-1].Pool(r.Name)
		if !ok {
			t.fault(at, "there is no pool %s", r.Name)
			return
		}
		t.pool(r.Namespace, p.Ref()).change(t, at, r)
	case engine.RecordTake, engine.RecordHold, engine.RecordConfirm, engine.RecordRelease, engine.RecordExtend, engine.RecordHoldVoid:
		if _, refused := r.HoldRefusal(); refused {
			return
		}
		m, ok := r.Moves()
		if !ok {
			t.fault(at, "it does not say what it moved")
		}
		for i := range m.Count {
			t.pool(r.Namespace, m.Items[i].Pool).move(t, at, r, &m.Items[i])
		}
	}
}

// next takes the next seq of a pool.
func (p *poolTally) next(t *tally, at engine.Location, seq uint64) {
	if seq != p.seq+1 {
		t.fault(at, "seq %d of a pool follows %d", seq, p.seq)
	}
	p.seq = seq
}

// change counts what concerns the pool as a whole.
func (p *poolTally) change(t *tally, at engine.Location, r *engine.Record) {
	if r.Kind == engine.RecordPool && r.Delta > 1 {
		return // another policy: the books stay
	}
	p.next(t, at, r.Seq)
	switch r.Kind {
	case engine.RecordPool:
		p.total, p.available = r.Total, r.Total
		return
	case engine.RecordPoolAdjust:
		p.total += engine.Quantity(r.Delta)
	}
	p.available += engine.Quantity(r.Delta)
}

// move counts what a hold or take moved.
func (p *poolTally) move(t *tally, at engine.Location, r *engine.Record, m *engine.HoldMove) {
	p.next(t, at, m.Seq)
	switch r.Kind {
	case engine.RecordTake, engine.RecordConfirm:
		p.issued += m.Units
	case engine.RecordHoldVoid:
		p.issued -= m.Units
		if engine.VoidFault(r.Flags) == engine.VoidAbuse {
			p.withdrawn += m.Units
		}
	}
	if r.Kind == engine.RecordTake || r.Kind == engine.RecordHold {
		if p.available-m.Units != m.Available {
			t.fault(at, "%d units of a pool are available after %d were taken from %d", m.Available, m.Units, p.available)
		}
	}
	p.available = m.Available
}

// comparePools holds the recount against the books of a namespace's pools.
func (x *audit) comparePools(n *engine.Namespace) {
	for _, p := range n.Pools() {
		s, counted := p.Stock(), x.tally.pool(n.Ref(), p.Ref())
		if s.Fenced != "" {
			x.fault("pool %s is fenced: %s", p.ID(), s.Fenced)
		}
		if counted.seq != s.Seq {
			x.fault("pool %s: its records end at seq %d, its books at %d", p.ID(), counted.seq, s.Seq)
		}
		if counted.total != s.Total || counted.available != s.Available || counted.issued != s.Issued || counted.withdrawn != s.Withdrawn {
			x.fault("pool %s: the books say %d units, %d available, %d issued, %d withdrawn; the records %d, %d, %d, %d", p.ID(),
				s.Total, s.Available, s.Issued, s.Withdrawn, counted.total, counted.available, counted.issued, counted.withdrawn)
		}
	}
}
