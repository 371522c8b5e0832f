//go:build !race

package dataplane

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/ticket"
)

func wantNoAllocs(t *testing.T, name string, runs int, f func()) {
	t.Helper()
	for range runs {
		f() // buffers and pages are made
	}
	if n := testing.AllocsPerRun(runs, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

// A draw and a denial allocate nothing on our side.
func TestNoAllocations(t *testing.T) {
	r := newRig(t, nil)
	r.server.options.Decider = &library{r.engine, testNow}
	a := newAsked(r.server)
	ask := func(message []byte, status int) {
		if got := a.ask(message); got != status {
			t.Fatalf("%d, want %d: %s", got, status, a.answer)
		}
	}
	m := newNumbered(message("open", "u1", "k-00000000"))
	wantNoAllocs(t, "draw", 2000, func() { ask(m.next(), 200) })
	m = newNumbered(message("flash", "user-00000000", "k1"))
	wantNoAllocs(t, "draw of a new user with a cap", 2000, func() { ask(m.next(), 200) })
	full := []byte("POST /v1/campaigns/open/draws HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k-00000000\r\nDrawd-Deadline-Ms: 5000\r\nContent-Length: 134\r\n\r\n" +
		`{"user":"u1","times":3,"channel":"h5","device":"d1","ip":"2001:db8::1","attributes":{"level":3,"a\nb":[1,2]},"expect":{"version":1  }}`)
	full = bytes.Replace(full, []byte("k-0"), []byte("f-0"), 1)
	m = newNumbered(full)
	wantNoAllocs(t, "draw with everything", 500, func() { ask(m.next(), 200) })
	ask(message("soldout", "u1", "k1"), 200)
	m = newNumbered(message("soldout", "user-00000000", "k2"))
	wantNoAllocs(t, "exhausted", 500, func() { ask(m.next(), 409) })
	for i := range 3 {
		ask(message("flash", "capped", strconv.Itoa(i)), 200)
	}
	m = newNumbered(message("flash", "capped", "k-00000000"))
	wantNoAllocs(t, "capped", 500, func() { ask(m.next(), 409) })
	chanceCampaigns(r)
	var b engine.Batch
	rich := r.engine.Namespaces()[0].Keyer()
	b.AddGrant(&engine.Grant{Campaign: 4, User: rich.User([]byte("rich")), UserID: []byte("rich"), Source: "shop", Event: "e", Amount: 100_000})
	r.decide(&b)
	m = newNumbered(message("earned", "rich", "k-00000000"))
	wantNoAllocs(t, "draw that costs chances", 2000, func() { ask(m.next(), 200) })
	m = newNumbered(message("earned", "user-00000000", "k4"))
	wantNoAllocs(t, "no chances", 500, func() { ask(m.next(), 409) })
	m = newNumbered(message("soldout", "user-00000000", "k3", "Drawd-Retry: 1"))
	wantNoAllocs(t, "denied by the log", 500, func() { ask(m.next(), 409) })
}

// The same over a socket, with fasthttp: the server, the kernel and the client together allocate nothing.
func TestNoAllocationsOverASocket(t *testing.T) {
	r := start(t, nil)
	r.server.options.Decider = &library{r.engine, testNow}
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 4096)
	m := newNumbered(message("open", "u1", "k-00000000"))
	wantNoAllocs(t, "draw", 2000, func() {
		if _, err := c.Write(m.next()); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadAtLeast(c, buf, 100); err != nil || string(buf[9:12]) != "200" {
			t.Fatalf("%q %v", buf[:n], err)
		}
	})
}

// A draw that is asked for its ticket and attributes allocates nothing either, and neither does its denial but for the
// words of what was missing.
func TestNoAllocationsPerGatedDraw(t *testing.T) {
	g := newGatedRig(t)
	g.publish(strings.ReplaceAll(gatedFile("wide", "{required: true}"), "limit: ", "limit: 100000"))
	g.server.options.Decider = &library{g.engine, testNow}
	a := newAsked(g.server)
	body := `{"user":"u1","ticket":"` + g.sign("n1", func(c *ticket.Claims) { c.Campaign = "wide" }) + `",` + eligible + `}`
	message := fmt.Appendf(nil, "POST /v1/campaigns/wide/draws HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if got := a.ask(message); got != 200 && got != 504 {
		t.Fatalf("%d: %s", got, a.answer)
	}
	var tickets [][]byte
	for i := range 600 {
		body := `{"user":"u1","ticket":"` + g.sign(fmt.Sprint("k", i), func(c *ticket.Claims) { c.Campaign = "wide" }) + `",` + eligible + `}`
		tickets = append(tickets, fmt.Appendf(nil, "POST /v1/campaigns/wide/draws HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	next := 0
	wantNoAllocs(t, "draw by ticket", 250, func() {
		if got := a.ask(tickets[next%len(tickets)]); got != 200 {
			t.Fatalf("%d: %s", got, a.answer)
		}
		next++
	})
}

// A hit, its refusal and its replay's refusal allocate nothing on our side.
func TestNoAllocationsPerHit(t *testing.T) {
	r := newRig(t, nil)
	r.fatigueCaps(pushes(), engine.FatigueCap{ID: "all", Window: engine.Window{Kind: engine.WindowDay}, Limit: 1_000_000})
	r.server.options.Decider = &library{r.engine, testNow}
	a := newAsked(r.server)
	ask := func(message []byte, status int) {
		if got := a.ask(message); got != status {
			t.Fatalf("%d, want %d: %s", got, status, a.answer)
		}
	}
	hit := func(cap, user, body string) []byte {
		return fmt.Appendf(nil, "POST /v1/fatigue/%s/users/%s:hit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k-00000000\r\nContent-Length: %d\r\n\r\n%s", cap, user, len(body), body)
	}
	m := newNumbered(hit("all", "u1", `{"quantity":2}`))
	wantNoAllocs(t, "hit", 2000, func() { ask(m.next(), 200) })
	m = newNumbered(hit("push", "user-00000000", `{}`))
	wantNoAllocs(t, "hit of a new user", 2000, func() { ask(m.next(), 200) })
	ask(hit("push", "full", `{"quantity":3}`), 200)
	m = newNumbered(bytes.Replace(hit("push", "full", `{}`), []byte("k-0"), []byte("f-0"), 1))
	wantNoAllocs(t, "capped", 500, func() { ask(m.next(), 409) })
}

// Of a take and its refusal the engine copies the actor out of the command, of a hold the items too. The edge allocates nothing.
func TestAllocationsPerUnit(t *testing.T) {
	r := newRig(t, nil)
	r.pool("wide", 1_000_000, engine.PoolPolicy{})
	r.pool("none", 0, engine.PoolPolicy{})
	r.server.options.Decider = &library{r.engine, testNow}
	a := newAsked(r.server)
	ask := func(message []byte, status int) {
		if got := a.ask(message); got != status {
			t.Fatalf("%d, want %d: %s", got, status, a.answer)
		}
	}
	post := func(path, body string) []byte {
		return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k-00000000\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	}
	want := func(name string, most float64, f func()) {
		for range 2000 {
			f()
		}
		if n := testing.AllocsPerRun(2000, f); n > most {
			t.Errorf("%s: %v allocations, want %v", name, n, most)
		}
	}
	m := newNumbered(post("/v1/pools/wide:take", `{"owner":"o1","quantity":2,"ref":"order-1"}`))
	want("take", 1, func() { ask(m.next(), 200) })
	m = newNumbered(post("/v1/pools/none:take", `{"owner":"o1"}`))
	want("refused take", 1, func() { ask(m.next(), 409) })
	m = newNumbered(bytes.Replace(post("/v1/holds", `{"owner":"user-00000000","ttl_ms":60000,"ref":"order-1","items":[{"pool":"wide","quantity":2},{"pool":"wide"}]}`), []byte("k-00000000"), []byte("k1"), 1))
	want("hold of a new owner", 2, func() { ask(m.next(), 200) })
}
