package engine

import (
	"errors"
	"math/bits"
)

// PageID names a page of a checkpoint. It is opaque: shard count, shard and page number.
type PageID uint64

func (w *world) pageID(shard int, page uint32) PageID {
	return PageID(bits.TrailingZeros(uint(len(w.shards))))<<56 | PageID(shard)<<32 | PageID(page)
}

func (id PageID) split() (shards, shard int, page uint32) {
	return 1 << (id >> 56 & 31), int(id >> 32 & 0xFFFFFF), uint32(id)
}

// ErrCapturing says that another capture is under way.
var ErrCapturing = errors.New("engine: a capture is under way")

// Capture is a cut of the state that is read out while entries go on being applied. There is one at a time.
//
// Nothing is copied when it is taken: a page that changes before it was read out is saved first, under its shard's lock.
type Capture struct {
	engine *Engine
	world  *world
	meta   *metaCut
	shard  int
	pages  int
}

// Capture cuts the state as it is now: the pages changed since the last committed capture (all of them, when full), and
// everything else as Meta. It is called between two Applies, by the goroutine that applies.
func (e *Engine) Capture(full bool) (*Capture, error) {
	if !e.capturing.CompareAndSwap(false, true) {
		return nil, ErrCapturing
	}
	w := e.world.Load()
	w.lockAll()
	defer w.unlockAll()
	c := &Capture{engine: e, world: w, meta: w.cut()}
	for i := range w.shards {
		c.pages += w.shards[i].mu.arena.BeginCapture(full)
	}
	return c, nil
}

// Index returns the position of the cut: everything up to it is in, nothing after it.
func (c *Capture) Index() LogIndex { return c.meta.index }

// RunningHash returns the running hash at the cut.
func (c *Capture) RunningHash() [16]byte { return c.meta.running }

// Pages returns how many pages Next will give.
func (c *Capture) Pages() int { return c.pages }

// Meta encodes everything but the pages, with a checksum of its own. It may be called by any goroutine.
func (c *Capture) Meta() []byte { return c.meta.encode(true) }

// Next copies the next page into buf, of PageSize. A page that was freed is all zero. It may be called by any
// goroutine, one at a time, and takes a shard's lock for the length of one copy.
func (c *Capture) Next(buf []byte) (id PageID, ok bool) {
	for ; c.shard < len(c.world.shards); c.shard++ {
		mu := &c.world.shards[c.shard].mu
		mu.Lock()
		page, ok := mu.arena.NextCapture(buf)
		mu.Unlock()
		if ok {
			return c.world.pageID(c.shard, page), true
		}
	}
	return 0, false
}

// Commit says that the cut is durable: the next capture begins after it.
func (c *Capture) Commit() { c.finish(true) }

// Abort says that it is not: its pages come again with the next one.
func (c *Capture) Abort() { c.finish(false) }

func (c *Capture) finish(committed bool) {
	for i := range c.world.shards {
		mu := &c.world.shards[i].mu
		mu.Lock()
		mu.arena.EndCapture(committed)
		mu.Unlock()
	}
	c.engine.capturing.Store(false)
}
