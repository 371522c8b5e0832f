package engine

import (
	"slices"
	"sync/atomic"
)

// agenda keeps sums of units by the second at which they come back: one number per second that has any, however many holds
// end in it. Seconds stand in minutes, ascending. The default TTL makes deadlines ascend, so a minute is mostly found last.
type agenda struct {
	minutes []minute
	// spare is of a minute that has just emptied: a hold that is given back at once, over and over, needs the same one again.
	spare *[60]Quantity
	// all counts the minutes of every agenda of the engine: MaxAgendaMinutes bounds them. nil in copies.
	all *atomic.Int64
}

// counted notes that so many minutes more are there.
func (a *agenda) counted(more int) {
	if a.all != nil && more != 0 {
		a.all.Add(int64(more))
	}
}

type minute struct {
	number uint32 // of the minute: seconds / 60
	filled uint8  // seconds that have units
	sums   *[60]Quantity
}

// find returns where a minute stands or would.
func (a *agenda) find(number uint32) (int, bool) {
	if n := len(a.minutes); n > 0 && a.minutes[n-1].number <= number { // the rule
		if a.minutes[n-1].number == number {
			return n - 1, true
		}
		return n, false
	}
	return slices.BinarySearchFunc(a.minutes, number, func(m minute, number uint32) int { return int(m.number) - int(number) })
}

func (a *agenda) add(second uint32, n Quantity) {
	if n == 0 {
		return
	}
	at, found := a.find(second / 60)
	if !found {
		if a.spare == nil {
			a.spare = new([60]Quantity)
		}
		a.minutes = slices.Insert(a.minutes, at, minute{number: second / 60, sums: a.spare})
		a.spare = nil
		a.counted(1)
	}
	m := &a.minutes[at]
	if m.sums[second%60] == 0 {
		m.filled++
	}
	m.sums[second%60] += n
}

// opens returns how many minutes add would make: 1 or 0.
func (a *agenda) opens(second uint32) int64 {
	if _, found := a.find(second / 60); found {
		return 0
	}
	return 1
}

// has reports whether so many units come back at a second.
func (a *agenda) has(second uint32, n Quantity) bool {
	at, found := a.find(second / 60)
	return n == 0 || found && a.minutes[at].sums[second%60] >= n
}

// remove takes units off a second; the caller asked has.
func (a *agenda) remove(second uint32, n Quantity) {
	if n == 0 {
		return
	}
	at, _ := a.find(second / 60)
	m := &a.minutes[at]
	if m.sums[second%60] -= n; m.sums[second%60] > 0 {
		return
	}
	if m.filled--; m.filled == 0 {
		a.spare = m.sums // all zero
		a.minutes = slices.Delete(a.minutes, at, at+1)
		a.counted(-1)
	}
}

// due takes out what comes back up to a second.
func (a *agenda) due(second uint32) (n Quantity) {
	whole := 0
	for i := range a.minutes {
		m := &a.minutes[i]
		if m.number > second/60 {
			break
		}
		for s := range m.sums {
			if m.sums[s] > 0 && m.number*60+uint32(s) <= second {
				n += m.sums[s]
				m.sums[s] = 0
				m.filled--
			}
		}
		if m.filled == 0 {
			whole = i + 1
		}
	}
	// Minutes of the past are empty now: the ones that are not stand behind them.
	a.minutes = slices.Delete(a.minutes, 0, whole)
	a.counted(-whole)
	return n
}

// until is due without taking anything out.
func (a *agenda) until(second uint32) (n Quantity) {
	for i := range a.minutes {
		m := &a.minutes[i]
		for s := range m.sums {
			if m.number*60+uint32(s) <= second {
				n += m.sums[s]
			}
		}
		if m.number > second/60 {
			break
		}
	}
	return n
}

// next returns the first second that has units, 0 for none.
func (a *agenda) next() uint32 {
	if len(a.minutes) == 0 {
		return 0
	}
	m := &a.minutes[0]
	for s := range m.sums {
		if m.sums[s] > 0 {
			return m.number*60 + uint32(s)
		}
	}
	panic("BUG: a minute without units in an agenda")
}

// sum returns all units, and whether every part of it is sound.
func (a *agenda) sum() (n Quantity, sound bool) {
	sound = true
	for i := range a.minutes {
		for _, q := range a.minutes[i].sums {
			sound = sound && q >= 0
			n += q
		}
	}
	return n, sound
}

func (a *agenda) clone() agenda {
	b := agenda{minutes: slices.Clone(a.minutes)}
	for i := range b.minutes {
		sums := *b.minutes[i].sums
		b.minutes[i].sums = &sums
	}
	return b
}

func (w *writer) agenda(a *agenda) {
	w.u32(uint32(len(a.minutes)))
	for i := range a.minutes {
		m := &a.minutes[i]
		w.u32(m.number)
		w.u8(m.filled)
		for s, q := range m.sums {
			if q > 0 {
				w.u8(uint8(s))
				w.i64(int64(q))
			}
		}
	}
}

// agendaMinuteBytes is what a minute takes in a meta at most.
const agendaMinuteBytes = 4 + 1 + 60*(1+8)

// maxAgendaMinutes is how many minutes can have units: deadlines and what is spread behind them.
const maxAgendaMinutes = (MaxHoldLife+MaxReturnJitter)/60_000 + 2

func (r *reader) agenda() (a agenda) {
	for range r.count(maxAgendaMinutes) {
		m := minute{number: r.u32(), filled: r.enum(61), sums: new([60]Quantity)}
		last := -1
		for range m.filled {
			s, q := int(r.enum(60)), Quantity(r.i64())
			if r.fail || s <= last || q <= 0 || q > MaxStock {
				r.fail = true
				return agenda{}
			}
			m.sums[s], last = q, s
		}
		if r.fail || m.filled == 0 || m.number > neverEnds/60 || len(a.minutes) > 0 && a.minutes[len(a.minutes)-1].number >= m.number {
			r.fail = true
			return agenda{}
		}
		a.minutes = append(a.minutes, m)
	}
	return a
}
