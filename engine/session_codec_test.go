package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// festival has sessions, channels and release schedules together: what their forms look like on disk.
func festival() *Version {
	return rounds(channelsOf, func(v *Version) {
		v.Channels = append(v.Channels, Channel{ID: "h5", Prizes: []ChannelPrize{{0, KeepWeight}, {1, 7}}, Slots: []Slot{{NoPrize, 3}, {0, 1}}})
		v.Sessions[1].Title = []byte(`{"en":"Noon"}`)
		v.Sets[0][0].Stock = 20
		v.Schedules = []Schedule{{AvoidWholeHour: true, Windows: []ReleaseWindow{{open, open + 4*hourMilli, 5}}}}
		v.Releases = []Release{{0, 0}}
		v.Caps = []Cap{{ID: "round", Window: Window{Kind: WindowSession}, Limit: 1000, Prize: -1}}
	})
}

// The forms of sessions, channels, schedules, what is to become live, and their records, byte for byte.
func TestGoldenFormsOfTime(t *testing.T) {
	x := newTable(t)
	x.now = open
	var b Batch
	seed := SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})
	later := festival()
	later.Campaign = "later"
	b.AddPublish(&Publish{Namespace: 1, Version: festival(), SealedSeed: seed, Actor: "op"})
	b.AddPublishAt(&Publish{Namespace: 1, Version: later, SealedSeed: seed, Actor: "op", Reason: "soon"}, open+9*hourMilli)
	other := festival()
	other.Campaign = "other"
	b.AddPublishAt(&Publish{Namespace: 1, Version: other, SealedSeed: seed}, open+9*hourMilli)
	b.AddWithdraw(&Withdraw{Namespace: 1, Campaign: "other", Actor: "op", Reason: "no"})
	golden(t, "time-entry", entryOf(&b, x.now))
	for i, r := range x.apply(&b) {
		x.wantCode("command", r, problem.OK)
		if i == 0 && r.Value != 1 {
			t.Errorf("publish: %+v", r)
		}
	}
	records := append([]byte(nil), x.out.Records...)
	x.now = open + hourMilli/2
	x.wantCode("draw", x.draw("u", "k", func(d *Draw) { d.Channel = []byte("pc") }), problem.OK)
	golden(t, "time-records", append(records, x.out.Records...))
	for _, a := range []Action{ActionPause, ActionResume} {
		x.wantCode(a.String(), x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: a}) }), problem.OK)
		x.now += hourMilli / 4
	}
	x.walk(open+2*hourMilli, func() {})
	c, err := x.Capture(true)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "time-meta", c.Meta())
	c.Abort()
}

// Damaged forms are errors, never panics: every byte of the meta and of the entry is changed in turn.
func TestDamagedFormsOfTime(t *testing.T) {
	v := festival()
	form := formOf(v)
	for i := range form {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := append([]byte(nil), form...)
			bad[i] ^= flip
			r := reader{b: bad}
			if v := r.form(); r.done() == nil {
				_ = v.Validate() // whatever it is, it has to be judged
			}
			r = reader{b: bad[:i]}
			_ = r.form()
		}
	}
}

// Draws in a session, in a channel and under a schedule allocate nothing.
func TestNoAllocationsInSessions(t *testing.T) {
	x := newTable(t)
	x.now = open
	x.mustPublish(rounds(channelsOf, func(v *Version) {
		v.Sets[0][0].Stock = 100_000
		v.Schedules = []Schedule{{AvoidWholeHour: true, Windows: []ReleaseWindow{{open, open + 4*hourMilli, 5}}}}
		v.Releases = []Release{{0, 0}}
	}))
	x.now += hourMilli / 2
	d := x.request("u", "k", func(d *Draw) { d.Channel = []byte("pc") })
	var entries [][]byte
	for range 40 {
		var b Batch
		for range 64 {
			if d.Digest[15]++; d.Digest[15] == 0 {
				d.Digest[14]++
			}
			b.AddDraw(&d)
		}
		entries = append(entries, entryOf(&b, x.now))
	}
	apply := func() {
		x.index++
		if err := x.Apply(x.index, entries[0], &x.out); err != nil {
			t.Fatal(err)
		}
		entries = entries[1:]
	}
	for range 4 {
		apply()
	}
	if n := testing.AllocsPerRun(20, apply); n > 1 { // a page of keys now and then
		t.Errorf("%v allocations for an entry of 64 draws", n)
	}
}
