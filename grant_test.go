package drawd_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd"
	"github.com/drawd/drawd/drawdtest"
	"github.com/drawd/drawd/engine"
)

// earned is a campaign whose draws cost a chance and which is not for everybody.
const earned = `
campaign: earned
time_zone: UTC
starts_at: 2026-01-01T00:00:00Z
ends_at: 2026-01-10T00:00:00Z
denominator: 1
chances:
  mode: granted
  price: 1
  sources: {share: {daily_limit: 2}}
audience:
  attributes:
    level: {type: int}
    signed: {type: int, from: ticket}
  rule: level >= 3
tickets: {required: false}
prizes:
  - {id: points, kind: points, amount: {fixed: 50}, weight: 1, stock: 10}
`

func TestGrantAndAudience(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(earned)
		level := func(n any) []drawd.Attribute { return []drawd.Attribute{{Name: "level", Value: n}} }
		draw := func(key string, a []drawd.Attribute) (drawd.Outcome, error) {
			return c.Draw(ctx, drawd.DrawRequest{User: "u", Key: key, Attributes: a})
		}
		if _, err := draw("k1", level(3)); !errors.Is(err, drawd.ErrNoChances) {
			t.Error(err)
		}
		for _, want := range []drawd.Granted{{Chances: 2, Left: 2, Reason: "daily_limit"}, {Chances: 2, Left: 2, Reason: "daily_limit", Already: true}} {
			if g, err := c.Grant(ctx, drawd.GrantRequest{User: "u", Source: "share", Event: "e1", Amount: 5}); err != nil || g != want {
				t.Errorf("%+v, %v; want %+v", g, err, want)
			}
		}
		if _, err := draw("k2", level(2)); !errors.Is(err, drawd.ErrNotEligible) {
			t.Error(err)
		}
		if _, err := draw("k2", level("3")); !errors.Is(err, drawd.ErrInvalidField) {
			t.Error(err)
		}
		if _, err := draw("k2", []drawd.Attribute{{Name: "rank", Value: 3}}); err == nil || !strings.Contains(err.Error(), "no attribute rank") {
			t.Error(err)
		}
		if _, err := draw("k2", []drawd.Attribute{{Name: "signed", Value: 3}}); !errors.Is(err, drawd.ErrInvalidField) {
			t.Error(err)
		}
		if out, err := draw("k2", level(3)); err != nil || out.Prize.Amount != 50 || out.Prize.Kind != engine.KindPoints || out.Chances != 1 || out.Prize.Left != 9 {
			t.Errorf("%+v, %v", out, err)
		}
		if taken, debt, err := c.Revoke(ctx, "u", "share", "e1", time.Time{}, "fraud"); err != nil || taken != 1 || debt != 1 {
			t.Error(taken, debt, err)
		}
		if u, err := c.User("u"); err != nil || u.Chances.Spendable != 0 || !errors.Is(u.Denied, drawd.ErrNoChances) {
			t.Errorf("%+v, %v", u, err)
		}
		if _, err := c.Grant(ctx, drawd.GrantRequest{User: "u", Source: "x", Event: "e2", Amount: 1}); err == nil || !strings.Contains(err.Error(), "no such source") {
			t.Error(err)
		}
	})
}

// TestFaultsOfRequests refuses what no draw could be, and leaves nothing behind.
func TestFaultsOfRequests(t *testing.T) {
	db, ctx := drawdtest.Open(t), context.Background()
	c := db.MustPublish(wheel)
	_, before, _ := db.Records(drawd.Cursor{}, 100)
	for what, q := range map[string]drawd.DrawRequest{
		"no user": {}, "user": {User: "a b"}, "long user": {User: strings.Repeat("u", 129)}, "key": {User: "u", Key: "a b"},
		"long key": {User: "u", Key: strings.Repeat("k", 65)}, "times": {User: "u", Times: 11}, "negative": {User: "u", Times: -1},
		"channel": {User: "u", Channel: "ü"}, "device": {User: "u", Device: "a/b"}, "version": {User: "u", ExpectVersion: -1},
	} {
		if _, err := c.Draw(ctx, q); !errors.Is(err, drawd.ErrInvalidField) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var e *drawd.Error
	if _, err := db.Publish(ctx, []byte("campaign: x\nprizes: 5\n")); !errors.Is(err, drawd.ErrInvalidCampaign) || !errors.As(err, &e) || len(e.Faults) < 3 || e.Faults[0].Line == 0 {
		t.Errorf("%+v", err)
	}
	if _, err := db.Publish(ctx, []byte(strings.Replace(wheel, "limit: 3", "limit: 2", 1))); !errors.Is(err, drawd.ErrInvalidCampaign) {
		t.Errorf("a tighter cap: %v", err)
	}
	if _, err := c.Adjust(ctx, "nothing", 1, "k", ""); !errors.Is(err, drawd.ErrPrizeNotFound) {
		t.Error(err)
	}
	if _, _, err := db.Records(drawd.Cursor{}, 0); !errors.Is(err, drawd.ErrInvalidField) {
		t.Error(err)
	}
	if _, err := drawd.ParseCursor("1.x"); err == nil {
		t.Error("a cursor of nonsense")
	}
	if _, after, _ := db.Records(drawd.Cursor{}, 100); after != before {
		t.Errorf("the faults left records: %v, then %v", before, after)
	}
	if _, err := db.PublishForced(ctx, []byte(strings.Replace(wheel, "limit: 3", "limit: 2", 1)), "a mistake"); err != nil || c.Version() != 2 {
		t.Error(err, c.Version())
	}
	if total, err := c.Adjust(ctx, "phone", 5, "k", "delivery"); err != nil || total != 15 {
		t.Error(total, err)
	}
	if _, err := drawd.Open(drawd.Options{Shards: 3, Actor: strings.Repeat("a", 200), RecordBytes: 1}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("all faults of the options at once: %v", err)
	}
}

// TestPauseResumeEnd stops draws and goes on.
func TestPauseResumeEnd(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(wheel)
		end := c.EndsAt()
		if err := c.Pause(ctx, "look"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Draw(ctx, drawd.DrawRequest{User: "u"}); !errors.Is(err, drawd.ErrPaused) {
			t.Error(err)
		}
		db.Advance(time.Hour)
		if err := c.Resume(ctx, true, "fine"); err != nil || c.EndsAt().Sub(end) != time.Hour {
			t.Error(err, c.EndsAt(), end)
		}
		draw(t, c, "u", "k")
		if err := c.End(ctx, "enough"); err != nil || c.Status() != engine.StatusEnded {
			t.Error(err, c.Status())
		}
	})
}
