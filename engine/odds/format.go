package odds

import (
	"math/big"
	"strings"
)

// Percent writes a share in percent with so many significant digits, rounded half up: "1.577 %". What is exact with fewer
// digits is written with fewer.
func Percent(share *big.Rat, digits int) string {
	hundred := new(big.Rat).Mul(share, big.NewRat(100, 1))
	if hundred.Sign() == 0 {
		return "0 %"
	}
	places := digits // behind the point
	for limit := big.NewRat(1, 1); places > 0 && hundred.Cmp(limit) >= 0; places-- {
		limit = new(big.Rat).Mul(limit, big.NewRat(10, 1))
	}
	for small := big.NewRat(1, 10); hundred.Cmp(small) < 0 && places < 30; places++ {
		small = new(big.Rat).Mul(small, big.NewRat(1, 10))
	}
	s := hundred.FloatString(places)
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s + " %"
}

// Parts returns a share as a whole number of parts, rounded half up: Parts(share, 1_000_000_000) are parts per billion.
func Parts(share *big.Rat, parts int64) int64 {
	n := new(big.Int).Mul(share.Num(), big.NewInt(2*parts))
	n.Add(n, share.Denom())
	return n.Quo(n, new(big.Int).Lsh(share.Denom(), 1)).Int64()
}
