package control

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

var deliveredFile = strings.Replace(flashFile, "weight: 500, stock: 5}", "weight: 1000, stock: 5, award: {claim_within: 1h}}", 1)

// won draws for a user of the campaign of deliveredFile, and claims it.
func (w *world) won(user string) (id string) {
	w.t.Helper()
	id, r := w.drawn("flash", user, "k")
	if r.Prize != 0 {
		w.t.Fatalf("prize %d", r.Prize)
	}
	at, _ := w.engine.ParseID(engine.IDDraw, []byte(id))
	encoded, err := w.Records(nil, uint64(at.Index), at.Ordinal, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	w.decide(func(b *engine.Batch) {
		b.AddMoveAward(&engine.MoveAward{Campaign: 1, Draw: encoded, At: at, Move: engine.MoveClaim, Actor: "player"})
	})
	return id
}

// An award is delivered with a key that may do nothing else; every refusal names the state.
func TestDeliveries(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", strings.Replace(deliveredFile, ", weight: 300", ", weight: 0", 1))
	w.at(start.Add(2 * time.Hour))
	first, second := w.won("u1"), w.won("u2")
	_, operator := w.newKey("", operatorBody)
	_, payer := w.newKey(operator, `{"name":"bank","scopes":["payout"]}`)
	path := "/admin/v1/draws/" + first
	refused := func(verb, state string) {
		t.Helper()
		if a := w.refused(problem.Conflict, "POST", path+verb, `{"reason":"x"}`, payer); a.text("detail") != "The award is "+state+"." {
			t.Errorf("%s: %s", verb, a.body)
		}
	}
	before := w.engine.StateHash()
	refused(":delivered", "claimed")
	refused(":fail", "claimed")
	w.refused(problem.InvalidField, "POST", path+":fail", `{}`, payer)
	w.refused(problem.UnknownField, "POST", path+":deliver", `{"why":"x"}`, payer)
	w.refused(problem.DrawNotFound, "POST", "/admin/v1/draws/daaaaaaaaaaaaaaaaaaaaaaaaaa:deliver", `{}`, payer)
	w.refused(problem.Forbidden, "POST", path+":void", `{"fault":"user","reason":"x"}`, payer)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	expect(t, "begun", string(w.want(200, "POST", path+":deliver", `{"reason":"payout 1"}`, payer).body), `"user":"u1","award":{"state":"delivering","at":"2026-11-10T17:00:00.000Z"},"already":false`)
	expect(t, "again", string(w.want(200, "POST", path+":deliver", `{}`, payer).body), `"already":true`)
	a := w.refused(problem.Conflict, "POST", path+":void", `{"fault":"user","reason":"x"}`, operator)
	expect(t, "a void meanwhile", a.text("detail"), "say first how that ended")
	w.want(200, "POST", path+":fail", `{"reason":"no such account"}`, payer)
	w.want(200, "POST", path+":deliver", `{}`, payer)
	w.want(200, "POST", path+":delivered", `{}`, payer)
	refused(":fail", "delivered")
	expect(t, "explained", w.want(200, "GET", path+":explain", "", operator).text("summary"), "Its award is delivered since 2026-11-10 17:00:00.000 UTC.")
	feed := string(w.want(200, "GET", "/admin/v1/records", "", operator).body)
	expect(t, "the records", feed, `"kind":"delivery","campaign":"flash","version":1,`, `"reason":"no such account","draw":"`+first+`","state":"payout_failed"`)

	// Abuse freezes what is not paid.
	path = "/admin/v1/draws/" + second
	third, _ := w.drawn("flash", "u2", "k2")
	w.want(200, "POST", "/admin/v1/draws/"+third+":void", `{"fault":"abuse","reason":"a bot"}`, operator)
	a = w.refused(problem.Conflict, "POST", path+":deliver", `{}`, payer)
	expect(t, "frozen", a.text("detail"), "unpaid awards are frozen")
	const thaw = "/admin/v1/campaigns/flash/users/u2/awards:thaw"
	w.refused(problem.Forbidden, "POST", thaw, `{"reason":"x"}`, payer)
	w.refused(problem.InvalidField, "POST", thaw, `{}`, operator)
	expect(t, "thawed", string(w.want(200, "POST", thaw, `{"reason":"a mistake"}`, operator).body), `"changed":true`)
	expect(t, "twice", string(w.want(200, "POST", thaw, `{"reason":"a mistake"}`, operator).body), `"changed":false`)

	// Off, nothing of the kind begins.
	const off = "/admin/v1/switches/payout/physical"
	w.refused(problem.NotFound, "PUT", "/admin/v1/switches/payout/gold", `{"on":false,"reason":"x"}`, operator)
	w.refused(problem.InvalidField, "PUT", off, `{"on":true,"break_glass":true,"reason":"x"}`, operator)
	expect(t, "off", string(w.want(200, "PUT", off, `{"on":false,"reason":"the store burns"}`, operator).body), `"scope":"payout/physical","on":false,"changed":true`)
	w.refused(problem.Killed, "POST", path+":deliver", `{}`, payer)
	expect(t, "listed", string(w.want(200, "GET", "/admin/v1/switches", "", operator).body), `"scope":"payout/physical"`)
	w.want(200, "PUT", off, `{"on":true,"reason":"out"}`, operator)
	w.want(200, "POST", path+":deliver", `{}`, payer)
}
