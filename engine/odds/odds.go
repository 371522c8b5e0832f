package odds

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/drawd/drawd/engine"
)

// Options is the state that odds are computed for. The zero value is a campaign in which everything is there.
type Options struct {
	// SoldOut reports that a prize (an index into Version.Prizes) is gone: its fallback is given, or the others share its
	// weight, as the version says. nil means that none is.
	SoldOut func(prize int) bool
	// Available returns the chance that a prize which is not sold out can be given when it is hit: the part of the time at
	// which its release schedule has units. nil, for all or as an answer, means always.
	Available func(prize int) *big.Rat
	// Weight returns the weight of a prize where the draw is made, in one session and channel; here is false when the prize
	// is not among those that can be won there. nil means the prizes' own weights.
	Weight func(prize int) (weight int64, here bool)
	// Unfunded reports that the reserve of a pity's prize is empty. nil means that none is.
	Unfunded func(pity, prize int) bool
}

// Effective is what a version pays. All shares are of draws, in the long run of one user.
type Effective struct {
	// Prizes are the wins of each prize per draw, in file order; of thanks the misses that have its name. They may sum to
	// more than 1: see engine.Pity.Extra.
	Prizes []*big.Rat
	Miss   *big.Rat   // draws that give nothing and have no name
	Row    []*big.Rat // of each pity: expected draws between two wins of its group; nil when there are none
}

// ErrTooLarge says that a version's pities have too many states together.
var ErrTooLarge = errors.New("the pities have too many states together to compute exact odds")

// Of computes what a version pays.
func Of(v *engine.Version, o Options) (*Effective, error) {
	m := newModel(v, o)
	var visits []visit
	switch hard := m.outer(); {
	case len(m.rules) == 0:
		visits = []visit{{m.outcome(m.start()), big.NewRat(1, 1)}}
	case len(m.rules) == 1:
		visits = m.chain()
	case hard < 0:
		panic("BUG: several pities that matter, and none of them is hard")
	default:
		var err error
		if visits, err = m.joint(hard); err != nil {
			return nil, err
		}
	}
	return m.effective(visits), nil
}

// Static returns what the weights alone say: no pity, everything there.
func Static(v *engine.Version) *Effective {
	bare := *v
	bare.Pity = nil
	e, err := Of(&bare, Options{})
	if err != nil {
		panic("BUG: " + err.Error()) // without pity there is one state
	}
	return e
}

// visit is how often a cycle comes through states of one outcome.
type visit struct {
	*outcome
	times *big.Rat
}

// model is a version under its options. Pities that cannot change anything are left out.
type model struct {
	version  *engine.Version
	options  Options
	rules    []rule
	outcomes map[string]*outcome // by what decides: the soft step, and which pities are due
}

type rule struct {
	*engine.Pity
	index int // in Version.Pity
	give  int // the prize that it gives; -1 when all reserves are empty
	top   int // where the counter stops
}

// outcome is what one draw gives, in states that are alike.
type outcome struct {
	prizes []*big.Rat // expected wins, by prize
	miss   *big.Rat
	ends   map[uint8]*big.Rat // chance that exactly the rows of these rules (a bit each) end
	scaled map[uint8]*big.Int // the same as integers
}

func newModel(v *engine.Version, o Options) *model {
	m := &model{version: v, options: o, outcomes: make(map[string]*outcome)}
	for i := range v.Pity {
		p := &v.Pity[i]
		r := rule{Pity: p, index: i, give: -1}
		for _, z := range p.List {
			if o.Unfunded == nil || !o.Unfunded(i, int(z.Prize)) {
				r.give = int(z.Prize)
				break
			}
		}
		switch {
		case r.give >= 0:
			r.top = int(p.Within) - 1
		case len(p.Soft) > 0:
			r.top = int(p.Soft[len(p.Soft)-1].From) - 1
		default:
			continue // nothing to give and no weights of its own: the counter does not matter
		}
		m.rules = append(m.rules, r)
	}
	return m
}

// hard reports whether the pity gives a prize when its row is over.
func (r *rule) hard() bool { return r.give >= 0 }

func (r *rule) ended(prize int) bool {
	return prize >= 0 && (r.AnyWin || slices.Contains(r.Group, int16(prize)))
}

// start returns the state of a user who never drew: one counter for each rule.
func (m *model) start() []int { return make([]int, len(m.rules)) }

// outcome returns what a draw gives in a state.
func (m *model) outcome(state []int) *outcome {
	step, due := -1, 0
	for i := range m.rules {
		r := &m.rules[i]
		if r.hard() && state[i] >= r.top {
			due |= 1 << i
		}
		for j := range r.Soft {
			if int(r.Soft[j].From) <= state[i]+1 {
				step = j
			}
		}
	}
	key := fmt.Sprint(step, due)
	if m.outcomes[key] == nil {
		m.outcomes[key] = m.decide(step, due)
	}
	return m.outcomes[key]
}

// decide computes an outcome: rungs 7 to 9 of a draw, with chances instead of a word.
func (m *model) decide(step, due int) *outcome {
	v := m.version
	o := &outcome{miss: new(big.Rat), ends: make(map[uint8]*big.Rat)}
	for range v.Prizes {
		o.prizes = append(o.prizes, new(big.Rat))
	}
	all := Denominator(v)
	left := all
	for i := range v.Prizes {
		weight := m.weight(step, i)
		left -= weight
		m.give(o, due, i, big.NewRat(weight, all))
	}
	m.settle(o, due, -1, -1, big.NewRat(left, all))
	return o
}

// weight returns the weight of a prize at a soft step; -1 is before the first.
func (m *model) weight(step, prize int) int64 {
	if m.options.Weight != nil {
		if _, here := m.options.Weight(prize); !here {
			return 0
		}
	}
	if step >= 0 {
		for i := range m.rules {
			if soft := m.rules[i].Soft; len(soft) > 0 {
				for _, w := range soft[step].Weights {
					if int(w.Prize) == prize {
						return int64(w.Weight)
					}
				}
			}
		}
	}
	return m.own(prize)
}

// Weight returns the share of a prize, out of Denominator, that the file alone says. In a deck that is how many of its
// cards are the prize: every draw has the same chance of each card, whenever it comes. A stock that the file leaves out is
// not known here and counts as none.
func Weight(v *engine.Version, prize int) int64 {
	p := &v.Prizes[prize]
	if v.Mode.Kind == engine.ModeDeck {
		return max(int64(p.Stock), 0) / int64(p.Units)
	}
	return int64(p.Weight)
}

// Denominator returns what Weight is out of.
func Denominator(v *engine.Version) int64 {
	if v.Mode.Kind != engine.ModeDeck {
		return int64(v.Denominator)
	}
	wins := int64(0)
	for i := range v.Prizes {
		wins += Weight(v, i)
	}
	return max(int64(v.Mode.Entries), wins)
}

// give follows a prize that was hit with some chance along its fallbacks.
func (m *model) give(o *outcome, due, prize int, chance *big.Rat) {
	for at := prize; at >= 0 && chance.Sign() > 0; at = int(m.version.Prizes[at].Fallback) {
		if m.version.Prizes[at].Kind == engine.KindThanks {
			m.settle(o, due, -1, at, chance)
			return
		}
		if m.share(o, due, at, chance) {
			return
		}
		there := m.available(at)
		m.settle(o, due, at, -1, new(big.Rat).Mul(chance, there))
		chance = new(big.Rat).Mul(chance, new(big.Rat).Sub(big.NewRat(1, 1), there))
	}
	m.settle(o, due, -1, -1, chance)
}

func (m *model) available(prize int) *big.Rat {
	if m.options.Weight != nil {
		if _, here := m.options.Weight(prize); !here {
			return new(big.Rat)
		}
	}
	if m.out(prize) {
		return new(big.Rat)
	}
	if m.options.Available != nil {
		if r := m.options.Available(prize); r != nil {
			return r
		}
	}
	return big.NewRat(1, 1)
}

// settle lets the pities that are due decide, as the engine does: the first in the file. thanks is the name of a miss.
func (m *model) settle(o *outcome, due, prize, thanks int, chance *big.Rat) {
	if chance.Sign() == 0 {
		return
	}
	extra := -1
	for i := range m.rules {
		r := &m.rules[i]
		if due>>i&1 == 0 {
			continue
		}
		if !r.ended(prize) {
			if r.Extra && prize >= 0 {
				extra = r.give
			} else {
				prize = r.give
			}
		}
		break
	}
	switch {
	case prize >= 0:
		o.prizes[prize].Add(o.prizes[prize], chance)
	case thanks >= 0:
		o.prizes[thanks].Add(o.prizes[thanks], chance)
	default:
		o.miss.Add(o.miss, chance)
	}
	if extra >= 0 {
		o.prizes[extra].Add(o.prizes[extra], chance)
	}
	var ends uint8
	for i := range m.rules {
		if r := &m.rules[i]; r.ended(prize) || r.ended(extra) {
			ends |= 1 << i
		}
	}
	if o.ends[ends] == nil {
		o.ends[ends] = new(big.Rat)
	}
	o.ends[ends].Add(o.ends[ends], chance)
}

// stays returns the chance that the row of a rule goes on.
func (o *outcome) stays(rule int) *big.Rat {
	q := new(big.Rat)
	for ends, chance := range o.ends {
		if ends>>rule&1 == 0 {
			q.Add(q, chance)
		}
	}
	return q
}

// effective divides what cycles give by how long they are.
func (m *model) effective(visits []visit) *Effective {
	e, length := &Effective{Miss: new(big.Rat)}, new(big.Rat)
	for range m.version.Prizes {
		e.Prizes = append(e.Prizes, new(big.Rat))
	}
	ended := make([]big.Rat, len(m.rules))
	for _, x := range visits {
		length.Add(length, x.times)
		e.Miss.Add(e.Miss, new(big.Rat).Mul(x.times, x.miss))
		for i, p := range x.prizes {
			e.Prizes[i].Add(e.Prizes[i], new(big.Rat).Mul(x.times, p))
		}
		for i := range m.rules {
			going := new(big.Rat).Sub(big.NewRat(1, 1), x.stays(i))
			ended[i].Add(&ended[i], going.Mul(going, x.times))
		}
	}
	e.Miss.Quo(e.Miss, length)
	for _, p := range e.Prizes {
		p.Quo(p, length)
	}
	e.Row = make([]*big.Rat, len(m.version.Pity))
	for i := range m.rules {
		if ended[i].Sign() > 0 {
			e.Row[m.rules[i].index] = new(big.Rat).Quo(length, &ended[i])
		}
	}
	return e
}
