package campaignfile

import (
	"slices"
	"strings"
	"testing"
)

// quiet is a campaign that nothing can be said against.
const quiet = `{"campaign":"c","time_zone":"Europe/Berlin","starts_at":"2026-03-01T00:00:00Z","ends_at":"2026-03-11T00:00:00Z","denominator":100,"expected_users":1000,
"caps":[{"id":"day","counts":"draws","window":"day","limit":3},{"id":"life","counts":"wins","window":"campaign","limit":5}],
"prizes":[{"id":"a","kind":"physical","weight":1,"stock":50,"value":1000},{"id":"b","kind":"coupon","weight":20,"stock":9000,"value":10},{"id":"t","kind":"thanks","weight":79}],
"pity":[{"id":"y","guarantee_within":10,"group":["a","b"],"prizes":["b"],"reserve":{"b":4000}}]}`

// risks are changes that each make one rule speak, and what it says. Without the rule the case fails.
var risks = []struct{ rule, old, with, pointer, says string }{
	{"odds_sum", `"weight":79`, `"weight":78`, "/prizes", "99, 1 short of the denominator 100"},
	{"unreachable_prize", `"weight":1,`, `"weight":0,`, "/prizes/0/weight", `prize "a" is never given`},
	{"pity_unfunded", `"reserve":{"b":4000}`, `"reserve":{"b":3000}`, "/pity/0/reserve", "3000 wins are set aside; 33000 draws can be made, so pity \"y\" may owe 3300"},
	{"pity_unfunded", `"expected_users":1000,`, ``, "/pity/0/reserve", "nothing bounds how many"},
	{"pity_out_of_reach", `"guarantee_within":10`, `"guarantee_within":34`, "/pity/0/guarantee_within", "one user can draw 33 times"},
	{"pity_high_value", `"stock":9000,"value":10`, `"stock":9000,"value":1001`, "/pity/0/prizes/0", `prize "b", worth 1001`},
	{"pity_replaces_better", `"group":["a","b"]`, `"group":["b"]`, "/pity/0/group", `a draw that hits prize "a"`},
	{"caps_contradictory", `{"id":"day","counts":"draws","window":"day","limit":3}`,
		`{"id":"day","counts":"draws","window":"day","limit":3},{"id":"hour","counts":"draws","window":"hour","limit":3}`, "/caps/1/limit", `cap "hour" can never be reached: cap "day" allows 3`},
	{"caps_contradictory", `{"id":"day","counts":"draws","window":"day","limit":3}`,
		`{"id":"day","counts":"draws","window":"day","limit":3},{"id":"again","counts":"draws","window":"day","limit":4}`, "/caps/1", "the lower limit, 3, decides"},
	{"caps_contradictory", `{"id":"day","counts":"draws","window":"day","limit":3}`,
		`{"id":"day","counts":"draws","window":"day","limit":3},{"id":"wins","counts":"wins","window":"day","limit":3}`, "/caps/1/limit", "allows 3 draws in the same window"},
	{"ip_cap_without_nat_room", `{"id":"day","counts":"draws","window":"day","limit":3}`,
		`{"id":"day","counts":"draws","window":"day","limit":3},{"id":"ip","counts":"draws","scope":"ip","window":"day","limit":30}`, "/caps/1/limit", "room for 10 users behind one address"},
	{"window_over_dst_change", `"ends_at":"2026-03-11T00:00:00Z"`, `"ends_at":"2026-11-11T00:00:00Z"`, "/caps/0/window", "Europe/Berlin change on 2026-03-29 (and 1 more times): the day of cap \"day\""},
	{"no_user_ceiling", `"caps":[{"id":"day","counts":"draws","window":"day","limit":3},{"id":"life","counts":"wins","window":"campaign","limit":5}],`, ``, "/caps", "one user may draw, and win, as often as he likes"},
}

func TestEveryRisk(t *testing.T) {
	if file := parse(t, quiet); len(file.Warnings) > 0 {
		t.Fatalf("the quiet campaign warns: %v", file.Warnings)
	}
	tested := make(map[string]bool)
	for _, tc := range risks {
		tested[tc.rule] = true
		file := parse(t, change(t, quiet, tc.old, tc.with))
		i := slices.IndexFunc(file.Warnings, func(f Fault) bool { return f.Rule == tc.rule && f.Pointer == tc.pointer })
		if i < 0 {
			t.Errorf("%s: no such warning at %s: %v", tc.rule, tc.pointer, file.Warnings)
			continue
		}
		if f := file.Warnings[i]; !strings.Contains(f.Message, tc.says) || f.Line == 0 || f.Column == 0 {
			t.Errorf("%s: %v, want %q with its place", tc.rule, f, tc.says)
		}
	}
	// What only shows in another campaign.
	unlimited := change(t, change(t, quiet, `"stock":50,"value":1000`, `"stock":"unlimited","value":1000`), `{"id":"life","counts":"wins","window":"campaign","limit":5}`, `{"id":"b","counts":"wins","window":"campaign","limit":5,"prize":"b"}`)
	if file := parse(t, change(t, unlimited, `"expected_users":1000,`, ``)); !slices.ContainsFunc(file.Warnings, func(f Fault) bool {
		return f.Rule == "liability_unbounded" && f.Pointer == "/prizes/0/stock" && strings.Contains(f.Message, "costs up to 1000")
	}) {
		t.Errorf("%v", file.Warnings)
	}
	tested["liability_unbounded"] = true
	for _, r := range lintRules {
		if !tested[r.code] {
			t.Errorf("rule %s has no test", r.code)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, tc := range []struct {
		old, with string
		want      int64
		unbounded string
	}{
		{`"value":1000`, `"value":1000`, 50*1000 + 5000*10, ""}, // 5 wins of each of 1000 users
		{`"expected_users":1000,`, ``, 50*1000 + 9000*10, ""},
		{`"stock":50,"value":1000`, `"stock":50,"units":5,"value":1000`, 10*1000 + 5000*10, ""},
		{`"stock":50,`, `"stock":"unlimited",`, 5000*1000 + 5000*10, ""},
		{`"stock":50,`, ``, 5000*1000 + 5000*10, ""},
		{`"kind":"physical","weight":1,"stock":50,"value":1000`, `"kind":"cash","weight":1,"stock":50,"amount":{"fixed":7}`, 50*7 + 5000*10, ""},
		{`{"id":"life","counts":"wins","window":"campaign","limit":5}`, `{"id":"life","counts":"wins","scope":"device","window":"campaign","limit":5}`, 50*1000 + 9000*10, ""},
	} {
		if got := Worst(parse(t, change(t, quiet, tc.old, tc.with)).Version); got.MinorUnits != tc.want || strings.Join(got.Unbounded, " ") != tc.unbounded {
			t.Errorf("%s: %+v, want %d", tc.with, got, tc.want)
		}
	}
	src := change(t, change(t, quiet, `"stock":50,`, `"stock":"unlimited",`), `"expected_users":1000,`, ``)
	if got := Worst(parse(t, src).Version); got.MinorUnits != 90_000 || strings.Join(got.Unbounded, " ") != "a" {
		t.Errorf("%+v", got)
	}
}
