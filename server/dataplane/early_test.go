package dataplane

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/apitest"
)

// held is a log that tells of what it decided and then keeps its caller waiting.
type held struct {
	*apitest.Log
	told chan struct{} // a token for each batch that was told of
	free chan struct{} // closed: callers go on
}

func (h *held) Decide(b *engine.Batch) error {
	err := h.Log.Decide(b)
	h.told <- struct{}{}
	<-h.free
	return err
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// next reads one answer.
func next(t *testing.T, from *bufio.Reader) (status int, body string) {
	t.Helper()
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// TestEarlyAnswer: the answer is there while the goroutine that asked the log still waits, and comes once.
func TestEarlyAnswer(t *testing.T) {
	var log *held
	r := start(t, func(o *Options) {
		log = &held{Log: o.Decider.(*apitest.Log), told: make(chan struct{}, 8), free: make(chan struct{})}
		o.Decider = log
	})
	c := r.dial()
	answers := bufio.NewReader(c)
	_, _ = c.Write(message("open", "u1", "k1"))
	<-log.told
	status, first := next(t, answers) // nobody has returned from Decide
	if status != 200 || !strings.Contains(first, `"draw":"`) {
		t.Fatalf("%d %s", status, first)
	}
	close(log.free)
	_, _ = c.Write(message("open", "u2", "k2"))
	if status, second := next(t, answers); status != 200 || !strings.Contains(second, `"user":"u2"`) {
		t.Errorf("the next answer is %d %s", status, second)
	}
	_, _ = c.Write(message("open", "u1", "k1"))
	if status, again := next(t, answers); status != 200 || again != first {
		t.Errorf("a replay is %d %s\nthe first answer was %s", status, again, first)
	}
}

// TestEarlyAnswerInParts: what the socket does not take at once is written by the connection.
func TestEarlyAnswerInParts(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	answers := bufio.NewReader(c)
	for i, takes := range []int{0, 1, 100, 1 << 20} {
		tight := func(*engine.Batch) error {
			d := &r.server.snapshot(nil)[0].direct
			d.attempt = func(fd uintptr) bool {
				d.written = writeAtOnce(fd, d.bytes[:min(takes, len(d.bytes))])
				return true
			}
			return nil
		}
		r.log.Before.Store(&tight)
		user := fmt.Sprint("u", i)
		_, _ = c.Write(message("open", user, "k"))
		if status, body := next(t, answers); status != 200 || !strings.Contains(body, `"user":"`+user+`"`) || !strings.HasSuffix(body, "}") {
			t.Errorf("the socket takes %d bytes: %d %s", takes, status, body)
		}
	}
	if n := answers.Buffered(); n != 0 {
		t.Errorf("%d bytes follow the last answer", n)
	}
}

// TestEarlyAnswerOfAFullSocket: the goroutine that delivers does not wait for a client that does not read.
func TestEarlyAnswerOfAFullSocket(t *testing.T) {
	r := start(t, nil)
	junk, landed := 0, make(chan struct{})
	fill := func(b *engine.Batch) error {
		d := &r.server.snapshot(nil)[0].direct
		for more, n := make([]byte, 64<<10), 1; n > 0; junk += n {
			n = d.write(more)
		}
		answer := b.Landed
		b.Landed = func() {
			answer()
			close(landed)
		}
		return nil
	}
	r.log.Before.Store(&fill)
	c := r.dial()
	_, _ = c.Write(message("open", "u1", "k1"))
	<-landed // and nothing was read yet
	answers := bufio.NewReader(c)
	if _, err := answers.Discard(junk); err != nil {
		t.Fatal(err)
	}
	if status, body := next(t, answers); status != 200 || !strings.Contains(body, `"user":"u1"`) {
		t.Errorf("%d %s", status, body)
	}
}

// broken is a log whose results name records that are not there.
type broken struct{ *apitest.Log }

func (l broken) Decide(b *engine.Batch) error {
	landed := b.Landed
	b.Landed = nil
	err := l.Log.Decide(b)
	for i := range b.Results {
		b.Results[i].Offset += 1 << 20
	}
	if landed != nil {
		landed()
	}
	return err
}

// TestEarlyPanic: a panic while an answer is made early ends the connection as any other does, and not the process.
func TestEarlyPanic(t *testing.T) {
	r := start(t, func(o *Options) { o.Decider = broken{o.Decider.(*apitest.Log)} })
	c := r.dial()
	_, _ = c.Write(message("open", "u1", "k1"))
	all, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(all), "HTTP/1.1 500 ") || strings.Count(string(all), "HTTP/1.1") != 1 {
		t.Errorf("%s", all)
	}
	if n := r.server.figures.panics.Get(); n != 1 {
		t.Errorf("%d panics were counted", n)
	}
}

// TestEarlyOfNobody: the client is gone when its draw lands. It was drawn, and its key tells so.
func TestEarlyOfNobody(t *testing.T) {
	decided := make(chan struct{})
	gone := make(chan struct{})
	r := start(t, nil)
	hold := func(*engine.Batch) error {
		close(decided)
		<-gone
		return nil
	}
	r.log.Before.Store(&hold)
	c := r.dial()
	_, _ = c.Write(message("open", "u1", "k1"))
	<-decided
	_ = c.(*net.TCPConn).SetLinger(0) // a reset: writing fails
	_ = c.Close()
	r.log.Before.Store(nil)
	close(gone)
	again := r.dial()
	_, _ = again.Write(message("open", "u1", "k1"))
	answers := bufio.NewReader(again)
	status, body := next(t, answers)
	if status != 200 || !strings.Contains(body, `"draw":"`) {
		t.Errorf("%d %s", status, body)
	}
	if at := r.engine.AppliedIndex(); at > 3 {
		t.Errorf("log index %d", at)
	}
}

// TestNotEarly: refusals of the log are answered by their connections, and a batch is told of no further.
func TestNotEarly(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	answers := bufio.NewReader(c)
	_, _ = c.Write(message("soldout", "u1", "k1"))
	if status, _ := next(t, answers); status != 200 {
		t.Fatal(status)
	}
	_, _ = c.Write(message("soldout", "u2", "k2", "Drawd-Retry: 1")) // past the facts
	if status, body := next(t, answers); status != 409 || !strings.Contains(body, `"exhausted"`) {
		t.Errorf("%d %s", status, body)
	}
	refuse := func(b *engine.Batch) error {
		if b.Landed == nil {
			return errors.New("nothing is to be told")
		}
		return problem.New(problem.Overloaded, "")
	}
	r.log.Before.Store(&refuse)
	_, _ = c.Write(message("open", "u3", "k3"))
	if status, body := next(t, answers); status != 503 || !strings.Contains(body, `"overloaded"`) {
		t.Errorf("%d %s", status, body)
	}
	r.log.Before.Store(nil)
	_, _ = c.Write(message("open", "u3", "k3"))
	if status, body := next(t, answers); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// TestNotEarlyOfAReplay: a draw that another request of its key overtakes on the way to the log is answered as the replay that it is, by
// its connection. What is answered early is counted once, as all of it is.
func TestNotEarlyOfAReplay(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	answers := bufio.NewReader(c)
	overtake := func(b *engine.Batch) error {
		r.log.Before.Store(nil)
		landed := b.Landed
		b.Landed = nil
		defer func() { b.Landed = landed }()
		return r.log.Decide(b)
	}
	r.log.Before.Store(&overtake)
	_, _ = c.Write(message("open", "u1", "k1"))
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Idempotent-Replayed") != "true" || !strings.Contains(string(body), `"draw":"`) {
		t.Errorf("%d %v %s, %v", resp.StatusCode, resp.Header, body, err)
	}
	f := r.server.figures
	if n := f.wins.Get() + f.misses.Get() + f.panics.Get(); n != 0 {
		t.Errorf("a replay was counted %d times", n)
	}
	_, _ = c.Write(message("open", "u2", "k2"))
	if status, _ := next(t, answers); status != 200 {
		t.Fatal(status)
	}
	_, _ = c.Write(message("open", "u2", "k2")) // read once the draw has ended
	_, _ = next(t, answers)
	if n := f.wins.Get() + f.misses.Get(); n != 1 {
		t.Errorf("a draw was counted %d times", n)
	}
}
