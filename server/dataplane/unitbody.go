package dataplane

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
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
	faults     faults
}

type unitItem struct {
	pool     []byte
	quantity int64
}

// parseUnits reads a body that may have the fields of takes, and must have those of need. An empty body is {}. false means
// that it is not sound JSON.
func (s *scanner) parseUnits(u *unitBody, takes, need unitField) bool {
	*u = unitBody{quantity: 1, faults: faults{list: u.faults.list[:0]}}
	seen := unitField(0)
	missing := func() {
		for _, f := range [...]struct {
			f       unitField
			pointer string
		}{{unitOwner, "/owner"}, {unitItems, "/items"}, {unitFault, "/fault"}, {unitReason, "/reason"}} {
			if need&f.f != 0 && seen&f.f == 0 {
				u.faults.wrong(f.pointer, isMissing)
			}
		}
	}
	if len(s.b) == 0 {
		missing()
		return true
	}
	return s.bodyOf(&u.faults, func(name []byte) (known, ok bool) {
		f := unitFields[string(name)]
		if f&takes == 0 {
			return false, true
		}
		seen |= f
		return true, s.unitField(u, f)
	}, missing)
}

func (s *scanner) unitField(u *unitBody, f unitField) (ok bool) {
	var text []byte
	switch f {
	case unitOwner:
		u.owner, ok = s.stringAt(&u.faults, "/owner", names.Subject, whats[isUser].message)
	case unitRef:
		u.ref, ok = s.stringAt(&u.faults, "/ref", names.Key, keyMessage)
	case unitQuantity:
		ok = s.unitQuantity(u, "/quantity", &u.quantity)
	case unitTTL:
		ok = s.wholeAt(&u.faults, "/ttl_ms", &u.ttl, engine.MinHoldTTL, engine.MaxHoldLife, "It must be 1000 to 86400000.")
	case unitUntil:
		ok = s.timeAt(&u.faults, "/until", &u.until)
	case unitItems:
		ok = s.unitItems(u)
	case unitLate:
		text, ok = s.stringAt(&u.faults, "/late", isReacquire, `It must be "reacquire".`)
		u.reacquire = text != nil
	case unitFault:
		text, ok = s.stringAt(&u.faults, "/fault", isVoidFault, `It must be "system", "user" or "abuse".`)
		u.fault, _ = engine.ParseVoidFault(string(text))
	default:
		text, ok = s.stringAt(&u.faults, "/reason", names.Reason, reasonMessage)
		u.reason = string(text)
	}
	return ok
}

func isReacquire(b []byte) bool { return string(b) == "reacquire" }

func isVoidFault(b []byte) bool {
	_, known := engine.ParseVoidFault(string(b))
	return known
}

func (s *scanner) unitQuantity(u *unitBody, pointer string, into *int64) bool {
	return s.wholeAt(&u.faults, pointer, into, 1, engine.MaxHoldUnits, "It must be 1 to 1048576.")
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
		u.faults.add("/items", "type", itemsMessage)
		return s.skip(2)
	}
	s.i++
	for n := 0; ; n++ {
		more, ok := s.more(n == 0, ']')
		if !more {
			if ok && (n == 0 || n > len(u.items)) {
				u.faults.add("/items", "count", itemsMessage)
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
		u.faults.wrong(at.item, isNotObject)
		return s.skip(3)
	}
	s.i++
	mine, named := len(s.names), false
	defer func() { s.names = s.names[:mine] }()
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			if ok && !named {
				u.faults.wrong(at.pool, isMissing)
			}
			return ok
		}
		if !s.unique(mine, name) {
			return false
		}
		switch string(name) {
		case "pool":
			named = true
			item.pool, ok = s.stringAt(&u.faults, at.pool, names.Pool, "It must be 1 to 63 of the characters A-Z a-z 0-9 . _ -, and begin with a letter or digit.")
		case "quantity":
			ok = s.unitQuantity(u, at.quantity, &item.quantity)
		default:
			u.faults.stray(at.item, name)
			ok = s.skip(3)
		}
		if !ok {
			return false
		}
	}
}

// askedUnits reads the body, or refuses.
func (w *worker) askedUnits(u *unitBody, takes, need unitField) bool {
	if len(w.sent()) > 0 && !w.sentJSON() {
		return false
	}
	w.scanner.reset(w.sent())
	sound := w.scanner.parseUnits(u, takes, need)
	if u.owner != nil && !w.server.users.Allow(w.grant.Namespace, u.owner) && !u.faults.told("/owner") {
		u.faults.wrong("/owner", isPattern)
	}
	return w.accepted(sound, &u.faults)
}
