package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// Days of holds go as a whole, keys of changes of totals after a week; what owners had of pools stays.
func TestDaysOfHoldsGo(t *testing.T) {
	x := newTable(t)
	n := x.Namespaces()[0]
	p := x.pool("p", 100, func(p *PoolPolicy) { p.LimitPerOwner, p.MaxUnconfirmed = 5, 3 })
	confirmed, expired := x.mustHold("u", "1", units(p, 2)), x.mustHold("u", "2", units(p, 3))
	x.wantCode("confirm", x.confirm(confirmed), problem.OK)
	x.wantCode("restock", x.adjustPool(p, "r", 10), problem.OK)
	days := func() (all []uint32) {
		for _, d := range n.stockDays() {
			all = append(all, d.number)
		}
		return all
	}
	for day := range 12 {
		due, ok := x.NextDue()
		if next := start + UnixMilli(day+1)*dayMilli; !ok || day > 0 && due != next {
			t.Fatalf("next due is %d, want %d", due, next)
		}
		x.now = start + UnixMilli(day+1)*dayMilli
		x.tick()
		x.reload()
		n = x.Namespaces()[0]
		p, _ = n.Pool([]byte("p"))
		age := x.now - (start + dayMilli) // of the first day
		_, held := x.Hold(n, confirmed)
		if want := age < holdDayLife; held != want {
			t.Errorf("after %d days the hold is known: %v", day+1, held)
		}
		_, _, code := x.FindHoldKey(n, x.keys.Hold(x.keys.User([]byte("u")), []byte("1")))
		if want := age < holdDayLife; (code == problem.OK) != want {
			t.Errorf("after %d days the key says %v", day+1, code)
		}
		_, _, code = x.FindHoldKey(n, x.keys.PoolAdjust(p.ref, "op", []byte("r")))
		if want := age < deskDayLife; (code == problem.OK) != want {
			t.Errorf("after %d days the key of the restock says %v", day+1, code)
		}
		if len(n.stockDays()) > maxStockDays {
			t.Fatalf("days %v", days())
		}
	}
	x.unchanged("what is done to holds that are gone", func() {
		x.wantCode("void", x.voidHold(confirmed, VoidUser), problem.HoldNotFound)
		x.wantCode("confirm", x.confirmLate(expired), problem.HoldNotFound)
	})
	use, open := x.Owner(p, x.keys.User([]byte("u")))
	if use.Issued != 2 || use.Held != 0 || use.Unconfirmed != 1 || len(open) != 0 {
		t.Errorf("the owner has %+v, %d open", use, len(open))
	}
	x.wantCode("a limit counts over the pool's life", x.hold("u", "3", units(p, 4)), problem.Capped)
	x.mustHold("u", "4", units(p, 3))
	if _, open = x.Owner(p, x.keys.User([]byte("u"))); len(open) != 1 {
		t.Errorf("%d holds are open", len(open))
	}
	x.wantStock("in the end", p, 105, 3, 2, 0)
	if keys := n.stock.keys.Load(); keys != 2 {
		t.Errorf("%d keys are kept", keys)
	}
}

// Incremental checkpoints carry pools, holds and their days; loading them into other shards changes nothing.
func TestHoldsOverCheckpoints(t *testing.T) {
	x := newTable(t)
	p, q := x.pool("p", 10_000), x.pool("q", 10_000)
	pages, meta := make(map[PageID][]byte), []byte(nil)
	for round := range 5 {
		for i := range 150 {
			h := x.mustHold(userName(i), userName(round), units(p, 1), units(q, Quantity(1+round)))
			if i%3 == 0 {
				x.confirm(h)
			}
		}
		x.adjustPool(p, userName(round), 5)
		x.now += dayMilli / 2
		c, err := x.Capture(round == 0)
		if err != nil {
			t.Fatal(err)
		}
		for {
			var page [PageSize]byte
			id, ok := c.Next(page[:])
			if !ok {
				break
			}
			pages[id] = bytes.Clone(page[:])
		}
		meta = c.Meta()
		c.Commit()
	}
	for _, shards := range []int{4, 1, 64} {
		e, _ := New(Options{Shards: shards})
		l := e.Loader()
		for id, page := range pages {
			if err := l.Page(id, page); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Finish(meta); err != nil {
			t.Fatal(err)
		}
		if e.StateHash() != x.StateHash() {
			t.Errorf("%d shards: another state", shards)
		}
		if err := e.CheckInvariants(); err != nil {
			t.Errorf("%d shards: %v", shards, err)
		}
		due, _ := e.NextDue()
		if want, _ := x.NextDue(); due != want {
			t.Errorf("%d shards: next due is %d, want %d", shards, due, want)
		}
	}
}

// Listing chooses by owner, reference, state and pool, newest first, and goes on where the last page ended.
func TestListingHolds(t *testing.T) {
	x := newTable(t)
	n := x.Namespaces()[0]
	p, q := x.pool("p", 1000), x.pool("q", 1000)
	var refs []HoldRef
	for i := range 60 {
		items := []Item{one(p)}
		if i%2 == 0 {
			items = append(items, one(q))
		}
		refs = append(refs, x.mustHold(userName(i%6), userName(i), items...))
		if i%5 == 0 {
			x.confirm(refs[i])
		}
		if i == 30 {
			x.now += dayMilli
		}
	}
	u := x.keys.User([]byte("u3"))
	count := func(what string, q HoldQuery, want int) {
		t.Helper()
		seen := make(map[HoldRef]bool)
		for q.Limit = 7; ; {
			page, next := x.Holds(n, &q)
			for i, v := range page {
				if seen[v.Ref] || i > 0 && !v.Ref.At.Less(page[i-1].Ref.At) {
					t.Errorf("%s: %v comes twice or out of order", what, v.Ref)
				}
				seen[v.Ref] = true
				if got, ok := x.Hold(n, v.Ref); !ok || got != v {
					t.Errorf("%s: %+v is listed as %+v", what, got, v)
				}
			}
			if next.Done() {
				break
			}
			text := x.AppendHoldCursor(nil, next)
			back, ok := x.ParseHoldCursor(text)
			if !ok || back != next {
				t.Fatalf("%s: cursor %+v comes back as %+v", what, next, back)
			}
			q.After = back
		}
		if len(seen) != want {
			t.Errorf("%s: %d holds, want %d", what, len(seen), want)
		}
	}
	count("all", HoldQuery{}, 60)
	count("of one owner", HoldQuery{Owner: &u}, 10)
	count("by reference", HoldQuery{Ref: []byte("order-u41")}, 1)
	count("confirmed", HoldQuery{State: StateConfirmed}, 12)
	count("expired", HoldQuery{State: StateExpired}, 31-7)
	count("held", HoldQuery{State: StateHeld}, 29-5)
	count("of a pool", HoldQuery{Pool: q.ref}, 30)
	count("all of that", HoldQuery{Pool: q.ref, State: StateHeld, Owner: &u}, 0)
	if _, open := x.Owner(p, u); len(open) != 4 {
		t.Errorf("%d holds are open", len(open))
	}
}

// A listing of many holds looks at so many rows a page and goes on: every hold comes once, also while others are made.
func TestListingManyHolds(t *testing.T) {
	x := newTableOf(t, 64)
	n, p := x.Namespaces()[0], x.pool("p", 1<<30)
	const first = holdStretch * 5 / 4
	want := make(map[HoldRef]int)
	for i := 0; i < first; {
		var b Batch
		var owners []Key
		for ; len(owners) < 500 && i < first; i++ {
			owner := x.keys.User([]byte(userName(i)))
			owners = append(owners, owner)
			b.AddTake(&Take{Namespace: 1, Pool: p.ref, Units: 1, Owner: owner, OwnerID: []byte("o"), Digest: x.keys.Take(p.ref, owner, []byte("1"))})
		}
		for j, r := range x.apply(&b) {
			want[RefOf(r.At, &owners[j])] = 0
		}
	}
	pages, after := 0, HoldCursor{}
	for done := false; !done; done = after.Done() {
		var found []HoldView
		found, after = x.Holds(n, &HoldQuery{Limit: MaxHoldPage, After: after, State: StateTaken})
		for _, v := range found {
			if times, known := want[v.Ref]; known && times != 0 {
				t.Fatalf("%v comes again", v.Ref)
			} else if known {
				want[v.Ref]++
			}
		}
		for i := range 20 { // made meanwhile
			x.take(userName(first+i), fmt.Sprint(pages), p, 1)
		}
		pages++
	}
	for ref, times := range want {
		if times == 0 {
			t.Fatalf("%d pages: %v never came", pages, ref)
		}
	}
	none, next := x.Holds(n, &HoldQuery{Limit: 1, State: StateReleased})
	if len(none) != 0 || next.Done() {
		t.Errorf("nothing is chosen of more rows than one page looks at: %d found, %+v", len(none), next)
	}
}

// A pool whose books broke a rule moves nothing any more, and nobody waits for its units.
func TestFencedPool(t *testing.T) {
	x := newTable(t)
	p, q := x.pool("p", 10), x.pool("q", 10)
	h := x.mustHold("u", "1", units(p, 2))
	p.books.Available++
	r := x.hold("v", "1", one(q), one(p))
	if r.Code != problem.CampaignFenced || r.Pool != p.ref {
		t.Fatalf("a hold on broken books: %+v", r)
	}
	x.unchanged("a fenced pool", func() {
		x.wantCode("hold", x.hold("v", "2", one(p)), problem.CampaignFenced)
		x.wantCode("confirm", x.confirm(h), problem.CampaignFenced)
		x.wantCode("restock", x.adjustPool(p, "1", 1), problem.CampaignFenced)
	})
	x.wantCode("another pool goes on", x.take("v", "3", q, 1), problem.OK)
	x.wait(DefaultHoldTTL)
	x.tick()
	if due, _ := x.NextDue(); due <= x.now {
		t.Errorf("next due is %d at %d", due, x.now)
	}
	if s := p.Stock(); s.Held+s.Available != 11 || s.Fenced == "" {
		t.Errorf("%+v", s)
	}
}

// A log time beyond the seconds that rows can hold ends nothing: days and deadlines stay at the last one.
func TestHoldsAtTheEndOfTime(t *testing.T) {
	for _, now := range []UnixMilli{maxLotTime - 1, maxLotTime + dayMilli, 1 << 61, 1<<63 - 1} {
		x := newTable(t)
		p := x.pool("p", 10)
		x.now = now
		x.tick()
		x.wantCode("take", x.take("u", "1", p, 1), problem.OK)
		x.hold("u", "2", one(p))
		x.tick()
		if err := x.CheckInvariants(); err != nil {
			t.Errorf("at %d: %v", now, err)
		}
		x.reload()
	}
}
