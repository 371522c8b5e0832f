package campaignfile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
)

func readGood(t *testing.T, name string) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", "good", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// Every good file's canonical form is a file with that form.
func TestEveryCanonicalFormIsStable(t *testing.T) {
	for _, path := range sources(t, "good") {
		file := parse(t, readGood(t, filepath.Base(path)))
		again := parse(t, string(file.Version.Document))
		if !bytes.Equal(file.Version.Document, again.Version.Document) {
			t.Errorf("%s:\n%s\n%s", path, file.Version.Document, again.Version.Document)
		}
		if err := file.Version.Validate(); err != nil {
			t.Errorf("%s: the engine refuses it: %v", path, err)
		}
	}
}

// A day is expanded in the campaign's zone: on the day on which the clocks change, too.
func TestCalendarOverAChangeOfClocks(t *testing.T) {
	v := parse(t, readGood(t, "sessions.yaml")).Version
	want := []struct{ id, from, to string }{
		{"2027-03-27", "2027-03-27T12:00:00+01:00", "2027-03-28T00:00:00+01:00"}, // cut by the start
		{"2027-03-28", "2027-03-28T10:00:00+02:00", "2027-03-29T00:00:00+02:00"},
		{"2027-03-29", "2027-03-29T00:00:00+02:00", "2027-03-30T00:00:00+02:00"},
	}
	if len(v.Sessions) != len(want) || len(v.Sets) != 2 {
		t.Fatalf("%d sessions, %d sets", len(v.Sessions), len(v.Sets))
	}
	for i, w := range want {
		s := &v.Sessions[i]
		from, _ := time.Parse(time.RFC3339, w.from)
		to, _ := time.Parse(time.RFC3339, w.to)
		if s.ID != w.id || int64(s.StartsAt) != from.UnixMilli() || int64(s.EndsAt) != to.UnixMilli() {
			t.Errorf("session %d: %s from %d to %d", i, s.ID, s.StartsAt, s.EndsAt)
		}
	}
	if v.Sessions[0].Unsold != engine.UnsoldCarry || v.Sessions[2].Unsold != engine.UnsoldExpire || v.Sets[1][0] != (engine.SetPrize{Prize: 0, Weight: 50, Stock: 5}) {
		t.Errorf("overrides: %+v %+v", v.Sessions, v.Sets)
	}
}

func TestUnstatedInSessions(t *testing.T) {
	file := parse(t, readGood(t, "sessions.yaml"))
	if faults := file.Unstated(func(string) bool { return false }); len(faults) != 0 {
		t.Errorf("every session states the stock of its own units: %v", faults)
	}
	file = parse(t, change(t, readGood(t, "sessions.yaml"), "    - {id: phone, stock: 3}", "    - phone"))
	if faults := file.Unstated(func(string) bool { return false }); len(faults) != 1 || faults[0].Pointer != "/prizes/0" {
		t.Errorf("one day has no units of its own: %v", faults)
	}
}

func TestFavourableSessions(t *testing.T) {
	rounds, days := readGood(t, "rounds.json"), readGood(t, "sessions.yaml")
	for _, tc := range []struct {
		src, old, with string
		worse          bool
	}{
		{rounds, `"unsold":"carry",`, ``, true},
		{rounds, `"weight":30`, `"weight":29`, true},
		{rounds, `"weight":30`, `"weight":31`, false},
		{rounds, `"id":"pm"`, `"id":"px"`, true},
		{rounds, `11T18:00`, `11T17:00`, true},
		{rounds, `11T08:00`, `11T07:00`, false},
		{rounds, `,"b"]`, `]`, true},
		{days, "  - {id: h5, miss_slot: 3}\n", "", true},
		{days, "weight: 300", "weight: 299", true},
		{days, "miss_slot: 3", "miss_slot: 4", false},
		{days, "slot: 5, weight: 300}", "slot: 5}", false},
	} {
		live, next := parse(t, tc.src), parse(t, change(t, tc.src, tc.old, tc.with))
		if faults := Favourable(live.Version, next.Version); (len(faults) > 0) != tc.worse {
			t.Errorf("%s → %s: %v", tc.old, tc.with, faults)
		}
	}
	plain := parse(t, base)
	if faults := Favourable(plain.Version, parse(t, change(t, base, `"denominator":100`, `"denominator":100,"channels":[{"id":"pc"}]`)).Version); len(faults) != 1 {
		t.Errorf("channels where any was taken: %v", faults)
	}
}
