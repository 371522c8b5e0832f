package bench

import (
	"math"
	"testing"
)

// TestModelSizes holds the model against sums by hand.
func TestModelSizes(t *testing.T) {
	c := DrawCosts{Edge: 20, Lead: 5, Replica: 0.5, Follow: 4, Serial: 0.75}
	for _, x := range []struct {
		draws, share  float64
		cores         int
		groups, edges int
		limit         string
	}{
		// 100,000 × 20 µs are 2 s a second; an edge has 9.6 - 0.4 = 9.2.
		{100_000, 0.6, 16, 1, 1, ""},
		// A third: 333,333 × 20 = 6.7; 9.6 - 1.3 = 8.3: one edge. The leader has 1.8.
		{333_333, 0.6, 16, 1, 1, ""},
		// A million in one group: applying takes 75 % of a core. In two 37.5 %: 500,000 × 20 = 10; 9.6 - 2 = 7.6: two edges;
		// the leader 500,000 × (5 + 1) = 3.
		{1_000_000, 0.6, 16, 2, 2, "serial"},
		// On four cores 2.4 are left; with three groups 4 × 333,333 = 1.33 goes to applying, 1.07 is left of 6.67: seven edges; the leader
		// has 333,333 × 8.5 = 2.8: too much. With four: 1 goes, 1.4 is left of 5: four; 250,000 × 7 = 1.75.
		{1_000_000, 0.6, 4, 4, 4, "lead"},
	} {
		s := c.Size(x.draws, x.cores, x.share)
		if !s.Reached || s.Groups != x.groups || s.Edges != x.edges || s.Limit != x.limit {
			t.Errorf("%v draws/s on %d cores: %+v, want %d groups of %d edges, limited by %q", x.draws, x.cores, s, x.groups, x.edges, x.limit)
		}
		if s.Lead > x.share || s.Edge > x.share || s.Serial > x.share {
			t.Errorf("%v draws/s: %+v uses more than %v", x.draws, s, x.share)
		}
		if s.Nodes != s.Groups*(3+s.Edges) || s.Cores != s.Nodes*x.cores {
			t.Errorf("%v draws/s: %+v does not add up", x.draws, s)
		}
	}
	if s := (&DrawCosts{Edge: 1e6, Lead: 1e6, Follow: 1e6, Serial: 1}).Size(1e6, 1, 0.5); s.Reached {
		t.Errorf("a second a draw: %+v", s)
	}
}

func TestModelTakesDrawsAndEntriesApart(t *testing.T) {
	turns := func(entries float64, costs ...float64) (all []modelTurn) {
		for _, c := range costs {
			all = append(all, modelTurn{nodes: []float64{c / 4, c * 3 / 4}, entries: entries}) // of two nodes together
		}
		return all
	}
	for _, x := range []struct {
		what        string
		few, more   []modelTurn
		draw, entry float64
	}{
		{"10 µs a draw and 40 an entry: with half an entry a draw 30, with a tenth 14", turns(0.5, 30), turns(0.1, 14), 10, 40},
		{"a machine that is slower in one round", turns(0.5, 30, 60, 30), turns(0.1, 14, 44, 14), 10, 40},
		{"one turn that is far off", turns(0.5, 30, 30, 300), turns(0.1, 14, 14, 14), 10, 40},
		{"noise", turns(0.5, 12), turns(0.1, 14), 13, 0},
		{"all of it is entries", turns(0.5, 50), turns(0.1, 8), 0, 90},
		{"as many entries in both", turns(0.5, 12), turns(0.5, 14), 13, 0},
	} {
		if draw, entry := fitCosts(x.few, x.more); math.Abs(draw-x.draw) > 1e-9 || math.Abs(entry-x.entry) > 1e-9 {
			t.Errorf("%s: %v µs a draw, %v an entry; want %v and %v", x.what, draw, entry, x.draw, x.entry)
		}
	}
}

// A forecast goes by the entries of its own rounds.
func TestModelForecast(t *testing.T) {
	m := &modelRun{turns: map[string][]modelTurn{
		"lead.16": {{nodes: []float64{30}, entries: 0.5}}, "lead.4": {{nodes: []float64{14}, entries: 0.1}}, // 10 and 40
		"edge.16": {{nodes: []float64{45}, entries: 0.5}}, "edge.4": {{nodes: []float64{25}, entries: 0.1}}, // 20 and 50
		"all": {{nodes: []float64{1}, entries: 0.01}, {nodes: []float64{1}, entries: 0.02}},
	}}
	got := m.forecast("all", map[string]float64{"lead": 0.5, "edge": 0.5})
	if want := []float64{15.45, 15.9}; len(got) != 2 || math.Abs(got[0]-want[0]) > 1e-9 || math.Abs(got[1]-want[1]) > 1e-9 {
		t.Errorf("%v, want %v", got, want)
	}
}
