package dataplane

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// elsewhere is the place of a node that does not lead, as far behind as a test wants.
type elsewhere struct {
	age     atomic.Int64 // time.Duration
	reaches func(ctx context.Context, index engine.LogIndex) bool
}

func (*elsewhere) LeaderAPI() string    { return "http://leader.example:7070" }
func (p *elsewhere) Age() time.Duration { return time.Duration(p.age.Load()) }
func (p *elsewhere) Reach(ctx context.Context, index engine.LogIndex) bool {
	return p.reaches(ctx, index)
}

// failing decides, or fails.
type failing struct {
	Decider
	err   atomic.Pointer[problem.Error]
	calls atomic.Int64
}

func (f *failing) Decide(b *engine.Batch) error {
	f.calls.Add(1)
	if e := f.err.Load(); e != nil {
		return e
	}
	return f.Decider.Decide(b)
}

func startElsewhere(t *testing.T) (*rig, *elsewhere, *failing) {
	p := &elsewhere{reaches: func(context.Context, engine.LogIndex) bool { return false }}
	p.age.Store(int64(40 * time.Millisecond))
	f := new(failing)
	r := start(t, func(o *Options) { f.Decider = o.Decider; o.Decider, o.Place = f, p })
	return r, p, f
}

// TestAnswersOfANodeThatDoesNotLead name the leader, and reads how old they may be; on both lanes.
func TestAnswersOfANodeThatDoesNotLead(t *testing.T) {
	r, _, _ := startElsewhere(t)
	drawn := r.draw("open", "k1", `{"user":"u1"}`)
	r.want("a draw", drawn, 200, "")
	for what, a := range map[string]answer{
		"a draw": drawn, "a replay": r.draw("open", "k1", `{"user":"u1"}`), "a denial": r.draw("none", "k1", `{"user":"u1"}`),
		"a read": r.do("GET", "/v1/campaigns/open/users/u1", ""),
	} {
		if got := a.header.Get("Drawd-Leader"); got != "http://leader.example:7070" {
			t.Errorf("%s: Drawd-Leader %q", what, got)
		}
	}
	id := drawn.json["draw"].(string)
	for _, path := range []string{
		"/v1/campaigns/open", "/v1/campaigns/open/users/u1", "/v1/campaigns/open/users/u1/draws", "/v1/campaigns/open/stock", "/v1/draws/" + id,
	} {
		a := r.do("GET", path, "")
		if index, _ := strconv.Atoi(a.header.Get("Drawd-Index")); a.status != 200 || index != int(r.engine.AppliedIndex()) || a.header.Get("Drawd-Age-Ms") != "41" {
			t.Errorf("%s: %d, index %q, age %q", path, a.status, a.header.Get("Drawd-Index"), a.header.Get("Drawd-Age-Ms"))
		}
	}
	for _, path := range []string{"/livez", "/version"} {
		a := r.do("GET", path, "")
		if a.header.Get("Drawd-Index")+a.header.Get("Drawd-Age-Ms")+a.header.Get("Drawd-Leader") != "" {
			t.Errorf("%s tells strangers: %v", path, a.header)
		}
	}
	if all := r.raw("POST /v1/campaigns/open/draws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nIdempotency-Key: k9\r\nContent-Length: 13\r\n\r\n" + `{"user":"u9"}`); !strings.Contains(all, "\r\nDrawd-Leader: http://leader.example:7070\r\n") || !strings.HasPrefix(all, "HTTP/1.1 200") {
		t.Errorf("in one piece: %q", all)
	}
}

// TestANodeAloneSaysNoAge: its reads have an index and nothing else.
func TestANodeAloneSaysNoAge(t *testing.T) {
	r := start(t, nil)
	a := r.do("GET", "/v1/campaigns/open/users/u1", "")
	if _, aged := a.header["Drawd-Age-Ms"]; aged || a.header.Get("Drawd-Index") == "" || a.header.Get("Drawd-Leader") != "" {
		t.Errorf("%v", a.header)
	}
}

// TestMinIndex: a request waits until the node has come so far, and is refused with the effect none when it does not.
func TestMinIndex(t *testing.T) {
	r, p, f := startElsewhere(t)
	now := int(r.engine.AppliedIndex())
	r.want("what is here", r.do("GET", "/v1/campaigns/open/users/u1", "", "Drawd-Min-Index", strconv.Itoa(now)), 200, "")
	before := f.calls.Load()
	for _, method := range []string{"GET", "POST"} {
		path, body := "/v1/campaigns/open/users/u1", ""
		if method == "POST" {
			path, body = "/v1/campaigns/open/draws", `{"user":"u1"}`
		}
		a := r.do(method, path, body, "Drawd-Min-Index", strconv.Itoa(now+1), "Idempotency-Key", "k")
		r.want(method+" of what is not", a, 503, "no_leader")
		if a.json["effect"] != "none" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s, Retry-After %q", a.body, a.header.Get("Retry-After"))
		}
	}
	if f.calls.Load() != before {
		t.Error("something was decided")
	}
	p.reaches = func(_ context.Context, index engine.LogIndex) bool {
		var b engine.Batch
		b.AddTick()
		r.decide(&b)
		return r.engine.AppliedIndex() >= index
	}
	a := r.do("GET", "/v1/campaigns/open/users/u1", "", "Drawd-Min-Index", strconv.Itoa(now+1))
	if index, _ := strconv.Atoi(a.header.Get("Drawd-Index")); a.status != 200 || index <= now {
		t.Errorf("after waiting: %d, index %d", a.status, index)
	}
	for _, bad := range []string{"-1", "x", "1.5", "99999999999999999999"} {
		r.want(bad, r.do("GET", "/v1/campaigns/open/users/u1", "", "Drawd-Min-Index", bad), 422, "invalid_field")
	}
}

// TestLinearizableReads go through the log before they look, and are refused when that does not answer.
func TestLinearizableReads(t *testing.T) {
	r, p, f := startElsewhere(t)
	before, at := f.calls.Load(), r.engine.AppliedIndex()
	a := r.do("GET", "/v1/campaigns/open/users/u1", "", "Drawd-Linearizable", "1")
	if index, _ := strconv.Atoi(a.header.Get("Drawd-Index")); a.status != 200 || f.calls.Load() != before+1 || index <= int(at) {
		t.Errorf("%d, %d calls, index %d after %d", a.status, f.calls.Load()-before, index, at)
	}
	f.err.Store(problem.New(problem.NoLeader, ""))
	r.want("no leader", r.do("GET", "/v1/campaigns/open/users/u1", "", "Drawd-Linearizable", "1"), 503, "no_leader")
	r.want("an ordinary read", r.do("GET", "/v1/campaigns/open/users/u1", ""), 200, "")
	f.err.Store(nil)
	// The leader has come further than this node, and this node does not follow.
	p.reaches = func(context.Context, engine.LogIndex) bool { return false }
	f.Decider = ahead{f.Decider}
	r.want("behind", r.do("GET", "/v1/campaigns/open/users/u1", "", "Drawd-Linearizable", "1"), 503, "no_leader")
}

// ahead answers as a leader that this node does not keep up with.
type ahead struct{ Decider }

func (a ahead) Decide(b *engine.Batch) error {
	err := a.Decider.Decide(b)
	b.Index += 1000
	return err
}

// TestOldFactsDenyNothing: a node that was cut off asks the log; one that is in touch denies by itself, but never what was
// sent again.
func TestOldFactsDenyNothing(t *testing.T) {
	r, p, f := startElsewhere(t)
	r.want("the last unit", r.draw("soldout", "k1", `{"user":"u1"}`), 200, "")
	calls := func(what string, logged int64, headers ...string) {
		t.Helper()
		before := f.calls.Load()
		r.want(what, r.draw("soldout", "k2", `{"user":"u2"}`, headers...), 409, "exhausted")
		if got := f.calls.Load() - before; got != logged {
			t.Errorf("%s: %d times in the log, want %d", what, got, logged)
		}
	}
	calls("in touch", 0)
	calls("sent again", 1, "Drawd-Retry", "1")
	p.age.Store(int64(maxFactAge + time.Millisecond))
	calls("cut off", 1)
	before := f.calls.Load()
	r.want("a replay is a fact", r.draw("soldout", "k1", `{"user":"u1"}`), 200, "")
	if f.calls.Load() != before {
		t.Error("a replay went to the log")
	}
}

// TestIdsFromAheadOfThisNode: an id that another node gave is not denied by one that is behind.
func TestIdsFromAheadOfThisNode(t *testing.T) {
	r, p, _ := startElsewhere(t)
	later := string(r.engine.AppendID(nil, engine.IDDraw, engine.Location{Index: r.engine.AppliedIndex() + 5}))
	r.want("behind", r.do("GET", "/v1/draws/"+later, ""), 503, "no_leader")
	p.age.Store(0)
	r.want("on a leader there is none", r.do("GET", "/v1/draws/"+later, ""), 404, "draw_not_found")
	hold := string(r.engine.AppendHoldID(nil, engine.IDHold, engine.HoldRef{At: engine.Location{Index: r.engine.AppliedIndex() + 5}}))
	p.age.Store(1)
	r.want("a hold", r.do("GET", "/v1/holds/"+hold, ""), 503, "no_leader")
}
