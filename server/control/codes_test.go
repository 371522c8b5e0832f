package control

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

func TestCodes(t *testing.T) {
	w := newWorld(t)
	file := strings.Replace(flashFile, "{id: phone, kind: physical, title: {en: Phone}, weight: 500, stock: 5}", "{id: movie, kind: code, weight: 700, codes: {low_water: 2}}", 1)
	w.publish("flash", file)
	w.at(start.Add(2 * time.Hour))
	w.decide(func(b *engine.Batch) { b.AddTick() })
	const path = "/admin/v1/campaigns/flash/prizes/movie/codes"
	text := "Content-Type: text/plain"
	before := w.engine.StateHash()
	for _, body := range []string{"AAA\nB B\n", "AAA\n" + strings.Repeat("x", 65) + "\n", "\n \n"} {
		if a := w.refused(problem.InvalidField, "POST", path+":import", body, text); bytes.Contains(a.body, []byte("B B")) {
			t.Errorf("a refusal repeats what it was sent: %s", a.body)
		}
	}
	w.refused(problem.InvalidField, "POST", path+":import", `{"cod":"A"}`, "Content-Type: application/x-ndjson")
	w.refused(problem.Conflict, "POST", "/admin/v1/campaigns/flash/prizes/coupon/codes:import", "AAA\n", text)
	w.refused(problem.PrizeNotFound, "POST", "/admin/v1/campaigns/flash/prizes/none/codes:import", "AAA\n", text)
	w.refused(problem.NotFound, "GET", "/admin/v1/campaigns/flash/prizes/coupon/codes", "")
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	a := w.want(200, "POST", path+":import", "SECRET-1\nSECRET-2\r\n\nSECRET-1\n", text)
	expect(t, "import", string(a.body), `"lines":3,"added":2,"duplicates":1,"left":2`)
	a = w.want(200, "POST", path+":import", "{\"code\":\"SECRET-2\"}\n{\"code\":\"SECRET-3\"}\n", "Content-Type: application/x-ndjson")
	expect(t, "NDJSON", string(a.body), `"lines":2,"added":1,"duplicates":1,"left":3`)
	seen := map[string]bool{}
	for i := 0; len(seen) < 3; i++ {
		_, r := w.drawn("flash", "u"+itoa(i), "k")
		if sealed, _ := r.Codes(); r.Prize == 0 {
			code, ok := w.engine.OpenCode("flash", "movie", sealed)
			if !ok || seen[string(code)] {
				t.Fatalf("code %q, %v", code, ok)
			}
			seen[string(code)] = true
		}
	}
	expect(t, "what is left", string(w.want(200, "GET", path, "").body), `{"campaign":"flash","prize":"movie","imported":3,"left":0,"low":true}`)
	records := w.want(200, "GET", "/admin/v1/records", "").body
	expect(t, "records", string(records), `"kind":"codes","campaign":"flash"`, `"name":"movie","actor":"loopback","delta":2`)
	if bytes.Contains(records, []byte("SECRET")) {
		t.Errorf("the feed tells codes: %s", records)
	}
	if log := w.log.String(); strings.Contains(log, "SECRET") {
		t.Errorf("the log tells codes: %s", log)
	}
	var s bytes.Buffer
	if err := w.engine.WriteSnapshot(&s); err != nil || bytes.Contains(s.Bytes(), []byte("SECRET")) {
		t.Error("a snapshot holds a code in the clear", err)
	}
}

// A large import goes into several entries.
func TestManyCodes(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", strings.Replace(flashFile, "kind: physical, title: {en: Phone}, weight: 500, stock: 5", "kind: code, weight: 500, codes: unique", 1))
	var body strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&body, "C-%d\n", i)
	}
	a := w.want(200, "POST", "/admin/v1/campaigns/flash/prizes/phone/codes:import", body.String(), "Content-Type: text/plain")
	expect(t, "import", string(a.body), `"lines":2500,"added":2500,"duplicates":0,"left":2500`)
	a = w.want(200, "POST", "/admin/v1/campaigns/flash/prizes/phone/codes:import", body.String(), "Content-Type: text/plain")
	expect(t, "again", string(a.body), `"added":0,"duplicates":2500,"left":2500`)
}
