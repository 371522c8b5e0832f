package sim

import (
	"fmt"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/drawtest"
)

// grant gives a user chances, by an event.
func (c *client) grant() intent {
	id, user := c.user()
	event := fmt.Sprintf("event-%d", c.fresh())
	source := []string{"visit", "buy"}[c.rng.IntN(2)]
	amount := uint32(1 + c.rng.IntN(3))
	return intent{key: "grant/" + event, make: func(mark string) *drawtest.Command {
		return &drawtest.Command{Grant: &engine.Grant{
			Campaign: perks, User: user, UserID: id, Source: source, Event: event, Amount: amount, Priority: engine.SourcePriority, Actor: "shop", Reason: mark,
		}}
	}}
}

// hold sets one or two seats aside.
func (c *client) hold() intent {
	id, owner := c.user()
	digest := c.world.shop.keyer.Hold(owner, fmt.Appendf(nil, "hold-%d", c.fresh()))
	units := engine.Quantity(1 + c.rng.IntN(2))
	ttl := int64(0)
	if c.chance(40) {
		ttl = int64(1000 * (1 + c.rng.IntN(8)))
	}
	return intent{
		key: fmt.Sprintf("hold/%x", digest),
		make: func(mark string) *drawtest.Command {
			return &drawtest.Command{Stock: &drawtest.Stock{Hold: &engine.Hold{
				Namespace: 1, Owner: owner, OwnerID: id, Digest: digest, Ref: []byte(mark), TTL: ttl, Items: []engine.Item{{Pool: seats, Units: units}}, Actor: "shop",
			}}}
		},
		settled: func(r *engine.Result) {
			if r.Code == problem.OK {
				c.holds = append(c.holds, held{at: r.At, owner: owner, digest: digest})
			}
		},
	}
}

// resolve confirms, releases or extends one of the last holds.
func (c *client) resolve() intent {
	h := c.holds[max(0, len(c.holds)-1-c.rng.IntN(min(len(c.holds), 4)))]
	s := drawtest.Stock{Of: h.digest, Owner: h.owner}
	what := c.rng.IntN(10)
	i := intent{names: &h.at}
	i.make = func(mark string) *drawtest.Command {
		t := s
		switch {
		case what < 5:
			t.Confirm = &engine.ConfirmHold{Namespace: 1, Reacquire: what == 0, Actor: mark}
		case what < 8:
			t.Release = &engine.ReleaseHold{Namespace: 1, Actor: "shop", Reason: mark}
		default:
			t.Extend = &engine.ExtendHold{Namespace: 1, Actor: mark, TTL: 3000}
		}
		return &drawtest.Command{Stock: &t}
	}
	return i
}

// take takes a rare thing.
func (c *client) take() intent {
	id, owner := c.user()
	digest := c.world.shop.keyer.Take(rare, owner, fmt.Appendf(nil, "take-%d", c.fresh()))
	units := engine.Quantity(1 + c.rng.IntN(2))
	return intent{key: fmt.Sprintf("take/%x", digest), make: func(mark string) *drawtest.Command {
		return &drawtest.Command{Stock: &drawtest.Stock{Take: &engine.Take{
			Namespace: 1, Pool: rare, Units: units, Owner: owner, OwnerID: id, Digest: digest, Ref: []byte(mark), Actor: "shop",
		}}}
	}}
}

// operate is what operators do: restock, switch a prize, pause, publish.
func (c *client) operate() intent {
	key := fmt.Sprintf("act-%d", c.fresh())
	actor := c.world.shop.keyer.User([]byte("op"))
	switch n := c.rng.IntN(10); {
	case n < 3:
		digest := c.world.shop.keyer.Digest(engine.DigestAdjust, flash, actor, []byte(key))
		prize := []string{"gold", "silver", "bronze"}[c.rng.IntN(3)]
		return intent{key: "adjust/" + key, make: func(mark string) *drawtest.Command {
			return &drawtest.Command{Adjust: &engine.Adjust{Campaign: flash, Prize: prize, Delta: 3, Digest: digest, Actor: "op", Reason: mark}}
		}}
	case n < 5:
		digest := c.world.shop.keyer.PoolAdjust(rare, "op", []byte(key))
		return intent{key: "restock/" + key, make: func(mark string) *drawtest.Command {
			return &drawtest.Command{Stock: &drawtest.Stock{Adjust: &engine.AdjustPool{Namespace: 1, Pool: rare, Delta: 2, Digest: digest, Actor: "op", Reason: mark}}}
		}}
	case n < 8:
		on := c.chance(75)
		return intent{make: func(mark string) *drawtest.Command {
			return &drawtest.Command{Switch: &engine.SetSwitch{
				Namespace: 1, Scope: engine.SwitchScope{Kind: engine.SwitchPrize, Campaign: flash, Prize: "gold"}, On: on, Actor: "op", Reason: mark,
			}}
		}}
	case n < 9:
		action := []engine.Action{engine.ActionPause, engine.ActionResume, engine.ActionResume}[c.rng.IntN(3)]
		return intent{make: func(mark string) *drawtest.Command {
			return &drawtest.Command{Control: &engine.Control{Campaign: perks, Action: action, Actor: "op", Reason: mark}}
		}}
	}
	v := c.world.shop.flashVersion()
	for i := range v.Prizes {
		if v.Prizes[i].Stock >= 0 {
			v.Prizes[i].Stock = engine.StockUnstated
		}
	}
	v.Title = fmt.Appendf(nil, `{"en":"%s"}`, key)
	return c.world.shop.publish(c, v)
}
