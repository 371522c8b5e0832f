package resp

import (
	"strconv"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// pool takes the id of a pool and finds it, or refuses.
func (c *conn) pool(a *arguments) (*engine.Pool, bool) {
	p, refused := c.grant.Pool(a.next())
	if refused.Code != problem.OK {
		c.refuse(refused.Code, refused.Detail())
	}
	return p, refused.Code == problem.OK
}

// whole reports whether the key may touch what is the namespace's and no campaign's; else it refuses.
func (c *conn) whole() bool {
	if c.grant.Limited() {
		c.refuse(problem.Forbidden, "The key is limited to campaigns: a pool is the namespace's.")
		return false
	}
	return true
}

func (a *arguments) ref() []byte {
	ref := a.value("REF")
	if !names.Key(ref) {
		a.wrong("REF must be 1 to 64 visible ASCII characters")
	}
	return ref
}

// take takes TAKE pool owner key and its options.
func take(c *conn, a *arguments) {
	if !c.whole() {
		return
	}
	pool, ok := c.pool(a)
	if !ok {
		return
	}
	owner, key := c.user(a), a.key()
	t := engine.Take{Namespace: c.grant.Namespace.Ref(), Pool: pool.Ref(), Units: 1, OwnerID: owner, Actor: c.grant.Actor()}
	for more := true; more; {
		switch name := a.option(); name {
		case "":
			more = false
		case "QUANTITY":
			t.Units = engine.Quantity(a.number(name, a.value(name), 1, engine.MaxHoldUnits))
		case "REF":
			t.Ref = a.ref()
		default:
			a.wrong("TAKE has the options QUANTITY and REF")
		}
	}
	if !c.sound(a) {
		return
	}
	keyer := c.grant.Namespace.Keyer()
	t.Owner = keyer.User(owner)
	t.Digest = keyer.Take(t.Pool, t.Owner, key)
	c.room(1)
	c.batch.AddTake(&t)
	c.wait(waiting{reply: taken, namespace: c.grant.Namespace, owner: t.Owner, user: prefix(&t.Owner)})
}

func taken(c *conn, w *waiting, r *engine.Result) {
	if r.Code != problem.OK {
		c.denyUnits(w, r)
		return
	}
	var id [64]byte
	c.out = appendArray(c.out, 2)
	c.out = appendBulk(appendBulk(c.out, "take"), c.server.options.Engine.AppendHoldID(id[:0], engine.IDTake, engine.RefOf(r.At, &w.owner)))
}

// items takes pools and quantities, to the end.
func (c *conn) items(a *arguments) (items []engine.Item, ok bool) {
	if len(a.left) == 0 || len(a.left)%2 != 0 || len(a.left) > 2*engine.MaxHoldItems {
		a.wrong("ITEMS needs 1 to " + strconv.Itoa(engine.MaxHoldItems) + " pairs of a pool and a quantity")
		return nil, true
	}
	sum := engine.Quantity(0)
	for len(a.left) > 0 {
		p, ok := c.pool(a)
		if !ok {
			return nil, false
		}
		n := engine.Quantity(a.number("quantity", a.next(), 1, engine.MaxHoldUnits))
		if sum += n; sum > engine.MaxHoldUnits { // the log takes no more
			a.wrong("ITEMS must be at most 1048576 units together")
		}
		items = append(items, engine.Item{Pool: p.Ref(), Units: n})
	}
	return items, true
}

// hold takes HOLD owner key, its options and ITEMS.
func hold(c *conn, a *arguments) {
	if !c.whole() {
		return
	}
	owner, key := c.user(a), a.key()
	h := engine.Hold{Namespace: c.grant.Namespace.Ref(), OwnerID: owner, Actor: c.grant.Actor()}
	for h.Items == nil {
		switch name := a.option(); name {
		case "TTL":
			h.TTL = a.number(name, a.value(name), engine.MinHoldTTL, engine.MaxHoldLife)
		case "REF":
			h.Ref = a.ref()
		case "ITEMS":
			var ok bool
			if h.Items, ok = c.items(a); !ok {
				return
			}
		case "":
			a.wrong("HOLD ends with ITEMS and what to hold")
		default:
			a.wrong("HOLD has the options TTL and REF, before ITEMS")
		}
		if a.fault != "" {
			break
		}
	}
	if !c.sound(a) {
		return
	}
	keyer := c.grant.Namespace.Keyer()
	h.Owner = keyer.User(owner)
	h.Digest = keyer.Hold(h.Owner, key)
	c.room(1)
	c.batch.AddHold(&h)
	c.wait(waiting{reply: held, namespace: c.grant.Namespace, owner: h.Owner, user: prefix(&h.Owner)})
}

func held(c *conn, w *waiting, r *engine.Result) {
	if r.Code != problem.OK {
		c.denyUnits(w, r)
		return
	}
	record, err := c.recorded(r) // its deadline then, whatever has become of the hold
	if err != nil {
		c.failed(err)
		return
	}
	var id [64]byte
	c.out = appendArray(c.out, 4)
	c.out = appendBulk(appendBulk(c.out, "hold"), c.server.options.Engine.AppendHoldID(id[:0], engine.IDHold, engine.RefOf(r.At, &w.owner)))
	c.out = appendInt(appendBulk(c.out, "expires_at"), int64(record.Total))
}

// holdRef takes the id of a hold, or refuses.
func (c *conn) holdRef(a *arguments) (h engine.HoldRef, ok bool) {
	if h, ok = c.server.options.Engine.ParseHoldID(engine.IDHold, a.next()); !ok {
		c.refuse(problem.HoldNotFound, "")
	}
	return h, ok
}

// confirm takes CONFIRM hold, LATE and ITEMS.
func confirm(c *conn, a *arguments) {
	if !c.whole() {
		return
	}
	h, ok := c.holdRef(a)
	if !ok {
		return
	}
	command := engine.ConfirmHold{Namespace: c.grant.Namespace.Ref(), Hold: h, Actor: c.grant.Actor()}
	for more := true; more && a.fault == ""; {
		switch a.option() {
		case "":
			more = false
		case "LATE":
			command.Reacquire = true
		case "ITEMS":
			if command.Items, ok = c.items(a); !ok {
				return
			}
		default:
			a.wrong("CONFIRM has the options LATE and ITEMS")
		}
	}
	if !c.sound(a) {
		return
	}
	c.room(1)
	c.batch.AddConfirm(&command)
	c.wait(waiting{reply: resolved, namespace: c.grant.Namespace})
}

// release takes RELEASE hold.
func release(c *conn, a *arguments) {
	if !c.whole() {
		return
	}
	h, ok := c.holdRef(a)
	if !ok || !c.sound(a) {
		return
	}
	c.room(1)
	c.batch.AddRelease(&engine.ReleaseHold{Namespace: c.grant.Namespace.Ref(), Hold: h, Actor: c.grant.Actor()})
	c.wait(waiting{reply: resolved, namespace: c.grant.Namespace})
}

// resolved replies with how a hold ended, and whether it had ended so before.
func resolved(c *conn, w *waiting, r *engine.Result) {
	if r.Code != problem.OK {
		c.denyUnits(w, r)
		return
	}
	already := int64(0)
	if r.AlreadyLive {
		already = 1
	}
	c.out = appendArray(c.out, 4)
	c.out = appendBulk(appendBulk(c.out, "state"), r.State.String())
	c.out = appendInt(appendBulk(c.out, "already"), already)
}

// extend takes EXTEND hold and TTL.
func extend(c *conn, a *arguments) {
	if !c.whole() {
		return
	}
	h, ok := c.holdRef(a)
	if !ok {
		return
	}
	command := engine.ExtendHold{Namespace: c.grant.Namespace.Ref(), Hold: h, Actor: c.grant.Actor()}
	switch name := a.option(); name {
	case "":
	case "TTL":
		command.TTL = a.number(name, a.value(name), engine.MinHoldTTL, engine.MaxHoldLife)
	default:
		a.wrong("EXTEND has the option TTL")
	}
	if !c.sound(a) {
		return
	}
	c.room(1)
	c.batch.AddExtend(&command)
	c.wait(waiting{reply: extended, namespace: c.grant.Namespace})
}

func extended(c *conn, w *waiting, r *engine.Result) {
	if r.Code != problem.OK {
		c.denyUnits(w, r)
		return
	}
	c.out = appendArray(c.out, 2)
	c.out = appendInt(appendBulk(c.out, "expires_at"), int64(r.Value))
}

// denyUnits replies with the refusal of a command on units. Of a take or hold whose key was refused before, it is the first
// refusal: its members are in the record.
func (c *conn) denyUnits(w *waiting, r *engine.Result) {
	if r.Replayed {
		record, err := c.recorded(r)
		if err != nil {
			c.failed(err)
			return
		}
		if first, ok := record.HoldRefusal(); ok {
			r = &first
		}
	}
	c.problem.DeniedUnits(r, w.namespace)
	p := &c.problem
	var b []byte
	if p.Pool != "" {
		b = append(append(b, " pool="...), p.Pool...)
	}
	if p.Code == problem.InsufficientStock {
		b = strconv.AppendBool(append(b, " may_return="...), p.MayReturn)
	}
	if p.Kept {
		b = append(b, " key=used"...)
	}
	if p.State != 0 {
		b = append(append(b, " state="...), p.State.String()...)
	}
	c.tellMore(b)
}

// poolStock replies with the books of a pool.
func poolStock(c *conn, a *arguments) {
	if !c.whole() {
		return
	}
	p, ok := c.pool(a)
	if !ok || !c.sound(a) {
		return
	}
	s := p.Stock()
	c.out = appendBulk(appendBulk(appendArray(c.out, 20), "id"), p.ID())
	for _, m := range [...]struct {
		name string
		n    engine.Quantity
	}{
		{"total", s.Total}, {"unreleased", s.Unreleased}, {"available", s.Available}, {"reserved", s.Reserved}, {"held", s.Held},
		{"issued", s.Issued}, {"expired", s.Expired}, {"withdrawn", s.Withdrawn}, {"epoch", engine.Quantity(s.Epoch)},
	} {
		c.out = appendInt(appendBulk(c.out, m.name), int64(m.n))
	}
}
