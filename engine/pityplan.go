package engine

import (
	"encoding/binary"
	"math"
)

// pityPlan is a version's pities made ready for the ladder.
type pityPlan struct {
	rules  []pityRule // in file order
	shared bool       // some counter stands in the namespace's row of the user
	soft   int        // index in rules of the one with a soft table; -1 for none
	steps  []SoftStep // of that one
}

// pityRule is one pity.
type pityRule struct {
	at     int  // place of the counter in the user's row
	shared bool // of the namespace's row
	within int  // math.MaxInt for a pity that is soft only
	most   uint16
	extra  bool
	any    bool
	group  [MaxPrizes / 64]uint64 // a bit for each prize whose win ends the row
	prizes []pityPrize
}

// extra reports whether some pity gives on top of a win.
func (p *pityPlan) extra() bool {
	for i := range p.rules {
		if p.rules[i].extra {
			return true
		}
	}
	return false
}

// pityPrize is a prize of a pity's list. reserve is an index into Campaign.reserves, -1 for an unlimited prize.
type pityPrize struct{ prize, reserve int }

// softSet is a set under the weights of a soft step.
type softSet struct {
	from int // draw of the row
	set  set
}

// compilePity resolves the version's pities; nil for none. Their places and reserves must have been claimed.
func (c *Campaign) compilePity(v *Version) *pityPlan {
	if len(v.Pity) == 0 {
		return nil
	}
	p := &pityPlan{soft: -1}
	for i := range v.Pity {
		y := &v.Pity[i]
		r := pityRule{shared: y.Shared, within: int(y.Within), extra: y.Extra, any: y.AnyWin}
		if y.Shared {
			p.shared = true
			r.at = c.namespace.layout.find(pityPlace(y.ID)).at()
		} else {
			r.at = c.layout.find(pityPlace(y.ID)).at()
		}
		for _, prize := range y.Group {
			r.group[prize/64] |= 1 << (prize % 64)
		}
		for _, z := range y.List {
			r.prizes = append(r.prizes, pityPrize{int(z.Prize), c.reserves.find(y.ID, c.books.find(v.Prizes[z.Prize].ID))})
		}
		if n := len(y.Soft); n > 0 {
			p.soft, p.steps, r.most = i, y.Soft, uint16(y.Soft[n-1].From-1)
		}
		if y.Within == 0 {
			r.within = math.MaxInt
		} else {
			r.most = uint16(y.Within - 1)
		}
		p.rules = append(p.rules, r)
	}
	return p
}

// soften adds to a set what the soft steps make of it. own are the weights of the set's prizes without pity, in its
// order.
func (p *pityPlan) soften(s *set, own []uint32) {
	if p == nil {
		return
	}
	for _, step := range p.steps {
		soft := softSet{int(step.From), set{ordinals: s.ordinals}}
		var sum uint32
		for i, ordinal := range s.ordinals {
			weight := own[i]
			for _, x := range step.Weights {
				if x.Prize == ordinal {
					weight = x.Weight
				}
			}
			sum += weight
			soft.set.sums = append(soft.set.sums, sum)
		}
		s.soft = append(s.soft, soft)
	}
}

// ends reports whether a win of the prize ends the row.
func (r *pityRule) ends(prize int) bool {
	return prize != NoPrize && (r.any || r.group[prize/64]>>(prize%64)&1 != 0)
}

// row returns where the counter stands, nil for a user who was never seen.
func (r *pityRule) row(t *tx) []byte {
	if r.shared {
		return t.everyone[ScopeUser].data
	}
	return t.campaign[ScopeUser].data
}

// counter returns the number of draws in a row without a win of the group.
func (r *pityRule) counter(t *tx) uint16 {
	if row := r.row(t); row != nil {
		return binary.LittleEndian.Uint16(row[r.at:])
	}
	return 0
}

// due reports whether the next draw must be a win of the group. An older version may have let the counter go further
// than this one does.
func (r *pityRule) due(counter uint16) bool { return int(counter) >= r.within-1 }
