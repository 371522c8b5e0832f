package engine

import (
	"bytes"
	"testing"
)

// The forms of defensive versions, awards and payout switches are on disk and in the log.
func TestGoldenActs(t *testing.T) {
	x := newTable(t)
	v := delivered(func(v *Version) {
		v.Guard = &Guard{Wins: 9, Then: GuardDefensive}
		v.Prizes = append(v.Prizes, Prize{ID: "q", Kind: KindCash, Amount: 5, Stock: 50, Units: 1, Fallback: -1, Slot: -1})
		v.Deliveries = append(v.Deliveries, Delivery{Prize: 1, Unclaimed: true})
	})
	x.mustPublish(v)
	var w writer
	w.section(versionGuard, func(w *writer) { w.guard(v.Guard) })
	w.section(versionAwards, func(w *writer) { w.deliveries(v.Deliveries) })
	golden(t, "acts-version", w.b)
	back := &Version{}
	r := reader{b: w.b}
	r.sections(false, back.versionSection)
	var again writer
	again.section(versionGuard, func(w *writer) { w.guard(back.Guard) })
	again.section(versionAwards, func(w *writer) { w.deliveries(back.Deliveries) })
	if r.done() != nil || !bytes.Equal(again.b, w.b) {
		t.Errorf("the sections do not come back: %x", again.b)
	}
	x.draw("v", "1")
	draw, at := x.encoded(x.draw("u", "1"))
	meagre := meagre(func(v *Version) { v.Prizes[0].Weight = 1 })
	meagre.Salt = [16]byte{7}
	var b Batch
	b.AddMoveAward(&MoveAward{Campaign: 1, Draw: draw, At: at, Move: MoveClaim, Actor: "key:front"})
	b.AddMoveAward(&MoveAward{Campaign: 1, Draw: draw, At: at, Move: MoveDeliver, Actor: "key:bank", Reason: "payout 1"})
	b.AddSwitch(&SetSwitch{Namespace: 1, Scope: SwitchScope{Kind: SwitchPayout, Prize: "cash"}, Actor: "ann", Reason: "no bank"})
	b.AddSetDefensive(&SetDefensive{Campaign: 1, Version: meagre, Against: 1, Actor: "ann", Reason: "too much"})
	b.AddThaw(&Thaw{Campaign: 1, User: x.keys.User([]byte("v")), UserID: []byte("v"), Actor: "bob", Reason: "a mistake"})
	golden(t, "acts-commands", b.Commands())
	c, _ := x.CampaignByRef(1)
	user := x.keys.User([]byte("v"))
	c.freeze(&user, 1)
	for i, r := range x.apply(&b) {
		if r.Records != 1 {
			t.Errorf("command %d: %+v", i, r)
		}
	}
	golden(t, "acts-records", x.out.Records)
	cut := c.cut()
	cut.control, cut.versions = new(control), nil
	var state writer
	state.campaignActs(&cut)
	golden(t, "acts-state", state.b)
	var defend Batch
	defend.AddDefend(&Defend{Campaign: 1, Actor: "bob", Reason: "a leak"})
	golden(t, "acts-defend", defend.Commands())
	x.apply(&defend)
	golden(t, "acts-defended", x.out.Records)
	// The record of a draw that was counted by others than its user.
	y := newTable(t)
	y.mustPublish(simple(countedByAll))
	counted, _ := y.encoded(y.draw("u", "1", y.by("phone", "10.0.0.1", "SH", 3)))
	golden(t, "acts-subjects", counted)
	x.reload()
}
