package engine

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine/names"
)

// PoolPrize says that a prize's units come from a pool of the namespace, which campaigns, takes and holds share. Stock,
// opening, closing and the bounds of an owner are the pool's; weight, caps and fallback stay the prize's. The prize has no
// stock of its own (Prize.Stock is Unlimited): the campaign's books count the units that its draws gave, and what became of
// them is in the pool's.
type PoolPrize struct {
	Prize uint16 // index into Version.Prizes
	Pool  string // id, in the campaign's namespace
	// Hold makes a win a hold of so many ms, which a payment confirms; 0: a win is issued at once.
	Hold int64
	// Forfeit, of a hold: units that nobody confirmed in time are expired, and do not come back.
	Forfeit bool
}

// MaxPoolsPerCampaign bounds the pools that one version draws on: a draw locks them all.
const MaxPoolsPerCampaign = 16

// PoolOf returns the pool that a prize's units come from; ok is false where it has stock of its own.
func (v *Version) PoolOf(prize int) (z PoolPrize, ok bool) {
	for i := range v.PoolPrizes {
		if int(v.PoolPrizes[i].Prize) == prize {
			return v.PoolPrizes[i], true
		}
	}
	return z, false
}

// pooled reports whether a prize's units come from a pool.
func (v *Version) pooled(prize int) bool {
	_, ok := v.PoolOf(prize)
	return ok
}

// validatePoolPrizes reports the first rule that v breaks with prizes from pools.
func (v *Version) validatePoolPrizes() error {
	if len(v.PoolPrizes) == 0 {
		return nil
	}
	var pools []string
	for i := range v.PoolPrizes {
		z := &v.PoolPrizes[i]
		if int(z.Prize) >= len(v.Prizes) || i > 0 && z.Prize <= v.PoolPrizes[i-1].Prize {
			return invalid("prize of a pool")
		}
		if err := v.validatePoolPrize(z); err != nil {
			return err
		}
		if !slices.Contains(pools, z.Pool) {
			pools = append(pools, z.Pool)
		}
	}
	switch {
	case len(pools) > MaxPoolsPerCampaign:
		return invalid("number of pools: at most 16 for one campaign")
	case v.Exhausted == End:
		return invalid("exhausted: units may come back to a pool, so an empty one does not end a campaign")
	case v.Mode.Kind != ModeWeighted:
		return invalid("mode: with prizes from pools draws go by weights")
	case len(v.Boosts) > 0:
		return invalid("redistribution: others empty and fill a pool, so weights do not follow its stock")
	}
	return nil
}

func (v *Version) validatePoolPrize(z *PoolPrize) error {
	p, prize := &v.Prizes[z.Prize], int(z.Prize)
	switch {
	case !names.Pool(z.Pool):
		return invalid("pool of prize " + p.ID)
	case p.Stock != Unlimited:
		return invalid("prize " + p.ID + " comes from a pool: it has no stock of its own")
	case p.Kind == KindThanks || p.Kind == KindChance || v.amountOf(prize) != nil || p.Amount != 0:
		return invalid("prize " + p.ID + " comes from a pool: nothing of that kind does")
	case z.Hold != 0 && (z.Hold < MinHoldTTL || z.Hold > MaxHoldLife), z.Hold == 0 && z.Forfeit:
		return invalid("hold of prize " + p.ID + ": 1 s to 24 h")
	}
	if _, coded := v.CodesOf(prize); coded {
		return invalid("prize " + p.ID + " comes from a pool: it hands out no codes")
	}
	if _, delivered := v.DeliveryOf(prize); delivered && z.Hold != 0 {
		return invalid("prize " + p.ID + " is a hold: a payment confirms it, and nobody claims it")
	}
	if slices.ContainsFunc(v.Releases, func(r Release) bool { return int(r.Prize) == prize }) {
		return invalid("prize " + p.ID + " comes from a pool: no schedule releases it")
	}
	for i := range v.Pity {
		if slices.ContainsFunc(v.Pity[i].List, func(r PityPrize) bool { return int(r.Prize) == prize }) {
			return invalid("prize " + p.ID + " comes from a pool: a pity cannot reserve any of it")
		}
	}
	for _, set := range v.Sets {
		for _, s := range set {
			if int(s.Prize) == prize && s.Stock != StockShared {
				return invalid("prize " + p.ID + " comes from a pool: sessions have no units of their own of it")
			}
		}
	}
	return nil
}

// checkPools reports a pool of v that the namespace does not have.
func (n *Namespace) checkPools(v *Version) error {
	for i := range v.PoolPrizes {
		z := &v.PoolPrizes[i]
		if _, found := n.Pool([]byte(z.Pool)); !found {
			return fmt.Errorf("prize %q comes from pool %q, which namespace %q does not have: make the pool first", v.Prizes[z.Prize].ID, z.Pool, n.name)
		}
	}
	return nil
}

func (w *writer) poolPrizes(all []PoolPrize) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		z := &all[i]
		w.u16(z.Prize)
		w.str(z.Pool)
		w.i64(z.Hold)
		w.flag(z.Forfeit)
	}
}

func (r *reader) poolPrizes() (all []PoolPrize) {
	for range r.count(MaxPrizes) {
		all = append(all, PoolPrize{r.u16(), r.str(MaxIDBytes), r.i64(), r.flag()})
	}
	r.fail = r.fail || len(all) == 0
	return all
}

// poolPlan is a prize from a pool, made ready for the ladder.
type poolPlan struct {
	pool    *Pool
	hold    int64 // ms; 0: issued at once
	forfeit bool
}

// poolsPlan is what a version draws out of pools; nil for nothing.
type poolsPlan struct {
	pools []*Pool // ascending by ref, each once: the order of their locks
	holds bool    // some win is a hold
}

// compilePools resolves the pools of a version. Every one of them is there: see checkPools.
func (c *Campaign) compilePools(p *plan, v *Version) {
	if len(v.PoolPrizes) == 0 {
		return
	}
	p.pools = new(poolsPlan)
	for i := range v.PoolPrizes {
		z := &v.PoolPrizes[i]
		pool, _ := c.namespace.Pool([]byte(z.Pool))
		p.prizes[z.Prize].pool = &poolPlan{pool, z.Hold, z.Forfeit}
		p.pools.holds = p.pools.holds || z.Hold != 0
		if at, found := slices.BinarySearchFunc(p.pools.pools, pool.ref, func(p *Pool, r PoolRef) int { return int(p.ref) - int(r) }); !found {
			p.pools.pools = slices.Insert(p.pools.pools, at, pool)
		}
	}
}
