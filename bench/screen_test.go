package bench

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

func TestScreenOnATerminal(t *testing.T) {
	var b strings.Builder
	c := &console{w: &b, terminal: true, wide: func() int { return 80 }}
	s := &screen{say: c, scenario: "flash", planned: 4 * time.Second, prizes: []oracle.Prize{
		{ID: "phone", Stock: 10, Units: 1}, {ID: "a-name-that-is-long", Stock: 100, Units: 1}, {ID: "endless", Stock: -1, Units: 1},
	}}
	s.begin()
	s.second(&runfile.Second{At: 0, Offered: 1500, Answered: 1000, Logged: 900, Won: 20, Denied: 100, P50: 900, P99: 12_300, Busy: 0.4, Waiting: 500, Left: []int64{5, 50, -1}})
	first := b.String()
	for _, says := range []string{"1.00 s of 4.00 s", "due 1,500/s  answered 1,000/s  waiting 500  generator 40 %", "p99 12.3 ms", "won 20  missed 880  denied 100", "5 of 10", "a-name-th "} {
		if !strings.Contains(first, says) {
			t.Errorf("%q is not on\n%s", says, first)
		}
	}
	if strings.Contains(first, "endless") || strings.Contains(first, "\x1b") {
		t.Errorf("a bar for what has no end, or a first picture that replaces something:\n%q", first)
	}
	for line := range strings.Lines(first) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n >= 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	b.Reset()
	s.second(&runfile.Second{At: 1, Offered: 10, Answered: 500, Logged: 10, Won: 10, Left: []int64{-2, 40, -1}})
	if second := b.String(); !strings.HasPrefix(second, "\x1b[7A\x1b[J") || !strings.Contains(second, "OVERSOLD by 2") || !strings.Contains(second, "█▄") || !strings.Contains(second, "won 30") {
		t.Errorf("%q", second)
	}
	// A line that stays takes the picture's place, and the picture comes again below it.
	b.Reset()
	c.say("killed")
	s.second(&runfile.Second{At: 2, Left: []int64{0, 0, -1}})
	if text := b.String(); !strings.HasPrefix(text, "\x1b[7A\x1b[Jkilled\n") || strings.Count(text, "\x1b[") != 2 {
		t.Errorf("%q", text)
	}
	s.end()
	b.Reset()
	c.say("over")
	if b.String() != "over\n" {
		t.Errorf("the last picture is gone: %q", b.String())
	}
}

func TestScreenElsewhereWritesLines(t *testing.T) {
	for _, c := range []*console{{terminal: false}, {terminal: true, wide: func() int { return 40 }}} {
		var b strings.Builder
		c.w = &b
		s := &screen{say: c, scenario: "flash"}
		s.begin()
		s.second(&runfile.Second{At: 0, Offered: 5, Answered: 5, Logged: 5, Won: 1, P99: 10})
		s.end()
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "due/s") || strings.Contains(b.String(), "\x1b") {
			t.Errorf("%q", b.String())
		}
	}
}
