package raftlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
)

// pinger asks every other member, every pingInterval, where it stands. What is learnt on the way: its clock against ours,
// its running hash against ours, its feature level, whether it may be promoted. Raft's own contact tells none of these.
type pinger struct {
	node  *Node
	peers *peer.Mux
	ctx   context.Context // of the questions; it ends with run
	end   context.CancelFunc
	mu    struct {
		sync.Mutex
		asked map[string]*asked // by node id; members only
	}
}

// asked is what is known of one other node.
type asked struct {
	under   bool // a question is under way
	report  *report
	at      time.Duration // monotonic, of the newest answer
	rtt     time.Duration
	offset  time.Duration // its clock minus ours
	clockAt time.Duration // monotonic, when offset was measured; 0 never
}

func newPinger(n *Node) *pinger {
	p := &pinger{node: n, peers: n.options.Peers}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.mu.asked = make(map[string]*asked)
	return p
}

// start answers other nodes' questions; run asks ours.
func (p *pinger) start() { p.peers.Answer(peer.CallPing, p.answer) }

func (p *pinger) run() {
	defer p.peers.Answer(peer.CallPing, nil)
	defer p.end()
	t := time.NewTicker(pingInterval)
	defer t.Stop()
	defer p.node.keepWitness(true)
	for {
		p.ask(p.ctx)
		p.node.judge()
		p.node.keepWitness(false)
		p.node.keepBelongs()
		select {
		case <-t.C:
		case <-p.again():
		case <-p.node.stop:
			return
		}
	}
}

// again is when it is asked again before the next round: while this node waits to be told what others know of it.
func (p *pinger) again() <-chan time.Time {
	select {
	case <-p.node.recall.settled:
		return nil
	default:
	}
	if p.node.rolledBack() != nil {
		return nil
	}
	p.node.settle()
	return time.After(recallEvery)
}

// answer tells another node where this one stands.
func (p *pinger) answer(_ context.Context, name string, request []byte) ([]byte, error) {
	r, err := parseReport(request)
	if err != nil {
		return nil, err
	}
	if name != "" && name != r.id {
		return nil, problem.New(problem.Forbidden, fmt.Sprintf("the certificate is that of node %q, the ping that of %q", name, r.id))
	}
	p.node.saw(r)
	return appendReport(nil, p.node.report(r.id)), nil
}

// ask sends one round of questions; a node that still owes an answer is left alone.
func (p *pinger) ask(ctx context.Context) {
	for _, m := range p.due(p.node.Members()) {
		p.node.loops.Add(1)
		go func() {
			defer p.node.loops.Done()
			p.askOne(ctx, m)
		}()
	}
}

// askAgain asks one node now, unless it owes an answer or gave one less than every ago: that it was not ready may be over.
func (p *pinger) askAgain(m Member, every time.Duration) {
	p.mu.Lock()
	a := p.mu.asked[m.ID]
	if a == nil || a.under || p.node.options.Clock.Monotonic()-a.at < every {
		p.mu.Unlock()
		return
	}
	a.under = true
	p.mu.Unlock()
	p.node.loops.Add(1)
	go func() {
		defer p.node.loops.Done()
		p.askOne(p.ctx, m)
	}()
}

// due marks who is asked now, and forgets who is no member any more.
func (p *pinger) due(members []Member) []Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	present := make(map[string]bool, len(members))
	var due []Member
	for _, m := range members {
		present[m.ID] = true
		if m.ID == p.node.options.NodeID {
			continue
		}
		a := p.mu.asked[m.ID]
		if a == nil {
			a = new(asked)
			p.mu.asked[m.ID] = a
		}
		if !a.under {
			a.under = true
			due = append(due, m)
		}
	}
	p.node.witness.forget(members)
	for id := range p.mu.asked {
		if !present[id] {
			delete(p.mu.asked, id)
		}
	}
	return due
}

func (p *pinger) askOne(ctx context.Context, m Member) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	clock := p.node.options.Clock
	begun := clock.Monotonic()
	r, err := p.question(ctx, m)
	wall, now := clock.Now(), clock.Monotonic()
	if err != nil {
		p.failed(m, err)
		return
	}
	p.node.saw(r)
	rtt := now - begun
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.mu.asked[m.ID]
	if a == nil {
		return // it was removed meanwhile
	}
	a.under, a.report, a.at, a.rtt = false, r, now, rtt
	if rtt <= clockRTT { // the answer was written half a round trip ago, give or take as much
		a.offset, a.clockAt = time.Duration(r.wallUS)*time.Microsecond-time.Duration(wall.Add(-rtt/2).UnixMicro())*time.Microsecond, max(1, now)
	}
}

func (p *pinger) failed(m Member, err error) {
	p.mu.Lock()
	if a := p.mu.asked[m.ID]; a != nil {
		a.under = false
	}
	p.mu.Unlock()
	p.node.metrics.pingsFailed.Inc()
	if !errors.Is(err, peer.ErrUnreachable) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		p.node.options.Logger.Debug("a node did not answer a ping", "peer", m.ID, "error", err)
	}
}

// known returns a copy of what is known of one node, nil for one that never answered.
func (p *pinger) known(id string) *asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.mu.asked[id]
	if a == nil || a.report == nil {
		return nil
	}
	c := *a
	return &c
}

// fresh returns the same, but nil for one whose newest answer is older than freshFor.
func (p *pinger) fresh(id string) *asked {
	a := p.known(id)
	if a == nil || p.node.options.Clock.Monotonic()-a.at > freshFor {
		return nil
	}
	return a
}

// provenAt returns the newest moment, monotonic, of which is proven: whoever has applied an entry has all that was acknowledged before
// it. A leader said so, which had taken over in this term or a later one, in its answer to a question of that moment.
func (p *pinger) provenAt(term, applied uint64) (at time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.mu.asked {
		r := a.report
		if r != nil && r.leads && r.ready && r.term >= term && r.applied <= applied && (!ok || a.at-a.rtt > at) {
			at, ok = a.at-a.rtt, true
		}
	}
	return at, ok
}

// leader returns the member that says that it leads, as of its newest ping; of several, which a partition makes for a moment, the
// one of the newest term.
func (p *pinger) leader() (id, address string) {
	term := uint64(0)
	for _, m := range p.node.Members() {
		if a := p.fresh(m.ID); a != nil && a.report.leads && a.report.term > term {
			id, address, term = m.ID, m.Address, a.report.term
		}
	}
	return id, address
}

// report is what this node says of itself to another one.
func (n *Node) report(to string) *report {
	members, index := n.configuration()
	ready := n.gate.refusal.Load() == nil // before what is applied: a leader that is ready has applied everything acknowledged
	r := &report{
		id: n.options.NodeID, api: n.options.API, build: n.options.Build,
		term: n.raft.CurrentTerm(), applied: uint64(n.machine.AppliedIndex()), members: index,
		leads: n.leading.Load(), ready: ready, complete: n.options.BlobsComplete(), novice: n.novice.is.Load(),
		level: n.machine.Level(), supports: n.machine.Supports(), samples: n.fsm.hashes.all(),
		rolledBack: n.rolledBack() != nil, own: n.own(), about: to, known: n.knownOf(to), cluster: n.cluster16(),
	}
	for _, m := range members {
		r.youAreMember = r.youAreMember || m.ID == to
		if m.ID == r.id && m.Voter {
			r.voters = uint8(voters(members))
		}
	}
	r.wallUS = n.options.Clock.Now().UnixMicro()
	return r
}

// own is what this node has on its disk: what another one may remember of it.
func (n *Node) own() seen {
	tail := n.log.disk.Tail()
	return seen{term: n.raft.CurrentTerm(), voted: n.log.voted.Load(), hadTerm: tail.Term, had: tail.Index}
}

// saw takes in what another node says of itself, and of this one.
func (n *Node) saw(r *report) {
	members, _ := n.configuration()
	m := find(members, r.id)
	if r.about != "" && r.id != n.options.NodeID && m != nil {
		n.witness.note(r.id, &r.own)
	}
	if r.leads && r.ready && m != nil && m.Voter { // an edge that says so lies, and the first word holds
		n.belong(r.cluster)
	}
	n.hear(r)
}
