package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// batchServer answers batches after a second: each draw with the result that its key names.
//
//	ok…        a win
//	cap…       capped
//	once…      unknown, and a win when it is asked again
//	busy…      overloaded, and a win when it is asked again
//	never…     unknown for ever
//	bad…       the whole batch is refused, unless it is alone: then it is
type batchServer struct {
	mu    sync.Mutex
	sizes []int
	marks []string
	seen  map[string]int
}

// times tells how often a draw under a key came.
func (s *batchServer) times(key Key) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[string(key)]
}

// result is what a draw under a key comes to now.
func (s *batchServer) result(key string) (status int, code, effect string, retryable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[key]++
	switch first := s.seen[key] == 1; {
	case strings.HasPrefix(key, "cap"):
		return 409, "capped", "none", true
	case strings.HasPrefix(key, "once") && first, strings.HasPrefix(key, "never"):
		return 500, "internal", "unknown", true
	case strings.HasPrefix(key, "busy") && first:
		return 503, "overloaded", "none", true
	case strings.HasPrefix(key, "bad"):
		return 422, "invalid_field", "none", false
	}
	return 200, "", "", false
}

func (s *batchServer) answer(r *http.Request) (*http.Response, error) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return nil, nil
}

// RoundTrip implements http.RoundTripper.
func (s *batchServer) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct {
		Draws []struct{ Campaign, User, Key string }
	}
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, &in)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.sizes, s.marks = append(s.sizes, len(in.Draws)), append(s.marks, r.Header.Get("Drawd-Retry"))
	s.mu.Unlock()
	if _, err := s.answer(r); err != nil {
		return nil, err
	}
	var out []string
	for _, d := range in.Draws {
		status, code, effect, retryable := s.result(d.Key)
		body := strings.Replace(wonText, `"u1"`, `"`+d.User+`"`, 1)
		switch status {
		case 200:
		case 422:
			return refuse(status, code, effect, retryable)(r)
		default:
			body = problemText(status, code, effect, retryable)
		}
		out = append(out, fmt.Sprintf(`{"status":%d,"replayed":false,"body":%s}`, status, body))
	}
	return reply(200, `{"results":[`+strings.Join(out, ",")+`]}`, "Drawd-Index: 9")(r)
}

func (s *batchServer) client(t *testing.T) *Client {
	t.Helper()
	s.seen = map[string]int{}
	c, err := New(Options{URLs: []string{"http://a:1"}, HTTPClient: &http.Client{Transport: s}})
	if err != nil {
		t.Fatal(err)
	}
	c.jitter = func(most time.Duration) time.Duration { return most }
	return c
}

type drawnOrNot struct {
	key   Key
	drawn *Drawn
	err   error
}

// drawAll draws for many users at once; user i under keys[i].
func drawAll(ctx context.Context, b *Batcher, keys ...Key) map[Key]drawnOrNot {
	results := make(chan drawnOrNot)
	for i, key := range keys {
		go func() {
			d, err := b.Draw(ctx, DrawRequest{Campaign: "flash", User: fmt.Sprint("user", i), Key: key})
			results <- drawnOrNot{key, d, err}
		}()
	}
	all := map[Key]drawnOrNot{}
	for range keys {
		r := <-results
		all[r.key] = r
	}
	return all
}

// The first goes alone and at once; the rest, which came meanwhile, with the next request; each gets its own answer.
func TestBatcherGathersWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchServer{}
		b := s.client(t).NewBatcher(BatcherOptions{})
		var keys []Key
		for i := range 2500 {
			keys = append(keys, Key(fmt.Sprint("ok", i)))
		}
		began := time.Now()
		all := drawAll(t.Context(), b, keys...)
		for i, key := range keys {
			if r := all[key]; r.err != nil || r.drawn.User != fmt.Sprint("user", i) || r.drawn.Index != 9 {
				t.Fatalf("%s: %+v %v", key, r.drawn, r.err)
			}
		}
		n := 0
		for _, size := range s.sizes {
			if n += size; size > MaxBatch {
				t.Errorf("a batch of %d", size)
			}
		}
		if n != 2500 || len(s.sizes) > 5 || time.Since(began) != time.Duration(len(s.sizes))*time.Second {
			t.Errorf("batches of %v in %v", s.sizes, time.Since(began))
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Every draw of a batch has an end of its own.
func TestBatcherResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchServer{}
		b := s.client(t).NewBatcher(BatcherOptions{})
		all := drawAll(t.Context(), b, "ok1", "cap1", "once1", "busy1", "never1", "ok2")
		for _, key := range []Key{"ok1", "ok2", "once1", "busy1"} {
			if all[key].err != nil {
				t.Errorf("%s: %v", key, all[key].err)
			}
		}
		var denial *Denial
		if err := all["cap1"].err; !errors.As(err, &denial) || denial.Key != "cap1" || denial.Op != "draw flash/user1" || s.times("cap1") != 1 {
			t.Errorf("cap1: %v", err)
		}
		var open *Unanswered
		if err := all["never1"].err; !errors.As(err, &open) || open.Key != "never1" || open.Effect != EffectUnknown || s.times("never1") != DefaultAttempts {
			t.Errorf("never1, sent %d times: %v", s.times("never1"), err)
		}
		// Batches with a draw that may have been decided are marked, and no others.
		if s.marks[0] != "" || s.marks[len(s.marks)-1] != "1" {
			t.Errorf("marks %q", s.marks)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := b.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u", Key: "k"}); !errors.Is(err, ErrBatcherClosed) || EffectOf(err) != EffectNone {
			t.Error(err)
		}
	})
}

// A draw because of which the server refuses a whole request fails alone.
func TestBatcherIsolatesBadDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchServer{}
		b := s.client(t).NewBatcher(BatcherOptions{})
		all := drawAll(t.Context(), b, "ok0", "ok1", "ok2", "bad", "ok3", "ok4", "ok5")
		for key, r := range all {
			if key == "bad" {
				if p := problemOf(r.err); !errors.Is(r.err, ErrInvalidField) || p.Key != "bad" || EffectOf(r.err) != EffectNone {
					t.Errorf("bad: %v", r.err)
				}
			} else if r.err != nil {
				t.Errorf("%s: %v", key, r.err)
			}
		}
		_ = b.Close(t.Context())
	})
}

// A caller who gives up takes what waits out of the queue: effect none. What is on its way goes on: effect unknown.
func TestBatcherCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchServer{}
		b := s.client(t).NewBatcher(BatcherOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		first := make(chan drawnOrNot, 1)
		go func() { first <- drawAll(ctx, b, "ok-sent")["ok-sent"] }()
		synctest.Wait()
		stays := make(chan drawnOrNot, 1)
		go func() { stays <- drawAll(t.Context(), b, "ok-stays")["ok-stays"] }()
		synctest.Wait()
		short, done := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer done()
		waits := drawAll(short, b, "ok-waits")["ok-waits"]
		if EffectOf(waits.err) != EffectNone || !errors.Is(waits.err, context.DeadlineExceeded) {
			t.Errorf("waiting: %v", waits.err)
		}
		if r := <-first; EffectOf(r.err) != EffectUnknown {
			t.Errorf("sent: %v", r.err)
		}
		if r := <-stays; r.err != nil {
			t.Errorf("stays: %v", r.err)
		}
		if s.times("ok-waits") != 0 {
			t.Error("a draw was sent after its caller had been told that it was not")
		}
		_ = b.Close(t.Context())
	})
}

// Backpressure: more callers than MaxQueued wait to get in, and may give up.
func TestBatcherBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchServer{}
		b := s.client(t).NewBatcher(BatcherOptions{MaxBatch: 1, MaxQueued: 2})
		in := make(chan map[Key]drawnOrNot, 1)
		go func() { in <- drawAll(t.Context(), b, "ok1", "ok2") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		third := make(chan drawnOrNot, 1)
		go func() { third <- drawAll(ctx, b, "ok3")["ok3"] }()
		synctest.Wait()
		b.mu.Lock()
		if n := len(b.mu.queue); n != 1 {
			t.Errorf("%d draws wait in the queue", n)
		}
		b.mu.Unlock()
		if r := <-third; EffectOf(r.err) != EffectNone || s.times("ok3") != 0 {
			t.Errorf("%v", r.err)
		}
		for key, r := range <-in {
			if r.err != nil {
				t.Errorf("%s: %v", key, r.err)
			}
		}
		if r := drawAll(t.Context(), b, "ok4")["ok4"]; r.err != nil {
			t.Error(r.err)
		}
		_ = b.Close(t.Context())
	})
}

// Close waits for what is in; with a context that ends it cuts it off, says so, and leaves no goroutine (synctest would wait for it).
func TestBatcherClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchServer{}
		b := s.client(t).NewBatcher(BatcherOptions{})
		in := make(chan map[Key]drawnOrNot, 1)
		go func() { in <- drawAll(t.Context(), b, "ok1") }()
		synctest.Wait()
		if err := b.Close(t.Context()); err != nil || b.Close(t.Context()) != nil {
			t.Error(err)
		}
		if r := (<-in)["ok1"]; r.err != nil {
			t.Error(r.err)
		}

		b = s.client(t).NewBatcher(BatcherOptions{})
		go func() { in <- drawAll(t.Context(), b, "ok1") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if r := (<-in)["ok1"]; EffectOf(r.err) != EffectUnknown {
			t.Error(r.err)
		}
	})
}

// DrawBatch sends again what its answer left open, and only that.
func TestDrawBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchServer{}
		c := s.client(t)
		var requests []DrawRequest
		for _, key := range []Key{"ok1", "cap1", "once1", "busy1", `ok"`} {
			requests = append(requests, DrawRequest{Campaign: "flash", User: "u1", Key: key})
		}
		results, err := c.DrawBatch(t.Context(), requests)
		if err != nil || len(results) != 5 {
			t.Fatal(err)
		}
		for i, want := range []error{nil, ErrCapped, nil, nil, nil} {
			if !errors.Is(results[i].Err, want) || (want == nil) != (results[i].Drawn != nil) {
				t.Errorf("%s: %v", requests[i].Key, results[i].Err)
			}
		}
		if fmt.Sprint(s.sizes) != "[5 2]" || fmt.Sprintf("%q", s.marks) != `["" "1"]` || s.times(`ok"`) != 1 {
			t.Errorf("batches of %v, marks %q, seen %v", s.sizes, s.marks, s.seen)
		}
		// An answer with another number of results decides nothing that we know of.
		short := newScript(reply(200, `{"results":[]}`))
		results, err = short.client(t).DrawBatch(t.Context(), requests)
		if err != nil || EffectOf(results[0].Err) != EffectUnknown || len(short.sends()) != 1 {
			t.Errorf("%v: %v", err, results)
		}
	})
}
