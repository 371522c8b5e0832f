//go:build !failpoints

package failpoint

// Built says whether this build has points.
const Built = false

// Hit is where a process may die.
func Hit(Name) {}
