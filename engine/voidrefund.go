package engine

import (
	"encoding/binary"
	"slices"
)

// What a void by the system's fault gives back to the user.

// refundChances gives back the chances that the draw spent, as a compensation that ends with the campaign.
func (t *tx) refundChances(x *voiding) {
	spent, ok := x.draw.Chances()
	a, row := t.payer(x)
	if !ok || row == nil {
		return
	}
	a.load(row, &t.chances)
	t.chances.tidy(t.now) // what has ended takes no room
	source := uint8(sourceCompensation)
	if l := (lot{remaining: spent.Price, end: neverEnds, source: source}); !t.chances.fits(&l, a.limit) {
		source = sourceMilestone // one of drawd's own lots always has room
	}
	if t.grantOwn(a, row, source, spent.Price) > 0 {
		x.refunds |= VoidChances
	}
}

// payer returns the account that the draw was paid from, and the user's row there: a later version may have another. The row is
// nil for a draw that nothing paid.
func (t *tx) payer(x *voiding) (a *account, row []byte) {
	v := x.version.Chances
	switch {
	case v == nil || v.Mode == ChancesFree:
		return nil, nil
	case v.Mode == ChancesGranted:
		return x.campaign.chances, t.campaign[ScopeUser].data
	}
	n := x.campaign.namespace
	if t.elsewhere.find(t.world, n.tables[ScopeUser], &t.draw.User); t.elsewhere.data != nil {
		t.elsewhere.open()
	}
	return n.purse(v.Purse).account, t.elsewhere.data
}

// refundCaps moves counters back, of caps that the draw was counted by and whose window is still open: the user's, and those
// of the device, address and attributes that the record names.
func (t *tx) refundCaps(x *voiding) {
	then := t.momentOf(x)
	var shared moment
	shared.set(&t.rules.zone, x.draw.At)
	t.shared.set(&t.rules.zone, t.now)
	wins := uint32(0)
	for i := range x.given {
		if x.given[i].prize != NoPrize {
			wins++
		}
	}
	whole := x.whole() // a cooldown counts a request once
	back := func(k *counter, row []byte, now, then *moment, n uint32) {
		if row != nil && n > 0 && k.subtract(row, now, then, n) {
			x.refunds |= VoidCaps
		}
	}
	for i := range t.plan.draws {
		if k := &t.plan.draws[i]; x.counted(t, k) && (k.kind != WindowCooldown || whole) {
			back(k, t.campaign[k.scope].data, &t.own, &then, 1)
		}
	}
	for i := range t.plan.wins {
		if k := &t.plan.wins[i]; x.counted(t, k) {
			back(k, t.campaign[k.scope].data, &t.own, &then, x.won(t, k, wins))
		}
	}
	for i := range t.rules.draws {
		if k := &t.rules.draws[i]; x.countedByAll(t, k) && (k.kind != WindowCooldown || whole) {
			back(k, t.everyone[k.scope].data, &t.shared, &shared, 1)
		}
	}
	for i := range t.rules.wins {
		if k := &t.rules.wins[i]; x.countedByAll(t, k) {
			back(k, t.everyone[k.scope].data, &t.shared, &shared, wins)
		}
	}
	t.refundAmounts(x, back, &then, &shared)
}

// refundAmounts does the same for caps on amounts.
func (t *tx) refundAmounts(x *voiding, back func(k *counter, row []byte, now, then *moment, n uint32), then, shared *moment) {
	for i := range x.given {
		g := &x.given[i]
		if g.prize == NoPrize {
			continue
		}
		p := &x.version.Prizes[g.prize]
		amount := g.paid
		if amount == 0 && p.Kind.paysAmount() {
			amount = p.Amount
		}
		for j := range t.plan.amounts {
			k := &t.plan.amounts[j]
			if x.counted(t, k) && (k.prize < 0 && p.Kind == KindCash || k.prize >= 0 && t.plan.version.Prizes[k.prize].ID == p.ID) {
				back(k, t.campaign[k.scope].data, &t.own, then, uint32(amount))
			}
		}
		for j := range t.rules.amounts {
			if k := &t.rules.amounts[j]; p.Kind == KindCash && x.countedByAll(t, k) {
				back(k, t.everyone[k.scope].data, &t.shared, shared, uint32(amount))
			}
		}
	}
}

// whole reports whether every other sub-draw of the request was taken back in the same way. Their seqs follow each other.
func (x *voiding) whole() bool {
	first := x.draw.Seq - uint64(x.draw.Part)
	for seq := first; seq < first+uint64(x.draw.Times); seq++ {
		if at, found := x.campaign.findVoid(seq); seq != x.draw.Seq && (!found || x.campaign.voids[at].fault != VoidSystem) {
			return false
		}
	}
	return true
}

// counted reports whether the version of the draw had the cap.
func (x *voiding) counted(t *tx, k *counter) bool {
	id := t.plan.version.Caps[k.index].ID
	return slices.ContainsFunc(x.version.Caps, func(c Cap) bool { return c.ID == id })
}

// countedByAll reports whether an aggregate cap surely was there for the draw: one that came at the same ms may not have been.
func (x *voiding) countedByAll(t *tx, k *counter) bool {
	begins := t.rules.since.at(k.index)
	return begins == 0 || x.draw.At > begins
}

// won returns how many of the draw's wins a cap on wins counted.
func (x *voiding) won(t *tx, k *counter, wins uint32) uint32 {
	if k.prize < 0 {
		return wins
	}
	n, id := uint32(0), t.plan.version.Prizes[k.prize].ID
	for i := range x.given {
		if g := &x.given[i]; g.prize != NoPrize && x.version.Prizes[g.prize].ID == id {
			n++
		}
	}
	return n
}

// subtract moves the counter back by n where then's window is still open, and reports whether it moved.
func (c *counter) subtract(row []byte, now, then *moment, n uint32) bool {
	switch c.kind {
	case WindowCampaign:
		was := binary.LittleEndian.Uint32(row[c.at:])
		binary.LittleEndian.PutUint32(row[c.at:], was-min(was, n))
		return was > 0
	case WindowCooldown:
		if getU48(row[c.at:]) != uint64(then.at) || int64(now.at-then.at) >= c.duration {
			return false
		}
		putU48(row[c.at:], 0)
		return true
	case WindowRolling:
		return c.forget(row, now.at, then.at, n)
	}
	if then.windows[c.kind] != now.windows[c.kind] || binary.LittleEndian.Uint32(row[c.at:]) != now.windows[c.kind] {
		return false
	}
	was := binary.LittleEndian.Uint32(row[c.at+4:])
	binary.LittleEndian.PutUint32(row[c.at+4:], was-min(was, n))
	return was > 0
}

// forget takes n times out of a rolling window.
func (c *counter) forget(row []byte, now, then UnixMilli, n uint32) bool {
	var buf [3 * MaxRollingLimit]UnixMilli
	times := c.rolling(row, now, buf[:0])
	kept := times[:0]
	for _, at := range times {
		if at == then && n > 0 {
			n--
			continue
		}
		kept = append(kept, at)
	}
	if len(kept) == len(times) {
		return false
	}
	for _, at := range c.offsets {
		clear(row[at : at+1+rollingTime*int(row[at])])
	}
	row[c.at] = byte(len(kept))
	for i, at := range kept {
		putU48(row[c.at+1+i*rollingTime:], uint64(at))
	}
	return true
}

// refundPity moves the user's pity counters as if the draw had not been: a row that it ended goes on, and a miss does not
// count.
func (t *tx) refundPity(x *voiding) {
	if t.plan.pity == nil {
		return
	}
	for i := range t.plan.pity.rules {
		r, id := &t.plan.pity.rules[i], t.plan.version.Pity[i].ID
		j := slices.IndexFunc(x.version.Pity, func(p Pity) bool { return p.ID == id })
		row := r.row(t)
		if j < 0 || j >= x.moves.Count || row == nil || x.moves.Before[j] == x.moves.After[j] {
			continue
		}
		n := r.counter(t)
		if x.moves.After[j] == 0 {
			n = min(n+min(x.moves.Before[j], 1<<16-1-n), r.most)
		} else if n > 0 {
			n--
		}
		binary.LittleEndian.PutUint16(row[r.at:], n)
		x.refunds |= VoidPity
	}
}

// clearPity lets the user's pity begin again.
func (t *tx) clearPity(*voiding) {
	if t.plan.pity == nil {
		return
	}
	for i := range t.plan.pity.rules {
		if r := &t.plan.pity.rules[i]; r.row(t) != nil {
			binary.LittleEndian.PutUint16(r.row(t)[r.at:], 0)
		}
	}
}
