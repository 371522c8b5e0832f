package drawtest

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"sort"

	"github.com/drawd/drawd/engine"
)

// drip is what the schedule of a prize does with some units: those of the prize, or those that one session has of it. All
// of it is computed anew from the beginning whenever somebody asks (semantics.md §9, docs/adr/0016).
type drip struct {
	cell     string
	quantity engine.Quantity // units that the windows share
	moved    engine.Quantity // units that became available
	heldBack int64           // wins whose instants pauses displaced
	makeUps  []makeUp        // all there ever were
	upTo     engine.UnixMilli

	known map[string][]engine.UnixMilli // instants that were computed; they never change
	// shares are the tranches of the version and quantity that they were computed for.
	shares struct {
		version  *engine.Version
		quantity engine.Quantity
		all      []tranche
	}
}

// makeUp is a window that a pause made for what it held back.
type makeUp struct {
	from, to engine.UnixMilli
	wins     int64
}

// tranche is one window of a schedule, as far as the units live in it.
type tranche struct {
	from, to engine.UnixMilli
	wins     int64
}

// scheduleOf returns the schedule of a prize; nil for none.
func scheduleOf(v *engine.Version, prize string) *engine.Schedule {
	for _, x := range v.Releases {
		if v.Prizes[x.Prize].ID == prize {
			return &v.Schedules[x.Schedule]
		}
	}
	return nil
}

func prizeOfCell(cell string) string {
	for i := range cell {
		if cell[i] == '/' {
			return cell[i+1:]
		}
	}
	return cell
}

// life returns the time that a cell lives in: its session's, or the campaign's as it is in the file.
func (d *drip) life(c *campaign) (from, to engine.UnixMilli) {
	if s := sessionOf(c.live(), d.cell); s != nil {
		return s.StartsAt, s.EndsAt
	}
	return c.live().StartsAt, c.live().EndsAt
}

func (d *drip) schedule(c *campaign) *engine.Schedule {
	return scheduleOf(c.live(), prizeOfCell(d.cell))
}

func (d *drip) units(c *campaign) engine.Quantity {
	return engine.Quantity(c.live().Prizes[indexOf(c.live(), prizeOfCell(d.cell))].Units)
}

// tranches lists the windows that have a part in the cell's life. They share its wins by cumulative floors of their weights.
func (d *drip) tranches(c *campaign) (all []tranche) {
	if s := &d.shares; s.version != c.live() || s.quantity != d.quantity {
		s.version, s.quantity, s.all = c.live(), d.quantity, d.share(c)
	}
	return d.shares.all
}

func (d *drip) share(c *campaign) (all []tranche) {
	begin, end := d.life(c)
	var in []engine.ReleaseWindow
	whole, wins := new(big.Int), big.NewInt(int64(d.quantity/d.units(c)))
	for _, x := range d.schedule(c).Windows {
		if x.StartsAt < end && x.EndsAt > begin {
			in = append(in, x)
			whole.Add(whole, big.NewInt(int64(x.Weight)))
		}
	}
	sum, before := new(big.Int), int64(0)
	for _, x := range in {
		sum.Add(sum, big.NewInt(int64(x.Weight)))
		upTo := new(big.Int).Quo(new(big.Int).Mul(wins, sum), whole).Int64()
		all = append(all, tranche{max(x.StartsAt, begin), min(x.EndsAt, end), upTo - before})
		before = upTo
	}
	return all
}

func hash(domain byte, parts ...[]byte) []byte {
	all := []byte{domain}
	for _, p := range parts {
		all = append(all, p...)
	}
	sum := sha256.Sum256(all)
	return sum[:]
}

func (c *campaign) releaseSeed() []byte { return hash(0x03, c.seed[:]) }

// instants returns when a window releases its parts: kind is 0 for one of the schedule and 1 for what a pause made.
func (d *drip) instants(c *campaign, t tranche, kind byte) []engine.UnixMilli {
	span := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(t.from)), uint64(t.to))
	n := min(t.wins, 4096)
	avoid := d.schedule(c).AvoidWholeHour
	name := string(binary.BigEndian.AppendUint64(append(span[:16:16], kind, map[bool]byte{true: 1}[avoid]), uint64(n)))
	if all, known := d.known[name]; known {
		return all
	}
	key := hash(0x05, hash(0x04, c.releaseSeed(), []byte(d.cell)), span, []byte{kind})
	pieces := allowed(zone(c.live().Transitions), t.from, t.to, avoid)
	room := int64(0)
	for _, p := range pieces {
		room += int64(p.to - p.from)
	}
	numbers := stream(key)
	var all []engine.UnixMilli
	for range n {
		at := engine.UnixMilli(below(numbers, room))
		for _, p := range pieces {
			if length := p.to - p.from; at >= length {
				at -= length
				continue
			}
			all = append(all, p.from+at)
			break
		}
	}
	slices.Sort(all)
	d.known[name] = all
	return all
}

// allowed lists the pieces of a time that something may be released in: without two minutes on either side of every whole
// hour of the clock on the wall. A time in which nothing else is left has none to avoid.
func allowed(z zone, from, to engine.UnixMilli, avoid bool) (pieces []tranche) {
	if !avoid {
		return []tranche{{from: from, to: to}}
	}
	for at := from; at < to; {
		_, next := z.period(engine.WindowHour, at) // the next whole hour, if nobody puts the clock
		hourEnds := at + engine.UnixMilli(next.Sub(z.local(at)).Milliseconds())
		until := min(hourEnds, to)
		if change := z.firstTransitionAfter(at); change != 0 {
			until = min(until, change)
		}
		piece := tranche{from: max(at, hourEnds-58*minute), to: min(until, hourEnds-2*minute)}
		if piece.from < piece.to {
			pieces = append(pieces, piece)
		}
		at = until
	}
	if len(pieces) == 0 {
		return allowed(z, from, to, false)
	}
	return pieces
}

// stream returns the 8-byte parts of SHA-256(key ‖ u32 counter), one after the other.
func stream(key []byte) func() *big.Int {
	var sum []byte
	counter := uint32(0)
	return func() *big.Int {
		if len(sum) == 0 {
			s := sha256.Sum256(binary.BigEndian.AppendUint32(slices.Clone(key), counter))
			sum = s[:]
			counter++
		}
		n := new(big.Int).SetBytes(sum[:8])
		sum = sum[8:]
		return n
	}
}

// below scales a number of a stream to [0, n), and throws away those that would make it uneven.
func below(numbers func() *big.Int, n int64) int64 {
	size, two64 := big.NewInt(n), new(big.Int).Lsh(big.NewInt(1), 64)
	uneven := new(big.Int).Mod(two64, size)
	for {
		high, low := new(big.Int).DivMod(new(big.Int).Mul(numbers(), size), two64, new(big.Int))
		if low.Cmp(uneven) >= 0 {
			return high.Int64()
		}
	}
}

// portion returns how many wins of a window were released up to t.
func (d *drip) portion(c *campaign, w tranche, kind byte, t engine.UnixMilli) int64 {
	switch {
	case w.wins == 0 || t < w.from:
		return 0
	case t >= w.to:
		return w.wins
	}
	instants, past := d.instants(c, w, kind), int64(0)
	for _, at := range instants {
		if at <= t {
			past++
		}
	}
	return new(big.Int).Quo(new(big.Int).Mul(big.NewInt(w.wins), big.NewInt(past)), big.NewInt(int64(len(instants)))).Int64()
}

// released returns how many wins the schedule has released up to t, with what pauses made of it.
func (d *drip) released(c *campaign, t engine.UnixMilli) (wins int64) {
	for _, w := range d.tranches(c) {
		wins += d.portion(c, w, 0, t)
	}
	wins -= d.heldBack
	for _, m := range d.makeUps {
		wins += d.portion(c, tranche(m), 1, t)
	}
	return wins
}

// openDrips puts the units of prizes with a schedule under it. ok is false where a schedule begins with a prize that is there:
// it can only begin with the prize.
func (c *campaign) openDrips(v *engine.Version, known map[string]*books) (ok bool) {
	drips := map[string]*drip{}
	for _, o := range openings(v) {
		b, was, d, s := c.stock[o.cell], known[o.cell], c.drips[o.cell], scheduleOf(v, o.prize)
		switch {
		case s == nil && d != nil: // the schedule was dropped
			b.available += b.unreleased
			b.unreleased = 0
		case s == nil:
		case d != nil:
			if d.units(c) != engine.Quantity(v.Prizes[indexOf(v, o.prize)].Units) {
				return false // its shares are wins
			}
			drips[o.cell] = d
		case was != nil && b.available+b.issued > 0: // some of it was perhaps set aside until now
			return false
		case was == nil && b.available > 0:
			b.unreleased, b.available = b.available, 0
			drips[o.cell] = &drip{cell: o.cell, quantity: b.unreleased, upTo: -never, known: map[string][]engine.UnixMilli{}}
		}
	}
	c.drips = drips
	return true
}

// inForce returns the campaign's drips in an order of their own.
func (c *campaign) inForce() (all []*drip) {
	for _, d := range c.drips {
		all = append(all, d)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].cell < all[j].cell })
	return all
}

// releaseTo makes available what was released up to t. A pause holds everything back.
func (r *Reference) releaseTo(c *campaign, t engine.UnixMilli) {
	if c.pausedAt != 0 {
		t = min(t, c.pausedAt) // also where the campaign was ended in its pause: what was left stays where it is
	}
	for _, d := range c.inForce() {
		b := c.stock[d.cell]
		if more := min(engine.Quantity(d.released(c, t))*d.units(c)-d.moved, b.unreleased); more > 0 {
			b.unreleased -= more
			b.available += more
			d.moved += more
			r.reach("release")
		}
	}
}

// windowEnds lists when windows end whose rest expires.
func (c *campaign) windowEnds(d *drip) (all []engine.UnixMilli) {
	if d.schedule(c).Expire {
		for _, w := range d.tranches(c) {
			all = append(all, w.to)
		}
	}
	return all
}

// expireRest lets what is left of windows that end at t expire. A window that ends in a pause does not expire.
func (r *Reference) expireRest(c *campaign, t engine.UnixMilli) {
	for _, d := range c.inForce() {
		if t <= d.upTo || c.paused || !slices.Contains(c.windowEnds(d), t) {
			continue
		}
		b := c.stock[d.cell]
		if b.available > 0 {
			r.reach("release expires")
		}
		b.expired += b.available
		b.available = 0
	}
}

// displace spreads what a pause held back over the rest of the window in which the campaign goes on. Between windows that is
// the time up to the end of the next one, and behind the last the cell's life; the design leaves both open, and the engine
// does it so.
func (r *Reference) displace(c *campaign, from engine.UnixMilli) {
	for _, d := range c.inForce() {
		wins := d.released(c, r.now) - d.released(c, from)
		if c.stock[d.cell].unreleased == 0 || wins <= 0 {
			continue
		}
		_, last := d.life(c)
		if last == c.live().EndsAt {
			last = c.endsAt()
		}
		end, open := last, 0
		for _, w := range slices.Backward(d.tranches(c)) {
			if w.to > r.now {
				end = w.to
			}
		}
		for _, m := range d.makeUps {
			if m.to > from {
				open++
			}
		}
		if open == 64 {
			end = r.now
		}
		d.heldBack += wins
		d.makeUps = append(d.makeUps, makeUp{r.now, max(r.now, min(end, last)), wins})
		r.reach("release made up")
	}
}

// nextRelease returns the first instant after now at which something is released or expires; 0 for none.
func (r *Reference) nextRelease(c *campaign) (next engine.UnixMilli) {
	soonest := func(t engine.UnixMilli) {
		if t > r.now && (next == 0 || t < next) {
			next = t
		}
	}
	for _, d := range c.inForce() {
		for _, t := range c.windowEnds(d) {
			soonest(t)
		}
		if c.paused || c.stock[d.cell].unreleased == 0 {
			continue
		}
		var all []engine.UnixMilli
		for _, w := range d.tranches(c) {
			all = append(all, d.instants(c, w, 0)...)
		}
		for _, m := range d.makeUps {
			if m.to > m.from {
				all = append(all, d.instants(c, tranche(m), 1)...)
			}
		}
		slices.Sort(all)
		for _, t := range all {
			if t > r.now && engine.Quantity(d.released(c, t))*d.units(c) > d.moved { // after another schedule some release nothing
				soonest(t)
				break
			}
		}
	}
	return next
}
