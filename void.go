package drawd

import (
	"context"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Voided is what became of a draw that was taken back.
type Voided struct {
	Draw, Campaign, User string
	Fault                engine.VoidFault
	Already              bool
	At                   time.Time
	// Refunds are what was given back: engine.VoidStock, engine.VoidChances and so on, added up; 0 when it was void Already.
	Refunds uint32
}

// Void takes a draw back, once. The fault decides what is given back: of the system's all of it, of the user's the stock, of abuse
// nothing, and his unpaid awards are frozen. The draw's record stays.
func (db *DB) Void(ctx context.Context, draw string, fault engine.VoidFault, reason string) (Voided, error) {
	if err := checkFault(fault, reason); err != nil {
		return Voided{}, err
	}
	k := db.begin()
	defer db.end(k)
	at, c, err := db.drawn(k, draw)
	if err != nil {
		return Voided{}, err
	}
	v := Voided{Draw: draw, Campaign: c.ID(), User: string(k.record.User), Fault: fault}
	seq := k.record.Seq
	k.batch.AddVoid(&engine.Void{Campaign: c.c.Ref(), Draw: k.records, At: at, Fault: fault, Actor: db.options.Actor, Reason: reason})
	r, err := db.one(ctx, k, c.ID(), v.User, "")
	if err != nil {
		return Voided{}, said(err, map[problem.Code]string{
			problem.Conflict: "it is void by another fault, or its award is being delivered: say first how that ended",
		})
	}
	if v.Already = r.AlreadyLive; v.Already {
		_, when, _ := c.c.Voided(seq)
		v.At = timeOf(when)
		return v, nil
	}
	if err := db.load(k, r); err != nil {
		return Voided{}, err
	}
	_, v.Refunds = engine.VoidFlags(k.record.Flags)
	v.At = timeOf(k.record.At)
	return v, nil
}

// VoidHold takes a confirmed hold or a take back, once. Its units are available again, or withdrawn when the fault is abuse; what counts
// for the owner is less only by a fault of the system.
func (db *DB) VoidHold(ctx context.Context, id string, fault engine.VoidFault, reason string) (Hold, error) {
	if err := checkFault(fault, reason); err != nil {
		return Hold{}, err
	}
	if ref, ok := db.engine.ParseHoldID(engine.IDTake, []byte(id)); ok {
		return db.resolveAt(ctx, id, ref, func(b *engine.Batch) {
			b.AddTakeVoid(&engine.VoidTake{Namespace: db.namespace.Ref(), Take: ref, Fault: fault, Actor: db.options.Actor, Reason: reason})
		})
	}
	return db.resolve(ctx, id, func(b *engine.Batch, ref engine.HoldRef) {
		b.AddHoldVoid(&engine.VoidHold{Namespace: db.namespace.Ref(), Hold: ref, Fault: fault, Actor: db.options.Actor, Reason: reason})
	})
}

func checkFault(fault engine.VoidFault, reason string) error {
	if fault < engine.VoidSystem || fault > engine.VoidAbuse {
		return invalid("the fault must be engine.VoidSystem, VoidUser or VoidAbuse: it decides what is given back")
	}
	return checkReason(reason)
}
