package join

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/raftlog/peer"
)

// KeyFile keeps the cluster's key.
type KeyFile interface {
	// Read returns the key; an fs.ErrNotExist without one.
	Read() ([keyBytes]byte, error)
	// Keep makes key durable unless there is one already, and returns the one that is there.
	Keep(key [keyBytes]byte) ([keyBytes]byte, error)
}

// Options say how a node comes to its cluster.
type Options struct {
	Dir     string // of the data, on the real disk; locked by the caller. Needed
	Keys    KeyFile
	HasLog  bool      // the data directory has a log: the node has been a member before
	Node    string    // this node's id. Needed
	Address string    // where others reach it. Needed
	Peers   *peer.Mux // needed; it is served
	Entropy io.Reader // where a founder's key comes from; default crypto/rand

	Addresses []string // of other nodes, some of which may be gone
	Expect    int      // founders; 0 for a node that joins
	Token     string   // of a node that joins; empty for one that is expected
	Edge      bool     // of a node that joins: never to vote

	Logger *slog.Logger      // default: slog.Default
	Say    func(what string) // told whenever it changes what is waited for; default: nothing
	Every  time.Duration     // between two questions to a node; default 250 ms
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("join: "+format, args...))
		}
	}
	fault(o.Dir == "" || o.Keys == nil || o.Peers == nil, "Dir, Keys and Peers are needed")
	fault(o.Node == "" || len(o.Node) > maxNode || o.Address == "" || len(o.Address) > maxAddress, "Node and Address are needed")
	fault(o.Expect < 0 || o.Expect > MaxFounders, "Expect is %d; it must be 0 to %d", o.Expect, MaxFounders)
	fault(o.Expect > 0 && (o.Token != "" || o.Edge), "a founder has no token and is no edge")
	fault(len(o.Addresses) > maxAddresses, "there are %d addresses, at most %d are asked", len(o.Addresses), maxAddresses)
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Every == 0 {
		o.Every = 250 * time.Millisecond
	}
	return o
}

// Entry is what a node begins with.
type Entry struct {
	Key      [keyBytes]byte
	Found    []Seat // what an empty log begins with; nil when there is a log, or when it comes from the others
	Founders []Seat // of the cluster, as far as this node knows

	options Options
	past    *past // nil of a node that became one of several after it had a log
}

// ErrNoWay says that a node without a log was told neither to found nor whom to join.
var ErrNoWay = errors.New("join: the data directory has no log, and nothing says how to come to one")

// Enter returns when the node may open its log: at once when it has one, else when it has founded with the others or was let
// in. A refusal that asking again would not change is a *problem.Error. Until a Host is there the node answers CallHello here.
func Enter(ctx context.Context, o Options) (*Entry, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	e := &Entry{options: o.withDefaults()}
	var err error
	if e.past, err = readPast(o.Dir); err != nil {
		return nil, err
	}
	if e.past != nil {
		if e.past.Node != o.Node {
			return nil, problem.New(problem.Conflict, fmt.Sprintf("the data directory is node %q's, this node is %q", e.past.Node, o.Node))
		}
		e.Founders = e.past.Founders
	}
	if o.HasLog || e.past != nil && e.past.Phase == joined {
		return e, e.again()
	}
	if e.past != nil && e.past.Phase == founded {
		return nil, problem.New(problem.Conflict, fmt.Sprintf(
			"node %q has founded a cluster and its log is gone: it may have voted, so it must not come back under this id; remove it there, and join with an empty directory and another --node-id", o.Node))
	}
	bound := e.past != nil && e.past.Phase == promised
	if !bound && o.Expect == 0 && len(o.Addresses) == 0 {
		return nil, ErrNoWay
	}
	if e.past == nil {
		if err := e.begin(); err != nil {
			return nil, err
		}
	}
	if bound || o.Expect > 0 {
		return e, e.found(ctx)
	}
	return e, e.join(ctx)
}

// again is how a node comes back: with the key that it has.
func (e *Entry) again() (err error) {
	if e.Key, err = e.options.Keys.Read(); err != nil {
		return fmt.Errorf("join: %w: restore the cluster's key from where you keep keys", err)
	}
	return e.Opened()
}

// begin gives an empty data directory its name.
func (e *Entry) begin() error {
	var disk [maxDisk / 2]byte
	if _, err := io.ReadFull(e.options.Entropy, disk[:]); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if mutant.On(mutant.DiskUnnamed) {
		clear(disk[:])
	}
	e.past = &past{Format: format, Node: e.options.Node, Disk: hex.EncodeToString(disk[:]), Phase: willing}
	return e.past.write(e.options.Dir)
}

func (e *Entry) self() Seat { return Seat{e.options.Node, e.options.Address, e.past.Disk} }

// Opened notes that the log of a founder has begun. It is called after the log was opened.
func (e *Entry) Opened() error {
	if e.past == nil || e.past.Phase != promised {
		return nil
	}
	return e.note(founded, e.past.Founders)
}

// note moves the node to a phase, durably.
func (e *Entry) note(p phase, founders []Seat) error {
	next := *e.past
	next.Phase, next.Founders = p, founders
	if err := next.write(e.options.Dir); err != nil {
		return err
	}
	e.past = &next
	return nil
}

// join asks one node after the other to be let in.
func (e *Entry) join(ctx context.Context) error {
	o := &e.options
	question := encode(hello{Format: format, Want: wantJoin, Seat: e.self(), Token: o.Token, Edge: o.Edge})
	pace := time.NewTicker(o.Every)
	defer pace.Stop()
	for at := 0; ; at++ {
		address := o.Addresses[at%len(o.Addresses)]
		asking, cancel := context.WithTimeout(ctx, joinTime)
		body, err := o.Peers.Ask(asking, address, peer.CallHello, question)
		cancel()
		if err == nil {
			return e.letIn(body)
		}
		if refused := new(problem.Error); errors.As(err, &refused) && !refused.Code.Info().Retryable {
			return problem.New(refused.Code, fmt.Sprintf("%s does not let node %q in: %s", address, o.Node, refused.Detail))
		}
		o.Say(fmt.Sprintf("waits to be let in; %s: %v", address, err))
		select {
		case <-ctx.Done():
			return fmt.Errorf("join: was not let in: %w", errors.Join(ctx.Err(), err))
		case <-pace.C:
		}
	}
}

// joinTime is how long one node may take to let another in: it decides twice and changes the members.
const joinTime = 10 * time.Second

func (e *Entry) letIn(body []byte) error {
	w, err := decodeWelcome(body)
	if err != nil {
		return err
	}
	if len(w.Key) == 0 {
		return fmt.Errorf("join: %s let this node in and gave no key", w.Node)
	}
	if err := e.keep([keyBytes]byte(w.Key)); err != nil {
		return err
	}
	e.options.Logger.Info("a cluster let this node in", "by", w.Node)
	return e.note(joined, nil)
}

// keep makes the cluster's key durable.
func (e *Entry) keep(key [keyBytes]byte) error {
	kept, err := e.options.Keys.Keep(key)
	switch {
	case err != nil:
		return err
	case kept != key:
		return problem.New(problem.Conflict, "the data directory has the key of another cluster: name an empty one")
	}
	e.Key = key
	return nil
}

// others returns the addresses to ask, without this node's own.
func (o *Options) others(list []Seat) []string {
	all := slices.Clone(o.Addresses)
	for _, s := range list {
		all = append(all, s.Address)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(a string) bool { return a == o.Address })
}
