package engine

import "sort"

// turn brings what can be won in a campaign to now: it closes sessions that are over, releases what is due, lets expire what
// its window has left over, all in the order of their times, and puts the session in force into the plan. It returns when
// something of that is due next. Doing it again at the same time does nothing. Every shard is locked.
func (c *Campaign) turn(now UnixMilli) UnixMilli {
	p, k := c.plan.Load(), c.control.Load()
	v := p.version
	if len(v.Sessions) == 0 && len(c.releases) == 0 {
		return maxTime
	}
	last, until := c.lastEnd(k), now
	if k.endedAt != 0 {
		until = min(now, k.endedAt) // what was left when the campaign was ended by hand stays where it is
	}
	c.mu.Lock() // for readers of the books
	recount := c.catchUp(v, k, last, until)
	c.mu.Unlock()
	live, next := v.sessionAt(until, last)
	if live != p.calendar.live || next != p.calendar.next {
		c.plan.Store(c.compile(v, calendar{live, next}))
		recount = true
	}
	if recount {
		c.recount()
	}
	if k.endedAt != 0 {
		return maxTime
	}
	due := c.nextRelease(k, now)
	switch {
	case live >= 0:
		due = min(due, v.sessionEnd(live, last))
	case next >= 0:
		due = min(due, v.Sessions[next].StartsAt)
	}
	return due
}

// catchUp does everything up to until, in order, and reports whether prizes went out of the game. mu is held.
func (c *Campaign) catchUp(v *Version, k *control, last, until UnixMilli) (recount bool) {
	for {
		at := c.nextEvent(v, last)
		if at > until {
			break
		}
		c.releaseTo(k, at)
		if !k.paused {
			c.expireWindows(at)
		}
		if recount = true; c.closeSessions(v, last, at) || len(v.Sessions) == 0 {
			c.turned = max(c.turned, at)
		}
		for i := range c.releases {
			c.releases[i].turned = max(c.releases[i].turned, at)
		}
	}
	c.releaseTo(k, until)
	return recount
}

// nextEvent returns when the next session or expiring window ends that was not closed yet.
func (c *Campaign) nextEvent(v *Version, last UnixMilli) UnixMilli {
	next := maxTime
	if i := c.firstOpen(v); i < len(v.Sessions) {
		if end := v.sessionEnd(i, last); end > c.turned {
			next = end
		}
	}
	for i := range c.releases {
		r := &c.releases[i]
		if r.schedule.Expire && r.turned < r.to {
			if at := r.at(r.turned); at < r.hi {
				_, end := r.bounds(at)
				next = min(next, end)
			}
		}
	}
	return next
}

// firstOpen returns the first session that is not closed, or the last one, whose end pauses may have moved.
func (c *Campaign) firstOpen(v *Version) int {
	return sort.Search(len(v.Sessions)-1, func(i int) bool { return v.Sessions[i].EndsAt > c.turned })
}

// releaseTo makes available what the schedules have released up to t. While the campaign is paused nothing is.
func (c *Campaign) releaseTo(k *control, t UnixMilli) {
	if k.paused || k.pausedAt != 0 {
		t = min(t, k.pausedAt)
	}
	for i := range c.releases {
		if r := &c.releases[i]; t >= r.from && c.books[r.cell].Unreleased > 0 {
			c.move(r, t)
		}
	}
}

// expireWindows lets what is left of windows that end at t expire, where their schedule says so.
func (c *Campaign) expireWindows(t UnixMilli) {
	for i := range c.releases {
		r := &c.releases[i]
		if !r.schedule.Expire || t <= r.turned || t < r.from || t > r.to {
			continue
		}
		if at := r.at(t - 1); at < r.hi {
			if _, end := r.bounds(at); end == t {
				cell := &c.books[r.cell]
				cell.Expired += cell.Available
				cell.Available = 0
			}
		}
	}
}

// nextRelease returns when something is released next, or an expiring window ends.
func (c *Campaign) nextRelease(k *control, now UnixMilli) UnixMilli {
	next := maxTime
	for i := range c.releases {
		r := &c.releases[i]
		if r.schedule.Expire && now < r.to {
			if at := r.at(now); at < r.hi {
				_, end := r.bounds(at)
				next = min(next, end)
			}
		}
		if !k.paused && c.books[r.cell].Unreleased > 0 && r.moved < r.wins() {
			next = min(next, r.next(now))
		}
	}
	return next
}

// closeSessions closes the sessions that end at t, and reports whether there were any.
func (c *Campaign) closeSessions(v *Version, last, t UnixMilli) (some bool) {
	for i := c.firstOpen(v); i < len(v.Sessions) && v.sessionEnd(i, last) <= t; i++ {
		if v.sessionEnd(i, last) > c.turned {
			c.closeSession(v, i)
			some = true
		}
	}
	return some
}

// closeSession lets a session's own units go that nobody won: to the next session with units of the same prize, or they
// expire. The sum over all books stays the same.
func (c *Campaign) closeSession(v *Version, session int) {
	s := &v.Sessions[session]
	for _, p := range v.Sets[s.Set] {
		if p.Stock == StockShared {
			continue
		}
		i := c.cell(sessionCell(s.ID, v.Prizes[p.Prize].ID))
		if i < 0 || c.books[i].Unlimited || !c.books[i].balanced() {
			continue // a cell that does not add up fences the campaign when it is drawn from
		}
		if to := c.heir(v, session, int(p.Prize)); s.Unsold == UnsoldCarry && to >= 0 {
			c.inherit(to, c.books[i].carry(&c.books[to]))
		}
		c.books[i].expire()
	}
}

// inherit puts carried units under the schedule of the cell that got them.
func (c *Campaign) inherit(cell int, n Quantity) {
	if at := c.releases.find(cell); at >= 0 {
		r := &c.releases[at]
		r.quantity += n
		r.window = -1
		c.books[cell].Available -= n
		c.books[cell].Unreleased += n
	}
}

// displace moves what was to be released in a pause that ends now behind it. The campaign is not paused any more.
func (c *Campaign) displace(from, now UnixMilli) {
	v, last := c.Version(), c.endsAt(c.control.Load())
	c.mu.Lock() // for readers of the schedules
	defer c.mu.Unlock()
	for i := range c.releases {
		r := &c.releases[i]
		if c.books[r.cell].Unreleased == 0 {
			continue
		}
		end := r.to
		if end == v.EndsAt {
			end = last
		}
		r.displace(from, now, end)
	}
}
