package dataplane

import (
	"testing"

	"github.com/drawd/drawd/engine"
)

// An empty text is not a time. Bodies of grants took it for one that was not sent.
func TestEmptyTime(t *testing.T) {
	for body, code := range map[string]string{
		`""`: "pattern", `"2026-11-11"`: "pattern", `"1970-01-01T00:00:00Z"`: "pattern", `7`: "type",
		`"2026-11-11T00:00:00+08:00"`: "",
	} {
		var s scanner
		var f faults
		var at engine.UnixMilli
		s.reset([]byte(body))
		if !s.timeAt(&f, "/expires_at", &at) {
			t.Fatalf("%s: not sound", body)
		}
		if code == "" {
			if len(f.list) != 0 || at != 1_794_326_400_000 {
				t.Errorf("%s: %v, %d", body, f.list, at)
			}
		} else if len(f.list) != 1 || f.list[0].Code != code || at != 0 {
			t.Errorf("%s: %v, %d", body, f.list, at)
		}
	}
}

// An unknown name is told back only if it can hold nothing but a name.
func TestStrayNames(t *testing.T) {
	for body, pointer := range map[string]string{`{"nope":1}`: "/nope", `{"a b":[]}`: "", `{"":{}}`: "", `[]`: ""} {
		var s scanner
		var f faults
		s.reset([]byte(body))
		asked := 0
		if !s.bodyOf(&f, func([]byte) (known, ok bool) { return false, true }, func() { asked++ }) {
			t.Fatalf("%s: not sound", body)
		}
		object := body[0] == '{'
		if len(f.list) != 1 || f.list[0].Pointer != pointer || f.unknown != object || (asked == 1) != object {
			t.Errorf("%s: %v, unknown %v, asked what is missing %d times", body, f.list, f.unknown, asked)
		}
	}
}
