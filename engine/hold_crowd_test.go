package engine

import (
	"strconv"
	"testing"
)

// When more pools give back in one second than one entry has room to tell, the rest follows with the next entry, at once.
func TestReturnsOfVeryManyPools(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 1)
	n := x.Namespaces()[0]
	const pools = settleRecords + 10
	second := secondOf(x.now) + 5
	all := &poolIndex{all: []*Pool{p}, pools: map[string]*Pool{"p": p}}
	for i := 1; i < pools; i++ { // as tenants together could have them
		q := &Pool{namespace: n, ref: PoolRef(i + 1), id: "p" + strconv.Itoa(i)}
		q.terms.Store(p.terms.Load())
		q.books = cell{ID: q.id, Live: true, Total: 1, Held: 1}
		q.holds.add(second, 1)
		all.all, all.pools[q.id] = append(all.all, q), q
	}
	n.stock.byID.Store(all)
	n.world.returnsBy(second)
	back := func() (n int) {
		for _, p := range all.all {
			n += int(p.books.Available)
		}
		return n
	}
	x.wait(6000)
	x.tick()
	if made := len(x.out.Offsets); made != settleRecords || back() != settleRecords+1 {
		t.Errorf("%d records, %d units are back", made, back())
	}
	if due, some := x.NextDue(); !some || due > x.now {
		t.Errorf("the rest is due at %d, now is %d", due, x.now)
	}
	x.tick()
	if made := len(x.out.Offsets); made != pools-1-settleRecords || back() != pools {
		t.Errorf("then %d records, %d units are back", made, back())
	}
}
