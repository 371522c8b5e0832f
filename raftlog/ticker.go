package raftlog

import (
	"time"

	"github.com/drawd/drawd/engine"
)

// ticker proposes a tick when something became due that no command brought along: a start, an end. One goroutine with
// one timer; it sleeps for good while nothing is due.
type ticker struct {
	machine machine
	clock   Clock
	busy    func() bool               // commands are on their way: they move time themselves
	decide  func(*engine.Batch) error // through the gate
	kicked  chan struct{}             // 1-buffered: what is due may have changed
	stop    <-chan struct{}
	batch   engine.Batch
}

// kick is called by the FSM goroutine, and when the clock or the leadership changed.
func (t *ticker) kick() {
	select {
	case t.kicked <- struct{}{}:
	default:
	}
}

func (t *ticker) run() {
	for {
		wait, some := t.next()
		switch {
		case !some:
			if !t.sleep(nil, t.kicked) {
				return
			}
		case wait > 0:
			timer := time.NewTimer(wait)
			more := t.sleep(timer.C, t.kicked)
			timer.Stop()
			if !more {
				return
			}
		default:
			t.tick()
			// A kick is no reason for a second tick within the interval.
			timer := time.NewTimer(tickInterval)
			more := t.sleep(timer.C, nil)
			timer.Stop()
			if !more {
				return
			}
		}
	}
}

// sleep waits for one of the two; false when the node stops.
func (t *ticker) sleep(timer <-chan time.Time, kicked <-chan struct{}) bool {
	select {
	case <-timer:
	case <-kicked:
	case <-t.stop:
		return false
	}
	return true
}

// next returns how long to wait until something is due; false when nothing ever is.
func (t *ticker) next() (time.Duration, bool) {
	due, some := t.machine.NextDue()
	if !some {
		return 0, false
	}
	now := engine.UnixMilli(t.clock.Now().UnixMilli())
	if due <= now {
		return 0, true
	}
	// Far ahead the wall clock may be set meanwhile, which the timer does not see.
	if due-now > engine.UnixMilli(tickLookAhead/time.Millisecond) {
		return tickLookAhead, true
	}
	return millis(due - now), true
}

// tick proposes one, unless commands are on their way. A refusal needs no answer: it is tried again while it is due.
func (t *ticker) tick() {
	if t.busy() {
		return
	}
	t.batch.Reset()
	t.batch.AddTick()
	if err := t.decide(&t.batch); err != nil {
		t.batch = engine.Batch{} // its outcome may be unknown: a batch in that state is dropped
	}
}
