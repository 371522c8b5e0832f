package campaignfile

import (
	"math"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// capEntry is a cap as it is read.
type capEntry struct {
	engine.Cap
	prize         string
	by            string // the attribute that it counts by
	counted       bool   // the file says what is counted
	limited       bool   // the file states a limit, or the window fixes it
	windowed      bool   // the file states a window that can be used
	idAt, prizeAt value
	limitAt       value
	windowAt      value
	scopeAt       value
	reachedAt     value
	at            value
}

// The wire names, by number.
var (
	countNames  = []string{"draws", "wins", "amount", "assists", "invites"}
	scopeNames  = []string{"user", "device", "ip"}
	windowNames = []string{"campaign", "hour", "day", "week", "month"}
	rollingName = "rolling"
	cooldown    = "cooldown"
	inSession   = "session"
)

// capFields are the fields that campaign caps and aggregate caps share.
func (r *reader) capFields(e *capEntry) []field {
	return []field{
		{name: "id", required: required, read: func(v value) {
			e.idAt = v
			e.ID, _ = r.id(v)
		}},
		{name: "counts", required: required, read: func(v value) {
			i, ok := r.choice(v, countNames)
			e.Counts, e.counted = engine.Counts(i), ok
		}},
		{name: "scope", read: func(v value) {
			e.scopeAt = v
			if v.kind == kindText && !contains(scopeNames, v.node.text) && attributeNames.MatchString(v.node.text) {
				e.Scope, e.by = engine.ScopeAttribute, v.node.text
				return
			}
			i, _ := r.choice(v, scopeNames)
			e.Scope = engine.Scope(i)
		}},
		{name: "window", required: required, read: func(v value) {
			e.windowAt = v
			e.Window, e.windowed = r.window(v)
		}},
		{name: "limit", read: func(v value) {
			e.limitAt = v
			n, ok := r.integer(v, 1, engine.MaxCapLimit)
			e.Limit, e.limited = uint32(n), ok
		}},
	}
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

func (c *campaign) readCap(_ int, v value) {
	e := capEntry{at: v, Cap: engine.Cap{Prize: -1}}
	c.object(v, append(c.capFields(&e),
		field{name: "prize", read: func(v value) {
			if id, ok := c.id(v); ok {
				e.prize, e.prizeAt = id, v
			}
		}},
		field{name: "on_reached", read: func(v value) {
			i, _ := c.choice(v, []string{"miss", "deny"})
			e.DenyWhenReached = i == 1
			e.reachedAt = v
		}}))
	c.caps = append(c.caps, e)
}

// window reads the word of a calendar window, {rolling: 10m} or {cooldown: 30s}; the last two also as one text,
// "rolling: 10m".
func (r *reader) window(v value) (engine.Window, bool) {
	if v.kind == kindText {
		for i, word := range windowNames {
			if v.node.text == word {
				return engine.Window{Kind: engine.WindowKind(i)}, true
			}
		}
		if name, length, ok := cutWindow(v.node.text); ok {
			return r.window(value{&node{kind: kindMap, at: v.at, keys: []key{{name, v.at}},
				items: []*node{{kind: kindText, text: length, at: v.at}}}, v.pointer})
		}
		if v.node.text == inSession {
			return engine.Window{Kind: engine.WindowSession}, true
		}
	}
	if v.kind != kindMap || len(v.keys) != 1 || v.keys[0].name != rollingName && v.keys[0].name != cooldown {
		r.fault(v, "must be %s", windowForms())
		return engine.Window{}, false
	}
	if v.keys[0].name == rollingName {
		ms, ok := r.duration(v.member(0), 1000, engine.MaxRollingWindow)
		return engine.Window{Kind: engine.WindowRolling, Duration: ms}, ok
	}
	ms, ok := r.duration(v.member(0), 1, engine.MaxCooldown)
	return engine.Window{Kind: engine.WindowCooldown, Duration: ms}, ok
}

func windowForms() string {
	return anyOf(append(append([]string{}, windowNames...), inSession, "{rolling: 10m}", "{cooldown: 30s}"))
}

// checkCaps finds the faults of the campaign's caps that need more than one value.
func (c *campaign) checkCaps() {
	for i := range c.caps {
		e := &c.caps[i]
		c.checkCap(e, c.caps[:i])
		if e.windowed && e.Window.Kind == engine.WindowSession && c.sessions == nil {
			c.fault(e.windowAt, "there are no sessions in this file: use %s", anyOf(windowNames))
		}
		if e.counted && countsHelps(e.Counts) {
			continue // checkHelps
		}
		if e.prizeAt.node != nil {
			switch {
			case c.prize(e.prize) < 0:
				c.fault(e.prizeAt, "there is no prize %q in this file", e.prize)
			case e.counted && e.Counts == engine.CountDraws:
				c.fault(e.prizeAt, "a cap on one prize counts wins or amount: write counts: wins, or remove prize")
			}
		}
		if e.reachedAt.node != nil && e.counted && e.Counts == engine.CountDraws && !e.DenyWhenReached {
			c.fault(e.reachedAt, "a cap on draws always denies: write deny, or remove on_reached")
		}
		if e.Counts == engine.CountDraws {
			e.DenyWhenReached = false // says nothing of a cap on draws: one meaning has one form
		}
		if c.version.Guaranteed && e.counted && e.Counts != engine.CountDraws && !e.DenyWhenReached && !c.fallsBack(e) {
			c.warn(e.at, "cap_breaks_guarantee", "cap %q turns wins into misses although the campaign is guaranteed; on_reached: deny refuses the draw instead", e.ID)
		}
	}
}

// fallsBack reports whether a win that the cap forbids becomes another prize.
func (c *campaign) fallsBack(e *capEntry) bool {
	i := c.prize(e.prize)
	return i >= 0 && c.prizes[i].Unavailable == engine.OnFallback
}

// checkCap finds the faults that campaign caps and aggregate caps share; before holds the caps in front of e.
func (r *reader) checkCap(e *capEntry, before []capEntry) {
	for i := range before {
		if before[i].ID == e.ID && e.ID != "" {
			r.fault(e.idAt, "cap %q is already defined in line %d: ids must be unique", e.ID, before[i].idAt.at.line)
			break
		}
	}
	if e.Counts == engine.CountAmount && e.windowed && (e.Window.Kind == engine.WindowRolling || e.Window.Kind == engine.WindowCooldown) {
		r.fault(e.at, "a cap on amounts needs a window that keeps a sum: %s", anyOf(windowNames))
		return
	}
	switch {
	case !e.windowed:
	case e.Window.Kind == engine.WindowCooldown && e.limitAt.node == nil:
		e.Limit = 1 // what a cooldown is
	case e.Window.Kind == engine.WindowCooldown && e.limited && e.Limit != 1:
		r.fault(e.limitAt, "a cooldown allows one within its time: write 1, or remove limit")
	case e.limitAt.node == nil:
		r.add(e.at.pointer+"/limit", problem.InvalidField, e.at.at, "limit is missing")
	case e.Window.Kind == engine.WindowRolling && e.limited && e.Limit > engine.MaxRollingLimit:
		r.fault(e.limitAt, "a rolling window keeps every moment, so its limit must be from 1 to %d, not %d; calendar windows allow up to %d",
			engine.MaxRollingLimit, e.Limit, math.MaxInt32)
	}
}

func (c *campaign) compileCap(e capEntry) engine.Cap {
	if e.prizeAt.node != nil {
		e.Prize = int16(c.prize(e.prize))
	}
	return e.Cap
}
