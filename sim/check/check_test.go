package check

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/drawtest"
)

// began is the log time of the histories here.
const began = engine.UnixMilli(1_790_000_000_000)

// maker makes legal histories: a log of entries, decided by a real engine, and clients who were told what it decided.
type maker struct {
	t      *testing.T
	h      History
	engine *engine.Engine
	keyer  engine.Keyer
	out    engine.Outcome
	tick   uint64
}

func newMaker(t *testing.T) *maker {
	e, err := engine.New(engine.Options{Shards: 4, ClusterKey: drawtest.ClusterKey})
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{t: t, engine: e}
	var b engine.Batch
	b.AddInit(&engine.Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{3}}})
	m.entry(b.Commands(), 1)
	ns, _ := e.Namespace("default")
	m.keyer = ns.Keyer()
	seed := [16]byte{5}
	m.decide(m.attempt("", &drawtest.Command{Seed: seed, Publish: &engine.Publish{
		Namespace: 1, SealedSeed: engine.SealSeed(drawtest.ClusterKey, [12]byte(seed[:12]), seed), Version: &engine.Version{
			Campaign: "c", TimeZone: "UTC", Transitions: []engine.Transition{{}}, StartsAt: began - 1000, EndsAt: began + 1e9, Denominator: 1000, Exhausted: engine.Miss,
			Caps:   []engine.Cap{{ID: "life", Window: engine.Window{Kind: engine.WindowCampaign}, Limit: 6, Prize: -1}},
			Prizes: []engine.Prize{{ID: "p", Weight: 700, Stock: 9, Units: 1, Fallback: -1, Slot: -1}},
		},
	}}))
	m.decide(m.attempt("", &drawtest.Command{Stock: &drawtest.Stock{Pool: &engine.PutPool{Namespace: 1, ID: "pool", Expect: engine.AnyRevision, Total: 5}}}))
	return m
}

func (m *maker) next() uint64 { m.tick++; return m.tick }

// entry puts an entry at the end of the log, behind a record of consensus now and then.
func (m *maker) entry(commands []byte, n int) {
	index := engine.LogIndex(len(m.h.Log) + 1)
	if index%5 == 0 {
		m.h.Log = append(m.h.Log, Entry{Index: index})
		index++
	}
	header := engine.EntryHeader{Stamp: began + engine.UnixMilli(index), Count: uint32(n), Proposer: 1, Sequence: uint64(index)}
	data := append(engine.AppendEntryHeader(nil, &header), commands...)
	if err := m.engine.Apply(index, data, &m.out); err != nil {
		m.t.Fatal(err)
	}
	m.h.Log = append(m.h.Log, Entry{Index: index, Command: true, Data: data})
}

func (m *maker) attempt(key string, c *drawtest.Command) *Attempt {
	var b engine.Batch
	c.AddTo(&b)
	a := &Attempt{Client: 1 + len(m.h.Attempts)%4, Key: key, Command: c, Bytes: bytes.Clone(b.Commands()), Invoked: m.next()}
	m.h.Attempts = append(m.h.Attempts, a)
	return a
}

// decide puts attempts into one entry, and tells them.
func (m *maker) decide(all ...*Attempt) {
	var commands []byte
	for _, a := range all {
		commands = append(commands, a.Bytes...)
	}
	m.entry(commands, len(all))
	for i, a := range all {
		a.Index, a.Outcome, a.Returned, a.Result = m.out.Index, Decided, m.next(), m.out.Results[i]
		if !a.Result.Replayed {
			a.Records = bytes.Clone(m.out.Records[a.Result.Offset:][:a.Result.Length])
		}
		a.Result.Offset, a.Result.Length = 0, 0
	}
}

// draw is a draw under a key; mark tells tries apart.
func (m *maker) draw(user int, key string, mark int) *Attempt {
	id := fmt.Appendf(nil, "u%d", user)
	u := m.keyer.User(id)
	return m.attempt("draw/"+key, &drawtest.Command{Draw: &engine.Draw{
		Campaign: 1, User: u, UserID: id, Digest: m.keyer.Digest(engine.DigestDraw, 1, u, []byte(key)), Times: 1, HasIP: true, IP: m.keyer.Device(fmt.Append(nil, mark)),
	}})
}

func (m *maker) take(user, n int) *Attempt {
	id := fmt.Appendf(nil, "u%d", user)
	u := m.keyer.User(id)
	return m.attempt(fmt.Sprint("take/", n), &drawtest.Command{Stock: &drawtest.Stock{Take: &engine.Take{
		Namespace: 1, Pool: 1, Units: 1, Owner: u, OwnerID: id, Digest: m.keyer.Take(1, u, fmt.Append(nil, n)), Ref: fmt.Append(nil, n),
	}}})
}

func (m *maker) read() *Attempt {
	a := &Attempt{Client: 2, Invoked: m.next(), Outcome: Decided}
	m.entry(tick(), 1)
	a.Index, a.Returned = m.out.Index, m.next()
	c, _ := m.engine.CampaignByRef(1)
	a.Read = &Books{Campaign: 1}
	a.Read.Seq, a.Read.Prizes = c.Stock()
	m.h.Attempts = append(m.h.Attempts, a)
	return a
}

func tick() []byte {
	var b engine.Batch
	b.AddTick()
	return bytes.Clone(b.Commands())
}

// legal returns a history in which all is well: draws alone and two in an entry, retries, unknown outcomes that the log has
// and has not, denials, takes until a pool is empty, and reads.
func legal(t *testing.T) *maker {
	m := newMaker(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 30 {
		user := rng.IntN(4)
		switch i % 6 {
		case 0, 1:
			m.decide(m.draw(user, fmt.Sprint("k", i), i))
		case 2:
			m.decide(m.draw(user, fmt.Sprint("k", i), i), m.draw((user+1)%4, fmt.Sprint("l", i), 1000+i))
		case 3: // unknown, decided all the same, and told on the second try
			a := m.draw(user, fmt.Sprint("k", i), i)
			m.decide(a)
			a.Outcome, a.Returned = Unknown, m.next()
			again := m.draw(user, fmt.Sprint("k", i), 2000+i)
			m.decide(again)
			again.Records = nil
			lost := m.draw(user, fmt.Sprint("never", i), 3000+i)
			lost.Outcome, lost.Returned = None, m.next()
		case 4:
			m.decide(m.take(user, i))
			m.decide(m.take(user, 100+i))
		case 5:
			m.read()
		}
	}
	return m
}

func TestLegalHistoryStands(t *testing.T) {
	v := legal(t).h.Judge(2)
	for _, f := range v.Faults {
		t.Error(f)
	}
	if v.Decided < 30 || v.Resolved < 4 || v.Reads < 4 || v.Samples < 5 || v.Sampled < 30 {
		t.Errorf("%+v", v)
	}
}

// find returns the first attempt that is chosen.
func (m *maker) find(chosen func(a *Attempt) bool) *Attempt {
	i := slices.IndexFunc(m.h.Attempts, chosen)
	if i < 0 {
		m.t.Fatal("the history has no such attempt")
	}
	return m.h.Attempts[i]
}

func isDraw(a *Attempt) bool {
	return a.Command != nil && a.Command.Draw != nil && a.Outcome == Decided && len(a.Records) > 0
}

func (m *maker) drop(a *Attempt) {
	m.h.Attempts = slices.DeleteFunc(m.h.Attempts, func(x *Attempt) bool { return x == a })
}

// TestIllegalHistories breaks one promise at a time.
func TestIllegalHistories(t *testing.T) {
	for _, test := range []struct {
		name, rule string
		spoil      func(m *maker)
	}{
		{"the dump misses an entry", "gap", func(m *maker) { m.h.Log = slices.Delete(m.h.Log, 8, 9) }},
		{"a command comes from nowhere", "foreign", func(m *maker) { m.drop(m.find(isDraw)) }},
		{"one attempt stands in the log twice", "twice", func(m *maker) { m.entry(m.find(isDraw).Bytes, 1) }},
		{"an effect is denied", "effect", func(m *maker) { m.find(isDraw).Outcome = None }},
		{"an acknowledged draw is nowhere", "lost", func(m *maker) {
			a := m.draw(1, "lost", 9999)
			a.Outcome, a.Index, a.Returned = Decided, 7, m.next()
		}},
		{"another entry is said to have decided", "changed", func(m *maker) { m.find(isDraw).Index++ }},
		{"a result is told wrong", "changed", func(m *maker) { m.find(isDraw).Result.Records = 7 }},
		{"a record is told wrong", "changed", func(m *maker) { m.find(isDraw).Records[40] ^= 1 }},
		{"two answers are swapped", "changed", func(m *maker) {
			a := m.find(isDraw)
			b := m.find(func(x *Attempt) bool { return isDraw(x) && x != a })
			a.Records, b.Records = b.Records, a.Records
		}},
		{"one key is decided twice", "outcomes", func(m *maker) {
			a, b := m.draw(7, "one", 5000), m.draw(8, "two", 5001)
			b.Key = a.Key
			m.decide(a)
			m.decide(b)
		}},
		{"what ended first stands last", "order", func(m *maker) {
			a, b := m.draw(0, "first", 6000), m.draw(1, "second", 6001)
			m.decide(a)
			m.decide(b)
			a.Invoked, a.Returned, b.Invoked, b.Returned = m.next(), m.next(), b.Invoked-10, a.Invoked
		}},
		{"the reference knows another draw", "replay", func(m *maker) {
			d := *m.find(isDraw).Command.Draw
			d.UserID = []byte("somebody")
			m.find(isDraw).Command = &drawtest.Command{Draw: &d}
		}},
		{"a read is stale by one", "read", func(m *maker) { m.read().Read.Seq-- }},
		{"a read knows the future", "read", func(m *maker) { m.read().Read.Seq++ }},
		{"a read sees a unit too many", "read", func(m *maker) { m.read().Read.Prizes[0].Available++ }},
		{"a read is answered from before a write that was told", "order", func(m *maker) {
			a := m.read()
			a.Index -= 3
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := legal(t)
			test.spoil(m)
			v := m.h.Judge(2)
			if len(v.Faults) == 0 {
				t.Fatal("it stands")
			}
			for _, f := range v.Faults {
				if f.Rule == test.rule {
					return
				}
			}
			t.Errorf("found %v, want %s", v.Faults, test.rule)
		})
	}
}

// TestIllegalBooks: records that oversell, or count wrongly, whatever the engine says of itself.
func TestIllegalBooks(t *testing.T) {
	m := legal(t)
	for name, spoil := range map[string]func(j *judge){
		"won more than there was": func(j *judge) { j.books.cells[cell{1, 0}].won = 10 },
		"below nothing": func(j *judge) {
			j.books.add(&engine.Record{Kind: engine.RecordDraw, Campaign: 1, StockAfter: -3}, j.verdict)
		},
	} {
		j := m.h.judge()
		j.replay(2)
		spoil(j)
		j.stock()
		if len(j.verdict.Faults) == 0 || j.verdict.Faults[0].Rule != "stock" {
			t.Errorf("%s: %v", name, j.verdict.Faults)
		}
	}
}

// TestIllegalSeq: two draws are decided, and the log has the second one only.
func TestIllegalSeq(t *testing.T) {
	m := legal(t)
	j := m.h.judge()
	j.replay(2)
	m.decide(m.draw(8, "a", 8000))
	m.decide(m.draw(9, "b", 8001))
	j.keep(&m.out)
	if len(j.verdict.Faults) != 1 || j.verdict.Faults[0].Rule != "seq" {
		t.Errorf("%v", j.verdict.Faults)
	}
}

func operationsOf(ops []op, steps []step) (all []porcupine.Operation) {
	for i := range ops {
		all = append(all, ops[i].operation(steps[i]))
	}
	return all
}

// TestIllegalCounters gives porcupine histories that no order explains.
func TestIllegalCounters(t *testing.T) {
	give, out := step{-1, 1, highest}, step{0, lowest, 0}
	see := func(n int64) step { return step{0, n, n} }
	for _, test := range []struct {
		name    string
		opening int64
		steps   []step
		legal   bool // one after the other
		atOnce  bool // in any order
	}{
		{"two units, two wins, then out", 2, []step{give, give, out, see(0)}, true, true},
		{"one unit is won twice", 1, []step{give, give}, false, false},
		{"out while one is left", 1, []step{out, give}, false, true},
		{"a read is stale by one", 2, []step{give, see(2)}, false, true},
		{"a win is dropped", 3, []step{give, give, see(2)}, false, true},
		{"a restock is seen before it happens", 0, []step{give, {1, lowest, highest}}, false, true},
		{"a restock", 0, []step{out, {1, lowest, highest}, give}, true, true},
	} {
		var ops []op
		for i := range test.steps {
			ops = append(ops, op{attempt: &Attempt{Client: i % 2}, call: uint64(10*i + 1), end: uint64(10*i + 5)})
		}
		try := func(how string, want bool) {
			j := (&History{}).judge()
			j.sample(test.name, operationsOf(ops, test.steps), test.opening)
			if legal := len(j.verdict.Faults) == 0; legal != want {
				t.Errorf("%s, %s: legal %v: %v", test.name, how, legal, j.verdict.Faults)
			}
		}
		try("one after the other", test.legal)
		for i := range ops {
			ops[i].call, ops[i].end, ops[i].attempt.Client = uint64(i+1), 1000+uint64(i), i
		}
		try("all at once", test.atOnce)
	}
}
