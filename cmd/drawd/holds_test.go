package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sent is one answer to a host of the order flow.
type sent struct {
	status   int
	body     string
	replayed bool
}

// ask sends one request as curl would.
func (d *daemon) ask(method, url, key, body string) sent {
	d.t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return sent{answer.StatusCode, string(bytes.TrimSpace(b)), answer.Header.Get("Idempotent-Replayed") == "true"}
}

// ok fails unless a request succeeds with what, and returns its answer.
func (d *daemon) ok(method, path, key, body, what string) sent {
	d.t.Helper()
	a := d.ask(method, d.api+path, key, body)
	if a.status != http.StatusOK || !strings.Contains(a.body, what) {
		d.t.Fatalf("%s %s: %d %s, want %s", method, path, a.status, a.body, what)
	}
	return a
}

// no fails unless a request is refused with what.
func (d *daemon) no(status int, method, path, key, body, what string) sent {
	d.t.Helper()
	a := d.ask(method, d.api+path, key, body)
	if a.status != status || !strings.Contains(a.body, what) {
		d.t.Fatalf("%s %s: %d %s, want %d %s", method, path, a.status, a.body, status, what)
	}
	return a
}

func idOf(t testing.TB, body string) string {
	t.Helper()
	var x struct{ Hold string }
	if err := json.Unmarshal([]byte(body), &x); err != nil || x.Hold == "" {
		t.Fatalf("no hold in %s", body)
	}
	return x.Hold
}

// expired waits until a hold is.
func (d *daemon) expired(hold string) {
	d.t.Helper()
	for over := time.After(patience); ; {
		if a := d.ask("GET", d.api+"/v1/holds/"+hold, "", ""); strings.Contains(a.body, `"state":"expired"`) {
			return
		}
		select {
		case <-over:
			d.t.Fatalf("%s does not expire", hold)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// The order flow of docs/holds.md, with SIGKILL in the middle: holds survive, and every key answers with the same bytes.
func TestOrderFlowThroughSIGKILL(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := serve(t, dir)
	out, _ := d.client(0, "pool", "put", "seats", "--total", "2", "--limit-per-owner", "4", "--hold-ttl", "10m")
	want(t, out, "seats  2      2          0     0")
	d.client(0, "pool", "put", "parking", "--total", "1")

	// hold → confirm
	const first = `{"owner":"ann","ref":"order-1","items":[{"pool":"seats"}]}`
	ann := d.ok("POST", "/v1/holds", "k1", first, `"state":"held"`)
	one := "/v1/holds/" + idOf(t, ann.body)
	d.ok("POST", one+":confirm", "", "", `"state":"confirmed"`)
	d.ok("POST", one+":confirm", "", "", `"already":true`)
	// hold → expire
	const second = `{"owner":"bob","ref":"order-2","ttl_ms":1000,"items":[{"pool":"seats"}]}`
	bob := d.ok("POST", "/v1/holds", "k2", second, `"state":"held"`)
	// two pools, of which one is short: nothing is held
	d.ok("POST", "/v1/holds", "k3", `{"owner":"cyd","ref":"order-3","items":[{"pool":"parking"}]}`, `"state":"held"`)
	const both = `{"owner":"dan","ref":"order-4","items":[{"pool":"seats"},{"pool":"parking"}]}`
	short := d.no(409, "POST", "/v1/holds", "k4", both, `"code":"insufficient_stock"`)
	d.expired(idOf(t, bob.body))
	d.no(409, "POST", "/v1/holds/"+idOf(t, bob.body)+":confirm", "", "", `"code":"hold_expired"`)
	late := d.ok("POST", "/v1/holds/"+idOf(t, bob.body)+":confirm", "", `{"late":"reacquire"}`, `"state":"confirmed"`)

	d.signal(9)
	d.exit()
	if out, _ := runs(t, 0, "check", "--data", dir); !strings.Contains(out, "clean") {
		t.Fatal(out)
	}
	d = serve(t, dir)
	for key, x := range map[string]struct {
		body string
		was  sent
	}{"k1": {first, ann}, "k2": {second, bob}} {
		if again := d.ok("POST", "/v1/holds", key, x.body, ""); again.body != x.was.body || !again.replayed {
			t.Errorf("%s after SIGKILL: %+v, was %s", key, again, x.was.body)
		}
	}
	again := d.no(409, "POST", "/v1/holds", "k4", both, `"code":"insufficient_stock"`)
	if plain(t, again.body) != plain(t, short.body) || !again.replayed {
		t.Errorf("the refused hold after SIGKILL: %s, was %s", again.body, short.body)
	}
	if a := d.ok("POST", "/v1/holds/"+idOf(t, bob.body)+":confirm", "", `{"late":"reacquire"}`, `"already":true`); strings.Replace(a.body, "true}", "false}", 1) != late.body {
		t.Errorf("the late confirmation after SIGKILL: %s, was %s", a.body, late.body)
	}
	d.ok("GET", "/v1/pools/parking", "", "", `"available":0,"reserved":0,"held":1,`)
	d.ok("GET", "/v1/pools/seats", "", "", `"available":0,"reserved":0,"held":0,"issued":2,`)

	// The host crashed too, and knows its orders only: what became of order 3?
	var page struct {
		Items []struct{ Hold, State, Ref string }
	}
	if err := json.Unmarshal([]byte(d.ok("GET", "/v1/holds?ref=order-3", "", "", `"owner":"cyd"`).body), &page); err != nil || len(page.Items) != 1 {
		t.Fatalf("%v %+v", err, page)
	}
	out, _ = runs(t, 0, "hold", "list", "--ref", "order-3", "--url", d.api)
	want(t, out, page.Items[0].Hold, "held", "cyd", "parking=1")
	out, _ = runs(t, 0, "hold", "release", page.Items[0].Hold, "--reason", "the host gave up", "--url", d.api)
	want(t, out, "released")
	out, _ = runs(t, 0, "hold", "show", page.Items[0].Hold, "--url", d.api)
	want(t, out, "released")
	out, _ = d.client(0, "pool", "adjust", "seats", "--delta", "3", "--reason", "more came", "--key", "a1")
	want(t, out, "seats: total 5 (+3)")
	out, _ = d.client(0, "pool", "list")
	want(t, out, "parking  1", "seats    5      3          0     2")
	if out, _ = d.client(0, "pool", "show", "seats"); !strings.Contains(out, "seats") {
		t.Error(out)
	}
	d.signal(15)
	d.exit()
	out, _ = runs(t, 0, "check", "--data", dir)
	want(t, out, "clean")
}

// plain is a refusal without its request id, which is made for every answer.
func plain(t testing.TB, body string) string {
	t.Helper()
	x := map[string]any{}
	if err := json.Unmarshal([]byte(body), &x); err != nil {
		t.Fatal(err)
	}
	delete(x, "request_id")
	b, _ := json.Marshal(x)
	return string(b)
}
