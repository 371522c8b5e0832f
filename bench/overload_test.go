package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// scripted answers as it is told.
type scripted struct{ steadyLoad }

func (s *scripted) Answer(_ uint32, a *load.Answer) (load.Class, time.Duration) {
	return classOf(a.Status), load.Done
}

// TestOverheard: of an overload only what was due in it has a latency that counts, and only what was decided in it is goodput.
func TestOverheard(t *testing.T) {
	const ms = time.Millisecond
	h := newOverheard(&scripted{}, 100*ms, 200*ms)
	for _, a := range []load.Answer{
		{Status: 200, Due: 50 * ms, Received: 150 * ms},  // goodput, and no latency
		{Status: 200, Due: 150 * ms, Received: 250 * ms}, // latency, and no goodput
		{Status: 200, Due: 120 * ms, Received: 190 * ms}, // both
		{Status: 503, Due: 120 * ms, Received: 121 * ms},
		{Status: 503, Due: 200 * ms, Received: 290 * ms}, // after it
	} {
		if class, wait := h.Answer(0, &a); class != classOf(a.Status) || wait != load.Done {
			t.Errorf("%+v: class %d, wait %v", a, class, wait)
		}
	}
	accepted, refused := percentilesOf(h.latency[load.Decided]), percentilesOf(h.latency[load.Refused])
	if h.decided != 2 || accepted.Count != 2 || accepted.P50/100 != 700 || refused.Count != 1 || refused.P99 != 1000 {
		t.Errorf("decided %d, accepted %+v, refused %+v", h.decided, accepted, refused)
	}
}

func TestOverloadRow(t *testing.T) {
	w := &overload{peak: Capacity{Connections: 1024, Rate: 1000, Service: Percentiles{P50: 100, P99: 200}}}
	p := &offered{times: 10, rate: 5000, goodput: 900, accepted: Percentiles{Count: 9, P50: 150, P99: 500}, refused: Percentiles{Count: 7, P50: 3, P99: 4}}
	p.recovery = recovery(nil, time.Second)[0]
	f := p.figure("times.10", w)
	for name, want := range map[string]string{"offered": "5,000", "goodput": "900", "of_peak": "0.90", "p99_of_peak": "2.50", "refused": "7", "refused_p99": "4 µs"} {
		if got := measureCell(&f, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if !strings.Contains(f.Name, "5 × the peak offered (of 10 ×") || !strings.Contains(f.Note, "was not answered within the second again") {
		t.Errorf("%q: %q", f.Name, f.Note)
	}
	fig := Figure{Measures: f.Measures, goals: []goal{{"of_peak", atLeast, 0.9}, {"p99_of_peak", atMost, 2}}}
	if fig.reached() != "no" {
		t.Error("a p99 of 2.5 times that at the peak is within its goal")
	}
	p.accepted.P99 = 400
	fig.Measures = p.figure("P12", w).Measures
	if fig.reached() != "yes" {
		t.Error("it is not within its goal")
	}
	if peak := w.peakRow(); !slices.ContainsFunc(peak.Measures, func(m runfile.Measure) bool { return m.Name == "goodput" && m.Median == 1000 }) {
		t.Errorf("%+v", peak)
	}
}

func TestOverloadOptionsAreChecked(t *testing.T) {
	err := (&TableOptions{LimitedBy: "disk", SyncDelay: time.Hour}).Validate()
	for _, says := range []string{`LimitedBy is "disk"`, "SyncDelay must be"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not in %v", says, err)
		}
	}
}
