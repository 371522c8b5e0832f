package campaignfile

import (
	"fmt"
	"math/big"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/odds"
)

// Pays returns what a version really pays in the long run: pity, fallbacks and release counted in, everything in stock.
func Pays(v *engine.Version) (*odds.Effective, error) {
	e, err := odds.Of(v, odds.Options{Available: func(prize int) *big.Rat { return released(v, prize) }})
	if err != nil {
		return nil, fmt.Errorf("effective odds: %w", err)
	}
	return e, nil
}

// released returns the part of the campaign's time in which a prize's release schedule has units to give; nil for a prize
// without one. Units that are carried on are there from the first window on.
func released(v *engine.Version, prize int) *big.Rat {
	for _, r := range v.Releases {
		if int(r.Prize) != prize {
			continue
		}
		s := &v.Schedules[r.Schedule]
		open := int64(v.EndsAt - s.Windows[0].StartsAt)
		if s.Expire {
			open = 0
			for _, w := range s.Windows {
				open += int64(w.EndsAt - w.StartsAt)
			}
		}
		return big.NewRat(open, int64(v.EndsAt-v.StartsAt))
	}
	return nil
}

// oddsParts is the unit in which shares are written as integers: parts per billion of all draws.
const oddsParts = 1_000_000_000

// Odds is what a version pays, for programs: shares are parts per billion of all draws.
type Odds struct {
	Prizes []PrizeOdds `json:"prizes"`
	Miss   int64       `json:"miss_ppb"`
}

// PrizeOdds is what a version pays of one prize.
type PrizeOdds struct {
	ID      string `json:"id"`
	Weights int64  `json:"weights_ppb"` // what the weights alone say
	Pays    int64  `json:"pays_ppb"`    // what is really paid
}

// Odds returns what a version pays, nil when that takes too long to compute.
func (f *File) Odds() *Odds {
	e, err := Pays(f.Version)
	if err != nil {
		return nil
	}
	o := &Odds{Miss: odds.Parts(e.Miss, oddsParts)}
	for i := range f.Version.Prizes {
		p := &f.Version.Prizes[i]
		weights := big.NewRat(int64(p.Weight), int64(f.Version.Denominator))
		o.Prizes = append(o.Prizes, PrizeOdds{p.ID, odds.Parts(weights, oddsParts), odds.Parts(e.Prizes[i], oddsParts)})
	}
	return o
}
