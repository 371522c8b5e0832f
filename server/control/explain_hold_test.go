package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// What became of holds and takes, step by step with the entries; and why one was refused, from its request id.
func TestExplainHold(t *testing.T) {
	w := newWorld(t)
	w.want(200, "PUT", seats, `{"total":5,"limit_per_owner":4,"hold_ttl":"10s"}`, "If-None-Match: *")
	ns := w.engine.Namespaces()[0]
	keyer := ns.Keyer()
	ann := keyer.User([]byte("ann"))
	hold := func(key string, units engine.Quantity) *engine.Batch {
		return w.decide(func(b *engine.Batch) {
			b.AddHold(&engine.Hold{
				Namespace: 1, Owner: ann, OwnerID: []byte("ann"), Digest: keyer.Hold(ann, []byte(key)), Ref: []byte("order-" + key),
				Items: []engine.Item{{Pool: 1, Units: units}}, Actor: "shop",
			})
		})
	}
	named := func(kind engine.IDKind, b *engine.Batch) (string, engine.HoldRef) {
		ref := engine.RefOf(b.Results[0].At, &ann)
		return string(w.engine.AppendHoldID(nil, kind, ref)), ref
	}
	explain := func(id string) string { return string(w.want(200, "GET", "/admin/v1/holds/"+id+":explain", "").body) }

	made := hold("1", 2)
	id, ref := named(engine.IDHold, made)
	expect(t, "open", explain(id), `{"of":"hold","id":"`+id+`","user":"ann",`, `"summary":"Held until `, `"rung":"held"`, `2 of seats, until `, `for order-1, by shop`,
		fmt.Sprintf(`"index":%d`, ref.At.Index), `"available":3`)
	w.decide(func(b *engine.Batch) {
		b.AddExtend(&engine.ExtendHold{Namespace: 1, Hold: ref, TTL: 60_000, Actor: "shop"})
	})
	w.decide(func(b *engine.Batch) {
		b.AddConfirm(&engine.ConfirmHold{Namespace: 1, Hold: ref, Items: []engine.Item{{Pool: 1, Units: 1}}, Actor: "pay"})
	})
	other := hold("2", 1) // of somebody else's story
	w.decide(func(b *engine.Batch) {
		b.AddHoldVoid(&engine.VoidHold{Namespace: 1, Hold: ref, Fault: engine.VoidUser, Actor: "op", Reason: "sent back"})
	})
	story := explain(id)
	expect(t, "whole", story, `"summary":"Voided at `, `"rung":"held"`, `"rung":"extended"`, `"rung":"confirmed","verdict":"decided","says":"1 of seats, a part; the rest came back, by pay"`,
		`"rung":"voided","verdict":"decided","says":"by the fault of user: 1 of seats, by op: sent back"`)
	if n := strings.Count(story, `"rung"`); n != 4 {
		t.Errorf("%d steps: %s", n, story)
	}
	lapsed, _ := named(engine.IDHold, other)
	taken := w.decide(func(b *engine.Batch) {
		b.AddTake(&engine.Take{Namespace: 1, Pool: 1, Units: 1, Owner: ann, OwnerID: []byte("ann"), Digest: keyer.Take(1, ann, []byte("t")), Actor: "shop"})
	})
	take, _ := named(engine.IDTake, taken)
	expect(t, "take", explain(take), `{"of":"take"`, `"summary":"Taken at `, `"rung":"taken","verdict":"decided","says":"1 of seats, by shop"`)

	refused := hold("3", 4)
	if refused.Results[0].Code != problem.Capped {
		t.Fatalf("%+v", refused.Results[0])
	}
	sealer := render.NewSealer(w.engine, 1)
	request := string(sealer.Append(nil, &render.Facts{
		Code: problem.Capped, Cap: uint8(engine.HoldCapLimit), User: uint16(ann[0])<<8 | uint16(ann[1]), Index: w.engine.AppliedIndex(), Seconds: 1,
	}))
	why := string(w.want(200, "GET", "/admin/v1/requests/"+request+":explain", "").body)
	expect(t, "refused", why, `"code":"capped"`, `ann asked for 4 of seats, and pool seats refused it: limit_per_owner, 3 of 4`, `"rung":"refused"`)

	w.at(w.now().Add(time.Hour))
	w.decide(func(b *engine.Batch) { b.AddTick() })
	expect(t, "expired", explain(lapsed), `"summary":"Expired at `, `"rung":"held"`, `"rung":"expired"`, "nobody confirmed or released it")
	w.refused(problem.HoldNotFound, "GET", "/admin/v1/holds/h"+strings.Repeat("a", 26)+":explain", "")
	w.refused(problem.HoldNotFound, "GET", "/admin/v1/holds/x:explain", "")
	w.refused(problem.HoldNotFound, "GET", "/admin/v1/holds/t"+id[1:]+":explain", "") // a hold is no take
}
