package render

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// A record's section about who drew, and the changes of lists, as items of the feed.
func TestFeedOfWhoDraws(t *testing.T) {
	at := engine.Location{Index: 17, Ordinal: 3}
	section := func(flags byte) []byte {
		b := make([]byte, 27)
		b[0], b[1], b[2], b[3], b[11], b[19] = 6, 25, flags, 0xA, 0xB, 0xC
		return b
	}
	for _, row := range []struct {
		record engine.Record
		want   string
	}{
		{engine.Record{Kind: engine.RecordDraw, Prize: -1, Natural: -1, Sections: section(1)}, `"audience":{"attributes":"000000000000000a","ticket_key":"000000000000000b"}`},
		{engine.Record{Kind: engine.RecordDraw, Prize: -1, Natural: -1, Sections: section(4 | 16)}, `"lists":"000000000000000c","allowed":false,"restricted":true}`},
		{engine.Record{Kind: engine.RecordList, Name: []byte("u1"), Flags: uint32(engine.ListDeny) | engine.ListRestricted, Delta: 1}, `"user":"u1","list":"deny","treatment":"restricted","expires_at":"1970-01-01T00:00:00.001Z"`},
		{engine.Record{Kind: engine.RecordList, Name: []byte("u1"), Flags: uint32(engine.ListAllow)}, `"user":"u1","list":"allow","index"`},
		{engine.Record{Kind: engine.RecordList, Name: []byte("u1"), Flags: uint32(engine.ListDeny) | engine.ListRemoved}, `"list":"deny","deleted":true,"index"`},
	} {
		got := AppendFeedItem(nil, plainIDs{}, "", nil, at, &row.record)
		if !json.Valid(got) || !strings.Contains(string(got), row.want) {
			t.Errorf("%s\nlacks %s", got, row.want)
		}
	}
}

// Every code has a public form that tells a player what to do, with the code's effect, and shows no facts.
func TestPublicProblems(t *testing.T) {
	seen := map[string]bool{}
	for _, code := range problem.Codes() {
		p := Problem{Code: code, RequestID: []byte("r"), Cap: "day", Used: 3, Limit: 3, Allowed: 1, StartsAt: 5, Now: 6, Detail: "the stock", Errors: []FieldError{{Pointer: "/ticket", Code: "signature", Message: "m"}}}
		got := AppendPublic(nil, &p)
		var doc struct {
			Status     int
			Effect     string
			PublicCode string `json:"public_code"`
			Errors     []any
		}
		if err := json.Unmarshal(got, &doc); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		seen[doc.PublicCode] = true
		if doc.Effect != code.Info().Effect.String() || doc.PublicCode != "bad_request" && doc.Errors != nil {
			t.Errorf("%v: %s", code, got)
		}
		for _, secret := range []string{"day", "stock", `"code":"` + code.String(), "starts_at"} {
			if doc.PublicCode != "bad_request" && strings.Contains(string(got), secret) {
				t.Errorf("%v shows %s: %s", code, secret, got)
			}
		}
	}
	for _, name := range PublicNames() {
		if !seen[name] {
			t.Errorf("no code is %s", name)
		}
	}
}
