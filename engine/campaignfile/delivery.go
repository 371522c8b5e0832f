package campaignfile

import "github.com/drawd/drawd/engine"

// deliveryEntry is how a prize is delivered, as it is read.
type deliveryEntry struct {
	engine.Delivery
	at value
}

// claims are the words for who must ask for a win before it is delivered.
var claims = []string{"required", "none"}

// readDelivery reads award: {claim: required|none, claim_within: 72h}.
func (c *campaign) readDelivery(v value) *deliveryEntry {
	d := &deliveryEntry{at: v}
	var within value
	c.object(v, []field{
		{name: "claim", read: func(v value) {
			i, _ := c.choice(v, claims)
			d.Unclaimed = i == 1
		}},
		{name: "claim_within", read: func(v value) {
			within = v
			d.ClaimWithin, _ = c.duration(v, engine.MinClaimWithin, engine.MaxClaimWithin)
		}},
		{name: "hold", later: "remove it; a win is issued at once, and its award is claimed and delivered"},
		{name: "on_expiry", later: "remove it; what is not claimed in time is forfeit"},
	})
	if d.Unclaimed && within.node != nil {
		c.fault(within, "nobody has to claim it: remove claim_within, or claim: none")
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
		if d := c.prizes[i].award; d != nil {
			d.Prize = uint16(i)
			c.version.Deliveries = append(c.version.Deliveries, d.Delivery)
		}
	}
}

type deliveryDocument struct {
	Claim       string `json:"claim"`
	ClaimWithin string `json:"claim_within,omitempty"`
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
