package dataplane

import (
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// unitField is a field of a body about units.
type unitField uint16

const (
	unitOwner unitField = 1 << iota
	unitQuantity
	unitRef
	unitTTL
	unitUntil
	unitItems
	unitLate
	unitFault
	unitReason
)

// The fields of each body.
const (
	takeFields    = unitOwner | unitQuantity | unitRef
	holdFields    = unitOwner | unitRef | unitTTL | unitItems
	confirmFields = unitItems | unitLate
	releaseFields = unitReason
	extendFields  = unitTTL | unitUntil
	voidFields    = unitFault | unitReason
)

var unitFields = map[string]unitField{
	"owner": unitOwner, "quantity": unitQuantity, "ref": unitRef, "ttl_ms": unitTTL, "until": unitUntil, "items": unitItems,
	"late": unitLate, "fault": unitFault, "reason": unitReason,
}

// unitBody is a body about units: of a take, a hold, or what becomes of one. Its slices alias the request.
type unitBody struct {
	owner, ref []byte
	quantity   int64
	ttl        int64
	until      engine.UnixMilli
	items      [engine.MaxHoldItems]unitItem
	count      int
	reacquire  bool
	fault      engine.VoidFault
	reason     string

	unknown bool // some fault is an unknown field
	faults  []render.FieldError
}

type unitItem struct {
	pool     []byte
	quantity int64
}

func (u *unitBody) wrong(pointer, code, message string) {
	if len(u.faults) < maxFaults {
		u.faults = append(u.faults, render.FieldError{Pointer: pointer, Code: code, Message: message})
	}
}

func (u *unitBody) told(pointer string) bool {
	for i := range u.faults {
		if u.faults[i].Pointer == pointer {
			return true
		}
	}
	return false
}

// parseUnits reads a body that may have the fields of takes, and must have those of need. An empty body is {}. false means
// that it is not sound JSON.
func (s *scanner) parseUnits(u *unitBody, takes, need unitField) bool {
	faults := u.faults[:0]
	*u = unitBody{quantity: 1, faults: faults}
	if len(s.b) == 0 {
		u.missing(need, 0)
		return true
	}
	if s.space() != '{' {
		u.wrong("", whats[isNotObject].code, whats[isNotObject].message)
		return s.skip(1) && s.end()
	}
	s.i++
	seen := unitField(0)
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			u.missing(need, seen)
			return ok && s.end()
		}
		if !s.unique(0, name) {
			return false
		}
		f := unitFields[string(name)]
		if f&takes == 0 {
			u.stray("", name)
			if !s.skip(2) {
				return false
			}
			continue
		}
		seen |= f
		if !s.unitField(u, f) {
			return false
		}
	}
}

// missing tells the fields that must be there and are not.
func (u *unitBody) missing(need, seen unitField) {
	for _, f := range [...]struct {
		f    unitField
		name string
	}{{unitOwner, "/owner"}, {unitItems, "/items"}, {unitFault, "/fault"}, {unitReason, "/reason"}} {
		if need&f.f != 0 && seen&f.f == 0 {
			u.wrong(f.name, whats[isMissing].code, whats[isMissing].message)
		}
	}
}

// stray tells a field that the body does not have. Its name is told only if it can hold nothing but a name.
func (u *unitBody) stray(at string, name []byte) {
	u.unknown = true
	if len(name) <= maxToldName && isPlainName(name) {
		at += "/" + string(name)
	}
	u.wrong(at, whats[isUnknown].code, whats[isUnknown].message)
}

func (s *scanner) unitField(u *unitBody, f unitField) bool {
	switch f {
	case unitOwner:
		return s.unitText(u, "/owner", &u.owner, names.Subject[[]byte], whats[isUser].message)
	case unitRef:
		return s.unitText(u, "/ref", &u.ref, names.Key[[]byte], "It must be 1 to 64 visible ASCII characters.")
	case unitQuantity:
		return s.unitNumber(u, "/quantity", &u.quantity, 1, engine.MaxHoldUnits, "It must be 1 to 1048576.")
	case unitTTL:
		return s.unitNumber(u, "/ttl_ms", &u.ttl, engine.MinHoldTTL, engine.MaxHoldLife, "It must be 1000 to 86400000.")
	case unitItems:
		return s.unitItems(u)
	}
	var text []byte
	switch f {
	case unitUntil:
		ok := s.unitText(u, "/until", &text, func([]byte) bool { return true }, "")
		if t, err := time.Parse(time.RFC3339, string(text)); text != nil && (err != nil || t.Year() < 1971 || t.Year() > 2105) {
			u.wrong("/until", "pattern", "It must be a time as in RFC 3339, such as 2026-11-11T00:00:00+08:00.")
		} else if text != nil {
			u.until = engine.UnixMilli(t.UnixMilli())
		}
		return ok
	case unitLate:
		ok := s.unitText(u, "/late", &text, func(b []byte) bool { return string(b) == "reacquire" }, `It must be "reacquire".`)
		u.reacquire = text != nil
		return ok
	case unitFault:
		ok := s.unitText(u, "/fault", &text, func(b []byte) bool { _, known := engine.ParseVoidFault(string(b)); return known }, `It must be "system", "user" or "abuse".`)
		if text != nil {
			u.fault, _ = engine.ParseVoidFault(string(text))
		}
		return ok
	default:
		ok := s.unitText(u, "/reason", &text, names.Reason[[]byte], "It must be 1 to 512 bytes of text on one line.")
		u.reason = string(text)
		return ok
	}
}

// unitText reads a text; into stays nil when it is not valid.
func (s *scanner) unitText(u *unitBody, pointer string, into *[]byte, valid func([]byte) bool, message string) bool {
	if s.space() != '"' {
		u.wrong(pointer, whats[isNotString].code, whats[isNotString].message)
		return s.skip(2)
	}
	text, ok := s.str()
	switch {
	case !ok:
	case !valid(text):
		u.wrong(pointer, "pattern", message)
	default:
		*into = text
	}
	return ok
}

func (s *scanner) unitNumber(u *unitBody, pointer string, into *int64, least, most int64, message string) bool {
	if c := s.space(); c != '-' && (c < '0' || c > '9') {
		u.wrong(pointer, whats[isNotWhole].code, whats[isNotWhole].message)
		return s.skip(2)
	}
	n, whole, ok := s.number()
	switch {
	case !ok:
	case !whole:
		u.wrong(pointer, whats[isNotWhole].code, whats[isNotWhole].message)
	case n < least || n > most:
		u.wrong(pointer, "range", message)
	default:
		*into = n
	}
	return ok
}

// itemPointers are where each item stands.
var itemPointers = [engine.MaxHoldItems]struct{ item, pool, quantity string }{
	{"/items/0", "/items/0/pool", "/items/0/quantity"}, {"/items/1", "/items/1/pool", "/items/1/quantity"},
	{"/items/2", "/items/2/pool", "/items/2/quantity"}, {"/items/3", "/items/3/pool", "/items/3/quantity"},
	{"/items/4", "/items/4/pool", "/items/4/quantity"}, {"/items/5", "/items/5/pool", "/items/5/quantity"},
	{"/items/6", "/items/6/pool", "/items/6/quantity"}, {"/items/7", "/items/7/pool", "/items/7/quantity"},
}

const itemsMessage = "It must be 1 to 8 objects with a pool and a quantity."

// unitItems reads [{"pool":…,"quantity":…}, …].
func (s *scanner) unitItems(u *unitBody) bool {
	if s.space() != '[' {
		u.wrong("/items", "type", itemsMessage)
		return s.skip(2)
	}
	s.i++
	for n := 0; ; n++ {
		more, ok := s.more(n == 0, ']')
		if !more {
			if ok && (n == 0 || n > len(u.items)) {
				u.wrong("/items", "count", itemsMessage)
			}
			u.count = min(n, len(u.items))
			return ok
		}
		if n >= len(u.items) {
			if !s.skip(2) {
				return false
			}
			continue
		}
		if !s.unitItem(u, &u.items[n], n) {
			return false
		}
	}
}

func (s *scanner) unitItem(u *unitBody, item *unitItem, n int) bool {
	at := &itemPointers[n]
	*item = unitItem{quantity: 1}
	if s.space() != '{' {
		u.wrong(at.item, whats[isNotObject].code, whats[isNotObject].message)
		return s.skip(3)
	}
	s.i++
	mine, named := len(s.names), false
	defer func() { s.names = s.names[:mine] }()
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			if ok && !named {
				u.wrong(at.pool, whats[isMissing].code, whats[isMissing].message)
			}
			return ok
		}
		if !s.unique(mine, name) {
			return false
		}
		switch string(name) {
		case "pool":
			named = true
			ok = s.unitText(u, at.pool, &item.pool, names.Pool[[]byte], "It must be 1 to 63 of the characters A-Z a-z 0-9 . _ -, and begin with a letter or digit.")
		case "quantity":
			ok = s.unitNumber(u, at.quantity, &item.quantity, 1, engine.MaxHoldUnits, "It must be 1 to 1048576.")
		default:
			u.stray(at.item, name)
			ok = s.skip(3)
		}
		if !ok {
			return false
		}
	}
}

// askedUnits reads the body, or refuses.
func (w *worker) askedUnits(u *unitBody, takes, need unitField) bool {
	if len(w.sent()) > 0 && w.head.content != contentJSON {
		w.refuse(problem.UnsupportedMediaType, "Content-Type must be application/json.")
		return false
	}
	w.scanner.reset(w.sent())
	if !w.scanner.parseUnits(u, takes, need) {
		w.badJSON()
		return false
	}
	if u.owner != nil && !w.server.users.Allow(w.grant.Namespace, u.owner) && !u.told("/owner") {
		u.wrong("/owner", whats[isPattern].code, whats[isPattern].message)
	}
	if len(u.faults) == 0 {
		return true
	}
	code := problem.InvalidField
	if u.unknown {
		code = problem.UnknownField
	}
	w.problem.Errors = append(w.problem.Errors, u.faults...)
	w.refuse(code, "")
	return false
}
