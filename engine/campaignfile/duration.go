package campaignfile

import (
	"regexp"
	"strconv"
)

// durationUnits are the units of a duration, the largest first, in ms. A day is 24 hours, not a calendar day.
var durationUnits = [...]struct {
	name string
	ms   int64
}{{"d", 24 * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}}

var durationPattern = regexp.MustCompile(`^(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?$`)

// parseDuration returns the ms in s. Nine digits a unit cannot overflow: 10⁹ days are under 2⁵³ · 10 ms.
func parseDuration(s string) (ms int64, ok bool) {
	parts := durationPattern.FindStringSubmatch(s)
	if parts == nil || s == "" {
		return 0, false
	}
	for i, digits := range parts[1:] {
		if digits == "" {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return 0, false
		}
		ms += n * durationUnits[i].ms
	}
	return ms, true
}

// formatDuration writes ms in the largest unit that divides it, so that one duration has one form.
func formatDuration(ms int64) string {
	for _, u := range durationUnits {
		if ms != 0 && ms%u.ms == 0 {
			return strconv.FormatInt(ms/u.ms, 10) + u.name
		}
	}
	return "0s"
}

var windowPattern = regexp.MustCompile(`^(rolling|cooldown): *([0-9a-z]+)$`)

// cutWindow splits a window that is written as one text, "rolling: 10m".
func cutWindow(s string) (name, length string, ok bool) {
	parts := windowPattern.FindStringSubmatch(s)
	if parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}
