package join

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// world is a cluster of one that lets others in: a real engine that decides without a log.
type world struct {
	t      testing.TB
	engine *engine.Engine
	host   *Host
	mu     struct {
		sync.Mutex
		members []Member
		fail    error // of every change
	}
}

func newWorld(t testing.TB, e *Entry) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	if w.engine, err = engine.New(engine.Options{ClusterKey: e.Key}); err != nil {
		t.Fatal(err)
	}
	var b engine.Batch
	b.AddInit(&engine.Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{3}}})
	if err := w.DecideContext(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	for _, s := range e.Founders {
		w.mu.members = append(w.mu.members, Member{s.Node, s.Address, true})
	}
	if w.host, err = NewHost(HostOptions{Entry: e, Log: w, Engine: w.engine, Now: time.Now, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) DecideContext(_ context.Context, b *engine.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.fail != nil || b.Len() == 0 {
		return w.mu.fail
	}
	return w.engine.Decide(b, engine.UnixMilli(time.Now().UnixMilli()))
}

func (w *world) Members() []Member {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Member{}, w.mu.members...)
}

func (w *world) AddMember(_ context.Context, node, address string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.fail != nil {
		return w.mu.fail
	}
	for i := range w.mu.members {
		if w.mu.members[i].Node == node {
			w.mu.members[i].Address = address
			return nil
		}
	}
	w.mu.members = append(w.mu.members, Member{node, address, false})
	return nil
}

func (w *world) set(node string, voter bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.mu.members {
		if w.mu.members[i].Node == node {
			w.mu.members[i].Voter = voter
		}
	}
}

func (w *world) failing(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.fail = err
}

func (w *world) remove(node string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.mu.members {
		if w.mu.members[i].Node == node {
			w.mu.members = append(w.mu.members[:i], w.mu.members[i+1:]...)
			return
		}
	}
}

// token makes one.
func (w *world) token(r TokenRequest) string {
	w.t.Helper()
	if r.Life == 0 {
		r.Life = time.Hour
	}
	_, secret, err := w.host.CreateToken(context.Background(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// party is a running cluster of one, n1, and nodes that want in.
type party struct {
	*founders
	*world
	first *seat
}

func newParty(t *testing.T) *party {
	f := newFounders(t, "n1")
	f.start(f.all[0], 1)
	<-f.all[0].done
	f.agreed(f.all[0])
	p := &party{f, newWorld(t, f.all[0].entry), f.all[0]}
	p.host.Serve(p.first.peers)
	return p
}

// join starts a node and waits for a minute.
func (p *party) join(s *seat, change func(*Options)) *seat {
	s.start(func(o *Options) {
		o.Addresses = []string{"nobody", "n1"}
		change(o)
	})
	time.Sleep(time.Minute)
	p.founders.all = append(p.founders.all, s) // for halt
	return s
}

func (p *party) in(t *testing.T, s *seat) {
	t.Helper()
	if !s.ended() || s.err != nil || s.entry.Key != p.first.entry.Key || s.entry.Found != nil {
		t.Fatalf("%s: ended %v, %v", s.name, s.ended(), s.err)
	}
	if m := p.host.member(s.name); m == nil {
		t.Fatalf("%s is no member: %v", s.name, p.Members())
	}
}

func (p *party) out(t *testing.T, s *seat, code problem.Code, want string) {
	t.Helper()
	if refused := new(problem.Error); !s.ended() || !errors.As(s.err, &refused) || refused.Code != code || !strings.Contains(s.err.Error(), want) {
		t.Fatalf("%s: ended %v, %v; want %v %q", s.name, s.ended(), s.err, code, want)
	}
	s.halt()
}

func TestTokenLetsOneNodeIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t)
		defer p.halt()
		secret := p.token(TokenRequest{})
		n2 := newSeat(t, p.wires, "n2")
		p.in(t, p.join(n2, func(o *Options) { o.Token = secret }))
		if m := p.host.member("n2"); m.Voter || p.host.Edge("n2") {
			t.Errorf("it came in as %+v", m)
		}
		before := p.world.engine.StateHash()
		p.out(t, p.join(newSeat(t, p.wires, "n3"), func(o *Options) { o.Token = secret }), problem.Unauthenticated, "is used")
		p.out(t, p.join(newSeat(t, p.wires, "n3"), func(o *Options) { o.Token = "dj_nonsense" }), problem.Unauthenticated, "drawd cluster token create")
		p.out(t, p.join(newSeat(t, p.wires, "n3"), func(o *Options) {}), problem.Unauthenticated, "is not expected")
		if p.world.engine.StateHash() != before || p.host.member("n3") != nil {
			t.Error("a refusal changed something")
		}
		// Its answer may have been lost: the same node on the same disk may ask again, until it votes.
		n2.unanswered()
		p.in(t, p.join(n2, func(o *Options) { o.Token = secret }))
		// With its log it needs nothing.
		n2.halt()
		n2.start(func(o *Options) { o.HasLog = true })
		<-n2.done
		if n2.err != nil || n2.entry.Key != p.first.entry.Key {
			t.Fatal(n2.err)
		}
		// Without its disk it is not let in again, by no token.
		again := p.token(TokenRequest{})
		n2.wipe()
		p.out(t, p.join(n2, func(o *Options) { o.Token = secret }), problem.Conflict, "another data directory")
		p.set("n2", true)
		n2.wipe()
		p.out(t, p.join(n2, func(o *Options) { o.Token = again }), problem.Conflict, "is a member")
		n4 := newSeat(t, p.wires, "n4")
		p.in(t, p.join(n4, func(o *Options) { o.Token = again }))
	})
}

func TestTokensOfOneKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t)
		defer p.halt()
		bound, edge := p.token(TokenRequest{Node: "n2"}), p.token(TokenRequest{Edge: true})
		short := p.token(TokenRequest{Life: MinTokenLife})
		p.out(t, p.join(newSeat(t, p.wires, "n3"), func(o *Options) { o.Token = bound }), problem.Unauthenticated, "token")
		p.out(t, p.join(newSeat(t, p.wires, "n3"), func(o *Options) { o.Token = edge }), problem.Forbidden, "--edge")
		p.out(t, p.join(newSeat(t, p.wires, "n3"), func(o *Options) { o.Token = short }), problem.Unauthenticated, "has expired")
		p.in(t, p.join(newSeat(t, p.wires, "n2"), func(o *Options) { o.Token = bound }))
		p.in(t, p.join(newSeat(t, p.wires, "e1"), func(o *Options) { o.Token, o.Edge = edge, true }))
		if !p.host.Edge("e1") {
			t.Error("an edge is not known as one")
		}
		all := p.host.Tokens()
		if len(all) != 2 || all[0].UsedBy == "" || all[1].UsedBy == "" {
			t.Errorf("tokens: %+v", all)
		}
		id := all[0].ID
		if err := p.host.DeleteToken(context.Background(), id, "a"); err != nil {
			t.Error(err)
		}
		if err := p.host.DeleteToken(context.Background(), id, "a"); !errors.Is(err, problem.New(problem.NotFound, "")) {
			t.Error(err)
		}
		for range MaxTokens {
			p.token(TokenRequest{})
		}
		if _, _, err := p.host.CreateToken(context.Background(), TokenRequest{Life: time.Hour}); !errors.Is(err, problem.New(problem.Conflict, "")) {
			t.Errorf("one token too many: %v", err)
		}
		time.Sleep(2 * time.Hour)
		p.token(TokenRequest{})
		if all, _ := p.host.tokens(); len(all) != 1 {
			t.Errorf("%d tokens are kept after all have expired but one", len(all))
		}
	})
}

// Without a token a node comes in when an operator has named it; a removed one never again.
func TestExpectedAndRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t)
		defer p.halt()
		ctx := context.Background()
		if err := p.host.Expect(ctx, "n2", false, "key:1"); err != nil {
			t.Fatal(err)
		}
		if got := p.host.Expected(); len(got) != 1 || got["n2"] || Outcast(p.host.Engine, "n2") {
			t.Errorf("expected: %v", got)
		}
		n2 := newSeat(t, p.wires, "n2")
		p.in(t, p.join(n2, func(*Options) {}))
		if err := p.host.Expect(ctx, "n2", false, "key:1"); !errors.Is(err, problem.New(problem.Conflict, "")) {
			t.Error(err)
		}
		if err := p.host.Gone(ctx, "n2", "key:1"); err != nil {
			t.Fatal(err)
		}
		if !Outcast(p.host.Engine, "n2") || Outcast(p.host.Engine, "n1") || Outcast(p.host.Engine, "n9") {
			t.Error("n2 is removed, n1 is a member, n9 is nobody")
		}
		p.remove("n2")
		n2.unanswered()
		for range 2 {
			p.out(t, p.join(n2, func(o *Options) { o.Token = p.token(TokenRequest{}) }), problem.Conflict, "was removed")
			n2.wipe()
		}
		if err := p.host.Expect(ctx, "n2", false, "key:1"); !errors.Is(err, problem.New(problem.Conflict, "")) {
			t.Error(err)
		}
		// One that was expected and never came leaves nothing.
		if err := errors.Join(p.host.Expect(ctx, "n5", true, "key:1"), p.host.Gone(ctx, "n5", "key:1"), p.host.Expect(ctx, "n5", false, "key:1")); err != nil {
			t.Error(err)
		}
		if err := p.host.Gone(ctx, "n9", "key:1"); !errors.Is(err, problem.New(problem.NotFound, "")) {
			t.Error(err)
		}
	})
}

// While the cluster cannot decide, a node waits; and a founding node lets nobody in yet.
func TestJoinWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t)
		defer p.halt()
		secret := p.token(TokenRequest{})
		p.failing(problem.New(problem.NoLeader, "this node does not lead"))
		n2 := p.join(newSeat(t, p.wires, "n2"), func(o *Options) { o.Token = secret })
		if n2.ended() {
			t.Fatalf("it did not wait: %v", n2.err)
		}
		p.failing(nil)
		time.Sleep(time.Minute)
		p.in(t, n2)

		f := newFounders(t, "a", "b")
		defer f.halt()
		f.start(f.all[0], 2)
		guest := newSeat(t, f.wires, "c")
		guest.start(func(o *Options) { o.Addresses = []string{"a"} })
		time.Sleep(time.Minute)
		if guest.ended() {
			t.Errorf("a founding node let somebody in, or refused for good: %v", guest.err)
		}
		guest.halt()
	})
}

// A node that says nothing of the kind is not asked to guess.
func TestNoWay(t *testing.T) {
	s := newSeat(t, newWires(), "n1").start(func(*Options) {})
	<-s.done
	if !errors.Is(s.err, ErrNoWay) {
		t.Error(s.err)
	}
	s.halt()
	s.start(func(o *Options) { o.Expect = MaxFounders + 1 })
	<-s.done
	if s.err == nil || !strings.Contains(s.err.Error(), "Expect is 8") {
		t.Error(s.err)
	}
	s.halt()
}
