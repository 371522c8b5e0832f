package render

import (
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/drawd/drawd/engine"
)

// What a draw with pity says, byte for byte: the answer, its binary form, and the record.
func TestRenderPity(t *testing.T) {
	v := wheel()
	v.Pity = []engine.Pity{{ID: "top"}, {ID: "often"}}
	at := engine.Location{Index: 17, Ordinal: 3}
	for _, tc := range []struct {
		name   string
		record engine.Record
	}{
		{"pity", with(func(r *engine.Record) {
			r.Prize, r.Sections = 0, []byte{3, 12, 1, 0, 0xff, 0xff, 7, 0, 0, 0, 2, 0, 3, 0}
		})},
		{"pity-extra", with(func(r *engine.Record) {
			r.Natural, r.Prize, r.Sections = 0, 0, []byte{3, 12, 2, 0, 1, 0, 7, 0, 8, 0, 9, 0, 0, 0}
		})},
		{"pity-unfunded", with(func(r *engine.Record) {
			r.Sections = []byte{3, 12, 0, 3, 0xff, 0xff, 7, 0, 7, 0, 9, 0, 9, 0}
		})},
	} {
		s := subdraw{plainIDs{}, "wheel", v, &tc.record, at, false, false}
		text := renderers[1].json(nil, &s)
		item := AppendFeedItem(nil, plainIDs{}, "wheel", v, at, &tc.record)
		if !json.Valid(text) || !json.Valid(item) {
			t.Errorf("%s: not JSON: %s\n%s", tc.name, text, item)
		}
		golden(t, "draw1-"+tc.name+".json", append(append(append(text, '\n'), item...), '\n'))
		golden(t, "draw1-"+tc.name+".hex", []byte(hex.Dump(renderers[1].binary(nil, &s))))
	}
}
