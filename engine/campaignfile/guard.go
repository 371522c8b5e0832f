package campaignfile

import "github.com/drawd/drawd/engine"

// guardActs are the wire names of engine.GuardAct, by number.
var guardActs = []string{"pause", "defensive"}

// perMinute are the spans that a guard counts over.
var perMinute = []string{"minute"}

// readGuard reads at how many wins or how much cash in a minute the campaign stops itself.
func (c *campaign) readGuard(v value) {
	before := len(c.faults)
	g := new(engine.Guard)
	c.object(v, []field{
		{name: "wins", read: func(v value) {
			c.readRate(v, int64(engine.MaxStock), func(n int64) { g.Wins = uint64(n) })
		}},
		{name: "amount", read: func(v value) {
			c.burnAt = v
			c.readRate(v, maxValue, func(n int64) { g.Amount = n })
		}},
		{name: "then", required: required, read: func(v value) {
			i, _ := c.choice(v, guardActs)
			g.Then = engine.GuardAct(i)
		}},
	})
	if v.kind == kindMap && !hasKey(v, "wins") && !hasKey(v, "amount") {
		c.fault(v, "limits nothing: state wins, amount or both, like {wins: {limit: 500, per: minute}, then: pause}")
	}
	if len(c.faults) == before {
		c.version.Guard = g
	}
}

// readRate reads {limit: n, per: minute}.
func (c *campaign) readRate(v value, highest int64, keep func(int64)) {
	c.object(v, []field{
		{name: "limit", required: required, read: func(v value) {
			if n, ok := c.integer(v, 1, highest); ok {
				keep(n)
			}
		}},
		{name: "per", required: required, read: func(v value) { c.choice(v, perMinute) }},
	})
}

// checkGuard finds a limit on cash where none is paid.
func (c *campaign) checkGuard() {
	if c.burnAt.node == nil || len(c.faults) > 0 {
		return
	}
	for i := range c.prizes {
		if c.prizes[i].Kind == engine.KindCash {
			return
		}
	}
	c.fault(c.burnAt, "no prize pays cash: limit wins")
}

type guardDocument struct {
	Wins   *rateDocument `json:"wins,omitempty"`
	Amount *rateDocument `json:"amount,omitempty"`
	Then   string        `json:"then"`
}

type rateDocument struct {
	Limit int64  `json:"limit"`
	Per   string `json:"per"`
}

func guardForm(g *engine.Guard) *guardDocument {
	if g == nil {
		return nil
	}
	d := &guardDocument{Then: guardActs[g.Then]}
	if g.Wins != 0 {
		d.Wins = &rateDocument{int64(g.Wins), perMinute[0]}
	}
	if g.Amount != 0 {
		d.Amount = &rateDocument{g.Amount, perMinute[0]}
	}
	return d
}
