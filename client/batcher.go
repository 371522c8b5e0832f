package client

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// BatcherOptions of a Batcher. Zero values mean the documented default.
type BatcherOptions struct {
	Lanes     int // requests in flight at once; more of them are worth it over long distances. Default DefaultLanes
	MaxBatch  int // draws in one request, sub-draws counted; default MaxBatch
	MaxQueued int // draws that wait or are in flight; more callers wait to get in; default DefaultMaxQueued
}

// Defaults of BatcherOptions.
const (
	DefaultLanes     = 1
	DefaultMaxQueued = 16 * MaxBatch
)

// ErrBatcherClosed is inside the error of a draw that came after Close.
var ErrBatcherClosed = errors.New("the batcher is closed")

// Batcher turns the draws of many goroutines into few requests. Nothing waits for company: a draw that finds a lane free is sent
// alone and at once, and what comes while all lanes have a request in flight goes with the next one. So batches are as large as the
// server is busy, and a quiet program sees no delay.
//
// Each draw keeps its own key, context and result. A caller who gives up takes his draw out of the queue, and leaves alone those with
// whom it was sent.
type Batcher struct {
	client  *Client
	options BatcherOptions
	slots   chan struct{} // as many as MaxQueued
	base    context.Context
	cancel  context.CancelFunc

	mu struct {
		sync.Mutex
		queue  []*waiting // oldest first
		lanes  int        // that run
		closed bool
		idle   chan struct{} // closed when the last lane ends after Close
	}
}

// waiting is a draw in the batcher.
type waiting struct {
	batchItem
	deadline time.Time
	state    atomic.Uint32
	done     chan struct{} // one word for each time it was sent
}

// States of a waiting draw.
const (
	queued uint32 = iota
	taken         // a lane sends it
	left          // its caller gave up before it was sent
)

// NewBatcher returns a batcher on the client. It panics when an option is negative.
func (c *Client) NewBatcher(o BatcherOptions) *Batcher {
	set(&o.Lanes, DefaultLanes)
	set(&o.MaxBatch, MaxBatch)
	set(&o.MaxQueued, DefaultMaxQueued)
	if o.Lanes < 0 || o.MaxBatch < 0 || o.MaxQueued < 0 {
		panic("BUG: client: a BatcherOptions field is negative")
	}
	o.MaxBatch = min(o.MaxBatch, MaxBatch)
	b := &Batcher{client: c, options: o, slots: make(chan struct{}, o.MaxQueued)}
	b.base, b.cancel = context.WithCancel(context.Background())
	b.mu.idle = make(chan struct{})
	return b
}

// Draw is Client.Draw by way of a batch. When the context ends while the draw is on its way the effect is unknown; while it still
// waits, none.
func (b *Batcher) Draw(ctx context.Context, r DrawRequest) (*Drawn, error) {
	item, err := newItem(&r)
	if err != nil {
		return nil, err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.client.options.Timeout)
		defer cancel()
	}
	w := &waiting{batchItem: *item, done: make(chan struct{}, 1)}
	w.deadline, _ = ctx.Deadline()
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, w.gaveUp(ctx.Err(), EffectNone)
	}
	defer func() { <-b.slots }()
	for {
		before := EffectNone
		if w.unknown {
			before = EffectUnknown
		}
		if !b.enqueue(w) {
			return nil, w.gaveUp(ErrBatcherClosed, before)
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			if w.state.CompareAndSwap(queued, left) {
				return nil, w.gaveUp(ctx.Err(), before)
			}
			return nil, w.gaveUp(ctx.Err(), EffectUnknown) // the lane writes into w: only the request may be read
		}
		w.read()
		if !w.goesOn(b.client) || sleep(ctx, w.pause(b.client)) != nil {
			return w.result()
		}
	}
}

func (w *waiting) gaveUp(err error, effect Effect) error {
	return &Unanswered{Op: w.request.op(), Key: w.request.Key, Effect: effect, Err: err}
}

// Close takes no more draws, waits for those that are in the batcher, and ends its goroutines. When the context ends before, the
// requests in flight are cut off: their draws return with an unknown effect, and Close returns the context's error.
func (b *Batcher) Close(ctx context.Context) error {
	b.mu.Lock()
	if !b.mu.closed {
		b.mu.closed = true
		if b.mu.lanes == 0 {
			close(b.mu.idle)
		}
	}
	b.mu.Unlock()
	defer b.cancel()
	select {
	case <-b.mu.idle:
		return nil
	case <-ctx.Done():
		b.cancel()
		<-b.mu.idle
		return ctx.Err()
	}
}

// enqueue puts a draw behind the others, and starts a lane if one is free.
func (b *Batcher) enqueue(w *waiting) bool {
	w.state.Store(queued)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.closed {
		return false
	}
	b.mu.queue = append(b.mu.queue, w)
	if b.mu.lanes < b.options.Lanes {
		b.mu.lanes++
		go b.lane()
	}
	return true
}

// lane sends what waits, one request at a time, and ends when nothing does.
func (b *Batcher) lane() {
	var batch []*waiting
	for {
		runtime.Gosched() // who was answered just now may have another draw to send along
		if batch = b.take(batch[:0]); len(batch) == 0 {
			return
		}
		b.send(batch)
		for _, w := range batch {
			w.done <- struct{}{}
		}
		clear(batch)
	}
}

// take takes the oldest draws, as many as fit into a request. The lane has ended when it returns none.
func (b *Batcher) take(batch []*waiting) []*waiting {
	b.mu.Lock()
	defer b.mu.Unlock()
	weight, size, n := 0, 0, 0
	for _, w := range b.mu.queue {
		if len(batch) > 0 && (weight+w.weight > b.options.MaxBatch || size+len(w.json)+1 > maxBatchBytes) {
			break
		}
		n++
		if w.state.CompareAndSwap(queued, taken) {
			batch = append(batch, w)
			weight += w.weight
			size += len(w.json) + 1
		}
	}
	rest := copy(b.mu.queue, b.mu.queue[n:])
	clear(b.mu.queue[rest:])
	b.mu.queue = b.mu.queue[:rest]
	if len(batch) == 0 {
		b.mu.lanes--
		if b.mu.closed && b.mu.lanes == 0 {
			close(b.mu.idle)
		}
	}
	return batch
}

// send sends a batch until the last of its callers has given up. If the server refuses the form of the request as a whole, its draws
// are sent in parts: one bad draw must not fail its neighbours.
func (b *Batcher) send(batch []*waiting) {
	items := make([]*batchItem, len(batch))
	last := batch[0].deadline
	for i, w := range batch {
		items[i] = &w.batchItem
		if w.deadline.After(last) {
			last = w.deadline
		}
	}
	ctx, cancel := context.WithDeadline(b.base, last)
	defer cancel()
	if err := b.client.sendBatch(ctx, items); err == nil || len(batch) == 1 || !malformed(err) {
		return
	}
	for _, w := range batch {
		w.err, w.final = nil, false
	}
	b.send(batch[:len(batch)/2])
	b.send(batch[len(batch)/2:])
}

// malformed reports whether a request was refused for what is in it, before anything was decided.
func malformed(err error) bool {
	var open *Unanswered
	p := problemOf(err)
	if p == nil || errors.As(err, &open) || p.Effect != EffectNone {
		return false
	}
	switch p.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}
