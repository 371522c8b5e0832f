package join

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// founders are nodes that are told to found with each other.
type founders struct {
	t     *testing.T
	wires *wires
	all   []*seat
}

func newFounders(t *testing.T, names ...string) *founders {
	f := &founders{t: t, wires: newWires()}
	for _, name := range names {
		f.all = append(f.all, newSeat(t, f.wires, name))
	}
	return f
}

// start starts one founder of expect, which knows the addresses of all.
func (f *founders) start(s *seat, expect int) {
	s.start(func(o *Options) {
		o.Expect = expect
		for _, other := range f.all {
			o.Addresses = append(o.Addresses, other.name)
		}
	})
}

func (f *founders) halt() {
	for _, s := range f.all {
		s.halt()
	}
}

// agreed checks that these have founded, all with the same list and key.
func (f *founders) agreed(all ...*seat) {
	f.t.Helper()
	for _, s := range all {
		if !s.ended() || s.err != nil {
			f.t.Fatalf("%s: ended %v, %v", s.name, s.ended(), s.err)
		}
		if !slices.Equal(s.entry.Found, all[0].entry.Found) || s.entry.Key != all[0].entry.Key || s.entry.Key == [32]byte{} {
			f.t.Fatalf("%s founds %v, %s founds %v, or with another key", s.name, s.entry.Found, all[0].name, all[0].entry.Found)
		}
	}
}

func TestThreeFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFounders(t, "n1", "n2", "n3")
		defer f.halt()
		for i := range f.all {
			f.start(f.all[len(f.all)-1-i], 3)
			time.Sleep(time.Minute)
			if i < 2 && f.all[2].ended() {
				t.Fatal("founded without everybody")
			}
		}
		f.agreed(f.all...)
		if got := nodes(f.all[0].entry.Found); got != "n1, n2, n3" {
			t.Errorf("founded by %s", got)
		}
		for _, s := range f.all {
			if err := s.entry.Opened(); err != nil {
				t.Fatal(err)
			}
			if p, err := readPast(s.dir); err != nil || p.Phase != founded {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}

// A node that is to found alone does.
func TestOneFounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFounders(t, "n1")
		defer f.halt()
		f.start(f.all[0], 1)
		time.Sleep(time.Second)
		f.agreed(f.all[0])
	})
}

// A partition delays: neither side founds, whichever is larger.
func TestPartitionFoundsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFounders(t, "n1", "n2", "n3", "n4", "n5")
		defer f.halt()
		for _, a := range f.all[:3] {
			for _, b := range f.all[3:] {
				f.wires.cut(a.name, b.name, true)
			}
		}
		for _, s := range f.all {
			f.start(s, 5)
		}
		time.Sleep(time.Hour)
		for _, s := range f.all {
			if s.ended() {
				t.Fatalf("%s is done: %v", s.name, s.err)
			}
		}
		for _, a := range f.all[:3] {
			for _, b := range f.all[3:] {
				f.wires.cut(a.name, b.name, false)
			}
		}
		time.Sleep(time.Minute)
		f.agreed(f.all...)
	})
}

// More nodes than founders: nobody promises while all are heard, and it is said.
func TestTooManyFounders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFounders(t, "n1", "n2", "n3", "n4")
		defer f.halt()
		said := make(chan string, 1024)
		for _, s := range f.all[:1] {
			s.start(func(o *Options) {
				o.Expect, o.Addresses, o.Say = 3, []string{"n2", "n3", "n4"}, func(what string) { said <- what }
			})
			f.wires.cut("n1", "n4", true) // so that not three of them are there first
		}
		f.wires.cut("n1", "n2", true)
		for _, s := range f.all[1:] {
			f.start(s, 4)
		}
		time.Sleep(time.Minute)
		text := ""
		for len(said) > 0 {
			text += <-said + "\n"
		}
		if f.all[0].ended() || !strings.Contains(text, "n3 founds with 4, this node with 3: start them with the same --bootstrap-expect") {
			t.Errorf("it says:\n%s", text)
		}
	})
}

// A founder that crashed at any moment goes on where it was, also when the others run already.
func TestFounderComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFounders(t, "n1", "n2", "n3")
		defer f.halt()
		for _, s := range f.all {
			f.start(s, 3)
		}
		time.Sleep(time.Minute)
		f.agreed(f.all...)
		late := f.all[2]
		late.halt() // it has the key and the promise, and no log
		for _, s := range f.all[:2] {
			if err := s.entry.Opened(); err != nil {
				t.Fatal(err)
			}
			newWorld(t, s.entry).host.Serve(s.peers)
		}
		late.start(func(*Options) {}) // no flags: the promise says whom to ask
		time.Sleep(time.Minute)
		f.agreed(f.all...)
	})
}

// A founder that has lost its disk is refused, also when it meets one that has not begun and could be taken in.
func TestWipedFounderIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFounders(t, "n1", "n2", "n3")
		defer f.halt()
		for _, s := range f.all {
			f.start(s, 3)
		}
		time.Sleep(time.Minute)
		f.agreed(f.all...)
		wiped, running, late := f.all[0], f.all[1], f.all[2]
		if err := running.entry.Opened(); err != nil {
			t.Fatal(err)
		}
		late.halt()
		late.start(func(*Options) {})
		dir := running.dir
		running.halt() // it will run again; for now only the late one is there
		wiped.wipe()
		f.start(wiped, 3)
		time.Sleep(time.Minute)
		if wiped.ended() {
			t.Fatalf("the wiped node is done: %v", wiped.err)
		}
		running.dir = dir
		running.start(func(o *Options) { o.HasLog = true })
		<-running.done
		newWorld(t, running.entry).host.Serve(running.peers)
		time.Sleep(time.Minute)
		if refused := new(problem.Error); !wiped.ended() || !errors.As(wiped.err, &refused) || refused.Code != problem.Conflict {
			t.Fatalf("the wiped node: ended %v, %v", wiped.ended(), wiped.err)
		}
		wiped.halt()
		// On its own disk, with its log gone, it does not even ask.
		lost := newSeat(t, f.wires, "n2")
		lost.dir = dir
		running.halt()
		lost.start(func(o *Options) { o.Expect, o.Addresses = 3, []string{"n1", "n3"} })
		time.Sleep(time.Second)
		if !lost.ended() || lost.err == nil || !strings.Contains(lost.err.Error(), "its log is gone") {
			t.Fatalf("a node whose log is gone: %v", lost.err)
		}
		lost.halt()
	})
}

// A founder begins its log, votes, and loses its disk, while the others have promised and not begun. On an empty disk it is another
// one, whom nobody promised anything: were it taken for the one before, it would found the cluster a second time and vote twice.
func TestWipedFounderFoundsNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFounders(t, "n1", "n2", "n3")
		defer f.halt()
		for _, s := range f.all {
			f.start(s, 3)
		}
		time.Sleep(time.Minute)
		f.agreed(f.all...)
		wiped := f.all[0]
		if err := wiped.entry.Opened(); err != nil {
			t.Fatal(err)
		}
		wiped.wipe() // before the others start again: it would still tell them of its promise
		for _, late := range f.all[1:] {
			late.halt()
			late.start(func(*Options) {})
		}
		f.start(wiped, 3)
		time.Sleep(time.Minute)
		for _, s := range f.all {
			if s.ended() {
				t.Errorf("%s is done: %v", s.name, s.err)
			}
		}
	})
}

// Two programs under one id found nothing.
func TestTwoNodesOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires()
		w.anonymous = true
		one, two := newSeat(t, w, "here"), newSeat(t, w, "there")
		for _, s := range []*seat{one, two} {
			s.start(func(o *Options) { o.Node, o.Expect, o.Addresses = "n1", 2, []string{"here", "there"} })
			defer s.halt()
		}
		time.Sleep(time.Minute)
		if !one.ended() || one.err == nil || !strings.Contains(one.err.Error(), `is called "n1", too`) {
			t.Errorf("ended %v: %v", one.ended(), one.err)
		}
	})
}

// Whatever is cut, crashes or is wiped, at most one list is ever founded with, under one key, and no disk that was wiped
// after its log began founds again under the same id.
func TestFoundingUnderFaults(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() { // under the race detector each takes two seconds
		seeds = 8
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { foundUnderFaults(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func foundUnderFaults(t *testing.T, random *rand.Rand) {
	f := newFounders(t, "n1", "n2", "n3", "n4")
	defer f.halt()
	expect := 3 + random.IntN(2) // with 3, one node is too many
	var list []Seat
	var key [32]byte
	begun := map[string]bool{} // names whose log has begun on a disk that may be lost
	check := func(s *seat) {
		if s.peers == nil || !s.ended() || s.err != nil || s.entry.Found == nil {
			return
		}
		if list == nil {
			list, key = s.entry.Found, s.entry.Key
		}
		if !slices.Equal(list, s.entry.Found) || key != s.entry.Key {
			t.Fatalf("%s founds %v, before it was %v", s.name, s.entry.Found, list)
		}
		if !slices.ContainsFunc(list, func(x Seat) bool { return x == s.entry.self() }) {
			t.Fatalf("%s founds from a disk that is not on the list", s.name)
		}
	}
	for range 40 {
		s := f.all[random.IntN(len(f.all))]
		switch random.IntN(8) {
		case 0, 1, 2:
			if s.peers == nil {
				f.start(s, expect)
			}
		case 3:
			s.halt()
		case 4:
			if begun[s.name] && random.IntN(4) > 0 {
				break
			}
			s.wipe()
		case 5:
			f.wires.cut(s.name, f.all[random.IntN(len(f.all))].name, random.IntN(3) == 0)
		case 6:
			if s.peers != nil && s.ended() && s.err == nil {
				if err := s.entry.Opened(); err != nil {
					t.Fatal(err)
				}
				begun[s.name] = true
				newWorld(t, s.entry).host.Serve(s.peers)
			}
		default:
			time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
		}
		for _, s := range f.all {
			check(s)
		}
	}
}
