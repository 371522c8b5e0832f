package runfile

import (
	"cmp"
	"math"
	"slices"
)

// Alpha is the significance level: a difference whose probability by chance is below it is called one.
const Alpha = 0.05

// maxExact bounds the samples of a side for which probabilities are counted out; beyond it they are approximated.
const maxExact = 50

// mannWhitney returns the two-sided probability that two samples of one and the same distribution differ by as much as a
// and b do (Mann and Whitney 1947). Without ties and for small samples it is exact; otherwise it is the normal
// approximation with the corrections for ties and for continuity.
func mannWhitney(a, b []float64) float64 {
	n, m := len(a), len(b)
	if n == 0 || m == 0 {
		return 1
	}
	ranks, ties := rank(slices.Concat(a, b))
	sum := 0.0
	for _, r := range ranks[:n] {
		sum += r
	}
	u := sum - float64(n*(n+1))/2 // pairs in which a is the greater
	mean := float64(n*m) / 2
	if ties == 0 && n <= maxExact && m <= maxExact {
		low := int(math.Round(min(u, float64(n*m)-u)))
		return min(1, 2*shareAtMost(mannWhitneyCounts(n, m), low))
	}
	total := float64(n + m)
	variance := float64(n*m) / 12 * (total + 1 - ties/(total*(total-1)))
	return normalTail(math.Abs(u-mean), variance)
}

// mannWhitneyCounts returns in how many orders of n and m samples U has each value.
func mannWhitneyCounts(n, m int) []float64 {
	// ways[k][u]: orders of k of the first and all of the second so far. The largest sample belongs to the second, and adds
	// nothing to those before it, or to the first, and exceeds all of the second.
	ways := make([][]float64, n+1)
	for k := range ways {
		ways[k] = make([]float64, n*m+1)
		ways[k][0] = 1
	}
	for j := 1; j <= m; j++ {
		next := make([][]float64, n+1)
		next[0] = ways[0]
		for k := 1; k <= n; k++ {
			next[k] = slices.Clone(ways[k])
			for u := j; u <= n*m; u++ {
				next[k][u] += next[k-1][u-j]
			}
		}
		ways = next
	}
	return ways[n]
}

// signedRanks returns the two-sided probability that pairs without a difference differ by as much as a and b do (Wilcoxon
// 1945). Pairs that are equal are left out. The samples are compared by their ratio, because what a machine's mood does to
// a figure is a factor.
func signedRanks(a, b []float64) float64 {
	var differences, sizes []float64
	for i := range a {
		d := b[i] - a[i]
		if a[i] > 0 && b[i] > 0 {
			d = math.Log(b[i] / a[i])
		}
		if d != 0 {
			differences, sizes = append(differences, d), append(sizes, math.Abs(d))
		}
	}
	n := len(differences)
	if n == 0 {
		return 1
	}
	ranks, ties := rank(sizes)
	up := 0.0
	for i, d := range differences {
		if d > 0 {
			up += ranks[i]
		}
	}
	all := float64(n*(n+1)) / 2
	if ties == 0 && n <= maxExact {
		ways := make([]float64, int(all)+1)
		ways[0] = 1
		for r := 1; r <= n; r++ {
			for s := len(ways) - 1; s >= r; s-- {
				ways[s] += ways[s-r]
			}
		}
		return min(1, 2*shareAtMost(ways, int(math.Round(min(up, all-up)))))
	}
	variance := float64(n*(n+1)*(2*n+1))/24 - ties/48
	return normalTail(math.Abs(up-all/2), variance)
}

// rank returns the rank of each value, those of equal values averaged, and the sum of t³ − t over groups of t equal ones.
func rank(values []float64) (ranks []float64, ties float64) {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(values[i], values[j]) })
	ranks = make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			ranks[order[k]] = float64(i+j+1) / 2
		}
		if t := float64(j - i); t > 1 {
			ties += t*t*t - t
		}
		i = j
	}
	return ranks, ties
}

// shareAtMost returns the share of ways in which a sum is at most low.
func shareAtMost(ways []float64, low int) float64 {
	below, all := 0.0, 0.0
	for s, n := range ways {
		if s <= low {
			below += n
		}
		all += n
	}
	return below / all
}

// normalTail returns both tails beyond a distance from the mean, half a step nearer because the sums are whole.
func normalTail(distance, variance float64) float64 {
	if variance <= 0 {
		return 1
	}
	return math.Erfc(max(0, distance-0.5) / math.Sqrt(2*variance))
}

// leastChance returns the smallest probability that so many samples can give: when it is not below Alpha, no difference
// can be told, however large.
func leastChance(n, m int, paired bool) float64 {
	if paired {
		return min(1, math.Pow(2, 1-float64(n)))
	}
	chance := 2.0
	for i := 1; i <= n; i++ {
		chance *= float64(i) / float64(m+i)
	}
	return min(1, chance)
}
