package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// hour, day in a zone that changes, five in ten seconds, one in a minute, a week.
func fatigueCaps() []FatigueCap {
	return []FatigueCap{
		{ID: "hour", Window: Window{Kind: WindowHour}, Limit: 3},
		{ID: "day", Window: Window{Kind: WindowDay}, Limit: 5},
		{ID: "roll", Window: Window{WindowRolling, 10_000}, Limit: 5},
		{ID: "cool", Window: Window{WindowCooldown, 60_000}, Limit: 1},
		{ID: "week", Window: Window{Kind: WindowWeek}, Limit: 1_000_000},
	}
}

func (x *table) putPolicy(p *NamespacePolicy) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: p, Actor: "op"}) })
}

func fatigued(t *testing.T, edit ...func(p *NamespacePolicy)) *table {
	x := newTable(t)
	p := &NamespacePolicy{FatigueCaps: fatigueCaps()}
	for _, f := range edit {
		f(p)
	}
	x.wantCode("policy", x.putPolicy(p), problem.OK)
	return x
}

func (x *table) hitOf(cap, user, key string, n uint32) Hit {
	number, ok := x.Namespaces()[0].FatigueCap([]byte(cap))
	if !ok {
		number = MaxCapsEver
	}
	h := Hit{Namespace: 1, Cap: number, UserID: []byte(user), User: x.keys.User([]byte(user)), Quantity: n}
	h.Digest = x.keys.Hit(number, h.User, []byte(key))
	return h
}

// hit sends a hit, and holds what a reader says before it against what the log says.
func (x *table) hit(cap, user, key string, n uint32) Result {
	x.Helper()
	h := x.hitOf(cap, user, key, n)
	early, ok := x.PeekHit(&h, x.now)
	r := x.one(func(b *Batch) { b.AddHit(&h) })
	if ok && (early.Code != r.Code || early.Replayed != r.Replayed || early.At != r.At || early.ResetsAt != r.ResetsAt || early.Used != r.Used || early.Value != r.Value) {
		x.Errorf("%s %s %s: a reader said %+v, the log %+v", cap, user, key, early, r)
	}
	if !ok && r.Code == problem.OK && r.Replayed {
		x.Errorf("%s %s %s: a reader did not know the key", cap, user, key)
	}
	return r
}

func (x *table) used(cap, user string) CapUse {
	number, _ := x.Namespaces()[0].FatigueCap([]byte(cap))
	u, ok := x.Fatigue(x.Namespaces()[0], number, x.keys.User([]byte(user)), x.now)
	if !ok {
		x.Fatal("no cap", cap)
	}
	return u
}

// The rungs, in order: cap, key, whether it fits, bounds. A refusal leaves everything as it was.
func TestHitLadder(t *testing.T) {
	x := newTable(t)
	x.wantCode("no caps at all", x.one(func(b *Batch) { h := x.hitOf("day", "u", "k", 1); b.AddHit(&h) }), problem.NotFound)
	x = fatigued(t, func(p *NamespacePolicy) { p.MaxUsers, p.MaxKeys = 2, 4 })
	x.wantCode("another namespace", x.one(func(b *Batch) { h := x.hitOf("day", "u", "k", 1); h.Namespace = 9; b.AddHit(&h) }), problem.NamespaceNotFound)
	x.unchanged("a cap that is not there", func() { x.wantCode("", x.hit("none", "u", "k", 1), problem.NotFound) })
	x.wantCode("first", x.hit("day", "u", "k1", 2), problem.OK)
	x.unchanged("a known key", func() {
		if r := x.hit("day", "u", "k1", 2); !r.Replayed || r.At.IsZero() {
			t.Errorf("replay: %+v", r)
		}
		x.wantCode("another quantity", x.hit("day", "u", "k1", 1), problem.IdempotencyMismatch)
		r := x.hit("day", "u", "k2", 4)
		x.wantCode("more than fits", r, problem.Capped)
		if r.Used != 2 || r.Limit != 5 || r.Value != 3 || r.Allowed != 3 || r.ResetsAt != start+dayMilli {
			t.Errorf("more than fits: %+v", r)
		}
		if r := x.hit("day", "u", "k2", 6); r.Code != problem.Capped || r.ResetsAt != 0 {
			t.Errorf("more than ever fits: %+v", r)
		}
	})
	x.wantCode("the key of a refusal is free", x.hit("day", "u", "k2", 3), problem.OK)
	x.wantCode("another cap, the same key", x.hit("hour", "u", "k1", 1), problem.OK)
	x.wantCode("another user", x.hit("day", "v", "k1", 1), problem.OK)
	x.unchanged("no room", func() { x.wantCode("keys", x.hit("day", "v", "k3", 1), problem.Capacity) })
	x.wantCode("more keys", x.putPolicy(&NamespacePolicy{FatigueCaps: fatigueCaps(), MaxUsers: 2, MaxKeys: 9}), problem.OK)
	x.unchanged("no room", func() { x.wantCode("users", x.hit("day", "w", "k3", 1), problem.Capacity) })
	x.wantCode("a known user", x.hit("roll", "v", "k3", 1), problem.OK)
	before := x.StateHash()
	if u := x.used("day", "nobody"); u.Used != 0 || u.Limit != 5 || u.ResetsAt != start+dayMilli {
		t.Errorf("a look: %+v", u)
	}
	if u := x.used("day", "u"); u.Used != 5 {
		t.Errorf("a look: %+v", u)
	}
	if x.StateHash() != before || x.Namespaces()[0].Users() != 2 {
		t.Error("a look changed the state")
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Each kind of window at its edge: the last moment inside, the first outside.
func TestHitWindows(t *testing.T) {
	berlin := []Transition{{At: 0, OffsetSeconds: 7200}, {At: 1_792_890_000_000, OffsetSeconds: 3600}} // 2026-10-25T01:00Z
	spring := []Transition{{At: 0, OffsetSeconds: 3600}, {At: 1_774_746_000_000, OffsetSeconds: 7200}} // 2026-03-29T01:00Z
	for _, c := range []struct {
		name, cap   string
		transitions []Transition
		from        UnixMilli
		fill        uint32
		resets      UnixMilli
	}{
		{"hour", "hour", nil, start + 1, 3, start + hourMilli},
		{"day", "day", nil, start + dayMilli - 1, 5, start + dayMilli},
		{"week", "week", nil, start, 1_000_000, 1_794_787_200_000}, // 2026-11-16, a Monday
		{"rolling", "roll", nil, start + 7, 5, start + 10_007},
		{"cooldown", "cool", nil, start + 7, 1, start + 60_007},
		{"a day of 25 hours", "day", berlin, 1_792_879_200_000, 5, 1_792_879_200_000 + 25*hourMilli}, // 2026-10-25T00:00+02:00
		{"a day of 23 hours", "day", spring, 1_774_738_800_000, 5, 1_774_738_800_000 + 23*hourMilli}, // 2026-03-29T00:00+01:00
		{"the hour that comes twice", "hour", berlin, 1_792_889_999_999, 3, 1_792_893_600_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTable(t)
			x.Engine, _ = New(Options{Shards: 4})
			x.index, x.now = 0, c.from
			x.one(func(b *Batch) {
				b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
			})
			x.wantCode("policy", x.putPolicy(&NamespacePolicy{TimeZone: "x", Transitions: c.transitions, FatigueCaps: fatigueCaps()}), problem.OK)
			x.wantCode("fill", x.hit(c.cap, "u", "a", c.fill), problem.OK)
			if r := x.hit(c.cap, "u", "b", 1); r.Code != problem.Capped || r.ResetsAt != c.resets {
				t.Errorf("full: %+v, want a reset at %d", r, c.resets)
			}
			x.now = c.resets - 1
			h := x.hitOf(c.cap, "u", "c", 1)
			if r, ok := x.PeekHit(&h, x.now); ok {
				t.Errorf("a reader is sure of what is over in a millisecond: %+v", r)
			}
			x.wantCode("the last moment", x.hit(c.cap, "u", "b", 1), problem.Capped)
			x.now = c.resets
			if u := x.used(c.cap, "u"); u.Used != 0 {
				t.Errorf("at the reset %d are used", u.Used)
			}
			x.wantCode("the first moment after it", x.hit(c.cap, "u", "b", 1), problem.OK)
			if err := x.CheckInvariants(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A cooldown counts a request once, whatever its quantity.
func TestCooldownCountsAHitOnce(t *testing.T) {
	x := fatigued(t)
	r := x.hit("cool", "u", "a", 7)
	x.wantCode("seven", r, problem.OK)
	rec := x.records(r)[0]
	n, ok := rec.Hit()
	if !ok || string(n.Cap) != "cool" || string(rec.Name) != "u" || rec.Delta != 7 || rec.Total != 1 || n.Limit != 1 || n.ResetsAt != start+60_000 {
		t.Errorf("record %+v, note %+v", rec, n)
	}
	if rec.Kind != RecordHit || rec.Namespace != 1 || rec.At != start {
		t.Errorf("record %+v", rec)
	}
}

// Counters belong to a cap's id: a higher limit, a lower one, an absence leave them as they are; another window is another rule.
func TestHitsSurvivePolicies(t *testing.T) {
	x := fatigued(t)
	x.wantCode("", x.hit("day", "u", "a", 4), problem.OK)
	x.wantCode("", x.hit("roll", "u", "a", 5), problem.OK)
	caps := fatigueCaps()
	caps[1].Limit, caps[2].Limit = 2, 8
	n := x.Namespaces()[0]
	x.wantCode("other limits", x.putPolicy(&NamespacePolicy{FatigueCaps: caps}), problem.OK)
	if u := x.used("day", "u"); u.Used != 4 || u.Limit != 2 {
		t.Errorf("a lower limit: %+v", u)
	}
	x.wantCode("over it", x.hit("day", "u", "b", 1), problem.Capped)
	x.wantCode("a wider place", x.hit("roll", "u", "b", 3), problem.OK)
	x.wantCode("full", x.hit("roll", "u", "c", 1), problem.Capped)
	number, _ := n.FatigueCap([]byte("day"))
	x.wantCode("dropped", x.putPolicy(&NamespacePolicy{FatigueCaps: caps[2:3]}), problem.OK)
	if _, ok := n.FatigueCap([]byte("day")); ok {
		t.Error("a dropped cap is in force")
	}
	x.unchanged("a dropped cap", func() {
		h := x.hitOf("day", "u", "c", 1)
		h.Cap, h.Digest = number, x.keys.Hit(number, h.User, []byte("c"))
		x.wantCode("", x.one(func(b *Batch) { b.AddHit(&h) }), problem.NotFound)
	})
	caps[1].Limit = 5
	x.wantCode("named again", x.putPolicy(&NamespacePolicy{FatigueCaps: caps}), problem.OK)
	if again, _ := n.FatigueCap([]byte("day")); again != number || x.used("day", "u").Used != 4 {
		t.Errorf("named again: number %d, was %d; %+v", again, number, x.used("day", "u"))
	}
	for name, edit := range map[string]func(c *FatigueCap){ // order: each alone
		"another window":   func(c *FatigueCap) { c.Window.Kind = WindowHour },
		"a session":        func(c *FatigueCap) { c.ID, c.Window.Kind = "new", WindowSession },
		"a campaign":       func(c *FatigueCap) { c.ID, c.Window.Kind = "new", WindowCampaign },
		"twice":            func(c *FatigueCap) { c.ID, c.Window = "hour", Window{Kind: WindowHour} },
		"no limit":         func(c *FatigueCap) { c.Limit = 0 },
		"a bad id":         func(c *FatigueCap) { c.ID = "A" },
		"too long a place": func(c *FatigueCap) { c.ID, c.Window, c.Limit = "new", Window{WindowRolling, 1000}, 65 },
	} {
		bad := fatigueCaps()
		edit(&bad[1])
		x.unchanged(name, func() { x.wantCode(name, x.putPolicy(&NamespacePolicy{FatigueCaps: bad}), problem.InvalidField) })
		if n.CheckPolicy(&NamespacePolicy{FatigueCaps: bad}) == nil {
			t.Errorf("%s: no words", name)
		}
	}
	var wide []FatigueCap
	for i := range 3 {
		wide = append(wide, FatigueCap{ID: fmt.Sprint("w", i), Window: Window{WindowRolling, 1000}, Limit: 64})
	}
	x.unchanged("rows too wide", func() { x.wantCode("", x.putPolicy(&NamespacePolicy{FatigueCaps: wide}), problem.InvalidField) })
}

// A key is known for 7 days at least, and let go with its generation.
func TestHitKeysAreLetGo(t *testing.T) {
	x := fatigued(t)
	week := UnixMilli(7 * dayMilli)
	x.wantCode("", x.hit("week", "u", "a", 1), problem.OK)
	x.now += week
	if r := x.hit("week", "u", "a", 1); !r.Replayed {
		t.Errorf("after 7 days: %+v", r)
	}
	due, ok := x.NextDue()
	if !ok || due > UnixMilli(periodOf(x.now)+1)*keyPeriod {
		t.Errorf("due %d, %v", due, ok)
	}
	x.now = UnixMilli(periodOf(start)+keyGenerations) * keyPeriod
	x.one(func(b *Batch) { b.AddTick() })
	if n := x.Namespaces()[0].Keys(); n != 0 {
		t.Errorf("%d keys are still kept", n)
	}
	if r := x.hit("week", "u", "a", 1); r.Replayed || r.Code != problem.OK {
		t.Errorf("let go: %+v", r)
	}
	x.now += 90 * dayMilli
	x.one(func(b *Batch) { b.AddTick() })
	if n := x.Namespaces()[0].Keys(); n != 0 {
		t.Errorf("after a long pause %d keys are still kept", n)
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// What hits count does not depend on how they share entries, on shards, or on a restore in the middle.
func TestHitsDoNotDependOnEntries(t *testing.T) {
	var first []byte
	var hash [16]byte
	for run, per := range []int{1, 7, 200, 64} {
		x := fatigued(t)
		x.mustPublish(busy())
		rng := rand.New(rand.NewPCG(1, 5))
		var seen bytes.Buffer
		for from := 0; from < 2000; from += per {
			if run == 3 && from == 640 {
				x.snapshot()
			}
			var b Batch
			for i := range min(per, 2000-from) {
				if (from+i)%5 == 0 {
					d := x.request(userName(rng.IntN(25)), fmt.Sprint("k", from+i), func(d *Draw) { d.HasDevice, d.Device = true, Key{1} })
					b.AddDraw(&d)
					continue
				}
				h := x.hitOf(fatigueCaps()[rng.IntN(5)].ID, userName(rng.IntN(25)), fmt.Sprint("k", rng.IntN(900)), uint32(1+rng.IntN(2)))
				b.AddHit(&h)
			}
			for _, r := range x.apply(&b) {
				fmt.Fprintln(&seen, r.Code, r.Replayed, r.Used, r.Limit, r.Value)
				if r.Records > 0 {
					fmt.Fprintln(&seen, x.records(r)[0].Total)
				}
			}
		}
		if err := x.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first, hash = seen.Bytes(), x.StateHash()
		} else if x.StateHash() != hash || !bytes.Equal(first, seen.Bytes()) {
			t.Errorf("entries of %d give something else", per)
		}
	}
}

// Many goroutines hit as a library; the same commands in the order of their positions give the same state, and no cap holds
// more than its limit.
func TestGoroutinesDoNotMatterToHits(t *testing.T) {
	setup := func() *table {
		x := newTable(t)
		x.Engine, _ = New(Options{Shards: 8})
		var b Batch
		b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
		b.AddPolicy(&PutPolicy{Namespace: 1, Policy: &NamespacePolicy{MaxUsers: 150, MaxKeys: 1900, FatigueCaps: fatigueCaps()}})
		if err := x.Decide(&b, start); err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := setup()
	acts := x.together(1500, func(b *Batch, rng *rand.Rand, _, i int) UnixMilli {
		h := x.hitOf(fatigueCaps()[rng.IntN(5)].ID, userName(rng.IntN(160)), userName(rng.IntN(3000)), uint32(1+rng.IntN(3)))
		b.AddHit(&h)
		return start + UnixMilli(i)*(1+UnixMilli(i/1000)*2*dayMilli/400) // the last third lies weeks ahead: keys are let go on the way
	})
	if len(acts) < 500 {
		t.Fatalf("only %d hits were counted", len(acts))
	}
	setup().again(x, acts, start+100*dayMilli, whole)
}

func TestHitForms(t *testing.T) {
	x := newTable(t)
	x.Engine, _ = New(Options{})
	var b Batch
	b.AddInit(&Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPolicy(&PutPolicy{Namespace: 1, Actor: "op", Policy: &NamespacePolicy{TimeZone: "UTC", FatigueCaps: fatigueCaps()}})
	b.AddHit(&Hit{Namespace: 1, Cap: 1, User: Key{8}, Digest: Key{8, 1}, UserID: []byte("u1"), Quantity: 2})
	entry := entryOf(&b, start)
	golden(t, "fatigue-entry", entry)
	if err := x.Apply(1, entry, &x.out); err != nil || x.out.Results[2].Code != problem.OK {
		t.Fatal(err, x.out.Results)
	}
	golden(t, "fatigue-records", x.out.Records)
	c, err := x.Capture(true)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "fatigue-meta", c.Meta())
	c.Abort()
	for name, edit := range map[string]func(body []byte) []byte{ // order: each alone
		"short":       func(b []byte) []byte { return b[:hitFixed] },
		"long":        func(b []byte) []byte { return append(b, make([]byte, MaxUserBytes)...) },
		"quantity":    func(b []byte) []byte { b[11] = 1; return b },
		"none":        func(b []byte) []byte { b[8] = 0; return b },
		"another row": func(b []byte) []byte { b[28] = 9; return b },
		"newer":       func(b []byte) []byte { b[5] = 1; return b },
	} {
		var h Hit
		body := edit(bytes.Clone(b.commands[len(b.commands)-hitFixed-2:]))
		if parseHit(body, &h) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
