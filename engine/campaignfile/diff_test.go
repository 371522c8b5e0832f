package campaignfile

import (
	"strings"
	"testing"
)

func TestChanges(t *testing.T) {
	live := parse(t, quiet)
	edit := func(pairs ...string) string {
		src := quiet
		for i := 0; i < len(pairs); i += 2 {
			src = change(t, src, pairs[i], pairs[i+1])
		}
		return src
	}
	for _, tc := range []struct{ src, want string }{
		{quiet, ""},
		{edit(`"denominator":100,`, ``, `"campaign":"c",`, `"campaign":"c","denominator":100,`), ""}, // written in another order
		{edit(`"limit":3`, `"limit":4`), "cap day: limit 3 becomes 4"},
		{edit(`"limit":3`, `"limit":2`), "cap day: limit 3 becomes 2 !"},
		{edit(`"weight":20`, `"weight":19`), "prize b: weight 20 becomes 19 !"},
		{edit(`"value":1000`, `"value":1000,"title":{"en":"Phone"}`), `prize a: title becomes {"en":"Phone"}`},
		{edit(`"value":1000`, `"value":1000,"on_unavailable":{"fallback":"b"}`), `prize a: on_unavailable becomes {"fallback":"b"}`},
		{edit(`"guarantee_within":10`, `"guarantee_within":11`, `{"b":4000}`, `{"b":4500}`), "pity y: guarantee_within 10 becomes 11 !\npity y: reserve/b 4000 becomes 4500"},
		{edit(`,"expected_users":1000`, `,"exhausted":"end"`), "exhausted becomes end !\nexpected_users is gone (was 1000)"},
		{edit(`{"id":"day","counts":"draws","window":"day","limit":3},{"id":"life","counts":"wins","window":"campaign","limit":5}`,
			`{"id":"life","counts":"wins","window":"campaign","limit":5},{"id":"hour","counts":"draws","window":"hour","limit":3}`),
			"cap day is gone\n" + `cap hour is new: {"counts":"draws","id":"hour","limit":3,"window":"hour"} !`},
		{edit(`{"id":"day","counts":"draws","window":"day","limit":3},{"id":"life","counts":"wins","window":"campaign","limit":5}`,
			`{"id":"life","counts":"wins","window":"campaign","limit":5},{"id":"day","counts":"draws","window":"day","limit":3}`),
			"order of caps day, life becomes life, day"},
		{edit(`,{"id":"t","kind":"thanks","weight":79}`, ``), "prize t is gone !"},
	} {
		var lines []string
		for _, c := range Changes(live.Version, parse(t, tc.src).Version) {
			line := c.String()
			if c.Takes {
				line += " !"
			}
			lines = append(lines, line)
		}
		if got := strings.Join(lines, "\n"); got != tc.want {
			t.Errorf("got\n%s\nwant\n%s", got, tc.want)
		}
	}
}
