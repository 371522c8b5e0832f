package engine

import (
	"bytes"
	"fmt"

	"github.com/drawd/drawd/engine/internal/pages"
)

// FatigueCap is a cap of a namespace that counts what the host does with a user, and no draws: fatigue as a service. The
// host asks with a hit before it sends a message or opens a gate; what fits is counted, what does not is refused.
type FatigueCap struct {
	ID     string
	Window Window
	Limit  uint32
}

// fatigue are a namespace's counters of hits, and the keys under which hits were counted. The counters stand in rows of
// their own, so that nobody pays for their width who only draws. Like every layout theirs only grows: a cap id keeps its
// place, so that a policy which drops a cap and names it again later finds its counters.
type fatigue struct {
	layout layout
	table  *rowTable // of users; nil while no policy had such a cap
	// keys are remembered in generations: the newest is keys[period % keyGenerations], and a whole generation is let go at
	// once. Nothing sweeps rows.
	keys   [keyGenerations]*rowTable
	period uint32 // number of the newest generation: log time / keyPeriod
}

// A hit's key is kept for at least 7 days: two whole periods, and what is left of the one in which it came.
const (
	keyPeriod      = 84 * hourMilli
	keyGenerations = 3
)

// countHits marks a place of a fatigue cap.
const countHits Counts = 254

// The tables of a namespace's fatigue have a bit of their own, and the keys their generation's number.
const (
	ofFatigue       = 1 << 30
	generationShift = 28
)

func (n *Namespace) fatigueTable(kind, generation uint32) uint32 {
	return ofNamespace | ofFatigue | generation<<generationShift | uint32(n.ref)<<3 | kind
}

func periodOf(at UnixMilli) uint32 { return uint32(at / keyPeriod) }

// validateFatigue reports the first rule that a policy's fatigue caps break.
func validateFatigue(caps []FatigueCap) error {
	if len(caps) > MaxFatigueCaps {
		return invalid("number of fatigue caps")
	}
	for i := range caps {
		c := &caps[i]
		for j := range i {
			if caps[j].ID == c.ID {
				return invalid("fatigue cap id twice: " + c.ID)
			}
		}
		if err := validateCounter(c.ID, CountDraws, c.Window, c.Limit); err != nil {
			return err
		}
		if k := c.Window.Kind; k == WindowSession || k == WindowCampaign {
			return invalid("window of fatigue cap " + c.ID + ": no campaign ends it")
		}
	}
	return nil
}

// place claims the places of caps in a grown layout, or says why it cannot.
func (f *fatigue) place(grown *layout, caps []FatigueCap) error {
	for i := range caps {
		c := &caps[i]
		if err := grown.admit(c.ID, countHits, ScopeUser, c.Window, ""); err != nil {
			return err
		}
		grown.claim(c.ID, countHits, ScopeUser, c.Window, "", c.Limit)
	}
	if err := grown.fits(); err != nil {
		return fmt.Errorf("fatigue_caps: %w", err)
	}
	return nil
}

// openFatigue puts a policy's fatigue caps in force. Every shard is locked. It reports whether something will be due that
// was not.
func (n *Namespace) openFatigue(caps []FatigueCap, now UnixMilli) (due bool) {
	f := &n.fatigue
	for i := range caps {
		c := &caps[i]
		f.layout.claim(c.ID, countHits, ScopeUser, c.Window, "", c.Limit)
	}
	if due = f.table == nil && len(caps) > 0; due {
		f.period = periodOf(now)
	}
	n.fitFatigue()
	return due
}

// fitFatigue makes the tables that the layout needs, or widens the rows.
func (n *Namespace) fitFatigue() {
	f, w := &n.fatigue, n.world
	switch width := f.layout.width[ScopeUser]; {
	case width == 0:
		return
	case f.table == nil:
		f.table = w.newRowTable(n.fatigueTable(tableUser, 0), subjectKeyBytes, width)
	default:
		w.widen(f.table, width)
	}
	for g := range f.keys {
		if f.keys[g] == nil {
			f.keys[g] = w.newRowTable(n.fatigueTable(tableKeys, uint32(g)), digestKeyBytes, keyRowBytes)
		}
	}
}

// turnKeys lets the keys go that are old enough, and returns when it wants to be asked again. Every shard is locked.
func (n *Namespace) turnKeys(now UnixMilli) UnixMilli {
	f := &n.fatigue
	if f.table == nil {
		return maxTime
	}
	for end := periodOf(now); f.period < end; {
		f.period = max(f.period+1, end-min(end, keyGenerations-1)) // long idle: every generation goes, but once
		g := f.period % keyGenerations
		n.keys.Add(-f.keys[g].rows())
		n.world.dropRowTable(f.keys[g])
		f.keys[g] = nil
		n.fitFatigue()
	}
	return UnixMilli(f.period+1) * keyPeriod
}

// seen looks a hit's key up, the newest generation first. When it is not known, spot is where it would go.
func (f *fatigue) seen(w *world, digest *Key) (k keyRow, spot pages.Spot, known bool) {
	shard := w.shardOf(digest)
	for age := range uint32(keyGenerations) {
		part := f.keys[(f.period+keyGenerations-age)%keyGenerations].parts[shard]
		if age == 0 {
			row, at, ok := part.Seek((*pages.Key)(digest))
			if ok {
				return getKeyRow(part.Payload(row)), spot, true
			}
			spot = at
			continue
		}
		if row, ok := part.Find((*pages.Key)(digest)); ok {
			return getKeyRow(part.Payload(row)), pages.Spot{}, true
		}
	}
	return k, spot, false
}

// remember keeps the answer to a hit's key; spot is seen's. The namespace's count was moved already.
func (f *fatigue) remember(w *world, digest *Key, spot pages.Spot, k keyRow) {
	part := f.keys[f.period%keyGenerations].parts[w.shardOf(digest)]
	k.put(part.Fill((*pages.Key)(digest), spot))
}

// hitRule is a fatigue cap in force, or nothing at the place of one that was dropped.
type hitRule struct {
	counter counter
	id      string // empty: dropped
}

// compileHits resolves a policy's fatigue caps: by place.
func (n *Namespace) compileHits(caps []FatigueCap) (rules []hitRule, numbers map[string]uint8) {
	l := &n.fatigue.layout
	if len(caps) == 0 {
		return nil, nil
	}
	rules, numbers = make([]hitRule, len(l.places)), make(map[string]uint8, len(caps))
	for i := range caps {
		c := &caps[i]
		at := l.number(c.ID)
		rules[at] = hitRule{newCounter(&l.places[at], i, c.Limit), c.ID}
		numbers[c.ID] = at
	}
	return rules, numbers
}

// hit returns the rule of a cap's number; nil for none in force.
func (r *rules) hit(number uint8) *hitRule {
	if int(number) < len(r.hits) && r.hits[number].id != "" {
		return &r.hits[number]
	}
	return nil
}

// FatigueCap returns the number of a fatigue cap in force: the same for the namespace's life, whatever policies come. It
// allocates nothing.
func (n *Namespace) FatigueCap(id []byte) (number uint8, ok bool) {
	number, ok = n.rules.Load().hitNumbers[string(id)]
	return number, ok
}

// FatigueCapID returns the id of the fatigue cap with a number; empty for none in force.
func (n *Namespace) FatigueCapID(number uint8) string {
	if k := n.rules.Load().hit(number); k != nil {
		return k.id
	}
	return ""
}

// checkFatigue walks the rows and reports the first rule that they break.
func (n *Namespace) checkFatigue() error {
	f, r := &n.fatigue, n.rules.Load()
	if f.table == nil {
		return nil
	}
	var m moment
	m.set(&r.zone, n.world.clock.now)
	var err error
	for _, part := range f.table.parts {
		part.Range(func(k pages.Key, row []byte) bool {
			if len(bytes.TrimLeft(row, "\x00")) == 0 {
				err = fmt.Errorf("user %x has a row of fatigue and no hits", k[:subjectKeyBytes])
			}
			for i := range r.hits {
				if c := &r.hits[i]; c.id != "" && c.counter.used(row, &m) > MaxCapLimit {
					err = fmt.Errorf("user %x: fatigue cap %q stands at %d", k[:subjectKeyBytes], c.id, c.counter.used(row, &m))
				}
			}
			return err == nil
		})
	}
	return err
}

// rows returns how many users and keys there are. Every shard is locked, or nobody writes.
func (f *fatigue) rows() (users, keys uint64) {
	if f.table == nil {
		return 0, 0
	}
	for _, t := range f.keys {
		keys += t.rows()
	}
	return f.table.rows(), keys
}

// fatigueCut is what a capture takes of it.
type fatigueCut struct {
	layout layout
	period uint32
	rows   [1 + keyGenerations]uint64
}

func (n *Namespace) cutFatigue() *fatigueCut {
	f := &n.fatigue
	if f.table == nil {
		return nil
	}
	c := &fatigueCut{layout: f.layout.clone(), period: f.period}
	for i, t := range f.tables() {
		c.rows[i] = t.rows()
	}
	return c
}

// tables returns all tables, in a fixed order; none while no policy had a fatigue cap.
func (f *fatigue) tables() []*rowTable {
	if f.table == nil {
		return nil
	}
	return append([]*rowTable{f.table}, f.keys[:]...)
}

// restoreFatigue makes the fatigue of a meta.
func (n *Namespace) restoreFatigue(c *fatigueCut, caps []FatigueCap) error {
	if c != nil {
		n.fatigue.layout, n.fatigue.period = c.layout, c.period
		n.fitFatigue()
	}
	for i := range caps {
		if p := n.fatigue.layout.find(caps[i].ID); p == nil || p.Window != caps[i].Window || p.Sizes[len(p.Sizes)-1] < slotSize(caps[i].Window, caps[i].Limit) {
			return fmt.Errorf("engine: meta: fatigue cap without a place: %w", errTruncated)
		}
	}
	return nil
}

func (w *writer) fatigueCaps(caps []FatigueCap) {
	w.u32(uint32(len(caps)))
	for i := range caps {
		w.str(caps[i].ID)
		w.window(caps[i].Window)
		w.u32(caps[i].Limit)
	}
}

func (r *reader) fatigueCaps() (caps []FatigueCap) {
	for range r.count(MaxFatigueCaps) {
		caps = append(caps, FatigueCap{ID: r.str(MaxIDBytes), Window: r.window(), Limit: r.u32()})
	}
	return caps
}

// fatigueCut appends the section of a namespace's fatigue, with the caps of its policy.
func (w *writer) fatigueCut(c *fatigueCut, p *NamespacePolicy) {
	w.layout(&c.layout)
	w.u32(c.period)
	for _, rows := range c.rows {
		w.u64(rows)
	}
	w.fatigueCaps(p.FatigueCaps)
}

func (r *reader) fatigueCut(p *NamespacePolicy) *fatigueCut {
	c := &fatigueCut{layout: r.layout(), period: r.u32()}
	for i := range c.rows {
		c.rows[i] = r.u64()
	}
	p.FatigueCaps = r.fatigueCaps()
	r.fail = r.fail || c.layout.width[ScopeUser] == 0 || validateFatigue(p.FatigueCaps) != nil
	return c
}
