package campaignfile

import "github.com/drawd/drawd/engine"

// codesEntry is the codes of a prize as they are read.
type codesEntry struct {
	engine.PrizeCodes
	at value
}

const codeForms = "unique, {low_water: 100} for unique codes with a note when few are left, or {shared: TEXT} for one code for all"

func (c *campaign) readCodes(v value, p *prizeEntry) {
	p.codes = &codesEntry{at: v}
	if v.kind == kindText && v.node.text == "unique" {
		return
	}
	if v.kind != kindMap || len(v.keys) != 1 {
		c.fault(v, "must be %s", codeForms)
		return
	}
	c.object(v, []field{
		{name: "low_water", read: func(v value) {
			n, _ := c.integer(v, 1, engine.MaxCodes)
			p.codes.LowWater = uint32(n)
		}},
		{name: "shared", read: func(v value) {
			s, ok := c.text(v)
			if ok && !engine.ValidCode(s) {
				c.fault(v, "must be 1 to %d visible ASCII characters", engine.MaxCodeBytes)
				return
			}
			p.codes.Shared = s
		}},
	})
}

// checkCodes reports what cannot stand beside a prize's codes.
func (c *campaign) checkCodes(p *prizeEntry) {
	switch {
	case p.codes == nil:
		return
	case p.stated && p.Kind != engine.KindCoupon && p.Kind != engine.KindCode:
		c.fault(p.codes.at, "only prizes of kind coupon or code hand out codes, not %s", p.Kind)
	}
	if p.codes.Shared != "" {
		return
	}
	switch {
	case p.stockAt.node != nil:
		c.fault(p.stockAt, "the stock of a prize with unique codes is its codes: remove stock, publish, and import them")
	case p.Units != 1:
		c.fault(p.codes.at, "a win hands out one code: units must be 1")
	case p.release != nil:
		c.fault(p.codes.at, "unique codes cannot be released by a schedule: remove release")
	}
}

// compileCodes adds the codes to the version.
func (c *campaign) compileCodes() {
	for i := range c.prizes {
		if k := c.prizes[i].codes; k != nil {
			k.Prize = int16(i)
			c.version.Codes = append(c.version.Codes, k.PrizeCodes)
		}
	}
}

// codesForm is the canonical form of a prize's codes; nil for none.
func codesForm(v *engine.Version, prize int) any {
	k, ok := v.CodesOf(prize)
	switch {
	case !ok:
		return nil
	case k.Shared != "":
		return map[string]string{"shared": k.Shared}
	case k.LowWater > 0:
		return map[string]uint32{"low_water": k.LowWater}
	}
	return "unique"
}

// handsOut says in a word what a prize of a version hands out.
func handsOut(v *engine.Version, id string) string {
	for i := range v.Prizes {
		if v.Prizes[i].ID != id {
			continue
		}
		switch k, ok := v.CodesOf(i); {
		case !ok:
			return "no code"
		case k.Shared != "":
			return "a shared code"
		}
		return "unique codes"
	}
	return "nothing"
}
