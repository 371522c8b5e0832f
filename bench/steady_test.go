package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

func TestSteadyArrivals(t *testing.T) {
	const users = 100_000
	for _, row := range []struct {
		pattern string
		busiest func(share float64) bool // of the busiest thousandth of the users
	}{
		{"uniform", func(s float64) bool { return s < 0.02 }}, {"zipf", func(s float64) bool { return s > 0.3 }}, {"bots", func(s float64) bool { return s > 0.28 && s < 0.33 }},
	} {
		due, user := planSteady(5000, 4*time.Second, users, row.pattern, 7)
		again, _ := planSteady(5000, 4*time.Second, users, row.pattern, 7)
		if fmt.Sprint(due) != fmt.Sprint(again) || len(due) != len(user) {
			t.Errorf("%s: the same seed makes another plan", row.pattern)
		}
		if n := float64(len(due)); math.Abs(n-20_000) > 700 { // five sigma
			t.Errorf("%s: %g arrivals", row.pattern, n)
		}
		busy, short := 0, 0
		for i := range due {
			if i > 0 && due[i] < due[i-1] || due[i] >= 4*time.Second || user[i] >= users {
				t.Fatalf("%s: arrival %d at %v by %d", row.pattern, i, due[i], user[i])
			}
			if user[i] < users/1000 {
				busy++
			}
			if i > 0 && due[i]-due[i-1] < 200*time.Microsecond {
				short++
			}
		}
		if share := float64(busy) / float64(len(due)); !row.busiest(share) {
			t.Errorf("%s: a thousandth of the users sends %.3f", row.pattern, share)
		}
		// Poisson: 1 − 1/e of the gaps are shorter than the mean one.
		if share := float64(short) / float64(len(due)); math.Abs(share-0.632) > 0.02 {
			t.Errorf("%s: %.3f of the gaps are shorter than the mean", row.pattern, share)
		}
	}
}

func TestRecovery(t *testing.T) {
	row := func(at int, answered uint64, p50 int64, waiting int) runfile.Second {
		return runfile.Second{At: at, Offered: 1000, Answered: answered, P50: p50, Waiting: waiting}
	}
	rows := []runfile.Second{row(0, 1000, 900, 0), row(1, 0, 0, 900), row(2, 300, 900, 1600), row(3, 2500, 1_200_000, 20), row(4, 1000, 900, 0), row(5, 1000, 900, 0)}
	f := recovery(rows, 2500*time.Millisecond)
	if m := f[0].Measures; len(m) != 1 || m[0].Median != 2.5 {
		t.Errorf("%+v", f)
	}
	if f := recovery(rows[:3], 2500*time.Millisecond); len(f[0].Measures) != 0 || f[0].Text == "" {
		t.Errorf("it recovered: %+v", f)
	}
}

func TestDrift(t *testing.T) {
	var rows []runfile.Second
	for i := range 30 {
		rows = append(rows, runfile.Second{At: i, P99: int64(1000 + 10*i), Resident: 100 << 20})
	}
	rows[0].P99, rows[29].P99 = 1e6, 1e6 // the first tenth settles, the last second is a short one
	f := drift(rows)
	if len(f) != 2 || f[0].Measures[0].Median != 1050 || f[0].Measures[1].Median != 1280 || f[1].Measures[2].Median != 1 {
		t.Errorf("%+v", f)
	}
	if f := drift(rows[:9]); f != nil {
		t.Errorf("of nine seconds: %+v", f)
	}
}

func TestBeyond(t *testing.T) {
	good := probed{offered: 1000, goodput: 990, due: Percentiles{P99: 9000}}
	for _, row := range []struct {
		change func(p *probed)
		says   string
	}{
		{func(*probed) {}, ""}, {func(p *probed) { p.due.P99 = 10_001 }, "p99 10.0 ms"}, {func(p *probed) { p.goodput = 900 }, "90 % of what was offered"},
		{func(p *probed) { p.refused = 1 }, "1 refused"}, {func(p *probed) { p.invalid = []string{"lag"} }, "INVALID: lag"},
	} {
		p := good
		row.change(&p)
		if why := p.beyond(10 * time.Millisecond); row.says == "" && why != "" || !strings.HasPrefix(why, row.says) {
			t.Errorf("%q, want %q", why, row.says)
		}
	}
}

func TestContestTakesTurns(t *testing.T) {
	var turns []string
	made := func(id string, rate float64) contender {
		return contender{id: id, measure: func(context.Context, time.Duration) (sample, error) {
			turns = append(turns, id)
			return sample{rate: rate * float64(len(turns)), p99: 5}, nil
		}}
	}
	rows, err := contest(t.Context(), &console{}, 3, 0, []contender{made("a", 1), made("b", 10), contender{id: "c"}.missing("not installed")})
	if err != nil || strings.Join(turns, "") != "ababab" {
		t.Fatalf("%v %v", turns, err)
	}
	if m := rows[0].Measures[0]; m.Name != "rate" || m.Median != 3 || m.Min != 1 || m.Max != 5 {
		t.Errorf("%+v", m)
	}
	if len(rows[2].Measures) != 0 || rows[2].Note != "not installed" {
		t.Errorf("%+v", rows[2])
	}
	r := &TableReport{Scenario: "x", Rows: rows, Invalid: []string{"lag"}}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "3 (1–5)") || !strings.Contains(text.String(), "not installed") || !strings.Contains(text.String(), "INVALID   lag") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := r.WriteText(brokenWriter{}); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

func TestPatternsAndPoliciesAreChecked(t *testing.T) {
	err := (&SteadyOptions{Pattern: "some", Policy: "never", Rate: -1}).Validate()
	for _, says := range []string{"Pattern must be", "Policy must be", "Rate is -1", "Compile must be set"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not in %v", says, err)
		}
	}
	if _, err := RetryStorm(t.Context(), SteadyOptions{}); err == nil || !strings.Contains(err.Error(), "Self must be set") {
		t.Error(err)
	}
}

func TestImpatientClients(t *testing.T) {
	l := newDrawLoad(newJournal(&oracle.Rules{}, 1), newDrawTemplate("h", "", "c"), func(uint32) uint32 { return 0 }, &restartWatch{}, 1)
	shed := &load.Answer{Status: 503, Body: []byte(`{"code":"overloaded"}`), Attempt: 3}
	if _, wait := l.Answer(0, shed); wait < time.Millisecond {
		t.Errorf("jitter waits %v", wait)
	}
	l.patience = patience{"none", 3}
	if _, wait := l.Answer(0, shed); wait != load.Done {
		t.Errorf("a client who asks three times asks a fourth time after %v", wait)
	}
	shed.Attempt = 1
	if _, wait := l.Answer(0, shed); wait != afterCut {
		t.Errorf("without jitter it waits %v", wait)
	}
}
