package oracle

import (
	"fmt"
	"time"

	"github.com/drawd/drawd/engine"
)

// Rules are what one version of a campaign promises.
type Rules struct {
	Campaign    string
	Denominator uint32
	Zone        *time.Location
	StartsAt    int64 // ms; draws count in [StartsAt, EndsAt)
	EndsAt      int64
	Caps        []Cap
	Prizes      []Prize
}

// Cap is a rule on one user's draws or wins.
type Cap struct {
	ID     string
	Wins   bool // counts wins, not draws
	Prize  int  // counts wins of this prize only; -1 for any
	Window engine.Window
	Limit  uint32
	Scope  engine.Scope
}

// Prize is what the judge knows about one prize.
type Prize struct {
	ID       string
	Weight   uint32
	Units    int64
	Stock    int64 // opening total; engine.Unlimited, engine.StockUnstated
	Thanks   bool  // a miss with a name
	Fallback int   // -1 for none
}

// RulesOf takes the rules from a compiled campaign.
func RulesOf(v *engine.Version) (*Rules, error) {
	zone, err := time.LoadLocation(v.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("oracle: campaign %s: %w", v.Campaign, err)
	}
	r := &Rules{
		Campaign: v.Campaign, Denominator: v.Denominator, Zone: zone,
		StartsAt: int64(v.StartsAt), EndsAt: int64(v.EndsAt),
	}
	for i := range v.Caps {
		c := &v.Caps[i]
		if c.Counts == engine.CountAssists || c.Counts == engine.CountInvites {
			return nil, fmt.Errorf("oracle: campaign %s: cap %s counts helps: draws alone cannot be judged by it", v.Campaign, c.ID)
		}
		r.Caps = append(r.Caps, Cap{
			ID: c.ID, Wins: c.Counts == engine.CountWins, Prize: int(c.Prize), Window: c.Window, Limit: c.Limit, Scope: c.Scope,
		})
	}
	for i := range v.Prizes {
		p := &v.Prizes[i]
		fallback := -1
		if p.Unavailable == engine.OnFallback {
			fallback = int(p.Fallback)
		}
		r.Prizes = append(r.Prizes, Prize{
			ID: p.ID, Weight: p.Weight, Units: int64(max(p.Units, 1)), Stock: int64(p.Stock),
			Thanks: p.Kind == engine.KindThanks, Fallback: fallback,
		})
	}
	return r, nil
}

// prize returns the index of a prize id; -1 when there is none.
func (r *Rules) prize(id []byte) int {
	for i := range r.Prizes {
		if r.Prizes[i].ID == string(id) {
			return i
		}
	}
	return -1
}

// foreign reports whether something that records do not carry may make a prize unavailable.
func (r *Rules) foreign() bool {
	for i := range r.Caps {
		if r.Caps[i].Wins && r.Caps[i].Scope != engine.ScopeUser {
			return true
		}
	}
	return false
}
