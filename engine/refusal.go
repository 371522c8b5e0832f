package engine

import (
	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
)

// sight is the time at which a draw is looked at. The applier sees log time only. A reader may also trust his own clock,
// but then refuses only what stays refused for margin longer: the leader's clock may differ.
type sight struct {
	logTime UnixMilli
	now     UnixMilli // at or after logTime
	margin  UnixMilli
	// onlyUser: the look is at a user and not at a request, so there is no device and no ip to count by.
	onlyUser bool
}

// refusal takes rungs 2 to 6: everything that refuses a draw without consuming anything. It also finds the rows and
// prepares the moments that the later rungs use. The draw's shards are locked. The code is in t.result too, with what
// the refusal says besides; OK leaves t.result alone.
func (t *tx) refusal(d *Draw, c *Campaign, s sight) problem.Code {
	t.plan, t.rules = c.plan.Load(), c.namespace.rules.Load()
	// 2. Campaign at log time.
	if code := t.closed(c, s); code != problem.OK {
		return code
	}
	if len(t.plan.version.Sessions) > 0 {
		if code, unsure := t.betweenSessions(s); code != problem.OK || unsure {
			return code
		}
	}
	if d.ExpectVersion != 0 && d.ExpectVersion != t.plan.version.Number {
		return t.refuse(problem.VersionChanged)
	}
	if t.plan.chances != nil && t.overpriced(d, s) {
		return t.refuse(problem.VersionChanged)
	}
	t.set = &t.plan.whole
	if t.plan.channels != nil && !s.onlyUser {
		if code := t.enter(d.Channel); code != problem.OK {
			return code
		}
	}
	// 3. Eligibility: tickets, audience and lists; then the values that the caps' scopes need.
	if code := t.ineligible(d, c, s); code != problem.OK {
		return code
	}
	if !s.onlyUser {
		if code := t.missing(d); code != problem.OK {
			return code
		}
	}
	t.look(d, c, s.now)
	// 4. Caps on draws: all sub-draws must fit.
	if code := t.capped(d, s); code != problem.OK {
		return code
	}
	// 5. Exhaustion, of the campaign and for this user.
	if t.turning(c, s) {
		return problem.OK // a reader: the log knows which session it is
	}
	if c.winnable.Load() == 0 && (t.plan.pools == nil || !t.poolsGive(c, s)) {
		switch t.plan.version.Exhausted {
		case Deny:
			return t.refuse(problem.Exhausted)
		case End:
			if next := t.plan.calendar.next; next >= 0 { // the session is over, and not the campaign
				code, _ := t.beforeSession(next, s)
				return code
			}
			t.result.Now = s.now
			return t.refuse(problem.Ended)
		}
	}
	if t.plan.version.UserExhausted == Deny && t.nothingLeft(s) {
		return t.refuse(problem.NothingLeftForUser)
	}
	// 6. Chances: all sub-draws must be paid.
	if t.plan.chances != nil {
		if code := t.chanceless(d, s); code != problem.OK {
			return code
		}
	}
	// Caps on wins that deny are asked once, before the first sub-draw.
	if t.plan.denyWins {
		return t.deniedByWins(s)
	}
	return problem.OK
}

func (t *tx) refuse(code problem.Code) problem.Code {
	t.result.Code = code
	return code
}

// closed refuses what is outside the campaign's time or was stopped by hand.
func (t *tx) closed(c *Campaign, s sight) problem.Code {
	k, v := c.control.Load(), t.plan.version
	switch {
	case s.now+s.margin < v.StartsAt && k.endedAt == 0: // ended by hand before it started, it never will
		t.result.ResetsAt, t.result.Now = v.StartsAt, s.now
		return t.refuse(problem.NotStarted)
	case s.logTime >= c.endsAt(k):
		t.result.Now = s.now
		return t.refuse(problem.Ended)
	case k.paused:
		return t.refuse(problem.Paused)
	case k.killed != 0:
		t.result.Cap = uint8(k.killed)
		return t.refuse(problem.Killed)
	case k.fenced != "":
		return t.refuse(problem.CampaignFenced)
	}
	return problem.OK
}

// missing refuses a draw without a value that a cap counts by. Cap says which scope's.
func (t *tx) missing(d *Draw) problem.Code {
	if without := (t.plan.rows | t.rules.rows) &^ d.scopes(); without != 0 {
		t.result.Cap = uint8(without.first())
		return t.refuse(problem.ScopeValueMissing)
	}
	return problem.OK
}

// look finds the rows of the draw's subjects that matter, and fixes the moment.
func (t *tx) look(d *Draw, c *Campaign, now UnixMilli) {
	t.own.set(&t.plan.zone, now)
	if len(t.plan.version.Sessions) > 0 {
		t.own.setSession(t.plan)
	}
	if len(t.rules.draws)+len(t.rules.wins)+len(t.rules.amounts) > 0 {
		t.shared.set(&t.rules.zone, now)
	}
	has := d.scopes() // not the others: their shards are not locked
	mine, ours := t.plan.rows&has, (t.rules.rows|t.plan.shared)&has
	for left := t.mine &^ mine; left != 0; left &= left - 1 {
		t.campaign[left.first()] = subject{} // of the draw before
	}
	for left := t.ours &^ ours; left != 0; left &= left - 1 {
		t.everyone[left.first()] = subject{}
	}
	t.mine, t.ours = mine, ours
	for ; mine != 0; mine &= mine - 1 {
		s := mine.first()
		t.campaign[s].find(t.world, c.rowsOf(s), d.subject(s))
	}
	for ; ours != 0; ours &= ours - 1 {
		s := ours.first()
		t.everyone[s].find(t.world, c.namespace.tables[s], d.subject(s))
	}
}

// find looks a subject's row up.
func (s *subject) find(w *world, table *rowTable, key *Key) {
	s.part, s.key = &table.block[w.shardOf(key)], key
	s.row, s.data = s.part.Look((*pages.Key)(key))
}

// capped refuses a draw that does not fit under some cap on draws. Of several, the one that resets last is named; of
// those, the first: the namespace's before the campaign's, in file order.
func (t *tx) capped(d *Draw, s sight) problem.Code {
	code := problem.OK
	for i := range t.rules.draws {
		k := &t.rules.draws[i]
		if row := t.everyone[k.scope].data; k.free(row, &t.shared) < k.need(d.Times) {
			code = t.weigh(code, k, row, &t.shared, d.Times, s)
		}
	}
	for i := range t.plan.draws {
		k := &t.plan.draws[i]
		if row := t.campaign[k.scope].data; k.free(row, &t.own) < k.need(d.Times) {
			code = t.weigh(code, k, row, &t.own, d.Times, s)
		}
	}
	return code
}

// need returns how many of n sub-draws a cap counts: a cooldown counts a request once.
func (k *counter) need(n uint8) uint32 {
	if k.kind == WindowCooldown {
		return 1
	}
	return uint32(n)
}

// weigh takes one cap into account: n more must fit. code is what the caps before
// it said; their worst is in t.result.
func (t *tx) weigh(code problem.Code, k *counter, row []byte, m *moment, n uint8, s sight) problem.Code {
	need, free := k.need(n), k.free(row, m)
	if free >= need {
		return code
	}
	resets := UnixMilli(0) // more than the cap ever holds: waiting does not help
	if need <= k.limit {
		resets = k.resets(row, m, need)
	}
	if resets != 0 && resets <= s.now+s.margin {
		return code // a reader: it may have reset by the time the log decides
	}
	worst := &t.result
	if code == problem.OK {
		worst.Allowed = n
	}
	worst.Allowed = uint8(min(uint32(worst.Allowed), free))
	later := worst.ResetsAt != 0 && (resets == 0 || resets > worst.ResetsAt)
	// Caps are asked by what they count, so of two that reset together the one that stands first may come second.
	first := resets == worst.ResetsAt && !k.aggregate && k.index < worst.Cap && worst.Cap&AggregateBit == 0
	if code == problem.OK || later || first {
		worst.Cap, worst.ResetsAt, worst.Now = k.name(), resets, s.now
		worst.Used, worst.Limit = k.used(row, m), k.limit // used is above the limit when that was lowered
	}
	return t.refuse(problem.Capped)
}

func (k *counter) name() uint8 {
	if k.aggregate {
		return k.index | AggregateBit
	}
	return k.index
}

// nothingLeft reports whether every prize is out for this user by his own caps. Caps that deny answer for themselves.
func (t *tx) nothingLeft(s sight) bool {
	for i := range t.rules.wins {
		if k := &t.rules.wins[i]; k.reached(t.everyone[k.scope].data, &t.shared, s) {
			return t.anyPrize()
		}
	}
	if len(t.plan.wins)+len(t.plan.amounts)+len(t.rules.amounts) == 0 {
		return false
	}
	for i := range t.plan.wins {
		if k := &t.plan.wins[i]; k.prize < 0 && !k.deny && k.reached(t.campaign[k.scope].data, &t.own, s) {
			return t.anyPrize()
		}
	}
	for _, i := range t.set.ordinals {
		if !t.plan.prizes[i].thanks && !t.outForUser(int(i), s) {
			return false
		}
	}
	return t.anyPrize()
}

func (t *tx) anyPrize() bool {
	for _, i := range t.set.ordinals {
		if !t.plan.prizes[i].thanks {
			return true
		}
	}
	return false
}

func (t *tx) outForUser(prize int, s sight) bool {
	for i := range t.plan.wins {
		if k := &t.plan.wins[i]; int(k.prize) == prize && !k.deny && k.reached(t.campaign[k.scope].data, &t.own, s) {
			return true
		}
	}
	return t.amountOut(prize, s)
}

// deniedByWins refuses a draw when a cap on wins or amounts that denies is reached.
func (t *tx) deniedByWins(s sight) problem.Code {
	code := problem.OK
	for i := range t.plan.wins {
		if k := &t.plan.wins[i]; k.deny {
			code = t.weigh(code, k, t.campaign[k.scope].data, &t.own, 1, s)
		}
	}
	for i := range t.plan.amounts {
		if k := &t.plan.amounts[i]; k.deny {
			code = t.weigh(code, k, t.campaign[k.scope].data, &t.own, 1, s)
		}
	}
	return code
}

// reached reports whether nothing more fits, and for a reader: will not for a while.
func (k *counter) reached(row []byte, m *moment, s sight) bool {
	if k.free(row, m) > 0 {
		return false
	}
	resets := k.resets(row, m, 1)
	return resets == 0 || resets > s.now+s.margin
}

// lockShards takes the locks of a draw's subjects, ascending and without duplicates. The idempotency key's row shares
// the user's shard. more are subjects besides: of a help the owner.
func (t *tx) lockShards(d *Draw, more ...*Key) {
	if t.bulk {
		t.locks = 0
		return
	}
	t.locked[0], t.locks = t.world.shardOf(&d.User), 1
	if d.HasDevice {
		t.addLock(t.world.shardOf(&d.Device))
	}
	if d.HasIP {
		t.addLock(t.world.shardOf(&d.IP))
	}
	for slot := range d.By {
		if d.HasBy&(1<<slot) != 0 {
			t.addLock(t.world.shardOf(&d.By[slot]))
		}
	}
	for _, key := range more {
		t.addLock(t.world.shardOf(key))
	}
	for i := range t.locks {
		t.world.shards[t.locked[i]].mu.Lock()
	}
}

func (t *tx) addLock(shard int) {
	at := t.locks
	for i := range t.locks {
		if t.locked[i] == shard {
			return
		}
		if t.locked[i] > shard {
			at = i
			break
		}
	}
	copy(t.locked[at+1:], t.locked[at:t.locks])
	t.locked[at] = shard
	t.locks++
}

func (t *tx) unlockShards() {
	for i := range t.locks {
		t.world.shards[t.locked[i]].mu.Unlock()
	}
}
