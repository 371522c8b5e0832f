package bench

import (
	"fmt"
	"strings"

	"github.com/drawd/drawd/bench/oracle"
)

// VerdictError says that drawd was wrong: exit 21. It names what was broken.
type VerdictError struct{ Faults []oracle.Fault }

// Error names the first faults.
func (e *VerdictError) Error() string {
	const most = 5
	var b strings.Builder
	b.WriteString("the verdict is WRONG")
	for i, f := range e.Faults {
		if i == most {
			fmt.Fprintf(&b, "\n  … and %d more", len(e.Faults)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %s: %s", f.Rule, f.Detail)
	}
	return b.String()
}

// ThresholdError says that a run proves too little: exit 20.
type ThresholdError struct{ Reasons []string }

// Error names the reasons.
func (e *ThresholdError) Error() string {
	return "the run proves too little: " + strings.Join(e.Reasons, "; ")
}
