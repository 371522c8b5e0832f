package engine

import (
	"encoding/hex"
	"strconv"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
)

// applyPool makes a pool or replaces its policy. Every shard is locked.
func (t *tx) applyPool(c *PutPool, body []byte) Result {
	n := t.world.namespace(c.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	if c.CheckPool() != nil {
		return refuse(problem.InvalidField)
	}
	p, found := n.Pool([]byte(c.ID))
	if !found {
		return t.makePool(n, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.terms.Load()
	switch {
	case c.Expect != AnyRevision && c.Expect != old.revision:
		return Result{Code: problem.VersionConflict, Value: old.revision, Pool: p.ref}
	case c.Total != StockUnstated && c.Total != p.books.Total:
		return Result{Code: problem.StockChanged, Value: uint64(p.books.Total), Pool: p.ref}
	case old.PoolPolicy.equal(&c.Policy):
		return Result{AlreadyLive: true, Value: old.revision, Pool: p.ref}
	case old.Restock == RestockTwo && c.Policy.Restock != RestockTwo && t.approved != byPeople:
		return t.ask(n, opPool, body, "restock rule of pool "+p.id, c.Actor, c.Reason, false, Result{Pool: p.ref})
	}
	p.terms.Store(&poolTerms{c.Policy, old.revision + 1})
	p.low = p.low && p.books.Available <= c.Policy.LowStock
	return t.notePolicy(p, c)
}

// makePool adds a pool to a namespace.
func (t *tx) makePool(n *Namespace, c *PutPool) Result {
	index := n.stock.byID.Load()
	switch {
	case c.Expect != AnyRevision && c.Expect != 0:
		return refuse(problem.VersionConflict)
	case c.Total == StockUnstated:
		return refuse(problem.InvalidField)
	case len(index.all) >= MaxPools || t.world.pools >= MaxPoolsEver:
		return refuse(problem.Capacity)
	}
	p := &Pool{namespace: n, ref: PoolRef(len(index.all) + 1), id: c.ID}
	p.counted()
	p.books = cell{ID: c.ID, Live: true, Total: c.Total, Available: c.Total}
	p.terms.Store(&poolTerms{c.Policy, 1})
	p.mu.seq = 1
	n.addPool(p)
	n.openStock()
	t.world.returns.Store(min(t.world.returns.Load(), int64(n.turnDay(t.now, t.at.Index))))
	return t.notePolicy(p, c)
}

// counted makes a new pool one of the engine's, whose minutes count.
func (p *Pool) counted() {
	w := p.namespace.world
	w.pools++
	for _, a := range [...]*agenda{&p.holds, &p.spread, &p.forfeits} {
		a.all = &w.minutes
		a.counted(len(a.minutes))
	}
}

func (n *Namespace) addPool(p *Pool) {
	old := n.stock.byID.Load()
	next := &poolIndex{append(old.all[:len(old.all):len(old.all)], p), make(map[string]*Pool, len(old.all)+1)}
	for _, q := range next.all {
		next.pools[q.id] = q
	}
	n.stock.byID.Store(next)
}

func (t *tx) notePolicy(p *Pool, c *PutPool) Result {
	revision := p.terms.Load().revision
	return t.note(Record{
		Kind: RecordPool, Namespace: p.namespace.ref, Seq: p.mu.seq, Name: []byte(p.id), Actor: []byte(c.Actor), Reason: []byte(c.Reason),
		Delta: int64(revision), Total: p.books.Total,
	}, Result{Value: revision, Pool: p.ref})
}

func (p *PoolPolicy) equal(q *PoolPolicy) bool {
	var a, b writer
	a.poolPolicy(p)
	b.poolPolicy(q)
	return string(a.b) == string(b.b)
}

// applyPoolAdjust changes a pool's total, once for its key. Every shard is locked.
func (t *tx) applyPoolAdjust(c *AdjustPool, body []byte) Result {
	n := t.world.namespace(c.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	p := n.pool(c.Pool)
	if p == nil {
		return Result{Code: problem.PoolNotFound, Pool: c.Pool}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	print := uint32(uint64(c.Delta)*0x9E3779B97F4A7C15>>32) ^ uint32(c.Pool)
	if k, known := n.findDeskKey(&c.Digest); known {
		if k.fingerprint != print {
			return Result{Code: problem.IdempotencyMismatch, Pool: p.ref}
		}
		return Result{Replayed: true, At: k.at, Pool: p.ref, Value: uint64(p.books.Total)}
	}
	terms := p.terms.Load()
	switch {
	case c.Delta == 0:
		return Result{Code: problem.InvalidField, Pool: p.ref}
	case c.Machine && terms.Restock != RestockMachine:
		return Result{Code: problem.Forbidden, Pool: p.ref}
	case p.fenced != "" || p.unbalanced() != "":
		return Result{Code: problem.CampaignFenced, Pool: p.ref}
	case !p.books.adjustable(c.Delta):
		return Result{Code: problem.InsufficientStock, Pool: p.ref, MayReturn: c.Delta < 0 && p.books.Held+p.books.Unreleased > 0}
	case n.stock.keys.Load() >= n.rules.Load().maxKeys:
		return Result{Code: problem.Capacity, Pool: p.ref}
	case terms.Restock == RestockTwo && t.approved != byPeople:
		subject := "pool " + p.id + " by " + strconv.FormatInt(int64(c.Delta), 10) + " under " + hex.EncodeToString(c.Digest[:6])
		return t.ask(n, opPoolAdjust, body, subject, c.Actor, c.Reason, false, Result{Pool: p.ref})
	}
	was := p.books.Available
	p.books.adjust(c.Delta)
	p.mu.seq++
	if c.Delta > 0 {
		p.rise()
	}
	n.rememberDesk(&c.Digest, keyRow{t.at, print})
	r := t.note(Record{
		Kind: RecordPoolAdjust, Namespace: n.ref, Seq: p.mu.seq, Name: []byte(p.id), Actor: []byte(c.Actor), Reason: []byte(c.Reason),
		Delta: int64(c.Delta), Total: p.books.Total,
	}, Result{Value: uint64(p.books.Total), Pool: p.ref})
	t.notePool(p, was)
	return r
}

func (n *Namespace) findDeskKey(digest *Key) (k keyRow, known bool) {
	for _, d := range n.stockDays() {
		if d.desk == nil {
			continue
		}
		part := d.desk.parts[n.world.shardOf(digest)]
		if row, ok := part.Find((*pages.Key)(digest)); ok {
			return getKeyRow(part.Payload(row)), true
		}
	}
	return k, false
}

// rememberDesk keeps the key of a change of a total. Every shard is locked.
func (n *Namespace) rememberDesk(digest *Key, k keyRow) {
	days := n.stockDays()
	d := days[len(days)-1]
	if d.desk == nil {
		d.desk = n.world.newRowTable(n.stockTable(d.number, tableDesk), digestKeyBytes, keyRowBytes)
	}
	part := d.desk.parts[n.world.shardOf(digest)]
	k.put(part.Mutable(part.Insert((*pages.Key)(digest))))
}

// applyPools decides the commands on pools that take every shard.
func (t *tx) applyPools(o op, r *reader) (res Result, err error) {
	body := r.b
	switch o {
	case opPool:
		c := r.putPool()
		if err = r.done(); err == nil {
			res = t.applyPool(&c, body)
		}
	case opPoolAdjust:
		c := r.adjustPool()
		if err = r.done(); err == nil {
			res = t.applyPoolAdjust(&c, body)
		}
	default:
		c := r.voidHold()
		if err = r.done(); err == nil {
			res = t.applyVoidUnits(&c, o == opVoidTake)
		}
	}
	return res, err
}
