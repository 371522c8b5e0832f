package campaignfile

import (
	"testing"

	"github.com/drawd/drawd/engine"
)

func TestFavourableReleases(t *testing.T) {
	drip := readGood(t, "release.yaml")
	for _, tc := range []struct {
		old, with string
		worse     bool
	}{
		{"4, 4, 4, 2, 1]", "4, 4, 4, 2, 9]", true},
		{"windows: daily, unsold: expire", "windows: daily", false},
		{"windows: hourly", "windows: hourly\n      unsold: expire", true},
		{", weight: 3}", "}", true},
		{", weight: 3}", ", weight: 4}", false},
		{"avoid_whole_hour: true", "avoid_whole_hour: false", false},
	} {
		live, next := parse(t, drip), parse(t, change(t, drip, tc.old, tc.with))
		if faults := Favourable(live.Version, next.Version); (len(faults) > 0) != tc.worse {
			t.Errorf("%s → %s: %v", tc.old, tc.with, faults)
		}
	}
}

// Hours are the local clock's: where that is 45 minutes off, windows begin 15 minutes past UTC's.
func TestHourlyWindowsFollowTheZone(t *testing.T) {
	v := parse(t, readGood(t, "release.yaml")).Version
	s := &v.Schedules[v.Releases[0].Schedule]
	for _, w := range s.Windows {
		if (int64(w.StartsAt)+(5*60+45)*60_000)%3_600_000 != 0 || w.EndsAt-w.StartsAt != 3_600_000 {
			t.Errorf("window %+v", w)
		}
	}
	if n := len(s.Windows); n != 17+17+5 { // 07:00 to 24:00 on two days, 07:00 to 12:00 on the last
		t.Errorf("%d windows", n)
	}
	if v.Schedules[1].Expire == v.Schedules[2].Expire || len(v.Schedules[1].Windows) != 3 {
		t.Errorf("schedules %+v", v.Schedules[1:])
	}
	long := change(t, readGood(t, "release.yaml"), "2026-11-13T12:00:00+05:45", "2027-11-13T12:00:00+05:45")
	if _, faults := Parse([]byte(long)); len(faults) != 1 || faults[0].Pointer != "/prizes/0/release/windows" {
		t.Errorf("a year of hours is too many windows (%d): %v", engine.MaxReleaseWindows, faults)
	}
}
