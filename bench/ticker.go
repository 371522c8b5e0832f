package bench

import "github.com/drawd/drawd/bench/load"

// ticker prints a line for each second of a run. Loops hand it their seconds over a channel that is never waited for.
type ticker struct {
	say     *console
	loads   []*drawLoad
	seconds chan load.Second
	ended   chan struct{}

	before [6]uint64 // wins, misses, denied, refused, failed, lost: until the line before
	heard  int       // loops that have told of the current second
	sum    load.Second
}

func newTicker(say *console, loads []*drawLoad) *ticker {
	return &ticker{say: say, loads: loads, seconds: make(chan load.Second, 64), ended: make(chan struct{})}
}

// second is called by a loop.
func (t *ticker) second(s load.Second) {
	select {
	case t.seconds <- s:
	default: // a line is lost, not a microsecond
	}
}

func (t *ticker) stop() { close(t.ended) }

// run prints until stop.
func (t *ticker) run() {
	t.say.say("%7s %9s %9s %9s %9s %9s %8s %9s %9s %6s %9s", "second", "due/s", "answered", "win", "miss", "denied", "refused", "p50", "p99", "busy", "waiting")
	for {
		select {
		case s := <-t.seconds:
			t.hear(s)
		case <-t.ended:
			for {
				select {
				case s := <-t.seconds:
					t.hear(s)
				default:
					return
				}
			}
		}
	}
}

// hear adds one loop's second; when all loops have told theirs, the line is printed.
func (t *ticker) hear(s load.Second) {
	t.sum.Due += s.Due
	for c := range s.Answered {
		t.sum.Answered[c] += s.Answered[c]
	}
	t.sum.P50, t.sum.P99, t.sum.Busy = max(t.sum.P50, s.P50), max(t.sum.P99, s.P99), max(t.sum.Busy, s.Busy)
	t.sum.Waiting += s.Waiting
	if t.heard++; t.heard < len(t.loads) {
		return
	}
	var now [6]uint64
	for _, l := range t.loads {
		p := &l.progress
		for i, v := range []uint64{p.wins.Load(), p.misses.Load(), p.denied.Load(), p.refused.Load(), p.failed.Load(), p.lost.Load()} {
			now[i] += v
		}
	}
	var step [6]uint64
	for i := range now {
		step[i] = now[i] - t.before[i]
	}
	var answered uint64
	for _, n := range t.sum.Answered {
		answered += n
	}
	t.say.say("%6ds %9s %9s %9s %9s %9s %8s %9s %9s %6s %9s", s.At+1, count(t.sum.Due), count(answered), count(step[0]), count(step[1]), count(step[2]),
		count(step[3]+step[4]+step[5]), microsText(t.sum.P50), microsText(t.sum.P99), percent(t.sum.Busy), count(t.sum.Waiting))
	t.before, t.heard, t.sum = now, 0, load.Second{}
}
