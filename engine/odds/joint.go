package odds

import "math/big"

// Bounds of what is computed with several pities: states of the inner counters, and steps of all cycles together. The
// largest takes about a second.
const (
	maxInner = 16
	maxSteps = 25_000
)

// outer returns the rule whose rows are the cycles: the hard one with the longest row, so that the others have few
// states. -1 when no rule is hard.
func (m *model) outer() int {
	best := -1
	for i := range m.rules {
		if m.rules[i].hard() && (best < 0 || m.rules[i].top > m.rules[best].top) {
			best = i
		}
	}
	return best
}

// joint returns the visits of cycles of several pities. A cycle begins when a row of the outer rule ended, at some state
// of the inner counters. From each of these states its visits and the state at which the next cycle begins are computed
// step by step; how often cycles begin at each state is the stationary distribution of that chain.
func (m *model) joint(outer int) ([]visit, error) {
	inner := 1
	for i := range m.rules {
		if i != outer {
			if inner *= m.rules[i].top + 1; inner > maxInner {
				return nil, ErrTooLarge
			}
		}
	}
	if inner*inner*(m.rules[outer].top+1) > maxSteps {
		return nil, ErrTooLarge
	}
	visits := make([]map[*outcome]*big.Rat, inner)
	next := make([][]*big.Rat, inner)
	unit := m.unit(outer, inner)
	for from := range inner {
		visits[from], next[from] = m.cycle(outer, inner, from, unit)
	}
	var all []visit
	index := make(map[*outcome]int)
	shares := stationary(next)
	if shares == nil {
		return nil, ErrTooLarge
	}
	for from, share := range shares {
		if share.Sign() == 0 {
			continue
		}
		for o, times := range visits[from] { // order: a sum of exact numbers
			i, known := index[o]
			if !known {
				i = len(all)
				index[o] = i
				all = append(all, visit{o, new(big.Rat)})
			}
			all[i].times.Add(all[i].times, new(big.Rat).Mul(share, times))
		}
	}
	return all, nil
}

// state returns the counters of a cycle's draw: the outer one, and the inner ones of a number.
func (m *model) state(outer, counter, inner int) []int {
	s := m.start()
	for i := range m.rules {
		if i == outer {
			s[i] = counter
			continue
		}
		size := m.rules[i].top + 1
		s[i] = inner % size
		inner /= size
	}
	return s
}

// number is the inner number of a state.
func (m *model) number(outer int, s []int) (inner int) {
	for i := len(m.rules) - 1; i >= 0; i-- {
		if i != outer {
			inner = inner*(m.rules[i].top+1) + s[i]
		}
	}
	return inner
}

// cycle follows one row of the outer rule from an inner state: how often it comes through each outcome, and with which
// chance the next cycle begins at each inner state. Numbers are integers over unit to the power of the draws so far, so
// that no fraction has to be reduced on the way.
func (m *model) cycle(outer, inner, from int, unit *big.Int) (map[*outcome]*big.Rat, []*big.Rat) {
	visits, next, mass := make(map[*outcome]*big.Int), integers(inner), integers(inner)
	mass[from].SetInt64(1)
	scale, product := big.NewInt(1), new(big.Int)
	for counter := 0; counter <= m.rules[outer].top; counter++ {
		after := integers(inner)
		scale.Mul(scale, unit)
		for _, n := range visits { // order: each for itself
			n.Mul(n, unit)
		}
		for _, n := range next {
			n.Mul(n, unit)
		}
		for at, chance := range mass {
			if chance.Sign() == 0 {
				continue
			}
			s := m.state(outer, counter, at)
			o := m.outcome(s)
			if visits[o] == nil {
				visits[o] = new(big.Int)
			}
			visits[o].Add(visits[o], product.Mul(chance, unit))
			for ends, p := range o.shares(unit) { // order: a sum of exact numbers
				to := m.number(outer, m.moved(s, ends))
				into := after
				if ends>>outer&1 != 0 {
					into = next
				}
				into[to].Add(into[to], product.Mul(chance, p))
			}
		}
		mass = after
	}
	v := make(map[*outcome]*big.Rat)
	for o, n := range visits { // order: each for itself
		v[o] = new(big.Rat).SetFrac(n, scale)
	}
	p := zeros(inner)
	for i, n := range next {
		p[i].SetFrac(n, scale)
	}
	return v, p
}

// shares returns the chances of ends as integers over unit.
func (o *outcome) shares(unit *big.Int) map[uint8]*big.Int {
	if o.scaled == nil {
		o.scaled = make(map[uint8]*big.Int)
		for ends, p := range o.ends { // order: each for itself
			n := new(big.Int).Quo(unit, p.Denom())
			o.scaled[ends] = n.Mul(n, p.Num())
		}
	}
	return o.scaled
}

// unit returns a common denominator of all chances.
func (m *model) unit(outer, inner int) *big.Int {
	unit := big.NewInt(1)
	for counter := 0; counter <= m.rules[outer].top; counter++ {
		for at := range inner {
			for _, p := range m.outcome(m.state(outer, counter, at)).ends { // order: a least common multiple
				d := p.Denom()
				unit.Mul(unit, new(big.Int).Quo(d, new(big.Int).GCD(nil, nil, unit, d)))
			}
		}
	}
	return unit
}

func integers(n int) []*big.Int {
	all := make([]*big.Int, n)
	for i := range all {
		all[i] = new(big.Int)
	}
	return all
}

// moved returns the state after a draw that ends the rows of some rules.
func (m *model) moved(s []int, ends uint8) []int {
	to := m.start()
	for i := range to {
		if ends>>i&1 == 0 {
			to[i] = min(s[i]+1, m.rules[i].top)
		}
	}
	return to
}

func zeros(n int) []*big.Rat {
	all := make([]*big.Rat, n)
	for i := range all {
		all[i] = new(big.Rat)
	}
	return all
}

// recurrent returns the states that a chain begun in state 0 comes back to for ever; nil when it could end in one of
// several such classes.
func recurrent(p [][]*big.Rat) []int {
	reach := make([][]bool, len(p))
	for i := range p {
		reach[i] = make([]bool, len(p))
		reach[i][i] = true
		for queue := []int{i}; len(queue) > 0; queue = queue[1:] {
			for j, chance := range p[queue[0]] {
				if chance.Sign() > 0 && !reach[i][j] {
					reach[i][j] = true
					queue = append(queue, j)
				}
			}
		}
	}
	var class []int
	for i := range p {
		closed := reach[0][i]
		for j := range p {
			closed = closed && (!reach[i][j] || reach[j][i])
		}
		switch {
		case !closed:
		case len(class) > 0 && !reach[class[0]][i]:
			return nil
		default:
			class = append(class, i)
		}
	}
	return class
}

// stationary returns the distribution x = x·p that a chain begun in state 0 comes to, nil when there is more than one.
// States are eliminated one by one without a subtraction (Grassmann, Taksar and Heyman).
func stationary(p [][]*big.Rat) []*big.Rat {
	class := recurrent(p)
	if class == nil {
		return nil
	}
	q := make([][]*big.Rat, len(class))
	for i, from := range class {
		q[i] = make([]*big.Rat, len(class))
		for j, to := range class {
			q[i][j] = new(big.Rat).Set(p[from][to])
		}
	}
	for k := len(q) - 1; k > 0; k-- {
		out := new(big.Rat) // above 0: the class is left by no state, and k comes back
		for j := range k {
			out.Add(out, q[k][j])
		}
		for i := range k {
			q[i][k] = new(big.Rat).Quo(q[i][k], out)
			if q[i][k].Sign() == 0 {
				continue
			}
			for j := range k {
				q[i][j] = new(big.Rat).Add(q[i][j], new(big.Rat).Mul(q[i][k], q[k][j]))
			}
		}
	}
	x := zeros(len(p))
	x[class[0]].SetInt64(1)
	for k := 1; k < len(q); k++ {
		for i := range k {
			x[class[k]].Add(x[class[k]], new(big.Rat).Mul(x[class[i]], q[i][k]))
		}
	}
	return x
}
