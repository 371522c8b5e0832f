package engine

import "encoding/binary"

// Delivery says how a win of a prize is delivered. A win of a prize without one is final at once, and has no state.
//
// An award is a win as it is delivered: won → claimed → delivering → delivered; a delivery may fail (payout_failed) and begin
// again. What is not claimed in time has expired; what was voided is voided. Won, expired and voided follow from the
// draw's record, the log's time and the voids, so only an award that was moved has a row, and nothing sweeps rows.
type Delivery struct {
	Prize       uint16 // index into Version.Prizes
	Unclaimed   bool   // it is delivered without a claim
	ClaimWithin int64  // ms from the win in which it must be claimed; 0 for no limit
}

// AwardState is where an award stands. Numbers are on disk.
type AwardState uint8

// The states.
const (
	AwardFinal AwardState = iota // the win is final at once: it has no states
	AwardWon
	AwardClaimed
	AwardDelivering
	AwardDelivered
	AwardPayoutFailed
	AwardExpired
	AwardVoided
)

var awardStates = [...]string{"final", "won", "claimed", "delivering", "delivered", "payout_failed", "expired", "voided"}

// String returns the wire name of s.
func (s AwardState) String() string {
	if int(s) < len(awardStates) {
		return awardStates[s]
	}
	return "unknown"
}

// AwardMove is what somebody does with an award. Numbers are on disk.
type AwardMove uint8

// The moves.
const (
	MoveClaim   AwardMove = iota // the player: won → claimed
	MoveDeliver                  // claimed, or won where no claim is asked, or payout_failed → delivering
	MoveDone                     // delivering → delivered
	MoveFail                     // delivering → payout_failed
	awardMoves
)

// moves says what each move leads to, and from where it is done already.
var moves = [awardMoves]struct{ to, done AwardState }{
	MoveClaim: {AwardClaimed, AwardClaimed}, MoveDeliver: {AwardDelivering, AwardDelivering},
	MoveDone: {AwardDelivered, AwardDelivered}, MoveFail: {AwardPayoutFailed, AwardPayoutFailed},
}

// leads returns the state behind a move; already says that it is there. ok is false where the move cannot be.
func (d *Delivery) leads(m AwardMove, from AwardState) (to AwardState, already, ok bool) {
	to = moves[m].to
	switch {
	case from == to:
		return to, true, true
	case m == MoveClaim && from >= AwardDelivering && from <= AwardPayoutFailed:
		return from, true, true // it was claimed: what came behind that is not the player's
	case m == MoveClaim:
		return to, false, from == AwardWon
	case m == MoveDeliver:
		return to, false, from == AwardClaimed || from == AwardPayoutFailed || from == AwardWon && d.Unclaimed
	}
	return to, false, from == AwardDelivering
}

// DeliveryOf returns how a win of the prize is delivered; ok is false where it is final at once.
func (v *Version) DeliveryOf(prize int) (d Delivery, ok bool) {
	for i := range v.Deliveries {
		if int(v.Deliveries[i].Prize) == prize {
			return v.Deliveries[i], true
		}
	}
	return d, false
}

// delivery returns how the win of a record is delivered. Where a pity gave a second prize the award is of both: it must be
// claimed in the shorter time, and without a claim only where neither asks for one.
func (v *Version) delivery(r *Record) (d Delivery, ok bool) {
	m, _ := r.Pity()
	extra := NoPrize
	if m.Count > 0 {
		extra = m.Extra
	}
	for _, prize := range [...]int{r.Prize, extra} {
		next, found := v.DeliveryOf(prize)
		switch {
		case prize == NoPrize || !found:
			continue
		case !ok:
			d, ok = next, true
			continue
		}
		if d.Unclaimed = d.Unclaimed && next.Unclaimed; d.ClaimWithin == 0 || next.ClaimWithin != 0 && next.ClaimWithin < d.ClaimWithin {
			d.ClaimWithin = next.ClaimWithin
		}
	}
	return d, ok && r.Kind == RecordDraw
}

func (v *Version) validateDeliveries() error {
	for i := range v.Deliveries {
		d := &v.Deliveries[i]
		switch {
		case int(d.Prize) >= len(v.Prizes) || i > 0 && d.Prize <= v.Deliveries[i-1].Prize:
			return invalid("prize of a delivery")
		case v.Prizes[d.Prize].Kind == KindThanks || v.Prizes[d.Prize].Kind == KindChance:
			return invalid("delivery of prize " + v.Prizes[d.Prize].ID)
		case d.ClaimWithin < 0 || d.ClaimWithin > MaxClaimWithin || d.ClaimWithin != 0 && (d.Unclaimed || d.ClaimWithin < MinClaimWithin):
			return invalid("claim of prize " + v.Prizes[d.Prize].ID)
		}
	}
	return v.validatePoolPrizes() // a win may be delivered as a hold
}

func (w *writer) deliveries(all []Delivery) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		w.u16(all[i].Prize)
		w.flag(all[i].Unclaimed)
		w.i64(all[i].ClaimWithin)
	}
}

func (r *reader) deliveries() (all []Delivery) {
	for range r.count(MaxPrizes) {
		all = append(all, Delivery{r.u16(), r.flag(), r.i64()})
	}
	r.fail = r.fail || len(all) == 0
	return all
}

// placeFrozen is where a user's row says that his unpaid awards are frozen: one byte, 1 for frozen.
const placeFrozen = "award/frozen"

// awardRowBytes is the size of a row of an award that was moved: u8 state, u48 time of the move.
const awardRowBytes = 7

func putAwardRow(b []byte, s AwardState, at UnixMilli) {
	b[0] = byte(s)
	putU48(b[1:], uint64(at))
}

func getAwardRow(b []byte) (AwardState, UnixMilli) { return AwardState(b[0]), UnixMilli(getU48(b[1:])) }

// awardKey is the key of an award's row: of the campaign, the user and the draw's seq.
func (c *Campaign) awardKey(user Key, seq uint64) Key {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seq)
	return c.namespace.keyer.Digest(DigestMove, c.ref, user, b[:])
}

// placeAwards claims what a version with deliveries needs.
func (x *publication) placeAwards(v *Version) {
	if len(v.Deliveries) > 0 {
		x.layout.reserve(placeFrozen, ScopeUser, 1)
	}
}

// openAwards makes the table of awards once a version has deliveries. Every shard is locked.
func (c *Campaign) openAwards(v *Version) {
	if len(v.Deliveries) > 0 && c.awards == nil {
		c.awards = c.world.newRowTable(uint32(c.ref)<<3|tableAwards, digestKeyBytes, awardRowBytes)
	}
}

// awardsCut is what a capture takes of a campaign's awards.
type awardsCut struct{ rows uint64 }

func (c *Campaign) cutAwards() *awardsCut {
	if c.awards == nil {
		return nil
	}
	return &awardsCut{c.awards.rows()}
}

// restoreAwards makes the table that the meta announces, and reports whether the live version misses something.
func (c *Campaign) restoreAwards(x *awardsCut, live *Version) (missing bool) {
	if x != nil {
		c.awards = c.world.newRowTable(uint32(c.ref)<<3|tableAwards, digestKeyBytes, awardRowBytes)
	}
	return len(live.Deliveries) > 0 && (c.awards == nil || c.layout.find(placeFrozen) == nil)
}

func (w *writer) awardsCut(x *awardsCut) {
	if x != nil {
		w.u64(x.rows)
	}
}
