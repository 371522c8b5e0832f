package odds

import (
	"math/big"

	"github.com/drawd/drawd/engine"
)

// out reports whether a prize is sold out.
func (m *model) out(prize int) bool { return m.options.SoldOut != nil && m.options.SoldOut(prize) }

// own returns the weight of a prize where the draw is made, without pity.
func (m *model) own(prize int) int64 {
	if m.options.Weight == nil {
		return Weight(m.version, prize)
	}
	weight, here := m.options.Weight(prize)
	if !here {
		return 0
	}
	return weight
}

// shares returns what the other prizes get of the weight of one that is sold out, by prize: the engine's table, with its
// rounding. Prizes that are out give one after the other, in file order; nobody's weight rises above the giver's bound.
func (m *model) shares(prize int) []int64 {
	v, total := m.version, int64(0)
	takes := func(i int) bool { return !m.out(i) && v.Prizes[i].Kind != engine.KindThanks }
	for i := range v.Prizes {
		if takes(i) {
			total += m.own(i)
		}
	}
	raised, got := make([]int64, len(v.Prizes)), make([]int64, len(v.Prizes))
	if total == 0 {
		return got
	}
	for _, b := range v.Boosts {
		if !m.out(int(b.Prize)) {
			continue
		}
		for i := range v.Prizes {
			got[i] = 0
			if w := m.own(i); takes(i) && w > 0 {
				room := new(big.Int).Mul(big.NewInt(w), big.NewInt(int64(b.Max)))
				left := room.Quo(room, big.NewInt(engine.FullPPM)).Int64() - w - raised[i]
				part := new(big.Int).Mul(big.NewInt(m.own(int(b.Prize))), big.NewInt(w))
				got[i] = min(part.Quo(part, big.NewInt(total)).Int64(), max(left, 0))
				raised[i] += got[i]
			}
		}
		if int(b.Prize) == prize {
			break
		}
	}
	return got
}

// share hands on the chance of a sold out prize that shares its weight. ok is false for any other prize.
func (m *model) share(o *outcome, due, prize int, chance *big.Rat) (ok bool) {
	if m.version.Prizes[prize].Unavailable != engine.OnRedistribute || !m.out(prize) {
		return false
	}
	own := m.own(prize)
	if own == 0 {
		return false
	}
	rest := new(big.Rat).Set(chance)
	for i, n := range m.shares(prize) {
		if n > 0 {
			part := new(big.Rat).Mul(chance, big.NewRat(n, own))
			rest.Sub(rest, part)
			m.give(o, due, i, part)
		}
	}
	m.settle(o, due, -1, -1, rest)
	return true
}
