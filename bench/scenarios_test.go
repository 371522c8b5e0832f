package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/runfile"
)

// TestWhatScenariosExpectCanBeHeld: what is expected unless somebody says otherwise is in words that the judge knows, and no name is
// listed twice.
func TestWhatScenariosExpectCanBeHeld(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Scenarios() {
		if _, err := runfile.ParseExpectations(s.Expect); err != nil || s.Short == "" || seen[s.Name] {
			t.Errorf("%s: %v", s.Name, err)
		}
		seen[s.Name] = true
	}
}

// TestExpectationsMeetTheirRows holds what scenarios expect against rows as those scenarios make them.
func TestExpectationsMeetTheirRows(t *testing.T) {
	w := &overload{peak: Capacity{Rate: 1000, Service: Percentiles{P99: 100}}}
	quiet, hot := probed{offered: 300, goodput: 300, due: Percentiles{P99: 9000}}, probed{offered: 8000, goodput: 1033, refused: 6967}
	for name, row := range map[string]struct {
		good, bad []runfile.Figure
	}{
		"overload": {
			[]runfile.Figure{(&offered{times: 3, goodput: 950, accepted: Percentiles{P99: 150}}).figure("times.3", w)},
			[]runfile.Figure{(&offered{times: 3, goodput: 850, accepted: Percentiles{P99: 150}}).figure("times.3", w)},
		},
		"tenants": {
			[]runfile.Figure{quiet.figure("quiet", "q"), hot.figure("hot", "h")},
			[]runfile.Figure{quiet.figure("quiet", "q"), (&probed{goodput: 1333}).figure("hot", "h")},
		},
	} {
		conditions, err := runfile.ParseExpectations(scenarioNamed(name).Expect)
		if err != nil {
			t.Fatal(err)
		}
		for kind, figures := range map[string][]runfile.Figure{"good": row.good, "bad": row.bad} {
			r := &runfile.Run{Figures: figures}
			r.Expect(conditions)
			met := true
			for _, e := range r.Expectations {
				met = met && e.Met
			}
			if met != (kind == "good") {
				t.Errorf("%s, %s: %+v", name, kind, r.Expectations)
			}
		}
	}
}

func scenarioNamed(name string) Scenario {
	for _, s := range Scenarios() {
		if s.Name == name {
			return s
		}
	}
	return Scenario{}
}

func TestKeysAreMadeWithTheirRates(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 500)
		n, _ := r.Body.Read(body)
		asked = append(asked, string(body[:n]))
		if len(asked) == 3 {
			fmt.Fprint(w, `{"id":"x"}`)
			return
		}
		fmt.Fprintf(w, `{"secret":"dk_%d"}`, len(asked))
	}))
	defer s.Close()
	c := newControl(s.URL, s.URL, "")
	if key, err := c.createKey(t.Context(), "hot", 1000, "draw"); err != nil || key != "dk_1" || asked[0] != `{"name":"hot","rate":{"burst":100,"per_second":1000},"scopes":["draw"]}` {
		t.Errorf("%q %v %q", key, err, asked)
	}
	if key, err := c.createKey(t.Context(), "quiet", 0, "draw", "read"); err != nil || key != "dk_2" || strings.Contains(asked[1], "rate") {
		t.Errorf("%q %v %q", key, err, asked)
	}
	if _, err := c.createKey(t.Context(), "none", 0, "draw"); err == nil {
		t.Error("a key without a secret is taken")
	}
}

func TestKneeSaysWhatLimits(t *testing.T) {
	k := &knee{limit: 10 * time.Millisecond, peak: 50_000}
	if !strings.Contains(k.text(), "no rate was found") {
		t.Error(k.text())
	}
	k.best = &probed{offered: 20_000}
	k.above, k.why = &probed{offered: 30_000, daemon: 1.2, generator: 0.6}, "p99 12.0 ms"
	for _, says := range []string{"p99 ≤ 10.0 ms", "50,000/s", "at 30,000/s: p99 12.0 ms", "120 %", "60 %"} {
		if !strings.Contains(k.text(), says) {
			t.Errorf("%q is not in %q", says, k.text())
		}
	}
}

// TestEveryFigureHasItsTime: whoever adds a figure says how long it takes.
func TestEveryFigureHasItsTime(t *testing.T) {
	f := &figures{o: FiguresOptions{Pairs: 1, Seconds: 1, Users: 1, P9Users: 1}}
	for _, id := range figureIDs {
		f.o.Only = []string{id}
		if f.estimate() <= 0 {
			t.Errorf("%s takes no time", id)
		}
	}
	f.o.Only = nil
	short := f.estimate()
	if f.o.Pairs = 5; f.estimate() <= short {
		t.Error("five pairs take no longer than one")
	}
}

func TestSlowDiskNeedsItsOwn(t *testing.T) {
	if _, err := SlowDisk(t.Context(), SteadyOptions{}); err == nil || !strings.Contains(err.Error(), "Self must be set") {
		t.Error(err)
	}
	if err := (&SteadyOptions{SyncDelay: time.Hour}).Validate(); err == nil || !strings.Contains(err.Error(), "SyncDelay must be") {
		t.Error(err)
	}
}
