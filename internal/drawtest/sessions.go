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
	all, now := c.live().Sessions, r.now
	if c.ended {
		now = min(now, c.endedAt) // an end by hand leaves everything where it is
	}
	for i := range all {
		if all[i].StartsAt <= now && now < c.sessionEnd(&all[i]) {
			live = i
		}
		if next < 0 && all[i].StartsAt > now {
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

// turnTo does what time alone does to the stock of a campaign, in the order of time: units are released, what is left of a
// window expires, sessions that are over go.
func (r *Reference) turnTo(c *campaign) {
	until := r.now
	if c.ended {
		until = min(until, c.endedAt) // an end by hand leaves everything where it is
	}
	for {
		at := never
		for i := range c.live().Sessions {
			if end := c.sessionEnd(&c.live().Sessions[i]); end > c.closed {
				at = min(at, end)
			}
		}
		for _, d := range c.drips {
			for _, end := range c.windowEnds(d) {
				if end > d.upTo {
					at = min(at, end)
				}
			}
		}
		if at > until {
			break
		}
		r.releaseTo(c, at)
		r.expireRest(c, at)
		r.close(c, at)
		for _, d := range c.drips {
			d.upTo = max(d.upTo, at)
		}
	}
	r.releaseTo(c, until)
	for _, d := range c.drips {
		d.upTo = max(d.upTo, until)
	}
}

// close ends the sessions that are over at a time: their own units go on to the next session that has some of the prize, or
// expire.
func (r *Reference) close(c *campaign, at engine.UnixMilli) {
	v := c.live()
	for i := range v.Sessions {
		s := &v.Sessions[i]
		end := c.sessionEnd(s)
		if end > at || end <= c.closed {
			continue
		}
		c.closed = end
		for prize := range v.Prizes {
			p, here := c.set(i)[prize]
			if !here || p.Stock < 0 {
				continue
			}
			from := c.stock[c.cell(i, prize)]
			left := from.available + from.unreleased
			from.available, from.unreleased = 0, 0
			if heir := c.heir(i, prize); s.Unsold == engine.UnsoldCarry && heir != "" {
				r.inherit(c, heir, left)
				from.carried -= left
			} else {
				from.expired += left
			}
		}
	}
}

// inherit adds to the units of a session. Where they have a schedule, it shares out what came too: the design leaves open
// whether that is available at once, and the engine does it so.
func (r *Reference) inherit(c *campaign, cell string, n engine.Quantity) {
	to := c.stock[cell]
	to.carried += n
	if d := c.drips[cell]; d != nil {
		d.quantity += n
		to.unreleased += n
		return
	}
	to.available += n
}

// heir returns the cell of the next session with units of its own of a prize.
func (c *campaign) heir(session, prize int) string {
	for i := session + 1; i < len(c.live().Sessions); i++ {
		if p, here := c.set(i)[prize]; here && p.Stock >= 0 {
			return c.cell(i, prize)
		}
	}
	return ""
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
	if c.ended {
		t = min(t, c.endedAt)
	}
	all := c.live().Sessions
	for i := range all {
		if t < c.sessionEnd(&all[i]) {
			return all[i].StartsAt
		}
	}
	return never
}
