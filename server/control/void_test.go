package control

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

func TestVoid(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	w.at(start.Add(2 * time.Hour))
	var id string
	for i := 0; ; i++ {
		var r engine.Record
		if id, r = w.drawn("flash", "u"+itoa(i), "k"); r.Prize == 0 {
			break
		}
	}
	path := "/admin/v1/draws/" + id + ":void"
	before := w.engine.StateHash()
	for body, pointer := range map[string]string{
		`{"reason":"x"}`:                    "/fault",
		`{"fault":"mine","reason":"x"}`:     "/fault",
		`{"fault":"user"}`:                  "/reason",
		`{"fault":"user","reason":""}`:      "/reason",
		`{"fault":"system","reason":" \n"}`: "/reason",
	} {
		if a := w.refused(problem.InvalidField, "POST", path, body); !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	w.refused(problem.DrawNotFound, "POST", "/admin/v1/draws/daaaaaaaaaaaaaaaaaaaaaaaaaa:void", `{"fault":"user","reason":"x"}`)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	a := w.want(200, "POST", path, `{"fault":"system","reason":"ticket 4711"}`)
	expect(t, "void", string(a.body), `"fault":"system","already":false,"refunded":["stock","caps"]`)
	a = w.want(200, "POST", path, `{"fault":"system","reason":"again"}`)
	expect(t, "again", string(a.body), `"already":true,"refunded":[]`)
	a = w.refused(problem.Conflict, "POST", path, `{"fault":"abuse","reason":"x"}`)
	expect(t, "another fault", a.text("detail"), "void already, by the fault of system")
	expect(t, "explained", w.want(200, "GET", "/admin/v1/draws/"+id+":explain", "").text("summary"), "It was voided, by the fault of system, on 2026-11-10 17:00:00.000 UTC.")
	expect(t, "the record", string(w.want(200, "GET", "/admin/v1/records", "").body),
		`"kind":"void","campaign":"flash"`, `"name":"phone","actor":"loopback","reason":"ticket 4711","draw":"`+id+`","fault":"system","delta":1,"refunded":["stock","caps"]`)
}
