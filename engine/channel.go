package engine

import (
	"slices"

	"github.com/drawd/drawd/engine/problem"
)

// Channel is a place where a campaign is shown: its wheel, and what can be won there.
type Channel struct {
	ID string
	// All says that every prize of the session can be won. Otherwise Prizes are those that can.
	All    bool
	Prizes []ChannelPrize // by prize, ascending
	// Slots is the layout of the wheel: where it may stop for a prize, or for the miss (NoPrize). By prize, ascending,
	// and of one prize by slot.
	Slots []Slot
}

// ChannelPrize is a prize that can be won in a channel.
type ChannelPrize struct {
	Prize  int16  // index into Version.Prizes
	Weight uint32 // KeepWeight for the session's
}

// KeepWeight, of a ChannelPrize, is the weight that the prize has in the session.
const KeepWeight = 1<<32 - 1

// Slot is one place of a wheel.
type Slot struct {
	Prize int16 // index into Version.Prizes, or NoPrize
	Slot  int16
}

// Channel returns the channel with an id; nil when the version does not know it.
func (v *Version) Channel(id []byte) *Channel {
	if i := v.channel(id); i >= 0 {
		return &v.Channels[i]
	}
	return nil
}

func (v *Version) channel(id []byte) int {
	for i := range v.Channels {
		if v.Channels[i].ID == string(id) {
			return i
		}
	}
	return -1
}

// SlotOf returns where the wheel stops for a prize or the miss, -1 for nowhere. Of several places the word names one, so a
// replay stops where the first answer did.
func (c *Channel) SlotOf(prize int, word uint64) int16 {
	first, _ := slices.BinarySearchFunc(c.Slots, prize, func(s Slot, prize int) int { return int(s.Prize) - prize })
	n := 0
	for first+n < len(c.Slots) && int(c.Slots[first+n].Prize) == prize {
		n++
	}
	if n == 0 {
		return -1
	}
	return c.Slots[first+int(word%uint64(n))].Slot // the low bits: the outcome hangs on the high ones
}

// WeightIn returns the weight of a prize in the channel, given the one that it has in the session; false when it is not in
// the channel. A prize of weight 0 is: others may fall back to it.
func (c *Channel) WeightIn(prize int16, weight uint32) (uint32, bool) {
	if c.All {
		return weight, true
	}
	i, found := slices.BinarySearchFunc(c.Prizes, prize, func(p ChannelPrize, prize int16) int { return int(p.Prize) - int(prize) })
	switch {
	case !found:
		return 0, false
	case c.Prizes[i].Weight == KeepWeight:
		return weight, true
	}
	return c.Prizes[i].Weight, true
}

// SetOf returns the prizes of a session, by prize: of a version without sessions all of them. It returns nil for -1 in a
// version with sessions.
func (v *Version) SetOf(session int) PrizeSet {
	if len(v.Sessions) > 0 {
		if session < 0 {
			return nil
		}
		return v.Sets[v.Sessions[session].Set]
	}
	set := make(PrizeSet, len(v.Prizes))
	for i := range v.Prizes {
		set[i] = SetPrize{Prize: int16(i), Weight: v.Prizes[i].Weight, Stock: StockShared}
	}
	return set
}

// SetIn returns the prizes and weights of a draw: of a session (-1 for none), in a channel where the version has any.
func (v *Version) SetIn(session int, channel []byte) PrizeSet {
	c := v.Channel(channel)
	if c == nil {
		return v.SetOf(session)
	}
	var set PrizeSet
	for _, p := range v.SetOf(session) {
		if weight, here := c.WeightIn(p.Prize, p.Weight); here {
			set = append(set, SetPrize{p.Prize, weight, p.Stock})
		}
	}
	return set
}

// compileSet makes the set of a channel, nil for none, ready for draws.
func compileSet(prizes PrizeSet, channel *Channel) (s set) {
	var sum uint32
	for _, p := range prizes {
		weight := p.Weight
		if channel != nil {
			var here bool
			if weight, here = channel.WeightIn(p.Prize, weight); !here {
				continue
			}
		}
		sum += weight
		s.sums = append(s.sums, sum)
		s.ordinals = append(s.ordinals, p.Prize)
	}
	return s
}

// weights returns the weight of each prize of the set.
func (s *set) weights() []uint32 {
	all, last := make([]uint32, len(s.sums)), uint32(0)
	for i, sum := range s.sums {
		all[i], last = sum-last, sum
	}
	return all
}

// enter chooses what a draw can win: of the session that is in force, in its channel.
func (t *tx) enter(channel []byte) problem.Code {
	i := t.plan.version.channel(channel)
	if i < 0 {
		return t.refuse(problem.UnknownChannel)
	}
	t.set = &t.plan.channels[i]
	return problem.OK
}
