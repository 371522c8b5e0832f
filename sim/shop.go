package sim

import (
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/drawtest"
)

// shop is what all clients know: the campaigns and pools that there are.
type shop struct {
	world *World
	keyer engine.Keyer
	began engine.UnixMilli
}

// The campaigns and pools, by the order in which open makes them.
const (
	flash engine.CampaignRef = 1 // caps and small stocks
	perks engine.CampaignRef = 2 // chances are granted

	seats engine.PoolRef = 1 // held for seconds
	rare  engine.PoolRef = 2 // taken at once
)

const users = 30

func newShop(w *World) *shop {
	s := &shop{world: w, began: engine.UnixMilli(time.Now().UnixMilli())}
	for _, r := range w.running() {
		if ns, ok := r.engine.Namespace("default"); ok {
			s.keyer = ns.Keyer()
		}
	}
	return s
}

// open publishes everything.
func (s *shop) open() bool {
	c := newClient(s.world, 0)
	for _, v := range []*engine.Version{s.flashVersion(), s.perksVersion()} {
		if !c.insist(s.publish(c, v)) {
			return false
		}
	}
	for _, p := range []engine.PutPool{
		{ID: "seats", Total: 12, Policy: engine.PoolPolicy{HoldTTL: 4000, LimitPerOwner: 4, Restock: engine.RestockOne}},
		{ID: "rare", Total: 20, Policy: engine.PoolPolicy{HoldTTL: 4000, Restock: engine.RestockOne}},
	} {
		p.Namespace, p.Expect, p.Actor = 1, engine.AnyRevision, "op"
		ok := c.insist(intent{key: "pool/" + p.ID, make: func(mark string) *drawtest.Command {
			q := p
			q.Reason = mark
			return &drawtest.Command{Stock: &drawtest.Stock{Pool: &q}}
		}})
		if !ok {
			return false
		}
	}
	return true
}

func (s *shop) flashVersion() *engine.Version {
	return &engine.Version{
		Campaign: "flash", TimeZone: "UTC", Transitions: []engine.Transition{{}}, StartsAt: s.began - 3600_000, EndsAt: s.began + 30*24*3600_000,
		Denominator: 1000, Exhausted: engine.Miss,
		Caps: []engine.Cap{
			{ID: "life", Window: engine.Window{Kind: engine.WindowCampaign}, Limit: 14, Prize: -1},
			{ID: "burst", Window: engine.Window{Kind: engine.WindowRolling, Duration: 20_000}, Limit: 5, Prize: -1},
			{ID: "lucky", Counts: engine.CountWins, Window: engine.Window{Kind: engine.WindowHour}, Limit: 9, Prize: -1},
		},
		Prizes: []engine.Prize{
			{ID: "gold", Weight: 250, Stock: 30, Units: 1, Fallback: -1, Slot: -1},
			{ID: "silver", Weight: 300, Stock: 60, Units: 1, Unavailable: engine.OnFallback, Fallback: 2, Slot: -1},
			{ID: "bronze", Weight: 150, Stock: 70, Units: 2, Fallback: -1, Slot: -1},
			{ID: "thanks", Weight: 100, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: -1},
		},
	}
}

func (s *shop) perksVersion() *engine.Version {
	return &engine.Version{
		Campaign: "perks", TimeZone: "UTC", Transitions: []engine.Transition{{}}, StartsAt: s.began - 3600_000, EndsAt: s.began + 30*24*3600_000,
		Denominator: 1000,
		Chances: &engine.Chances{
			Mode: engine.ChancesGranted, Price: 1, Lots: 4, Sources: []engine.ChanceSource{{ID: "visit", Priority: 3}, {ID: "buy", ExpiresAfter: 60_000}},
		},
		Prizes: []engine.Prize{{ID: "perk", Weight: 400, Stock: 80, Units: 1, Fallback: -1, Slot: -1}},
	}
}

// publish is the intent to make a version live.
func (s *shop) publish(c *client, v *engine.Version) intent {
	var seed [16]byte
	for i := range seed {
		seed[i] = byte(c.rng.Uint32())
	}
	return intent{make: func(mark string) *drawtest.Command {
		copied := *v
		return &drawtest.Command{Seed: seed, Publish: &engine.Publish{
			Namespace: 1, Version: &copied, SealedSeed: engine.SealSeed(drawtest.ClusterKey, [12]byte(seed[:12]), seed), Actor: "op", Reason: mark,
		}}
	}}
}

// intent is what a client wants, to be tried until it is known what became of it. A command is made for each try: its
// mark makes its bytes like those of no other, where neither the key nor what is decided depends on it.
type intent struct {
	key   string // of the idempotency key; empty for what has none
	make  func(mark string) *drawtest.Command
	names *engine.Location // of the hold that the command names
	order *order           // of a draw, which can go over HTTP, too
	// settled is called with what the log decided, once.
	settled func(r *engine.Result)
}
