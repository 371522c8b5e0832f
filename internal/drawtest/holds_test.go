package drawtest

import (
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine"
)

// ledger follows holds by the engine's records alone: what they say must be possible.
type ledger struct {
	t     *testing.T
	asked map[engine.Location]*followed
}

// followed is a hold as its records tell of it.
type followed struct {
	units    map[engine.PoolRef]engine.Quantity
	deadline engine.UnixMilli
	ends     int // confirmed, released: at most once
	voided   int
	taken    bool
}

// TestHoldTable runs scripts and holds the engine to what must be so of the hold table at every index: every pool adds up and
// nothing in it is below 0; the demand of a request is summed by pool before it is looked at, and all of it moves or nothing;
// a hold ends once; a confirmation comes before the deadline or says that it is late.
func TestHoldTable(t *testing.T) {
	holds, ends := 0, 0
	for seed := range uint64(60) {
		script := Generate(rand.New(rand.NewPCG(seed, 3)), 400)
		a := start(t, 4, script[0].Stamp)
		l := &ledger{t, map[engine.Location]*followed{}}
		for i := range script {
			out, err := a.Apply(script[i].Stamp, &script[i])
			if err != nil {
				t.Fatal(err)
			}
			if s := script[i].Stock; s != nil {
				l.command(s, &out[0])
			}
			l.pool(a.Engine)
			if t.Failed() {
				t.Fatalf("seed %d, command %d: %s", seed, i, &script[i])
			}
		}
		for _, h := range l.asked {
			holds++
			ends += h.ends
		}
	}
	if holds < 300 || ends < 50 {
		t.Errorf("%d holds, %d of them resolved", holds, ends)
	}
}

// pool holds the books of every pool against their own sum.
func (l *ledger) pool(e *engine.Engine) {
	ns, _ := e.Namespace("default")
	for _, p := range ns.Pools() {
		s := p.Stock()
		parts := []engine.Quantity{s.Unreleased, s.Available, s.Reserved, s.Held, s.Issued, s.Expired, s.Withdrawn}
		sum := engine.Quantity(0)
		for _, n := range parts {
			sum += n
			if n < 0 {
				l.t.Errorf("pool %s: %+v", p.ID(), s)
			}
		}
		if sum != s.Total {
			l.t.Errorf("pool %s: the parts of %+v sum to %d", p.ID(), s, sum)
		}
	}
}

// command looks at what one command moved.
func (l *ledger) command(s *Stock, d *Decided) {
	if d.Result.Replayed || len(d.Records) == 0 {
		return
	}
	rec := &d.Records[0]
	m, some := rec.Moves()
	_, refused := rec.HoldRefusal()
	switch {
	case !some || refused:
		return
	case rec.Kind == engine.RecordHold || rec.Kind == engine.RecordTake:
		l.begin(s, d, &m)
		return
	}
	h := l.asked[rec.HoldLocation()]
	if h == nil {
		l.t.Errorf("a resolution of what was never made: %+v", rec)
		return
	}
	for _, x := range m.Items[:m.Count] {
		if n := x.Units + x.Back; rec.Kind == engine.RecordConfirm && n > h.units[x.Pool] || x.Units > h.units[x.Pool] || x.Units < 0 || x.Back < 0 {
			l.t.Errorf("%d and %d back of pool %d, of %d", x.Units, x.Back, x.Pool, h.units[x.Pool])
		}
		if rec.Kind == engine.RecordConfirm {
			h.units[x.Pool] = x.Units
		}
	}
	l.resolve(h, rec)
}

// resolve holds a hold to one end.
func (l *ledger) resolve(h *followed, rec *engine.Record) {
	switch rec.Kind {
	case engine.RecordConfirm, engine.RecordRelease:
		h.ends++
		if late := rec.Flags&engine.ConfirmedLate != 0; late != (rec.At >= h.deadline) {
			l.t.Errorf("resolved at %d, deadline %d, late %v", rec.At, h.deadline, late)
		}
	case engine.RecordExtend:
		if next := engine.UnixMilli(rec.Total); next <= h.deadline || h.ends > 0 || rec.At >= h.deadline {
			l.t.Errorf("extended at %d from %d to %d", rec.At, h.deadline, next)
		}
		h.deadline = engine.UnixMilli(rec.Total)
	case engine.RecordHoldVoid:
		h.voided++
		if !h.taken && h.ends != 1 {
			l.t.Error("a void of what nobody has")
		}
	}
	if h.ends > 1 || h.voided > 1 || h.taken && h.ends > 0 {
		l.t.Errorf("ended %d times, voided %d times", h.ends, h.voided)
	}
}

// begin compares what a request asked for, summed by pool, with what moved.
func (l *ledger) begin(s *Stock, d *Decided, m *engine.HoldMoves) {
	want := map[engine.PoolRef]engine.Quantity{}
	h := &followed{units: want, taken: s.Take != nil, deadline: engine.UnixMilli(d.Result.Value)}
	if s.Take != nil {
		want[s.Take.Pool] = s.Take.Units
	} else {
		for _, it := range s.Hold.Items {
			want[it.Pool] += it.Units
		}
	}
	for _, x := range m.Items[:m.Count] {
		if want[x.Pool] != x.Units || x.Available < 0 {
			l.t.Errorf("%d units of pool %d moved, asked for %d, %d available after it", x.Units, x.Pool, want[x.Pool], x.Available)
		}
	}
	if len(want) != int(m.Count) {
		l.t.Errorf("%d pools moved, asked for %d", m.Count, len(want))
	}
	l.asked[d.Result.At] = h
}
