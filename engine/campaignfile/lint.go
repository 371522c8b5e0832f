package campaignfile

import (
	"fmt"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
)

// lintRules find what is allowed and probably not meant. Each has a code that stays the same, so that a pipeline can
// accept one risk and stop at the others. They run on a file without faults.
var lintRules = [...]struct {
	code string
	find func(l *linter)
}{
	{"odds_sum", (*linter).oddsSum},
	{"unreachable_prize", (*linter).unreachable},
	{"pity_unfunded", (*linter).pityUnfunded},
	{"pity_out_of_reach", (*linter).pityOutOfReach},
	{"pity_high_value", (*linter).pityHighValue},
	{"pity_replaces_better", (*linter).pityReplacesBetter},
	{"caps_contradictory", (*linter).contradictoryCaps},
	{"ip_cap_without_nat_room", (*linter).natRoom},
	{"window_over_dst_change", (*linter).daylightSaving},
	{"liability_unbounded", (*linter).liabilityUnbounded},
	{"no_user_ceiling", (*linter).userCeiling},
}

// linter runs the rules over one compiled version.
type linter struct {
	*engine.Version
	code string
	warn func(pointer, code, message string)
}

func (l *linter) risk(pointer, format string, args ...any) {
	l.warn(pointer, l.code, fmt.Sprintf(format, args...))
}

// lint adds a warning for every risk of the compiled version.
func (c *campaign) lint() {
	l := &linter{Version: c.version, warn: func(pointer, code, message string) {
		at := c.place(pointer)
		c.warnings = append(c.warnings, Fault{Pointer: pointer, Rule: code, Message: message, Line: at.line, Column: at.column})
	}}
	for _, r := range lintRules {
		l.code = r.code
		r.find(l)
	}
}

// place returns where a value stands; for one that the file leaves out, where the value around it stands.
func (r *reader) place(pointer string) place {
	for {
		if at, ok := r.places[pointer]; ok || pointer == "" {
			return at
		}
		pointer = pointer[:strings.LastIndexByte(pointer, '/')]
	}
}

// nearlyFull is the part of the denominator, in percent, from which on weights were probably meant to fill it.
const nearlyFull = 98

// oddsSum finds weights that nearly fill the denominator: a wheel that was meant to have no miss, and a typo.
func (l *linter) oddsSum() {
	if len(l.Sessions) > 0 || len(l.Channels) > 0 || l.Mode.Kind != engine.ModeWeighted {
		return
	}
	var sum uint64
	for i := range l.Prizes {
		sum += uint64(l.Prizes[i].Weight)
	}
	if d := uint64(l.Denominator); sum < d && sum*100 >= d*nearlyFull {
		l.risk("/prizes", "the weights sum to %d, %d short of the denominator %d: the rest is a miss without a name", sum, d-sum, d)
	}
}

// reached returns which prizes some draw can give.
func (l *linter) reached() []bool {
	reached := make([]bool, len(l.Prizes))
	mark := func(prize int16, weight uint32) {
		for i := 0; weight > 0 && prize >= 0 && i <= engine.MaxFallbackHops; i++ {
			reached[prize] = true
			prize = l.Prizes[prize].Fallback
		}
	}
	for _, set := range l.sets() {
		for _, p := range set {
			mark(p.Prize, p.Weight)
			for i := range l.Channels {
				if weight, here := l.Channels[i].WeightIn(p.Prize, p.Weight); here {
					mark(p.Prize, weight)
				}
			}
		}
	}
	for i := range l.Pity {
		for _, z := range l.Pity[i].List {
			mark(z.Prize, 1)
		}
		for _, s := range l.Pity[i].Soft {
			for _, w := range s.Weights {
				mark(w.Prize, w.Weight)
			}
		}
	}
	return reached
}

// sets returns what the sessions can give; of a version without sessions the one set of all prizes.
func (l *linter) sets() []engine.PrizeSet {
	if len(l.Sessions) > 0 {
		return l.Sets
	}
	return []engine.PrizeSet{l.SetOf(-1)}
}

// unreachable finds prizes that no draw can give.
func (l *linter) unreachable() {
	if l.Mode.Kind == engine.ModeDeck {
		return // what is in stock is dealt
	}
	for i, ok := range l.reached() {
		if !ok {
			l.risk(pointerTo("prizes", i, "weight"), "prize %q is never given: it has no weight, and neither a fallback nor a pity leads to it", l.Prizes[i].ID)
		}
	}
}

// natUsers is how many users behind one address a cap by address must leave room for: an office, a mobile carrier.
const natUsers = 20

// natRoom finds caps by address that lock out people who share one.
func (l *linter) natRoom() {
	for i := range l.Caps {
		c := &l.Caps[i]
		if c.Scope != engine.ScopeIP || c.Counts == engine.CountAmount {
			continue
		}
		each := uint32(1)
		for j := range l.Caps {
			if o := &l.Caps[j]; o.Scope == engine.ScopeUser && o.Counts == c.Counts && o.Window == c.Window && o.Prize == c.Prize {
				each = max(each, o.Limit)
			}
		}
		if uint64(c.Limit) < uint64(each)*natUsers {
			l.risk(pointerTo("caps", i, "limit"),
				"cap %q leaves room for %d users behind one address; an office or a mobile carrier has many more: allow for %d at least, or count by device",
				c.ID, c.Limit/each, natUsers)
		}
	}
}

// daylightSaving finds windows of hours and days over a change of the zone's offset: one of them is longer or shorter.
func (l *linter) daylightSaving() {
	var changes []engine.Transition
	for i, t := range l.Transitions {
		if i > 0 && t.At > l.StartsAt && t.At < l.EndsAt {
			changes = append(changes, t)
		}
	}
	if len(changes) == 0 {
		return
	}
	for i := range l.Caps {
		c := &l.Caps[i]
		if c.Window.Kind != engine.WindowDay && c.Window.Kind != engine.WindowHour {
			continue
		}
		at := changes[0].At
		day := time.UnixMilli(int64(at)).UTC().Add(time.Duration(changes[0].OffsetSeconds) * time.Second).Format(time.DateOnly)
		more := ""
		if n := len(changes) - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more times)", n)
		}
		l.risk(pointerTo("caps", i, "window"),
			"the clocks of %s change on %s%s: the %s of cap %q is longer or shorter then", l.TimeZone, day, more, windowNames[c.Window.Kind], c.ID)
		return // once says it
	}
}

// userCeiling finds campaigns in which nothing bounds what one user takes.
func (l *linter) userCeiling() {
	if l.Mode.Kind == engine.ModeDeck {
		return // what is there is dealt out, whoever comes
	}
	if l.Chances != nil && (l.Chances.Mode != engine.ChancesFree || l.Chances.Price > 0) {
		return // whoever grants, or sells, bounds
	}
	for i := range l.Caps {
		if c := &l.Caps[i]; c.Scope == engine.ScopeUser && c.Window.Kind != engine.WindowCooldown && c.Prize < 0 && !countsHelps(c.Counts) {
			return
		}
	}
	l.risk("/caps", "one user may draw, and win, as often as he likes: cap draws or wins with scope user")
}

// contradictoryCaps finds caps of which one makes another one useless.
func (l *linter) contradictoryCaps() {
	for i := range l.Caps {
		for j := range l.Caps {
			if i == j {
				continue
			}
			c, o := &l.Caps[i], &l.Caps[j]
			if c.Scope != o.Scope || c.Attribute != o.Attribute {
				continue
			}
			same := c.Counts == o.Counts && c.Prize == o.Prize
			switch {
			case same && c.Window == o.Window && j < i:
				l.risk(pointerTo("caps", i, ""), "caps %q and %q count the same: the lower limit, %d, decides", o.ID, c.ID, min(c.Limit, o.Limit))
			case same && c.Counts != engine.CountAmount && within(c.Window.Kind, o.Window.Kind) && o.Limit <= c.Limit:
				l.risk(pointerTo("caps", i, "limit"), "cap %q can never be reached: cap %q allows %d in a longer window", c.ID, o.ID, o.Limit)
			case c.Counts == engine.CountWins && o.Counts == engine.CountDraws && c.Window == o.Window && o.Limit <= c.Limit && !l.extra():
				l.risk(pointerTo("caps", i, "limit"), "cap %q can never be reached: cap %q allows %d draws in the same window", c.ID, o.ID, o.Limit)
			}
		}
	}
}

// extra reports whether a draw can give two prizes.
func (l *linter) extra() bool {
	for i := range l.Pity {
		if l.Pity[i].Extra {
			return true
		}
	}
	return false
}

// within reports whether every window of one kind lies in one of another.
func within(narrow, wide engine.WindowKind) bool {
	switch wide {
	case engine.WindowCampaign:
		return narrow == engine.WindowHour || narrow == engine.WindowDay || narrow == engine.WindowWeek || narrow == engine.WindowMonth
	case engine.WindowMonth, engine.WindowWeek:
		return narrow == engine.WindowHour || narrow == engine.WindowDay
	case engine.WindowDay:
		return narrow == engine.WindowHour
	}
	return false
}
