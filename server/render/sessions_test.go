package render

import (
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/drawd/drawd/engine"
)

// rounds is the wheel in two sessions and two channels.
func rounds() *engine.Version {
	v := wheel()
	v.Sets = []engine.PrizeSet{{{Prize: 0, Weight: 50, Stock: 5}, {Prize: 2, Weight: 5000, Stock: engine.StockShared}, {Prize: 3, Weight: 1, Stock: 1}}}
	v.Sessions = []engine.Session{
		{ID: "am", Title: []byte(`{"en":"Morning"}`), StartsAt: v.StartsAt, EndsAt: v.StartsAt + 7200000},
		{ID: "pm", StartsAt: v.StartsAt + 7200000, EndsAt: v.EndsAt},
	}
	v.Channels = []engine.Channel{
		{ID: "pc", All: true, Slots: []engine.Slot{{Prize: engine.NoPrize, Slot: 5}, {Prize: engine.NoPrize, Slot: 6}, {Prize: 0, Slot: 1}, {Prize: 3, Slot: 9}}},
		{ID: "h5", Prizes: []engine.ChannelPrize{{Prize: 0, Weight: 7}, {Prize: 2, Weight: engine.KeepWeight}}, Slots: []engine.Slot{{Prize: 2, Slot: 3}}},
	}
	return v
}

// What a draw in a session and a channel says, byte for byte, with the place on the channel's wheel, also of a miss.
func TestRenderSessions(t *testing.T) {
	v, at := rounds(), engine.Location{Index: 17, Ordinal: 3}
	for _, tc := range []struct {
		name   string
		record engine.Record
	}{
		{"session", with(func(r *engine.Record) {
			r.Natural, r.Prize, r.StockAfter, r.Session, r.Channel = 0, 0, 4, 2, []byte("pc")
		})},
		{"session-miss", with(func(r *engine.Record) { r.Session, r.Channel = 1, []byte("pc") })},
		{"session-thanks", with(func(r *engine.Record) { r.Natural, r.Session, r.Channel = 2, 1, []byte("h5") })},
		{"session-thanks-miss-slot", with(func(r *engine.Record) { r.Natural, r.Session, r.Channel = 2, 1, []byte("pc") })},
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
	page := AppendPage(nil, &Page{Campaign: "wheel", Version: v, Status: engine.StatusRunning, EndsAt: v.EndsAt, Now: v.StartsAt + 7200000})
	if !json.Valid(page) {
		t.Errorf("not JSON: %s", page)
	}
	golden(t, "page-sessions.json", append(page, '\n'))
}
