package bench

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

// screen shows a run while it goes on: on a terminal a picture that is drawn anew each second, elsewhere a line for each
// second. It is told of seconds that are over and never touches the loops.
type screen struct {
	say      *console
	scenario string
	planned  time.Duration // of the load, without late answers
	prizes   []oracle.Prize

	rates []uint64 // answered, by second
	so    runfile.Second
}

func newScreen(f *drawRun) *screen {
	s := &screen{say: f.say, scenario: f.scenario, prizes: f.rules.Prizes}
	if n := len(f.plan.due); n > 0 {
		s.planned = f.plan.due[n-1]
	}
	return s
}

// The screen needs this much room; in less it writes lines.
const (
	leastColumns = 60
	mostStocks   = 8 // prizes with a bar
)

func (s *screen) pictures() bool { return s.say.terminal && s.say.columns() >= leastColumns }

// begin writes the head of the lines.
func (s *screen) begin() {
	if !s.pictures() {
		s.say.say("%7s %9s %9s %9s %9s %9s %8s %9s %9s %6s %9s", "second", "due/s", "answered", "win", "miss", "denied", "refused", "p50", "p99", "busy", "waiting")
	}
}

// second shows one second that is over.
func (s *screen) second(r *runfile.Second) {
	s.rates = append(s.rates, r.Answered)
	s.so.Offered += r.Offered
	s.so.Answered += r.Answered
	s.so.Logged += r.Logged
	s.so.Won += r.Won
	s.so.Denied += r.Denied
	s.so.Refused += r.Refused
	s.so.Errors += r.Errors
	if s.pictures() {
		s.say.frame(s.picture(r, s.say.columns()))
		return
	}
	s.say.say("%6ds %9s %9s %9s %9s %9s %8s %9s %9s %6s %9s", r.At+1, count(r.Offered), count(r.Answered), count(r.Won), count(r.Logged-r.Won), count(r.Denied),
		count(r.Refused+r.Errors), microsText(r.P50), microsText(r.P99), percent(r.Busy), count(r.Waiting))
}

// end leaves the last picture where it is.
func (s *screen) end() { s.say.keep() }

// picture is the screen after a second, in lines of at most so many columns.
func (s *screen) picture(r *runfile.Second, columns int) []string {
	wide := columns - 34
	at := time.Duration(r.At+1) * time.Second
	lines := []string{
		fmt.Sprintf("drawd bench %-12s %s %s of %s", s.scenario, bar(min(1, at.Seconds()/max(s.planned.Seconds(), 1)), wide-12), spanText(at), spanText(max(s.planned, at))),
		fmt.Sprintf("  rate      due %s/s  answered %s/s  waiting %s  generator %s", count(r.Offered), count(r.Answered), count(r.Waiting), percent(r.Busy)),
		"            " + sparks(s.rates, columns-14),
		fmt.Sprintf("  latency   p50 %s  p90 %s  p99 %s  p99.9 %s  longest %s", microsText(r.P50), microsText(r.P90), microsText(r.P99), microsText(r.P999), microsText(r.Max)),
		fmt.Sprintf("  so far    won %s  missed %s  denied %s  asked again %s  errors %s", count(s.so.Won), count(s.so.Logged-s.so.Won), count(s.so.Denied), count(s.so.Refused), count(s.so.Errors)),
	}
	shown := 0
	for i := range s.prizes {
		p := &s.prizes[i]
		if p.Stock <= 0 || i >= len(r.Left) || shown == mostStocks {
			continue
		}
		shown++
		text := fmt.Sprintf("%s of %s", count(r.Left[i]), count(p.Stock))
		if r.Left[i] < 0 {
			text = fmt.Sprintf("OVERSOLD by %s", count(-r.Left[i]))
		}
		lines = append(lines, fmt.Sprintf("  %-9.9s %s %s", p.ID, bar(float64(r.Left[i])/float64(p.Stock), wide), text))
	}
	for i := range lines {
		lines[i] = narrowed(lines[i], columns-1)
	}
	return lines
}

// bar draws a share, between 0 and 1.
func bar(share float64, wide int) string {
	full := int(max(0, min(1, share))*float64(wide) + 0.5)
	return strings.Repeat("█", full) + strings.Repeat("░", wide-full)
}

// sparks draws the newest values as a row of bars, the highest of them full.
func sparks(values []uint64, wide int) string {
	values = values[max(0, len(values)-wide):]
	var most uint64
	for _, v := range values {
		most = max(most, v)
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range values {
		level := 0
		if most > 0 {
			level = int(v * uint64(len(levels)-1) / most)
		}
		b.WriteRune(levels[level])
	}
	return b.String()
}

// narrowed shortens a line to so many columns.
func narrowed(line string, columns int) string {
	if utf8.RuneCountInString(line) <= columns {
		return line
	}
	return string([]rune(line)[:columns])
}
