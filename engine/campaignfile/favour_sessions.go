package campaignfile

import "github.com/drawd/drawd/engine"

// worseSessions reports what the sessions and channels of next take away.
func worseSessions(live, next *engine.Version, take func(string, string, ...any)) {
	if len(live.Sessions) == 0 && len(next.Sessions) > 0 {
		take("/sessions", "the live version has none: draws outside a session would be refused")
	}
	for i := range live.Sessions {
		was := &live.Sessions[i]
		s := sessionOf(next, was.ID)
		if s == nil {
			if len(next.Sessions) > 0 {
				take("/sessions", "session %q of the live version is missing", was.ID)
			}
			continue
		}
		if s.StartsAt > was.StartsAt || s.EndsAt < was.EndsAt {
			take("/sessions", "session %q was from %s to %s: it may only be longer", was.ID, formatInstant(was.StartsAt), formatInstant(was.EndsAt))
		}
		if s.Unsold < was.Unsold {
			take("/sessions", "session %q carried what was unsold to the next one", was.ID)
		}
		worseSet(live, next, live.Sets[was.Set], next.Sets[s.Set], was.ID, take)
	}
	if len(live.Channels) == 0 && len(next.Channels) > 0 {
		take("/channels", "the live version takes any channel: draws in others would be refused")
	}
	for i := range live.Channels {
		was := &live.Channels[i]
		c := next.Channel([]byte(was.ID))
		if c == nil {
			if len(next.Channels) > 0 {
				take("/channels", "channel %q of the live version is missing", was.ID)
			}
			continue
		}
		for j := range live.Prizes {
			worseInChannel(live, next, was, c, j, take)
		}
	}
}

func worseSet(live, next *engine.Version, was, set engine.PrizeSet, session string, take func(string, string, ...any)) {
	for _, p := range was {
		id, weight := live.Prizes[p.Prize].ID, int64(-1)
		for _, q := range set {
			if next.Prizes[q.Prize].ID == id {
				weight = int64(q.Weight)
			}
		}
		if weight < 0 {
			take("/sessions", "prize %q of session %q is missing", id, session)
		} else if weight*int64(live.Denominator) < int64(p.Weight)*int64(next.Denominator) {
			take("/sessions", "the odds of prize %q in session %q were %d in %d: they may only rise", id, session, p.Weight, live.Denominator)
		}
	}
}

// worseInChannel reports a prize that a channel of live had and that of next has not, or with lower odds of its own.
func worseInChannel(live, next *engine.Version, was, c *engine.Channel, prize int, take func(string, string, ...any)) {
	before, had := was.WeightIn(int16(prize), live.Prizes[prize].Weight)
	if !had {
		return
	}
	for i := range next.Prizes {
		if next.Prizes[i].ID != live.Prizes[prize].ID {
			continue
		}
		after, has := c.WeightIn(int16(i), next.Prizes[i].Weight)
		if !has {
			take("/channels", "prize %q of channel %q is missing", live.Prizes[prize].ID, was.ID)
		} else if int64(after)*int64(live.Denominator) < int64(before)*int64(next.Denominator) {
			take("/channels", "the odds of prize %q in channel %q were %d in %d: they may only rise", live.Prizes[prize].ID, was.ID, before, live.Denominator)
		}
	}
}

func sessionOf(v *engine.Version, id string) *engine.Session {
	for i := range v.Sessions {
		if v.Sessions[i].ID == id {
			return &v.Sessions[i]
		}
	}
	return nil
}
