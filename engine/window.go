package engine

import "sort"

const (
	hourMilli = 3600 * 1000
	dayMilli  = 24 * hourMilli
)

// zone is a time zone compiled to offsets: the engine carries no zone data.
type zone struct{ transitions []Transition }

// segment returns the index of the transition in force at t. The first is in force from the beginning of time.
func (z *zone) segment(t UnixMilli) int {
	i := sort.Search(len(z.transitions), func(i int) bool { return z.transitions[i].At > t })
	return max(i-1, 0)
}

func (z *zone) offset(segment int) int64 {
	if len(z.transitions) == 0 {
		return 0
	}
	return int64(z.transitions[segment].OffsetSeconds) * 1000
}

// windowOf returns the number of the calendar window of kind that the local time (ms) falls into. Numbers ascend with
// local time; they are civil arithmetic on the local clock, so a day is 23 or 25 hours long where the zone says so.
func windowOf(kind WindowKind, local int64) uint32 {
	switch kind {
	case WindowHour:
		return uint32(floorDiv(local, hourMilli))
	case WindowDay:
		return uint32(floorDiv(local, dayMilli))
	case WindowWeek:
		return uint32(floorDiv(floorDiv(local, dayMilli)+3, 7)) // 1970-01-01 was a Thursday
	case WindowMonth:
		y, m := civilMonth(floorDiv(local, dayMilli))
		return uint32(y*12 + m - 1)
	}
	return 0
}

// windowEnd returns the first local time (ms) after the window with the given number.
func windowEnd(kind WindowKind, window uint32) int64 {
	next := int64(window) + 1
	switch kind {
	case WindowHour:
		return next * hourMilli
	case WindowDay:
		return next * dayMilli
	case WindowWeek:
		return (next*7 - 3) * dayMilli
	}
	return daysBefore(next/12, next%12+1) * dayMilli
}

// windowMask covers the kinds of window: an index that it bounds needs no other check.
const windowMask = WindowSession

// now is a moment in a zone: the numbers of its calendar windows, computed once for all caps of a command.
type moment struct {
	zone       *zone
	at         UnixMilli
	local      int64 // at, on the zone's clock
	windows    [windowMask + 1]uint32
	sessionEnd UnixMilli // when something can be drawn that the session in force does not count; 0 for never
}

func (m *moment) set(z *zone, at UnixMilli) {
	if m.zone == z && m.at == at {
		return
	}
	m.zone, m.at = z, at
	local := int64(at) + z.offset(z.segment(at))
	if local == m.local && local != 0 {
		return // another zone whose clock reads the same
	}
	m.local = local
	for k := WindowHour; k <= WindowMonth; k++ {
		m.windows[k] = windowOf(k, local)
	}
}

// end returns when the calendar window of kind that m is in is over. A zone change may end it early or late, so each
// segment of the zone is asked in turn.
func (m *moment) end(kind WindowKind) UnixMilli {
	if kind == WindowSession {
		return m.sessionEnd
	}
	window := m.windows[kind]
	local := windowEnd(kind, window)
	for s := m.zone.segment(m.at); ; s++ {
		end := UnixMilli(local - m.zone.offset(s))
		if s+1 >= len(m.zone.transitions) || end < m.zone.transitions[s+1].At {
			return end
		}
		change := m.zone.transitions[s+1].At
		if windowOf(kind, int64(change)+m.zone.offset(s+1)) > window {
			return change
		}
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// civilMonth returns year and month (1 to 12) of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
// The year is taken to begin in March, so that the leap day is its last; 146097 days are 400 years.
func civilMonth(day int64) (year, month int64) {
	z := day + 719468 // days from 0000-03-01
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	year, month = yoe+era*400, mp+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month
}

// daysBefore returns the day number of the first of a month (1 to 12).
func daysBefore(year, month int64) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	doy := (153*(month-3) + 2) / 5
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}
