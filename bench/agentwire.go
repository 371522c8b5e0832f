package bench

import (
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// The kinds of messages between a coordinator and its agents.
const (
	sayCalibrate = 'c' // coordinator: calibrateOrder
	sayHello     = 'h' // agent: agentHello
	sayPing      = 'p' // coordinator: nothing
	sayPong      = 'q' // agent: the time there, Unix ns
	sayJob       = 'j' // coordinator: agentJob
	sayPrepared  = 'r' // agent: nothing; its connections stand
	sayStart     = 's' // coordinator: the start by the agent's clock, Unix ns
	saySecond    = 't' // agent: agentSecond
	sayResult    = 'e' // agent: agentResult
	sayFailed    = 'f' // agent: why, in words
)

// calibrateOrder asks what the agent's generator can send.
type calibrateOrder struct{ Connections, Loops int }

// agentHello is what an agent says of itself.
type agentHello struct {
	Commit    string
	Host      string
	Cores     int
	PerSecond float64 // that its generator can send while an empty handler answers
}

// agentJob is an agent's share of a run: request i of it is number First + i × Of of the run.
type agentJob struct {
	First, Of   uint32
	Due         []time.Duration
	User        []uint32
	Addr        string // of the data plane
	Key         string
	Campaign    string
	Nonce       string // of the keys
	Prizes      []oracle.Prize
	Connections int
	Loops       int
	Timeout     time.Duration
	Drain       time.Duration
	Policy      string
	Attempts    int
	Seed        uint64
}

// agentSecond is one loop's second, with what it has counted so far.
type agentSecond struct {
	Loop, At, Waiting int
	Due, Sent         uint64
	Answered          [load.Classes]uint64
	P50, P99, Max     int64
	Busy              float64
	Length            time.Duration
	Latency           []byte // histogram, HdrHistogram V2

	Logged, Won, Denied, Refused, Errors uint64
	ByPrize                              []uint64
}

// agentResult is what an agent's share came to. Histograms travel whole.
type agentResult struct {
	Latency, Service       [load.Classes][]byte
	Lag                    []byte
	Due, Sent              uint64
	Answered               [load.Classes]uint64
	Repeated, Lost         uint64
	Unresolved, Reconnects uint64
	Wall, CPU              time.Duration
	Busiest                float64
	Wins, Misses, Denied   uint64
	Refused, Failed, Cut   uint64
	Replayed, Effects      uint64
	ByPrize                []uint64
	Codes, Shed            []codeCount
	Odd                    []string
	State                  []uint8 // the journal's rows, by the share's own numbers
	Prize                  []int16
	Seq, Body              []uint64
	Draw                   []byte
}

// packed encodes a histogram; every count of it travels.
func packed(h *hdr.Histogram) ([]byte, error) {
	b, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("bench: histogram: %w", err)
	}
	return b, nil
}

// unpacked decodes a histogram into one with the range of all.
func unpacked(b []byte) (*hdr.Histogram, error) {
	from, err := hdr.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("bench: histogram of an agent: %w", err)
	}
	h := load.NewHistogram()
	if dropped := h.Merge(from); dropped > 0 {
		return nil, fmt.Errorf("bench: histogram of an agent: %d values lie beyond its range", dropped)
	}
	return h, nil
}

// resultOf packs what a share came to.
func resultOf(s *load.Stats, loads []*drawLoad, j *journal) (*agentResult, error) {
	r := &agentResult{
		Due: s.Due, Sent: s.Sent, Answered: s.Answered, Repeated: s.Repeated, Lost: s.LostCount, Unresolved: s.Unresolved, Reconnects: s.Reconnects,
		Wall: s.Wall, CPU: s.CPU, Busiest: s.Busiest, State: j.state, Prize: j.prize, Seq: j.seq, Body: j.body, Draw: j.draw,
		ByPrize: make([]uint64, len(j.rules.Prizes)),
	}
	var err error
	pack := func(to *[]byte, h *hdr.Histogram) {
		if err == nil {
			*to, err = packed(h)
		}
	}
	for c := range s.Latency {
		pack(&r.Latency[c], s.Latency[c])
		pack(&r.Service[c], s.Service[c])
	}
	pack(&r.Lag, s.Lag)
	for _, l := range loads {
		p := &l.progress
		r.Wins, r.Misses, r.Denied = r.Wins+p.wins.Load(), r.Misses+p.misses.Load(), r.Denied+p.denied.Load()
		r.Refused, r.Failed, r.Cut = r.Refused+p.refused.Load(), r.Failed+p.failed.Load(), r.Cut+p.lost.Load()
		r.Replayed, r.Effects = r.Replayed+l.replayed, r.Effects+l.effects
		r.Codes, r.Shed, r.Odd = addCodes(r.Codes, l.codes), addCodes(r.Shed, l.shed), append(r.Odd, l.odd...)
		for i, n := range l.byPrize {
			r.ByPrize[i] += n
		}
	}
	return r, err
}

// stats unpacks what was measured.
func (r *agentResult) stats() (*load.Stats, error) {
	s := &load.Stats{
		Due: r.Due, Sent: r.Sent, Answered: r.Answered, Repeated: r.Repeated, LostCount: r.Lost, Unresolved: r.Unresolved, Reconnects: r.Reconnects,
		Wall: r.Wall, CPU: r.CPU, Busiest: r.Busiest,
	}
	var err error
	unpack := func(to **hdr.Histogram, b []byte) {
		if err == nil {
			*to, err = unpacked(b)
		}
	}
	for c := range s.Latency {
		unpack(&s.Latency[c], r.Latency[c])
		unpack(&s.Service[c], r.Service[c])
	}
	unpack(&s.Lag, r.Lag)
	return s, err
}

// fillLoad gives a load of the coordinator the counts of an agent's.
func (r *agentResult) fillLoad(l *drawLoad) {
	p := &l.progress
	p.wins.Store(r.Wins)
	p.misses.Store(r.Misses)
	p.denied.Store(r.Denied)
	p.refused.Store(r.Refused)
	p.failed.Store(r.Failed)
	p.lost.Store(r.Cut)
	l.replayed, l.effects, l.byPrize = r.Replayed, r.Effects, r.ByPrize
	l.codes, l.shed, l.odd = r.Codes, r.Shed, r.Odd
}

// absorb takes over the rows of a share.
func (j *journal) absorb(first, of uint32, r *agentResult) error {
	n := len(r.State)
	if len(r.Prize) != n || len(r.Seq) != n || len(r.Body) != n || len(r.Draw) != n*drawBytes || n != shareOf(len(j.state), int(first), int(of)) {
		return fmt.Errorf("bench: an agent's journal has %d rows; its share is %d", n, shareOf(len(j.state), int(first), int(of)))
	}
	for i := range n {
		id := int(first) + i*int(of)
		if int(r.Prize[i]) >= len(j.rules.Prizes) || r.State[i] > unknownOutcome {
			return fmt.Errorf("bench: row %d of an agent's journal: state %d, prize %d", i, r.State[i], r.Prize[i])
		}
		j.state[id], j.prize[id], j.seq[id], j.body[id] = r.State[i], r.Prize[i], r.Seq[i], r.Body[i]
		copy(j.draw[id*drawBytes:(id+1)*drawBytes], r.Draw[i*drawBytes:])
	}
	return nil
}

// shareOf is how many of n requests are number first of each so many.
func shareOf(n, first, of int) int {
	if n <= first {
		return 0
	}
	return (n - first + of - 1) / of
}

// packedSecond packs one loop's second.
func packedSecond(e *entry) (*agentSecond, error) {
	s := &e.second
	latency, err := packed(s.Histogram)
	return &agentSecond{
		Loop: s.Loop, At: s.At, Waiting: s.Waiting, Due: s.Due, Sent: s.Sent, Answered: s.Answered, P50: s.P50, P99: s.P99, Max: s.Max, Busy: s.Busy, Length: s.Length,
		Latency: latency, Logged: e.so.logged, Won: e.so.won, Denied: e.so.denied, Refused: e.so.refused, Errors: e.so.errors, ByPrize: e.so.byPrize,
	}, err
}

// entry unpacks a second; loop is its loop's number among those of all agents.
func (s *agentSecond) entry(loop int) (entry, error) {
	latency, err := unpacked(s.Latency)
	return entry{
		second: load.Second{
			Loop: loop, At: s.At, Waiting: s.Waiting, Due: s.Due, Sent: s.Sent, Answered: s.Answered, P50: s.P50, P99: s.P99, Max: s.Max, Busy: s.Busy, Length: s.Length,
			Histogram: latency,
		},
		so: tally{logged: s.Logged, won: s.Won, denied: s.Denied, refused: s.Refused, errors: s.Errors, byPrize: s.ByPrize},
	}, err
}
