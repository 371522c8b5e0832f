package engine

import (
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// table is an engine under test, with a log of its own.
type table struct {
	*testing.T
	*Engine
	index   LogIndex
	arrived int // users of paidOut so far
	now     UnixMilli
	keys    Keyer
	out     Outcome
	heard   func(commands []byte) // told of each entry, where somebody listens
}

// start is a Wednesday: 2026-11-11T00:00:00Z.
const start UnixMilli = 1_794_355_200_000

func newTable(t *testing.T) *table {
	t.Helper()
	return newTableOf(t, 4)
}

func newTableOf(t *testing.T, shards int) *table {
	t.Helper()
	e, err := New(Options{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	x := &table{T: t, Engine: e, now: start}
	var b Batch
	b.AddInit(&Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	x.apply(&b)
	n, ok := e.Namespace("default")
	if !ok {
		t.Fatal("no default namespace after Init")
	}
	x.keys = n.Keyer()
	return x
}

// apply decides the commands of b as the next entry at x.now.
func (x *table) apply(b *Batch) []Result {
	x.Helper()
	x.index++
	if x.heard != nil {
		x.heard(b.Commands())
	}
	if err := x.Apply(x.index, entryOf(b, x.now), &x.out); err != nil {
		x.Fatal(err)
	}
	return x.out.Results
}

func (x *table) one(add func(b *Batch)) Result {
	x.Helper()
	var b Batch
	add(&b)
	return x.apply(&b)[0]
}

// campaign returns a running campaign with one prize that is always hit.
func simple(edit ...func(v *Version)) *Version {
	v := &Version{
		Campaign: "c", TimeZone: "UTC", StartsAt: start, EndsAt: start + 30*dayMilli, Denominator: 100,
		Prizes: []Prize{{ID: "p", Weight: 100, Stock: 1000, Units: 1, Fallback: -1, Slot: -1}},
	}
	for _, f := range edit {
		f(v)
	}
	return v
}

func (x *table) publish(v *Version) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "op"})
	})
}

func (x *table) mustPublish(v *Version) *Campaign {
	x.Helper()
	r := x.publish(v)
	if r.Code != problem.OK {
		_, err := x.Namespaces()[0].CheckPublish(v, x.now)
		x.Fatalf("publish: %v: %v", r.Code, err)
	}
	c, _ := x.CampaignByRef(r.Campaign)
	return c
}

// draw makes the draw of a user under a key.
func (x *table) draw(user, key string, edit ...func(d *Draw)) Result {
	x.Helper()
	d := x.request(user, key, edit...)
	return x.one(func(b *Batch) { b.AddDraw(&d) })
}

func (x *table) request(user, key string, edit ...func(d *Draw)) Draw {
	d := Draw{Campaign: 1, UserID: []byte(user), Times: 1}
	for _, f := range edit {
		f(&d)
	}
	d.User = x.keys.User(d.UserID)
	d.Digest = x.keys.Digest(DigestDraw, d.Campaign, d.User, []byte(key))
	return d
}

func times(n uint8) func(d *Draw) { return func(d *Draw) { d.Times, d.Listed = n, true } }

// records decodes the records of a result of the last entry.
func (x *table) records(r Result) []Record {
	x.Helper()
	var all []Record
	for b := x.out.Records[r.Offset : r.Offset+r.Length]; len(b) > 0; {
		var rec Record
		n, err := DecodeRecord(b, &rec)
		if err != nil {
			x.Fatal(err)
		}
		all = append(all, rec)
		b = b[n:]
	}
	return all
}

func (x *table) wantCode(what string, r Result, want problem.Code) {
	x.Helper()
	if r.Code != want {
		x.Errorf("%s: got %v, want %v (%+v)", what, r.Code, want, r)
	}
}

// unchanged runs f and fails if the state is another afterwards.
func (x *table) unchanged(what string, f func()) {
	x.Helper()
	x.one(func(b *Batch) { b.AddTick() }) // the time is part of the state
	before := x.StateHash()
	f()
	if x.StateHash() != before {
		x.Errorf("%s changed the state", what)
	}
}

func userName(i int) string { return fmt.Sprintf("u%d", i) }
