package campaignfile

import (
	"math"

	"github.com/drawd/drawd/engine"
)

// worseChances reports what next's chances take away.
func worseChances(live, next *engine.Version, take func(string, string, ...any)) {
	was, is := engine.Chances{}, engine.Chances{}
	if live.Chances != nil {
		was = *live.Chances
	}
	if next.Chances != nil {
		is = *next.Chances
	}
	if is.Mode != was.Mode && is.Mode != engine.ChancesFree {
		take("/chances/mode", "was %s", was.Mode)
		return
	}
	if is.Purse != was.Purse && is.Mode == engine.ChancesPurse {
		take("/chances/purse", "was %s: what users have there could not be spent", was.Purse)
	}
	if at, dearer := dearer(live, next); dearer {
		take("/chances/price", "a draw at %s would cost %d, more than the live version's %d", formatInstant(at), next.PriceAt(at), live.PriceAt(at))
	}
	if is.Mode == engine.ChancesGranted && is.Lots < was.Lots {
		take("/chances/lots", "was %d", was.Lots)
	}
	if is.Mode != engine.ChancesFree {
		worseSources(was.Sources, is.Sources, take)
		worseMilestones(was.Milestones, is.Milestones, take)
	}
	for i := range next.Prizes {
		for j := range live.Prizes {
			if next.Prizes[i].ID == live.Prizes[j].ID && target(&is, i) != target(&was, j) {
				take(pointerTo("prizes", i, "chances_for"), "was %q", target(&was, j))
			}
		}
	}
}

func target(x *engine.Chances, prize int) string {
	for _, p := range x.Prizes {
		if int(p.Prize) == prize {
			return p.Campaign
		}
	}
	return ""
}

// dearer returns the first time at which a draw costs more than it did. Prices change at the borders of periods only.
func dearer(live, next *engine.Version) (at engine.UnixMilli, found bool) {
	look := func(t engine.UnixMilli) {
		if next.PriceAt(t) > live.PriceAt(t) && (!found || t < at) {
			at, found = t, true
		}
	}
	look(next.StartsAt)
	for _, v := range []*engine.Version{live, next} {
		if v.Chances == nil {
			continue
		}
		for _, p := range v.Chances.Periods {
			for _, t := range []engine.UnixMilli{p.From, p.To} {
				if t >= next.StartsAt && t < next.EndsAt {
					look(t)
				}
			}
		}
	}
	return at, found
}

func worseSources(was, is []engine.ChanceSource, take func(string, string, ...any)) {
	limit := func(n uint32) uint32 { return n - 1 } // 0, no limit, becomes the most
	after := func(ms int64) uint64 {
		if ms == 0 {
			return math.MaxUint64
		}
		return uint64(ms)
	}
	for i := range was {
		found := false
		for j := range is {
			if is[j].ID != was[i].ID {
				continue
			}
			found = true
			pointer := "/chances/sources/" + is[j].ID
			if limit(is[j].DailyLimit) < limit(was[i].DailyLimit) {
				take(pointer+"/daily_limit", "was %d, where 0 is none", was[i].DailyLimit)
			}
			if after(is[j].ExpiresAfter) < after(was[i].ExpiresAfter) {
				take(pointer+"/expires_after", "is shorter than in the live version")
			}
		}
		if !found {
			take("/chances/sources", "source %q of the live version is missing", was[i].ID)
		}
	}
}

func worseMilestones(was, is []engine.Milestone, take func(string, string, ...any)) {
	for i := range was {
		m, found := &was[i], false
		for j := range is {
			n := &is[j]
			if n.ID != m.ID {
				continue
			}
			found = true
			if n.Draws > m.Draws || n.StreakDays > m.StreakDays || n.Amount < m.Amount || m.Repeat && !n.Repeat {
				take(pointerToMilestone(j), "milestone %q gives less than in the live version", n.ID)
			}
		}
		if !found {
			take("/chances/milestones", "milestone %q of the live version is missing", m.ID)
		}
	}
}

func pointerToMilestone(i int) string { return pointerTo("chances/milestones", i, "") }
