package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// The reference: a list of holds that is walked through for every question. It shares with the engine only the seconds by
// which a return is put off.
type holdModel struct {
	pools []*modelPool
	holds []*modelHold
	keys  map[string]modelKey
}

type modelKey struct {
	code  problem.Code
	items string
}

type modelPool struct {
	*PoolPolicy
	ref              PoolRef
	total, withdrawn Quantity
}

type modelHold struct {
	owner            string
	units            [5]Quantity  // by pool
	back             [5]UnixMilli // ms by which the return of each is put off
	deadline, latest UnixMilli
	state            HoldState
	kept             [5]Quantity // of what was given back: units on their way
	until            [5]UnixMilli
	issued           [5]Quantity
	counted          [5]Quantity // of what was issued, what the owner's limits count: a void by the system takes it off
	confirmed        [5]Quantity
	taken            bool
	cooled           bool // expired unconfirmed: counts for the cooldown
}

func upToSecond(t UnixMilli) UnixMilli { return (t + 999) / 1000 * 1000 }

func (h *modelHold) stateAt(now UnixMilli) HoldState {
	if h.state == StateHeld && now >= h.deadline {
		return StateExpired
	}
	return h.state
}

// held returns the units of a pool that a hold keeps from others.
func (h *modelHold) held(i int, now UnixMilli) (n Quantity) {
	if h.state == StateHeld && now < h.deadline+h.back[i] {
		n = h.units[i]
	}
	if now < h.until[i] {
		n += h.kept[i]
	}
	return n
}

func (m *holdModel) stock(i int, now UnixMilli) (available, held, issued Quantity) {
	p := m.pools[i]
	for _, h := range m.holds {
		held += h.held(i, now)
		issued += h.issued[i]
	}
	return p.total - p.withdrawn - held - issued, held, issued
}

// use returns what an owner has of a pool.
func (m *holdModel) use(owner string, i int, now UnixMilli) (has Quantity, unconfirmed int, cool UnixMilli) {
	for _, h := range m.holds {
		if h.owner != owner {
			continue
		}
		has += h.counted[i]
		switch s := h.stateAt(now); {
		case h.units[i] == 0 || h.taken:
		case s == StateHeld:
			has += h.units[i]
		case s == StateExpired:
			unconfirmed++
			if cooldown := UnixMilli(m.pools[i].Cooldown); cooldown > 0 {
				cool = max(cool, h.deadline+cooldown)
			}
		case h.confirmed[i] == 0:
			unconfirmed++
		}
		if h.cooled && h.units[i] > 0 && m.pools[i].Cooldown > 0 {
			cool = max(cool, h.deadline+UnixMilli(m.pools[i].Cooldown))
		}
	}
	return has, unconfirmed, cool
}

func (m *holdModel) open(owner string, now UnixMilli) (n int) {
	for _, h := range m.holds {
		if h.owner == owner && !h.taken && h.stateAt(now) == StateHeld {
			n++
		}
	}
	return n
}

// acquire decides a hold or take of distinct pools.
func (m *holdModel) acquire(c *Hold, key string, taken bool, now UnixMilli) problem.Code {
	items := fmt.Sprint(c.Items)
	if k, known := m.keys[key]; known && k.items == items {
		return k.code
	} else if known {
		return problem.IdempotencyMismatch
	}
	code := m.refusal(c, taken, now)
	m.keys[key] = modelKey{code, items}
	if code != problem.OK {
		return code
	}
	h := &modelHold{owner: string(c.OwnerID), state: StateHeld, taken: taken, deadline: 1 << 62, latest: 1 << 62}
	for _, item := range c.Items {
		i := item.Pool - 1
		h.units[i] = item.Units
		p := m.pools[i]
		h.deadline = min(h.deadline, upToSecond(now+UnixMilli(p.ttl())))
		h.latest = min(h.latest, upToSecond(now+UnixMilli(p.longest())))
	}
	if c.TTL > 0 {
		h.deadline = upToSecond(now + UnixMilli(c.TTL))
	}
	if taken {
		h.state, h.issued, h.counted = StateTaken, h.units, h.units
	}
	m.holds = append(m.holds, h)
	return code
}

func (m *holdModel) refusal(c *Hold, taken bool, now UnixMilli) problem.Code {
	for _, item := range c.Items {
		if p := m.pools[item.Pool-1]; now < p.OpensAt {
			return problem.NotStarted
		} else if p.ClosesAt > 0 && now >= p.ClosesAt {
			return problem.Ended
		}
	}
	if !taken && m.open(string(c.OwnerID), now) >= MaxOpenHolds {
		return problem.Capped
	}
	for _, item := range c.Items {
		p := m.pools[item.Pool-1]
		has, unconfirmed, cool := m.use(string(c.OwnerID), int(item.Pool-1), now)
		if now < cool || p.MaxUnconfirmed > 0 && unconfirmed >= int(p.MaxUnconfirmed) || p.LimitPerOwner > 0 && has+item.Units > p.LimitPerOwner {
			return problem.Capped
		}
	}
	for _, item := range c.Items {
		if available, _, _ := m.stock(int(item.Pool-1), now); available < item.Units {
			return problem.InsufficientStock
		}
	}
	return problem.OK
}

func (m *holdModel) confirm(h *modelHold, c *ConfirmHold, now UnixMilli) problem.Code {
	want := h.units
	if len(c.Items) > 0 {
		want = [5]Quantity{}
		for _, item := range c.Items {
			want[item.Pool-1] += item.Units
		}
	}
	state := h.stateAt(now)
	switch {
	case h.state == StateConfirmed && len(c.Items) == 0 && h.issued == h.units, h.state == StateConfirmed && len(c.Items) > 0 && want == h.issued:
		return problem.OK
	case state != StateHeld && state != StateExpired:
		return problem.HoldFinished
	case state == StateExpired && !c.Reacquire:
		return problem.HoldExpired
	case state == StateExpired && now >= h.deadline+HoldLateness:
		return problem.Gone
	}
	if state == StateExpired {
		for i := range want {
			if available, _, _ := m.stock(i, now); h.units[i] > 0 && h.held(i, now) == 0 && available < want[i] {
				return problem.Gone
			}
		}
		for i := range want {
			if has, _, _ := m.use(h.owner, i, now); want[i] > 0 && m.pools[i].LimitPerOwner > 0 && has+want[i] > m.pools[i].LimitPerOwner {
				return problem.Capped
			}
		}
	}
	for i := range want {
		if h.held(i, now) > 0 { // the rest goes back
			h.kept[i], h.until[i] = h.units[i]-want[i], now
			if h.back[i] > 0 {
				h.until[i] = upToSecond(now) + h.back[i]
			}
			if state == StateExpired {
				h.until[i] = h.deadline + h.back[i]
			}
		}
	}
	h.state, h.issued, h.counted, h.confirmed, h.cooled = StateConfirmed, want, want, want, state == StateExpired
	return problem.OK
}

func (m *holdModel) release(h *modelHold, now UnixMilli) problem.Code {
	switch h.stateAt(now) {
	case StateReleased:
		return problem.OK
	case StateHeld:
	default:
		return problem.HoldFinished
	}
	h.state = StateReleased
	for i := range h.units {
		if h.back[i] > 0 {
			h.kept[i], h.until[i] = h.units[i], upToSecond(now)+h.back[i]
		}
	}
	return problem.OK
}

func (m *holdModel) extend(h *modelHold, c *ExtendHold, now UnixMilli) problem.Code {
	switch h.stateAt(now) {
	case StateExpired:
		return problem.HoldExpired
	case StateHeld:
	default:
		return problem.HoldFinished
	}
	h.deadline = max(h.deadline, min(upToSecond(now+UnixMilli(c.TTL)), h.latest))
	return problem.OK
}

func (m *holdModel) void(h *modelHold, fault VoidFault, now UnixMilli) problem.Code {
	switch state := h.stateAt(now); {
	case state == StateHeld:
		return problem.Conflict
	case state != StateConfirmed && state != StateTaken:
		return problem.HoldFinished
	}
	for i := range h.issued {
		if fault == VoidAbuse {
			m.pools[i].withdrawn += h.issued[i]
		}
	}
	h.state, h.issued = StateVoided, [5]Quantity{}
	if fault == VoidSystem {
		h.counted = [5]Quantity{}
	}
	return problem.OK
}

// holdScript is a run of random commands. Those of one step have one time and know nothing of each other.
type holdScript struct {
	*table
	rng   *rand.Rand
	model *holdModel
	refs  []HoldRef // of the model's holds
	seen  bytes.Buffer
	per   int // commands in one entry
}

func modelPools(x *table) (m *holdModel) {
	x.pool("plain", 40)
	x.pool("limited", 30, func(p *PoolPolicy) { p.LimitPerOwner, p.LowStock = 3, 5 })
	x.pool("cool", 30, func(p *PoolPolicy) { p.Cooldown, p.HoldTTL, p.MaxUnconfirmed = 7000, 4000, 6 })
	x.pool("jitter", 30, func(p *PoolPolicy) { p.ReturnJitter, p.HoldTTL = 9000, 3000 })
	x.pool("hours", 30, func(p *PoolPolicy) { p.OpensAt, p.ClosesAt, p.MaxHold = start+40_000, start+200_000, 130_000 })
	m = &holdModel{keys: make(map[string]modelKey)}
	for _, p := range x.Namespaces()[0].Pools() {
		terms, _ := p.Policy()
		m.pools = append(m.pools, &modelPool{PoolPolicy: terms, ref: p.ref, total: p.Stock().Total})
	}
	return m
}

// scriptStep is one command, and what to do with its answer.
type scriptStep struct {
	add    func(b *Batch)
	expect func() problem.Code // asks the model, in the order of the commands
	made   func(r Result)
}

func (s *holdScript) acquisition(n int) scriptStep {
	owner := userName(s.rng.IntN(9))
	key := fmt.Sprint("k", s.rng.IntN(1500))
	var items []Item
	for _, i := range s.rng.Perm(5)[:1+s.rng.IntN(5)/3] {
		items = append(items, Item{PoolRef(i + 1), Quantity(1 + s.rng.IntN(3))})
	}
	c := s.holdRequest(owner, key, items...)
	taken := s.rng.IntN(6) == 0
	scope := "hold/" + owner + "/" + key
	if taken {
		c.Items = items[:1]
		c.Digest = s.keys.Take(items[0].Pool, c.Owner, []byte(key))
		scope = fmt.Sprint("take/", items[0].Pool, owner, "/", key)
	} else if s.rng.IntN(3) == 0 {
		c.TTL = int64(1000 + s.rng.IntN(25_000))
	}
	known := false
	return scriptStep{
		add: func(b *Batch) {
			if taken {
				b.AddTake(&Take{Namespace: 1, Pool: c.Items[0].Pool, Units: c.Items[0].Units, Owner: c.Owner, OwnerID: c.OwnerID, Digest: c.Digest})
				return
			}
			b.AddHold(c)
		},
		expect: func() problem.Code {
			_, known = s.model.keys[scope]
			return s.model.acquire(c, scope, taken, s.now)
		},
		made: func(r Result) {
			if r.Code != problem.OK || known {
				return
			}
			s.refs = append(s.refs, RefOf(r.At, &c.Owner))
			h := s.model.holds[len(s.refs)-1]
			for _, item := range c.Items {
				p, _ := s.Namespaces()[0].PoolByRef(item.Pool)
				if !taken {
					h.back[item.Pool-1] = UnixMilli(p.putOff(&c.Digest)) * 1000
				}
			}
		},
	}
}

func (s *holdScript) resolution() scriptStep {
	at := s.rng.IntN(len(s.refs))
	if s.rng.IntN(3) > 0 {
		at = len(s.refs) - 1 - s.rng.IntN(min(len(s.refs), 12)) // one of the last
	}
	h, ref := s.model.holds[at], s.refs[at]
	step := scriptStep{made: func(Result) {}}
	fault := VoidFault(1 + s.rng.IntN(3))
	switch n := s.rng.IntN(12); {
	case h.taken || n == 11:
		if h.state == StateVoided {
			fault = VoidAbuse + 1 // replaced below: a void is looked at once
		}
		step.add = func(b *Batch) { b.AddTick() }
		step.expect = func() problem.Code { return problem.OK }
		if fault <= VoidAbuse {
			step.expect = func() problem.Code { return s.model.void(h, fault, s.now) }
			step.add = func(b *Batch) { b.AddHoldVoid(&VoidHold{Namespace: 1, Hold: ref, Fault: fault}) }
			if h.taken {
				step.add = func(b *Batch) { b.AddTakeVoid(&VoidTake{Namespace: 1, Take: ref, Fault: fault}) }
			}
		}
	case n < 6:
		c := &ConfirmHold{Namespace: 1, Hold: ref, Reacquire: s.rng.IntN(2) == 0}
		if s.rng.IntN(3) == 0 {
			for i := range h.units {
				if h.units[i] > 0 && (len(c.Items) == 0 || s.rng.IntN(2) == 0) {
					c.Items = append(c.Items, Item{PoolRef(i + 1), 1 + Quantity(s.rng.IntN(int(h.units[i])))})
				}
			}
		}
		step.add, step.expect = func(b *Batch) { b.AddConfirm(c) }, func() problem.Code { return s.model.confirm(h, c, s.now) }
	case n < 8:
		step.add = func(b *Batch) { b.AddRelease(&ReleaseHold{Namespace: 1, Hold: ref}) }
		step.expect = func() problem.Code { return s.model.release(h, s.now) }
	default:
		c := &ExtendHold{Namespace: 1, Hold: ref, TTL: int64(1000 + s.rng.IntN(40_000))}
		step.add, step.expect = func(b *Batch) { b.AddExtend(c) }, func() problem.Code { return s.model.extend(h, c, s.now) }
	}
	return step
}

// step makes the commands of one time, in entries of s.per, and compares their answers with the model's.
func (s *holdScript) step() {
	s.Helper()
	var steps []scriptStep
	touched := make(map[int]bool)
	for n := range 1 + s.rng.IntN(8) {
		if len(s.refs) > 0 && s.rng.IntN(2) == 0 && !touched[0] {
			touched[0] = true // one resolution a step: two of one hold would have to be told apart
			steps = append(steps, s.resolution())
			continue
		}
		steps = append(steps, s.acquisition(n))
	}
	for len(steps) > 0 {
		part := steps[:min(s.per, len(steps))]
		steps = steps[len(part):]
		var b Batch
		for i := range part {
			part[i].add(&b)
		}
		for i, r := range s.apply(&b) {
			want := part[i].expect()
			if r.Code != want {
				s.Fatalf("at %d ms: %v, the model says %v (%+v)", s.now-start, r.Code, want, r)
			}
			part[i].made(r)
			fmt.Fprintln(&s.seen, r.Code, r.Replayed, r.Cap, r.Used, r.Limit, r.Pool, r.State, r.MayReturn, r.ResetsAt, r.Value, r.AlreadyLive)
		}
	}
	for i, p := range s.Namespaces()[0].Pools() {
		available, held, issued := s.model.stock(i, s.now)
		if got := p.Stock(); got.Available != available || got.Held != held || got.Issued != issued {
			s.Fatalf("at %d ms: pool %s has %+v, the model %d, %d, %d", s.now-start, p.id, got, available, held, issued)
		}
	}
}

// The engine agrees with a list of holds that is walked through, however commands share entries, on any number of shards,
// and over snapshots.
func TestHoldsAgreeWithAList(t *testing.T) {
	for seed := range uint64(6) {
		var first []byte
		var hash [16]byte
		for run, per := range []int{1, 3, 100, 7} {
			x := newTable(t)
			s := &holdScript{table: x, rng: rand.New(rand.NewPCG(seed, 22)), model: modelPools(x), per: per}
			for i := range 400 {
				x.now += UnixMilli(s.rng.IntN(1500))
				if s.rng.IntN(40) == 0 {
					x.now += 20_000
				}
				s.step()
				if run == 3 && i%130 == 7 {
					x.reload()
				}
				if i%50 == 0 {
					if err := x.CheckInvariants(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if run == 0 {
				first, hash = s.seen.Bytes(), x.StateHash()
			} else if !bytes.Equal(first, s.seen.Bytes()) || x.StateHash() != hash {
				t.Errorf("seed %d: entries of %d give something else", seed, per)
			}
		}
	}
}
