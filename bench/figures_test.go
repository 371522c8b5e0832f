package bench

import (
	"strings"
	"testing"

	"github.com/drawd/drawd/bench/runfile"
)

func TestGoalsAreHeldAgainstMedians(t *testing.T) {
	pairs := []Sample{{Rate: 70, CPU: 10, EmptyRate: 100, EmptyCPU: 5}, {Rate: 80, CPU: 10, EmptyRate: 100, EmptyCPU: 5}, {Rate: 90, CPU: 30, EmptyRate: 100, EmptyCPU: 5}}
	p1 := Figure{ID: "P1", Units: 1, Samples: pairs, goals: []goal{{"ratio", atLeast, 0.75}, {"cpu_above", atMost, 5.4}}}
	if p1.reached() != "yes" || p1.here() != "0.80 (0.70–0.90); 5 µs (5 µs–25 µs)" || !strings.Contains(p1.beside(), "empty handler 100") {
		t.Errorf("%s %q %q", p1.reached(), p1.here(), p1.beside())
	}
	p1.goals[1].value = 4.9
	if p1.reached() != "no" {
		t.Error("5 µs are at most 4.9")
	}
	p1.goals[0] = goal{"ratio", atLeast, 0.81}
	p1.goals[1].value = 6
	if p1.reached() != "no" {
		t.Error("0.80 is at least 0.81")
	}
	p9 := Figure{ID: "P9"}
	if p9.take("seconds", 4, 5); p9.reached() != "yes" || p9.here() != "4 s" {
		t.Errorf("%s %q", p9.reached(), p9.here())
	}
	for _, none := range []Figure{{ID: "P6", Note: "n"}, {ID: "P2", Note: "not installed", goals: []goal{{"ratio", atLeast, 3}}}} {
		if none.reached() != "–" || none.here() != "–" || none.beside() != none.Note {
			t.Errorf("%s: %q %q", none.ID, none.reached(), none.here())
		}
	}
	r := &FiguresReport{Scenario: "figures", Figures: []Figure{p1, p9, {ID: "P13", Measures: []runfile.Measure{runfile.NewMeasure("ratio", "share", runfile.Higher, []float64{9})}, Beside: "Postgres 2,000/s"}}}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"P1 ", "reached", "Postgres 2,000/s", "9.00"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("%q is not in\n%s", says, text.String())
		}
	}
}

func TestEngineLoadIsTheFigure(t *testing.T) {
	x, err := newEngineLoad(engineShape{users: 2000, campaigns: 3, prizes: 8}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := x.index
	if _, _, err := x.run(t.Context(), 20_000); err != nil {
		t.Fatal(err)
	}
	if x.index == before || len(x.out.Results) != entryDraws {
		t.Errorf("index %d, %d results", x.index, len(x.out.Results))
	}
	x.campaigns = 5 // two of them were never published: a refusal must not pass as a fast draw
	if _, _, err := x.run(t.Context(), 1000); err == nil || !strings.Contains(err.Error(), "was refused") {
		t.Errorf("draws from campaigns that are not there: %v", err)
	}
}

// TestMemoryRowsAreOfAllRows: P8 divides what the tables take by the rows that are in them, and each row is at least as wide as its counters.
func TestMemoryRowsAreOfAllRows(t *testing.T) {
	f := &figures{o: FiguresOptions{Users: 40_000}, say: &console{}}
	b, taken, err := f.filledTables(t.Context(), true)
	if err != nil || b.Users != 40_000 || b.Keys < 40_000 || b.OfUsers+b.OfKeys > uint64(taken) || b.OfUsers < 40*b.Users || b.OfKeys < 20*b.Keys {
		t.Fatalf("%+v of %d, %v", b, taken, err)
	}
	f.o.Users = 5_000
	rows, err := f.engineMemory(t.Context())
	if err != nil || len(rows) != 2 || rows[0].reached() == "–" || rows[1].reached() == "–" {
		t.Fatalf("%+v, %v", rows, err)
	}
}
