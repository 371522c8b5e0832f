package campaignfile

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const base = `{"campaign":"c","time_zone":"UTC","starts_at":"2026-11-11T00:00:00Z","ends_at":"2026-11-12T00:00:00Z","denominator":100,
"caps":[{"id":"day","counts":"draws","window":"day","limit":3},{"id":"wins","counts":"wins","window":"campaign","limit":1,"prize":"a"}],
"prizes":[{"id":"a","kind":"cash","weight":10,"stock":5,"amount":{"fixed":7},"on_unavailable":{"fallback":"b"}},{"id":"b","kind":"coupon","weight":20,"stock":50}]}`

// parse parses a source that must be right.
func parse(t *testing.T, src string) *File {
	t.Helper()
	file, faults := Parse([]byte(src))
	if len(faults) > 0 {
		t.Fatalf("%v\n%s", faults, src)
	}
	return file
}

// change replaces what must be there once.
func change(t *testing.T, src, old, with string) string {
	t.Helper()
	if strings.Count(src, old) != 1 {
		t.Fatalf("%q stands %d times in the source", old, strings.Count(src, old))
	}
	return strings.Replace(src, old, with, 1)
}

// Every rule of a campaign file, broken alone: exactly one fault, at the right value, with the right code.
func TestEveryRuleAlone(t *testing.T) {
	for _, tc := range []struct{ old, with, pointer, says string }{
		{`"campaign":"c"`, `"campaign":"-c"`, "/campaign", "1 to 63 characters"},
		{`"campaign":"c"`, `"campaign":"` + strings.Repeat("c", 64) + `"`, "/campaign", "1 to 63 characters"},
		{`"campaign":"c",`, ``, "/campaign", "missing"},
		{`"UTC"`, `"Local"`, "/time_zone", "IANA"},
		{`"UTC"`, `"../../etc/passwd"`, "/time_zone", "IANA"},
		{`"UTC"`, `""`, "/time_zone", "empty"},
		{`"2026-11-11T00:00:00Z"`, `"2026-11-11T00:00:00"`, "/starts_at", "RFC 3339"},
		{`"2026-11-11T00:00:00Z"`, `"2026-11-12T00:00:00Z"`, "/ends_at", "after starts_at"},
		{`"2026-11-12T00:00:00Z"`, `"2037-01-01T00:00:00Z"`, "/ends_at", "10 years"},
		{`"denominator":100`, `"denominator":0`, "/denominator", "from 1 to"},
		{`"denominator":100`, `"denominator":1000000001`, "/denominator", "from 1 to"},
		{`"denominator":100`, `"denominator":29`, "/prizes", "sum to 30, 1 more"},
		{`"denominator":100`, `"denominator":100,"guaranteed":1`, "/guaranteed", "true or false"},
		{`"denominator":100`, `"denominator":100,"chances":{"mode":"all"}`, "/chances/mode", "free, granted or purse"},
		{`"denominator":100`, `"denominator":100,"chances":{"mode":"purse"}`, "/chances", "needs purse"},
		{`"denominator":100`, `"denominator":100,"chances":{"mode":"purse","purse":"p","sources":{"a":{}}}`, "/chances/sources", "namespace's policy"},
		{`"denominator":100`, `"denominator":100,"chances":{"mode":"granted","sources":{"a":{"daily_limit":0}}}`, "/chances/sources/a/daily_limit", "from 1 to"},
		{`"denominator":100`, `"denominator":100,"mode":"deck"`, "/mode", "{deck: {entries: n}}"},
		{`"denominator":100`, `"denominator":100,"sessions":[]`, "/sessions", "there is no session"},
		{`"id":"day","counts":"draws"`, `"id":"wins","counts":"draws"`, "/caps/1/id", "already defined"},
		{`"counts":"draws"`, `"counts":"helps"`, "/caps/0/counts", "assists or invites"},
		{`"counts":"draws"`, `"counts":"draws","scope":"level"`, "/caps/0/scope", "an attribute declared under audience"},
		{`"counts":"draws"`, `"counts":"draws","prize":"a"`, "/caps/0/prize", "counts: wins"},
		{`"counts":"draws"`, `"counts":"draws","on_reached":"miss"`, "/caps/0/on_reached", "always denies"},
		{`"prize":"a"`, `"prize":"z"`, "/caps/1/prize", "no prize"},
		{`"window":"day","limit":3`, `"window":"day","limit":2147483648`, "/caps/0/limit", "from 1 to 2147483647"},
		{`"window":"day","limit":3`, `"window":"day"`, "/caps/0/limit", "missing"},
		{`"window":"day"`, `"window":{"rolling":"31d1ms"}`, "/caps/0/window/rolling", "from 1s to 31d"},
		{`"window":"day"`, `"window":{"rolling":"1m2"}`, "/caps/0/window/rolling", "a duration like"},
		{`"window":"day"`, `"window":{"rolling":"1m","cooldown":"1m"}`, "/caps/0/window", "{rolling: 10m}"},
		{`"window":"day","limit":3`, `"window":{"rolling":"1m"},"limit":65`, "/caps/0/limit", "from 1 to 64"},
		{`"window":"day"`, `"window":{"cooldown":"1m"}`, "/caps/0/limit", "write 1"},
		{`"window":"day","limit":3`, `"window":{"cooldown":"367d"}`, "/caps/0/window/cooldown", "from 1ms to 366d"},
		{`"id":"b","kind":"coupon","weight":20,"stock":50`, `"id":"b","kind":"coupon","weight":20},{"id":"b","kind":"code","weight":1`, "/prizes/2/id", "already defined"},
		{`"weight":20`, `"weight":20.0`, "/prizes/1/weight", "plain decimal digits"},
		{`"weight":20`, `"weight":-20`, "/prizes/1/weight", "from 0 to"},
		{`"weight":20,`, ``, "/prizes/1/weight", "missing"},
		{`"stock":50`, `"stock":1125899906842625`, "/prizes/1/stock", "from 0 to 1125899906842624"},
		{`"stock":50`, `"stock":50,"units":0`, "/prizes/1/units", "from 1 to"},
		{`"stock":50`, `"stock":50,"units":1048577`, "/prizes/1/units", "from 1 to 1048576"},
		{`"kind":"coupon"`, `"kind":"thanks"`, "/prizes/1/stock", "thanks prize has no stock"},
		{`"stock":50`, `"stock":50,"units":51`, "/prizes/1/stock", "less than the 51 units"},
		{`"stock":50`, `"stock":50,"value":-1`, "/prizes/1/value", "from 0 to"},
		{`"stock":50`, `"stock":50,"slot":-1`, "/prizes/1/slot", "from 0 to 999"},
		{`"stock":50`, `"stock":50,"listed":"no"`, "/prizes/1/listed", "true or false"},
		{`"stock":50`, `"stock":50,"amount":{"fixed":1}`, "/prizes/1/amount", "only prizes of kind cash or points"},
		{`"amount":{"fixed":7},`, ``, "/prizes/0", "needs an amount"},
		{`"amount":{"fixed":7}`, `"amount":{"fixed":0}`, "/prizes/0/amount/fixed", "from 1 to"},
		{`"amount":{"fixed":7}`, `"amount":{}`, "/prizes/0/amount/fixed", "missing"},
		{`"fallback":"b"`, `"fallback":"a"`, "/prizes/0/on_unavailable/fallback", "lead back to itself"},
		{`"fallback":"b"`, `"fallback":"x"`, "/prizes/0/on_unavailable/fallback", "no prize"},
		{`{"fallback":"b"}`, `{}`, "/prizes/0/on_unavailable", "must be miss, {fallback"},
		{`{"fallback":"b"}`, `"deny"`, "/prizes/0/on_unavailable", "must be miss, {fallback"},
		{`"stock":50`, `"stock":50,"title":{}`, "/prizes/1/title", "1 to 32 languages"},
		{`"stock":50`, `"stock":50,"title":{"en":"a\u0007b"}`, "/prizes/1/title/en", "control characters"},
		{`"stock":50`, `"stock":50,"title":{"en":"` + strings.Repeat("x", 513) + `"}`, "/prizes/1/title/en", "at most 512"},
	} {
		_, faults := Parse([]byte(change(t, base, tc.old, tc.with)))
		if len(faults) != 1 || faults[0].Pointer != tc.pointer || faults[0].Code != problem.InvalidField ||
			!strings.Contains(faults[0].Message, tc.says) || faults[0].Line == 0 {
			t.Errorf("%s → %s: want one fault at %s saying %q, got %+v", tc.old, tc.with, tc.pointer, tc.says, faults)
		}
	}
	if _, faults := Parse([]byte(change(t, base, `"stock":50`, `"stok":50`))); len(faults) != 1 || faults[0].Code != problem.UnknownField {
		t.Errorf("an unknown field gave %+v", faults)
	}
}

func TestFavourable(t *testing.T) {
	base := change(t, base, `"stock":50}`, `"stock":50},{"id":"c","kind":"coupon","weight":1,"stock":1}`)
	live := parse(t, base)
	for _, tc := range []struct {
		old, with string
		pointer   string // empty: nothing is taken away
	}{
		{`"weight":20`, `"weight":21`, ""},
		{`"denominator":100`, `"denominator":50`, ""},
		{`"limit":3`, `"limit":4`, ""},
		{`"2026-11-12T00:00:00Z"`, `"2026-11-13T00:00:00Z"`, ""},
		{`{"id":"day","counts":"draws","window":"day","limit":3},`, ``, ""},
		{`"stock":50`, `"stock":50,"title":{"en":"Coupon"}`, ""},
		{`"weight":20`, `"weight":19`, "/prizes/1/weight"},
		{`"denominator":100`, `"denominator":101`, "/prizes/0/weight"},
		{`"limit":3`, `"limit":2`, "/caps/0/limit"},
		{`"window":"day"`, `"window":"week"`, "/caps/0"},
		{`"id":"day"`, `"id":"dai"`, "/caps/0"},
		{`"prize":"a"`, `"prize":"b"`, "/caps/1"},
		{`"2026-11-12T00:00:00Z"`, `"2026-11-11T23:59:59Z"`, "/ends_at"},
		{`"2026-11-11T00:00:00Z"`, `"2026-11-11T00:00:01Z"`, "/starts_at"},
		{`"UTC"`, `"Asia/Tokyo"`, "/time_zone"},
		{`"denominator":100`, `"denominator":100,"exhausted":"end"`, "/exhausted"},
		{`"denominator":100`, `"denominator":100,"user_exhausted":"miss"`, "/user_exhausted"},
		{`"kind":"coupon","weight":20`, `"kind":"code","weight":20`, "/prizes/1/kind"},
		{`"fixed":7`, `"fixed":6`, "/prizes/0/amount"},
		{`"stock":50`, `"stock":50,"units":2`, "/prizes/1/units"},
		{`,"on_unavailable":{"fallback":"b"}`, ``, "/prizes/0/on_unavailable"},
		{`,{"id":"c","kind":"coupon","weight":1,"stock":1}`, ``, "/prizes"},
	} {
		next := parse(t, change(t, base, tc.old, tc.with))
		faults := next.Locate(Favourable(live.Version, next.Version))
		if tc.pointer == "" && len(faults) > 0 || tc.pointer != "" && (len(faults) == 0 || faults[0].Pointer != tc.pointer) {
			t.Errorf("%s → %s: want a fault at %q, got %+v", tc.old, tc.with, tc.pointer, faults)
		}
	}
	next := parse(t, change(t, base, `"limit":3`, `"limit":2`))
	if faults := next.Locate(Favourable(live.Version, next.Version)); faults[0].Line != 2 || faults[0].Column != 61 {
		t.Errorf("the fault has another place: %+v", faults[0])
	}
}

func TestUnstated(t *testing.T) {
	file := parse(t, change(t, base, `"stock":50`, `"listed":false`))
	if faults := file.Unstated(func(id string) bool { return id == "b" }); len(faults) != 0 {
		t.Errorf("a known prize must not state its stock: %v", faults)
	}
	faults := file.Unstated(func(string) bool { return false })
	if len(faults) != 1 || faults[0].Pointer != "/prizes/1" || faults[0].Line != 3 {
		t.Errorf("want one fault at /prizes/1 in line 3, got %+v", faults)
	}
	thanks := parse(t, change(t, base, `"kind":"coupon","weight":20,"stock":50`, `"kind":"thanks","weight":20`))
	if faults := thanks.Unstated(func(string) bool { return false }); len(faults) != 0 || thanks.Version.Prizes[1].Stock != engine.Unlimited {
		t.Errorf("thanks are unlimited: %v", faults)
	}
}

const policySource = `
time_zone: America/New_York
max_users: 5000000
max_keys: 70000000
approvals: 0
user_pattern: '[0-9]{6,12}'
aggregate_caps:
  - {id: wins, counts: wins, window: day, limit: 5}
  - {id: pace, counts: draws, scope: ip, window: {rolling: 1m}, limit: 60}
`

func TestPolicy(t *testing.T) {
	p, faults := ParsePolicy([]byte(policySource))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	const want = `{"time_zone":"America/New_York","aggregate_caps":[{"id":"wins","counts":"wins","window":"day","limit":5},` +
		`{"id":"pace","counts":"draws","scope":"ip","window":{"rolling":"1m"},"limit":60}],"max_users":5000000,"max_keys":70000000,"user_pattern":"[0-9]{6,12}"}`
	if string(p.Document) != want {
		t.Errorf("document\n%s\nwant\n%s", p.Document, want)
	}
	if p.MaxUsers != 5000000 || p.MaxKeys != 70000000 || len(p.AggregateCaps) != 2 || p.AggregateCaps[1].Window.Duration != 60000 || p.AggregateCaps[1].Scope != engine.ScopeIP {
		t.Errorf("compiled %+v", p)
	}
	pattern := UserPattern(p)
	if !pattern.MatchString("123456") || pattern.MatchString("x123456") || pattern.MatchString("12345") {
		t.Error("the user pattern must match whole ids")
	}
	if empty, faults := ParsePolicy([]byte("{}")); len(faults) > 0 || empty.TimeZone != "UTC" || UserPattern(empty) != nil {
		t.Errorf("the empty policy: %+v, %v", empty, faults)
	}
	for _, tc := range []struct{ old, with, pointer string }{
		{"America/New_York", "Mars/Olympus", "/time_zone"},
		{"max_users: 5000000", "max_users: 0", "/max_users"},
		{"max_keys", "max_kees", "/max_kees"},
		{"approvals: 0", "approvals: 3", "/approvals"},
		{"'[0-9]{6,12}'", "'['", "/user_pattern"},
		{"window: day", "window: campaign", "/aggregate_caps/0"},
		{"id: pace", "id: wins", "/aggregate_caps/1/id"},
		{"limit: 60", "limit: 65", "/aggregate_caps/1/limit"},
		{"limit: 5}", "limit: 5, prize: a}", "/aggregate_caps/0/prize"},
	} {
		if p, faults := ParsePolicy([]byte(change(t, policySource, tc.old, tc.with))); p != nil || len(faults) != 1 || faults[0].Pointer != tc.pointer {
			t.Errorf("%s → %s: want one fault at %s, got %v", tc.old, tc.with, tc.pointer, faults)
		}
	}
}

// The compiled offsets agree with the zone database at every hour of two years, also in zones with odd rules.
func TestTransitionsFollowTheZone(t *testing.T) {
	// Beyond 2037 the zones go by their rule, and 2040 is the leap year in which the library stood still.
	for _, year := range []int{2026, 2039, 2199} {
		followZones(t, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
	}
}

func followZones(t *testing.T, start time.Time) {
	t.Helper()
	for _, name := range []string{"UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		all, ok := transitions(zone, start, start.AddDate(2, 0, 0))
		if !ok {
			t.Fatal(name, len(all))
		}
		for at := start; at.Before(start.AddDate(2, 0, 0)); at = at.Add(time.Hour) {
			i := len(all) - 1
			for int64(all[i].At) > at.UnixMilli() {
				i--
			}
			if _, want := at.In(zone).Zone(); int(all[i].OffsetSeconds) != want {
				t.Fatalf("%s at %s: offset %d, want %d", name, at, all[i].OffsetSeconds, want)
			}
		}
	}
}

func TestDurations(t *testing.T) {
	for s, want := range map[string]int64{"90s": 90_000, "24h": 86_400_000, "7d": 604_800_000, "1h30m": 5_400_000, "250ms": 250, "1d1ms": 86_400_001} {
		ms, ok := parseDuration(s)
		if !ok || ms != want {
			t.Errorf("%s is %d, %v; want %d", s, ms, ok, want)
		}
		if again, _ := parseDuration(formatDuration(ms)); again != ms {
			t.Errorf("%s is written as %s", s, formatDuration(ms))
		}
	}
	for _, s := range []string{"", "1", "s", "1.5h", "-1s", "1s1h", "1h 30m", "１s", "9999999999d"} {
		if ms, ok := parseDuration(s); ok {
			t.Errorf("%q was read as %d ms", s, ms)
		}
	}
}
