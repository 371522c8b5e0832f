package campaignfile

import (
	"fmt"
	"math/big"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/odds"
)

// Place is where draws are alike: the sessions that share one set of prizes, in one channel.
type Place struct {
	Sessions []string // ids; nil for a campaign without
	Channel  string   // empty for a campaign without

	version *engine.Version
	set     engine.PrizeSet
	channel *engine.Channel
}

// Places returns the places of a version, in file order: one for a campaign without sessions and channels.
func Places(v *engine.Version) (all []Place) {
	sets := []Place{{version: v, set: v.SetOf(-1)}}
	if len(v.Sessions) > 0 {
		sets = nil
		for i := range v.Sets {
			p := Place{version: v, set: v.Sets[i]}
			for _, s := range v.Sessions {
				if int(s.Set) == i {
					p.Sessions = append(p.Sessions, s.ID)
				}
			}
			sets = append(sets, p)
		}
	}
	if len(v.Channels) == 0 {
		return sets
	}
	for _, p := range sets {
		for i := range v.Channels {
			p.Channel, p.channel = v.Channels[i].ID, &v.Channels[i]
			all = append(all, p)
		}
	}
	return all
}

// Weight returns the share of a prize, out of odds.Denominator, that draws of the place pick by; here is false for a prize
// that cannot be won there.
func (p *Place) Weight(prize int) (weight int64, here bool) {
	if p.version.Mode.Kind == engine.ModeDeck {
		return odds.Weight(p.version, prize), true
	}
	for _, z := range p.set {
		if int(z.Prize) != prize {
			continue
		}
		if p.channel == nil {
			return int64(z.Weight), true
		}
		weight, here := p.channel.WeightIn(z.Prize, z.Weight)
		return int64(weight), here
	}
	return 0, false
}

// Pays returns what a version really pays in a place in the long run: pity, fallbacks and release counted in, everything
// in stock.
func Pays(v *engine.Version, p *Place) (*odds.Effective, error) { return PaysWithout(v, p, nil) }

// PaysWithout returns the same for a time when some prizes are sold out.
func PaysWithout(v *engine.Version, p *Place, soldOut func(prize int) bool) (*odds.Effective, error) {
	e, err := odds.Of(v, odds.Options{
		SoldOut: soldOut, Available: func(prize int) *big.Rat { return released(v, prize) }, Weight: p.Weight,
	})
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

// Odds is what a version pays in one place, for programs: shares are parts per billion of all draws there.
type Odds struct {
	Sessions []string    `json:"sessions,omitempty"`
	Channel  string      `json:"channel,omitempty"`
	Prizes   []PrizeOdds `json:"prizes"`
	Miss     int64       `json:"miss_ppb"`
}

// PrizeOdds is what a version pays of one prize.
type PrizeOdds struct {
	ID      string `json:"id"`
	Weights int64  `json:"weights_ppb"` // what the weights alone say
	Pays    int64  `json:"pays_ppb"`    // what is really paid; of thanks the misses with its name
}

// maxPlaces bounds for how many places odds are computed.
const maxPlaces = 32

// Odds returns what the file's version pays.
func (f *File) Odds() []Odds { return OddsOf(f.Version) }

// OddsOf returns what a version pays, by place; nothing when that takes too long to compute. It takes up to a second for
// each place of a version with several pities.
func OddsOf(v *engine.Version) []Odds {
	all := []Odds{}
	places := Places(v)
	for i := range places[:min(len(places), maxPlaces)] {
		p := &places[i]
		e, err := Pays(v, p)
		if err != nil {
			return []Odds{}
		}
		o := Odds{Sessions: p.Sessions, Channel: p.Channel, Prizes: []PrizeOdds{}, Miss: odds.Parts(e.Miss, oddsParts)}
		for j := range v.Prizes {
			weight, _ := p.Weight(j)
			if weights := big.NewRat(weight, odds.Denominator(v)); weight > 0 || e.Prizes[j].Sign() > 0 {
				o.Prizes = append(o.Prizes, PrizeOdds{v.Prizes[j].ID, odds.Parts(weights, oddsParts), odds.Parts(e.Prizes[j], oddsParts)})
			}
		}
		all = append(all, o)
	}
	return all
}
