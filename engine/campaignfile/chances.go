package campaignfile

import (
	"slices"
	"strings"

	"github.com/drawd/drawd/engine"
)

// chancesEntry is the chances of a campaign as they are read.
type chancesEntry struct {
	engine.Chances
	moded  bool // the mode could be read
	priced bool

	at, purseAt, priceAt, pricesAt, lotsAt, sourcesAt, milestonesAt value
	milestoneIDs                                                    []value
}

// chanceFields are the fields of a prize that gives chances.
type chanceFields struct {
	chancesFor       string // id of a campaign
	chancesAt, forAt value
}

// defaultLots is how many lots of chances a user can have, unless the file says so.
const defaultLots = 8

var chanceModes = []string{engine.ChancesFree.String(), engine.ChancesGranted.String(), engine.ChancesPurse.String()}

func (c *campaign) readChances(v value) {
	e := &chancesEntry{at: v}
	c.object(v, []field{
		{name: "mode", required: required, read: func(v value) {
			i, ok := c.choice(v, chanceModes)
			e.Mode, e.moded = engine.ChanceMode(i), ok
		}},
		{name: "purse", read: func(v value) {
			e.purseAt = v
			e.Purse, _ = c.id(v)
		}},
		{name: "price", read: func(v value) {
			e.priceAt = v
			n, ok := c.integer(v, 1, engine.MaxPrice)
			e.Price, e.priced = uint32(n), ok
		}},
		{name: "prices", read: func(v value) {
			e.pricesAt = v
			c.list(v, engine.MaxPricePeriods, func(_ int, v value) { c.readPeriod(v, e) })
		}},
		{name: "lots", read: func(v value) {
			e.lotsAt = v
			e.Lots = c.readLots(v)
		}},
		{name: "sources", read: func(v value) {
			e.sourcesAt = v
			e.Sources = c.readSources(v)
		}},
		{name: "milestones", read: func(v value) {
			e.milestonesAt = v
			c.list(v, engine.MaxMilestones, func(_ int, v value) { c.readMilestone(v, e) })
		}},
	})
	c.chances = e
}

func (r *reader) readLots(v value) uint8 {
	n, _ := r.integer(v, 1, engine.MaxLots)
	return uint8(n)
}

func (c *campaign) readPeriod(v value, e *chancesEntry) {
	var p engine.PricePeriod
	before := len(c.faults)
	c.object(v, []field{
		{name: "from", required: required, read: func(v value) { p.From, _ = c.instant(v) }},
		{name: "to", required: required, read: func(v value) { p.To, _ = c.instant(v) }},
		{name: "price", required: required, read: func(v value) {
			n, _ := c.integer(v, 1, engine.MaxPrice)
			p.Price = uint32(n)
		}},
	})
	switch n := len(e.Periods); {
	case len(c.faults) > before:
		return
	case p.To <= p.From:
		c.fault(v, "to must be after from")
	case n > 0 && p.From < e.Periods[n-1].To:
		c.fault(v, "begins before the period before it ends: list them by time, apart from each other")
	}
	e.Periods = append(e.Periods, p)
}

var ownSources = []string{"milestone", "prize", "compensation"}

// readSources reads {share: {daily_limit: 50}, …}.
func (r *reader) readSources(v value) (all []engine.ChanceSource) {
	if v.kind != kindMap {
		r.fault(v, "must be a mapping of sources, like {share: {daily_limit: 3}}, not %s", v.kind)
		return nil
	}
	if len(v.keys) > engine.MaxSources {
		r.fault(v, "has %d sources; at most %d are allowed", len(v.keys), engine.MaxSources)
		return nil
	}
	for i, k := range v.keys {
		m := v.member(i)
		r.places[m.pointer] = m.at
		s := engine.ChanceSource{ID: k.name}
		switch {
		case !idPattern.MatchString(k.name) || len(k.name) > engine.MaxSourceBytes:
			r.fault(m, "%q is not the id of a source: 1 to %d characters a-z, 0-9 and -, not beginning with -", brief(k.name), engine.MaxSourceBytes)
			continue
		case slices.Contains(ownSources, k.name):
			r.fault(m, "%q is a source that drawd has of its own: choose another id", k.name)
			continue
		}
		if m.kind != kindNull { // "share:" alone is a source without a limit
			r.object(m, []field{
				{name: "daily_limit", read: func(v value) {
					n, _ := r.integer(v, 1, engine.MaxGrant)
					s.DailyLimit = uint32(n)
				}},
				{name: "priority", read: func(v value) {
					n, _ := r.integer(v, 0, engine.MaxPriority)
					s.Priority = uint8(n)
				}},
				{name: "expires_after", read: func(v value) { s.ExpiresAfter, _ = r.duration(v, 1000, engine.MaxCampaignSpan) }},
			})
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b engine.ChanceSource) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (c *campaign) readMilestone(v value, e *chancesEntry) {
	var m engine.Milestone
	var idAt value
	c.object(v, []field{
		{name: "id", required: required, read: func(v value) {
			idAt = v
			m.ID, _ = c.id(v)
		}},
		{name: "draws", read: func(v value) {
			n, _ := c.integer(v, 1, engine.MaxCapLimit)
			m.Draws = uint32(n)
		}},
		{name: "streak_days", read: func(v value) {
			n, _ := c.integer(v, 1, engine.MaxStreakDays)
			m.StreakDays = uint32(n)
		}},
		{name: "repeat", read: func(v value) { m.Repeat = c.boolean(v) }},
		{name: "grant", required: required, read: func(v value) {
			n, _ := c.integer(v, 1, engine.MaxOwnGrant)
			m.Amount = uint32(n)
		}},
	})
	if hasKey(v, "draws") == hasKey(v, "streak_days") {
		c.fault(v, "needs draws (the n-th draw of a user) or streak_days (days in a row with a draw), one of them")
	}
	for i := range e.Milestones {
		if e.Milestones[i].ID == m.ID && m.ID != "" {
			c.fault(idAt, "milestone %q is already defined in line %d: ids must be unique", m.ID, e.milestoneIDs[i].at.line)
		}
	}
	e.Milestones, e.milestoneIDs = append(e.Milestones, m), append(e.milestoneIDs, idAt)
}

// checkChances finds what does not fit together in chances, and in prizes that give them.
func (c *campaign) checkChances() {
	e := c.chances
	for i := range c.prizes {
		c.checkChancePrize(&c.prizes[i])
	}
	if e == nil || !e.moded {
		return
	}
	c.warnPeriods(e)
	c.warnEndless(e)
	only := func(at value, mode engine.ChanceMode, name string) {
		if at.node != nil && e.Mode != mode {
			c.fault(at, "%s belongs to mode: %s, not %s", name, mode, e.Mode)
		}
	}
	only(e.purseAt, engine.ChancesPurse, "purse")
	only(e.lotsAt, engine.ChancesGranted, "lots")
	if e.Mode == engine.ChancesPurse && e.sourcesAt.node != nil {
		c.fault(e.sourcesAt, "a purse has its sources in the namespace's policy: remove them here")
	} else {
		only(e.sourcesAt, engine.ChancesGranted, "sources")
	}
	switch {
	case e.Mode == engine.ChancesPurse && e.purseAt.node == nil:
		c.fault(e.at, "mode: purse needs purse, the id of a purse in the namespace's policy")
	case e.Mode == engine.ChancesFree && e.milestonesAt.node != nil:
		c.fault(e.milestonesAt, "milestones grant chances: choose mode: granted or purse")
	case e.Mode == engine.ChancesFree && e.pricesAt.node != nil && e.priceAt.node == nil:
		c.fault(e.pricesAt, "needs price, what a draw costs at all other times")
	case e.Mode == engine.ChancesGranted && len(e.Sources) == 0 && len(e.Milestones) == 0:
		c.warn(e.at, "no_source", "no source may grant chances: nobody can draw but by compensation")
	}
}

// warnPeriods finds prices that are never in force.
func (c *campaign) warnPeriods(e *chancesEntry) {
	for i, p := range e.Periods {
		if v := c.version; v.StartsAt != 0 && v.EndsAt != 0 && (p.To <= v.StartsAt || p.From >= v.EndsAt) {
			c.warn(e.pricesAt.item(i), "price_never", "this time is outside the campaign: the price is never in force")
		}
	}
}

// warnEndless finds campaigns whose draws win back what they cost, on average: who has begun may draw for ever.
func (c *campaign) warnEndless(e *chancesEntry) {
	price := int64(e.Price)
	if !e.priced {
		price = 1
	}
	for _, p := range e.Periods {
		price = min(price, int64(p.Price))
	}
	var won int64
	for i := range c.prizes {
		if p := &c.prizes[i]; p.Kind == engine.KindChance && p.chancesFor == "" && p.Stock == engine.Unlimited {
			won += int64(p.Weight) * p.Amount // at most 10^9 × 10^6 in all: the weights sum to the denominator
		}
	}
	if d := int64(c.version.Denominator); e.Mode != engine.ChancesFree && d > 0 && won >= price*d {
		c.warn(e.at, "endless_draws", "a draw wins %d chances for every %d that it costs, on average: who has begun may draw for ever", won/d, price)
	}
}

// checkChancePrize finds what is wrong with a prize of the kind chance.
func (c *campaign) checkChancePrize(p *prizeEntry) {
	counts := c.chances != nil && c.chances.Mode != engine.ChancesFree
	switch is := p.Kind == engine.KindChance; {
	case !p.stated:
	case !is && p.chancesAt.node != nil:
		c.fault(p.chancesAt, "only prizes of kind chance give chances, not %s", p.Kind)
	case !is && p.forAt.node != nil:
		c.fault(p.forAt, "only prizes of kind chance give chances, not %s", p.Kind)
	case is && p.chancesAt.node == nil:
		c.fault(p.at, "a prize of kind chance needs chances, how many draws it gives, like chances: 1")
	case is && p.forAt.node == nil && !counts:
		c.fault(p.at, "the campaign does not count chances: choose chances: {mode: granted, …}, or name another campaign with chances_for")
	case is && p.forAt.node != nil && p.chancesFor == c.version.Campaign && p.chancesFor != "":
		c.fault(p.forAt, "is this campaign itself: leave it out")
	}
}

// compileChances fills in the version's chances; nil where a draw costs nothing.
func (c *campaign) compileChances() {
	var x engine.Chances
	if e := c.chances; e != nil {
		x = e.Chances
		if x.Mode != engine.ChancesFree && !e.priced {
			x.Price = 1
		}
		if x.Mode == engine.ChancesGranted && x.Lots == 0 {
			x.Lots = defaultLots
		}
	}
	gives := false
	for i := range c.prizes {
		p := &c.prizes[i]
		if gives = gives || p.Kind == engine.KindChance; p.chancesFor != "" {
			x.Prizes = append(x.Prizes, engine.ChancePrize{Prize: uint16(i), Campaign: p.chancesFor})
		}
	}
	if x.Mode != engine.ChancesFree || x.Price > 0 || gives {
		c.version.Chances = &x
	}
}

// The canonical forms.
type chancesDocument struct {
	Mode       string                    `json:"mode"`
	Purse      string                    `json:"purse,omitempty"`
	Price      uint32                    `json:"price,omitempty"`
	Prices     []periodDocument          `json:"prices,omitempty"`
	Lots       uint8                     `json:"lots,omitempty"`
	Sources    map[string]sourceDocument `json:"sources,omitempty"`
	Milestones []milestoneDocument       `json:"milestones,omitempty"`
}

type periodDocument struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Price uint32 `json:"price"`
}

type sourceDocument struct {
	DailyLimit   uint32 `json:"daily_limit,omitempty"`
	Priority     uint8  `json:"priority,omitempty"`
	ExpiresAfter string `json:"expires_after,omitempty"`
}

type milestoneDocument struct {
	ID         string `json:"id"`
	Draws      uint32 `json:"draws,omitempty"`
	StreakDays uint32 `json:"streak_days,omitempty"`
	Repeat     bool   `json:"repeat,omitempty"`
	Grant      uint32 `json:"grant"`
}

func chancesForm(x *engine.Chances) *chancesDocument {
	if x == nil || x.Mode == engine.ChancesFree && x.Price == 0 {
		return nil
	}
	d := &chancesDocument{Mode: x.Mode.String(), Purse: x.Purse, Price: x.Price, Sources: sourceForms(x.Sources)}
	if x.Mode != engine.ChancesFree && x.Price == 1 {
		d.Price = 0 // the default
	}
	for _, p := range x.Periods {
		d.Prices = append(d.Prices, periodDocument{formatInstant(p.From), formatInstant(p.To), p.Price})
	}
	if x.Lots != defaultLots {
		d.Lots = x.Lots
	}
	for _, m := range x.Milestones {
		d.Milestones = append(d.Milestones, milestoneDocument{m.ID, m.Draws, m.StreakDays, m.Repeat, m.Amount})
	}
	return d
}

func sourceForms(sources []engine.ChanceSource) map[string]sourceDocument {
	if len(sources) == 0 {
		return nil
	}
	all := make(map[string]sourceDocument, len(sources))
	for _, s := range sources {
		d := sourceDocument{DailyLimit: s.DailyLimit, Priority: s.Priority}
		if s.ExpiresAfter > 0 {
			d.ExpiresAfter = formatDuration(s.ExpiresAfter)
		}
		all[s.ID] = d
	}
	return all
}

// chanceForm adds what a prize of the kind chance gives.
func chanceForm(d *prizeDocument, v *engine.Version, prize int) {
	p := &v.Prizes[prize]
	if p.Kind != engine.KindChance {
		return
	}
	d.Amount, d.Chances = nil, p.Amount
	for _, x := range v.Chances.Prizes {
		if int(x.Prize) == prize {
			d.ChancesFor = x.Campaign
		}
	}
}

// chancesSize bounds the bytes of a version's chances from above.
func chancesSize(x *engine.Chances) int {
	const fixed, perPeriod, perSource, perMilestone, perPrize = 128, 24, 128, 96, 80
	if x == nil {
		return 0
	}
	return fixed + len(x.Periods)*perPeriod + len(x.Sources)*perSource + len(x.Milestones)*perMilestone + len(x.Prizes)*perPrize
}
