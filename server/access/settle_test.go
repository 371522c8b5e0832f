package access

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// TestNotKnownHereYet: what was made a moment ago at another node is found after the source has settled, and nobody is told that it
// does not exist before that: once for a request, and never for what is known or could not be a key.
func TestNotKnownHereYet(t *testing.T) {
	n := newNode(t)
	asked, later, settles := 0, func() {}, true
	var err error
	n.gate, err = New(Options{Source: n.engine, Settle: func() bool { asked++; later(); later = func() {}; return settles }})
	if err != nil {
		t.Fatal(err)
	}
	first := n.addKey(Key{Name: "ops", Scopes: ScopeAdmin}) // applied here, and not yet seen by the gate
	n.check(n.from(first), ScopeAdmin, problem.OK)
	var second string
	later = func() { second = n.addKey(Key{Name: "front", Scopes: ScopeDraw}) }
	_, stranger, _ := NewSecret()
	n.check(n.from(stranger), ScopeDraw, problem.Unauthenticated)
	n.check(n.from(second), ScopeDraw, problem.OK)
	for _, known := range []string{"", "dk_short", first, second} {
		n.gate.Check(n.from(known), 0)
	}
	if asked != 1 {
		t.Errorf("the source was asked to settle %d times, want once", asked)
	}

	in := n.from(first)
	in.Namespace = []byte("late")
	later = func() { n.decide(func(b *engine.Batch) { b.AddNamespace(&engine.NewNamespace{Name: "late"}) }) }
	g, _ := n.check(in, ScopeAdmin, problem.OK)
	if g.Namespace.Name() != "late" || asked != 2 {
		t.Errorf("namespace %q after %d", g.Namespace.Name(), asked)
	}

	g, _ = n.check(n.from(first), 0, problem.OK)
	later = func() {
		n.decide(func(b *engine.Batch) {
			b.AddPool(&engine.PutPool{Namespace: 1, ID: "seats", Total: 5})
		})
	}
	if p, refused := g.Pool([]byte("seats")); refused.Code != problem.OK || p == nil {
		t.Errorf("a pool that was made a moment ago: %+v", refused)
	}
	for range 100 {
		if _, refused := g.Campaign([]byte("nothing")); refused.Code != problem.CampaignNotFound {
			t.Errorf("%+v", refused)
		}
	}
	if asked != 3 {
		t.Errorf("one request asked %d times", asked-2)
	}
	settles = false
	g, _ = n.check(n.from(first), 0, problem.OK)
	if _, refused := g.Campaign([]byte("nothing")); refused.Code != problem.NoLeader || refused.Detail() == "" {
		t.Errorf("a node that cannot know says %+v", refused)
	}
	n.check(n.from(stranger), 0, problem.NoLeader)
	n.check(n.from(second), 0, problem.OK)
}

// crowdedSource counts the rebuilds, and holds each until everybody has seen that one is due.
type crowdedSource struct {
	Source
	everyone *sync.WaitGroup // nil: holds nothing
	seen     atomic.Int64    // who may still say so
	rebuilt  atomic.Int64
}

func (s *crowdedSource) DocumentsRevision() uint64 {
	revision := s.Source.DocumentsRevision()
	if s.everyone != nil && s.seen.Add(-1) >= 0 {
		s.everyone.Done()
	}
	return revision
}

func (s *crowdedSource) Namespaces() []*engine.Namespace {
	s.rebuilt.Add(1)
	if s.everyone != nil {
		s.everyone.Wait()
	}
	return s.Source.Namespaces()
}

// TestStrangersRebuildOnce: requests with unknown keys come all at once after a document changed. The keys are read once for all of
// them: that takes milliseconds where there are many, and anybody can make up a key.
func TestStrangersRebuildOnce(t *testing.T) {
	const strangers = 8
	n := newNode(t)
	known := n.addKey(Key{Name: "ops", Scopes: ScopeAdmin})
	s := &crowdedSource{Source: n.engine}
	var err error
	if n.gate, err = New(Options{Source: s}); err != nil {
		t.Fatal(err)
	}
	n.check(n.from(known), 0, problem.OK) // the next look by the clock is RefreshEvery away
	n.addKey(Key{Name: "front", Scopes: ScopeDraw})
	s.rebuilt.Store(0)
	s.everyone = new(sync.WaitGroup)
	s.everyone.Add(strangers + 2) // each looks once before it waits, the one that rebuilds twice more
	s.seen.Store(strangers + 2)
	var all sync.WaitGroup
	for range strangers {
		_, token, _ := NewSecret()
		in := n.from(token)
		all.Go(func() {
			if _, refused := n.gate.Check(in, 0); refused.Code != problem.Unauthenticated {
				t.Errorf("%+v", refused)
			}
		})
	}
	all.Wait()
	if rebuilt := s.rebuilt.Load(); rebuilt != 1 {
		t.Errorf("%d rebuilds for %d strangers", rebuilt, strangers)
	}
}
