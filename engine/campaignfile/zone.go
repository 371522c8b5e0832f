package campaignfile

import (
	"regexp"
	"time"
	_ "time/tzdata" // a known zone must be known everywhere: in a container without zone files too

	"github.com/drawd/drawd/engine"
)

// How far the offsets reach beyond a campaign: a month's window that is open at the start began within the first, and
// resumed pauses may move the end by up to the second.
const (
	zoneBefore = 32 * 24 * time.Hour
	zoneAfter  = 366 * 24 * time.Hour
)

var zonePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+/-]{0,63}$`)

// zone reads an IANA zone name. "Local" is refused: it means something else on every machine.
func (r *reader) zone(v value) (*time.Location, bool) {
	name, ok := r.text(v)
	if !ok {
		return nil, false
	}
	if zonePattern.MatchString(name) && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, true
		}
	}
	r.fault(v, "must be a zone of the IANA database, like Asia/Shanghai, Europe/Berlin or UTC, not %q", brief(name))
	return nil, false
}

// transitions lists the offsets of zone from start to end. The first one is in force from the beginning of time. It
// returns false when there are more than engine.MaxTransitions.
func transitions(zone *time.Location, start, end time.Time) ([]engine.Transition, bool) {
	var all []engine.Transition
	for at := start; ; {
		t := at.In(zone)
		_, offset := t.Zone()
		_, next := t.ZoneBounds()
		// Transitions that keep the offset (the zone's abbreviation changes) decide nothing.
		if n := len(all); n == 0 || all[n-1].OffsetSeconds != int32(offset) {
			all = append(all, engine.Transition{At: engine.UnixMilli(at.UnixMilli()), OffsetSeconds: int32(offset)})
		}
		if !next.IsZero() && !next.After(at) {
			// Past the end of a zone's table the library counts leap years one day short, and stands still on their
			// 31 December (seen in 2040). It goes on by the hour, the grain of every rule for a zone's changes.
			next = at.Truncate(time.Hour).Add(time.Hour)
		}
		if next.IsZero() || !next.Before(end) {
			break
		}
		at = next
	}
	all[0].At = 0 // so that the form does not depend on where the margin began
	return all, len(all) <= engine.MaxTransitions
}
