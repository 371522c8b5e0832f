package engine

import "github.com/drawd/drawd/engine/names"

// Chances say what a draw costs and where the right to draw comes from (semantics.md §7). A version without them is
// free: caps alone limit its draws.
type Chances struct {
	Mode    ChanceMode
	Purse   string        // of ChancesPurse: id of the namespace's purse
	Price   uint32        // per draw; 0 only where chances are free
	Periods []PricePeriod // ascending and apart: another price for a while
	Lots    uint8         // of ChancesGranted: how many lots of chances one user can have at a time
	// Sources are who may grant, of ChancesGranted. A purse has its own in the namespace's policy.
	Sources    []ChanceSource
	Milestones []Milestone
	Prizes     []ChancePrize // ascending: the prizes of KindChance whose chances are for another campaign

	account *account // knows the names of sources by number; set when the version is made live
}

// ChanceMode is where a campaign's chances come from. Numbers are on disk.
type ChanceMode uint8

// The modes.
const (
	ChancesFree    ChanceMode = iota // nobody counts them; a price is what the host's own wallet pays
	ChancesGranted                   // granted by sources, to a user of this campaign
	ChancesPurse                     // a purse of the namespace, shared by campaigns
	chanceModes
)

var chanceModeNames = [...]string{"free", "granted", "purse"}

// String returns the wire name of m.
func (m ChanceMode) String() string { return chanceModeNames[m] }

// PricePeriod is a time with a price of its own: a member day.
type PricePeriod struct {
	From, To UnixMilli // [From, To)
	Price    uint32
}

// ChanceSource is who grants chances: an event of the host's.
type ChanceSource struct {
	ID           string
	DailyLimit   uint32 // chances of one user a day, by the time of the events; 0 for no limit
	Priority     uint8  // of its grants, unless they name one; among equal expiries the highest is spent first
	ExpiresAfter int64  // ms from when a grant is effective, unless it names an expiry; 0 for the campaign's end
}

// Milestone grants chances for drawing: for the n-th draw, or for a streak of days with a draw.
type Milestone struct {
	ID         string
	Draws      uint32 // the user's n-th draw; 0 for a streak
	StreakDays uint32 // days in a row with a draw; 0 for draws
	Repeat     bool   // again at every multiple
	Amount     uint32
}

// ChancePrize says for which campaign of the namespace the chances of a prize are; without it they are for its own.
type ChancePrize struct {
	Prize    uint16 // index into Version.Prizes
	Campaign string
}

// Purse is a purse of chances that campaigns of a namespace share.
type Purse struct {
	ID      string
	Lots    uint8
	Sources []ChanceSource
}

// register gives the sources of one campaign or purse their numbers: small, and the same for good.
type register struct{ names []string }

// The sources that drawd itself grants from. Numbers are in rows and records; declared sources follow.
const (
	sourceMixed = iota // a lot that several sources share
	sourceMilestone
	sourcePrize
	sourceCompensation
	ownSources
)

var ownSourceNames = [ownSources]string{"", "milestone", "prize", "compensation"}

// number returns a source's number, 0 for one that was never declared.
func (g *register) number(id string) uint8 {
	for i := sourceMilestone; i < ownSources; i++ {
		if ownSourceNames[i] == id {
			return uint8(i)
		}
	}
	for i, name := range g.names {
		if name == id {
			return uint8(ownSources + i)
		}
	}
	return sourceMixed
}

// name returns the name of a number, empty for sourceMixed.
func (g *register) name(n uint8) string {
	if n < ownSources {
		return ownSourceNames[n]
	}
	if i := int(n) - ownSources; g != nil && i < len(g.names) {
		return g.names[i]
	}
	return ""
}

// grown returns a register that knows all of sources too. The receiver stays as it was.
func (g *register) grown(sources []ChanceSource) *register {
	next := &register{}
	if g != nil {
		next.names = g.names[:len(g.names):len(g.names)]
	}
	for i := range sources {
		if next.number(sources[i].ID) == sourceMixed {
			next.names = append(next.names, sources[i].ID)
		}
	}
	return next
}

// ChanceSource returns the name of a source by its number in records: empty for a lot that several sources share.
func (v *Version) ChanceSource(n uint8) string {
	if v.Chances == nil || v.Chances.account == nil {
		return (*register)(nil).name(n)
	}
	return v.Chances.account.sources.Load().name(n)
}

// validateChances reports the first rule that the version's chances break.
func (v *Version) validateChances() error {
	c := v.Chances
	if c == nil {
		for i := range v.Prizes {
			if v.Prizes[i].Kind == KindChance {
				return invalid("prize of kind chance without chances: " + v.Prizes[i].ID)
			}
		}
		return nil
	}
	switch {
	case c.Mode >= chanceModes:
		return invalid("mode of chances")
	case (c.Mode == ChancesPurse) != (c.Purse != "") || c.Purse != "" && !names.ID(c.Purse):
		return invalid("purse")
	case c.Price > MaxPrice || c.Price == 0 && (c.Mode != ChancesFree || len(c.Periods) > 0):
		return invalid("price")
	case c.Mode != ChancesGranted && (len(c.Sources) > 0 || c.Lots != 0):
		return invalid("sources or lots without granted chances")
	case c.Mode == ChancesGranted && !validLots(c.Lots):
		return invalid("number of lots")
	case len(c.Periods) > MaxPricePeriods || len(c.Milestones) > MaxMilestones || len(c.Prizes) > len(v.Prizes):
		return invalid("number of price periods, milestones or chance prizes")
	case c.Mode == ChancesFree && len(c.Milestones) > 0:
		return invalid("milestones of a campaign with free chances")
	}
	for i, p := range c.Periods {
		if p.Price < 1 || p.Price > MaxPrice || p.From >= p.To || i > 0 && p.From < c.Periods[i-1].To {
			return invalid("price period")
		}
	}
	if err := validateSources(c.Sources); err != nil {
		return err
	}
	if err := c.validateMilestones(); err != nil {
		return err
	}
	return v.validateChancePrizes()
}

func validLots(n uint8) bool { return n >= 1 && n <= MaxLots }

func validateSources(sources []ChanceSource) error {
	if len(sources) > MaxSources {
		return invalid("number of sources")
	}
	for i := range sources {
		s := &sources[i]
		if !names.ID(s.ID) || len(s.ID) > MaxSourceBytes || new(register).number(s.ID) != sourceMixed {
			return invalid("source id: " + s.ID)
		}
		for j := range i {
			if sources[j].ID == s.ID {
				return invalid("source twice: " + s.ID)
			}
		}
		if s.DailyLimit > MaxGrant || s.ExpiresAfter < 0 || s.ExpiresAfter > MaxCampaignSpan || s.Priority > MaxPriority {
			return invalid("limits of source " + s.ID)
		}
	}
	return nil
}

func (c *Chances) validateMilestones() error {
	for i := range c.Milestones {
		m := &c.Milestones[i]
		for j := range i {
			if c.Milestones[j].ID == m.ID {
				return invalid("milestone twice: " + m.ID)
			}
		}
		if !names.ID(m.ID) || (m.Draws == 0) == (m.StreakDays == 0) || m.Draws > MaxCapLimit || m.StreakDays > MaxStreakDays ||
			m.Amount < 1 || m.Amount > MaxOwnGrant {
			return invalid("milestone " + m.ID)
		}
	}
	return nil
}

func (v *Version) validateChancePrizes() error {
	c := v.Chances
	for i, p := range c.Prizes {
		if int(p.Prize) >= len(v.Prizes) || v.Prizes[p.Prize].Kind != KindChance || !names.ID(p.Campaign) || i > 0 && p.Prize <= c.Prizes[i-1].Prize {
			return invalid("campaign of a chance prize")
		}
	}
	for i := range v.Prizes {
		if p := &v.Prizes[i]; p.Kind == KindChance && (p.Amount < 1 || p.Amount > MaxOwnGrant || c.Mode == ChancesFree && c.campaignOf(i) == "") {
			return invalid("chances of prize " + p.ID)
		}
	}
	return nil
}

// campaignOf returns the campaign that a chance prize is for, empty for its own.
func (c *Chances) campaignOf(prize int) string {
	for i := range c.Prizes {
		if int(c.Prizes[i].Prize) == prize {
			return c.Prizes[i].Campaign
		}
	}
	return ""
}

// validatePurses reports the first rule that a policy's purses break.
func validatePurses(purses []Purse) error {
	if len(purses) > MaxPurses {
		return invalid("number of purses")
	}
	for i := range purses {
		p := &purses[i]
		if !names.ID(p.ID) || len(p.ID) > MaxSourceBytes || !validLots(p.Lots) {
			return invalid("purse " + p.ID)
		}
		for j := range i {
			if purses[j].ID == p.ID {
				return invalid("purse twice: " + p.ID)
			}
		}
		if err := validateSources(p.Sources); err != nil {
			return err
		}
	}
	return nil
}
