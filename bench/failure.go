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

// ThresholdError says that a run proves too little, or that an expectation did not come true: exit 20.
type ThresholdError struct {
	Reasons []string // why the run proves too little: it is INVALID, or too few draws were logged
	Missed  []string // expectations that were not met
}

// Error names the reasons.
func (e *ThresholdError) Error() string {
	var parts []string
	if len(e.Reasons) > 0 {
		parts = append(parts, "the run proves too little: "+strings.Join(e.Reasons, "; "))
	}
	if len(e.Missed) > 0 {
		parts = append(parts, "not as expected: "+strings.Join(e.Missed, "; "))
	}
	return strings.Join(parts, "\n")
}
