package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/zeebo/xxh3"
)

// decideDraw takes a draw's locks and decides it. What became of it is in t.result: a Result is too large to be passed
// from rung to rung.
func (t *tx) decideDraw(d *Draw) {
	t.result = Result{}
	c := t.world.campaign(d.Campaign)
	if c == nil {
		t.refuse(problem.CampaignNotFound)
		return
	}
	t.result.Campaign = c.ref
	if t.library {
		t.decideTogether(d, c)
		return
	}
	t.lockShards(d)
	t.ladder(d, c)
	t.unlockShards()
}

// ladder decides a draw: every rung is one check, one early return and one named code, in the order of the semantics.
// Nothing is written before the last check is passed. As a library it reports true, having done nothing, when what can be
// won has to be brought to the draw's time first.
func (t *tx) ladder(d *Draw, c *Campaign) (late bool) {
	// 1. Idempotency.
	print := fingerprint(d)
	spot, known := c.seen(&d.Digest, print, &t.result)
	if known {
		return false
	}
	t.spot = spot
	for {
		epoch := c.epoch.Load()
		if t.late() || t.returning(c) {
			return true
		}
		// 2. to 6. What refuses a draw without consuming anything.
		if t.refusal(d, c, sight{logTime: t.now, now: t.now}) != problem.OK {
			return false
		}
		// The word depends on nothing that another draw could still change: it is made before the campaign's lock.
		user := &t.campaign[ScopeUser]
		number := drawsOf(user.data) + 1
		first := newWordInput(&c.seed, &d.User, number, &d.Digest)
		word, natural := t.choose(&first)

		t.lockCampaign(c)
		if t.plan.pools != nil {
			t.lockPools()
		}
		if t.plan.mode != nil { // what is left decides, and others take from it
			word, natural = t.deal(c, &first)
		}
		code, stale := t.claim(d, c, epoch, natural)
		if !stale && code == problem.OK {
			t.commit(d, c, print, word, natural)
			return false
		}
		if t.plan.pools != nil {
			t.unlockPools()
		}
		t.unlockCampaign(c)
		if !stale {
			return false
		}
		// As a library: time moved on, or somebody took the last of it. Look again.
	}
}

// claim takes the last checks, which need the campaign's lock, and the command's position. As a library the clock's lock covers
// both the bounds and the position, so that positions are in the order of effects also where campaigns share a bound; stale
// says that what the refusals were decided on no longer holds.
func (t *tx) claim(d *Draw, c *Campaign, epoch uint64, natural int) (code problem.Code, stale bool) {
	w := t.world
	if t.library && c.epoch.Load() != epoch {
		return problem.OK, true
	}
	if t.plan.pools != nil {
		if t.library && t.poolsMoved(c) {
			return problem.OK, true
		}
		if t.fencedPool() {
			return t.refuse(problem.CampaignFenced), false
		}
		t.meetOwner(d, c, natural)
	}
	broken := t.unbalanced(d, c, natural)
	if t.library {
		w.clock.Lock()
		defer w.clock.Unlock()
		if max(w.clock.now, t.stamp) != t.now || t.returning(c) {
			return problem.OK, true
		}
	}
	if broken == "" && !t.admitted(c) {
		return t.refuse(problem.Capacity), false
	}
	if t.library {
		t.placeLocked()
		if t.plan.pools != nil && t.plan.pools.holds {
			w.returnsBy(secondOf(t.now) + 1) // as of takeStockPosition
		}
	}
	if broken != "" {
		t.result = t.fence(c, broken)
	}
	return t.result.Code, false
}

// commit does all of the draw, and lets the campaign's lock go. It cannot refuse any more. As a library the lock is let go as
// soon as the books have been asked and changed, where nothing else of the draw needs it: rows, key and record are the
// shard's. They are most of a draw, and other goroutines' draws of the campaign wait for the books only.
func (t *tx) commit(d *Draw, c *Campaign, print uint32, word uint64, natural int) {
	at, start := t.at, len(t.out.records)
	apart := t.library && t.plan.apart && d.Times == 1 && c.burn == nil
	if apart {
		t.fromBooks(d, c, natural)
		t.unlockCampaign(c)
	}
	t.makeRows()
	t.countDraws(d)
	if t.plan.pools != nil && t.pooled.could {
		t.store.view.create()
	}
	for part := range d.Times {
		if part > 0 {
			in := newWordInput(&c.seed, &d.User, drawsOf(t.campaign[ScopeUser].data)+1, &d.Digest)
			if word, natural = t.choose(&in); t.plan.mode != nil {
				word, natural = t.deal(c, &in)
			}
		}
		if !apart {
			t.fromBooks(d, c, natural)
		}
		t.intoRows(d, c, part, word, natural)
	}
	c.put(&d.Digest, t.spot, keyRow{at, print})
	r := &t.result
	r.At, r.Records, r.Offset, r.Length = at, d.Times, uint32(start), uint32(len(t.out.records)-start)
	if c.burn != nil {
		t.watch(c)
	}
	if t.plan.pools != nil {
		t.endPools(c)
	}
	if !apart {
		t.unlockCampaign(c)
	}
}

// choose is rung 7: the word, and the prize that it names by the weights.
func (t *tx) choose(in *wordInput) (word uint64, natural int) {
	word, value := in.scale(t.words.first(in), t.plan.version.Denominator)
	return word, t.table().pick(value)
}

// fromBooks is rungs 8 and 9 of one sub-draw: pity, availability, and what the books give. The rows need not be there yet.
func (t *tx) fromBooks(d *Draw, c *Campaign, natural int) {
	t.more, t.code, t.pooled.given = t.more[:0], t.code[:0], false
	if t.plan.chances != nil {
		t.spendChances()
	}
	prize, cause := t.give(c, natural)
	if t.plan.calendar.live >= 0 {
		t.more = appendRecordSession(t.more, t.plan.calendar.live)
	}
	if t.plan.pity != nil {
		prize = t.pity(c, prize)
	}
	rec := &t.record // field by field: a draw sets the same ones each time, and a literal would be built and copied
	rec.Digest, rec.DrawNumber = d.Digest, drawsOf(t.campaign[ScopeUser].data)+1
	rec.Prize, rec.Cause, rec.StockAfter = prize, cause, Unlimited
	rec.AmountPaid, rec.ExtraAmount = AmountPaid{}, AmountPaid{}
	c.mu.seq++
	rec.Seq = c.mu.seq
	if prize != NoPrize {
		rec.StockAfter = t.told(t.award(c, prize))
	}
}

// intoRows is rung 10 of one sub-draw: outcome, counters, record.
func (t *tx) intoRows(d *Draw, c *Campaign, part uint8, word uint64, natural int) {
	row := t.campaign[ScopeUser].data
	rec := &t.record
	prize := rec.Prize
	rec.Renderer, rec.Campaign, rec.Version, rec.At = CurrentRenderer, c.ref, t.plan.version.Number, t.now
	rec.User, rec.Channel = d.UserID, d.Channel
	rec.Word, rec.Natural, rec.Part, rec.Times, rec.Listed = word, natural, part, d.Times, d.Listed
	rec.Previous, rec.PrevWin = getLocation(row[rowLast:]), getLocation(row[rowLastWin:])
	if prize != NoPrize {
		t.countWin(prize)
		putLocation(row[rowLastWin:], t.at)
	}
	if t.plan.pity != nil {
		t.settlePity(c, prize)
	}
	if t.plan.chances != nil {
		t.closeChances(rec.DrawNumber)
	}
	binary.LittleEndian.PutUint32(row[rowDraws:], rec.DrawNumber)
	putLocation(row[rowLast:], t.at)
	of := t.plan.ofUser
	used := t.used[:len(of)]
	for i := range used {
		used[i] = of[i].used(row, &t.own)
	}
	rec.Used = used
	t.out.offsets = append(t.out.offsets, uint32(len(t.out.records)))
	if rec.Amount != 0 || rec.ExtraAmount.Amount != 0 {
		t.recordAmounts()
	}
	if t.plan.mode != nil {
		t.advance(c)
	}
	t.audit(d, c)
	if len(t.code) > 0 {
		t.recordCodes()
	}
	if t.pooled.given {
		t.more = t.store.moves.append(t.more)
		t.store.moves.Deadline = 0 // of draws only
	}
	if (t.mine|t.ours)&^setOf(ScopeUser) != 0 {
		t.recordSubjects()
	}
	rec.Sections = t.more
	t.out.records = appendDraw(t.out.records, rec)
	t.at.Ordinal++
}

// award gives a prize, out of its stock or out of the reserve of the pity that decided, and returns the units left. The win
// is counted with the rows.
func (t *tx) award(c *Campaign, prize int) (left Quantity) {
	p := &t.plan.prizes[prize]
	cell := p.cell
	if t.plan.money != nil {
		t.payOut(c, prize)
	}
	if t.plan.pity != nil && t.turn.reserve >= 0 {
		cell = c.reserves[t.turn.reserve].cell
		c.issueReserved(p, t.turn.reserve)
	} else if p.pool != nil {
		left = t.drawFromPool(c, p)
	} else {
		t.issue(c, p)
	}
	if t.plan.codes != nil {
		t.takeCode(c, prize)
	}
	t.out.wins = append(t.out.wins, Win{c.ref, uint16(cell), t.at.Ordinal})
	if c.burn != nil {
		c.burn.at(t.now).wins++
	}
	if t.plan.chances != nil && t.plan.version.Prizes[prize].Kind == KindChance {
		t.giveChances(prize)
	}
	if p.pool != nil {
		return left
	}
	return c.books[cell].left()
}

// give walks from the natural prize along its fallbacks to one that can be given. A thanks prize is a miss with a name.
// The cause is why the natural prize was not given.
func (t *tx) give(c *Campaign, natural int) (prize int, cause Cause) {
	once := false // the share of a share would be a miss
	for at := natural; at != NoPrize; {
		p := &t.plan.prizes[at]
		if p.thanks {
			return NoPrize, cause
		}
		why := t.unavailable(c, at)
		if mutant.On(mutant.MapOrder) && p.fallback != NoPrize {
			return anyOf(natural, p.fallback), cause
		}
		if why == CauseNone {
			return at, cause
		}
		if cause == CauseNone {
			cause = why
		}
		if why == CauseSwitchedOff {
			break // an ordinary miss, so that nobody learns what he hit
		}
		if why == CauseNotReleased && !t.plan.version.Guaranteed {
			break // or what is held back would run into other prizes
		}
		if p.boosts && !once {
			at, once = t.share(c, at, why), true
		} else {
			at = p.fallback
		}
	}
	return NoPrize, cause
}

// unavailable says why a prize cannot be given to this user now.
func (t *tx) unavailable(c *Campaign, prize int) Cause {
	p := &t.plan.prizes[prize]
	if p.absent {
		return CauseNotReleased // its time is in another session
	}
	if c.books[p.cell].Off && !mutant.On(mutant.SwitchAtEdge) {
		return CauseSwitchedOff
	}
	if p.pool != nil {
		return t.outOfPool(c, prize)
	}
	if cell := &c.books[p.cell]; !cell.has(p.units) && !mutant.On(mutant.Oversell) {
		if !cell.hopeless(p.units) {
			return CauseNotReleased
		}
		return CauseSoldOut
	}
	return t.withheld(c, prize)
}

// withheld says why a prize, although it is there, is not for this user now.
func (t *tx) withheld(c *Campaign, prize int) Cause {
	if t.listed.restricted && t.plan.spares(prize) {
		return CauseRestricted
	}
	if t.plan.chances != nil && t.plan.chances.targets != nil && t.chancesClosed(prize) {
		return CauseChancesClosed
	}
	cause := CauseNone
	if t.plan.money != nil {
		if cause = t.budgeted(c, prize); cause != CauseNone {
			return cause
		}
	}
	for i := range t.plan.wins {
		k := &t.plan.wins[i]
		if k.prize >= 0 && int(k.prize) != prize || k.free(t.campaign[k.scope].data, &t.own) != 0 {
			continue
		}
		if k.prize >= 0 {
			return CauseUserPrizeCap // the narrower cause is the one to name
		}
		cause = CauseWinCap
	}
	if cause != CauseNone {
		return cause
	}
	for i := range t.rules.wins {
		if k := &t.rules.wins[i]; k.free(t.everyone[k.scope].data, &t.shared) == 0 {
			return CauseWinCap
		}
	}
	if t.plan.money != nil {
		return t.amountCapped(prize)
	}
	return CauseNone
}

// issue takes the units of a prize, and notices when they were the last.
func (t *tx) issue(c *Campaign, p *prizePlan) {
	cell := &c.books[p.cell]
	if mutant.On(mutant.Oversell) && !cell.has(p.units) {
		cell.adjust(p.units)
	}
	if !cell.has(p.units) || !cell.balanced() {
		panic("BUG: issuing from a cell that was not checked: " + cell.ID)
	}
	was := cell.hopeless(p.units)
	cell.issue(p.units)
	if was || !cell.hopeless(p.units) {
		return
	}
	t.runOut(c)
}

// unbalanced returns the rule that the books break, before anything is written. One draw touches one prize or, through
// fallbacks and sub-draws, several: then all are checked.
func (t *tx) unbalanced(d *Draw, c *Campaign, natural int) string {
	if t.plan.chances != nil {
		if broken := t.brokenChances(); broken != "" {
			return broken
		}
	}
	if t.plan.pools != nil {
		if broken := t.unbalancedPool(); broken != "" {
			return broken
		}
	}
	if d.Times > 1 {
		return c.unbalanced()
	}
	for at := natural; at != NoPrize; at = t.plan.prizes[at].fallback {
		if t.plan.prizes[at].boosts {
			return c.unbalanced()
		}
		if cell := &c.books[t.plan.prizes[at].cell]; !cell.balanced() {
			return "stock of " + cell.ID
		}
	}
	if t.plan.pity != nil {
		return t.unbalancedPity(c)
	}
	if k := c.money; k != nil && (k.today < 0 || k.spent < k.today) {
		return "money"
	}
	return ""
}

// makeRows makes every row of the draw writable, and adds those that do not exist yet.
func (t *tx) makeRows() {
	var added scopeSet
	for left := t.mine; left != 0; left &= left - 1 {
		if s := left.first(); t.campaign[s].open() {
			added |= setOf(s)
		}
	}
	for left := t.ours; left != 0; left &= left - 1 {
		t.everyone[left.first()].open()
	}
	if added&attributeScopes != 0 {
		t.reopen()
	}
}

// open makes a row writable, and adds it if there is none yet.
func (s *subject) open() (added bool) {
	if s.data == nil {
		s.row = s.part.Insert((*pages.Key)(s.key))
		s.data = s.part.Payload(s.row)
		added = true
	}
	s.part.Change(s.row)
	return added
}

// countDraws moves the caps on draws: once for each sub-draw.
func (t *tx) countDraws(d *Draw) {
	for i := range t.rules.draws {
		k := &t.rules.draws[i]
		k.add(t.everyone[k.scope].data, &t.shared, uint32(d.Times))
	}
	for i := range t.plan.draws {
		k := &t.plan.draws[i]
		k.add(t.campaign[k.scope].data, &t.own, uint32(d.Times))
	}
}

// countWin moves the caps on wins.
func (t *tx) countWin(prize int) {
	for i := range t.rules.wins {
		k := &t.rules.wins[i]
		k.add(t.everyone[k.scope].data, &t.shared, 1)
	}
	for i := range t.plan.wins {
		if k := &t.plan.wins[i]; k.prize < 0 || int(k.prize) == prize {
			k.add(t.campaign[k.scope].data, &t.own, 1)
		}
	}
}

func drawsOf(row []byte) uint32 {
	if row == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(row[rowDraws:])
}

// fingerprint tells requests under one key apart: times and its form, channel, highest price. Attributes, device and ip
// are facts of the first send and do not count.
func fingerprint(d *Draw) uint32 {
	f := uint64(d.Times) | uint64(d.MaxPrice)<<8
	if d.Listed {
		f |= 1 << 63
	}
	if len(d.Channel) > 0 {
		f ^= xxh3.Hash(d.Channel)
	}
	f *= 0x9E3779B97F4A7C15 // spreads the few bits that differ over the upper half
	return uint32(f >> 32)
}

func fingerprintAdjust(c *Adjust) uint32 {
	return uint32(xxh3.HashString(c.Prize)) ^ uint32(uint64(c.Delta)*0x9E3779B97F4A7C15>>32)
}
