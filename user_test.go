package drawd_test

import (
	"context"
	"errors"
	"testing"

	"github.com/drawd/drawd"
	"github.com/drawd/drawd/drawdtest"
)

// TestUserPattern: whom the policy does not allow can do nothing that makes a row, whatever it is.
func TestUserPattern(t *testing.T) {
	db, ctx := drawdtest.Open(t), context.Background()
	c := db.MustPublish(earned)
	mustPool(t, db, "seats", 9, drawd.PoolPolicy{})
	policy := "time_zone: UTC\nuser_pattern: '[0-9]{3}'\nfatigue_caps: [{id: push, window: day, limit: 5}]\n"
	if err := db.SetPolicy(ctx, []byte(policy)); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(user string) error{
		"grant": func(user string) error {
			_, err := c.Grant(ctx, drawd.GrantRequest{User: user, Source: "share", Event: "e", Amount: 1})
			return err
		},
		"hit": func(user string) error {
			_, err := db.Hit(ctx, drawd.HitRequest{Cap: "push", User: user})
			return err
		},
		"take": func(user string) error {
			_, err := db.Take(ctx, drawd.TakeRequest{Owner: user, Pool: "seats", Units: 1})
			return err
		},
		"hold": func(user string) error {
			_, err := db.Hold(ctx, drawd.HoldRequest{Owner: user, Items: []drawd.Item{{Pool: "seats", Units: 1}}})
			return err
		},
	} {
		if err := do("abc"); !errors.Is(err, drawd.ErrInvalidField) {
			t.Errorf("%s for one whom the policy does not allow: %v", name, err)
		}
		if err := do("123"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
