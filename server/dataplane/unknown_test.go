package dataplane

import (
	"net/http"
	"sync"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// forgetful decides what it is given, keeps it, and says of the first batch that nobody knows.
type forgetful struct {
	Decider
	mu   sync.Mutex
	seen []*engine.Batch
}

func (f *forgetful) Decide(b *engine.Batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, b)
	if len(f.seen) == 1 {
		return problem.New(problem.UnknownOutcome, "the log may still write into it")
	}
	return f.Decider.Decide(b)
}

// A batch whose outcome is unknown belongs to the log: no later request of the same worker may be written into it.
func TestABatchOfAnUnknownOutcomeIsNotUsedAgain(t *testing.T) {
	f := &forgetful{}
	r := start(t, func(o *Options) { f.Decider, o.Decider = o.Decider, f })
	first := r.plain(http.DefaultTransport, "open", "k1", `{"user":"u1"}`)
	r.want("unknown", first, 504, "unknown_outcome")
	for _, key := range []string{"k2", "k3", "k4"} {
		r.want(key, r.plain(http.DefaultTransport, "open", key, `{"user":"u1"}`), 200, "")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, b := range f.seen[1:] {
		if b == f.seen[0] {
			t.Errorf("request %d was written into the batch that the log has", i+2)
		}
	}
}
