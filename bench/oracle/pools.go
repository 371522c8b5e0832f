package oracle

import (
	"fmt"
	"maps"
	"slices"
)

// Fate is where a hold or a take stands in the end.
type Fate uint8

// The fates. A hold that expires has none here: a test makes holds that outlive it.
const (
	Held Fate = iota
	Confirmed
	Released
	Taken
)

// Order is a hold or a take that was answered, and what became of it.
type Order struct {
	Name  string // for faults
	Units map[string]int64
	Fate  Fate
}

// Pools adds all orders up and compares with the books of the pools, whose totals are given. Nobody else has ordered, and of no
// order it is unknown what became of it: so each part of the books must be exactly what was acknowledged.
func Pools(v *Verdict, totals map[string]int64, books []Books, orders []Order) {
	held, issued := map[string]int64{}, map[string]int64{}
	for i := range orders {
		for pool, units := range orders[i].Units {
			switch orders[i].Fate {
			case Held:
				held[pool] += units
			case Confirmed, Taken:
				issued[pool] += units
			case Released:
			}
		}
	}
	seen := map[string]bool{}
	for i := range books {
		b := &books[i]
		seen[b.ID] = true
		if sum := b.Unreleased + b.Available + b.Reserved + b.Held + b.Issued + b.Expired + b.Withdrawn; sum != b.Total || b.Total != totals[b.ID] {
			v.Add("books", fmt.Sprintf("pool %s has %d units in all its parts and %d in total; it began with %d", b.ID, sum, b.Total, totals[b.ID]))
		}
		if b.Available < 0 || b.Held < 0 || b.Issued < 0 {
			v.Add("books", fmt.Sprintf("pool %s has less than nothing: %+v", b.ID, *b))
		}
		if b.Held != held[b.ID] || b.Issued != issued[b.ID] {
			v.Add("units", fmt.Sprintf("pool %s has %d units held and %d issued; what was acknowledged adds up to %d and %d", b.ID, b.Held, b.Issued, held[b.ID], issued[b.ID]))
		}
	}
	for _, pool := range slices.Sorted(maps.Keys(totals)) {
		if !seen[pool] {
			v.Add("books", fmt.Sprintf("pool %s has no books", pool))
		}
	}
}
