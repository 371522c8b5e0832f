package drawd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/storage"
)

// durable decides through a log on disk: one node, as the daemon runs it.
type durable struct {
	store  *storage.Store
	node   *raftlog.Node
	closed atomic.Bool
	// reading is held by those who read records, and by close before it takes the disk away.
	reading sync.RWMutex
}

// openDurable opens a data directory. When it fails nothing is left open.
func (db *DB) openDurable() (err error) {
	o := &db.options
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return opened(o.Dir, err)
	}
	// The key comes first: a directory with data but without a key must not get a new one.
	if db.key, err = storage.ClusterKey(o.Dir, o.Entropy); err != nil {
		return opened(o.Dir, err)
	}
	d := &durable{}
	if d.store, err = storage.Open(storage.Options{Dir: o.Dir, Logger: o.Logger, OnFatal: func(err error) { o.fatal(err.Error()) }}); err != nil {
		return opened(o.Dir, err)
	}
	if db.engine, err = engine.New(engine.Options{Shards: o.Shards, ClusterKey: db.key}); err != nil {
		return errors.Join(err, d.store.Close())
	}
	d.node, err = raftlog.Open(context.Background(), raftlog.Options{
		Store: d.store, Engine: db.engine, Clock: o.Clock, Logger: o.Logger, Entropy: o.Entropy,
		Exit: func(code int, why string) {
			o.fatal(why)
			os.Exit(code)
		},
	})
	if err != nil {
		return opened(o.Dir, errors.Join(err, d.store.Close()))
	}
	db.log = d
	return nil
}

// fatal tells why the process is about to end.
func (o *Options) fatal(why string) {
	if o.OnFatal != nil {
		o.OnFatal(why)
		return
	}
	_, _ = os.Stderr.WriteString("drawd: FATAL: " + why + "\n")
}

func (d *durable) decide(ctx context.Context, b *engine.Batch) error {
	if d.closed.Load() {
		return ErrClosed
	}
	err := d.node.DecideContext(ctx, b)
	var refused *problem.Error
	if errors.As(err, &refused) && refused.Code == problem.NoLeader && d.closed.Load() {
		return ErrClosed
	}
	return err
}

func (d *durable) records(dst []byte, at engine.Location, n int) ([]byte, error) {
	d.reading.RLock()
	defer d.reading.RUnlock()
	if d.closed.Load() {
		return dst, ErrClosed
	}
	return d.store.State().Records(dst, uint64(at.Index), at.Ordinal, n)
}

func (d *durable) scan(from engine.Location, fn func(engine.Location, []byte) bool) error {
	d.reading.RLock()
	defer d.reading.RUnlock()
	if d.closed.Load() {
		return ErrClosed
	}
	return d.store.State().Scan(uint64(from.Index), from.Ordinal, func(index uint64, _ []byte, ordinal uint16, record []byte) bool {
		return fn(engine.Location{Index: engine.LogIndex(index), Ordinal: ordinal}, record)
	})
}

func (d *durable) peeks() bool { return true }

func (d *durable) acceptClock() error { return d.node.AcceptClock() }

func (d *durable) close(ctx context.Context) (Lost, error) {
	d.closed.Store(true)
	if err := d.node.Close(ctx); err != nil {
		// Something may still write: the disk is not closed under it.
		return Lost{}, fmt.Errorf("drawd: close: %w; the data directory stays locked until the process ends", err)
	}
	d.reading.Lock() // whoever reads still; nobody begins any more
	defer d.reading.Unlock()
	return Lost{}, d.store.Close()
}

var _ decider = (*durable)(nil)
