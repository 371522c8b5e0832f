package drawd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drawd/drawd"
	"github.com/drawd/drawd/drawdtest"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const operated = `
campaign: shop
time_zone: UTC
starts_at: 2025-11-11T00:00:00Z
ends_at: 2027-11-21T00:00:00Z
denominator: 100
chances: {mode: granted, sources: {friend: {}}}
caps:
  - {id: assists, counts: assists, window: day, limit: 1}
  - {id: invites, counts: invites, window: campaign, limit: 3}
helps: {owner: {source: friend, amount: 2}, helper: {source: friend, amount: 1}}
prizes:
  - {id: phone, kind: physical, weight: 100, stock: 10, on_unavailable: {fallback: book}, award: {claim: required, claim_within: 72h}}
  - {id: book, kind: physical, weight: 0, stock: 10}
  - {id: voucher, kind: code, weight: 0, codes: unique}
`

// both runs a test in memory and on disk.
func both(t *testing.T, test func(t *testing.T, db *drawdtest.DB)) {
	t.Run("memory", func(t *testing.T) { test(t, drawdtest.Open(t)) })
	t.Run("disk", func(t *testing.T) {
		test(t, drawdtest.Open(t, func(o *drawd.Options) { o.Dir = t.TempDir() }))
	})
}

func TestHelps(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(operated)
		q := drawd.HelpRequest{Owner: "ann", Helper: "bob", Key: "k1", Event: "link-7"}
		for i := range 2 {
			h, err := c.Help(ctx, q)
			if err != nil || h.OwnerChances != 2 || h.HelperChances != 1 || h.Event != "link-7" || h.Replayed != (i == 1) {
				t.Fatalf("%+v %v", h, err)
			}
		}
		var e *drawd.Error
		if _, err := c.Help(ctx, drawd.HelpRequest{Owner: "eve", Helper: "bob"}); !errors.As(err, &e) || !errors.Is(err, drawd.ErrCapped) || e.Of != "helper" || e.Cap != "assists" {
			t.Errorf("a second help on one day: %v", err)
		}
		for i := range 3 {
			_, err := c.Help(ctx, drawd.HelpRequest{Owner: "ann", Helper: fmt.Sprint("h", i)})
			if i == 2 && (!errors.As(err, &e) || e.Of != "owner" || e.Cap != "invites") || i < 2 && err != nil {
				t.Errorf("invite %d: %v", i, err)
			}
		}
		if _, err := c.Help(ctx, drawd.HelpRequest{Owner: "ann", Helper: "ann"}); !errors.Is(err, drawd.ErrInvalidField) {
			t.Error(err)
		}
		if u, err := c.User("ann"); err != nil || u.Chances.Remaining != 6 {
			t.Errorf("%+v %v", u, err)
		}
	})
}

// play grants a chance and draws.
func play(t *testing.T, c *drawd.Campaign, user string) drawd.Outcome {
	t.Helper()
	ctx := context.Background()
	if _, err := c.Grant(ctx, drawd.GrantRequest{User: user, Source: "friend", Event: "e-" + user, Amount: 1}); err != nil {
		t.Fatal(err)
	}
	out, err := c.Draw(ctx, drawd.DrawRequest{User: user, Key: "d-" + user})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAwardsAndVoids(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(operated)
		won := play(t, c, "ann")
		move := func(m engine.AwardMove, want engine.AwardState, already bool) {
			t.Helper()
			d, err := db.MoveAward(ctx, won.ID(), m, "parcel 7")
			if err != nil || d.State != want || d.Already != already || d.User != "ann" || d.Campaign != "shop" {
				t.Fatalf("%+v %v", d, err)
			}
		}
		if d, err := db.Delivery(won.ID()); err != nil || d.State != engine.AwardWon || d.ExpiresAt.Sub(d.At) != 72*time.Hour {
			t.Errorf("%+v %v", d, err)
		}
		if d, err := db.MoveAward(ctx, won.ID(), engine.MoveDone, ""); !errors.Is(err, drawd.ErrConflict) || d.State != engine.AwardWon {
			t.Errorf("delivered before it was claimed: %+v %v", d, err)
		}
		move(engine.MoveClaim, engine.AwardClaimed, false)
		move(engine.MoveClaim, engine.AwardClaimed, true)
		move(engine.MoveDeliver, engine.AwardDelivering, false)
		move(engine.MoveFail, engine.AwardPayoutFailed, false)
		move(engine.MoveDeliver, engine.AwardDelivering, false)
		move(engine.MoveDone, engine.AwardDelivered, false)

		// A complaint is compensated once.
		for i := range 2 {
			a, err := c.Award(ctx, drawd.AwardRequest{User: "bob", Prize: "book", Ticket: "t-1", Reason: "late"})
			if err != nil || a.Already != (i == 1) || a.Seq == 0 || a.At.IsZero() {
				t.Fatalf("%+v %v", a, err)
			}
		}
		if _, err := c.Award(ctx, drawd.AwardRequest{User: "bob", Prize: "phone", Ticket: "t-1"}); !errors.Is(err, drawd.ErrKeyReused) {
			t.Error(err)
		}

		// By abuse nothing comes back, and what is unpaid is frozen until somebody says otherwise.
		bad, other := play(t, c, "eve"), play(t, c, "eve2")
		for i := range 2 {
			v, err := db.Void(ctx, bad.ID(), engine.VoidAbuse, "two accounts")
			if err != nil || v.User != "eve" || v.Already != (i == 1) || v.Refunds != 0 {
				t.Fatalf("%+v %v", v, err)
			}
		}
		if _, err := db.Void(ctx, bad.ID(), engine.VoidSystem, ""); !errors.Is(err, drawd.ErrConflict) {
			t.Error(err)
		}
		if v, err := db.Void(ctx, other.ID(), engine.VoidSystem, "our fault"); err != nil || v.Refunds&engine.VoidStock == 0 || v.Refunds&engine.VoidChances == 0 {
			t.Errorf("%+v %v", v, err)
		}
		if changed, err := c.Thaw(ctx, "eve", "he was right"); err != nil || !changed {
			t.Error(changed, err)
		}
		for _, id := range []string{"", "x", won.ID()[:26] + "!"} {
			if _, err := db.Void(ctx, id, engine.VoidUser, ""); err == nil {
				t.Errorf("%q: %v", id, err)
			}
		}
		for _, s := range c.Stock() {
			if s.Total != s.Available+s.Issued+s.Withdrawn+s.Held+s.Reserved+s.Unreleased+s.Expired {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestVoidOfHoldsAndTakes(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		seats := mustPool(t, db, "seats", 5, drawd.PoolPolicy{})
		take, err := db.Take(ctx, drawd.TakeRequest{Owner: "ann", Pool: "seats", Units: 2})
		if err != nil {
			t.Fatal(err)
		}
		h, err := db.Hold(ctx, drawd.HoldRequest{Owner: "bob", Items: []drawd.Item{{Pool: "seats", Units: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.VoidHold(ctx, h.ID, engine.VoidUser, ""); !errors.Is(err, drawd.ErrConflict) {
			t.Errorf("a hold that is open is released: %v", err)
		}
		if _, err := db.Confirm(ctx, h.ID); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			for _, id := range []string{take.ID, h.ID} {
				v, err := db.VoidHold(ctx, id, engine.VoidSystem, "cancelled show")
				if err != nil || v.ID != id || v.State != engine.StateVoided || v.Already != (i == 1) {
					t.Errorf("%+v %v", v, err)
				}
			}
		}
		wantStock(t, "voided", seats, 5, 0, 0)
		all, err := db.Holds(drawd.HoldQuery{State: engine.StateVoided})
		if err != nil || len(all) != 2 || all[0].ID != h.ID || all[1].ID != take.ID {
			t.Errorf("%+v %v", all, err)
		}
	})
}

func TestCodes(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(operated)
		codes := make([]string, 2500)
		for i := range codes {
			codes[i] = fmt.Sprintf("CODE-%04d", i)
		}
		for _, want := range []int{2500, 0} {
			if n, err := c.ImportCodes(ctx, "voucher", codes...); err != nil || n != want {
				t.Fatal(n, err)
			}
		}
		if imported, left, ok := c.Codes("voucher"); imported != 2500 || left != 2500 || !ok {
			t.Error(imported, left, ok)
		}
		if _, err := c.ImportCodes(ctx, "phone", "A"); !errors.Is(err, drawd.ErrConflict) {
			t.Error(err)
		}
		if _, err := c.ImportCodes(ctx, "voucher", "A", "two words"); !errors.Is(err, drawd.ErrInvalidField) {
			t.Error(err)
		}
	})
}

func TestLists(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(operated)
		play(t, c, "ann")
		deny := drawd.Listing{List: engine.ListDeny, Until: db.Clock.Now().Add(time.Hour), Reason: "bots"}
		many := make([]string, 600)
		for i := range many {
			many[i] = fmt.Sprint("bot-", i)
		}
		for _, want := range []int{601, 0} {
			if n, err := db.PutOnList(ctx, deny, append(many, "ann")...); err != nil || n != want {
				t.Fatal(n, err)
			}
		}
		if l := db.Listed("ann"); len(l) != 1 || l[0].List != engine.ListDeny || l[0].Treatment != engine.Block {
			t.Errorf("%+v", l)
		}
		if _, err := c.Draw(ctx, drawd.DrawRequest{User: "ann"}); !errors.Is(err, drawd.ErrBlocked) {
			t.Error(err)
		}
		if n, err := db.TakeOffList(ctx, engine.ListDeny, "no bot", "ann", "nobody"); err != nil || n != 1 {
			t.Error(n, err)
		}
		if n, err := c.PutOnList(ctx, drawd.Listing{List: engine.ListAllow}, "ann"); err != nil || n != 1 || len(c.Listed("ann")) != 1 {
			t.Error(n, err)
		}
		if _, err := db.PutOnList(ctx, drawd.Listing{}, "ann"); !errors.Is(err, drawd.ErrInvalidField) {
			t.Error(err)
		}
	})
}

func TestRaffles(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(operated)
		users := make([]string, 50)
		for i := range users {
			users[i] = fmt.Sprint("guest-", i)
		}
		for range 2 {
			if n, err := c.Enter(ctx, "evening", users...); err != nil || n != 50 {
				t.Fatal(n, err)
			}
		}
		q := drawd.RaffleRequest{Raffle: "evening", Winners: 3, Alternates: 2, Prize: "phone", Reason: "the party"}
		first, err := c.DrawRaffle(ctx, q)
		if err != nil || len(first.Winners) != 3 || len(first.Alternates) != 2 || !first.Drawn || first.Entrants != 50 {
			t.Fatalf("%+v %v", first, err)
		}
		again, err := c.DrawRaffle(ctx, q)
		if err != nil || !slices.Equal(again.Winners, first.Winners) {
			t.Errorf("%+v %v", again, err)
		}
		moved, err := c.Redraw(ctx, "evening", "left early", first.Winners[0])
		if err != nil || moved.Winners[0] != first.Winners[1] || moved.Winners[2] != first.Alternates[0] || len(moved.Absent) != 1 {
			t.Errorf("%+v %v", moved, err)
		}
		if _, err := c.Enter(ctx, "evening", "late"); !errors.Is(err, drawd.ErrConflict) {
			t.Error(err)
		}
		if _, err := c.DrawRaffle(ctx, drawd.RaffleRequest{Raffle: "none", Winners: 1}); !errors.Is(err, drawd.ErrNotFound) {
			t.Error(err)
		}
		if all := c.Raffles(); len(all) != 1 || all[0].Digest != first.Digest || all[0].Seed != first.Seed {
			t.Errorf("%+v", all)
		}
	})
}

func TestSwitches(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(operated)
		won := play(t, c, "ann")
		for _, scope := range []string{"namespace", "campaign/shop", "prize/shop/phone", "payout/physical"} {
			for i := range 2 {
				if changed, err := db.Switch(ctx, scope, false, "look into it"); err != nil || changed != (i == 0) {
					t.Fatal(scope, changed, err)
				}
			}
		}
		if off := db.Switches(); len(off) != 4 {
			t.Errorf("%+v", off)
		}
		if _, err := c.Draw(ctx, drawd.DrawRequest{User: "bob"}); !errors.Is(err, drawd.ErrKilled) {
			t.Error(err)
		}
		if _, err := db.MoveAward(ctx, won.ID(), engine.MoveClaim, ""); err != nil {
			t.Errorf("a claim is never refused by a switch: %v", err)
		}
		if _, err := db.MoveAward(ctx, won.ID(), engine.MoveDeliver, ""); !errors.Is(err, drawd.ErrKilled) {
			t.Error(err)
		}
		for _, scope := range []string{"namespace", "campaign/shop"} {
			if changed, err := db.Switch(ctx, scope, true, "all is well"); err != nil || !changed {
				t.Error(scope, changed, err)
			}
		}
		if out := play(t, c, "carl"); out.Prize.ID == "phone" {
			t.Errorf("a prize that is switched off was won: %+v", out)
		}
		for _, scope := range []string{"", "global", "campaign", "campaign/shop/phone", "prize/shop", "payout/thanks"} {
			if _, err := db.Switch(ctx, scope, false, ""); !errors.Is(err, drawd.ErrInvalidField) {
				t.Errorf("%q: %v", scope, err)
			}
		}
		if _, err := db.Switch(ctx, "campaign/other", false, ""); !errors.Is(err, drawd.ErrCampaignNotFound) {
			t.Error(err)
		}
	})
}

func TestPublishAt(t *testing.T) {
	both(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(figures)
		next, at := []byte(figures+"title: {en: Better}\n"), db.Clock.Now().Add(time.Hour)
		if err := db.PublishAt(ctx, next, db.Clock.Now().Add(-time.Hour)); !errors.Is(err, drawd.ErrInvalidField) {
			t.Error(err)
		}
		if err := db.PublishAt(ctx, next, at); err != nil {
			t.Fatal(err)
		}
		if p := db.Pending(); len(p) != 1 || p[0].Campaign != "figures" || int64(p[0].At) != at.UnixMilli() {
			t.Errorf("%+v", p)
		}
		if _, err := db.Publish(ctx, next); !errors.Is(err, drawd.ErrConflict) {
			t.Errorf("published while a version waits: %v", err)
		}
		if err := db.Withdraw(ctx, "figures", "not yet"); err != nil {
			t.Error(err)
		}
		if err := db.Withdraw(ctx, "figures", "not yet"); !errors.Is(err, drawd.ErrNotFound) {
			t.Error(err)
		}
		if err := db.PublishAt(ctx, next, at); err != nil {
			t.Fatal(err)
		}
		db.Advance(time.Hour)
		if c.Version() != 2 || len(db.Pending()) != 0 {
			t.Errorf("version %d, %+v waits", c.Version(), db.Pending())
		}
	})
}

// A ring that has lost the record of a draw says so, and changes nothing.
func TestVoidOfALostRecord(t *testing.T) {
	db := drawdtest.Open(t, func(o *drawd.Options) { o.RecordBytes = 1 << 20 })
	c := db.MustPublish(figures)
	ctx := context.Background()
	first, err := c.Draw(ctx, drawd.DrawRequest{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		if _, err := c.Draw(ctx, drawd.DrawRequest{User: fmt.Sprint("u", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var e *drawd.Error
	if _, err := db.Void(ctx, first.ID(), engine.VoidSystem, ""); !errors.As(err, &e) || e.Code != problem.DrawNotFound || !errors.Is(err, drawd.ErrRecordGone) {
		t.Error(err)
	}
}
