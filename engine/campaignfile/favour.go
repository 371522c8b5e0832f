package campaignfile

import "github.com/drawd/drawd/engine"

// Favourable returns a fault for every change from live to next that takes something away from users (semantics.md
// §10). Publishing such a version must be forced, with a reason. Stock is not compared: a version cannot change it. Nor is
// the guard: it takes no prize and no odds, it does what an operator may do at any time.
func Favourable(live, next *engine.Version) []Fault {
	var faults []Fault
	take := func(pointer, format string, args ...any) { faults = append(faults, invalid(pointer, format, args...)) }
	if next.EndsAt < live.EndsAt {
		take("/ends_at", "is earlier than the live version's %s", formatInstant(live.EndsAt))
	}
	if next.StartsAt > live.StartsAt {
		take("/starts_at", "is later than the live version's %s", formatInstant(live.StartsAt))
	}
	if next.TimeZone != live.TimeZone && len(next.Caps) > 0 {
		take("/time_zone", "was %s: the windows of the caps would move", live.TimeZone)
	}
	if next.Exhausted > live.Exhausted {
		take("/exhausted", "was %s, which takes less from users", policies[live.Exhausted])
	}
	if next.UserExhausted > live.UserExhausted {
		take("/user_exhausted", "was %s, which takes less from users", policies[live.UserExhausted])
	}
	for i := range next.Caps {
		tighterCap(live, next, i, take)
	}
	worseMoney(live, next, take)
	worseChances(live, next, take)
	worseHelps(live, next, take)
	worseMode(live, next, take)
	worseSessions(live, next, take)
	slowerRelease(live, next, take)
	worseAudience(live, next, take)
	for i := range live.Prizes {
		worsePrize(live, next, &live.Prizes[i], take)
	}
	for i := range live.Pity {
		worsePity(live, next, &live.Pity[i], take)
	}
	return faults
}

// tighterCap reports what the i-th cap of next takes away.
func tighterCap(live, next *engine.Version, i int, take func(string, string, ...any)) {
	c := &next.Caps[i]
	for j := range live.Caps {
		was := &live.Caps[j]
		if was.ID != c.ID {
			continue
		}
		if c.Limit < was.Limit {
			take(pointerTo("caps", i, "limit"), "was %d: a limit may only rise", was.Limit)
		}
		if c.Counts != was.Counts || c.Scope != was.Scope || c.Window != was.Window || c.DenyWhenReached != was.DenyWhenReached ||
			prizeOf(next, c) != prizeOf(live, was) || next.ScopeName(c) != live.ScopeName(was) {
			take(pointerTo("caps", i, ""), "cap %q counts something else than in the live version: give the new rule a new id", c.ID)
		}
		return
	}
	take(pointerTo("caps", i, ""), "cap %q is new: a new limit takes something away", c.ID)
}

// prizeOf returns the id of the prize whose wins c counts, or nothing for all.
func prizeOf(v *engine.Version, c *engine.Cap) string {
	if c.Prize < 0 {
		return ""
	}
	return v.Prizes[c.Prize].ID
}

// worsePrize reports how next treats a prize of live worse.
func worsePrize(live, next *engine.Version, was *engine.Prize, take func(string, string, ...any)) {
	for i := range next.Prizes {
		p := &next.Prizes[i]
		if p.ID != was.ID {
			continue
		}
		// Odds are fractions; both products are under 2^60.
		if int64(p.Weight)*int64(live.Denominator) < int64(was.Weight)*int64(next.Denominator) {
			take(pointerTo("prizes", i, "weight"), "the odds were %d in %d: they may only rise", was.Weight, live.Denominator)
		}
		if p.Kind != was.Kind {
			take(pointerTo("prizes", i, "kind"), "was %s", was.Kind)
		}
		if is, had := handsOut(next, p.ID), handsOut(live, was.ID); is != had {
			take(pointerTo("prizes", i, "codes"), "handed out %s", had)
		}
		if worse := slowerClaim(live, next, was.ID); worse != "" {
			take(pointerTo("prizes", i, "award"), "%s", worse)
		}
		if field, worse := worsePool(live, next, was.ID); worse != "" {
			take(pointerTo("prizes", i, field), "%s", worse)
		}
		if p.Amount < was.Amount {
			take(pointerTo("prizes", i, "amount"), "was %d: it may only rise", was.Amount)
		}
		if p.Units != was.Units {
			take(pointerTo("prizes", i, "units"), "was %d: the stock would last for another number of wins", was.Units)
		}
		if was.Unavailable == engine.OnFallback && (p.Unavailable != engine.OnFallback || next.Prizes[p.Fallback].ID != live.Prizes[was.Fallback].ID) {
			take(pointerTo("prizes", i, "on_unavailable"), "was a fallback to %q", live.Prizes[was.Fallback].ID)
		}
		if boost := boostOfID(live, was.ID); boost > boostOfID(next, was.ID) {
			take(pointerTo("prizes", i, "on_unavailable"), "shared its weight, max_boost_ppm %d: it may only rise", boost)
		}
		return
	}
	take("/prizes", "prize %q of the live version is missing", was.ID)
}
