package examples

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const (
	minute = 60_000
	hour   = 60 * minute
	day    = 24 * hour
)

// drawIn makes one draw in a channel and returns its record; nil for a denial, which is counted.
func (x *table) drawIn(user, channel string) *engine.Record {
	x.t.Helper()
	keyer := x.campaign.Namespace().Keyer()
	key := keyer.User([]byte(user))
	x.keys++
	x.batch.Reset()
	d := engine.Draw{
		Campaign: x.campaign.Ref(), User: key, UserID: []byte(user), Times: 1, Channel: []byte(channel),
		Digest: keyer.Digest(engine.DigestDraw, x.campaign.Ref(), key, []byte(fmt.Sprint("k", x.keys))),
	}
	if v := x.campaign.Version(); v.Audience != nil && v.Audience.TicketRequired { // the server has checked its signature
		x.batch.AddDraw(&d)
		if r := x.decide()[0]; r.Code != problem.TicketInvalid && r.Code != problem.NotStarted {
			x.t.Fatalf("without a ticket: %v", r.Code)
		}
		x.batch.Reset()
		d.Stamp = engine.Stamp{Version: v.Number, Eligible: true}
		d.Ticket = engine.Ticket{Key: 1, NotBefore: x.now - minute, ExpiresAt: x.now + minute}
	}
	x.batch.AddDraw(&d)
	r := x.decide()[0]
	if r.Code != problem.OK {
		x.denied[r.Code]++
		return nil
	}
	rec := new(engine.Record)
	if _, err := engine.DecodeRecord(x.batch.Records[r.Offset:r.Offset+r.Length], rec); err != nil {
		x.t.Fatal(err)
	}
	if rec.Prize != engine.NoPrize {
		x.wins[x.campaign.Version().CellID(rec.Prize, int(rec.Session)-1)]++
	}
	return rec
}

// sessionBooks compares every cell with the wins that were seen, and returns them by id.
func (x *table) sessionBooks() map[string]engine.PrizeStock {
	x.t.Helper()
	all := make(map[string]engine.PrizeStock)
	_, stock := x.campaign.Stock()
	for _, p := range stock {
		all[p.CellID()] = p
		if p.Issued != x.wins[p.CellID()] {
			x.t.Errorf("%s: %d issued, %d won", p.CellID(), p.Issued, x.wins[p.CellID()])
		}
		if sum := p.Unreleased + p.Available + p.Reserved + p.Held + p.Issued + p.Expired + p.Withdrawn; p.Total != engine.Unlimited && sum != p.Total {
			x.t.Errorf("%s: the parts sum to %d, the total is %d", p.CellID(), sum, p.Total)
		}
	}
	if err := x.engine.CheckInvariants(); err != nil {
		x.t.Error(err)
	}
	return all
}

// Three days of blind boxes: what is left of one day is there on the next, and nobody opens two.
func TestBlindBox(t *testing.T) {
	x := seat(t, "blind-box.yaml")
	midnight := x.campaign.Version().StartsAt
	crowd := rand.New(rand.NewPCG(5, 6))
	n := 0
	for d := range 3 {
		for m := range 24 * 60 {
			x.now = midnight + engine.UnixMilli(d*day+m*minute)
			before := x.denied[problem.NotStarted]
			x.drawIn(fmt.Sprint("u", n), "")
			closes := 22 * 60
			if d == 2 {
				closes = 24 * 60
			}
			if open := m >= 10*60 && m < closes; open == (x.denied[problem.NotStarted] > before) {
				t.Fatalf("day %d, minute %d: open is %v, denials %v", d, m, open, x.denied)
			} else if open {
				n++
			}
			if n > 0 && crowd.IntN(10) == 0 {
				if before := x.denied[problem.Capped] + x.denied[problem.NotStarted]; x.drawIn(fmt.Sprint("u", crowd.IntN(n)), "") != nil || x.denied[problem.Capped]+x.denied[problem.NotStarted] != before+1 {
					t.Fatal("somebody opened a second box")
				}
			}
		}
	}
	x.now = midnight + 3*day
	x.drawIn("early", "") // before the fourth day opens: the third is closed
	books := x.sessionBooks()
	var left engine.Quantity
	for _, date := range []string{"2026-01-01", "2026-01-02", "2026-01-03"} {
		for _, prize := range []string{"figure", "toy"} {
			b := books[date+"/"+prize]
			if b.Available != 0 || b.Total != b.Issued {
				t.Errorf("after the day nothing is left in its books: %+v", b)
			}
			left -= b.Issued
		}
	}
	left += 2 + 150 + 2 + 150 + 10 + 300
	next := books["2026-01-04/figure"].Available + books["2026-01-04/toy"].Available
	if next != left+152 {
		t.Errorf("%d units on the fourth day, want its 152 and the %d that were left", next, left)
	}
	if books["coupon"].Issued == 0 || x.denied[problem.Capped] == 0 {
		t.Errorf("coupons %+v, denials %v", books["coupon"], x.denied)
	}
	t.Logf("%d boxes were opened, wins %v, denials %v; %d units went on to the fourth day", n, x.wins, x.denied, left)
}

// A day of the platform: three sessions, two channels.
func TestPlatform(t *testing.T) {
	x := seat(t, "platform.yaml")
	v := x.campaign.Version()
	crowd := rand.New(rand.NewPCG(8, 9))
	drawn := make(map[string]int) // user and session
	phones := make(map[string]int)
	notReleased := 0
	for x.now = v.StartsAt; x.now < v.EndsAt; x.now += engine.UnixMilli(crowd.IntN(2 * minute / 20)) {
		user, channel := fmt.Sprint("u", crowd.IntN(4000)), []string{"pc", "app"}[crowd.IntN(2)]
		rec := x.drawIn(user, channel)
		if rec == nil {
			continue
		}
		s := v.Sessions[rec.Session-1]
		drawn[user+s.ID]++
		if rec.At < s.StartsAt || rec.At >= s.EndsAt || drawn[user+s.ID] > 2 {
			t.Fatalf("%s drew %d times in %s, at %d", user, drawn[user+s.ID], s.ID, rec.At)
		}
		slot := v.Channel(rec.Channel).SlotOf(rec.Prize, rec.Word)
		limit := map[string]int16{"pc": 8, "app": 6}[channel]
		if slot < 0 || slot >= limit {
			t.Fatalf("slot %d of %s's wheel", slot, channel)
		}
		if rec.Cause == engine.CauseNotReleased {
			notReleased++
		}
		if rec.Prize != engine.NoPrize && v.Prizes[rec.Prize].ID == "phone" {
			if phones[user]++; s.ID == "morning" || phones[user] > 1 {
				t.Fatalf("phone number %d for %s in %s", phones[user], user, s.ID)
			}
		}
	}
	before := x.denied[problem.UnknownChannel]
	x.now = v.EndsAt - 1
	if x.drawIn("late", "tv") != nil || x.denied[problem.UnknownChannel] != before+1 {
		t.Errorf("a channel that the file does not know: %v", x.denied)
	}
	x.now = v.EndsAt
	if x.drawIn("late", "pc") != nil || x.denied[problem.Ended] != 1 {
		t.Errorf("after the end: %v", x.denied)
	}
	books := x.sessionBooks()
	for cell, total := range map[string]engine.Quantity{"noon/phone": 6, "evening/phone": 20, "morning/headset": 40, "evening/headset": 100} {
		b := books[cell]
		if b.Available+b.Unreleased != 0 {
			t.Errorf("%s after its session: %+v", cell, b)
		}
		if moved := map[string]string{"noon/phone": "evening/phone", "morning/headset": "evening/headset"}[cell]; moved != "" {
			if b.Total+books[moved].Total != total+map[string]engine.Quantity{"evening/phone": 20, "evening/headset": 100}[moved] {
				t.Errorf("%s carried to %s: %+v %+v", cell, moved, b, books[moved])
			}
		}
	}
	if notReleased == 0 || x.denied[problem.Capped] == 0 || x.denied[problem.NotStarted] == 0 || len(phones) == 0 {
		t.Errorf("the day does not reach everything: %d not released, %v, %d phones", notReleased, x.denied, len(phones))
	}
	keys := make([]string, 0, len(books))
	for id := range books {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	for _, id := range keys {
		t.Logf("%-18s %+v", id, books[id])
	}
	t.Logf("denials %v, %d misses because nothing was released yet", x.denied, notReleased)
}
