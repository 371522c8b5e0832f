package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// crowd is who comes when: request i is due at due[i] and belongs to user user[i]. Made beforehand, from a seed.
type crowd struct {
	due  []time.Duration
	user []uint32

	users int
	over  time.Duration // Δ
	span  time.Duration // of crowd and tail together
	peak  float64       // expected arrivals a second at T0
	tail  float64       // arrivals a second after the crowd
}

// The crowd is a half-normal distribution cut off at two standard deviations: most come at once, the slow ones trickle
// in. crowdPeak is its greatest density, in crowds per Δ: 2 φ(0) / (Φ(2) − Φ(−2)) standard deviations, Δ being two.
const (
	crowdCut  = 2.0
	crowdPeak = crowdCut * 0.7978845608028654 / 0.9544997361036416
)

// planCrowd draws the arrivals. over must not be 0.
func planCrowd(users int, over, span time.Duration, tail float64, seed uint64) *crowd {
	rng := rand.New(rand.NewPCG(seed, 0x63726f7764))
	c := &crowd{users: users, over: over, span: max(span, over), tail: tail, peak: crowdPeak * float64(users) / over.Seconds()}
	late := int(tail * (c.span - over).Seconds())
	c.due = make([]time.Duration, users, users+late+late/8+16)
	for i := range c.due {
		x := crowdCut + 1
		for x > crowdCut {
			x = math.Abs(rng.NormFloat64())
		}
		c.due[i] = time.Duration(x / crowdCut * float64(over))
	}
	slices.Sort(c.due)
	// Each user of the crowd comes once, in random order.
	c.user = make([]uint32, users, cap(c.due))
	for i := range c.user {
		j := rng.IntN(i + 1)
		c.user[i] = c.user[j]
		c.user[j] = uint32(i)
	}
	for at := float64(over); tail > 0; {
		at += rng.ExpFloat64() / tail * float64(time.Second)
		if time.Duration(at) >= c.span {
			break
		}
		c.due = append(c.due, time.Duration(at))
		c.user = append(c.user, uint32(rng.IntN(users)))
	}
	return c
}

// fitCrowd chooses how long the crowd takes. What was asked for is kept unless its peak is beyond what the generator may
// be asked to send.
func fitCrowd(users int, asked, span time.Duration, generator float64) (over time.Duration, stretched bool) {
	shortest := func(share float64) time.Duration {
		return time.Duration(crowdPeak * float64(users) / (share * generator) * float64(time.Second))
	}
	limit := shortest(peakShare)
	if asked > 0 {
		return max(asked, limit), asked < limit
	}
	// By default the crowd takes what is comfortable, and ends before the run does.
	return max(min(shortest(comfortableShare), span*9/10), limit), false
}

const (
	peakShare        = 0.60 // of the generator's rate: the most that a crowd's peak may ask of it
	comfortableShare = 0.40
)

// killMoments returns when the daemon is killed: anywhere in the crowd, ascending.
func killMoments(n int, over time.Duration, seed uint64) []time.Duration {
	rng := rand.New(rand.NewPCG(seed, 0x6b696c6c))
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = over/50 + time.Duration(rng.Int64N(int64(over-over/50)+1))
	}
	slices.Sort(at)
	return at
}
