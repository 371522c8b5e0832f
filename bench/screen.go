package bench

import "github.com/drawd/drawd/bench/runfile"

// screen shows a run while it goes on: a line for each second.
type screen struct {
	say *console
}

func newScreen(f *drawRun) *screen { return &screen{say: f.say} }

// begin writes the head.
func (s *screen) begin() {
	s.say.say("%7s %9s %9s %9s %9s %9s %8s %9s %9s %6s %9s", "second", "due/s", "answered", "win", "miss", "denied", "refused", "p50", "p99", "busy", "waiting")
}

// second shows one second that is over.
func (s *screen) second(r *runfile.Second) {
	s.say.say("%6ds %9s %9s %9s %9s %9s %8s %9s %9s %6s %9s", r.At+1, count(r.Offered), count(r.Answered), count(r.Won), count(r.Logged-r.Won), count(r.Denied),
		count(r.Refused+r.Errors), microsText(r.P50), microsText(r.P99), percent(r.Busy), count(r.Waiting))
}

// end closes the screen.
func (s *screen) end() {}
