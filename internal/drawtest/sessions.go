package drawtest

import (
	"math"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// never is later than every time.
const never = engine.UnixMilli(math.MaxInt64)

// sessionEnd is when a session of the live version is over. One that ends with the campaign moves with the campaign's end;
// while a pause may still move that, it is not over.
func (c *campaign) sessionEnd(s *engine.Session) engine.UnixMilli {
	switch {
	case s.EndsAt != c.live().EndsAt:
		return s.EndsAt
	case c.paused && !c.ended:
		return never
	}
	return c.live().EndsAt + c.extension
}

// session returns the session in force and the next one to start, -1 for none.
func (r *Reference) session(c *campaign) (live, next int) {
	live, next = -1, -1
	all := c.live().Sessions
	for i := range all {
		if all[i].StartsAt <= r.now && r.now < c.sessionEnd(&all[i]) {
			live = i
		}
		if next < 0 && all[i].StartsAt > r.now {
			next = i
		}
	}
	return live, next
}

// set returns what can be won in a session, by prize.
func (c *campaign) set(session int) map[int]engine.SetPrize {
	out := map[int]engine.SetPrize{}
	v := c.live()
	switch {
	case len(v.Sessions) == 0:
		for i := range v.Prizes {
			out[i] = engine.SetPrize{Prize: int16(i), Weight: v.Prizes[i].Weight, Stock: engine.StockShared}
		}
	case session >= 0:
		for _, p := range v.Sets[v.Sessions[session].Set] {
			out[int(p.Prize)] = p
		}
	}
	return out
}

// cell names the units that a prize is won from in a session.
func (c *campaign) cell(session, prize int) string {
	id := c.live().Prizes[prize].ID
	if session >= 0 {
		if p, here := c.set(session)[prize]; here && p.Stock != engine.StockShared {
			return c.live().Sessions[session].ID + "/" + id
		}
	}
	return id
}

// booksOf returns the books that a prize is won from now. A prize whose units all belong to sessions, none of which is on, has
// none.
func (r *Reference) booksOf(c *campaign, prize int) *books {
	live, _ := r.session(c)
	return c.stock[c.cell(live, prize)]
}

// close ends the sessions that are over: their own units go on to the next session that has some of the prize, or expire.
func (r *Reference) close(c *campaign) {
	v := c.live()
	until := r.now
	if c.ended {
		until = min(until, c.endedAt) // an end by hand leaves everything where it is
	}
	for i := range v.Sessions {
		s := &v.Sessions[i]
		end := c.sessionEnd(s)
		if end > until || end <= c.closed {
			continue
		}
		c.closed = end
		for prize := range v.Prizes {
			p, here := c.set(i)[prize]
			if !here || p.Stock < 0 {
				continue
			}
			from := c.stock[c.cell(i, prize)]
			left := from.available
			from.available = 0
			if to := c.heir(i, prize); s.Unsold == engine.UnsoldCarry && to != nil {
				to.available += left
				to.carried += left
				from.carried -= left
			} else {
				from.expired += left
			}
		}
	}
}

// heir returns the books of the next session with units of its own of a prize.
func (c *campaign) heir(session, prize int) *books {
	for i := session + 1; i < len(c.live().Sessions); i++ {
		if p, here := c.set(i)[prize]; here && p.Stock >= 0 {
			return c.stock[c.cell(i, prize)]
		}
	}
	return nil
}

// place finds out where a draw takes place: in which session, and in which channel. out refuses one that takes place nowhere.
func (r *Reference) place(c *campaign, d *engine.Draw) (out Decided, refused bool) {
	v := c.live()
	if live, next := r.session(c); len(v.Sessions) > 0 && live < 0 {
		return r.until(c, next), true
	}
	if d.ExpectVersion != 0 && d.ExpectVersion != v.Number {
		return refuse(c.ref, problem.VersionChanged), true
	}
	if price := r.price(c); d.MaxPrice != 0 && price > d.MaxPrice {
		return refuse(c.ref, problem.VersionChanged), true
	}
	if len(v.Channels) > 0 && channelOf(v, d.Channel) == nil {
		return refuse(c.ref, problem.UnknownChannel), true
	}
	return out, false
}

// until refuses a draw that comes between two sessions, or after the last.
func (r *Reference) until(c *campaign, next int) Decided {
	out := refuse(c.ref, problem.Ended)
	if next >= 0 {
		out = refuse(c.ref, problem.NotStarted)
		out.Result.ResetsAt = c.live().Sessions[next].StartsAt
	}
	out.Result.Now = r.now
	return out
}

func channelOf(v *engine.Version, id []byte) *engine.Channel {
	for i := range v.Channels {
		if v.Channels[i].ID == string(id) {
			return &v.Channels[i]
		}
	}
	return nil
}

// odds returns the weight of every prize for a draw: of its session, in its channel, after what a soft pity makes of it for a
// certain user.
func (r *Reference) odds(c *campaign, who *subject, channel []byte) []uint32 {
	v := c.live()
	live, _ := r.session(c)
	set, out := c.set(live), make([]uint32, len(v.Prizes))
	soft := map[int]uint32{}
	if who != nil {
		soft = r.soft(c, who.user)
	}
	at := channelOf(v, channel)
	for prize, p := range set {
		weight, here := p.Weight, true
		if at != nil && !at.All {
			here = false
			for _, x := range at.Prizes {
				if int(x.Prize) == prize {
					here = true
					if x.Weight != engine.KeepWeight {
						weight = x.Weight
					}
				}
			}
		}
		if s, softened := soft[prize]; softened {
			weight = s
		}
		if here {
			out[prize] = weight
		}
	}
	return out
}

// offered reports whether a prize can be won in the session in force, in the channel.
func (r *Reference) offered(c *campaign, prize int, channel []byte) bool {
	live, _ := r.session(c)
	if _, some := c.set(live)[prize]; !some {
		return false
	}
	at := channelOf(c.live(), channel)
	if at == nil || at.All {
		return true
	}
	for _, x := range at.Prizes {
		if int(x.Prize) == prize {
			return true
		}
	}
	return false
}

// nextSession returns when the session after the one that counts now starts: one more fits then. 0 when there is none.
func (r *Reference) nextSession(c *campaign) engine.UnixMilli {
	now := r.sessionStart(c, r.now)
	for i := range c.live().Sessions {
		if s := &c.live().Sessions[i]; s.StartsAt > now {
			return s.StartsAt
		}
	}
	return 0
}

// sessionStart returns the start of the session that an instant counts for: the one in force, or the coming one.
func (r *Reference) sessionStart(c *campaign, t engine.UnixMilli) engine.UnixMilli {
	all := c.live().Sessions
	for i := range all {
		if t < c.sessionEnd(&all[i]) {
			return all[i].StartsAt
		}
	}
	return never
}
