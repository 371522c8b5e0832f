package resp

import (
	"errors"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// hit takes HIT cap user key and QUANTITY n: it counts against a fatigue cap of the namespace.
func hit(c *conn, a *arguments) {
	if c.grant.Limited() {
		c.refuse(problem.Forbidden, "The key is limited to campaigns: a fatigue cap is the namespace's.")
		return
	}
	number, ok := c.grant.Namespace.FatigueCap(a.next())
	user, key := c.user(a), a.key()
	quantity := int64(1)
	switch name := a.option(); name {
	case "":
	case "QUANTITY":
		quantity = a.number(name, a.value(name), 1, engine.MaxHit)
	default:
		a.wrong("HIT has the option QUANTITY")
	}
	if !c.sound(a) {
		return
	}
	if !ok {
		c.refuse(problem.NotFound, "The namespace's policy has no such fatigue cap (fatigue_caps).")
		return
	}
	keyer := c.grant.Namespace.Keyer()
	subject := keyer.User(user)
	h := engine.Hit{
		Namespace: c.grant.Namespace.Ref(), Cap: number, User: subject, UserID: user, Quantity: uint32(quantity),
		Digest: keyer.Hit(number, subject, key),
	}
	c.room(1)
	c.batch.AddHit(&h)
	c.wait(waiting{reply: counted, namespace: c.grant.Namespace, user: prefix(&subject)})
}

var errRecord = errors.New("BUG: resp: the record of a command is of another kind")

// counted replies with what is counted now and what fits still.
func counted(c *conn, w *waiting, r *engine.Result) {
	if r.Code != problem.OK {
		c.facts.Cap = r.Cap
		c.problem.Denied(r, w.namespace.FatigueCapID(r.Cap))
		if r.Code == problem.Capped {
			c.problem.Allowed = uint32(r.Value)
		}
		c.tell()
		return
	}
	record, err := c.recorded(r)
	if err != nil {
		c.failed(err)
		return
	}
	n, ok := record.Hit()
	if !ok {
		c.failed(errRecord)
		return
	}
	used := int64(record.Total)
	c.out = appendArray(c.out, 6)
	c.out = appendInt(appendBulk(c.out, "used"), used)
	c.out = appendInt(appendBulk(c.out, "limit"), int64(n.Limit))
	c.out = appendInt(appendBulk(c.out, "resets_at"), int64(n.ResetsAt))
}

// recorded decodes the record of a decided command into c.record: out of the batch, or, of an earlier decision, out of the
// store.
func (c *conn) recorded(r *engine.Result) (*engine.Record, error) {
	var b []byte
	if r.Replayed {
		var err error
		if c.records, err = c.server.options.Records.Records(c.records[:0], uint64(r.At.Index), r.At.Ordinal, 1); err != nil {
			return nil, err
		}
		b = c.records
	} else {
		b = c.batch.Records[r.Offset : r.Offset+r.Length]
	}
	_, err := engine.DecodeRecord(b, &c.record)
	return &c.record, err
}
