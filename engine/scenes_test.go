package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// scene is what a crowd fights over: little of everything, so that it ends, turns or trips while all want it.
type scene struct {
	set func(x *table) // as a library, at start
	// draw edits each draw; nil for none. Users are few: they share rows.
	draw func(d *Draw, rng *rand.Rand)
	// other are the commands beside draws: half of all. mine is what the worker did.
	other []func(s *stage)
	step  UnixMilli // by which time goes on from a worker's command to his next
	after UnixMilli // when the time of the commands begins, from start
	weird bool      // the books do not add up
}

// stage is one command that is about to be made.
type stage struct {
	*table
	b    *Batch
	rng  *rand.Rand
	mine []placed
	key  string
	user string
}

// placed is a position with records: those of a command, or of a tick that a command took before or behind it.
type placed struct {
	index    LogIndex
	at       UnixMilli
	commands []byte // nil for a tick
	result   Result
	records  []byte
	from     int // of records, where the command's own begin: what was due stands before them
}

// own are the records of the command itself.
func (p *placed) own() []byte {
	if p.commands == nil {
		return nil
	}
	return p.records[p.from:][:p.result.Length]
}

// places returns the positions with records that a batch of one command took.
func places(b *Batch) (all []placed) {
	r := b.Results[0]
	for j, p := range b.Positions {
		end := len(b.Records)
		if j+1 < len(b.Positions) {
			end = int(b.Positions[j+1].Start)
		}
		if int(p.Start) == end {
			continue
		}
		one := placed{index: p.Index, records: bytes.Clone(b.Records[p.Start:end])}
		var rec Record
		if _, err := DecodeRecord(one.records, &rec); err != nil {
			panic("BUG: a record of our own: " + err.Error())
		}
		one.at = rec.At
		if r.At.Index == p.Index && r.Records > 0 && !r.Replayed {
			one.commands, one.result, one.from = bytes.Clone(b.commands), r, int(r.Offset-p.Start)
		}
		all = append(all, one)
	}
	return all
}

// play lets a crowd decide, each of it so many commands, and returns what took a position, in their order.
func (s *scene) play(x *table, seed uint64, each int) (order []placed) {
	all := make([][]placed, crowdSize)
	var wg sync.WaitGroup
	for w := range all {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			var b Batch
			for i := range each {
				b.Reset()
				st := stage{x, &b, rng, all[w], fmt.Sprint(w, "-", i), userName(rng.IntN(6))}
				if len(s.other) > 0 && rng.IntN(2) == 0 {
					s.other[rng.IntN(len(s.other))](&st)
				}
				if b.Len() == 0 {
					d := x.request(st.user, st.key, func(d *Draw) {
						if s.draw != nil {
							s.draw(d, rng)
						}
					})
					b.AddDraw(&d)
				}
				if err := x.Decide(&b, start+s.after+UnixMilli(i)*s.step+UnixMilli(w)); err != nil {
					x.Error(err)
					return
				}
				all[w] = append(all[w], places(&b)...)
			}
		})
	}
	wg.Wait()
	for _, part := range all {
		order = append(order, part...)
	}
	sortBy(order, func(a, b placed) bool { return a.index < b.index })
	return order
}

// follow decides on y, which is as the crowd's engine was before, what took a position, one after the other and as entries at the
// same indexes. Everything must be the same again, places included; only what ticks and guards did may stand at another place.
func (y *table) follow(order []placed) {
	y.Helper()
	var out Outcome
	var was, is []byte
	for i := range order {
		o := &order[i]
		if i > 0 && order[i-1].index == o.index {
			y.Fatalf("position %d was taken twice", o.index)
		}
		b := Batch{commands: o.commands, count: 1}
		if o.commands == nil {
			b.Reset()
			b.AddTick()
		}
		if err := y.Apply(o.index, entryOf(&b, o.at), &out); err != nil {
			y.Fatal(err)
		}
		r, own := out.Results[0], []byte(nil)
		if o.commands != nil {
			own = out.Records[r.Offset : r.Offset+r.Length]
		}
		if r.Code != o.result.Code || r.Value != o.result.Value || !bytes.Equal(own, o.own()) {
			y.Fatalf("position %d:\n%+v\n%s\ndecided as\n%+v\n%s", o.index, r, records1(y, own), o.result, records1(y, o.own()))
		}
		was = append(append(was, o.records[:o.from]...), o.records[o.from+len(o.own()):]...)
		is = append(append(is, out.Records[:r.Offset]...), out.Records[int(r.Offset)+len(own):]...)
	}
	if was, is := timeless(y, was), timeless(y, is); was != is {
		y.Fatalf("beside the commands' own records:\n%s\ndecided as\n%s", is, was)
	}
}

// timeless tells what records say, but for their times: what a guard does has a position and a time of its own as a library.
func timeless(x *table, b []byte) (all string) {
	for len(b) > 0 {
		var rec Record
		n, err := DecodeRecord(b, &rec)
		if err != nil {
			x.Fatal(err)
		}
		rec.At = 0
		all += fmt.Sprintf("%+v\n", rec)
		b = b[n:]
	}
	return all
}

// run plays a scene in many rounds.
func (s *scene) run(t *testing.T, rounds, each int) {
	positions := 0
	for round := range rounds {
		x, y := newLibrary(t), newLibrary(t)
		s.set(x)
		order := s.play(x, uint64(round), each)
		s.set(y)
		y.follow(order)
		positions += len(order)
		end := start + s.after + UnixMilli(each)*s.step + crowdSize
		x.decide1(end, func(b *Batch) { b.AddTick() })
		var b Batch
		b.AddTick()
		if err := y.Apply(1<<30, entryOf(&b, end), &y.out); err != nil {
			t.Fatal(err)
		}
		if x.StateHash() != y.StateHash() {
			t.Fatalf("round %d: another state", round)
		}
		if !s.weird {
			x.sound()
		}
	}
	if positions < rounds*crowdSize/2 {
		t.Errorf("%d positions in %d rounds: nobody did anything", positions, rounds)
	}
}
