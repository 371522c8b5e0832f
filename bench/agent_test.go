package bench

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// TestShares: the numbers of all shares are those of the run, each once.
func TestShares(t *testing.T) {
	for n := range 20 {
		for of := 1; of < 6; of++ {
			seen := map[uint32]bool{}
			for first := range of {
				s := share{uint32(first), uint32(of)}
				for i := range shareOf(n, first, of) {
					seen[s.number(uint32(i))] = true
				}
			}
			if len(seen) != n || n > 0 && !seen[uint32(n-1)] {
				t.Errorf("%d requests in %d shares: %d numbers", n, of, len(seen))
			}
		}
	}
	if (share{}).number(7) != 7 {
		t.Error("a generator that is alone numbers otherwise")
	}
}

// TestResultsTravelWhole: what an agent measured is, counted and unpacked elsewhere, the same.
func TestResultsTravelWhole(t *testing.T) {
	rules := fakeRulesOf(2)
	j := newJournal(rules, 3)
	j.state, j.prize, j.seq, j.body = []uint8{acknowledged, deniedRequest, unknownOutcome}, []int16{1, 0, oracle.Miss}, []uint64{9, 0, 8}, []uint64{1 << 63, 0, 5}
	copy(j.draw, strings.Repeat("x", 3*drawBytes))
	s := load.NewStats()
	s.Due, s.Sent, s.Answered, s.Wall, s.Busiest = 3, 4, [load.Classes]uint64{1, 1, 0, 0}, time.Second, 0.5
	for i := range 1000 {
		load.Record(s.Latency[load.Decided], time.Duration(i*i)*time.Microsecond)
		load.Record(s.Lag, time.Duration(i)*time.Microsecond)
	}
	l := newDrawLoad(j, newDrawTemplate("h", "", "c"), nil, &restartWatch{}, 1)
	l.progress.wins.Store(1)
	l.byPrize, l.codes, l.replayed = []uint64{0, 1}, []codeCount{{"capped", 1}}, 2
	r, err := resultOf(s, []*drawLoad{l}, j)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.stats()
	if err != nil {
		t.Fatal(err)
	}
	for c := range s.Latency {
		if !got.Latency[c].Equals(s.Latency[c]) || !got.Service[c].Equals(s.Service[c]) {
			t.Errorf("histogram of class %d changed on its way", c)
		}
	}
	if !got.Lag.Equals(s.Lag) || got.Due != 3 || got.Sent != 4 || got.Answered != s.Answered || got.Wall != s.Wall || got.Busiest != s.Busiest {
		t.Errorf("%+v", got)
	}
	there := newDrawLoad(j, l.template, nil, &restartWatch{}, 1)
	r.fillLoad(there)
	if there.progress.wins.Load() != 1 || there.replayed != 2 || !reflect.DeepEqual(there.codes, l.codes) || !reflect.DeepEqual(there.byPrize, l.byPrize) {
		t.Errorf("%+v", there)
	}
	whole := newJournal(rules, 6)
	if err := whole.absorb(1, 2, r); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(whole.state, []uint8{0, acknowledged, 0, deniedRequest, 0, unknownOutcome}) || whole.seq[5] != 8 || whole.body[1] != 1<<63 || whole.prize[1] != 1 ||
		string(whole.drawID(3)) != strings.Repeat("x", drawBytes) {
		t.Errorf("%+v", whole)
	}
}

// TestAddressesOfOneRunDiffer: an address that was chosen before and is not listened on yet is not chosen again.
func TestAddressesOfOneRunDiffer(t *testing.T) {
	var taken []string
	for range 300 { // two of so many would be the same in 99 runs of 100
		addr, err := freeAddress(taken...)
		if err != nil || slices.Contains(taken, addr) {
			t.Fatalf("%s after %d others: %v", addr, len(taken), err)
		}
		taken = append(taken, addr)
	}
	c := &crew{nodes: []*mate{{daemon: &daemon{api: "a", admin: "b"}, raft: "c"}}}
	if got := c.taken(&mate{daemon: &daemon{api: "d"}}); !slices.Contains(got, "a") || !slices.Contains(got, "b") || !slices.Contains(got, "c") || !slices.Contains(got, "d") {
		t.Errorf("taken: %q", got)
	}
}

func fakeRulesOf(prizes int) *oracle.Rules {
	return &oracle.Rules{Prizes: make([]oracle.Prize, prizes)}
}

// TestAnAgentsJournalIsChecked: rows that cannot be are refused, not taken.
func TestAnAgentsJournalIsChecked(t *testing.T) {
	good := func() *agentResult {
		return &agentResult{State: make([]uint8, 2), Prize: make([]int16, 2), Seq: make([]uint64, 2), Body: make([]uint64, 2), Draw: make([]byte, 2*drawBytes)}
	}
	for name, spoil := range map[string]func(r *agentResult){
		"too few rows": func(r *agentResult) { r.State = r.State[:1] }, "a prize that is none": func(r *agentResult) { r.Prize[1] = 2 },
		"a state that is none": func(r *agentResult) { r.State[0] = 99 }, "ids cut short": func(r *agentResult) { r.Draw = r.Draw[1:] },
	} {
		r := good()
		spoil(r)
		if err := newJournal(fakeRulesOf(2), 4).absorb(0, 2, r); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := newJournal(fakeRulesOf(2), 4).absorb(1, 2, good()); err != nil {
		t.Error(err)
	}
	if err := (&agentJob{Due: make([]time.Duration, 1), Of: 2, First: 2}).check(); err == nil || !strings.Contains(err.Error(), "differ in length") || !strings.Contains(err.Error(), "First must be below Of") ||
		!strings.Contains(err.Error(), "Connections is 0") {
		t.Error(err)
	}
}

// TestRowsDoNotWaitForTheLost: a loop that is gone holds up no row.
func TestRowsDoNotWaitForTheLost(t *testing.T) {
	d := newDiary(3, nil, nil)
	d.tell(secondOf(0, 0, 10, 100), tally{})
	if d.advance(); len(d.rows) != 0 {
		t.Fatal("a row is closed that two loops have not told of")
	}
	d.gone(1, 2)
	if d.advance(); len(d.rows) != 1 || d.rows[0].Offered != 10 {
		t.Errorf("%+v", d.rows)
	}
}
