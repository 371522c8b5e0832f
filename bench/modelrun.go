package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// modelRun measures what a draw costs each node, with few and with many requests in flight.
type modelRun struct {
	t        *tableRun
	alone    *mate
	crew     *crew
	leader   *mate
	others   []*mate
	campaign string
	recount  *recount               // of what was drawn at the three
	turns    map[string][]modelTurn // by the row's id
}

// modelTurn is one turn of a row: µs of each node for a draw, and how many draws came in an entry.
type modelTurn struct {
	rate    float64
	nodes   []float64
	entries float64
}

// sum is µs of all nodes for a draw.
func (t *modelTurn) sum() (sum float64) {
	for _, cpu := range t.nodes {
		sum += cpu
	}
	return sum
}

// nodeMeter is the processor time of some nodes, each for itself, and the log of the first, each with the moment at which it
// was read: a machine that is busy reads late.
type nodeMeter struct {
	ctx     context.Context
	nodes   []*mate
	seen    [][]time.Duration
	applied []uint64
	read    []time.Time // of seen
	asked   []time.Time // of applied
	err     error
}

// CPU implements meter; what each node has taken is kept.
func (m *nodeMeter) CPU() (sum time.Duration) {
	all := make([]time.Duration, len(m.nodes))
	for i, n := range m.nodes {
		all[i] = n.CPU()
		sum += all[i]
	}
	m.seen, m.read = append(m.seen, all), append(m.read, time.Now())
	if len(m.nodes) > 0 {
		s, err := m.nodes[0].status(m.ctx)
		m.applied, m.asked, m.err = append(m.applied, s.Applied), append(m.asked, time.Now()), errors.Join(m.err, err)
	}
	return sum
}

// Model measures what a draw and an entry cost on one node and on three with few requests in flight, predicts what more of
// them and all nodes at once cost, compares that with what they do cost, and says which nodes take Draws a second.
func Model(ctx context.Context, o TableOptions) (*TableReport, error) {
	orDefault(&o.Draws, 1_000_000)
	orDefault(&o.Cores, 16)
	method := "closed loop of unary draws, every draw durable before its answer; cpu is µs of all nodes for a draw; predicted: from the rows with few requests in flight"
	return runTable(ctx, "model", method, o, func(ctx context.Context, t *tableRun) (err error) {
		m := &modelRun{t: t, turns: map[string][]modelTurn{}}
		if m.campaign, err = t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now())); err != nil {
			return err
		}
		if err := m.found(ctx); err != nil {
			return err
		}
		m.alone = &mate{id: "one", daemon: t.f.daemon, control: t.f.ctl}
		three := append([]*mate{m.leader}, m.others...)
		var all []contender
		for _, part := range []int{16, 4, 1} {
			n, few := max(t.o.Connections/part, 1), ""
			if part > 1 {
				few = fmt.Sprintf(".%d", part)
			}
			in := fmt.Sprintf(", %d in flight", n)
			all = append(all,
				m.row("one"+few, "one node"+in, n, []*mate{m.alone}, []*mate{m.alone}),
				m.row("lead"+few, "three nodes, at the leader"+in, n, []*mate{m.leader}, three),
				m.row("edge"+few, "three nodes, at one that forwards"+in, n, []*mate{m.others[0]}, three))
		}
		if err := t.contest(ctx, append(all, m.row("all", "three nodes, at each a third", t.o.Connections, three, three))); err != nil {
			return err
		}
		m.predict()
		m.size()
		return judgeReplicas(ctx, m.crew, m.recount)
	})
}

// found starts three nodes and publishes there.
func (m *modelRun) found(ctx context.Context) (err error) {
	t := m.t
	if m.crew, err = newCrew(ctx, &t.o.Environment, 3, false); err != nil {
		return err
	}
	t.stops = append(t.stops, func() error { return m.crew.remove(t.o.Keep) })
	if m.leader, err = m.crew.leader(ctx); err != nil {
		return err
	}
	file := steadyCampaign(t.o.Users, time.Now())
	file.Campaign = m.campaign
	m.recount = t.f.recount.at(m.leader.control, m.leader.api)
	if err := m.recount.publish(ctx, file); err != nil {
		return err
	}
	for _, n := range m.crew.nodes {
		if n != m.leader {
			m.others = append(m.others, n)
		}
	}
	fault, err := m.crew.alike(ctx)
	if err == nil && fault != "" {
		err = errors.New("bench: after publishing: " + fault)
	}
	return err
}

// row is a contender: draws at some nodes at once, of which each node's processor time is kept.
func (m *modelRun) row(id, name string, connections int, at, nodes []*mate) contender {
	c := contender{id: id, name: name}
	works := make([]load.Workload, len(at))
	for i := range at {
		work, recount := newSteadyLoad(at[i].api, m.campaign, uint32(m.t.o.Users)), m.recount
		if at[i] == m.alone {
			recount = m.t.f.recount
		}
		recount.hear(work, m.campaign)
		works[i] = work
	}
	c.measure = func(ctx context.Context, span time.Duration) (sample, error) {
		used := &nodeMeter{ctx: ctx, nodes: nodes}
		got, failed := make([]Capacity, len(at)), make([]error, len(at))
		var all sync.WaitGroup
		for i := range at {
			l := closedLoop{server: meter(&nodeMeter{}), want: load.Decided, opts: load.Options{Addr: at[i].api, Connections: max(connections/len(at), 1)}}
			if i == 0 {
				l.server = used
			}
			all.Go(func() { got[i], failed[i] = l.measure(ctx, func(int) load.Workload { return works[i] }, span) })
		}
		all.Wait()
		turn := modelTurn{nodes: make([]float64, len(nodes))}
		for i := range got {
			turn.rate += got[i].Rate
		}
		if err := errors.Join(append(failed, used.err)...); err != nil || turn.rate == 0 || len(used.seen) < 2 {
			return sample{}, err
		}
		turn.entries = float64(used.applied[1]-used.applied[0]) / (turn.rate * used.asked[1].Sub(used.asked[0]).Seconds())
		s := sample{rate: turn.rate}
		for i := range nodes {
			turn.nodes[i] = float64((used.seen[1][i] - used.seen[0][i]).Microseconds()) / (turn.rate * used.read[1].Sub(used.read[0]).Seconds())
			s.cpu += turn.nodes[i]
		}
		m.turns[id] = append(m.turns[id], turn)
		if len(at) == 1 {
			s.generatorCPU, s.p50, s.p99 = got[0].GeneratorCPU, got[0].Service.P50, got[0].Service.P99
		}
		return s, nil
	}
	return c
}

// node returns the median of what a node took for a draw, in a row.
func (m *modelRun) node(id string, node int) float64 {
	var all []float64
	for _, t := range m.turns[id] {
		all = append(all, t.nodes[node])
	}
	return medianOf(all)
}

// entries returns the median of the entries of a draw, in a row.
func (m *modelRun) entries(id string) float64 {
	var all []float64
	for _, t := range m.turns[id] {
		all = append(all, t.entries)
	}
	return medianOf(all)
}

// fitCosts takes what draws cost, with so many entries for each, apart: what an entry costs is the median over rounds of what two
// turns of one round differ by, because those met the same machine; what a draw costs is what is left, the median over all.
func fitCosts(few, more []modelTurn) (draw, entry float64) {
	var slopes, rests, whole []float64
	for i := range min(len(few), len(more)) {
		if by := few[i].entries - more[i].entries; by > 0 {
			slopes = append(slopes, (few[i].sum()-more[i].sum())/by)
		}
	}
	if len(slopes) > 0 {
		entry = math.Max(medianOf(slopes), 0)
	}
	for _, t := range slices.Concat(few, more) {
		rests, whole = append(rests, t.sum()-entry*t.entries), append(whole, t.sum()/t.entries)
	}
	if draw = medianOf(rests); draw < 0 {
		return 0, medianOf(whole)
	}
	return draw, entry
}

// forecast is what a row should cost, in each round, by the fit of other rows and by how many entries its draws took then.
func (m *modelRun) forecast(id string, parts map[string]float64) (all []float64) {
	for _, t := range m.turns[id] {
		cost := 0.0
		for of, part := range parts {
			draw, entry := fitCosts(m.turns[of+".16"], m.turns[of+".4"])
			cost += part * (draw + entry*t.entries)
		}
		all = append(all, cost)
	}
	return all
}

// predict adds to each row what it should cost by the rows with few requests in flight, and how far that is off.
func (m *modelRun) predict() {
	for _, id := range []string{"one", "lead", "edge"} {
		draw, entry := fitCosts(m.turns[id+".16"], m.turns[id+".4"])
		m.t.report.Notes = append(m.t.report.Notes, fmt.Sprintf("%s: %.1f µs a draw and %.0f µs an entry; %.1f, %.1f and %.1f draws an entry", id, draw, entry,
			1/m.entries(id+".16"), 1/m.entries(id+".4"), 1/m.entries(id)))
	}
	for _, p := range []struct {
		id    string
		parts map[string]float64
	}{{"one", map[string]float64{"one": 1}}, {"lead", map[string]float64{"lead": 1}}, {"edge", map[string]float64{"edge": 1}}, {"all", map[string]float64{"lead": 1.0 / 3, "edge": 2.0 / 3}}} {
		want := m.forecast(p.id, p.parts)
		off := make([]float64, len(want))
		for i := range off {
			off[i] = (want[i]/m.turns[p.id][i].sum() - 1) * 100
		}
		i := slices.IndexFunc(m.t.report.Rows, func(f runfile.Figure) bool { return f.ID == p.id })
		f := &m.t.report.Rows[i]
		f.Measures = append(f.Measures, runfile.NewMeasure("predicted", "us", runfile.Lower, want))
		m.t.report.Notes = append(m.t.report.Notes, fmt.Sprintf("%s: predicted %.1f µs a draw; against what was measured in the same round: off by %+.0f %% (%+.0f to %+.0f)",
			f.Name, medianOf(want), medianOf(off), slices.Min(off), slices.Max(off)))
	}
}

// costs are what the rows with many requests in flight say.
func (m *modelRun) costs() DrawCosts {
	one, own, follow := m.node("one", 0), m.node("lead", 0), (m.node("lead", 1)+m.node("lead", 2))/2
	return DrawCosts{
		Edge: math.Max(m.node("edge", 1)-m.node("edge", 2), 0), Lead: m.node("edge", 0), Replica: math.Max(own-one, 0) / 2, Follow: follow,
		Serial: applyCost,
	}
}

// applyCost is what applying takes a draw, µs, of the goroutine that does it: P7 with features, docs/performance.md.
const applyCost = 0.75

// size says which nodes take the draws.
func (m *modelRun) size() {
	c, o := m.costs(), &m.t.o
	note := func(format string, args ...any) {
		m.t.report.Notes = append(m.t.report.Notes, fmt.Sprintf(format, args...))
	}
	note("µs a draw: taking the request %.1f, leading it %.1f and %.1f for each replica beyond two, keeping and applying it %.1f", c.Edge, c.Lead, c.Replica, c.Follow)
	for _, draws := range []int{o.Draws / 10, o.Draws / 3, o.Draws} {
		s := c.Size(float64(draws), o.Cores, usedShare)
		if !s.Reached {
			note("%s draws/s: not with %d cores a node", count(draws), o.Cores)
			continue
		}
		why := ""
		if s.Limit != "" {
			why = "; one cluster less: " + s.Limit
		}
		note("%s draws/s on nodes of %d cores, %s %% used: %d clusters of three voters and %d edges, %d cores in all; leader %.0f %%, edge %.0f %%, applying %.0f %%%s",
			count(draws), o.Cores, strconv.Itoa(int(usedShare*100)), s.Groups, s.Edges, s.Cores, s.Lead*100, s.Edge*100, s.Serial*100, why)
	}
}

// usedShare is how much of a node may be used: latency grows beyond.
const usedShare = 0.6
