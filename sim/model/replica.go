package model

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/drawtest"
)

// replica is one copy of the state machine, with its checkpoint.
type replica struct {
	engine  *engine.Engine
	applied int // entries
	out     engine.Outcome
	durable *checkpoint     // nil before the first
	cut     *engine.Capture // one that is being written
	written map[engine.PageID][]byte
	full    bool // the next checkpoint replaces all pages
}

// checkpoint is what a replica restarts from.
type checkpoint struct {
	pages map[engine.PageID][]byte
	meta  []byte
	index int
}

func (c *cluster) newReplica() (*replica, error) {
	e, err := engine.New(engine.Options{Shards: 1 << c.rng.IntN(7), ClusterKey: drawtest.ClusterKey})
	return &replica{engine: e, full: true}, err
}

// apply applies up to n entries, and holds each against what it must come to.
func (r *replica) apply(c *cluster, n int) error {
	for ; n > 0 && r.applied < len(c.log); n-- {
		e := c.log[r.applied]
		r.applied++
		if err := r.engine.Apply(engine.LogIndex(r.applied), e.data, &r.out); err != nil {
			return fmt.Errorf("entry %d: %w", r.applied, err)
		}
		if !bytes.Equal(r.out.Head[:], e.head) || !bytes.Equal(r.out.Records, e.records) {
			return fmt.Errorf("entry %d comes to %x and %x, must come to %x and %x", r.applied, r.out.Head, r.out.Records, e.head, e.records)
		}
		for i := range e.results {
			if r.out.Results[i] != e.results[i] {
				return fmt.Errorf("entry %d, command %d comes to %+v, must come to %+v", r.applied, i, r.out.Results[i], e.results[i])
			}
		}
		c.note('a', uint64(r.applied))
	}
	return nil
}

// checkpoint begins one, or writes some pages of the one that was begun; it ends it, or gives it up.
func (r *replica) checkpoint(c *cluster) (err error) {
	if r.applied == 0 {
		return nil // raft cuts nothing out of nothing
	}
	if r.cut == nil {
		if r.cut, err = r.engine.Capture(r.full); err != nil {
			return err
		}
		r.written = map[engine.PageID][]byte{}
		if !r.full && r.durable != nil {
			maps.Copy(r.written, r.durable.pages)
		}
		return nil
	}
	page := make([]byte, engine.PageSize)
	for range 1 + c.rng.IntN(40) {
		id, more := r.cut.Next(page)
		if !more {
			r.durable = &checkpoint{r.written, r.cut.Meta(), int(r.cut.Index())}
			r.cut.Commit()
			r.cut, r.written, r.full = nil, nil, false
			c.report.Checkpoints++
			return nil
		}
		if r.written[id] = bytes.Clone(page); bytes.Count(page, []byte{0}) == len(page) {
			delete(r.written, id)
		}
	}
	if c.chance(15) {
		r.giveUp(c)
	}
	return nil
}

func (r *replica) giveUp(c *cluster) {
	if r.cut != nil {
		r.cut.Abort()
		r.cut, r.written = nil, nil
		c.report.GivenUp++
	}
}

// restart lets a replica begin again from its checkpoint, with another number of shards.
func (c *cluster) restart() error {
	i := c.rng.IntN(len(c.replicas))
	old := c.replicas[i]
	next, err := c.newReplica()
	if err != nil {
		return err
	}
	if d := old.durable; d != nil {
		l := next.engine.Loader()
		for id, page := range d.pages {
			if err := l.Page(id, page); err != nil {
				return fmt.Errorf("restart at %d: %w", d.index, err)
			}
		}
		if err := l.Finish(d.meta); err != nil {
			return fmt.Errorf("restart at %d: %w", d.index, err)
		}
		next.applied, next.durable, next.full = d.index, d, l.Foreign()
		if h := next.engine.RunningHash(); !bytes.Equal(h[:], c.log[d.index-1].head[24:]) {
			return fmt.Errorf("restart at %d with the running hash %x", d.index, h)
		}
	}
	c.replicas[i] = next
	c.report.Restarts++
	c.note('r', uint64(next.applied))
	return nil
}

var errTaken = errors.New("a damaged snapshot was taken")

// install brings a replica up by another's snapshot. Before, it is given a damaged one: that must change nothing.
func (c *cluster) install() error {
	from, to := c.replicas[0], c.replicas[0]
	for _, r := range c.replicas {
		if r.applied > from.applied {
			from = r
		}
		if r.applied < to.applied {
			to = r
		}
	}
	if from == to || from.applied == to.applied {
		return nil
	}
	from.giveUp(c) // there is one cut at a time
	var stream bytes.Buffer
	if err := from.engine.WriteSnapshot(&stream); err != nil {
		return err
	}
	to.giveUp(c)
	if to.applied > 0 {
		if err := c.damage(to, stream.Bytes()); err != nil {
			return err
		}
	}
	if err := to.engine.ReadSnapshot(&stream); err != nil {
		return fmt.Errorf("snapshot at %d: %w", from.applied, err)
	}
	to.applied, to.durable, to.full = from.applied, nil, true
	c.report.Installs++
	c.note('i', uint64(to.applied))
	return nil
}

func (c *cluster) damage(to *replica, stream []byte) error {
	bad := bytes.Clone(stream[:1+c.rng.IntN(len(stream))])
	if len(bad) == len(stream) || c.chance(50) {
		bad = bytes.Clone(stream)
		bad[c.rng.IntN(len(bad))] ^= 1 << c.rng.IntN(8)
	}
	before := to.engine.StateHash()
	if err := to.engine.ReadSnapshot(bytes.NewReader(bad)); err == nil {
		return errTaken
	}
	if to.engine.StateHash() != before {
		return errors.New("a damaged snapshot changed the state")
	}
	c.report.Damaged++
	return nil
}
