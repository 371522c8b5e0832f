package campaignfile

import "github.com/drawd/drawd/engine"

// deliveryEntry is how a prize is delivered, as it is read.
type deliveryEntry struct {
	engine.Delivery
	hold    int64 // ms; a win is a hold of the prize's pool
	forfeit bool

	at, holdAt value
}

// claims are the words for who must ask for a win before it is delivered.
var claims = []string{"required", "none"}

// readDelivery reads award: {claim: required|none, claim_within: 72h}, or {hold: 15m, on_expiry: restock|forfeit}.
func (c *campaign) readDelivery(v value) *deliveryEntry {
	d := &deliveryEntry{at: v}
	var claim, within, expiry value
	c.object(v, []field{
		{name: "claim", read: func(v value) {
			claim = v
			i, _ := c.choice(v, claims)
			d.Unclaimed = i == 1
		}},
		{name: "claim_within", read: func(v value) {
			within = v
			d.ClaimWithin, _ = c.duration(v, engine.MinClaimWithin, engine.MaxClaimWithin)
		}},
		{name: "hold", read: func(v value) {
			d.holdAt = v
			d.hold, _ = c.duration(v, engine.MinHoldTTL, engine.MaxHoldLife)
		}},
		{name: "on_expiry", read: func(v value) {
			expiry = v
			i, _ := c.choice(v, expiries)
			d.forfeit = i == 1
		}},
	})
	if d.Unclaimed && within.node != nil {
		c.fault(within, "nobody has to claim it: remove claim_within, or claim: none")
	}
	switch held := d.holdAt.node != nil; {
	case held && claim.node != nil:
		c.fault(claim, "a hold is confirmed by a payment, or it expires: remove claim or hold")
	case held && within.node != nil:
		c.fault(within, "a hold is confirmed by a payment, or it expires: remove claim_within or hold")
	case !held && expiry.node != nil:
		c.fault(expiry, "says what becomes of a hold that nobody confirmed: write hold: 15m beside it, or remove it")
	}
	return d
}

// checkDelivery reports deliveries of what is never delivered.
func (c *campaign) checkDelivery(p *prizeEntry) {
	if p.award != nil && p.stated && (p.Kind == engine.KindThanks || p.Kind == engine.KindChance) {
		c.fault(p.award.at, "a prize of kind %s is final at once: remove award", p.Kind)
	}
}

// compileDeliveries adds the deliveries to the version.
func (c *campaign) compileDeliveries() {
	for i := range c.prizes {
		if d := c.prizes[i].award; d != nil && d.holdAt.node == nil {
			d.Prize = uint16(i)
			c.version.Deliveries = append(c.version.Deliveries, d.Delivery)
		}
	}
}

type deliveryDocument struct {
	Claim       string `json:"claim,omitempty"`
	ClaimWithin string `json:"claim_within,omitempty"`
	Hold        string `json:"hold,omitempty"`
	OnExpiry    string `json:"on_expiry,omitempty"`
}

// deliveryForm is the canonical form of a prize's delivery; nil for none.
func deliveryForm(v *engine.Version, prize int) *deliveryDocument {
	d, ok := v.DeliveryOf(prize)
	if !ok {
		return nil
	}
	form := &deliveryDocument{Claim: claims[0]}
	if d.Unclaimed {
		form.Claim = claims[1]
	}
	if d.ClaimWithin > 0 {
		form.ClaimWithin = formatDuration(d.ClaimWithin)
	}
	return form
}

// slowerClaim says what next asks of the winners of a prize that live does not; empty for nothing.
func slowerClaim(live, next *engine.Version, id string) string {
	claim := func(v *engine.Version) (asked bool, within int64) {
		for i := range v.Prizes {
			if d, ok := v.DeliveryOf(i); ok && v.Prizes[i].ID == id {
				return !d.Unclaimed, d.ClaimWithin
			}
		}
		return false, 0
	}
	was, before := claim(live)
	is, within := claim(next)
	switch {
	case is && !was:
		return "nobody had to claim it"
	case within != 0 && before == 0:
		return "could be claimed for ever: claim_within takes that away"
	case within < before && within != 0:
		return "could be claimed within " + formatDuration(before) + ": that may only grow"
	}
	return ""
}
