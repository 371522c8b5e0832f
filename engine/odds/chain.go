package odds

import "math/big"

// chain returns the visits of one row of the only rule, from counter 0 to the win that ends it. The draws between two
// soft steps are alike, so a row of any length takes as many computations as it has steps.
func (m *model) chain() []visit {
	r := &m.rules[0]
	var all []visit
	reach := big.NewRat(1, 1) // chance that a row comes so far
	for at := 0; at < r.top && reach.Sign() > 0; {
		next := r.top
		for _, s := range r.Soft {
			if from := int(s.From) - 1; from > at && from < next {
				next = from
			}
		}
		o := m.outcome([]int{at})
		stay := o.stays(0)
		lasts := power(stay, next-at)
		all = append(all, visit{o, new(big.Rat).Mul(reach, geometric(stay, lasts, next-at))})
		reach = new(big.Rat).Mul(reach, lasts)
		at = next
	}
	// At the top the counter stays until the row ends. When it cannot, the user is there for good.
	o := m.outcome([]int{r.top})
	leave := new(big.Rat).Sub(big.NewRat(1, 1), o.stays(0))
	if leave.Sign() == 0 && reach.Sign() > 0 {
		return []visit{{o, big.NewRat(1, 1)}}
	}
	if reach.Sign() > 0 {
		all = append(all, visit{o, new(big.Rat).Quo(reach, leave)})
	}
	return all
}

// power returns q to the n.
func power(q *big.Rat, n int) *big.Rat {
	e := big.NewInt(int64(n))
	return new(big.Rat).SetFrac(new(big.Int).Exp(q.Num(), e, nil), new(big.Int).Exp(q.Denom(), e, nil))
}

// geometric returns 1 + q + … + q^(n-1); lasts is q^n.
func geometric(q, lasts *big.Rat, n int) *big.Rat {
	one := big.NewRat(1, 1)
	if q.Cmp(one) == 0 {
		return big.NewRat(int64(n), 1)
	}
	return new(big.Rat).Quo(new(big.Rat).Sub(one, lasts), new(big.Rat).Sub(one, q))
}
