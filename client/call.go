package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// repeat says what sending a request twice can do.
type repeat uint8

const (
	once    repeat = iota // it may act twice: never sent again after an unknown outcome
	reads                 // it changes nothing
	keyed                 // its key makes it one
	natural               // doing it again is the same, or is answered as done already
)

// call is one operation, sent as often as it takes.
type call struct {
	op      string // for errors: "draw flash/u1"
	admin   bool   // of the control plane
	method  string
	path    string // needs no escaping
	query   string
	body    []byte
	content string // type of body
	accept  string
	match   string // If-Match
	none    string // If-None-Match
	key     Key    // in the header
	repeat  repeat
	again   bool          // it was sent before, by somebody who does not know the outcome
	waits   time.Duration // how long the server is asked to wait for an answer
}

// answer is a good answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// replayed reports whether the answer was given before.
func (a *answer) replayed() bool { return a.header.Get("Idempotent-Replayed") == "true" }

// do sends a call until something settles it, and returns a good answer, a *Problem, a *Denial or an *Unanswered.
func (c *Client) do(ctx context.Context, k *call) (*answer, error) {
	n := c.data
	if k.admin {
		n = c.control
	}
	if len(n.urls) == 0 {
		return nil, &Unanswered{Op: k.op, Key: k.key, Err: errors.New("no URL of this plane in Options")}
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.options.Timeout+k.waits)
		defer cancel()
	}
	t := trial{client: c, call: k, nodes: n, at: n.first(), unknown: k.again}
	for {
		if err := ctx.Err(); err != nil {
			return nil, t.unanswered(err)
		}
		a, f := c.send(ctx, &t)
		if f == nil {
			return a, nil
		}
		if !t.goesOn(f) {
			return nil, t.settled(f)
		}
		if err := t.pause(ctx); err != nil {
			return nil, t.settled(f)
		}
	}
}

// failure is a send without a good answer.
type failure struct {
	err    error
	effect Effect // of this send
	again  bool   // the node would take it again
	leave  bool   // another node may answer better
	after  time.Duration
	leader string // who leads, if it was said
}

// trial is a call on its way: what its sends have come to.
type trial struct {
	client  *Client
	call    *call
	nodes   *nodes
	at      int // the node that is asked
	sends   int
	unknown bool // a send may have been decided
	rest    []time.Time
}

// goesOn notes a failure and reports whether the call is sent again.
func (t *trial) goesOn(f *failure) bool {
	if f.effect == EffectUnknown && t.call.repeat != reads {
		t.unknown = true
	}
	if f.after > 0 {
		if t.rest == nil {
			t.rest = make([]time.Time, len(t.nodes.urls))
		}
		t.rest[t.at] = time.Now().Add(f.after)
	}
	if at, ok := t.nodes.hinted(f.leader); ok {
		t.at = at
	} else if f.leave {
		t.at = t.nodes.leave(t.at)
	}
	if t.sends >= t.client.options.Attempts || !f.again {
		return false
	}
	return f.effect != EffectUnknown || t.call.repeat != once
}

// pause waits before the next send: at random up to a bound that doubles, so that those who failed together do not come back
// together; and not before the node wants to be asked again.
func (t *trial) pause(ctx context.Context) error {
	wait := t.client.backoff(t.sends)
	if t.rest != nil {
		wait = max(wait, time.Until(t.rest[t.at])) // jittered by the server
	}
	return sleep(ctx, wait)
}

// backoff returns a pause after so many sends, without what the server asked for.
func (c *Client) backoff(sends int) time.Duration {
	most := c.options.BackoffBase << min(sends-1, 20)
	return c.jitter(min(most, c.options.BackoffMax))
}

// sleep waits, unless the caller would not wait for so long: then it says so at once.
func sleep(ctx context.Context, wait time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled makes the call's error of the failure after which it ends.
func (t *trial) settled(f *failure) error {
	p := problemOf(f.err)
	switch {
	case p == nil:
		return t.unanswered(f.err)
	case p.Effect == EffectApplied:
		return f.err
	case t.unknown && !(p.Effect == EffectNone && p.settles(t.call.repeat)):
		return t.unanswered(p) // not the *Denial around it: nobody may take this for one
	}
	return f.err
}

func (t *trial) unanswered(err error) error {
	u := &Unanswered{Op: t.call.op, Key: t.call.key, Attempts: t.sends, Err: err}
	if t.unknown {
		u.Effect = EffectUnknown
	}
	return u
}
