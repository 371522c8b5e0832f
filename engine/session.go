package engine

import (
	"sort"
	"strings"

	"github.com/drawd/drawd/engine/problem"
)

// Session is a round inside a campaign: the time in which a set of prizes can be won. Sessions stand in the order of
// their times and do not overlap; between two of them nothing can be drawn. A calendar ("every day") is expanded to
// sessions before it reaches the engine.
type Session struct {
	ID       string
	Title    []byte    // JSON object, canonical
	StartsAt UnixMilli // draws count in [StartsAt, EndsAt)
	EndsAt   UnixMilli
	Set      int16 // index into Version.Sets
	Unsold   Unsold
}

// Unsold says what becomes of a session's own units that nobody won.
type Unsold uint8

// What becomes of them. Numbers are on disk.
const (
	UnsoldExpire Unsold = iota // they expire with the session
	UnsoldCarry                // they go to the next session that has own units of the prize; with none left they expire
)

// PrizeSet is what can be won in a session, by prize, ascending. Several sessions may have the same set: each of them has
// units of its own nevertheless.
type PrizeSet []SetPrize

// SetPrize is one prize of a set.
type SetPrize struct {
	Prize  int16 // index into Version.Prizes
	Weight uint32
	Stock  Quantity // units that belong to each session with this set; StockShared for the prize's own
}

// StockShared, of a SetPrize, says that a session has no units of its own: wins take from the prize's stock.
const StockShared Quantity = -3

// calendar is where a campaign's plan stands in its sessions.
type calendar struct {
	live int // index of the session in force, -1 between two of them
	next int // index of the next one to start, -1 for none
}

// CellID names the books that a prize's wins are taken from in a session (an index into Sessions; -1 for none): the
// prize's id, or "session/prize" where the session has units of its own.
func (v *Version) CellID(prize, session int) string {
	if session >= 0 {
		for _, p := range v.Sets[v.Sessions[session].Set] {
			if int(p.Prize) == prize && p.Stock != StockShared {
				return sessionCell(v.Sessions[session].ID, v.Prizes[prize].ID)
			}
		}
	}
	return v.Prizes[prize].ID
}

// prize returns the index of the prize with an id, -1 for none.
func (v *Version) prize(id string) int {
	for i := range v.Prizes {
		if v.Prizes[i].ID == id {
			return i
		}
	}
	return -1
}

func sessionCell(session, prize string) string { return session + "/" + prize }

// cellsIn returns, for each prize, which cell wins are taken from in a session. A prize that the session does not have gets
// one of its others; nothing is taken from it.
func (v *Version) cellsIn(session int) []string {
	all := make([]string, len(v.Prizes))
	for i, own := range v.ownStock() {
		if own {
			all[i] = v.Prizes[i].ID
		}
	}
	for i := range v.Sessions {
		for _, p := range v.Sets[v.Sessions[i].Set] {
			if all[p.Prize] == "" {
				all[p.Prize] = sessionCell(v.Sessions[i].ID, v.Prizes[p.Prize].ID)
			}
		}
	}
	for _, p := range v.SetOf(session) {
		all[p.Prize] = v.CellID(int(p.Prize), session)
	}
	return all
}

// cells returns the ids of all cells of the version: of each prize in file order, then of each session.
func (v *Version) cells() (all []string) {
	for i, own := range v.ownStock() {
		if own {
			all = append(all, v.Prizes[i].ID)
		}
	}
	for i := range v.Sessions {
		for _, p := range v.Sets[v.Sessions[i].Set] {
			if p.Stock != StockShared {
				all = append(all, sessionCell(v.Sessions[i].ID, v.Prizes[p.Prize].ID))
			}
		}
	}
	return all
}

// HasOwnStock reports whether the prize's own books are used: in a campaign without sessions always, else when some
// session takes from them, or none has the prize at all.
func (v *Version) HasOwnStock(prize int) bool { return v.ownStock()[prize] }

func (v *Version) ownStock() []bool {
	own, has := make([]bool, len(v.Prizes)), make([]bool, len(v.Prizes))
	for _, set := range v.Sets {
		for _, p := range set {
			has[p.Prize] = true
			own[p.Prize] = own[p.Prize] || p.Stock == StockShared
		}
	}
	for i := range own {
		own[i] = own[i] || !has[i]
	}
	return own
}

// sessionAt returns the session in force at now (-1 for none) and the next one to start (-1 for none). last is when a
// session ends that ends with the campaign: pauses may have moved that.
func (v *Version) sessionAt(now, last UnixMilli) (live, next int) {
	next = sort.Search(len(v.Sessions), func(i int) bool { return v.Sessions[i].StartsAt > now })
	live = next - 1
	if live >= 0 && now >= v.sessionEnd(live, last) {
		live = -1
	}
	if next == len(v.Sessions) {
		next = -1
	}
	return live, next
}

func (v *Version) sessionEnd(i int, last UnixMilli) UnixMilli {
	if end := v.Sessions[i].EndsAt; end != v.EndsAt {
		return end
	}
	return last
}

// lastEnd is when a session ends that ends with the campaign: with the pauses added that moved the end. While a pause may
// still move it, never.
func (c *Campaign) lastEnd(k *control) UnixMilli {
	if k.paused && k.endedAt == 0 {
		return maxTime
	}
	return c.plan.Load().version.EndsAt + UnixMilli(k.extended)
}

// heir returns the books of the next session after one that has units of its own of a prize; -1 for none.
func (c *Campaign) heir(v *Version, session, prize int) int {
	for i := session + 1; i < len(v.Sessions); i++ {
		for _, p := range v.Sets[v.Sessions[i].Set] {
			if int(p.Prize) != prize || p.Stock < 0 {
				continue
			}
			if to := c.cell(sessionCell(v.Sessions[i].ID, v.Prizes[prize].ID)); to >= 0 && !c.books[to].Unlimited {
				return to
			}
		}
	}
	return -1
}

// carry moves what nobody has yet from one cell to another: totals move with it. It returns how much that was.
func (c *cell) carry(to *cell) Quantity {
	n := c.Available + c.Unreleased
	if to.Total+n > MaxStock || !to.balanced() {
		return 0
	}
	c.Total, c.Carried = c.Total-n, c.Carried-n
	to.Total, to.Carried = to.Total+n, to.Carried+n
	c.Available, c.Unreleased = 0, 0
	to.Available += n
	return n
}

// expire takes what nobody has yet out of the game: its time is over.
func (c *cell) expire() {
	c.Expired += c.Available + c.Unreleased
	c.Available, c.Unreleased = 0, 0
}

// sessionOver reports whether a cell belongs to a session that is closed.
func (c *Campaign) sessionOver(cell string) bool {
	id, _, own := strings.Cut(cell, "/")
	if !own {
		return false
	}
	v, k := c.Version(), c.control.Load()
	for i := range v.Sessions {
		if v.Sessions[i].ID == id {
			return v.sessionEnd(i, c.lastEnd(k)) <= c.turned
		}
	}
	return true
}

// betweenSessions refuses a draw outside every session. The plan stands in the sessions at log time. A reader refuses only
// what is so for a while: else unsure, and the log tells.
func (t *tx) betweenSessions(s sight) (code problem.Code, unsure bool) {
	p := t.plan
	if p.calendar.live >= 0 {
		return problem.OK, false
	}
	if p.calendar.next < 0 {
		t.result.Now = s.now
		return t.refuse(problem.Ended), false
	}
	return t.beforeSession(p.calendar.next, s)
}

// beforeSession refuses what has to wait for a session.
func (t *tx) beforeSession(next int, s sight) (code problem.Code, unsure bool) {
	starts := t.plan.version.Sessions[next].StartsAt
	if s.now+s.margin >= starts {
		return problem.OK, true
	}
	t.result.ResetsAt, t.result.Now = starts, s.now
	return t.refuse(problem.NotStarted), false
}

// turning reports whether a reader is so near to the session's end that another one may be in force when the log decides.
func (t *tx) turning(c *Campaign, s sight) bool {
	p := t.plan
	return s.margin > 0 && p.calendar.live >= 0 && s.now+s.margin >= p.version.sessionEnd(p.calendar.live, c.lastEnd(c.control.Load()))
}

// setSession puts the session in force into the moment that caps count in.
func (m *moment) setSession(p *plan) {
	s, in := p.version.Sessions, p.calendar.live
	if in < 0 {
		in = p.calendar.next // between two sessions the coming one is looked at
	}
	m.windows[WindowSession], m.sessionEnd = 1<<32-1, 0
	if in >= 0 {
		m.windows[WindowSession] = sessionWindow(s[in].StartsAt)
	}
	if in >= 0 && in+1 < len(s) {
		m.sessionEnd = s[in+1].StartsAt // nothing can be drawn before: that is when one more fits
	}
}

// sessionWindow numbers a session's window: ascending with time, the same in every version, never 0. No two sessions
// start within MinSession, and the year 2242 is beyond every campaign.
func sessionWindow(starts UnixMilli) uint32 { return uint32(starts/MinSession) + 1 }
