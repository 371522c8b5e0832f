package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/names"
)

// sessions is the section of a version with its sessions and channels.
func (w *writer) sessions(v *Version) {
	if len(v.Sessions) == 0 && len(v.Channels) == 0 {
		return
	}
	w.u32(uint32(len(v.Sets)))
	for _, set := range v.Sets {
		w.u32(uint32(len(set)))
		for _, p := range set {
			w.u16(uint16(p.Prize))
			w.u32(p.Weight)
			w.i64(int64(p.Stock))
		}
	}
	w.u32(uint32(len(v.Sessions)))
	for i := range v.Sessions {
		s := &v.Sessions[i]
		w.str(s.ID)
		w.bytes(s.Title)
		w.i64(int64(s.StartsAt))
		w.i64(int64(s.EndsAt))
		w.u16(uint16(s.Set))
		w.u8(uint8(s.Unsold))
	}
	w.u32(uint32(len(v.Channels)))
	for i := range v.Channels {
		c := &v.Channels[i]
		w.str(c.ID)
		w.flag(c.All)
		w.u32(uint32(len(c.Prizes)))
		for _, p := range c.Prizes {
			w.u16(uint16(p.Prize))
			w.u32(p.Weight)
		}
		w.u32(uint32(len(c.Slots)))
		for _, s := range c.Slots {
			w.u16(uint16(s.Prize))
			w.u16(uint16(s.Slot))
		}
	}
}

func (r *reader) sessions(v *Version) bool {
	for range r.count(MaxSets) {
		var set PrizeSet
		for range r.count(MaxPrizes) {
			set = append(set, SetPrize{int16(r.u16()), r.u32(), Quantity(r.i64())})
		}
		v.Sets = append(v.Sets, set)
	}
	for range r.count(MaxSessions) {
		v.Sessions = append(v.Sessions, Session{
			ID: r.str(MaxIDBytes), Title: clone(r.bytes(MaxVersionBytes)), StartsAt: UnixMilli(r.i64()),
			EndsAt: UnixMilli(r.i64()), Set: int16(r.u16()), Unsold: Unsold(r.enum(uint8(UnsoldCarry) + 1)),
		})
	}
	for range r.count(MaxChannels) {
		c := Channel{ID: r.str(MaxChannelBytes), All: r.flag()}
		for range r.count(MaxPrizes) {
			c.Prizes = append(c.Prizes, ChannelPrize{int16(r.u16()), r.u32()})
		}
		for range r.count(MaxSlots) {
			c.Slots = append(c.Slots, Slot{int16(r.u16()), int16(r.u16())})
		}
		v.Channels = append(v.Channels, c)
	}
	return true
}

// validateSessions reports the first rule that v's sessions and channels break.
func (v *Version) validateSessions() error {
	if len(v.Sets) > MaxSets || len(v.Sessions) > MaxSessions || len(v.Channels) > MaxChannels || (len(v.Sets) > 0) != (len(v.Sessions) > 0) {
		return invalid("number of sessions, sets or channels")
	}
	for _, set := range v.Sets {
		for i, p := range set {
			if p.Prize < 0 || int(p.Prize) >= len(v.Prizes) || i > 0 && set[i-1].Prize >= p.Prize {
				return invalid("prizes of a session")
			}
			thanks := v.Prizes[p.Prize].Kind == KindThanks
			if p.Stock < StockShared || p.Stock == StockUnstated || p.Stock > MaxStock || thanks && p.Stock >= 0 {
				return invalid("stock of a session's prize " + v.Prizes[p.Prize].ID)
			}
		}
		if err := v.validateFallbacks(set); err != nil {
			return err
		}
		if err := v.validateReserves(set); err != nil {
			return err
		}
	}
	end := v.StartsAt
	ids := make(map[string]bool, len(v.Sessions))
	for i := range v.Sessions {
		s := &v.Sessions[i]
		switch {
		case !names.ID(s.ID) || ids[s.ID]:
			return invalid("session id")
		case s.StartsAt < end || s.EndsAt-s.StartsAt < MinSession || s.EndsAt > v.EndsAt:
			return invalid("times of session " + s.ID)
		case s.Set < 0 || int(s.Set) >= len(v.Sets) || s.Unsold > UnsoldCarry:
			return invalid("prizes of session " + s.ID)
		}
		ids[s.ID], end = true, s.EndsAt
	}
	if err := v.validateChannels(); err != nil {
		return err
	}
	return v.validateSums()
}

// validateFallbacks holds that nobody falls back to what his session does not have.
func (v *Version) validateFallbacks(set PrizeSet) error {
	has := make(map[int16]bool, len(set))
	for _, p := range set {
		has[p.Prize] = true
	}
	for _, p := range set {
		if z := &v.Prizes[p.Prize]; z.Unavailable == OnFallback && !has[z.Fallback] {
			return invalid("fallback of prize " + z.ID + " is not in its session")
		}
	}
	return nil
}

// validateReserves holds that what pity gives is reserved from the prize's own stock, in every session, and that amounts
// which need the number of wins to come count them over all sessions.
func (v *Version) validateReserves(set PrizeSet) error {
	for _, p := range set {
		a := v.amountOf(int(p.Prize))
		if a != nil && (a.Split == SplitDoubleMean || a.Split == SplitDeck) && p.Stock != StockShared {
			return invalid("stock of prize " + v.Prizes[p.Prize].ID + ": its amounts are split over one stock, so a session cannot have units of its own")
		}
	}
	for i := range v.Pity {
		for _, z := range v.Pity[i].List {
			for _, p := range set {
				if p.Prize == z.Prize && p.Stock != StockShared {
					return invalid("stock of pity prize " + v.Prizes[p.Prize].ID + ": a session cannot have units of its own")
				}
			}
		}
	}
	return nil
}

func (v *Version) validateChannels() error {
	for i := range v.Channels {
		c := &v.Channels[i]
		if !names.Channel(c.ID) || v.channel([]byte(c.ID)) != i || c.All && len(c.Prizes) > 0 || len(c.Slots) > MaxSlots {
			return invalid("channel")
		}
		for j, p := range c.Prizes {
			if p.Prize < 0 || int(p.Prize) >= len(v.Prizes) || j > 0 && c.Prizes[j-1].Prize >= p.Prize {
				return invalid("prizes of channel " + c.ID)
			}
			z := &v.Prizes[p.Prize]
			if z.Unavailable != OnFallback {
				continue
			}
			if _, here := c.WeightIn(z.Fallback, 0); !here {
				return invalid("fallback of prize " + z.ID + " is not in channel " + c.ID)
			}
		}
		for j, s := range c.Slots {
			ascending := j == 0 || c.Slots[j-1].Prize < s.Prize || c.Slots[j-1].Prize == s.Prize && c.Slots[j-1].Slot < s.Slot
			if s.Prize < NoPrize || int(s.Prize) >= len(v.Prizes) || s.Slot < 0 || !ascending {
				return invalid("slots of channel " + c.ID)
			}
		}
	}
	return nil
}

// validateSums holds the weights of every session in every channel against the denominator.
func (v *Version) validateSums() error {
	sets := v.Sets
	if len(sets) == 0 {
		sets = []PrizeSet{v.SetOf(-1)}
	}
	channels := []*Channel{nil}
	for i := range v.Channels {
		channels = append(channels, &v.Channels[i])
	}
	if len(v.Channels) > 0 {
		channels = channels[1:]
	}
	for _, set := range sets {
		for _, c := range channels {
			var sum uint64
			for _, p := range set {
				if c == nil {
					sum += uint64(p.Weight)
				} else if weight, here := c.WeightIn(p.Prize, p.Weight); here {
					sum += uint64(weight)
				}
			}
			if sum > uint64(v.Denominator) || v.Guaranteed && v.weighted() && sum != uint64(v.Denominator) {
				return invalid("sum of weights")
			}
		}
	}
	return nil
}

// sessionState is the section of a campaign's state: how far its sessions are closed, and what was carried.
func (w *writer) sessionState(c *campaignCut) {
	if c.turned == 0 {
		return
	}
	w.i64(int64(c.turned))
	for i := range c.books {
		if n := c.books[i].Carried; n != 0 {
			w.u16(uint16(i))
			w.i64(int64(n))
		}
	}
}

// sessionState reads it. The books stand before it.
func (r *reader) sessionState(c *campaignCut) bool {
	c.turned = UnixMilli(r.i64())
	for last := -1; len(r.b) > 0 && !r.fail; {
		i, n := int(r.u16()), Quantity(r.i64())
		if i <= last || i >= len(c.books) || n == 0 {
			return false
		}
		c.books[i].Carried, last = n, i
	}
	return c.turned > 0
}

// appendRecordSession appends the section of a draw's record that names its session.
func appendRecordSession(dst []byte, session int) []byte {
	number := uint16(session + 1)
	return append(dst, recordSession, 2, byte(number), byte(number>>8))
}

func (r *Record) readSession(body []byte) bool {
	if len(body) != 2 {
		return false
	}
	r.Session = binary.LittleEndian.Uint16(body)
	return r.Session > 0
}
