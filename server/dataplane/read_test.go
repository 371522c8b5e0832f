package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/apitest"
)

func TestReadUser(t *testing.T) {
	r := start(t, nil)
	a := r.do("GET", "/v1/campaigns/flash/users/u1", "")
	r.want("nobody yet", a, 200, "")
	if a.json["can_draw"] != true || a.json["draws"] != 0.0 || a.json["last_draw"] != nil || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", a.header, a.body)
	}
	var last answer
	for i := range 3 {
		last = r.draw("flash", fmt.Sprint("k", i), `{"user":"u1"}`)
	}
	a = r.do("GET", "/v1/campaigns/flash/users/u1", "")
	denial, _ := a.json["denial"].(map[string]any)
	if a.json["can_draw"] != false || a.json["draws"] != 3.0 || a.json["last_draw"] != last.json["draw"] || denial["code"] != "capped" || denial["cap"] != "day" {
		t.Errorf("%s", a.body)
	}
	r.want("no campaign", r.do("GET", "/v1/campaigns/none/users/u1", ""), 404, "campaign_not_found")
}

func TestReadCampaign(t *testing.T) {
	r := start(t, nil)
	a := r.do("GET", "/v1/campaigns/flash", "")
	r.want("page", a, 200, "")
	for _, secret := range []string{"weight", "denominator", "500", "1000", "stock", "salt", "document"} {
		if bytes.Contains(a.body, []byte(`"`+secret)) || bytes.Contains(a.body, []byte(":"+secret)) {
			t.Errorf("the page tells %q: %s", secret, a.body)
		}
	}
	tag := a.header.Get("ETag")
	for _, list := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if again := r.do("GET", "/v1/campaigns/flash", "", "If-None-Match", list); again.status != 304 || len(again.body) != 0 || again.header.Get("ETag") != tag {
			t.Errorf("%s: %d %s", list, again.status, again.body)
		}
	}
	r.want("another tag", r.do("GET", "/v1/campaigns/flash", "", "If-None-Match", `"x"`), 200, "")
	r.draw("flash", "k1", `{"user":"u1"}`)
	if r.do("GET", "/v1/campaigns/flash", "").header.Get("ETag") != tag {
		t.Error("a draw changed the page")
	}
	r.clock.Store(testEnd)
	if over := r.do("GET", "/v1/campaigns/flash", ""); over.header.Get("ETag") == tag || over.json["status"] != "ended" {
		t.Errorf("%s", over.body)
	}
	r.want("no campaign", r.do("GET", "/v1/campaigns/none", ""), 404, "campaign_not_found")
}

func TestReadStock(t *testing.T) {
	r := start(t, nil)
	r.draw("soldout", "k1", `{"user":"u1"}`)
	a := r.do("GET", "/v1/campaigns/soldout/stock", "")
	phone := a.json["prizes"].([]any)[0].(map[string]any)
	if a.json["seq"] != 1.0 || phone["total"] != 1.0 || phone["issued"] != 1.0 || phone["available"] != 0.0 {
		t.Errorf("%s", a.body)
	}
	a = r.do("GET", "/v1/campaigns/open/stock", "")
	if phone := a.json["prizes"].([]any)[0].(map[string]any); phone["total"] != nil || phone["available"] != nil {
		t.Errorf("unlimited: %s", a.body)
	}
}

// A user's draws, newest first, in pages; wins by a chain of their own.
func TestListDraws(t *testing.T) {
	r := start(t, nil)
	var all, wins [][]byte
	for i := range 25 {
		a := r.draw("open", fmt.Sprint("k", i), `{"user":"u1"}`)
		all = append(all, a.body)
		if a.json["outcome"] == "win" {
			wins = append(wins, a.body)
		}
		r.draw("open", fmt.Sprint("k", i), `{"user":"u2"}`)
	}
	for _, f := range []struct {
		query string
		limit int
		want  [][]byte
	}{{"", 100, all}, {"limit=7", 7, all}, {"limit=25", 25, all}, {"limit=500", 500, all}, {"outcome=win", 100, wins}, {"outcome=win&limit=2", 2, wins}} {
		var got [][]byte
		cursor := ""
		for pages := 0; ; pages++ {
			a := r.do("GET", "/v1/campaigns/open/users/u1/draws?"+f.query+"&cursor="+cursor, "")
			if f.query == "" {
				a = r.do("GET", "/v1/campaigns/open/users/u1/draws", "")
			}
			r.want(f.query, a, 200, "")
			n := len(a.json["items"].([]any))
			if n > f.limit || n == 0 && len(f.want) > 0 && pages == 0 {
				t.Fatalf("%s: %d items", f.query, n)
			}
			got = append(got, items(t, a.body)...)
			if cursor = a.json["next_cursor"].(string); cursor == "" {
				break
			}
		}
		if len(got) != len(f.want) {
			t.Fatalf("%s: %d items, want %d", f.query, len(got), len(f.want))
		}
		for i := range got {
			if want := f.want[len(f.want)-1-i]; !bytes.Equal(got[i], want) {
				t.Errorf("%s: item %d: %s, want %s", f.query, i, got[i], want)
			}
		}
	}
	a := r.do("GET", "/v1/campaigns/open/users/u1/draws?limit=1", "")
	cursor := a.json["next_cursor"].(string)
	for query, code := range map[string]string{
		"limit=0": "invalid_field", "limit=501": "invalid_field", "limit=x": "invalid_field", "limit=1.5": "invalid_field",
		"outcome=miss": "invalid_field", "cursor=" + cursor[:26] + "b": "invalid_field", "cursor=x": "invalid_field",
		"foo=1": "unknown_field", "limit=1&limit=1": "unknown_field", "": "",
	} {
		status := 422
		if code == "" {
			status = 200
		}
		r.want(query, r.do("GET", "/v1/campaigns/open/users/u1/draws?"+query, ""), status, code)
	}
	r.want("another user's cursor", r.do("GET", "/v1/campaigns/open/users/u2/draws?cursor="+cursor, ""), 422, "invalid_field")
	r.want("another campaign's cursor", r.do("GET", "/v1/campaigns/flash/users/u1/draws?cursor="+cursor, ""), 422, "invalid_field")
	r.want("a draw's id is no cursor", r.do("GET", "/v1/campaigns/open/users/u1/draws?cursor=c"+cursor[1:len(cursor)-1]+"q", ""), 422, "invalid_field")
	empty := r.do("GET", "/v1/campaigns/open/users/u9/draws", "")
	if string(empty.body) != `{"items":[],"next_cursor":""}` {
		t.Errorf("%s", empty.body)
	}
}

// items cuts the list of a page into its objects, byte for byte.
func items(t *testing.T, page []byte) (out [][]byte) {
	t.Helper()
	list, ok := bytes.CutPrefix(page, []byte(`{"items":[`))
	if !ok {
		t.Fatalf("%s", page)
	}
	list = list[:bytes.LastIndexByte(list, ']')]
	for _, item := range bytes.SplitAfter(list, []byte(`}}},`)) {
		if item = bytes.TrimSuffix(item, []byte{','}); len(item) > 0 {
			out = append(out, item)
		}
	}
	return out
}

func TestKeys(t *testing.T) {
	r := start(t, nil)
	const path = "/v1/campaigns/open/users/u1/keys/"
	index := r.engine.AppliedIndex()
	r.want("unknown", r.do("GET", path+"k1", ""), 404, "key_unknown")
	if r.engine.AppliedIndex() != index+1 {
		t.Error("unknown was said without a barrier")
	}
	a := r.draw("open", "k1", `{"user":"u1","times":3}`)
	index = r.engine.AppliedIndex()
	got := r.do("GET", path+"k1", "")
	if !bytes.Equal(got.body, a.body) || got.header.Get("Idempotent-Replayed") != "true" || r.engine.AppliedIndex() != index {
		t.Errorf("%v %s", got.header, got.body)
	}
	got = r.do("POST", path+"k1:abandon", "")
	if !bytes.Equal(got.body, a.body) || got.status != 200 {
		t.Errorf("abandoned too late: %d %s", got.status, got.body)
	}
	r.want("abandon", r.do("POST", path+"k2:abandon", ""), 409, "key_abandoned")
	r.want("abandon again", r.do("POST", path+"k2:abandon", ""), 409, "key_abandoned")
	r.want("read it", r.do("GET", path+"k2", ""), 409, "key_abandoned")
	r.want("draw under it", r.draw("open", "k2", `{"user":"u1"}`), 409, "key_abandoned")
	r.want("retry under it", r.draw("open", "k2", `{"user":"u1"}`, "Drawd-Retry", "1"), 409, "key_abandoned")
	r.want("another user's", r.draw("open", "k2", `{"user":"u2"}`), 200, "")
	r.want("no campaign", r.do("GET", "/v1/campaigns/none/users/u1/keys/k1", ""), 404, "campaign_not_found")
}

// A record that is known but not stored yet is waited for through the log, not refused.
func TestRecordNotStoredYet(t *testing.T) {
	var late *lateRecords
	r := start(t, func(o *Options) {
		late = &lateRecords{from: o.Records}
		o.Records = late
	})
	a := r.draw("open", "k1", `{"user":"u1"}`)
	for _, f := range []func() answer{
		func() answer { return r.draw("open", "k1", `{"user":"u1"}`) },
		func() answer { return r.do("GET", "/v1/campaigns/open/users/u1/keys/k1", "") },
		func() answer { return r.do("GET", "/v1/campaigns/open/users/u1/draws", "") },
	} {
		late.misses = 1
		if got := f(); got.status != 200 || !bytes.Contains(got.body, a.body[1:len(a.body)-1]) {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

// A record that is on other nodes only is never "there is no such draw": the caller asks again, or asks another node.
func TestRecordElsewhere(t *testing.T) {
	var late *lateRecords
	r := start(t, func(o *Options) {
		late = &lateRecords{from: o.Records, err: problem.New(problem.RecordElsewhere, "")}
		o.Records = late
	})
	a := r.draw("open", "k1", `{"user":"u1"}`)
	late.misses = 1 << 30
	for name, got := range map[string]answer{
		"draw":    r.do("GET", "/v1/draws/"+a.json["draw"].(string), ""),
		"claim":   r.do("POST", "/v1/campaigns/open/users/u1/draws/"+a.json["draw"].(string)+":claim", ""),
		"history": r.do("GET", "/v1/campaigns/open/users/u1/draws", ""),
		"key":     r.do("GET", "/v1/campaigns/open/users/u1/keys/k1", ""),
		"again":   r.draw("open", "k1", `{"user":"u1"}`),
	} {
		r.want(name, got, 503, "record_elsewhere")
		if got.header.Get("Retry-After") == "" || got.json["effect"] != "none" {
			t.Errorf("%s: %v %s", name, got.header, got.body)
		}
	}
	late.misses = 0
	if got := r.draw("open", "k1", `{"user":"u1"}`); !bytes.Equal(got.body, a.body) {
		t.Errorf("when it is here: %s", got.body)
	}
}

// lateRecords does not find what it is asked for a number of times.
type lateRecords struct {
	from   Records
	misses int
	err    error // what it says; apitest.ErrNoRecord when nil
}

func (l *lateRecords) Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error) {
	if l.misses > 0 {
		l.misses--
		if l.err != nil {
			return dst, l.err
		}
		return dst, apitest.ErrNoRecord
	}
	return l.from.Records(dst, index, ordinal, n)
}

func TestReadDraw(t *testing.T) {
	r := start(t, nil)
	a := r.draw("open", "k1", `{"user":"u1"}`)
	id := a.json["draw"].(string)
	r.want("it", r.do("GET", "/v1/draws/"+id, ""), 200, "")
	for _, path := range []string{"d" + strings.Repeat("a", 26), "r" + id[1:], id[:26] + "q", id + "a", "x"} {
		all := r.raw("GET /v1/draws/" + path + " HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
		if got := split(t, all)[0]; got.status != 404 || got.json["code"] != "draw_not_found" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, at := range []engine.Location{{Index: 1}, {Index: 2, Ordinal: 7}, {Index: 99}} { // a publish, nothing, the future
		r.want("sealed by us", r.do("GET", "/v1/draws/"+string(r.engine.AppendID(nil, engine.IDDraw, at)), ""), 404, "draw_not_found")
	}
	var b engine.Batch
	b.AddNamespace(&engine.NewNamespace{Name: "other", Secret: [16]byte{5}})
	r.decide(&b)
	r.want("another namespace's", r.do("GET", "/v1/draws/"+id, "", "Drawd-Namespace", "other"), 404, "draw_not_found")
}

// sick is a Health that can be told what to say.
type sick struct{ err error }

func (s *sick) Ready() error { return s.err }

func (s *sick) Checks(fn func(string, problem.Code, string)) {
	fn("disk", problem.OK, "")
	if s.err != nil {
		fn("leader", problem.NoLeader, "an election is under way")
	}
}

func TestHealth(t *testing.T) {
	health := &sick{}
	r := start(t, func(o *Options) { o.Health = health })
	r.want("live", r.do("GET", "/livez", ""), 200, "")
	r.want("ready", r.do("GET", "/readyz", ""), 200, "")
	if a := r.do("GET", "/readyz?verbose", ""); string(a.body) != "[+]disk: ok\nready\n" {
		t.Errorf("%s", a.body)
	}
	if a := r.do("GET", "/version", ""); a.json["version"] != "test" {
		t.Errorf("%s", a.body)
	}
	health.err = problem.New(problem.NoLeader, "No leader yet.")
	r.want("live anyway", r.do("GET", "/livez", ""), 200, "")
	a := r.do("GET", "/readyz", "")
	r.want("not ready", a, 503, "no_leader")
	if !bytes.Contains(a.body, []byte("leader: an election is under way")) || bytes.Contains(a.body, []byte("disk")) {
		t.Errorf("%s", a.body)
	}
	if a := r.do("GET", "/readyz?verbose", ""); a.status != 503 || string(a.body) != "[+]disk: ok\n[-]leader: an election is under way\nnot ready\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	health.err = errors.New("strange")
	if a := r.do("GET", "/readyz", ""); a.status < 500 || bytes.Contains(a.body, []byte("strange")) {
		t.Errorf("%s", a.body)
	}
}

// One connection too many is told so and closed; when one goes, the next is served.
func TestMaxConnections(t *testing.T) {
	r := start(t, func(o *Options) { o.MaxConnections = 2 })
	dial := func() net.Conn {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(c, "GET /livez HTTP/1.1\r\n"+host+"\r\n")
		return c
	}
	first := make([]byte, 12)
	one, two := dial(), dial()
	defer two.Close()
	for _, c := range []net.Conn{one, two} {
		if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200" {
			t.Fatalf("%q %v", first, err)
		}
	}
	wantProblem(t, "third", split(t, r.raw(""))[0], 503, "overloaded")
	one.Close()
	for { // the server has to notice
		c := dial()
		io.ReadFull(c, first)
		c.Close()
		if string(first) == "HTTP/1.1 200" {
			break
		}
	}
	if r.server.figures.overflow.Get() == 0 {
		t.Error("not counted")
	}
}

// Shutdown closes idle connections at once, and lets a request that is here end.
func TestShutdown(t *testing.T) {
	r := newRig(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(ln) }()
	entered, release := make(chan bool), make(chan bool)
	before := func(*engine.Batch) error {
		entered <- true
		<-release
		return nil
	}
	idle, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	io.WriteString(idle, "GET /livez HTTP/1.1\r\n"+host+"\r\n")
	io.ReadFull(idle, make([]byte, 12))
	r.log.Before.Store(&before)
	drawn := make(chan answer)
	go func() { drawn <- r.plain(&http.Transport{}, "open", "k1", `{"user":"u1"}`) }()
	<-entered
	down := make(chan error)
	go func() { down <- r.server.Shutdown(context.Background()) }()
	idle.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadAll(idle); err != nil {
		t.Errorf("the idle connection is not closed: %v", err)
	}
	close(release)
	if a := <-drawn; a.status != 200 {
		t.Errorf("the draw under way: %d %s", a.status, a.body)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if n := r.server.connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// A Shutdown that runs out of time cuts off what is left.
func TestShutdownInAHurry(t *testing.T) {
	r := newRig(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(ln) }()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /livez HTTP/1.1\r\n"+host+"\r\nGET ") // half a request
	io.ReadFull(c, make([]byte, 12))
	for r.server.snapshot(nil)[0].until.Load()&1 == 1 { // until the server waits for the other half
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	c.SetDeadline(time.Now().Add(2 * time.Second)) // less than ReadTimeout
	if _, err := io.ReadAll(c); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("not cut off: %v", err)
	}
	<-served
}

// A draw that was voided says so when it is read; the answer under its key keeps its bytes.
func TestReadVoidedDraw(t *testing.T) {
	r := start(t, nil)
	first := r.draw("open", "k1", `{"user":"u1"}`)
	id, _ := first.json["draw"].(string)
	at, ok := r.engine.ParseID(engine.IDDraw, []byte(id))
	if !ok {
		t.Fatalf("%s", first.body)
	}
	encoded, err := r.log.Records(nil, uint64(at.Index), at.Ordinal, 1)
	if err != nil {
		t.Fatal(err)
	}
	var record engine.Record
	if _, err := engine.DecodeRecord(encoded, &record); err != nil {
		t.Fatal(err)
	}
	var b engine.Batch
	b.AddVoid(&engine.Void{Campaign: record.Campaign, Draw: encoded, At: at, Fault: engine.VoidUser, Actor: "ann", Reason: "x"})
	if err := r.log.Decide(&b); err != nil || b.Results[0].Code != problem.OK {
		t.Fatal(err, b.Results[0].Code)
	}
	const want = `"award":{"state":"voided","fault":"user","at":"`
	for _, path := range []string{"/v1/draws/" + id, "/v1/campaigns/open/users/u1/draws"} {
		if a := r.do("GET", path, ""); !bytes.Contains(a.body, []byte(want)) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if again := r.draw("open", "k1", `{"user":"u1"}`); !bytes.Equal(again.body, first.body) {
		t.Errorf("the replay is\n%s\nand was\n%s", again.body, first.body)
	}
}

// A version that took something from users is shown to everybody.
func TestPageTellsForcedVersions(t *testing.T) {
	r := start(t, nil)
	v := flash()
	v.Prizes[0].Weight = 400
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, Reason: engine.ForcedPrefix + "a slip", Actor: "ann"})
	r.decide(&b)
	if page := r.do("GET", "/v1/campaigns/flash", ""); !bytes.Contains(page.body, []byte(`"forced":[{"version":2,"at":"2026-11-10T16:00:00.000Z","reason":"a slip"}]`)) {
		t.Errorf("%s", page.body)
	}
}
