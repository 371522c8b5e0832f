package campaignfile

import (
	"slices"

	"github.com/drawd/drawd/engine"
)

// expiries are the words for what becomes of units that nobody confirmed.
var expiries = []string{"restock", "forfeit"}

// readPool reads pool: <id>.
func (c *campaign) readPool(v value, p *prizeEntry) {
	p.poolAt = v
	s, ok := c.text(v)
	if !ok {
		return
	}
	if (&engine.PutPool{ID: s}).CheckPool() != nil {
		c.fault(v, "must be the id of a pool: 1 to %d characters A-Z, a-z, 0-9, '.', '_' and '-', beginning with a letter or digit, not %q", engine.MaxIDBytes, brief(s))
		return
	}
	p.pool = s
}

// pooled reports whether a prize's units come from a pool.
func (p *prizeEntry) pooled() bool { return p.poolAt.node != nil }

// checkPool reports what cannot stand beside a prize's pool. What is the pool's is taken off the prize, so that no other
// check speaks of it again.
func (c *campaign) checkPool(p *prizeEntry) {
	if !p.pooled() {
		if p.award != nil && p.award.holdAt.node != nil {
			c.fault(p.award.holdAt, "only units of a pool can be held: make a pool, and name it with pool:")
		}
		return
	}
	if p.stockAt.node != nil {
		c.fault(p.stockAt, "the units come from pool %q: remove stock, and change the pool's total instead", p.pool)
	}
	if p.release != nil {
		c.fault(p.release.at, "the units come from pool %q: remove release; the pool's opens_at says from when", p.pool)
	}
	if p.codes != nil {
		c.fault(p.codes.at, "the units come from pool %q, which has no codes: remove codes or pool", p.pool)
	}
	if p.boostAt.node != nil {
		c.fault(p.boostAt, "others empty and fill pool %q, so no weight follows its stock: use miss or {fallback: <prize>}", p.pool)
	}
	if p.stated && !poolKind(p.Kind) {
		c.fault(p.poolAt, "the units of a pool are things, not %s: remove pool", p.Kind)
	}
	if c.isPityPrize(p.ID) {
		c.fault(p.poolAt, "a pity gives prize %q, and cannot reserve units of a pool: give it a stock of its own", p.ID)
	}
	p.Stock, p.release, p.codes = engine.Unlimited, nil, nil
}

func poolKind(k engine.PrizeKind) bool {
	return k != engine.KindThanks && k != engine.KindChance && k != engine.KindCash && k != engine.KindPoints
}

// checkPools finds what a campaign with prizes from pools cannot have.
func (c *campaign) checkPools() {
	first := slices.IndexFunc(c.prizes, func(p prizeEntry) bool { return p.pooled() })
	if first < 0 {
		return
	}
	at := c.prizes[first].poolAt
	if c.version.Exhausted == engine.End {
		c.fault(at, "units may come back to a pool, so an empty one does not end a campaign: write exhausted: deny or miss")
	}
	if c.version.Mode.Kind != engine.ModeWeighted && !c.modeFaulty {
		c.fault(c.modeAt, "others empty and fill pool %q, so draws go by weights: use weighted", c.prizes[first].pool)
	}
	var pools []string
	for i := range c.prizes {
		p := &c.prizes[i]
		if p.boostAt.node != nil && !p.pooled() {
			c.fault(p.boostAt, "prize %q comes from a pool, which others empty and fill: use miss or {fallback: <prize>}", c.prizes[first].ID)
		}
		if p.pooled() && !slices.Contains(pools, p.pool) {
			if pools = append(pools, p.pool); len(pools) == engine.MaxPoolsPerCampaign+1 {
				c.fault(p.poolAt, "at most %d pools in one campaign", engine.MaxPoolsPerCampaign)
			}
		}
	}
}

// compilePools adds the prizes from pools to the version.
func (c *campaign) compilePools() {
	for i := range c.prizes {
		p := &c.prizes[i]
		if !p.pooled() {
			continue
		}
		z := engine.PoolPrize{Prize: uint16(i), Pool: p.pool}
		if p.award != nil {
			z.Hold, z.Forfeit = p.award.hold, p.award.forfeit
		}
		c.version.PoolPrizes = append(c.version.PoolPrizes, z)
	}
}

// poolForm puts a prize's pool into its canonical form, instead of a stock.
func poolForm(d *prizeDocument, v *engine.Version, prize int) {
	z, ok := v.PoolOf(prize)
	if !ok {
		return
	}
	d.Pool, d.Stock = z.Pool, nil
	if z.Hold == 0 {
		return
	}
	d.Award = &deliveryDocument{Hold: formatDuration(z.Hold)}
	if z.Forfeit {
		d.Award.OnExpiry = expiries[1]
	}
}

// worsePool says what next takes from the winners of a prize by its pool; empty for nothing.
func worsePool(live, next *engine.Version, id string) (field, says string) {
	pool := func(v *engine.Version) (z engine.PoolPrize) {
		for i := range v.Prizes {
			if v.Prizes[i].ID == id {
				z, _ = v.PoolOf(i)
			}
		}
		return z
	}
	was, is := pool(live), pool(next)
	switch {
	case is.Pool != was.Pool && was.Pool != "":
		return "pool", "its units came from pool " + was.Pool
	case is.Pool != was.Pool:
		return "pool", "its units were its own"
	case is.Hold != 0 && was.Hold == 0:
		return "award", "a win was issued at once, and needed no confirmation"
	case is.Hold != 0 && is.Hold < was.Hold:
		return "award", "was held for " + formatDuration(was.Hold) + ": that may only grow"
	case is.Forfeit && !was.Forfeit:
		return "award", "what nobody confirmed came back for others"
	}
	return "", ""
}
