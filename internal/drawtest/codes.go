package drawtest

import "github.com/drawd/drawd/engine"

// uniqueCodes reports whether a version hands out a code of its own with every win of a prize.
func uniqueCodes(v *engine.Version, prize string) bool {
	for i := range v.Codes {
		if c := &v.Codes[i]; v.Prizes[c.Prize].ID == prize && c.Shared == "" {
			return true
		}
	}
	return false
}
