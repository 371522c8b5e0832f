package oracle

import "math"

// SevenSigma is the probability beyond seven standard deviations on one side of a normal distribution: a right lottery is
// called wrong once in 400 billion comparisons. Five would be once in 1.7 million, and a run of CI, with a new seed each time, makes
// some fifty of them: one run of 35,000 would be red for nothing. What seven let through besides is little: that each word
// names its prize is checked draw by draw, so only words that are not evenly spread are left to be seen here.
const SevenSigma = 1.279812543885835e-12

// WithinOdds reports whether hits of n draws are plausible when each hits with probability p: neither tail of the
// binomial distribution, which is computed exactly and so also holds for a handful of draws, is below SevenSigma.
func WithinOdds(n, hits uint64, p float64) bool {
	if hits > n {
		return false
	}
	return AtLeast(n, hits, p) >= SevenSigma && AtMost(n, hits, p) >= SevenSigma
}

// AtLeast returns the probability of hits or more in n draws.
func AtLeast(n, hits uint64, p float64) float64 {
	switch {
	case hits == 0 || p >= 1:
		return 1
	case hits > n || p <= 0:
		return 0
	}
	return incompleteBeta(float64(hits), float64(n-hits)+1, p)
}

// AtMost returns the probability of hits or fewer in n draws.
func AtMost(n, hits uint64, p float64) float64 {
	switch {
	case hits >= n || p <= 0:
		return 1
	case p >= 1:
		return 0
	}
	// Not 1 − AtLeast(hits+1): that would lose small tails to rounding.
	return incompleteBeta(float64(n-hits), float64(hits)+1, 1-p)
}

// Sigma returns how many standard deviations hits are from n·p; 0 where nothing can deviate.
func Sigma(n, hits uint64, p float64) float64 {
	sd := math.Sqrt(float64(n) * p * (1 - p))
	if sd == 0 {
		return 0
	}
	return (float64(hits) - float64(n)*p) / sd
}

// incompleteBeta is the regularised incomplete beta function I_x(a, b), by its continued fraction (the modified Lentz
// method), on the side of the mean where the fraction converges fast: in about √max(a, b) steps.
func incompleteBeta(a, b, x float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	if x < (a+1)/(a+b+2) {
		return front * betaFraction(a, b, x) / a
	}
	return 1 - front*betaFraction(b, a, 1-x)/b
}

func betaFraction(a, b, x float64) float64 {
	const tiny, enough = 1e-300, 1e-13
	guard := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/guard(1-(a+b)*x/(a+1))
	f := d
	for m := 1.0; m < 1e6; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d, c = 1/guard(1+even*d), guard(1+even/c)
		f *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d, c = 1/guard(1+odd*d), guard(1+odd/c)
		step := d * c
		f *= step
		if math.Abs(step-1) < enough {
			break
		}
	}
	return f
}
