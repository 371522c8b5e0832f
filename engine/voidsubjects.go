package engine

// The section recordSubjects names by whom a draw was counted besides its user, where a cap counts by a device, an address
// or an attribute: so that a void can give that back. Each subject: u8 scope, 16 B key, in the order of the scopes. The keys
// are hashes under the namespace's secret: nobody can read an address out of a record.
const recordSubjectBytes = 1 + 16

// recordSubjects appends the section.
func (t *tx) recordSubjects() {
	at := len(t.more)
	t.more = append(t.more, recordSubjects, 0)
	for left := (t.mine | t.ours) &^ setOf(ScopeUser); left != 0; left &= left - 1 {
		s := left.first()
		t.more = append(t.more, byte(s))
		t.more = append(t.more, t.draw.subject(s)[:]...)
	}
	t.more[at+1] = byte(len(t.more) - at - 2)
}

func soundSubjects(b []byte) bool {
	if len(b)%recordSubjectBytes != 0 {
		return false
	}
	for last := Scope(ScopeUser); len(b) > 0; b = b[recordSubjectBytes:] {
		if Scope(b[0]) <= last || b[0] >= subjects {
			return false
		}
		last = Scope(b[0])
	}
	return true
}

// subjects names in d by whom else the draw of the record was counted.
func (r *Record) subjects(d *Draw) {
	b, _ := r.section(recordSubjects)
	for ; len(b) > 0; b = b[recordSubjectBytes:] {
		s := Scope(b[0])
		switch s {
		case ScopeDevice:
			d.HasDevice = true
		case ScopeIP:
			d.HasIP = true
		default:
			d.HasBy |= 1 << (s - ScopeAttribute)
		}
		*d.subject(s) = Key(b[1:recordSubjectBytes])
	}
}

// openFound makes every row that look has found writable. It adds none.
func (t *tx) openFound() {
	for left := t.mine; left != 0; left &= left - 1 {
		if s := &t.campaign[left.first()]; s.data != nil {
			s.open()
		}
	}
	for left := t.ours; left != 0; left &= left - 1 {
		if s := &t.everyone[left.first()]; s.data != nil {
			s.open()
		}
	}
}

// refundEntry gives the entry back: the next draw is dealt as if this one had not been. Without that, who draws again takes
// an entry that somebody else was expected to have, and the last of those would draw from a deck without cards.
func (c *Campaign) refundEntry(x *voiding) {
	if x.draw.Cards > 0 && c.mode != nil && c.mode.drawn > 0 {
		c.mode.drawn--
		x.refunds |= VoidEntry
	}
}

// soundChances reports whether the user's chances and their sums add up, before anything is written.
func (t *tx) soundChances() bool {
	p := t.plan.chances
	if p == nil || p.account == nil {
		return true
	}
	p.account.load(t.chanceRow(), &t.chances)
	return t.brokenChances() == ""
}

// revokeWon takes back the chances that the draw granted. They are gone with the campaign that they were for.
func (t *tx) revokeWon(x *voiding) {
	moves, ok := x.draw.Chances()
	if !ok {
		return
	}
	n, at := moves.Won()
	prize := 0 // of x.given, in the order in which they were given
	for i := range n {
		milestone, amount := at(i)
		if milestone >= 0 {
			t.revokeOwn(x, "", sourceMilestone, amount)
			continue
		}
		for prize < len(x.given) && (x.given[prize].prize == NoPrize || x.version.Prizes[x.given[prize].prize].Kind != KindChance) {
			prize++
		}
		if prize < len(x.given) {
			t.revokeOwn(x, x.version.Chances.campaignOf(x.given[prize].prize), sourcePrize, amount)
			prize++
		}
	}
}

// revokeOwn takes chances that drawd granted itself out of the user's, here or in another campaign of the namespace.
func (t *tx) revokeOwn(x *voiding, campaign string, source uint8, amount uint32) {
	a, row := t.payer(x)
	c := x.campaign
	if campaign != "" {
		if c = t.campaignOf(campaign); c == nil {
			return
		}
		if a, row = t.accountIn(c); a == nil {
			return
		}
	}
	if amount == 0 || row == nil || c.over(t.now) {
		return
	}
	h := &t.chances
	a.load(row, h)
	if !h.sound() || !a.book.sound() || h.granted == 0 { // the chances were for what that campaign had before
		return
	}
	was := h.sums()
	h.tidy(t.now)
	h.revoke(amount, source, neverEnds)
	is := h.sums()
	a.save(row, h)
	a.book.move(&was, &is)
	x.refunds |= VoidGrants
}

// accountIn returns where a campaign's chances are now, and the user's row there.
func (t *tx) accountIn(c *Campaign) (*account, []byte) {
	p, table := c.plan.Load().chances, c.tables[ScopeUser]
	if p == nil || p.account == nil {
		return nil, nil
	}
	if p.purse {
		table = c.namespace.tables[ScopeUser]
	}
	if t.elsewhere.find(t.world, table, &t.draw.User); t.elsewhere.data != nil {
		t.elsewhere.open()
	}
	return p.account, t.elsewhere.data
}
