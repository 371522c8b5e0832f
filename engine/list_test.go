package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func (x *table) list(user string, edit func(c *PutList)) Result {
	x.Helper()
	c := PutList{Namespace: 1, List: ListDeny, Entries: []ListEntry{{User: x.keys.User([]byte(user)), UserID: []byte(user), Reason: []byte("bot")}}, Actor: "op"}
	if edit != nil {
		edit(&c)
	}
	return x.one(func(b *Batch) { b.AddList(&c) })
}

func TestLists(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated())
	ok := x.passes(1, "SH")
	r := x.list("bad", nil)
	rec := x.records(r)
	if r.Code != problem.OK || r.Value != 1 || len(rec) != 1 || rec[0].Kind != RecordList || string(rec[0].Name) != "bad" ||
		string(rec[0].Reason) != "bot" || string(rec[0].Actor) != "op" || rec[0].Flags != uint32(ListDeny) {
		t.Fatalf("put: %+v %+v", r, rec)
	}
	x.unchanged("the same again, and a blocked draw", func() {
		if r := x.list("bad", nil); !r.AlreadyLive || r.Records != 0 {
			t.Errorf("again: %+v", r)
		}
		x.wantCode("blocked", x.draw("bad", "k", ok), problem.Blocked)
		x.wantCode("not eligible comes first", x.draw("bad", "k", and(ok, func(d *Draw) { d.Stamp.Eligible = false })), problem.NotEligible)
		x.wantCode("no such campaign", x.list("bad", func(c *PutList) { c.Campaign = 9 }), problem.CampaignNotFound)
	})
	allow := func(c *PutList) { c.List, c.Campaign = ListAllow, 1 }
	x.list("bad", allow)
	x.wantCode("deny goes before allow", x.draw("bad", "k", ok), problem.Blocked)
	x.list("friend", allow)
	r = x.draw("friend", "k", and(ok, func(d *Draw) { d.Stamp.Eligible = false }))
	x.wantCode("allowed whatever the rule says", r, problem.OK)
	if audit, _ := x.records(r)[0].Audit(); !audit.Listed || !audit.Allowed || audit.Lists == 0 {
		t.Errorf("the record tells %+v", audit)
	}
	x.list("bad", func(c *PutList) { c.Remove = true })
	x.wantCode("taken off", x.draw("bad", "k", ok), problem.OK)
	entries := x.Namespaces()[0].Listed(nil, x.keys.User([]byte("bad")))
	if len(entries) != 0 {
		t.Errorf("still listed: %+v", entries)
	}
}

// The state does not depend on where in the log a user was listed.
func TestListsHashWithoutPositions(t *testing.T) {
	var hashes [2][16]byte
	for n := range hashes {
		x := newTable(t)
		for range n {
			x.one(func(b *Batch) { b.AddTick() })
		}
		x.mustPublish(simple())
		x.list("u", nil)
		x.list("u", func(c *PutList) { c.List, c.Campaign = ListAllow, 1 })
		hashes[n] = x.StateHash()
	}
	if hashes[0] != hashes[1] {
		t.Error("a tick before changes the state's hash")
	}
}

func TestListsExpireByLogTime(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) { v.Audience = &Audience{ListedOnly: true} }))
	x.list("u", func(c *PutList) { c.List, c.Entries[0].ExpiresAt = ListAllow, start+1000 })
	x.list("v", func(c *PutList) { c.List = ListAllow })
	x.list("v", func(c *PutList) { c.Entries[0].ExpiresAt = start + 1000 })
	x.now = start + 999
	x.wantCode("still allowed", x.draw("u", "1"), problem.OK)
	x.wantCode("still denied", x.draw("v", "1"), problem.Blocked)
	x.wantCode("on no list", x.draw("w", "1"), problem.NotEligible)
	d := x.request("v", "2")
	if _, ok := x.Peek(&d, start+999); ok {
		t.Error("a reader refuses although the entry ends within his margin")
	}
	x.now = start + 1000
	x.wantCode("no longer allowed", x.draw("u", "2"), problem.NotEligible)
	x.wantCode("no longer denied", x.draw("v", "2"), problem.OK)
}

// A restricted user plays on: valuable prizes become a miss with a cause, others are his.
func TestRestricted(t *testing.T) {
	for _, row := range []struct {
		valuable []int16
		want     Cause
	}{{nil, CauseRestricted}, {[]int16{0}, CauseRestricted}, {[]int16{1}, CauseNone}} {
		x := newTable(t)
		x.mustPublish(simple(func(v *Version) {
			v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: 1, Units: 1, Fallback: -1, Slot: -1})
			v.Audience = &Audience{Valuable: row.valuable}
		}))
		x.list("u", func(c *PutList) { c.Entries[0].Treatment = Restrict })
		r := x.draw("u", "k")
		rec := x.records(r)[0]
		if audit, _ := rec.Audit(); r.Code != problem.OK || rec.Cause != row.want || (rec.Prize == NoPrize) != (row.want != CauseNone) || !audit.Restricted {
			t.Errorf("valuable %v: %v, %+v, %+v", row.valuable, r.Code, rec, audit)
		}
	}
}

// As a library: draws that count by attributes, users that are listed meanwhile, readers beside them. No cap is exceeded,
// and nobody deadlocks although a draw holds up to three shards.
func TestGateConcurrently(t *testing.T) {
	x := newTable(t)
	e, err := New(Options{Shards: 16})
	if err != nil {
		t.Fatal(err)
	}
	x.Engine = e
	decide := func(b *Batch) []Result {
		if err := e.Decide(b, start); err != nil {
			t.Error(err)
		}
		return b.Results
	}
	var b Batch
	b.AddInit(&Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	v := gated(func(v *Version) { v.Caps[0].Limit = 50 })
	v.Audience.Attributes = append(v.Audience.Attributes, Attribute{"store", TypeInt, false})
	v.Caps = append(v.Caps, Cap{ID: "s", Counts: CountDraws, Scope: ScopeAttribute, Attribute: 3, Window: Window{Kind: WindowCampaign}, Limit: 30, Prize: -1})
	b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "op"})
	decide(&b)
	c, _ := e.CampaignByRef(1)
	_, slots := c.Gate()
	var decided [4][8]atomic.Int64
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var b Batch
			for i := range 300 {
				region, store := (i+g)%4, (i*7+g)%8
				d := x.request(fmt.Sprintf("u%d-%d", g, i%40), fmt.Sprint(i), x.passes(1, fmt.Sprint("r", region)))
				d.By[slots[3]] = x.keys.Attribute("store", &Value{Type: TypeInt, Int: int64(store)})
				d.HasBy |= 1 << slots[3]
				if i%50 == 0 {
					b.Reset()
					b.AddList(&PutList{Namespace: 1, Campaign: CampaignRef(i / 50 % 2), List: ListDeny, Actor: "op", Entries: []ListEntry{{User: d.User, UserID: d.UserID, Treatment: Restrict, Reason: []byte("r")}}})
					decide(&b)
				}
				e.Peek(&d, start)
				b.Reset()
				b.AddDraw(&d)
				switch r := decide(&b)[0]; r.Code {
				case problem.OK:
					decided[region][store].Add(1)
				case problem.Capped:
				default:
					t.Errorf("%v", r.Code)
				}
			}
		})
	}
	wg.Wait()
	byStore := [8]int64{}
	for region := range decided {
		sum := int64(0)
		for store := range decided[region] {
			n := decided[region][store].Load()
			sum += n
			byStore[store] += n
		}
		if sum > 50 {
			t.Errorf("region %d: %d draws", region, sum)
		}
	}
	for store, n := range byStore {
		if n > 30 {
			t.Errorf("store %d: %d draws", store, n)
		}
	}
	if err := e.CheckInvariants(); err != nil {
		t.Error(err)
	}
}
