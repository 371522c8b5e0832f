package engine

import "strings"

// cell is the books of one prize: the conserved sum
//
//	total = unreleased + available + reserved + held + issued + expired + withdrawn
//
// with every part ≥ 0, checked before each change. An unlimited prize counts issued only.
type cell struct {
	ID        string
	Unlimited bool
	Live      bool // in the live version; a dropped prize keeps its books
	Off       bool // switched off; kept with the campaign's switches

	Total, Unreleased, Available, Reserved, Held, Issued, Expired, Withdrawn Quantity

	Carried Quantity // part of Total that came from other cells; below 0: that went there
}

// maxCellIDBytes bounds a cell's id: a prize's, or a session's and a prize's with a slash between them.
const maxCellIDBytes = 2*MaxIDBytes + 1

// prizeOf returns the id of the prize in a cell's id.
func prizeOf(cell string) string {
	if _, prize, own := strings.Cut(cell, "/"); own {
		return prize
	}
	return cell
}

// throw switches all cells of a prize.
func (b books) throw(prize string, off bool) {
	for i := range b {
		if prizeOf(b[i].ID) == prize {
			b[i].Off = off
		}
	}
}

// balanced reports whether the books add up.
func (c *cell) balanced() bool {
	if c.Unlimited {
		return c.Issued >= 0 && c.Total|c.Unreleased|c.Available|c.Reserved|c.Held|c.Expired|c.Withdrawn == 0
	}
	sum := c.Unreleased + c.Available + c.Reserved + c.Held + c.Issued + c.Expired + c.Withdrawn
	negative := c.Unreleased | c.Available | c.Reserved | c.Held | c.Issued | c.Expired | c.Withdrawn
	return negative >= 0 && sum == c.Total && c.Total <= MaxStock
}

// has reports whether units can be given now.
func (c *cell) has(units Quantity) bool { return c.Unlimited || c.Available >= units }

// hopeless reports whether units cannot be given and no release will change that. A prize that is switched off counts as
// out.
func (c *cell) hopeless(units Quantity) bool {
	return c.Off || !c.Unlimited && c.Available+c.Unreleased < units
}

// issue takes units out of what is available. The caller asked has and balanced.
func (c *cell) issue(units Quantity) {
	c.Issued += units
	if !c.Unlimited {
		c.Available -= units
	}
}

// left returns the available units, or Unlimited.
func (c *cell) left() Quantity {
	if c.Unlimited {
		return Unlimited
	}
	return c.Available
}

// adjustable reports whether the total can move by delta: what is taken back must be available.
func (c *cell) adjustable(delta Quantity) bool {
	return !c.Unlimited && delta >= -MaxStock && delta <= MaxStock && c.Available+delta >= 0 && c.Total+delta <= MaxStock
}

func (c *cell) adjust(delta Quantity) {
	c.Total += delta
	c.Available += delta
}

// withdraw takes what nobody has yet out of the game: the prize was dropped.
func (c *cell) withdraw() {
	c.Withdrawn += c.Available + c.Unreleased
	c.Available, c.Unreleased = 0, 0
	c.Live = false
}

// PrizeStock is one prize's books. Total is the sum of the other parts; an unlimited prize has Total Unlimited and
// counts Issued only.
type PrizeStock struct {
	ID                                                                       string // of the prize
	Session                                                                  string // whose units these are; empty for the prize's own
	Pool                                                                     string // that its units come from, whose books they are in; empty for none
	Total, Unreleased, Available, Reserved, Held, Issued, Expired, Withdrawn Quantity

	Paid   int64 // what its wins paid, minor units, where the campaign keeps that; see Money
	Budget int64 // what they may pay, 0 for no bound
	Money  bool  // Paid is kept
}

func (c *cell) stock() PrizeStock {
	s := PrizeStock{
		ID: c.ID, Total: c.Total, Unreleased: c.Unreleased, Available: c.Available, Reserved: c.Reserved, Held: c.Held,
		Issued: c.Issued, Expired: c.Expired, Withdrawn: c.Withdrawn,
	}
	if session, prize, own := strings.Cut(c.ID, "/"); own {
		s.ID, s.Session = prize, session
	}
	if c.Unlimited {
		s.Total = Unlimited
	}
	return s
}

// CellID names the books, as [Version.CellID] does.
func (s *PrizeStock) CellID() string {
	if s.Session != "" {
		return sessionCell(s.Session, s.ID)
	}
	return s.ID
}

func (w *writer) cell(c *cell) {
	w.str(c.ID)
	w.flag(c.Unlimited)
	w.flag(c.Live)
	for _, q := range [...]Quantity{c.Total, c.Unreleased, c.Available, c.Reserved, c.Held, c.Issued, c.Expired, c.Withdrawn} {
		w.i64(int64(q))
	}
}

func (r *reader) cell() (c cell) {
	c.ID = r.str(maxCellIDBytes)
	c.Unlimited, c.Live = r.flag(), r.flag()
	for _, q := range [...]*Quantity{&c.Total, &c.Unreleased, &c.Available, &c.Reserved, &c.Held, &c.Issued, &c.Expired, &c.Withdrawn} {
		*q = Quantity(r.i64())
	}
	return c
}
