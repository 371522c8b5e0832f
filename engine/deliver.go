package engine

import (
	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
)

// MoveAward moves the award of a draw. Repeating a move succeeds and changes nothing. No move is refused because the campaign
// is paused, over or its draws are switched off; a delivery begins while no switch of its kind of prize is off (switch.go),
// and while the user's awards are not frozen by a void with the fault of abuse.
type MoveAward struct {
	Campaign CampaignRef
	Draw     []byte   // the draw's encoded record, as it was stored
	At       Location // where that stands
	Move     AwardMove
	Actor    string
	Reason   string // MoveFail: why. Of the others what the payout is known by elsewhere
}

// Thaw lets the awards of a user go on that a void had frozen.
type Thaw struct {
	Campaign CampaignRef
	User     Key
	UserID   []byte
	Actor    string
	Reason   string
}

// AddMoveAward appends a move of an award.
func (b *Batch) AddMoveAward(c *MoveAward) {
	w, start := b.begin(opMoveAward)
	w.u32(uint32(c.Campaign))
	w.bytes(c.Draw)
	w.u64(uint64(c.At.Index))
	w.u16(c.At.Ordinal)
	w.u8(uint8(c.Move))
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

// AddThaw appends a thaw.
func (b *Batch) AddThaw(c *Thaw) {
	w, start := b.begin(opThaw)
	w.u32(uint32(c.Campaign))
	w.raw(c.User[:])
	w.bytes(c.UserID)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

// applyDelivery decides the commands of this file. Every shard is locked.
func (t *tx) applyDelivery(o op, r *reader) (res Result, err error) {
	if o == opThaw {
		c := Thaw{CampaignRef(r.u32()), r.key(), r.bytes(MaxUserBytes), r.str(MaxActorBytes), r.str(MaxReasonBytes)}
		if err = r.done(); err == nil {
			res = t.applyThaw(&c)
		}
		return res, err
	}
	c := MoveAward{
		Campaign: CampaignRef(r.u32()), Draw: r.bytes(maxDrawRecord), At: Location{LogIndex(r.u64()), r.u16()},
		Move: AwardMove(r.enum(uint8(awardMoves))), Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes),
	}
	draw := r.drawIn(c.Draw)
	if err = r.done(); err == nil {
		res = t.applyMoveAward(&c, &draw)
	}
	return res, err
}

// applyMoveAward moves an award. Result.Value is its state, before a move that is refused; Limited says that it is frozen.
func (t *tx) applyMoveAward(m *MoveAward, draw *Record) Result {
	c := t.world.campaign(m.Campaign)
	if c == nil {
		return refuse(problem.CampaignNotFound)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.VersionNumber(draw.Version)
	if draw.Campaign != c.ref || v == nil || draw.Seq == 0 || draw.Seq > c.mu.seq || draw.Prize >= len(v.Prizes) {
		return Result{Code: problem.DrawNotFound, Campaign: c.ref}
	}
	user := c.namespace.keyer.User(draw.User)
	a := c.standing(v, draw, &user, t.now)
	r := Result{Campaign: c.ref, Value: uint64(a.State), Limited: a.Frozen}
	to, already, ok := a.rule.leads(m.Move, a.State)
	switch {
	case a.State == AwardFinal || !ok:
		r.Code = problem.Conflict
		return r
	case already:
		r.AlreadyLive = true
		return r
	case a.Frozen && m.Move <= MoveDeliver:
		r.Code = problem.Conflict
		return r
	case m.Move == MoveDeliver && t.payoutOff(c.namespace, v, draw):
		r.Code, r.Cap = problem.Killed, uint8(SwitchPayout)
		return r
	}
	key := c.awardKey(user, draw.Seq)
	part := c.awards.parts[t.world.shardOf(&key)]
	row, found := part.Find((*pages.Key)(&key))
	if !found {
		if n := c.namespace; n.keys.Load() >= n.rules.Load().maxKeys {
			r.Code = problem.Capacity
			return r
		}
		row = part.Insert((*pages.Key)(&key))
		c.namespace.keys.Add(1)
	}
	putAwardRow(part.Mutable(row), to, t.now)
	r.Value, r.Limited = uint64(to), false
	name := v.Prizes[draw.Prize].ID
	return t.note(Record{
		Kind: RecordDelivery, Campaign: c.ref, Version: draw.Version, Name: []byte(name), Actor: []byte(m.Actor), Reason: []byte(m.Reason),
		Delta: int64(m.At.Index)<<16 | int64(m.At.Ordinal), Flags: uint32(to),
	}, r)
}

// payoutOff reports whether payouts of a kind that the draw won are switched off.
func (t *tx) payoutOff(n *Namespace, v *Version, draw *Record) bool {
	m, _ := draw.Pity()
	for i := range n.acts.off {
		s := &n.acts.off[i]
		if s.kind != SwitchPayout {
			continue
		}
		if v.Prizes[draw.Prize].Kind.String() == s.prize || m.Count > 0 && m.Extra != NoPrize && v.Prizes[m.Extra].Kind.String() == s.prize {
			return true
		}
	}
	return false
}

// AwardView is where an award stands.
type AwardView struct {
	State     AwardState
	At        UnixMilli // of the move that led there; of won the draw's, of expired when it did
	ExpiresAt UnixMilli // of won: when it expires unless it is claimed; 0 for never
	Frozen    bool      // it is not delivered, and a void said so: unpaid awards of the user are frozen
	rule      Delivery
}

// standing finds where the award of a draw stands at now. The user's shard and the campaign's mu are locked.
func (c *Campaign) standing(v *Version, draw *Record, user *Key, now UnixMilli) (a AwardView) {
	rule, ok := v.delivery(draw)
	if !ok || draw.Prize == NoPrize || c.awards == nil {
		return AwardView{}
	}
	a = AwardView{State: AwardWon, At: draw.At, rule: rule}
	if i, found := c.findVoid(draw.Seq); found {
		a.State, a.At = AwardVoided, c.voids[i].at
		return a
	}
	key := c.awardKey(*user, draw.Seq)
	part := c.awards.parts[c.world.shardOf(&key)]
	if row, found := part.Find((*pages.Key)(&key)); found {
		a.State, a.At = getAwardRow(part.Payload(row))
	} else if rule.ClaimWithin > 0 {
		if a.ExpiresAt = draw.At + UnixMilli(rule.ClaimWithin); now >= a.ExpiresAt {
			a.State, a.At, a.ExpiresAt = AwardExpired, a.ExpiresAt, 0
			return a
		}
	}
	a.Frozen = a.State != AwardDelivered && c.frozen(user)
	return a
}

// AwardOf returns where the award of a draw stands at now. ok is false where the win is final at once, or there is none. It
// takes locks.
func (c *Campaign) AwardOf(draw *Record, now UnixMilli) (a AwardView, ok bool) {
	v := c.VersionNumber(draw.Version)
	if v == nil || draw.Campaign != c.ref || len(v.Deliveries) == 0 || draw.Prize == NoPrize {
		return a, false
	}
	user := c.namespace.keyer.User(draw.User)
	mu := &c.world.shards[c.world.shardOf(&user)].mu
	mu.Lock()
	defer mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	a = c.standing(v, draw, &user, max(now, UnixMilli(c.world.logTime.Load())))
	return a, a.State != AwardFinal
}

// frozenAt returns the byte of a user's row that says that his unpaid awards are frozen; nil where there is none.
func (c *Campaign) frozenAt(user *Key) (part *pages.Table, row pages.Row, at int) {
	p := c.layout.find(placeFrozen)
	if p == nil {
		return nil, row, 0
	}
	part = c.tables[ScopeUser].parts[c.world.shardOf(user)]
	row, found := part.Find((*pages.Key)(user))
	if !found {
		return nil, row, 0
	}
	return part, row, p.at()
}

func (c *Campaign) frozen(user *Key) bool {
	part, row, at := c.frozenAt(user)
	return part != nil && part.Payload(row)[at] != 0
}

// freeze sets or clears it, and reports whether that changed anything.
func (c *Campaign) freeze(user *Key, frozen byte) bool {
	part, row, at := c.frozenAt(user)
	if part == nil || part.Payload(row)[at] == frozen {
		return false
	}
	part.Mutable(row)[at] = frozen
	return true
}

func (t *tx) applyThaw(c *Thaw) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	r := Result{Campaign: a.ref}
	if !a.freeze(&c.User, 0) {
		r.AlreadyLive = true
		return r
	}
	return t.note(Record{
		Kind: RecordThaw, Campaign: a.ref, Version: a.Version().Number, Name: c.UserID, Actor: []byte(c.Actor), Reason: []byte(c.Reason),
	}, r)
}
