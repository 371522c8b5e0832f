package drawtest

import (
	"fmt"
	"slices"
	"strings"
)

// Reached counts how often a run came to something: a comparison that never gets there proves nothing.
type Reached map[string]int

// reach counts one more.
func (r *Reference) reach(what string) { r.reached[what]++ }

// Add adds what another run reached.
func (r Reached) Add(other Reached) {
	for what, n := range other {
		r[what] += n
	}
}

// PerMillion says how often each thing came up in a million commands.
func (r Reached) PerMillion(commands int) string {
	var lines []string
	for what, n := range r {
		lines = append(lines, fmt.Sprintf("%9.0f  %s", float64(n)*1e6/float64(max(commands, 1)), what))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(b, a) })
	return strings.Join(lines, "\n")
}
