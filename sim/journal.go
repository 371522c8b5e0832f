package sim

import (
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/drawtest"
	"github.com/drawd/drawd/sim/check"
)

// journal is what all clients did, as they saw it.
type journal struct {
	tick atomic.Uint64 // orders what clients begin and end, also within one instant of simulated time
	mu   struct {
		sync.Mutex
		attempts []*check.Attempt
		counts   [3]int // attempts by outcome
	}
}

// begin notes an attempt before it is sent.
func (j *journal) begin(client int, key string, c *drawtest.Command, encoded []byte) *check.Attempt {
	a := &check.Attempt{Client: client, Key: key, Command: c, Bytes: append([]byte(nil), encoded...)}
	j.mu.Lock()
	defer j.mu.Unlock()
	a.Invoked = j.tick.Add(1)
	j.mu.attempts = append(j.mu.attempts, a)
	j.mu.counts[check.Unknown]++
	return a
}

// end notes what became of it. An attempt whose client never came back stays unknown.
func (j *journal) end(a *check.Attempt, outcome check.Outcome, fill func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a.Returned, a.Outcome = j.tick.Add(1), outcome
	j.mu.counts[check.Unknown]--
	j.mu.counts[outcome]++
	if fill != nil {
		fill()
	}
}

// all returns the attempts. Nobody may add to them any more.
func (j *journal) all() []*check.Attempt {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.attempts
}

// told takes what the log answered to one attempt out of its batch.
func told(a *check.Attempt, b *engine.Batch) {
	a.Index, a.Result = b.Index, b.Results[0]
	if !a.Result.Replayed {
		a.Records = append([]byte(nil), b.Records[a.Result.Offset:a.Result.Offset+a.Result.Length]...)
	}
	a.Result.Offset, a.Result.Length = 0, 0
}
