package engine

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine/names"
)

// Pity is a promise to users who draw on without luck. Its counter, one per user, is the number of draws in a row
// without a win of its group.
//
// Hard: the draw that is number Within in the row is a win of the group. When it would not be one by itself, the first
// prize of the list that can be given replaces the outcome (or comes on top of it, with Extra). Pity prizes come out of
// a reserve of their own: ordinary wins never use it up. When every reserve is out, the draw goes on normally and the
// counter stays, so the promise is kept as soon as there is stock again.
//
// Soft: from certain draws of the row on, other weights are in force.
type Pity struct {
	ID     string
	Within uint32      // N; 0 for a pity that is soft only
	Extra  bool        // a pity prize leaves the draw's own win alone
	Shared bool        // the counter is the namespace's: campaigns that name the id move the same one
	AnyWin bool        // every win ends the row; Group is empty then
	Group  []int16     // indices into Prizes, ascending: a win of these ends the row. Holds all of List
	List   []PityPrize // in the order in which they are tried; empty for a pity that is soft only
	Soft   []SoftStep  // ascending From; at most one pity of a version has any
}

// PityPrize is a prize that a pity gives.
type PityPrize struct {
	Prize int16 // index into Version.Prizes
	// Reserve is how many units are set aside for this pity over the campaign's life, what it gave included. 0 for an
	// unlimited prize.
	Reserve Quantity
}

// SoftStep is the weights of one part of the row.
type SoftStep struct {
	From    uint32 // number of the draw in the row from which on they hold, ≥ 2; up to the next step
	Weights []SoftWeight
}

// SoftWeight is what replaces a prize's own weight.
type SoftWeight struct {
	Prize  int16 // index into Version.Prizes; ascending within a step
	Weight uint32
}

// pityPlace is the name of a pity's counter in a layout.
func pityPlace(id string) string { return "pity/" + id }

// pityCounterBytes: a u16, the number of draws in a row without a win of the group.
const pityCounterBytes = 2

func (w *writer) pities(all []Pity) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		p := &all[i]
		w.str(p.ID)
		w.u32(p.Within)
		w.flag(p.Extra)
		w.flag(p.Shared)
		w.flag(p.AnyWin)
		w.u32(uint32(len(p.Group)))
		for _, prize := range p.Group {
			w.u16(uint16(prize))
		}
		w.u32(uint32(len(p.List)))
		for _, z := range p.List {
			w.u16(uint16(z.Prize))
			w.i64(int64(z.Reserve))
		}
		w.u32(uint32(len(p.Soft)))
		for _, s := range p.Soft {
			w.u32(s.From)
			w.u32(uint32(len(s.Weights)))
			for _, x := range s.Weights {
				w.u16(uint16(x.Prize))
				w.u32(x.Weight)
			}
		}
	}
}

func (r *reader) pities() (all []Pity) {
	for range r.count(MaxPities) {
		p := Pity{ID: r.str(MaxIDBytes), Within: r.u32(), Extra: r.flag(), Shared: r.flag(), AnyWin: r.flag()}
		for range r.count(MaxPrizes) {
			p.Group = append(p.Group, int16(r.u16()))
		}
		for range r.count(MaxPityPrizes) {
			p.List = append(p.List, PityPrize{int16(r.u16()), Quantity(r.i64())})
		}
		for range r.count(MaxSoftSteps) {
			s := SoftStep{From: r.u32()}
			for range r.count(MaxPrizes) {
				s.Weights = append(s.Weights, SoftWeight{int16(r.u16()), r.u32()})
			}
			p.Soft = append(p.Soft, s)
		}
		all = append(all, p)
	}
	return all
}

// validatePity reports the first rule that the version's pities break. Prizes are valid already.
func (v *Version) validatePity() error {
	if len(v.Pity) > MaxPities {
		return invalid("number of pities")
	}
	soft := false
	for i := range v.Pity {
		p := &v.Pity[i]
		for j := range i {
			if v.Pity[j].ID == p.ID {
				return invalid("pity id twice: " + p.ID)
			}
		}
		switch {
		case !names.ID(p.ID) || len(pityPlace(p.ID)) > MaxIDBytes:
			return invalid("pity id")
		case p.Within > MaxPityWithin || (p.Within == 0) != (len(p.List) == 0) || p.Within == 0 && len(p.Soft) == 0:
			return invalid("guarantee of pity " + p.ID)
		case p.Within == 0 && p.Extra:
			return invalid("mode of pity " + p.ID)
		case len(p.List) > MaxPityPrizes || len(p.Soft) > MaxSoftSteps:
			return invalid("number of prizes or steps of pity " + p.ID)
		case len(p.Soft) > 0 && v.Mode.Kind != ModeWeighted:
			return invalid("mode: a deck and pacing have no soft pity: " + p.ID)
		case soft && len(p.Soft) > 0:
			return invalid("second soft pity: " + p.ID)
		}
		soft = soft || len(p.Soft) > 0
		if err := v.validateGroup(p); err != nil {
			return err
		}
		for j := range p.Soft {
			if err := v.validateStep(p, j); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Version) validateGroup(p *Pity) error {
	if p.AnyWin == (len(p.Group) > 0) {
		return invalid("group of pity " + p.ID)
	}
	for i, prize := range p.Group {
		if !v.winnable(prize) || i > 0 && p.Group[i-1] >= prize {
			return invalid("group of pity " + p.ID)
		}
	}
	for i, z := range p.List {
		if !v.winnable(z.Prize) || !p.AnyWin && !slices.Contains(p.Group, z.Prize) {
			return invalid("prize of pity " + p.ID)
		}
		for _, other := range p.List[:i] {
			if other.Prize == z.Prize {
				return invalid("prize of pity twice: " + p.ID)
			}
		}
		prize := &v.Prizes[z.Prize]
		if z.Reserve < 0 || z.Reserve > MaxStock || prize.Stock == Unlimited && z.Reserve != 0 || prize.Stock >= 0 && z.Reserve < Quantity(prize.Units) {
			return invalid("reserve of pity " + p.ID)
		}
	}
	return nil
}

// winnable reports whether an index names a prize that can be given: thanks are misses.
func (v *Version) winnable(prize int16) bool {
	return prize >= 0 && int(prize) < len(v.Prizes) && v.Prizes[prize].Kind != KindThanks
}

func (v *Version) validateStep(p *Pity, i int) error {
	s := &p.Soft[i]
	if s.From < 2 || s.From > MaxPityWithin || p.Within != 0 && s.From >= p.Within || i > 0 && p.Soft[i-1].From >= s.From || len(s.Weights) == 0 {
		return invalid("soft step of pity " + p.ID)
	}
	for j, x := range s.Weights {
		if x.Prize < 0 || int(x.Prize) >= len(v.Prizes) || j > 0 && s.Weights[j-1].Prize >= x.Prize || x.Weight > MaxDenominator {
			return invalid("soft weight of pity " + p.ID)
		}
	}
	if over, short := v.SoftSums(s); over || short && v.Guaranteed {
		return invalid(fmt.Sprintf("sum of soft weights of pity %s from draw %d on", p.ID, s.From))
	}
	return nil
}

// SoftSums reports whether the weights of some session and channel sum to more, or to less, than the denominator under a
// soft step.
func (v *Version) SoftSums(s *SoftStep) (over, short bool) {
	sets := v.Sets
	if len(v.Sessions) == 0 {
		sets = []PrizeSet{v.SetOf(-1)}
	}
	for _, prizes := range sets {
		for c := -1; c < len(v.Channels); c++ {
			if c < 0 && len(v.Channels) > 0 {
				continue
			}
			sum := v.softSum(prizes, c, s)
			over, short = over || sum > uint64(v.Denominator), short || sum < uint64(v.Denominator)
		}
	}
	return over, short
}

// softSum is the sum of the weights of one set in a channel (-1 for none) under a soft step.
func (v *Version) softSum(prizes PrizeSet, channel int, s *SoftStep) (sum uint64) {
	for _, p := range prizes {
		weight, here := p.Weight, true
		if channel >= 0 {
			weight, here = v.Channels[channel].WeightIn(p.Prize, weight)
		}
		for _, x := range s.Weights {
			if x.Prize == p.Prize {
				weight = x.Weight
			}
		}
		if here {
			sum += uint64(weight)
		}
	}
	return sum
}
