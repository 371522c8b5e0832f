package join

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
)

// founding is one node's part of a founding.
type founding struct {
	entry   *Entry
	options *Options
	self    Seat
	changed chan struct{} // holds one token when something was heard

	mu struct {
		sync.Mutex
		heard    map[string]heard // by node id, the newest of each, without this node
		promised []Seat
		key      []byte // nil until this node has it
		fault    error  // why this node cannot found, for good
	}
}

// heard is what a node last said.
type heard struct {
	Seat
	expect   int
	promised []Seat
}

// found brings the founders together and returns when this node may begin its log with their list.
func (e *Entry) found(ctx context.Context) error {
	f := &founding{entry: e, options: &e.options, self: e.self(), changed: make(chan struct{}, 1)}
	f.mu.heard = map[string]heard{}
	f.mu.promised = e.past.Founders
	if f.mu.promised != nil && !slices.Contains(f.mu.promised, f.self) {
		return problem.New(problem.Conflict, fmt.Sprintf(
			"this node promised to found a cluster from another address than %s: start it with that, or, if no founder has begun, delete %s of each", f.self.Address, FileName))
	}
	f.options.Peers.Answer(peer.CallHello, f.answer)
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	for _, address := range f.options.others(f.mu.promised) {
		asking.Go(func() { f.ask(ctx, address) })
	}
	said := ""
	for {
		done, waits, err := f.step()
		if done || err != nil {
			return err
		}
		if waits != said {
			said = waits
			f.options.Say(waits)
			f.options.Logger.Info("founding", "waits", waits)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("join: no cluster was founded; %s: %w", said, ctx.Err())
		case <-f.changed:
		}
	}
}

// ask tells one address of this node, again and again: also when this one is ready, others may wait for what it says.
func (f *founding) ask(ctx context.Context, address string) {
	pace := time.NewTicker(f.options.Every)
	defer pace.Stop()
	for {
		f.mu.Lock()
		question := encode(hello{Format: format, Want: wantFound, Seat: f.self, Expect: f.expectLocked(), Promised: f.mu.promised})
		f.mu.Unlock()
		asking, cancel := context.WithTimeout(ctx, helloTime)
		body, err := f.options.Peers.Ask(asking, address, peer.CallHello, question)
		cancel()
		if err == nil {
			f.hear(body)
		} else if refused := new(problem.Error); errors.As(err, &refused) && !refused.Code.Info().Retryable {
			f.fail(problem.New(refused.Code, fmt.Sprintf("%s: %s", address, refused.Detail)))
		}
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}

// helloTime is how long a founder waits for another's answer, which takes no longer than its disk.
const helloTime = 2 * time.Second

// expectLocked returns the number of founders: a promise counts more than a flag.
func (f *founding) expectLocked() int {
	if f.mu.promised != nil {
		return len(f.mu.promised)
	}
	return f.options.Expect
}

// hear takes what another node answered.
func (f *founding) hear(body []byte) {
	w, err := decodeWelcome(body)
	if err != nil {
		f.fail(err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case w.Node == f.self.Node:
		return // the addresses may hold this node's own, under another name
	case w.Running && f.mu.promised == nil:
		f.failLocked(problem.New(problem.Conflict, fmt.Sprintf(
			"node %q runs a cluster already: node %q joins it, with --join-token and without --bootstrap-expect; if it was a member and lost its data, under another --node-id", w.Node, f.self.Node)))
		return
	case w.Running && !slices.Contains(w.Promised, f.self):
		f.failLocked(problem.New(problem.Conflict, fmt.Sprintf("node %q runs a cluster that others have founded (%s)", w.Node, nodes(w.Promised))))
		return
	}
	f.mu.heard[w.Node] = heard{w.Seat, w.Expect, w.Promised}
	if len(w.Key) != 0 && slices.Equal(w.Promised, f.mu.promised) {
		f.mu.key = w.Key
	}
	f.wake()
}

func (f *founding) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failLocked(err)
}

func (f *founding) failLocked(err error) {
	if f.mu.fault == nil {
		f.mu.fault = err
	}
	f.wake()
}

func (f *founding) wake() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// answer tells another founder where this one stands.
func (f *founding) answer(_ context.Context, proven string, body []byte) ([]byte, error) {
	h, err := decodeHello(proven, body)
	if err != nil {
		return nil, err
	}
	if h.Want != wantFound {
		return nil, problem.New(problem.NoLeader, "this node is founding a cluster and has none yet")
	}
	if h.Node == f.self.Node && h.Seat != f.self {
		return nil, problem.New(problem.Conflict, fmt.Sprintf("this node is called %q, too", h.Node))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.Node != f.self.Node {
		f.mu.heard[h.Node] = heard{h.Seat, h.Expect, h.Promised}
		f.wake()
	}
	w := welcome{Format: format, Seat: f.self, Expect: f.expectLocked(), Promised: f.mu.promised}
	if f.mu.key != nil && mayHaveKey(h, f.mu.promised) {
		w.Key = f.mu.key
	}
	return encode(w), nil
}

// mayHaveKey reports whether a founder is given the cluster's key: it must have promised the very list.
func mayHaveKey(h *hello, founders []Seat) bool {
	return len(founders) > 0 && slices.Equal(h.Promised, founders) && slices.Contains(founders, h.Seat)
}

// step does what can be done with what was heard: promise, make the key, be done. Or it says what is waited for.
func (f *founding) step() (done bool, waits string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.fault != nil {
		return false, "", f.mu.fault
	}
	if f.mu.promised == nil {
		list, waits := f.listLocked()
		if list == nil {
			return false, waits, nil
		}
		// Under the lock: nobody may be told of a promise, or of none, while it is being written.
		if err := f.entry.note(promised, list); err != nil {
			return false, "", err
		}
		f.mu.promised = list
		f.options.Logger.Info("this node promised to found a cluster", "founders", nodes(list))
	}
	if waits := f.missingLocked(); waits != "" {
		return false, waits, nil
	}
	lowest := f.mu.promised[0]
	if f.mu.key == nil && lowest == f.self {
		if err := f.makeKeyLocked(); err != nil {
			return false, "", err
		}
	}
	if f.mu.key == nil {
		return false, "node " + lowest.Node + " to give the cluster's key", nil
	}
	if err := f.entry.keep([keyBytes]byte(f.mu.key)); err != nil {
		return false, "", err
	}
	f.entry.Found, f.entry.Founders = f.mu.promised, f.mu.promised
	return true, "", nil
}

// listLocked returns the list to promise, or what it lacks.
func (f *founding) listLocked() (list []Seat, waits string) {
	list = []Seat{f.self}
	for _, h := range f.mu.heard {
		if h.expect != f.options.Expect {
			return nil, fmt.Sprintf("node %s founds with %d, this node with %d: start them with the same --bootstrap-expect", h.Node, h.expect, f.options.Expect)
		}
		list = append(list, h.Seat)
	}
	slices.SortFunc(list, func(a, b Seat) int { return cmp.Compare(a.Node, b.Node) })
	switch missing := f.options.Expect - len(list); {
	case missing > 0:
		return nil, fmt.Sprintf("%d more of %d founders; there are %s", missing, f.options.Expect, nodes(list))
	case missing < 0:
		return nil, fmt.Sprintf("%d nodes want to be the %d founders: %s; stop those that are too many", len(list), f.options.Expect, nodes(list))
	}
	return list, ""
}

// missingLocked says who has not promised the same list yet.
func (f *founding) missingLocked() string {
	var missing []string
	for _, s := range f.mu.promised {
		h, known := f.mu.heard[s.Node]
		switch {
		case s == f.self, known && slices.Equal(h.promised, f.mu.promised):
		case known && h.promised != nil:
			missing = append(missing, fmt.Sprintf("%s, which promised another list (%s): nothing was founded; stop all of them, delete %s of each and start again", s.Node, nodes(h.promised), FileName))
		default:
			missing = append(missing, s.Node)
		}
	}
	if missing == nil {
		return ""
	}
	return "the promise of " + strings.Join(missing, " and ")
}

// makeKeyLocked makes the cluster's key, or takes the one that this node made before it was interrupted.
func (f *founding) makeKeyLocked() error {
	key, err := f.options.Keys.Read()
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = io.ReadFull(f.options.Entropy, key[:]); err == nil {
			key, err = f.options.Keys.Keep(key)
		}
	}
	if err != nil {
		return fmt.Errorf("join: the cluster's key: %w", err)
	}
	f.mu.key = key[:]
	return nil
}

// nodes writes the ids of a list.
func nodes(list []Seat) string {
	names := map[string]bool{}
	for _, s := range list {
		names[s.Node] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}
