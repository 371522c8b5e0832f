package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/drawd/drawd/internal/mutant"
)

// A layout says where the counters of one owner (a campaign or a namespace) stand in the rows of its subjects. Layouts
// only grow: a cap id keeps its places for the owner's life, so counters carry over from version to version, and a row
// written under an older version is a prefix of a newer one.
type layout struct {
	places []place
	width  [scopes]int // bytes of a row's payload, by scope
}

// place is where one cap counts.
type place struct {
	ID     string
	Counts Counts
	Scope  Scope
	Window Window
	Prize  string // id of the prize whose wins are counted; empty for any
	// Offsets and Sizes are parallel. All but a rolling window have one; a rolling window whose limit was raised gets
	// a larger place behind the smaller one, and its times move over when the counter next moves.
	Offsets []int
	Sizes   []int
}

// Sizes of a counter's place, by kind of window.
const (
	campaignSlot = 4 // u32 count
	calendarSlot = 8 // u32 window, u32 count
	cooldownSlot = 6 // u48 time of the last one, 0 for never
	rollingTime  = 6 // u48; a rolling place is a u8 count and so many times, ascending
)

func slotSize(w Window, limit uint32) int {
	switch w.Kind {
	case WindowCampaign:
		return campaignSlot
	case WindowCooldown:
		return cooldownSlot
	case WindowRolling:
		return 1 + rollingTime*int(limit)
	}
	return calendarSlot
}

func (l *layout) find(id string) *place {
	for i := range l.places {
		if l.places[i].ID == id {
			return &l.places[i]
		}
	}
	return nil
}

// admit reports why a cap cannot have a place in l: a cap id means one thing for good.
func (l *layout) admit(id string, counts Counts, scope Scope, w Window, prize string) error {
	p := l.find(id)
	if p == nil {
		return nil
	}
	if p.Counts != counts || p.Scope != scope || p.Window != w || p.Prize != prize {
		return fmt.Errorf("cap %q counted something else in an earlier version: give the new rule a new id", id)
	}
	return nil
}

// claim gives a cap its place, the old one if it has one. It must have been admitted.
func (l *layout) claim(id string, counts Counts, scope Scope, w Window, prize string, limit uint32) *place {
	p := l.find(id)
	if p == nil {
		l.places = append(l.places, place{ID: id, Counts: counts, Scope: scope, Window: w, Prize: prize})
		p = &l.places[len(l.places)-1]
	}
	size := slotSize(w, limit)
	if n := len(p.Sizes); n == 0 || p.Sizes[n-1] < size {
		p.Offsets = append(p.Offsets, l.width[scope])
		p.Sizes = append(p.Sizes, size)
		l.width[scope] += size
	}
	return p
}

// clone returns a copy that can grow without l seeing it.
func (l *layout) clone() layout {
	c := layout{places: make([]place, len(l.places)), width: l.width}
	copy(c.places, l.places)
	for i := range c.places {
		p := &c.places[i]
		p.Offsets = p.Offsets[:len(p.Offsets):len(p.Offsets)]
		p.Sizes = p.Sizes[:len(p.Sizes):len(p.Sizes)]
	}
	return c
}

// reserve gives a feature its own place of so many bytes in the rows of a scope: the old one if it has one of this size.
// A feature's ids hold a slash, which no cap's id can.
func (l *layout) reserve(id string, scope Scope, size int) *place {
	p := l.find(id)
	if p == nil {
		l.places = append(l.places, place{ID: id, Counts: countReserved, Scope: scope})
		p = &l.places[len(l.places)-1]
	}
	if n := len(p.Sizes); n == 0 || p.Sizes[n-1] < size {
		p.Offsets = append(p.Offsets, l.width[scope])
		p.Sizes = append(p.Sizes, size)
		l.width[scope] += size
	}
	return p
}

// at returns where the place stands now: the newest one.
func (p *place) at() int { return p.Offsets[len(p.Offsets)-1] }

// fits reports why rows of this layout would not fit in a page.
func (l *layout) fits() error {
	if len(l.places) > MaxCapsEver {
		return fmt.Errorf("more than %d caps, sources and pities over the life of one owner", MaxCapsEver)
	}
	for s, width := range l.width {
		if width > maxRowWidth {
			return fmt.Errorf("the counters of one %s take %d bytes, at most %d are possible: use fewer or shorter rolling windows", Scope(s), width, maxRowWidth)
		}
	}
	return nil
}

func (w *writer) layout(l *layout) {
	w.u32(uint32(len(l.places)))
	for i := range l.places {
		p := &l.places[i]
		w.str(p.ID)
		w.u8(uint8(p.Counts))
		w.u8(uint8(p.Scope))
		w.window(p.Window)
		w.str(p.Prize)
		w.u32(uint32(len(p.Sizes)))
		for j := range p.Sizes {
			w.u32(uint32(p.Offsets[j]))
			w.u32(uint32(p.Sizes[j]))
		}
	}
	for _, width := range l.width {
		w.u32(uint32(width))
	}
}

// maxPlaceBytes bounds a place's id: a cap's, or one of a feature's before or behind it.
const maxPlaceBytes = 128

// maxRowWidth bounds a row's payload: four must fit in a page.
const maxRowWidth = 960

func (r *reader) layout() (l layout) {
	n := r.count(MaxCapsEver)
	for range n {
		p := place{
			ID: r.str(maxPlaceBytes), Counts: r.placeCounts(), Scope: Scope(r.enum(scopes)),
			Window: r.window(), Prize: r.str(MaxIDBytes),
		}
		for range r.count(MaxRollingLimit) {
			offset, size := r.count(maxRowWidth), r.count(maxRowWidth)
			if size < 1 || offset+size > maxRowWidth {
				r.fail = true
			}
			p.Offsets, p.Sizes = append(p.Offsets, offset), append(p.Sizes, size)
		}
		if len(p.Sizes) == 0 {
			r.fail = true
		}
		l.places = append(l.places, p)
	}
	for i := range l.width {
		l.width[i] = r.count(maxRowWidth)
	}
	for i := range l.places {
		p := &l.places[i]
		for j := range p.Offsets {
			r.fail = r.fail || p.Offsets[j]+p.Sizes[j] > l.width[p.Scope]
		}
	}
	return l
}

// placeCounts reads what a place counts: like a cap's, or that a feature reserved it.
func (r *reader) placeCounts() Counts {
	c := Counts(r.u8())
	if c >= countKinds && c != countReserved && c != countHits {
		r.fail = true
	}
	return c
}

// counter is one cap of the version in force, with its place: what the ladder reads and moves.
type counter struct {
	kind      WindowKind
	scope     Scope
	aggregate bool  // of the namespace, not of the campaign
	index     uint8 // in Version.Caps or NamespacePolicy.AggregateCaps
	deny      bool  // Cap.DenyWhenReached
	prize     int16 // index into Version.Prizes whose wins are counted; -1 for any
	limit     uint32
	duration  int64
	at        int   // offset of the place that is written
	offsets   []int // of all places, oldest first (rolling windows only)
}

func newCounter(p *place, index int, limit uint32) counter {
	return counter{
		kind: p.Window.Kind, scope: p.Scope, index: uint8(index), prize: -1, limit: limit,
		duration: p.Window.Duration, at: p.Offsets[len(p.Offsets)-1], offsets: p.Offsets,
	}
}

// used returns how far the counter has moved in the window of m. A nil row is a subject that was never seen.
func (c *counter) used(row []byte, m *moment) uint32 {
	switch {
	case row == nil:
		return 0
	case c.kind == WindowCampaign:
		return binary.LittleEndian.Uint32(row[c.at:])
	case c.kind == WindowRolling:
		return c.usedRolling(row, m.at)
	case c.kind == WindowCooldown:
		if last := getU48(row[c.at:]); last != 0 && int64(m.at) < int64(last)+c.duration {
			return 1
		}
		return 0
	}
	// A clock set back may repeat the end of a window that is over: what was counted since still counts.
	if both := binary.LittleEndian.Uint64(row[c.at:]); uint32(both) >= m.windows[c.kind&windowMask] {
		return uint32(both >> 32)
	}
	return 0
}

// usedRolling stands alone for its stack, which every call of used would have to ask for.
func (c *counter) usedRolling(row []byte, now UnixMilli) uint32 {
	var times [2 * MaxRollingLimit]UnixMilli
	return uint32(len(c.rolling(row, now, times[:0])))
}

// rolling appends the times that are still inside the window, ascending.
func (c *counter) rolling(row []byte, now UnixMilli, times []UnixMilli) []UnixMilli {
	if mutant.On(mutant.WindowEdge) {
		now++
	}
	for _, at := range c.offsets {
		for i := range int(row[at]) {
			if t := UnixMilli(getU48(row[at+1+i*rollingTime:])); int64(now) < int64(t)+c.duration {
				times = append(times, t)
			}
		}
	}
	return times
}

// free returns how many more fit.
func (c *counter) free(row []byte, m *moment) uint32 {
	limit := c.limit
	if mutant.On(mutant.CapPlusOne) && c.kind == WindowCampaign {
		limit++
	}
	if used := c.used(row, m); used < limit {
		return limit - used
	}
	return 0
}

// resets returns when n more could fit at the earliest, 0 for never.
func (c *counter) resets(row []byte, m *moment, n uint32) UnixMilli {
	switch c.kind {
	case WindowCampaign:
		return 0
	case WindowCooldown:
		if row == nil {
			return 0
		}
		return UnixMilli(int64(getU48(row[c.at:])) + c.duration)
	case WindowRolling:
		if row == nil || n > c.limit {
			return 0
		}
		var buf [2 * MaxRollingLimit]UnixMilli
		times := c.rolling(row, m.at, buf[:0])
		leave := len(times) + int(n) - int(c.limit) // so many must leave the window first
		if leave < 1 || leave > len(times) {
			return 0
		}
		return UnixMilli(int64(times[leave-1]) + c.duration)
	}
	return m.end(c.kind)
}

// add moves the counter by n. A cooldown counts a request once.
func (c *counter) add(row []byte, m *moment, n uint32) {
	switch c.kind {
	case WindowCampaign:
		binary.LittleEndian.PutUint32(row[c.at:], saturate(binary.LittleEndian.Uint32(row[c.at:]), n))
	case WindowCooldown:
		putU48(row[c.at:], uint64(m.at))
	case WindowRolling:
		c.addRolling(row, m.at, n)
	default:
		b := row[c.at : c.at+calendarSlot]
		window, used := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if now := m.windows[c.kind&windowMask]; window < now {
			window, used = now, 0
		}
		binary.LittleEndian.PutUint64(b, uint64(window)|uint64(saturate(used, n))<<32)
	}
}

func (c *counter) addRolling(row []byte, now UnixMilli, n uint32) {
	var buf [3 * MaxRollingLimit]UnixMilli
	times := c.rolling(row, now, buf[:0])
	for range n {
		times = append(times, now)
	}
	for _, at := range c.offsets {
		row[at] = 0
	}
	row[c.at] = byte(len(times))
	for i, t := range times {
		putU48(row[c.at+1+i*rollingTime:], uint64(t))
	}
}

func saturate(a, b uint32) uint32 {
	if a > ^uint32(0)-b {
		return ^uint32(0)
	}
	return a + b
}
