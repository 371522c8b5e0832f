package campaignfile

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const modeForms = "weighted, {deck: {entries: n}} or {pace: {expected: n, max_boost_ppm: n}}"

// readMode reads how a draw chooses its prize.
func (c *campaign) readMode(v value) {
	c.modeAt = v
	before := len(c.faults)
	defer func() { c.modeFaulty = len(c.faults) > before }()
	m := &c.version.Mode
	count := func(v value) {
		n, _ := c.integer(v, 1, engine.MaxEntries)
		m.Entries = uint64(n)
	}
	if v.kind != kindMap || len(v.keys) != 1 {
		if v.kind != kindText || v.node.text != "weighted" {
			c.fault(v, "must be %s", modeForms)
		}
		return
	}
	c.object(v, []field{
		{name: "deck", read: func(v value) {
			m.Kind = engine.ModeDeck
			c.object(v, []field{{name: "entries", required: required, read: count}})
		}},
		{name: "pace", read: func(v value) {
			m.Kind = engine.ModePace
			c.object(v, []field{
				{name: "expected", required: required, read: count},
				{name: "max_boost_ppm", required: required, read: func(v value) { m.MaxBoost = c.readBoost(v, engine.FullPPM) }},
			})
		}},
	})
}

// readBoost reads a factor in millionths.
func (c *campaign) readBoost(v value, lowest int64) uint32 {
	n, _ := c.integer(v, lowest, maxBoost)
	return uint32(n)
}

// readRedistribute reads how far other weights may rise while the prize is out.
func (c *campaign) readRedistribute(v value, p *prizeEntry) {
	p.Unavailable, p.boostAt = engine.OnRedistribute, v
	c.object(v, []field{
		{name: "max_boost_ppm", required: required, read: func(v value) { p.boost = c.readBoost(v, engine.FullPPM+1) }},
	})
}

// checkMode finds what does not fit the mode. Weights are missing or superfluous, as the mode has it.
func (c *campaign) checkMode() {
	m := &c.version.Mode
	var wins int64
	for i := range c.prizes {
		p := &c.prizes[i]
		if m.Kind != engine.ModeDeck {
			if !p.weighed && p.at.kind == kindMap && !c.modeFaulty {
				c.add(p.at.pointer+"/weight", problem.InvalidField, p.at.at, "weight is missing")
			} else if p.boostAt.node != nil && p.Weight == 0 && p.weightAt.node != nil && c.sessions == nil && len(c.channels) == 0 {
				c.fault(p.boostAt, "prize %q has no weight to share", p.ID)
			}
			continue
		}
		switch {
		case p.weighed:
			c.fault(p.weightAt, "a deck deals the stock, not by weights: remove it")
		case p.stated && p.Kind == engine.KindThanks:
			c.fault(p.at, "a thanks prize has no stock, so a deck never deals it: remove it")
		case p.pooled(): // see checkPools
		case p.Stock == engine.Unlimited:
			c.fault(p.stockAt, "a deck deals units that can be counted: write a number")
		case p.boostAt.node != nil:
			c.fault(p.boostAt, "a deck deals what is there: use miss or {fallback: <prize>}")
		case p.Stock > 0:
			wins += int64(p.Stock) / int64(max(p.Units, 1))
		}
	}
	c.checkModeFits()
	if m.Kind == engine.ModeDeck && m.Entries > 0 && len(c.faults) == 0 {
		c.checkDeck(wins)
	}
}

// checkModeFits finds what the modes other than by weights do not go together with.
func (c *campaign) checkModeFits() {
	m := &c.version.Mode
	if m.Kind == engine.ModeWeighted {
		return
	}
	if c.sessions != nil {
		c.fault(c.modeAt, "with sessions draws go by weights: use weighted, or publish one campaign per session")
	}
	for i := range c.channels {
		if c.channels[i].stated {
			c.fault(c.modeAt, "channels with prizes of their own go by weights: use weighted")
			break
		}
	}
	for i := range c.pities {
		if len(c.pities[i].Soft) > 0 {
			c.fault(c.modeAt, "soft pity goes by weights: use weighted, or remove soft")
			break
		}
	}
	for i := range c.prizes {
		if r := c.prizes[i].release; r != nil {
			c.fault(r.at, "released prizes go by weights: remove release, or use mode weighted")
			break
		}
	}
	if m.Kind == engine.ModePace && c.version.Guaranteed {
		c.fault(c.modeAt, "pacing lowers weights, so somebody misses: a guaranteed campaign cannot have it")
	}
}

// checkDeck compares what is dealt with the draws it is dealt to. Stock that the file leaves out is known to the engine.
func (c *campaign) checkDeck(wins int64) {
	entries := int64(c.version.Mode.Entries)
	for i := range c.prizes {
		if c.prizes[i].Stock == engine.StockUnstated {
			return
		}
	}
	switch {
	case wins > entries:
		c.fault(c.modeAt, "the stock is %d wins, more than the %d entries: not everything could be given out", wins, entries)
	case c.version.Guaranteed && wins < entries:
		c.fault(c.modeAt, "the stock is %d wins, less than the %d entries: in a guaranteed campaign every entry must win", wins, entries)
	}
}

// guaranteedEnd reports why a chain of fallbacks that ends in a prize keeps no promise; nothing when it does.
func (c *campaign) guaranteedEnd(p *prizeEntry) string {
	switch {
	case c.version.Mode.Kind == engine.ModeDeck || c.modeFaulty:
		return "" // every card wins: see checkDeck
	case p.pooled():
		return "whose pool can run out"
	case p.Stock != engine.Unlimited:
		return "which can run out"
	case p.pays != nil && p.pays.Budget > 0:
		return "whose budget can run out"
	case p.Kind == engine.KindCash && c.version.Budget != (engine.Budget{}):
		return "which pays cash, and the campaign's budget can run out"
	}
	return ""
}

func (c *campaign) compileBoosts() {
	for i := range c.prizes {
		if p := &c.prizes[i]; p.Unavailable == engine.OnRedistribute {
			c.version.Boosts = append(c.version.Boosts, engine.Boost{Prize: int16(i), Max: p.boost})
		}
	}
}

type modeDocument struct {
	Deck *deckDocument `json:"deck,omitempty"`
	Pace *paceDocument `json:"pace,omitempty"`
}

type deckDocument struct {
	Entries uint64 `json:"entries"`
}

type paceDocument struct {
	Expected uint64 `json:"expected"`
	MaxBoost uint32 `json:"max_boost_ppm"`
}

type boostDocument struct {
	MaxBoost uint32 `json:"max_boost_ppm"`
}

func modeForm(m engine.Mode) *modeDocument {
	switch m.Kind {
	case engine.ModeDeck:
		return &modeDocument{Deck: &deckDocument{m.Entries}}
	case engine.ModePace:
		return &modeDocument{Pace: &paceDocument{m.Entries, m.MaxBoost}}
	}
	return nil
}

// wayForm returns what happens while a prize is out; nil for a miss.
func wayForm(v *engine.Version, prize int) *wayDocument {
	switch p := &v.Prizes[prize]; p.Unavailable {
	case engine.OnFallback:
		return &wayDocument{Fallback: v.Prizes[p.Fallback].ID}
	case engine.OnRedistribute:
		return &wayDocument{Redistribute: &boostDocument{boostOf(v, prize)}}
	}
	return nil
}

// boostOf returns how far other weights may rise while a prize is out, 0 when they do not.
func boostOf(v *engine.Version, prize int) uint32 {
	for _, b := range v.Boosts {
		if int(b.Prize) == prize {
			return b.Max
		}
	}
	return 0
}

func boostOfID(v *engine.Version, id string) uint32 {
	for i := range v.Prizes {
		if v.Prizes[i].ID == id {
			return boostOf(v, i)
		}
	}
	return 0
}

// worseMode reports how next chooses prizes worse for users: another mode, or more draws to share the same stock.
func worseMode(live, next *engine.Version, take func(string, string, ...any)) {
	was, now := live.Mode, next.Mode
	switch {
	case was.Kind != now.Kind:
		take("/mode", "was another one: draws would be decided by other rules")
	case now.Entries > was.Entries:
		take("/mode", "counted on %d draws: more of them make each one's odds smaller", was.Entries)
	case now.MaxBoost < was.MaxBoost:
		take("/mode", "max_boost_ppm was %d: it may only rise", was.MaxBoost)
	}
}
