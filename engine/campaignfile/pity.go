package campaignfile

import (
	"slices"

	"github.com/drawd/drawd/engine"
)

// pityEntry is a pity as it is read: names, and where they stand.
type pityEntry struct {
	engine.Pity
	prizes, group []named
	reserve       []counted
	soft          []softEntry

	at, idAt, withinAt, prizesAt, groupAt, reserveAt, modeAt, softAt value
}

// named is a prize id with its place; counted has a number too.
type named struct {
	id string
	at value
}

type counted struct {
	named
	n int64
}

type softEntry struct {
	from    uint32
	weights []counted
	at      value
}

// The wire names of Pity.Extra and Pity.Shared: false, true.
var (
	pityModes  = []string{"replace", "extra"}
	pityScopes = []string{"campaign", "namespace"}
)

// groupAny, as a pity's group, means every prize.
const groupAny = "any"

// maxPityID: the engine keeps a prefix before the id in the same room.
const maxPityID = engine.MaxIDBytes - len("pity/")

func (c *campaign) readPity(_ int, v value) {
	p := pityEntry{at: v}
	c.object(v, []field{
		{name: "id", required: required, read: func(v value) {
			p.idAt = v
			if p.ID, _ = c.id(v); len(p.ID) > maxPityID {
				c.fault(v, "has %d characters; at most %d are allowed for a pity", len(p.ID), maxPityID)
			}
		}},
		{name: "guarantee_within", read: func(v value) {
			p.withinAt = v
			n, _ := c.integer(v, 1, engine.MaxPityWithin)
			p.Within = uint32(n)
		}},
		{name: "mode", read: func(v value) {
			p.modeAt = v
			i, _ := c.choice(v, pityModes)
			p.Extra = i == 1
		}},
		{name: "scope", read: func(v value) {
			i, _ := c.choice(v, pityScopes)
			p.Shared = i == 1
		}},
		{name: "group", read: func(v value) {
			p.groupAt = v
			if v.kind == kindText && v.node.text == groupAny {
				p.AnyWin = true
				return
			}
			p.group = c.ids(v, engine.MaxPrizes)
		}},
		{name: "prizes", read: func(v value) {
			p.prizesAt = v
			p.prizes = c.ids(v, engine.MaxPityPrizes)
		}},
		{name: "reserve", read: func(v value) {
			p.reserveAt = v
			p.reserve = c.numbers(v, 1, engine.MaxStock)
		}},
		{name: "soft", read: func(v value) {
			p.softAt = v
			c.list(v, engine.MaxSoftSteps, func(_ int, v value) { c.readSoft(v, &p) })
		}},
	})
	c.pities = append(c.pities, p)
}

func (c *campaign) readSoft(v value, p *pityEntry) {
	s := softEntry{at: v}
	c.object(v, []field{
		{name: "from", required: required, read: func(v value) {
			s.at = v
			n, _ := c.integer(v, 2, engine.MaxPityWithin)
			s.from = uint32(n)
		}},
		{name: "weights", required: required, read: func(v value) { s.weights = c.numbers(v, 0, engine.MaxDenominator) }},
	})
	p.soft = append(p.soft, s)
}

// ids reads a list of prize ids.
func (r *reader) ids(v value, limit int) (all []named) {
	r.list(v, limit, func(_ int, v value) {
		if id, ok := r.id(v); ok {
			for _, n := range all {
				if n.id == id {
					r.fault(v, "prize %q is named twice", id)
					return
				}
			}
			all = append(all, named{id, v})
		}
	})
	if v.kind == kindList && len(v.items) == 0 {
		r.fault(v, "must name at least one prize")
	}
	return all
}

// numbers reads a mapping of prize ids to numbers.
func (r *reader) numbers(v value, lowest, highest int64) (all []counted) {
	if v.kind != kindMap || len(v.keys) == 0 {
		r.fault(v, "must be a mapping of prizes to numbers, like {coupon: 500}")
		return nil
	}
	for i, k := range v.keys {
		m := v.member(i)
		r.places[m.pointer] = m.at
		if n, ok := r.integer(m, lowest, highest); ok {
			all = append(all, counted{named{k.name, m}, n})
		}
	}
	return all
}

// checkPities finds the faults of the pities that need more than one value.
func (c *campaign) checkPities() {
	soft := ""
	for i := range c.pities {
		p := &c.pities[i]
		for j := range i {
			if c.pities[j].ID == p.ID && p.ID != "" {
				c.fault(p.idAt, "pity %q is already defined in line %d: ids must be unique", p.ID, c.pities[j].idAt.at.line)
				break
			}
		}
		switch hard := p.withinAt.node != nil; {
		case !hard && p.softAt.node == nil:
			c.fault(p.at, "a pity needs guarantee_within (and the prizes that it gives), or soft weights, or both")
		case hard && p.prizesAt.node == nil:
			c.fault(p.at, "guarantee_within needs prizes: the ordered list of what is given then")
		case !hard && p.prizesAt.node != nil:
			c.fault(p.prizesAt, "prizes are given by guarantee_within, which is missing: state it, or name the prizes that end the row as group")
		case !hard && p.modeAt.node != nil:
			c.fault(p.modeAt, "a pity with soft weights only gives no prize of its own: remove mode")
		}
		if p.softAt.node != nil {
			if soft != "" {
				c.fault(p.softAt, "pity %q has soft weights already: only one pity can", soft)
			}
			soft = p.ID
		}
		c.checkGroup(p)
		c.checkReserve(p)
		c.checkSoft(p)
	}
	c.checkReserves()
}

// won returns the index of a prize that can be won, or -1 after a fault.
func (c *campaign) won(n named) int {
	i := c.prize(n.id)
	switch {
	case i < 0:
		c.fault(n.at, "there is no prize %q in this file", n.id)
	case c.prizes[i].stated && c.prizes[i].Kind == engine.KindThanks:
		c.fault(n.at, "prize %q is thanks, a miss with a name: it cannot be won", n.id)
		return -1
	}
	return i
}

func (c *campaign) checkGroup(p *pityEntry) {
	for _, n := range p.prizes {
		if i := c.won(n); i >= 0 {
			p.List = append(p.List, engine.PityPrize{Prize: int16(i)})
			p.Group = append(p.Group, int16(i))
		}
	}
	if p.groupAt.node != nil {
		p.Group = nil
	}
	for _, n := range p.group {
		if i := c.won(n); i >= 0 {
			p.Group = append(p.Group, int16(i))
		}
	}
	if p.groupAt.node == nil && p.prizesAt.node == nil { // soft only: what it raises
		for _, s := range p.soft {
			for _, w := range s.weights {
				if i := c.prize(w.id); i >= 0 && c.prizes[i].Kind != engine.KindThanks && uint32(w.n) > c.prizes[i].Weight {
					p.Group = append(p.Group, int16(i))
				}
			}
		}
		if len(p.Group) == 0 && p.softAt.node != nil {
			c.fault(p.at, "the soft weights raise no prize: name the prizes that end the row as group")
		}
	}
	slices.Sort(p.Group)
	p.Group = slices.Compact(p.Group)
	for _, z := range p.List {
		if p.groupAt.node != nil && !p.AnyWin && !slices.Contains(p.Group, z.Prize) {
			c.fault(p.groupAt, "must hold prize %q too, which the pity gives: its win ends the row", c.prizes[z.Prize].ID)
		}
	}
}

func (c *campaign) checkReserve(p *pityEntry) {
	for _, r := range p.reserve {
		listed := slices.IndexFunc(p.prizes, func(n named) bool { return n.id == r.id })
		i := c.prize(r.id)
		switch {
		case listed < 0:
			c.fault(r.at, "prize %q is not one that this pity gives", r.id)
			continue
		case i < 0:
			continue
		case c.prizes[i].Stock == engine.Unlimited:
			c.fault(r.at, "prize %q is unlimited: remove its reserve", r.id)
		case r.n < int64(c.prizes[i].Units):
			c.fault(r.at, "is %d, less than the %d units of one win", r.n, c.prizes[i].Units)
		}
		for j := range p.List {
			if int(p.List[j].Prize) == i {
				p.List[j].Reserve = engine.Quantity(r.n)
			}
		}
	}
	for _, z := range p.List {
		prize := &c.prizes[z.Prize]
		if z.Reserve == 0 && prize.Stock != engine.Unlimited && !slices.ContainsFunc(p.reserve, func(r counted) bool { return r.id == prize.ID }) {
			c.fault(p.prizesAt, "prize %q can run out: set units of it aside with reserve: {%s: …}", prize.ID, prize.ID)
		}
	}
}

// checkReserves holds what all pities set aside of a prize against its stock.
func (c *campaign) checkReserves() {
	for i := range c.prizes {
		prize := &c.prizes[i]
		var sum engine.Quantity
		for j := range c.pities {
			for _, z := range c.pities[j].List {
				if int(z.Prize) == i {
					sum += z.Reserve
				}
			}
			if prize.Stock >= 0 && sum > prize.Stock {
				c.fault(c.pities[j].reserveAt, "the pities reserve %d units of prize %q, which has a stock of %d", sum, prize.ID, prize.Stock)
				break
			}
		}
	}
}

func (c *campaign) checkSoft(p *pityEntry) {
	p.Soft = nil
	last := uint32(0)
	for _, s := range p.soft {
		step := engine.SoftStep{From: s.from}
		switch {
		case s.from == 0:
		case s.from <= last:
			c.fault(s.at, "must be above the step before, which begins at draw %d", last)
		case p.Within > 0 && s.from >= p.Within:
			c.fault(s.at, "must be below guarantee_within, %d: that draw is decided already", p.Within)
		}
		last = max(last, s.from)
		weights := make(map[int]uint32)
		for _, w := range s.weights {
			if i := c.prize(w.id); i >= 0 {
				weights[i] = uint32(w.n)
			} else {
				c.fault(w.at, "there is no prize %q in this file", w.id)
			}
		}
		var sum int64
		for i := range c.prizes {
			weight, named := weights[i]
			if named {
				step.Weights = append(step.Weights, engine.SoftWeight{Prize: int16(i), Weight: weight})
			} else {
				weight = c.prizes[i].Weight
			}
			sum += int64(weight)
		}
		switch d := int64(c.version.Denominator); {
		case d == 0 || c.sessions != nil || len(c.channels) > 0: // see compilePities
		case sum > d:
			c.fault(s.at, "from draw %d on the weights sum to %d, %d more than the denominator %d", s.from, sum, sum-d, d)
		case c.version.Guaranteed && sum != d:
			c.fault(s.at, "from draw %d on the weights sum to %d; in a guaranteed campaign they must sum to the denominator %d exactly", s.from, sum, d)
		}
		p.Soft = append(p.Soft, step)
	}
}

// compilePities fills in the pities. The sums of soft weights in sessions and channels are known only then.
func (c *campaign) compilePities() {
	v := c.version
	for i := range c.pities {
		p := &c.pities[i]
		v.Pity = append(v.Pity, p.Pity)
		if len(p.Soft) > 0 && v.Mode.Kind != engine.ModeWeighted {
			c.fault(p.softAt, "soft weights go with mode weighted only: a deck and pacing make their own")
		}
		for j := range p.Soft {
			over, short := v.SoftSums(&p.Soft[j])
			where := "in some session or channel"
			switch at := p.soft[j].at; {
			case over:
				c.fault(at, "from draw %d on the weights %s sum to more than the denominator %d", p.Soft[j].From, where, v.Denominator)
			case short && v.Guaranteed:
				c.fault(at, "from draw %d on the weights %s sum to less than the denominator %d; the campaign is guaranteed", p.Soft[j].From, where, v.Denominator)
			}
		}
	}
}

// pityDocument is a pity in the canonical form.
type pityDocument struct {
	ID      string           `json:"id"`
	Within  uint32           `json:"guarantee_within,omitempty"`
	Mode    string           `json:"mode,omitempty"`
	Scope   string           `json:"scope,omitempty"`
	Group   any              `json:"group,omitempty"`
	Prizes  []string         `json:"prizes,omitempty"`
	Reserve map[string]int64 `json:"reserve,omitempty"`
	Soft    []softDocument   `json:"soft,omitempty"`
}

type softDocument struct {
	From    uint32            `json:"from"`
	Weights map[string]uint32 `json:"weights"`
}

func pityForm(p *engine.Pity, prizes []engine.Prize) pityDocument {
	d := pityDocument{ID: p.ID, Within: p.Within}
	if p.Extra {
		d.Mode = pityModes[1]
	}
	if p.Shared {
		d.Scope = pityScopes[1]
	}
	var own []int16
	for _, z := range p.List {
		d.Prizes = append(d.Prizes, prizes[z.Prize].ID)
		own = append(own, z.Prize)
		if z.Reserve > 0 {
			if d.Reserve == nil {
				d.Reserve = make(map[string]int64)
			}
			d.Reserve[prizes[z.Prize].ID] = int64(z.Reserve)
		}
	}
	slices.Sort(own)
	switch {
	case p.AnyWin:
		d.Group = groupAny
	case !slices.Equal(own, p.Group):
		var group []string
		for _, i := range p.Group {
			group = append(group, prizes[i].ID)
		}
		d.Group = group
	}
	for _, s := range p.Soft {
		step := softDocument{From: s.From, Weights: make(map[string]uint32)}
		for _, w := range s.Weights {
			step.Weights[prizes[w.Prize].ID] = w.Weight
		}
		d.Soft = append(d.Soft, step)
	}
	return d
}

// pitySize bounds the bytes that the pities take in a command from above.
func pitySize(all []engine.Pity) (size int) {
	const fixed, each = 128, 16
	for i := range all {
		size += fixed + each*(len(all[i].Group)+len(all[i].List))
		for j := range all[i].Soft {
			size += each * (1 + len(all[i].Soft[j].Weights))
		}
	}
	return size
}

// worsePity reports how next treats a pity of live worse.
func worsePity(live, next *engine.Version, was *engine.Pity, take func(string, string, ...any)) {
	at := slices.IndexFunc(next.Pity, func(p engine.Pity) bool { return p.ID == was.ID })
	if at < 0 {
		take("/pity", "pity %q of the live version is missing", was.ID)
		return
	}
	p := &next.Pity[at]
	pointer := func(field string) string { return pointerTo("pity", at, field) }
	if was.Within > 0 && (p.Within == 0 || p.Within > was.Within) {
		take(pointer("guarantee_within"), "was %d: it may only fall", was.Within)
	}
	if was.Extra && !p.Extra {
		take(pointer("mode"), "was extra: the pity prize came on top of a win")
	}
	if was.Shared != p.Shared {
		take(pointer("scope"), "was %s: the counters would begin at 0", pityScopes[btoi(was.Shared)])
	}
	if was.AnyWin != p.AnyWin || !slices.Equal(ids(live, was.Group), ids(next, p.Group)) {
		take(pointer("group"), "is another one: other wins end the row")
	}
	for i, z := range was.List {
		id := live.Prizes[z.Prize].ID
		j := slices.IndexFunc(p.List, func(o engine.PityPrize) bool { return next.Prizes[o.Prize].ID == id })
		switch {
		case j != i:
			take(pointer("prizes"), "prize %q was number %d of the list", id, i+1)
		case p.List[j].Reserve < z.Reserve:
			take(pointer("reserve"), "of prize %q was %d: it may only rise", id, z.Reserve)
		}
	}
	worseSoft(live, next, was, p, take, pointer("soft"))
}

// worseSoft compares the weights of every prize at every draw of the row at which some table changes.
func worseSoft(live, next *engine.Version, was, p *engine.Pity, take func(string, string, ...any), pointer string) {
	for _, s := range slices.Concat(was.Soft, p.Soft) {
		for i := range live.Prizes {
			j := slices.IndexFunc(next.Prizes, func(o engine.Prize) bool { return o.ID == live.Prizes[i].ID })
			if j < 0 {
				continue // a missing prize has its own fault
			}
			before, after := SoftWeight(live, was, s.From, i), SoftWeight(next, p, s.From, j)
			if int64(after)*int64(live.Denominator) < int64(before)*int64(next.Denominator) {
				take(pointer, "from draw %d on the odds of prize %q were %d in %d: they may only rise", s.From, live.Prizes[i].ID, before, live.Denominator)
				return
			}
		}
	}
}

// SoftWeight returns the weight of a prize at a draw of the row.
func SoftWeight(v *engine.Version, p *engine.Pity, draw uint32, prize int) uint32 {
	weight := v.Prizes[prize].Weight
	for _, s := range p.Soft {
		if s.From > draw {
			break
		}
		weight = v.Prizes[prize].Weight
		for _, w := range s.Weights {
			if int(w.Prize) == prize {
				weight = w.Weight
			}
		}
	}
	return weight
}

// ids returns the ids of prizes, sorted.
func ids(v *engine.Version, prizes []int16) (all []string) {
	for _, i := range prizes {
		all = append(all, v.Prizes[i].ID)
	}
	slices.Sort(all)
	return all
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
