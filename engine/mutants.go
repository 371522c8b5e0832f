package engine

// What planted faults (internal/mutant) need. No ordinary build calls it.

// anyOf returns one of two, whichever comes first.
func anyOf(a, b int) int {
	// order: it is the fault that is planted
	for n := range map[int]bool{a: true, b: true} {
		return n
	}
	return a
}
