//go:build linux

package load_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// tally is a workload that counts what happens to each request.
type tally struct {
	sent, answered, lost, again []int
	retryStatus                 int // answers with this status are asked for again
}

func newTally(n int) *tally {
	return &tally{sent: make([]int, n), answered: make([]int, n), lost: make([]int, n), again: make([]int, n)}
}

func (w *tally) AppendRequest(dst []byte, id uint32, again bool) []byte {
	w.sent[id]++
	if again {
		w.again[id]++
	}
	body := fmt.Sprintf(`{"id":%d}`, id)
	return fmt.Appendf(dst, "POST /x HTTP/1.1\r\nHost: test\r\nX-Id: %d\r\nContent-Length: %d\r\n\r\n%s", id, len(body), body)
}

func (w *tally) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	if a.Status == w.retryStatus {
		return load.Refused, time.Millisecond
	}
	if string(a.Body) != fmt.Sprintf(`{"id":%d}`, id) {
		return load.Failed, load.Done
	}
	w.answered[id]++
	return load.Decided, load.Done
}

func (w *tally) Lost(id uint32, _ int) time.Duration {
	w.lost[id]++
	return 0
}

// echo answers each request with its own body. answer may change what is written; false cuts the connection.
func echo(t *testing.T, ln net.Listener, answer func(n int64) (status int, keep bool)) {
	t.Helper()
	var served atomic.Int64
	var open sync.WaitGroup
	t.Cleanup(func() { ln.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					body, err := io.ReadAll(req.Body)
					if err != nil {
						return
					}
					status, keep := answer(served.Add(1))
					if !keep {
						return
					}
					fmt.Fprintf(c, "HTTP/1.1 %d x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
				}
			})
		}
	})
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func always(int64) (int, bool) { return 200, true }

func TestClosedLoopAnswersEachRequestOnce(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	echo(t, ln, always)
	const n = 3000
	works := make([]*tally, 2)
	st, err := load.Run(t.Context(), load.Options{Addr: ln.Addr().String(), Connections: 7, Loops: 2},
		load.Schedule{Requests: n}, func(k int) load.Workload { works[k] = newTally(n); return works[k] })
	if err != nil {
		t.Fatal(err)
	}
	for id := range n {
		mine, other := works[id%2], works[1-id%2]
		if mine.sent[id] != 1 || mine.answered[id] != 1 || other.sent[id] != 0 {
			t.Fatalf("request %d: sent %d answered %d, by the other loop %d", id, mine.sent[id], mine.answered[id], other.sent[id])
		}
	}
	if st.Answered[load.Decided] != n || st.Sent != n || st.Unresolved != 0 || st.Reconnects != 0 {
		t.Fatalf("stats: %+v", st)
	}
	if all := load.All(st.Latency); all.TotalCount() != n {
		t.Fatalf("histogram holds %d of %d", all.TotalCount(), n)
	}
}

func TestOpenLoopKeepsScheduleAndCountsLatencyFromTheDueTime(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	release := make(chan struct{})
	echo(t, ln, func(n int64) (int, bool) {
		if n == 1 { // the first answer is held until the others have long been due, from its coming: it may be sent late
			time.AfterFunc(60*time.Millisecond, func() { close(release) })
			<-release
		}
		return 200, true
	})
	arrivals := []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 30 * time.Millisecond}
	w := newTally(len(arrivals))
	opts := load.Options{Addr: ln.Addr().String(), Connections: 1}
	st, err := load.Run(t.Context(), opts, load.Schedule{Arrivals: arrivals}, func(int) load.Workload { return w })
	if err != nil {
		t.Fatal(err)
	}
	// One connection, held for 60 ms: those due at 1 and 2 ms waited for it. That is latency, not service time and
	// not lag. (Lower bounds only: a slow machine makes them larger.)
	latency, service := load.All(st.Latency), load.All(st.Service)
	if got := latency.ValueAtQuantile(75); got < 50_000 {
		t.Errorf("the third smallest latency is %d µs, below the 57 ms that it had to wait", got)
	}
	if latency.Min() < 25_000 || service.Max() < 59_000 {
		t.Errorf("least latency %d µs, longest service %d µs", latency.Min(), service.Max())
	}
	if st.Due != uint64(len(arrivals)) || st.Answered[load.Decided] != uint64(len(arrivals)) {
		t.Errorf("due %d, answered %v", st.Due, st.Answered)
	}
	if st.Lag.TotalCount() != int64(len(arrivals)) {
		t.Errorf("lag of %d sendings", st.Lag.TotalCount())
	}
}

func TestCutConnectionsAreGivenBack(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	echo(t, ln, func(n int64) (int, bool) { return 200, n%10 != 0 })
	const n = 500
	w := newTally(n)
	st, err := load.Run(t.Context(), load.Options{Addr: ln.Addr().String(), Connections: 4},
		load.Schedule{Requests: n}, func(int) load.Workload { return w })
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for id := range n {
		lost += w.lost[id]
		if w.answered[id] != 1 || w.sent[id] != 1+w.lost[id] || w.again[id] != w.lost[id] {
			t.Fatalf("request %d: sent %d (again %d), lost %d, answered %d", id, w.sent[id], w.again[id], w.lost[id], w.answered[id])
		}
	}
	if lost == 0 || st.LostCount != uint64(lost) || st.Reconnects == 0 {
		t.Fatalf("lost %d, stats %+v", lost, st)
	}
}

func TestRefusedAnswersAreRepeated(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	echo(t, ln, func(n int64) (int, bool) {
		if n%3 == 0 {
			return 503, true
		}
		return 200, true
	})
	const n = 300
	w := newTally(n)
	w.retryStatus = 503
	st, err := load.Run(t.Context(), load.Options{Addr: ln.Addr().String(), Connections: 4},
		load.Schedule{Requests: n}, func(int) load.Workload { return w })
	if err != nil {
		t.Fatal(err)
	}
	if st.Answered[load.Decided] != n || st.Repeated == 0 || st.Sent != n+st.Repeated {
		t.Fatalf("stats %+v", st)
	}
}

func TestServerThatGoesAwayAndComesBack(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	addr := ln.Addr().String()
	var died atomic.Bool
	back := make(chan struct{})
	echo(t, ln, func(n int64) (int, bool) {
		if n == 100 {
			died.Store(true)
			ln.Close()
			close(back)
		}
		return 200, !died.Load()
	})
	go func() {
		<-back
		// The port may take a moment to be free again.
		for {
			again, err := net.Listen("tcp", addr)
			if err == nil {
				t.Cleanup(func() { again.Close() })
				echo(t, again, always)
				return
			}
		}
	}()
	const n = 1000
	w := newTally(n)
	st, err := load.Run(t.Context(), load.Options{Addr: addr, Connections: 8},
		load.Schedule{Requests: n}, func(int) load.Workload { return w })
	if err != nil {
		t.Fatal(err)
	}
	for id := range n {
		if w.answered[id] != 1 {
			t.Fatalf("request %d was answered %d times", id, w.answered[id])
		}
	}
	if st.LostCount == 0 || st.Reconnects < 8 {
		t.Fatalf("lost %d, reconnects %d", st.LostCount, st.Reconnects)
	}
}

func TestLargeRequestsAndAnswers(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	echo(t, ln, always)
	w := &large{body: bytes.Repeat([]byte("0123456789abcdef"), 256<<10)}
	st, err := load.Run(t.Context(), load.Options{Addr: ln.Addr().String(), Connections: 2},
		load.Schedule{Requests: 6}, func(int) load.Workload { return w })
	if err != nil {
		t.Fatal(err)
	}
	if st.Answered[load.Decided] != 6 || w.wrong != 0 {
		t.Fatalf("answered %v, wrong %d", st.Answered, w.wrong)
	}
}

// large sends bodies beyond any socket buffer.
type large struct {
	body  []byte
	wrong int
}

func (w *large) AppendRequest(dst []byte, _ uint32, _ bool) []byte {
	dst = fmt.Appendf(dst, "POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", len(w.body))
	return append(dst, w.body...)
}

func (w *large) Answer(_ uint32, a *load.Answer) (load.Class, time.Duration) {
	if !bytes.Equal(a.Body, w.body) {
		w.wrong++
	}
	return load.Decided, load.Done
}

func (w *large) Lost(uint32, int) time.Duration { return load.Done }

func TestRunEndsWithItsContext(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	hold := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	echo(t, ln, func(int64) (int, bool) { cancel(); <-hold; return 200, false })
	t.Cleanup(func() { close(hold) })
	st, err := load.Run(ctx, load.Options{Addr: ln.Addr().String(), Connections: 1},
		load.Schedule{Arrivals: []time.Duration{0, 0, 0}}, func(int) load.Workload { return newTally(3) })
	if err != context.Canceled || st.Unresolved != 3 {
		t.Fatalf("error %v, unresolved %d", err, st.Unresolved)
	}
}

func TestNothingListening(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	addr := ln.Addr().String()
	ln.Close()
	_, err := load.Run(t.Context(), load.Options{Addr: addr, Connect: 20 * time.Millisecond},
		load.Schedule{Requests: 1}, func(int) load.Workload { return newTally(1) })
	if err == nil {
		t.Fatal("no error")
	}
}

// TestBeginSaysWhen: the connections stand before the moment of the start is asked for, and nothing is sent before it, or at all when
// there is no start.
func TestBeginSaysWhen(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	echo(t, ln, func(int64) (int, bool) { return 200, true })
	arrivals := []time.Duration{0, time.Millisecond}
	var at, told time.Time
	opts := load.Options{
		Addr: ln.Addr().String(), Connections: 2,
		Begin:   func() (time.Time, error) { at = time.Now().Add(30 * time.Millisecond); return at, nil },
		OnStart: func(t0 time.Time) { told = t0 },
	}
	w := newTally(len(arrivals))
	st, err := load.Run(t.Context(), opts, load.Schedule{Arrivals: arrivals}, func(int) load.Workload { return w })
	if err != nil || st.Answered[load.Decided] != 2 || !told.Equal(at) || time.Now().Before(at) {
		t.Fatalf("%v, %+v, begun %v, told %v", err, st, at, told)
	}
	none := errors.New("no start")
	opts.Begin = func() (time.Time, error) { return time.Time{}, none }
	w = newTally(len(arrivals))
	if st, err := load.Run(t.Context(), opts, load.Schedule{Arrivals: arrivals}, func(int) load.Workload { return w }); !errors.Is(err, none) || st.Sent != 0 {
		t.Errorf("%v, %d sent", err, st.Sent)
	}
}

// inOrder notes in which order requests are sent.
type inOrder struct {
	*tally
	ids []uint32
}

func (w *inOrder) AppendRequest(dst []byte, id uint32, again bool) []byte {
	w.ids = append(w.ids, id)
	return w.tally.AppendRequest(dst, id, again)
}

// TestWhatIsDueFirstGoesFirst: what is asked for again does not go before what was due earlier and has never been sent.
func TestWhatIsDueFirstGoesFirst(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	echo(t, ln, func(n int64) (int, bool) {
		if n <= 2 { // held until the third is long due, and what was refused may be asked for again
			held := make(chan struct{})
			time.AfterFunc(40*time.Millisecond, func() { close(held) })
			<-held
		}
		if n == 1 {
			return 503, true
		}
		return 200, true
	})
	w := &inOrder{tally: newTally(3)}
	w.retryStatus = 503
	st, err := load.Run(t.Context(), load.Options{Addr: ln.Addr().String(), Connections: 1}, load.Schedule{Arrivals: []time.Duration{0, time.Millisecond, 2 * time.Millisecond}},
		func(int) load.Workload { return w })
	if err != nil || st.Answered[load.Decided] != 3 {
		t.Fatal(err, st)
	}
	if !slices.Equal(w.ids, []uint32{0, 1, 2, 0}) {
		t.Errorf("sent in the order %v", w.ids)
	}
}
