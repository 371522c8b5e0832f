package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// retryRows is the table of doc.go, in its order: what comes back, for each kind of call, and what is done about it.
var retryRows = []struct {
	name   string
	repeat repeat
	steps  []step
	marks  string // for each send: "-", or "R" where it carries Drawd-Retry: 1
	want   error  // nil, or what errors.Is finds
	effect Effect
	denial bool
}{
	{"good", keyed, []step{won}, "-", nil, EffectApplied, false},
	{"nobody, then good", keyed, []step{unreachable, won}, "--", nil, EffectApplied, false},
	{"nobody at all", keyed, []step{unreachable}, "------", syscall.ECONNREFUSED, EffectNone, false},
	{"nobody at all, for what may act twice", once, []step{unreachable}, "------", syscall.ECONNREFUSED, EffectNone, false},

	{"overloaded, then good", keyed, []step{refuse(503, "overloaded", "none", true), won}, "--", nil, EffectApplied, false},
	{"overloaded, for what may act twice", once, []step{refuse(503, "overloaded", "none", true), won}, "--", nil, EffectApplied, false},
	{"rate limited, then good", keyed, []step{refuse(429, "rate_limited", "none", true), won}, "--", nil, EffectApplied, false},
	{"too slow, then good", keyed, []step{refuse(408, "request_timeout", "none", true), won}, "--", nil, EffectApplied, false},
	{"no leader for ever", keyed, []step{refuse(503, "no_leader", "none", true)}, "------", ErrNoLeader, EffectNone, false},
	{"fenced", keyed, []step{refuse(503, "campaign_fenced", "none", false), won}, "-", ErrCampaignFenced, EffectNone, false},

	{"capped", keyed, []step{refuse(409, "capped", "none", true), won}, "-", ErrCapped, EffectNone, true},
	{"paused", keyed, []step{refuse(409, "paused", "none", true), won}, "-", ErrPaused, EffectNone, true},
	{"blocked", keyed, []step{refuse(403, "blocked", "none", false), won}, "-", ErrBlocked, EffectNone, true},
	{"to a ticket", keyed, []step{reply(409, `{"public_code":"limit_reached","status":409,"effect":"none","retryable":true,"request_id":"r"}`), won}, "-", nil, EffectNone, true},
	{"forbidden", keyed, []step{refuse(403, "forbidden", "none", false), won}, "-", ErrForbidden, EffectNone, false},
	{"mismatch", keyed, []step{refuse(422, "idempotency_mismatch", "none", false), won}, "-", ErrIdempotencyMismatch, EffectNone, false},
	{"a code of later", keyed, []step{refuse(409, "out_of_cheese", "none", true), won}, "-", Code("out_of_cheese"), EffectNone, true},

	{"unknown, then good", keyed, []step{refuse(504, "unknown_outcome", "unknown", true), won}, "-R", nil, EffectApplied, false},
	{"internal, then good", keyed, []step{refuse(500, "internal", "unknown", true), won}, "-R", nil, EffectApplied, false},
	{"cut, then good", keyed, []step{cut, won}, "-R", nil, EffectApplied, false},
	{"half an answer, then good", keyed, []step{half, won}, "-R", nil, EffectApplied, false},
	{"cut, for what is natural", natural, []step{cut, won}, "-R", nil, EffectApplied, false},
	{"cut, for a read", reads, []step{cut, won}, "--", nil, EffectApplied, false},
	{"cut for ever, for a read", reads, []step{cut}, "------", io.ErrUnexpectedEOF, EffectNone, false},
	{"cut, for what may act twice", once, []step{cut, won}, "-", ErrUnknownOutcome, EffectUnknown, false},
	{"unknown, for what may act twice", once, []step{refuse(504, "unknown_outcome", "unknown", true), won}, "-", ErrUnknownOutcome, EffectUnknown, false},
	{"unknown for ever", keyed, []step{refuse(504, "unknown_outcome", "unknown", true)}, "-RRRRR", ErrUnknownOutcome, EffectUnknown, false},
	{"a proxy's error, then good", keyed, []step{reply(502, "<html>"), won}, "-R", nil, EffectApplied, false},
	{"a proxy's refusal", keyed, []step{reply(403, "<html>"), won}, "-", ErrUnknownOutcome, EffectUnknown, false},
	{"an effect of later", keyed, []step{refuse(503, "overloaded", "perhaps", true), won}, "-R", nil, EffectApplied, false},
	{"applied", keyed, []step{refuse(500, "internal", "applied", false), won}, "-", ErrInternal, EffectApplied, false},

	// What the first send did is not told by a door that did not open for the second.
	{"cut, then no leader for ever", keyed, []step{cut, refuse(503, "no_leader", "none", true)}, "-RRRRR", ErrUnknownOutcome, EffectUnknown, false},
	{"cut, then nobody", keyed, []step{cut, unreachable}, "-RRRRR", ErrUnknownOutcome, EffectUnknown, false},
	{"cut, then unauthenticated", keyed, []step{cut, refuse(401, "unauthenticated", "none", false)}, "-R", ErrUnknownOutcome, EffectUnknown, false},
	{"cut, then a ticket too old", keyed, []step{cut, refuse(403, "ticket_invalid", "none", false)}, "-R", ErrUnknownOutcome, EffectUnknown, false},
	// But the log's own word is.
	{"cut, then capped", keyed, []step{cut, refuse(409, "capped", "none", true)}, "-R", ErrCapped, EffectNone, true},
	{"cut, then abandoned", keyed, []step{cut, refuse(409, "key_abandoned", "none", false)}, "-R", ErrKeyAbandoned, EffectNone, true},
	{"cut, then abandoned, of an abandon", natural, []step{cut, refuse(409, "key_abandoned", "none", false)}, "-R", ErrKeyAbandoned, EffectNone, true},
	{"cut, then a confirm's end", natural, []step{cut, refuse(409, "hold_expired", "none", false)}, "-R", ErrHoldExpired, EffectNone, true},
	{"cut, then a pause of what has ended", natural, []step{cut, refuse(409, "ended", "none", false)}, "-R", ErrUnknownOutcome, EffectUnknown, false},
	{"cut, overloaded, good", keyed, []step{cut, refuse(503, "overloaded", "none", true), won}, "-RR", nil, EffectApplied, false},
}

func TestRetryTable(t *testing.T) {
	for _, row := range retryRows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(row.steps...)
				c := s.client(t)
				k := call{op: "test", method: http.MethodPost, path: "/v1/x", body: []byte(`{}`), content: typeJSON, key: "k1", repeat: row.repeat}
				_, err := c.do(t.Context(), &k)
				marks := ""
				for _, sent := range s.sends() {
					mark := "-"
					if sent.header.Get("Drawd-Retry") == "1" {
						mark = "R"
					}
					marks += mark
					if sent.header.Get("Idempotency-Key") != "k1" || sent.body != `{}` || sent.path != "/v1/x" {
						t.Errorf("sent %+v", sent)
					}
				}
				if marks != row.marks {
					t.Errorf("sends %q, want %q", marks, row.marks)
				}
				if row.want != nil && !errors.Is(err, row.want) || row.effect == EffectApplied && row.want == nil && err != nil {
					t.Errorf("error %v, want %v", err, row.want)
				}
				if got := EffectOf(err); got != row.effect {
					t.Errorf("effect %v, want %v: %v", got, row.effect, err)
				}
				var denial *Denial
				if errors.As(err, &denial) != row.denial {
					t.Errorf("a denial is %v, want %v: %v", !row.denial, row.denial, err)
				}
			})
		})
	}
}

// Who says that he asks again is marked from the first send on, and what refuses at the door tells him nothing.
func TestAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(refuse(429, "rate_limited", "none", false))
		_, err := s.client(t).Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1", Again: true})
		if sends := s.sends(); len(sends) != 1 || sends[0].header.Get("Drawd-Retry") != "1" {
			t.Errorf("sends %+v", sends)
		}
		if !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("error %v: the call before may have been decided", err)
		}
	})
}

// A node that says nothing is left after AttemptTimeout, and everybody goes to the next.
func TestHangingNodeIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(hang, won)
		c := s.client(t, "http://a:1", "http://b:1")
		d, err := c.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		if err != nil || d.ID == "" {
			t.Fatal(err)
		}
		_, _ = c.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k2"})
		sends := s.sends()
		if len(sends) != 3 || sends[0].host != "a:1" || sends[1].host != "b:1" || sends[2].host != "b:1" {
			t.Fatalf("%+v", sends)
		}
		if sends[1].at != DefaultAttemptTimeout+DefaultBackoffBase || sends[1].header.Get("Drawd-Retry") != "1" {
			t.Errorf("second send %v %v", sends[1].at, sends[1].header)
		}
	})
}

// Pauses double up to a bound, and none begins that would outlast the caller.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(unreachable)
		c := s.client(t)
		c.options.Attempts = 10
		_, err := c.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		if EffectOf(err) != EffectNone {
			t.Error(err)
		}
		var gaps []time.Duration
		for i, sent := range s.sends()[1:] {
			gaps = append(gaps, sent.at-s.sends()[i].at)
		}
		want := []time.Duration{25, 50, 100, 200, 400, 800, 1600, 2000, 2000}
		for i := range want {
			if i >= len(gaps) || gaps[i] != want[i]*time.Millisecond {
				t.Fatalf("pauses %v, want %v ms", gaps, want)
			}
		}

		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		s2 := newScript(unreachable)
		began := time.Now()
		_, err = s2.client(t).Draw(ctx, DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		if n := len(s2.sends()); n != 4 || time.Since(began) != 175*time.Millisecond || EffectOf(err) != EffectNone {
			t.Errorf("%d sends in %v: %v", n, time.Since(began), err)
		}
	})
}

// The real jitter stays in its bounds, and is one.
func TestJitter(t *testing.T) {
	c, err := New(Options{URLs: []string{"http://a:1"}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[time.Duration]bool{}
	for range 200 {
		d := c.backoff(3)
		if d < 0 || d > 100*time.Millisecond {
			t.Fatal(d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("%d different pauses of 200", len(seen))
	}
}

// Retry-After is a floor for the node that said it; another node is asked at once.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(refuse(503, "overloaded", "none", true, "Retry-After: 3"), won)
		_, err := s.client(t, "http://a:1", "http://b:1").Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		if sends := s.sends(); err != nil || sends[1].host != "a:1" || sends[1].at != 3*time.Second {
			t.Errorf("%v: %+v", err, sends)
		}
		s = newScript(refuse(503, "no_leader", "none", true, "Retry-After: 3"), won)
		_, err = s.client(t, "http://a:1", "http://b:1").Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		if sends := s.sends(); err != nil || sends[1].host != "b:1" || sends[1].at != DefaultBackoffBase {
			t.Errorf("%v: %+v", err, sends)
		}
		s = newScript(refuse(429, "rate_limited", "none", true, "Retry-After: 60"), won)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		_, err = s.client(t).Draw(ctx, DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		p := problemOf(err)
		if !errors.Is(err, ErrRateLimited) || time.Since(began) != 0 || p == nil || p.RetryAfter != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
	for text, want := range map[string]time.Duration{"": 0, "2": 2 * time.Second, "-1": 0, "3600": time.Minute, "soon": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0} {
		if got := retryAfter(text); got != want {
			t.Errorf("Retry-After %q: %v", text, got)
		}
	}
}

// A hint at the leader is followed among the URLs that the caller named, and nowhere else: the API key would go along.
func TestLeaderHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		urls := []string{"http://a:1", "http://b:1", "http://c:1"}
		for hint, want := range map[string]string{
			"http://c:1": "c:1", "http://C:1/": "c:1", "http://b:1": "b:1",
			"http://evil:1": "b:1", "https://c:1": "b:1", "": "b:1", "c": "b:1", "http://c:1/x?y": "b:1",
		} {
			s := newScript(refuse(503, "no_leader", "none", true, "Drawd-Leader: "+hint), won)
			c := s.client(t, urls...)
			_, err := c.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
			if sends := s.sends(); err != nil || sends[1].host != want {
				t.Errorf("hint %q: %v: %+v", hint, err, sends)
			}
		}
		s := newScript(reply(200, wonText, "Drawd-Leader: http://c:1"), won)
		c := s.client(t, urls...)
		for range 2 {
			if _, err := c.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"}); err != nil {
				t.Fatal(err)
			}
		}
		if sends := s.sends(); sends[1].host != "c:1" {
			t.Errorf("a good answer's hint: %+v", sends)
		}
	})
}

// The deadline of the context goes along, in milliseconds, and never beyond that of a send.
func TestDeadlineHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(refuse(503, "overloaded", "none", true, "Retry-After: 1"), won)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if _, err := s.client(t).Draw(ctx, DrawRequest{Campaign: "flash", User: "u1", Key: "k1"}); err != nil {
			t.Fatal(err)
		}
		_, _ = s.client(t).Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		for i, want := range []string{"1500", "500", "5000"} {
			if got := s.sends()[i].header.Get("Drawd-Deadline-Ms"); got != want {
				t.Errorf("send %d: %s, want %s", i, got, want)
			}
		}
	})
}

// A caller who gives up while his draw is on its way does not know; one who had given up before does.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s := newScript(hang)
		_, err := s.client(t).Draw(ctx, DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		var open *Unanswered
		if !errors.As(err, &open) || open.Effect != EffectUnknown || open.Key != "k1" || !errors.Is(err, context.Canceled) || len(s.sends()) != 1 {
			t.Errorf("%d sends: %v", len(s.sends()), err)
		}
		_, err = s.client(t).Draw(ctx, DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
		if EffectOf(err) != EffectNone || !errors.Is(err, context.Canceled) || len(s.sends()) != 1 {
			t.Errorf("%d sends: %v", len(s.sends()), err)
		}
	})
}

// What cannot be sent is refused here, and nothing is sent.
func TestRefusedUnsent(t *testing.T) {
	s := newScript(won)
	c := s.client(t)
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"no key": func() error { _, err := c.Draw(ctx, DrawRequest{Campaign: "flash", User: "u1"}); return err },
		"a key of spaces": func() error {
			_, err := c.Draw(ctx, DrawRequest{Campaign: "flash", User: "u1", Key: "a b"})
			return err
		},
		"a campaign a/b":  func() error { _, err := c.Draw(ctx, DrawRequest{Campaign: "a/b", User: "u1", Key: "k"}); return err },
		"a campaign ..":   func() error { _, err := c.Stock(ctx, ".."); return err },
		"a user with a ?": func() error { _, err := c.User(ctx, "flash", "u1?x=1"); return err },
		"a key in a path": func() error { _, err := c.AbandonKey(ctx, "flash", "u1", "a/b"); return err },
		"no batch":        func() error { _, err := c.DrawBatch(ctx, nil); return err },
		"a batch of 1001": func() error { _, err := c.DrawBatch(ctx, make1001()); return err },
		"a batch's ticket": func() error {
			_, err := c.DrawBatch(ctx, []DrawRequest{{Campaign: "flash", User: "u1", Ticket: "t"}})
			return err
		},
		"grant to nowhere": func() error { _, err := c.Grant(ctx, GrantRequest{User: "u1"}); return err },
	} {
		if err := do(); err == nil || EffectOf(err) != EffectNone || len(s.sends()) != 0 {
			t.Errorf("%s: %d sends, %v", name, len(s.sends()), err)
		}
	}
}

func make1001() []DrawRequest {
	all := make([]DrawRequest, 1001)
	for i := range all {
		all[i] = DrawRequest{Campaign: "flash", User: "u1", Key: "k"}
	}
	return all
}
