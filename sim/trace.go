package sim

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// traceLines is how many of the last events are kept.
const traceLines = 20000

// Trace is a ring of what happened last: what the nemeses did, where the nodes stood, what went over the network. Events are
// put into words only when somebody reads them.
type Trace struct {
	began time.Time
	mu    struct {
		sync.Mutex
		events []event
		total  int
	}
}

// event is one line, or one message.
type event struct {
	at       time.Duration
	text     string // of a line
	from, to string // of a message
	bytes    int
	first    byte
}

func (e *event) String() string {
	if e.text != "" {
		return fmt.Sprintf("%12.6f %s", e.at.Seconds(), e.text)
	}
	return fmt.Sprintf("%12.6f   %s>%s %d bytes, first %#02x", e.at.Seconds(), e.from, e.to, e.bytes, e.first)
}

// NewTrace returns an empty trace whose times count from now.
func NewTrace() *Trace { return &Trace{began: time.Now()} }

// Add notes one event.
func (t *Trace) Add(format string, args ...any) { t.add(event{text: fmt.Sprintf(format, args...)}) }

// message notes what one write put on the wire.
func (t *Trace) message(from, to string, p []byte) {
	t.add(event{from: from, to: to, bytes: len(p), first: p[0]})
}

func (t *Trace) add(e event) {
	e.at = time.Since(t.began)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.total < traceLines {
		t.mu.events = append(t.mu.events, e)
	} else {
		t.mu.events[t.mu.total%traceLines] = e
	}
	t.mu.total++
}

// Write writes the trace, oldest first.
func (t *Trace) Write(w io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := max(0, t.mu.total-traceLines)
	if _, err := fmt.Fprintf(w, "the last %d of %d events; seconds of simulated time\n", t.mu.total-first, t.mu.total); err != nil {
		return err
	}
	for i := first; i < t.mu.total; i++ {
		if _, err := fmt.Fprintln(w, &t.mu.events[i%traceLines]); err != nil {
			return err
		}
	}
	return nil
}
