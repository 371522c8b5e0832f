package engine

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine/internal/release"
)

// Schedule says when the units of a prize become available: in windows, each with a share of them. Hourly and daily windows
// are expanded before they reach the engine.
type Schedule struct {
	Windows []ReleaseWindow // by time, not overlapping
	// AvoidWholeHour keeps every release at least WholeHourMargin away from the whole hours of the local clock.
	AvoidWholeHour bool
	// Expire says that what was released in a window and not won by its end expires. Otherwise it is carried on.
	Expire bool
}

// ReleaseWindow is one window of a schedule.
type ReleaseWindow struct {
	StartsAt UnixMilli
	EndsAt   UnixMilli
	Weight   uint32 // its share of the units, in proportion to the sum over all windows
}

// Release gives a prize a schedule. In a session with units of its own the schedule's windows inside the session share
// those.
type Release struct {
	Prize    int16 // index into Version.Prizes
	Schedule int16 // index into Version.Schedules
}

// WholeHourMargin is how far from a whole hour a release is at least, in ms, where whole hours are avoided.
const WholeHourMargin = release.Margin

// releaser is the release of one cell: what has happened, and what the version says. Times are log times.
type releaser struct {
	cell     int
	quantity Quantity // units that the schedule shares out
	moved    int64    // wins' worth of units that became available; not below what the schedule says
	// displaced counts wins' worth of units whose instants lay inside pauses, or of make-ups that are over and done: they
	// are not the windows' any more.
	displaced int64
	makeups   []makeup
	// turned is the end of the last window whose rest expired or was carried on. A version that changes the schedule sets it
	// to its own time: no window is over twice, and none that was over before it was published takes what is there.
	turned UnixMilli

	// Of the version in force; compiled.
	schedule *Schedule
	sums     []uint64 // of the schedule: weights of the windows before each; one more than windows
	units    Quantity // of one win
	lo, hi   int      // the schedule's windows that the cell lives in
	from, to UnixMilli
	key      [32]byte
	zone     zone
	window   int // whose instants are compiled; -1 for none
	instants []int64
}

// makeup is a window made by a pause: what would have been released meanwhile is spread over it.
type makeup struct {
	from, to UnixMilli
	wins     int64
	instants []int64 // compiled; nil until they are needed
}

// instants of a window of so many wins.
func instantsOf(wins int64) int { return int(min(wins, release.MaxInstants)) }

func (r *releaser) wins() int64 { return int64(r.quantity / r.units) }

// share returns how many wins the windows before the i-th release together.
func (r *releaser) share(i int) int64 {
	whole := r.sums[r.hi] - r.sums[r.lo]
	if whole == 0 {
		return 0
	}
	return int64(release.Share(uint64(r.wins()), r.sums[i]-r.sums[r.lo], whole))
}

// bounds returns the i-th window as far as the cell lives in it.
func (r *releaser) bounds(i int) (from, to UnixMilli) {
	w := &r.schedule.Windows[i]
	return max(w.StartsAt, r.from), min(w.EndsAt, r.to)
}

// at returns the first window that is not over at t.
func (r *releaser) at(t UnixMilli) int {
	i := r.lo
	for lo, hi := r.lo, r.hi; lo < hi; i = lo {
		mid := int(uint(lo+hi) >> 1)
		if _, to := r.bounds(mid); to <= t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return i
}

// compile makes the instants of a window.
func (r *releaser) compile(i int) {
	if r.window == i {
		return
	}
	from, to := r.bounds(i)
	n := instantsOf(r.share(i+1) - r.share(i))
	r.window, r.instants = i, r.spread(r.instants[:0], n, from, to, 0)
}

// spread appends n instants of a window. kind tells a schedule's windows, 0, from make-ups, 1.
func (r *releaser) spread(dst []int64, n int, from, to UnixMilli, kind byte) []int64 {
	var in [32 + 8 + 8 + 1]byte
	copy(in[:], r.key[:])
	binary.BigEndian.PutUint64(in[32:], uint64(from))
	binary.BigEndian.PutUint64(in[40:], uint64(to))
	in[48] = kind
	key := releaseKey(domainWindow, in[:])
	spans := r.zone.spans(from, to)
	avoid := r.schedule.AvoidWholeHour && release.Room(spans, true) > 0 // a make-up may be shorter than the margins
	return release.Instants(dst, &key, n, spans, avoid)
}

// spans cuts a time where the zone's offset changes.
func (z *zone) spans(from, to UnixMilli) (all []release.Span) {
	for s := z.segment(from); from < to; s++ {
		end := to
		if s+1 < len(z.transitions) {
			end = min(end, z.transitions[s+1].At)
		}
		all = append(all, release.Span{From: int64(from), To: int64(end), Offset: z.offset(s)})
		from = end
	}
	return all
}

// released returns how many wins' worth of units the schedule has released up to t, pauses that are over included: a pure
// function of schedule, seed and t.
func (r *releaser) released(t UnixMilli) int64 {
	i := r.at(t)
	n := r.share(i)
	if i < r.hi {
		if from, _ := r.bounds(i); t >= from {
			r.compile(i)
			n += portion(r.share(i+1)-n, r.instants, t)
		}
	}
	n -= r.displaced
	for j := range r.makeups {
		n += r.makeup(j, t)
	}
	return n
}

// portion returns how many of a window's wins its instants up to t have released.
func portion(wins int64, instants []int64, t UnixMilli) int64 {
	if len(instants) == 0 {
		return wins
	}
	return int64(release.Share(uint64(wins), uint64(release.Count(instants, int64(t))), uint64(len(instants))))
}

// makeup returns what a make-up has released up to t.
func (r *releaser) makeup(j int, t UnixMilli) int64 {
	m := &r.makeups[j]
	switch {
	case t >= m.to:
		return m.wins
	case t < m.from:
		return 0
	case m.instants == nil:
		m.instants = r.spread(nil, instantsOf(m.wins), m.from, m.to, 1)
	}
	return portion(m.wins, m.instants, t)
}

// next returns when something is released next after t, or a window begins whose instants nobody knows yet.
func (r *releaser) next(t UnixMilli) UnixMilli {
	next := maxTime
	if i := r.at(t); i < r.hi {
		from, to := r.bounds(i)
		switch {
		case t < from:
			next = from
		default:
			r.compile(i)
			next = after(r.instants, t, to)
		}
	}
	for j := range r.makeups {
		m := &r.makeups[j]
		if t < m.to {
			r.makeup(j, t)
			next = min(next, after(m.instants, t, m.to))
		}
	}
	return next
}

// after returns the first instant after t, or the end when there is none.
func after(instants []int64, t, end UnixMilli) UnixMilli {
	if i := release.Count(instants, int64(t)); i < len(instants) {
		return UnixMilli(instants[i])
	}
	return end
}

// maxMakeups bounds the make-ups of one cell that are not over.
const maxMakeups = 64

// displace moves what was to be released inside a pause [from, to): it is spread over the rest of the window in which the
// campaign goes on, or over the next one where there is none. last is when the cell's time is over.
func (r *releaser) displace(from, to, last UnixMilli) {
	wins := r.released(to) - r.released(from)
	if wins <= 0 {
		return
	}
	r.makeups = slices.DeleteFunc(r.makeups, func(m makeup) bool {
		if m.to > from {
			return false
		}
		r.displaced -= m.wins
		return true
	})
	end := to
	if i := r.at(to); i < r.hi {
		_, end = r.bounds(i)
	} else if last != maxTime {
		end = last
	}
	if len(r.makeups) == maxMakeups {
		end = to // at once, rather than without bound
	}
	r.displaced += wins
	r.makeups = append(r.makeups, makeup{from: to, to: max(min(end, last), to), wins: wins})
}

// move brings a cell's available units to what was released up to t.
func (c *Campaign) move(r *releaser, t UnixMilli) {
	cell := &c.books[r.cell]
	wins := r.released(t) - r.moved
	if wins <= 0 || !cell.balanced() {
		return
	}
	units := min(Quantity(wins)*r.units, cell.Unreleased)
	cell.Unreleased -= units
	cell.Available += units
	r.moved += wins
}

// unbalancedReleases returns the cell that holds back other units than its schedule has still to release, or nothing.
func (c *Campaign) unbalancedReleases() string {
	for i := range c.releases {
		r := &c.releases[i]
		if cell := &c.books[r.cell]; cell.Unreleased != 0 && cell.Unreleased != max(r.quantity-Quantity(r.moved)*r.units, 0) {
			return "release of " + cell.ID
		}
	}
	return ""
}

// releases keeps the releasers of a campaign in order.
type releases []releaser

func (all releases) find(cell int) int {
	return slices.IndexFunc(all, func(r releaser) bool { return r.cell == cell })
}

// clone copies what a releaser has done, and not what is compiled.
func (all releases) clone() (copied releases) {
	for i := range all {
		r := &all[i]
		x := releaser{cell: r.cell, quantity: r.quantity, moved: r.moved, displaced: r.displaced, turned: r.turned, window: -1, units: 1}
		for _, m := range r.makeups {
			x.makeups = append(x.makeups, makeup{from: m.from, to: m.to, wins: m.wins})
		}
		copied = append(copied, x)
	}
	return copied
}

// scheduleOf returns the schedule of a prize; nil for none.
func (v *Version) scheduleOf(prize int) *Schedule {
	for _, r := range v.Releases {
		if int(r.Prize) == prize {
			return &v.Schedules[r.Schedule]
		}
	}
	return nil
}

// openReleases gives the cells of prizes with a schedule to it, and lets those go whose prize has none any more. known are
// the cells of before.
func (x *publication) openReleases(v *Version, known map[string]int, now UnixMilli) error {
	byID := x.books.index()
	var kept releases
	for _, place := range v.cellPlaces() {
		at := byID[place.id]
		c, s, i := &x.books[at], v.scheduleOf(place.prize), x.releases.find(at)
		_, old := known[place.id]
		switch {
		case s == nil && i >= 0:
			c.Available, c.Unreleased = c.Available+c.Unreleased, 0
		case s == nil:
		case i >= 0 && x.unitsOf(v.Prizes[place.prize].ID) != v.Prizes[place.prize].Units:
			return fmt.Errorf("prize %q has a release schedule, which shares out wins: the units of a win cannot change with it", place.id)
		case i >= 0:
			r := x.releases[i]
			r.turned = max(r.turned, now)
			kept = append(kept, r)
		case old && c.Available+c.Unreleased+c.Issued > 0:
			return fmt.Errorf("prize %q is there without a release schedule: that can only begin with the prize", place.id)
		case !old && c.Available > 0:
			c.Available, c.Unreleased = 0, c.Available
			kept = append(kept, releaser{cell: at, quantity: c.Unreleased, window: -1, units: 1})
		}
	}
	x.releases = kept
	return nil
}

// unitsOf returns the units of a win of a prize of the live version.
func (x *publication) unitsOf(prize string) uint32 {
	v := x.campaign.Version()
	if i := v.prize(prize); i >= 0 {
		return v.Prizes[i].Units
	}
	return 0
}

// cellPlace is one cell of a version: whose it is.
type cellPlace struct {
	id             string
	prize, session int
}

// cellPlaces returns all cells of the version, in the order of cells.
func (v *Version) cellPlaces() (all []cellPlace) {
	for i, own := range v.ownStock() {
		if own {
			all = append(all, cellPlace{v.Prizes[i].ID, i, -1})
		}
	}
	for i := range v.Sessions {
		for _, p := range v.Sets[v.Sessions[i].Set] {
			if p.Stock != StockShared {
				all = append(all, cellPlace{sessionCell(v.Sessions[i].ID, v.Prizes[p.Prize].ID), int(p.Prize), i})
			}
		}
	}
	return all
}

// compileReleases resolves the campaign's releasers against a version. Every shard is locked.
func (c *Campaign) compileReleases(v *Version) {
	if len(c.releases) == 0 {
		return
	}
	sums := make([][]uint64, len(v.Schedules))
	for i := range v.Schedules {
		sums[i] = v.Schedules[i].sums()
	}
	for _, place := range v.cellPlaces() {
		at := c.releases.find(c.cell(place.id))
		if at < 0 {
			continue
		}
		for _, x := range v.Releases {
			if int(x.Prize) != place.prize {
				continue
			}
			r := &c.releases[at]
			r.schedule, r.sums, r.window = &v.Schedules[x.Schedule], sums[x.Schedule], -1
			r.units, r.zone, r.key = Quantity(v.Prizes[place.prize].Units), zone{v.Transitions}, c.releaseKey(place.id)
			r.from, r.to = v.StartsAt, v.EndsAt
			if place.session >= 0 {
				r.from, r.to = v.Sessions[place.session].StartsAt, v.Sessions[place.session].EndsAt
			}
			r.lo, r.hi = r.schedule.within(r.from, r.to)
		}
	}
}

func (s *Schedule) sums() []uint64 {
	sums := make([]uint64, len(s.Windows)+1)
	for i := range s.Windows {
		sums[i+1] = sums[i] + uint64(s.Windows[i].Weight)
	}
	return sums
}

// within returns the windows that have a part in [from, to).
func (s *Schedule) within(from, to UnixMilli) (lo, hi int) {
	for lo < len(s.Windows) && s.Windows[lo].EndsAt <= from {
		lo++
	}
	for hi = lo; hi < len(s.Windows) && s.Windows[hi].StartsAt < to; {
		hi++
	}
	return lo, hi
}
