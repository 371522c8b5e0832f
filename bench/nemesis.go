package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/proxy"
)

// The kinds of fault, as NemesisOptions.Faults names them.
const (
	FaultKill    = "kill"    // SIGKILL of the leader, a follower, the leader and one more, all
	FaultPause   = "pause"   // SIGSTOP and SIGCONT of the leader, a follower, all
	FaultNetwork = "network" // cuts between nodes, both ways or one way, flapping, a link that is down; needs root
	FaultLink    = "link"    // connections between nodes that are slow, narrow, half-open, held or refused, by proxies; needs root
	FaultPoint   = "point"   // SIGKILL at a point of the code; needs a build with the tag failpoints
)

var faultKinds = [...]string{FaultKill, FaultPause, FaultNetwork, FaultLink, FaultPoint}

// nodeRequests bounds the requests to one node in one round.
const nodeRequests = 20_000

// Nemesis lets a cluster of real processes run under load and breaks it, a fault a round. After each round it waits until all
// nodes have applied the same entries and compares their running hashes; asks every node for each draw that this round
// acknowledged, by key and by id, for the same bytes; and sends what was left without an answer again. Each cluster ends
// with a verdict over the feed of every node and an offline check of every directory. The first fault of drawd ends the run and
// leaves the data in place.
func Nemesis(ctx context.Context, o NemesisOptions) (*NemesisReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Nodes, 3)
	orDefault(&o.Rounds, 20)
	orDefault(&o.PerCluster, 40)
	orDefault(&o.MinLoad, 50*time.Millisecond)
	orDefault(&o.MaxLoad, max(300*time.Millisecond, o.MinLoad))
	orDefault(&o.Connections, 8)
	orDefault(&o.Users, 5_000)
	orDefault(&o.Seed, 1)
	n := &nemesis{o: o, say: newConsole(&o.Environment), rng: rand.New(rand.NewPCG(o.Seed, 0x6e656d65736973))}
	n.report = &NemesisReport{Scenario: "nemesis", Faults: &oracle.Verdict{}, Nodes: o.Nodes, Rounds: o.Rounds, Seed: o.Seed, Injected: map[string]int{}}
	if err := n.kinds(); err != nil {
		return nil, err
	}
	if err := n.o.fill(); err != nil {
		return nil, err
	}
	begin := time.Now()
	for n.report.Done < n.o.Rounds && n.report.Faults.Right() {
		if err := n.cluster(ctx); err != nil {
			return nil, err
		}
	}
	n.say.clear()
	n.report.Seconds = time.Since(begin).Seconds()
	return n.report, n.report.finish(&n.o)
}

// nemesis is one run.
type nemesis struct {
	o      NemesisOptions
	space  bool // nodes live in namespaces
	say    *console
	rng    *rand.Rand
	report *NemesisReport

	crew    *crew
	provers []*prover // one for each node, with one journal
	next    uint32    // first unused row of the cluster's journal
	disk    *os.File  // the journal on disk
}

// kinds settles which faults there are. What was asked for and cannot be is an error that says why.
func (n *nemesis) kinds() error {
	why := ""
	if n.o.Loopback {
		why = "network faults need namespaces, and --loopback was asked for"
	} else {
		why = noNetns()
	}
	n.space = why == ""
	if len(n.o.Faults) == 0 {
		n.o.Faults = faultKinds[:3]
	}
	if slices.Contains(n.o.Faults, FaultPoint) {
		if why := noPoints(); why != "" {
			return &ThresholdError{Reasons: []string{why}}
		}
	}
	spacious := func(kind string) bool { return kind == FaultNetwork || kind == FaultLink }
	if n.space || !slices.ContainsFunc(n.o.Faults, spacious) {
		return nil
	}
	n.o.Faults = slices.DeleteFunc(slices.Clone(n.o.Faults), spacious)
	n.report.NotRun = append(n.report.NotRun, "network faults: "+why)
	if len(n.o.Faults) == 0 {
		return &ThresholdError{Reasons: n.report.NotRun}
	}
	n.say.say("NOT RUN   network faults: %s", why)
	return nil
}

// cluster works through one cluster's share of rounds.
func (n *nemesis) cluster(ctx context.Context) (err error) {
	var links *proxy.Network
	if slices.Contains(n.o.Faults, FaultLink) {
		links = proxy.New()
	}
	if n.crew, err = newCrewOver(ctx, &n.o.Environment, n.o.Nodes, n.space, links); err != nil {
		return err
	}
	defer func() {
		keep := n.o.Keep || err != nil || !n.report.Faults.Right()
		if keep {
			n.say.say("data kept in %s", n.crew.dir)
		}
		err = errors.Join(err, n.crew.remove(keep))
	}()
	if n.report.Machine.Commit == "" {
		n.report.Machine = lookAtMachine(&n.o.Environment, n.crew.dir)
	}
	if n.disk, err = os.Create(filepath.Join(n.crew.dir, "journal")); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer n.disk.Close()
	if err := n.publish(ctx); err != nil {
		return err
	}
	for i := 0; i < n.o.PerCluster && n.report.Done < n.o.Rounds && n.report.Faults.Right(); i++ {
		if err := n.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", n.report.Done+1, err)
		}
	}
	if !n.report.Faults.Right() {
		return nil
	}
	return n.verdict(ctx)
}

func (n *nemesis) publish(ctx context.Context) error {
	leader, err := n.crew.leader(ctx)
	if err != nil {
		return err
	}
	file, err := crashCampaign(n.o.Users, time.Now()).encode()
	if err != nil {
		return err
	}
	rules, err := compileRules(n.o.Compile, file)
	if err != nil {
		return err
	}
	version, err := leader.control.publish(ctx, rules.Campaign, file)
	if err != nil {
		return err
	}
	// A node that has not applied the publication yet says that there is no such campaign.
	if fault, err := n.crew.alike(ctx); err != nil || fault != "" {
		return errors.Join(err, errors.New("bench: after publishing: "+fault))
	}
	n.next, n.provers = 0, nil
	users := uint64(n.o.Users)
	journal := newJournal(rules, n.o.PerCluster*n.o.Nodes*nodeRequests)
	template := newDrawTemplate(leader.api, leader.control.key, rules.Campaign)
	for _, m := range n.crew.nodes {
		n.provers = append(n.provers, &prover{
			control: m.control, host: m.api, campaign: rules.Campaign, version: version, rules: rules, say: &console{}, alone: true,
			journal: journal, template: template,
			user: func(id uint32) uint32 { return uint32(uint64(id) * 0x9E3779B97F4A7C15 >> 21 % users) },
		})
	}
	return nil
}

// round is one fault under load and what is looked at after it.
func (n *nemesis) round(ctx context.Context) error {
	leader, err := n.crew.leader(ctx)
	if err != nil {
		n.fault("leader", err.Error())
		return ctx.Err()
	}
	x := n.choose(leader)
	first := n.next
	began := time.Now()
	if err := n.loadThrough(ctx, x); err != nil {
		return err
	}
	n.report.Injected[x.name]++
	n.report.Kills += x.kills
	switch x.kind {
	case FaultNetwork, FaultLink:
		n.report.Network++
	case FaultPause:
		n.report.Pauses++
	}
	if err := n.persist(first); err != nil {
		return err
	}
	if err := n.compare(ctx, x.name, first); err != nil {
		return err
	}
	n.report.Done++
	n.say.now("%4d of %d rounds   %d SIGKILLs, %d network faults, %d pauses   %s draws acknowledged   %s: %s",
		n.report.Done, n.o.Rounds, n.report.Kills, n.report.Network, n.report.Pauses, count(n.report.Acknowledged), x.name, spanText(time.Since(began)))
	return ctx.Err()
}

func (n *nemesis) fault(rule, detail string) {
	n.report.Faults.Add(rule, fmt.Sprintf("round %d: %s", n.report.Done+1, detail))
}

// loadThrough draws at all nodes while a fault begins and ends.
func (n *nemesis) loadThrough(ctx context.Context, x *injection) error {
	lead := n.o.MinLoad + time.Duration(n.rng.Int64N(int64(n.o.MaxLoad-n.o.MinLoad)+1))
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	schedule := load.Schedule{Requests: nodeRequests, For: 30 * time.Second, Drain: time.Millisecond}
	if x.hold > longHold { // at a pace, or all requests would be over before the fault is
		schedule = load.Schedule{Arrivals: evenly(x.hold+longHold, longRate), Drain: time.Millisecond}
	}
	errs := make([]error, len(n.provers))
	var wg sync.WaitGroup
	for i, p := range n.provers {
		work := &crashLoad{newDrawLoad(p.journal, p.template, p.user, &restartWatch{}, n.o.Seed), n.next}
		n.next += nodeRequests
		wg.Go(func() {
			// A cluster decides nothing for a moment after a fault: nobody waits long for one answer.
			_, err := load.Run(ending, load.Options{Addr: p.host, Connections: n.o.Connections, Timeout: 2 * time.Second},
				schedule, func(int) load.Workload { return work })
			if ctx.Err() == nil && errors.Is(err, context.Canceled) {
				err = nil
			}
			errs[i] = err
			if len(work.odd) > 0 {
				errs[i] = errors.Join(err, fmt.Errorf("bench: unexpected answer: %.500q", work.odd[0]))
			}
		})
	}
	err := pause(ctx, lead)
	if err == nil {
		err = x.run(ctx)
	}
	if err == nil {
		err = pause(ctx, n.o.MinLoad)
	}
	cancel()
	wg.Wait()
	return errors.Join(err, errors.Join(errs...))
}

// persist writes what was acknowledged to disk before anything is compared with it: it outlives this process, too.
func (n *nemesis) persist(first uint32) error {
	p := n.provers[0]
	var rows []byte
	for id := first; id < n.next; id++ {
		if p.journal.state[id] == acknowledged {
			rows = fmt.Appendf(rows, "%s %s %d\n", p.template.key(id), p.journal.drawID(id), p.journal.seq[id])
		}
	}
	if _, err := n.disk.Write(rows); err != nil {
		return fmt.Errorf("bench: journal: %w", err)
	}
	if err := n.disk.Sync(); err != nil {
		return fmt.Errorf("bench: journal: %w", err)
	}
	return nil
}

// compare looks at all nodes after a round.
func (n *nemesis) compare(ctx context.Context, what string, first uint32) error {
	r := n.report
	for _, m := range n.crew.nodes {
		if c := m.current(); c == nil || c.gone() {
			n.fault("ended", fmt.Sprintf("%s: %s ended by itself: %s", what, m.id, lastWords(m.words())))
			return nil
		}
	}
	fault, err := n.crew.alike(ctx)
	if err != nil {
		return err
	}
	var ids []uint32
	journal := n.provers[0].journal
	for id := first; id < n.next; id++ {
		if journal.state[id] == acknowledged {
			ids = append(ids, id)
		}
	}
	r.Acknowledged += uint64(len(ids))
	if fault != "" {
		n.fault("replicas", what+": "+fault)
		return n.missing(ctx, what, ids)
	}
	r.Alike++
	for i, p := range n.provers {
		changed := func(id uint32, how string) {
			n.fault("changed", fmt.Sprintf("%s, asked at %s, key %s: %s", what, n.crew.nodes[i].id, p.template.key(id), how))
		}
		same, err := p.compare(ctx, ids, false, changed)
		if err != nil {
			return err
		}
		r.SameByKey += same
		if same, err = p.compare(ctx, ids, true, changed); err != nil {
			return err
		}
		r.SameByID += same
	}
	p := n.provers[n.rng.IntN(len(n.provers))]
	r.Unanswered += uint64(len(p.unknown()))
	again := newDrawLoad(p.journal, p.template, p.user, &restartWatch{}, n.o.Seed)
	if err := p.resolve(ctx, again); err != nil {
		return err
	}
	r.Rescued += again.replayed
	return nil
}

// missing names acknowledged draws that nodes which still serve do not have any more, where nodes are not alike: some of them, as a
// node waits for what it does not have before it says so.
func (n *nemesis) missing(ctx context.Context, what string, ids []uint32) error {
	const most, patience = 400, 20 * time.Second
	n.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	ids = ids[:min(len(ids), most)]
	for i, p := range n.provers {
		if m := n.crew.nodes[i]; m.current() == nil || m.current().gone() {
			continue
		}
		short, cancel := context.WithTimeout(ctx, patience)
		_, err := p.compare(short, ids, true, func(id uint32, how string) {
			n.fault("lost", fmt.Sprintf("%s, acknowledged and asked at %s, key %s: %s", what, n.crew.nodes[i].id, p.template.key(id), how))
		})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return nil
}

// verdict judges the cluster as a whole: the feed and the books of every node, then every directory offline.
func (n *nemesis) verdict(ctx context.Context) error {
	if fault, err := n.crew.alike(ctx); err != nil || fault != "" {
		n.fault("replicas", fault)
		return err
	}
	for i, p := range n.provers {
		judge := oracle.NewJudge(p.oracleCase())
		if err := p.hear(ctx, judge, &Proof{}); err != nil {
			return err
		}
		v := judge.Verdict()
		if n.report.Verdicts++; i == 0 {
			n.report.Draws += v.Draws
		}
		for _, f := range v.Faults {
			n.fault(f.Rule, n.crew.nodes[i].id+": "+f.Detail)
		}
	}
	for _, m := range n.crew.nodes {
		if err := m.stop(); err != nil {
			n.fault("stop", m.id+": "+err.Error())
			continue
		}
		clean, err := checkOffline(ctx, &n.o.Environment, m.dir)
		if err != nil {
			return err
		}
		if n.report.Checked++; clean != "" {
			n.fault("check", m.id+": "+clean)
		}
	}
	return nil
}
