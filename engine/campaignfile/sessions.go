package campaignfile

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/drawd/drawd/engine"
)

// sessionsEntry is the sessions of a file as they are read: a list, or a calendar that is expanded.
type sessionsEntry struct {
	at       value
	list     []sessionEntry
	calendar *calendarEntry
}

// sessionEntry is one session.
type sessionEntry struct {
	id       string
	title    map[string]string
	from, to engine.UnixMilli
	unsold   engine.Unsold
	prizes   []setEntry // nil for every prize of the campaign, as it is there
	stated   bool       // the file names the prizes

	at, idAt, fromAt, toAt value
}

// setEntry is a prize of a session or a channel.
type setEntry struct {
	named
	weight, stock     int64
	weighted, stocked bool
	slots             []int16

	weightAt, stockAt value
}

// calendarEntry is {every: day}: one session a day, in the campaign's zone.
type calendarEntry struct {
	day       sessionEntry // what the file says once for all days
	opens     int          // minutes after midnight
	closes    int
	overrides []overrideEntry
}

// overrideEntry changes one day.
type overrideEntry struct {
	sessionEntry
	date          civilDate
	closed        bool
	opens, closes int // -1 where the calendar's holds
	dateAt        value
}

type civilDate struct{ year, month, day int }

func (d civilDate) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day) }

const minutesOfDay = 24 * 60

// unsoldNames are the wire names of engine.Unsold, by number.
var unsoldNames = []string{"expire", "carry"}

func (c *campaign) readSessions(v value) {
	c.sessions = &sessionsEntry{at: v}
	if v.kind == kindMap {
		c.readCalendar(v)
		return
	}
	c.list(v, engine.MaxSessions, func(_ int, v value) {
		s := sessionEntry{at: v}
		c.object(v, append(c.sessionFields(&s),
			field{name: "id", required: required, read: func(v value) {
				s.idAt = v
				s.id, _ = c.id(v)
			}},
			field{name: "starts_at", required: required, read: func(v value) {
				s.from, _ = c.instant(v)
				s.fromAt = v
			}},
			field{name: "ends_at", required: required, read: func(v value) {
				s.to, _ = c.instant(v)
				s.toAt = v
			}}))
		c.sessions.list = append(c.sessions.list, s)
	})
}

// sessionFields are the fields that all forms of a session share.
func (c *campaign) sessionFields(s *sessionEntry) []field {
	return []field{
		{name: "title", read: func(v value) { s.title = c.reader.title(v) }},
		{name: "unsold", read: func(v value) {
			i, _ := c.choice(v, unsoldNames)
			s.unsold = engine.Unsold(i)
		}},
		{name: "prizes", read: func(v value) {
			s.stated = true
			s.prizes = c.readSet(v, false)
		}},
	}
}

// readSet reads the prizes of a session or a channel: ids, or objects where something is another than in the campaign.
func (c *campaign) readSet(v value, channel bool) (all []setEntry) {
	c.list(v, engine.MaxPrizes, func(_ int, v value) {
		e := setEntry{named: named{at: v}}
		if v.kind == kindText {
			e.id, _ = c.id(v)
			all = append(all, e)
			return
		}
		fields := []field{
			{name: "id", required: required, read: func(v value) {
				e.at = v
				e.id, _ = c.id(v)
			}},
			{name: "weight", read: func(v value) {
				e.weight, e.weighted = c.integer(v, 0, engine.MaxDenominator)
				e.weightAt = v
			}},
		}
		if channel {
			fields = append(fields,
				field{name: "slot", read: func(v value) { e.slots = c.readSlots(v, e.slots) }},
				field{name: "slots", read: func(v value) { e.slots = c.readSlots(v, e.slots) }})
		} else {
			fields = append(fields, field{name: "stock", read: func(v value) {
				e.stock, e.stocked, e.stockAt = int64(c.readStock(v)), true, v
			}})
		}
		c.object(v, fields)
		all = append(all, e)
	})
	return all
}

func (c *campaign) readCalendar(v value) {
	k := &calendarEntry{closes: minutesOfDay}
	k.day.at = v
	c.object(v, append(c.sessionFields(&k.day),
		field{name: "every", required: required, read: func(v value) { c.choice(v, []string{"day"}) }},
		field{name: "opens", read: func(v value) { k.opens = c.clock(v) }},
		field{name: "closes", read: func(v value) { k.closes = c.clock(v) }},
		field{name: "overrides", read: func(v value) {
			c.list(v, engine.MaxSets, func(_ int, v value) { c.readOverride(v, k) })
		}}))
	if k.opens >= 0 && k.closes >= 0 && k.closes <= k.opens {
		c.fault(v, "closes must be after opens, on the same day; 24:00 is its end")
	}
	c.sessions.calendar = k
}

func (c *campaign) readOverride(v value, k *calendarEntry) {
	o := overrideEntry{sessionEntry: sessionEntry{at: v, unsold: engine.Unsold(255)}, opens: -1, closes: -1}
	c.object(v, append(c.sessionFields(&o.sessionEntry),
		field{name: "date", required: required, read: func(v value) {
			o.dateAt = v
			o.date = c.date(v)
		}},
		field{name: "closed", read: func(v value) { o.closed = c.boolean(v) }},
		field{name: "opens", read: func(v value) { o.opens = c.clock(v) }},
		field{name: "closes", read: func(v value) { o.closes = c.clock(v) }}))
	for i := range k.overrides {
		if k.overrides[i].date == o.date && o.date.year > 0 {
			c.fault(o.dateAt, "%s is overridden in line %d already", o.date, k.overrides[i].dateAt.at.line)
		}
	}
	k.overrides = append(k.overrides, o)
}

var (
	clockPattern = regexp.MustCompile(`^([01][0-9]|2[0-4]):([0-5][0-9])$`)
	datePattern  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// clock reads a time of the day in minutes; -1 after a fault.
func (r *reader) clock(v value) int {
	if v.kind == kindText {
		if parts := clockPattern.FindStringSubmatch(v.node.text); parts != nil {
			h, _ := strconv.Atoi(parts[1])
			m, _ := strconv.Atoi(parts[2])
			if h*60+m <= minutesOfDay {
				return h*60 + m
			}
		}
	}
	r.fault(v, `must be a time of the day like "10:00", up to "24:00"`)
	return -1
}

// date reads a day of the calendar; the zero date after a fault.
func (r *reader) date(v value) civilDate {
	if v.kind == kindText && datePattern.MatchString(v.node.text) {
		if t, err := time.Parse(time.DateOnly, v.node.text); err == nil {
			return civilDate{t.Year(), int(t.Month()), t.Day()}
		}
	}
	r.fault(v, "must be a date like 2026-11-11")
	return civilDate{}
}

// checkSessions finds the faults of the sessions and expands them into the version.
func (c *campaign) checkSessions() {
	if c.sessions == nil || len(c.faults) > 0 {
		return // what is wrong before makes no sessions to look at
	}
	if c.sessions.calendar != nil {
		c.expandCalendar(c.sessions.calendar)
	} else {
		for i := range c.sessions.list {
			c.checkSession(i)
		}
	}
	if len(c.version.Sessions) == 0 && len(c.faults) == 0 {
		c.fault(c.sessions.at, "there is no session between starts_at and ends_at")
	}
	c.checkOwnStock()
}

func (c *campaign) checkSession(i int) {
	v, s := c.version, &c.sessions.list[i]
	for j := range i {
		if c.sessions.list[j].id == s.id {
			c.fault(s.idAt, "session %q is already defined in line %d: ids must be unique", s.id, c.sessions.list[j].idAt.at.line)
		}
	}
	switch {
	case s.to-s.from < engine.MinSession:
		c.fault(s.toAt, "must be at least %s after starts_at", formatDuration(engine.MinSession))
	case s.from < v.StartsAt:
		c.fault(s.fromAt, "is before the campaign starts")
	case s.to > v.EndsAt:
		c.fault(s.toAt, "is after the campaign ends")
	case i > 0 && s.from < c.sessions.list[i-1].to:
		c.fault(s.fromAt, "is before session %q ends: sessions stand in their order and do not overlap", c.sessions.list[i-1].id)
	}
	c.addSession(s)
}

// expandCalendar makes one session of each day, cut to the campaign's time.
func (c *campaign) expandCalendar(k *calendarEntry) {
	v := c.version
	first := time.UnixMilli(int64(v.StartsAt)).In(c.zone)
	for day := 0; ; day++ {
		d := time.Date(first.Year(), first.Month(), first.Day()+day, 0, 0, 0, 0, time.UTC)
		s, opens, closes, closed := k.on(civilDate{d.Year(), int(d.Month()), d.Day()})
		if at(c.zone, d, 0) >= v.EndsAt {
			break
		}
		s.from, s.to = max(at(c.zone, d, opens), v.StartsAt), min(at(c.zone, d, closes), v.EndsAt)
		if closed || s.to-s.from < engine.MinSession {
			continue
		}
		if len(v.Sessions) == engine.MaxSessions {
			c.fault(c.sessions.at, "makes more than %d sessions: make the campaign shorter", engine.MaxSessions)
			return
		}
		c.addSession(&s)
	}
	for i := range k.overrides {
		o := &k.overrides[i]
		if !o.closed && !slices.ContainsFunc(v.Sessions, func(s engine.Session) bool { return s.ID == o.date.String() }) {
			c.fault(o.dateAt, "there is no session on %s", o.date)
		}
	}
}

// at returns a time of a day in a zone, given in minutes after midnight.
func at(zone *time.Location, day time.Time, minutes int) engine.UnixMilli {
	return engine.UnixMilli(time.Date(day.Year(), day.Month(), day.Day(), 0, minutes, 0, 0, zone).UnixMilli())
}

// on returns what the calendar says of one day.
func (k *calendarEntry) on(d civilDate) (s sessionEntry, opens, closes int, closed bool) {
	s, opens, closes = k.day, k.opens, k.closes
	s.id = d.String()
	for i := range k.overrides {
		o := &k.overrides[i]
		if o.date != d {
			continue
		}
		closed = o.closed
		if o.opens >= 0 {
			opens = o.opens
		}
		if o.closes >= 0 {
			closes = o.closes
		}
		if o.title != nil {
			s.title = o.title
		}
		if o.unsold != 255 {
			s.unsold = o.unsold
		}
		if o.stated {
			s.prizes, s.stated, s.at = o.prizes, true, o.at
		}
	}
	return s, opens, closes, closed
}

// addSession adds a session to the version, with a set that others may have too.
func (c *campaign) addSession(s *sessionEntry) {
	v, set := c.version, c.compileSet(s)
	at := slices.IndexFunc(v.Sets, func(other engine.PrizeSet) bool { return slices.Equal(set, other) })
	if at < 0 {
		at = len(v.Sets)
		v.Sets = append(v.Sets, set)
		c.checkSet(set, s)
	}
	v.Sessions = append(v.Sessions, engine.Session{
		ID: s.id, Title: canonicalTitle(s.title), StartsAt: s.from, EndsAt: s.to, Set: int16(at), Unsold: s.unsold,
	})
	if len(v.Sets) > engine.MaxSets {
		c.fault(c.sessions.at, "has more than %d different lists of prizes", engine.MaxSets)
	}
}

// compileSet resolves a session's prizes, ascending.
func (c *campaign) compileSet(s *sessionEntry) (set engine.PrizeSet) {
	if !s.stated {
		for i := range c.prizes {
			set = append(set, engine.SetPrize{Prize: int16(i), Weight: c.prizes[i].Weight, Stock: engine.StockShared})
		}
		return set
	}
	for i := range s.prizes {
		e := &s.prizes[i]
		at := c.prize(e.id)
		if at < 0 {
			c.fault(e.at, "there is no prize %q in this file", e.id)
			continue
		}
		p := engine.SetPrize{Prize: int16(at), Weight: c.prizes[at].Weight, Stock: engine.StockShared}
		if e.weighted {
			p.Weight = uint32(e.weight)
		}
		if e.stocked {
			p.Stock = engine.Quantity(e.stock)
		}
		if slices.ContainsFunc(set, func(o engine.SetPrize) bool { return o.Prize == p.Prize }) {
			c.fault(e.at, "prize %q is named twice", e.id)
			continue
		}
		set = append(set, p)
	}
	slices.SortFunc(set, func(a, b engine.SetPrize) int { return int(a.Prize) - int(b.Prize) })
	return set
}

// checkSet finds what is wrong with a session's prizes.
func (c *campaign) checkSet(set engine.PrizeSet, s *sessionEntry) {
	for _, p := range set {
		z, e := &c.prizes[p.Prize], s.entry(c.prizes[p.Prize].ID)
		switch {
		case p.Stock == engine.StockShared:
		case z.pooled():
			c.fault(e.stockAt, "the units come from pool %q: remove stock", z.pool)
		case z.Kind == engine.KindThanks:
			c.fault(e.stockAt, "a thanks prize has no stock: remove it")
		case p.Stock > 0 && p.Stock < engine.Quantity(z.Units):
			c.fault(e.stockAt, "is %d, less than the %d units of one win: it could never be won", p.Stock, z.Units)
		case c.countsAmounts(z):
			c.fault(e.stockAt, "the amounts of prize %q are split over one stock: a session cannot have units of its own", z.ID)
		case c.isPityPrize(z.ID):
			c.fault(e.stockAt, "pity reserves prize %q from one stock: a session cannot have units of its own", z.ID)
		}
		if z.Unavailable == engine.OnFallback && !slices.ContainsFunc(set, func(o engine.SetPrize) bool { return int(o.Prize) == c.prize(z.fallback) }) {
			c.fault(e.at, "falls back to prize %q, which is not in this session", z.fallback)
		}
		if c.version.Guaranteed && z.Unavailable != engine.OnFallback && p.Stock != engine.Unlimited && p.Stock != engine.StockShared {
			c.fault(e.at, "in a guaranteed campaign every prize must be unlimited or fall back to one that is; prize %q can run out in this session", z.ID)
		}
	}
	c.checkSums(set, s.at)
}

// entry returns what the file says about a prize of the session; its own place where it says nothing.
func (s *sessionEntry) entry(id string) *setEntry {
	for i := range s.prizes {
		if s.prizes[i].id == id {
			return &s.prizes[i]
		}
	}
	return &setEntry{named: named{id, s.at}, weightAt: s.at, stockAt: s.at}
}

// countsAmounts reports whether the prize's amounts need to know how many wins are to come.
func (c *campaign) countsAmounts(p *prizeEntry) bool {
	return p.pays != nil && (p.pays.Split == engine.SplitDoubleMean || p.pays.Split == engine.SplitDeck)
}

func (c *campaign) isPityPrize(id string) bool {
	for i := range c.pities {
		if slices.ContainsFunc(c.pities[i].prizes, func(n named) bool { return n.id == id }) {
			return true
		}
	}
	return false
}

// checkOwnStock finds stock that no session takes from.
func (c *campaign) checkOwnStock() {
	used := make([]bool, len(c.prizes))
	own := make([]bool, len(c.prizes))
	for _, set := range c.version.Sets {
		for _, p := range set {
			used[p.Prize] = true
			own[p.Prize] = own[p.Prize] || p.Stock == engine.StockShared
		}
	}
	for i := range c.prizes {
		p := &c.prizes[i]
		switch {
		case !used[i] && len(c.version.Sessions) > 0:
			c.warn(p.at, "prize_in_no_session", "prize %q is in no session", p.ID)
		case used[i] && !own[i] && p.stockAt.node != nil:
			c.fault(p.stockAt, "every session with prize %q has units of its own: remove stock here", p.ID)
		}
	}
}
