package oracle

import "testing"

// Each way in which the books of pools can be wrong is told by its rule; those that are right by none.
func TestPools(t *testing.T) {
	totals := map[string]int64{"seats": 10, "rare": 4}
	orders := []Order{
		{Units: map[string]int64{"seats": 2}}, {Units: map[string]int64{"seats": 1, "rare": 1}, Fate: Confirmed},
		{Units: map[string]int64{"seats": 3}, Fate: Released}, {Units: map[string]int64{"rare": 2}, Fate: Taken},
	}
	right := func() []Books {
		return []Books{{ID: "seats", Total: 10, Available: 7, Held: 2, Issued: 1}, {ID: "rare", Total: 4, Available: 1, Issued: 3}}
	}
	for _, row := range []struct {
		name, rule string
		change     func([]Books) []Books
	}{
		{"right", "", func(b []Books) []Books { return b }},
		{"a unit too few", "books", func(b []Books) []Books { b[0].Available--; return b }},
		{"a unit too many", "books", func(b []Books) []Books { b[0].Available++; b[0].Total++; return b }},
		{"less than nothing", "books", func(b []Books) []Books { b[1].Available, b[1].Expired = -1, 2; return b }},
		{"a hold that was lost", "units", func(b []Books) []Books { b[0].Held, b[0].Available = 0, 9; return b }},
		{"a hold made twice", "units", func(b []Books) []Books { b[0].Held, b[0].Available = 4, 5; return b }},
		{"a confirmation that was lost", "units", func(b []Books) []Books { b[0].Held, b[0].Issued = 3, 0; return b }},
		{"a release that was lost", "units", func(b []Books) []Books { b[0].Held, b[0].Available = 5, 4; return b }},
		{"a pool that was lost", "books", func(b []Books) []Books { return b[:1] }},
	} {
		v := &Verdict{}
		Pools(v, totals, row.change(right()), orders)
		if row.rule == "" && !v.Right() || row.rule != "" && v.FaultCounts[row.rule] == 0 {
			t.Errorf("%s: %v", row.name, v.Faults)
		}
	}
}
