package campaignfile

import "github.com/drawd/drawd/engine"

// prizeEntry is a prize as it is read: what is compiled, and where the values stand that checks are about.
type prizeEntry struct {
	engine.Prize
	title    map[string]string
	fallback string // id of the fallback prize, for OnFallback
	pays     *amountEntry
	chanceFields
	stated   bool // the file names a kind
	release  *releaseEntry
	codes    *codesEntry
	award    *deliveryEntry // nil: a win is final at once
	pool     string         // whose units it gives; empty: its own
	valuable bool           // not for restricted users
	weighed  bool           // the file names a weight
	boost    uint32         // for OnRedistribute

	at, idAt, weightAt, stockAt, amountAt, fallbackAt, slotAt, boostAt, poolAt value
}

// kinds are the wire names of engine.PrizeKind, by number.
func kinds() (all []string) {
	for k := engine.KindPhysical; ; k++ {
		if _, ok := engine.ParsePrizeKind(k.String()); !ok {
			return all
		}
		all = append(all, k.String())
	}
}

func (c *campaign) readPrize(_ int, v value) {
	p := prizeEntry{at: v, Prize: engine.Prize{Stock: engine.StockUnstated, Units: 1, Fallback: -1, Slot: -1}}
	c.object(v, []field{
		{name: "id", required: required, read: func(v value) {
			p.idAt = v
			p.ID, _ = c.id(v)
		}},
		{name: "kind", required: required, read: func(v value) {
			i, ok := c.choice(v, kinds())
			p.Kind, p.stated = engine.PrizeKind(i), ok
		}},
		{name: "title", read: func(v value) { p.title = c.reader.title(v) }},
		{name: "weight", read: func(v value) {
			p.weighed = true
			n, ok := c.integer(v, 0, engine.MaxDenominator)
			if ok {
				p.weightAt = v
			}
			p.Weight = uint32(n)
		}},
		{name: "stock", read: func(v value) {
			p.stockAt = v
			p.Stock = c.readStock(v)
		}},
		{name: "units", read: func(v value) {
			n, _ := c.integer(v, 1, maxUnits)
			p.Units = uint32(n)
		}},
		{name: "value", read: func(v value) { p.Value, _ = c.integer(v, 0, maxValue) }},
		{name: "amount", read: func(v value) {
			p.amountAt = v
			c.readAmount(v, &p)
		}},
		{name: "chances", read: func(v value) {
			p.chancesAt = v
			p.Amount, _ = c.integer(v, 1, engine.MaxOwnGrant)
		}},
		{name: "chances_for", read: func(v value) {
			p.forAt = v
			p.chancesFor, _ = c.id(v)
		}},
		{name: "on_unavailable", read: func(v value) { c.readUnavailable(v, &p) }},
		{name: "slot", read: func(v value) {
			n, ok := c.integer(v, 0, maxSlot)
			if ok {
				p.slotAt, p.Slot = v, int16(n)
			}
		}},
		{name: "valuable", read: func(v value) { p.valuable = c.boolean(v) }},
		{name: "listed", read: func(v value) { p.Unlisted = !c.boolean(v) }},
		{name: "release", read: func(v value) { p.release = c.readRelease(v) }},
		{name: "pool", read: func(v value) { c.readPool(v, &p) }},
		{name: "award", read: func(v value) { p.award = c.readDelivery(v) }},
		{name: "budget", later: "write it as amount: {…, budget: n}"},
		{name: "codes", read: func(v value) { c.readCodes(v, &p) }},
	})
	c.prizes = append(c.prizes, p)
}

// readStock reads a number of units, or "unlimited" (null means the same).
func (c *campaign) readStock(v value) engine.Quantity {
	if v.kind == kindNull || v.kind == kindText && v.node.text == "unlimited" {
		return engine.Unlimited
	}
	if v.kind == kindText {
		c.fault(v, "must be a number of units or unlimited, not %q", brief(v.node.text))
		return 0
	}
	n, _ := c.integer(v, 0, engine.MaxStock)
	return engine.Quantity(n)
}

const waysOut = "miss, {fallback: <prize>} or {redistribute: {max_boost_ppm: n}}"

func (c *campaign) readUnavailable(v value, p *prizeEntry) {
	if v.kind == kindMap {
		c.object(v, []field{
			{name: "fallback", read: func(v value) {
				if id, ok := c.id(v); ok {
					p.Unavailable, p.fallback, p.fallbackAt = engine.OnFallback, id, v
				}
			}},
			{name: "redistribute", read: func(v value) { c.readRedistribute(v, p) }},
		})
		if len(v.keys) != 1 {
			c.fault(v, "must be %s", waysOut)
		}
		return
	}
	if v.kind != kindText || v.node.text != "miss" {
		c.fault(v, "must be %s", waysOut)
	}
}

// hasKey reports whether the map v has a key.
func hasKey(v value, name string) bool {
	for _, k := range v.keys {
		if k.name == name {
			return true
		}
	}
	return false
}

// prize returns the index of the prize with an id, or -1.
func (c *campaign) prize(id string) int {
	for i := range c.prizes {
		if c.prizes[i].ID == id && id != "" {
			return i
		}
	}
	return -1
}

func (c *campaign) checkPrizes() {
	if c.prizesAt.node != nil && c.prizesAt.kind == kindList && len(c.prizesAt.items) == 0 {
		c.fault(c.prizesAt, "must name at least one prize")
	}
	for i := range c.prizes {
		c.checkPool(&c.prizes[i]) // first: it takes off what the pool has instead
		c.checkCodes(&c.prizes[i])
		c.checkStock(&c.prizes[i]) // before the fallbacks, which ask what is unlimited
	}
	slots := make(map[int16]string)
	for i := range c.prizes {
		p := &c.prizes[i]
		if first := c.prize(p.ID); first >= 0 && first < i {
			c.fault(p.idAt, "prize %q is already defined in line %d: ids must be unique", p.ID, c.prizes[first].idAt.at.line)
		}
		c.checkAmount(p)
		c.checkDelivery(p)
		if c.version.Guaranteed && p.stated && p.Kind == engine.KindThanks {
			c.fault(p.at, "a thanks prize is a miss with a name: a guaranteed campaign cannot have one")
		}
		c.checkFallback(i)
		if p.Slot >= 0 {
			if other, taken := slots[p.Slot]; taken {
				c.warn(p.slotAt, "slot_shared", "slot %d is also the slot of prize %q", p.Slot, other)
			}
			slots[p.Slot] = p.ID
		}
	}
	c.checkWeights()
}

func (c *campaign) checkStock(p *prizeEntry) {
	switch {
	case p.stated && p.Kind == engine.KindThanks && p.Stock >= 0:
		c.fault(p.stockAt, "a thanks prize has no stock: remove it")
	case p.Stock > 0 && p.Stock < engine.Quantity(p.Units):
		c.fault(p.stockAt, "is %d, less than the %d units of one win: it could never be won", p.Stock, p.Units)
	case p.Stock == 0 && p.stockAt.node != nil:
		c.warn(p.stockAt, "no_stock", "prize %q cannot be won until its stock is adjusted", p.ID)
	case p.Stock == engine.StockUnstated && p.Kind == engine.KindThanks && p.stated:
		p.Stock = engine.Unlimited // thanks cost nothing, and nobody counts them
	}
}

func (c *campaign) checkAmount(p *prizeEntry) {
	pays := p.Kind == engine.KindCash || p.Kind == engine.KindPoints
	switch {
	case !p.stated:
	case pays && p.amountAt.node == nil:
		c.fault(p.at, "a prize of kind %s needs an amount, like amount: {fixed: 100}, in minor units", p.Kind)
	case !pays && p.amountAt.node != nil:
		c.fault(p.amountAt, "only prizes of kind cash or points pay an amount, not %s", p.Kind)
	}
}

// checkFallback walks the chain of fallbacks of the i-th prize.
func (c *campaign) checkFallback(i int) {
	p := &c.prizes[i]
	last := i
	for hops := 0; c.prizes[last].Unavailable == engine.OnFallback; hops++ {
		next := c.prize(c.prizes[last].fallback)
		switch {
		case next < 0:
			if last == i { // the prize that names it gets the fault, not all before it
				c.fault(p.fallbackAt, "there is no prize %q in this file", p.fallback)
			}
			return
		case next == i:
			c.fault(p.fallbackAt, "the fallbacks of prize %q lead back to itself", p.ID)
			return
		case hops == engine.MaxFallbackHops:
			c.fault(p.fallbackAt, "more than %d fallbacks follow one another from prize %q", engine.MaxFallbackHops, p.ID)
			return
		}
		last = next
	}
	if why := c.guaranteedEnd(&c.prizes[last]); c.version.Guaranteed && why != "" && p.stated && p.idAt.node != nil {
		c.fault(p.at, "in a guaranteed campaign every prize must be unlimited or fall back to one that is; prize %q ends in %q, %s",
			p.ID, c.prizes[last].ID, why)
	}
}

// checkWeights holds the sum of the weights against the denominator: of a campaign without sessions and channels, where
// every draw is of the same prizes.
func (c *campaign) checkWeights() {
	if c.sessions != nil || len(c.channels) > 0 || c.version.Mode.Kind == engine.ModeDeck {
		return
	}
	var sum int64
	for i := range c.prizes {
		if c.prizes[i].weightAt.node == nil {
			return // one of them is faulty: the sum says nothing
		}
		sum += int64(c.prizes[i].Weight)
	}
	if len(c.prizes) > 0 {
		c.checkSum(sum, c.prizesAt, "")
	}
}

// checkSum holds one sum of weights against the denominator; where says of which draws it is.
func (c *campaign) checkSum(sum int64, at value, where string) {
	denominator := int64(c.version.Denominator)
	switch {
	case denominator == 0:
	case sum > denominator:
		c.fault(at, "the weights%s sum to %d, %d more than the denominator %d", where, sum, sum-denominator, denominator)
	case c.version.Guaranteed && sum != denominator:
		c.fault(at, "the weights%s sum to %d; in a guaranteed campaign they must sum to the denominator %d exactly (%d is missing)",
			where, sum, denominator, denominator-sum)
	case sum == 0:
		c.warn(at, "weights_zero", "all weights%s are 0: nothing can be won", where)
	}
}

func (c *campaign) compilePrize(p prizeEntry) engine.Prize {
	if p.Unavailable == engine.OnFallback {
		p.Fallback = int16(c.prize(p.fallback))
	}
	p.Prize.Title = canonicalTitle(p.title)
	return p.Prize
}

// Unstated returns a fault for every prize that states no stock although its id is new, known telling which ids the
// campaign has ever had. A forgotten line must not become an unlimited prize; "thanks" prizes are unlimited anyway.
func (f *File) Unstated(known func(prizeID string) bool) []Fault {
	var faults []Fault
	for i, p := range f.Version.Prizes {
		if k, coded := f.Version.CodesOf(i); coded && k.Shared == "" {
			continue // its stock is its codes
		}
		if p.Stock == engine.StockUnstated && !known(p.ID) && f.Version.HasOwnStock(i) {
			faults = append(faults, invalid(pointerTo("prizes", i, ""),
				"prize %q is new and states no stock: write a number of units, or stock: unlimited", p.ID))
		}
	}
	return f.Locate(faults)
}
