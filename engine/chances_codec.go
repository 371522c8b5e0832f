package engine

// Forms of chances: a section of the version's form, one of a policy, and the state of campaigns and purses.

func (w *writer) chances(c *Chances) {
	w.u8(uint8(c.Mode))
	w.str(c.Purse)
	w.u32(c.Price)
	w.u32(uint32(len(c.Periods)))
	for _, p := range c.Periods {
		w.i64(int64(p.From))
		w.i64(int64(p.To))
		w.u32(p.Price)
	}
	w.u8(c.Lots)
	w.sources(c.Sources)
	w.u32(uint32(len(c.Milestones)))
	for i := range c.Milestones {
		m := &c.Milestones[i]
		w.str(m.ID)
		w.u32(m.Draws)
		w.u32(m.StreakDays)
		w.flag(m.Repeat)
		w.u32(m.Amount)
	}
	w.u32(uint32(len(c.Prizes)))
	for _, p := range c.Prizes {
		w.u16(p.Prize)
		w.str(p.Campaign)
	}
}

func (r *reader) chances() *Chances {
	c := &Chances{Mode: ChanceMode(r.enum(uint8(chanceModes))), Purse: r.str(MaxIDBytes), Price: r.u32()}
	for range r.count(MaxPricePeriods) {
		c.Periods = append(c.Periods, PricePeriod{UnixMilli(r.i64()), UnixMilli(r.i64()), r.u32()})
	}
	c.Lots = r.u8()
	c.Sources = r.sourceList()
	for range r.count(MaxMilestones) {
		c.Milestones = append(c.Milestones, Milestone{r.str(MaxIDBytes), r.u32(), r.u32(), r.flag(), r.u32()})
	}
	for range r.count(MaxPrizes) {
		c.Prizes = append(c.Prizes, ChancePrize{r.u16(), r.str(MaxIDBytes)})
	}
	return c
}

func (w *writer) sources(sources []ChanceSource) {
	w.u32(uint32(len(sources)))
	for i := range sources {
		s := &sources[i]
		w.str(s.ID)
		w.u32(s.DailyLimit)
		w.u8(s.Priority)
		w.i64(s.ExpiresAfter)
	}
}

func (r *reader) sourceList() (all []ChanceSource) {
	for range r.count(MaxSources) {
		all = append(all, ChanceSource{r.str(MaxIDBytes), r.u32(), r.u8(), r.i64()})
	}
	return all
}

func (w *writer) purses(purses []Purse) {
	w.u32(uint32(len(purses)))
	for i := range purses {
		w.str(purses[i].ID)
		w.u8(purses[i].Lots)
		w.sources(purses[i].Sources)
	}
}

func (r *reader) purses() (all []Purse) {
	for range r.count(MaxPurses) {
		all = append(all, Purse{r.str(MaxIDBytes), r.u8(), r.sourceList()})
	}
	return all
}

func (w *writer) register(g *register) {
	w.u32(uint32(len(g.names)))
	for _, name := range g.names {
		w.str(name)
	}
}

func (r *reader) register() *register {
	g := &register{}
	for range r.count(MaxSourcesEver) {
		g.names = append(g.names, r.str(MaxIDBytes))
	}
	return g
}

func (w *writer) chanceSums(s *ChanceSums) {
	for _, n := range [...]uint64{s.Granted, s.Consumed, s.Remaining, s.Expired, s.Revoked, s.Debt} {
		w.u64(n)
	}
}

func (r *reader) chanceSums() (s ChanceSums) {
	for _, n := range [...]*uint64{&s.Granted, &s.Consumed, &s.Remaining, &s.Expired, &s.Revoked, &s.Debt} {
		*n = r.u64()
	}
	return s
}

// chancesCut is a campaign's or purse's part of the meta.
type chancesCut struct {
	id      string // of a purse
	sources *register
	sums    ChanceSums
}

func (w *writer) chancesCut(c *chancesCut) {
	w.str(c.id)
	w.register(c.sources)
	w.chanceSums(&c.sums)
}

func (r *reader) chancesCut() *chancesCut {
	return &chancesCut{r.str(MaxIDBytes), r.register(), r.chanceSums()}
}

// pursesCut is a namespace's part of the meta.
type pursesCut struct {
	purses []*chancesCut
	rows   uint64 // of the purses' keys
}

func (w *writer) pursesCut(c *pursesCut, p *NamespacePolicy) {
	w.purses(p.Purses)
	w.u32(uint32(len(c.purses)))
	for _, x := range c.purses {
		w.chancesCut(x)
	}
	w.u64(c.rows)
}

func (r *reader) pursesCut(p *NamespacePolicy) *pursesCut {
	p.Purses = r.purses()
	c := &pursesCut{}
	for range r.count(MaxPurses) {
		c.purses = append(c.purses, r.chancesCut())
	}
	c.rows = r.u64()
	r.fail = r.fail || validatePurses(p.Purses) != nil
	return c
}
