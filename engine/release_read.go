package engine

// ReleasedWindow is one window of one cell's schedule, as it is told to people.
type ReleasedWindow struct {
	Prize    int // index into the version's prizes
	Session  int // whose own units these are; -1 for the prize's
	From, To UnixMilli
	Units    Quantity
	MakeUp   bool // made by a pause

	releaser *releaser
	wins     int64
}

// Instants computes when the window releases. Callers tell them to nobody before ReleaseSeed does. It may be called only
// inside ReleaseWindows.
func (w *ReleasedWindow) Instants() []int64 {
	kind := byte(0)
	if w.MakeUp {
		kind = 1
	}
	return w.releaser.spread(nil, instantsOf(w.wins), w.From, w.To, kind)
}

// ReleaseWindows calls fn for the windows of the live version's schedules that end after a time, cell by cell, until fn
// returns false. It takes the campaign's lock.
func (c *Campaign) ReleaseWindows(after UnixMilli, fn func(*ReleasedWindow) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, place := range c.Version().cellPlaces() {
		at := c.releases.find(c.cell(place.id))
		if at < 0 {
			continue
		}
		r := &c.releases[at]
		for i := r.at(after); i < r.hi; i++ {
			w := ReleasedWindow{Prize: place.prize, Session: place.session, releaser: r, wins: r.share(i+1) - r.share(i)}
			w.From, w.To = r.bounds(i)
			w.Units = Quantity(w.wins) * r.units
			if !fn(&w) {
				return
			}
		}
		for _, m := range r.makeups {
			if m.to <= after {
				continue
			}
			w := ReleasedWindow{Prize: place.prize, Session: place.session, From: m.from, To: m.to, MakeUp: true, releaser: r, wins: m.wins}
			w.Units = Quantity(m.wins) * r.units
			if !fn(&w) {
				return
			}
		}
	}
}

// ReleaseSeed returns what all instants are drawn from, once the campaign is over at log time; false before.
func (c *Campaign) ReleaseSeed() (seed [32]byte, ok bool) {
	if c.Status(UnixMilli(c.world.logTime.Load())) != StatusEnded {
		return seed, false
	}
	return c.releaseSeed(), true
}
