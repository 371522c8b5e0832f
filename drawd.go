package drawd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// DB is an open drawd.
type DB struct {
	options   Options
	engine    *engine.Engine
	namespace *engine.Namespace // the default one
	keyer     engine.Keyer
	key       [32]byte // seals seeds
	log       decider

	calls   sync.Pool // *call
	users   userPattern
	entropy struct {
		sync.Mutex
		from io.Reader
	}
	unknown atomic.Int64 // calls whose outcome is not known
	closing sync.Once
	closed  struct {
		lost Lost
		err  error
	}
}

// decider is the way of a batch to its results: through a log on disk, or straight into the engine.
type decider interface {
	// decide returns when the results are in b. It honours ctx until b is sent. After an error with another effect than none
	// b must be dropped.
	decide(ctx context.Context, b *engine.Batch) error
	// records appends n records, from one location on, to dst.
	records(dst []byte, at engine.Location, n int) ([]byte, error)
	// scan calls fn for each record from a location on, in order, until fn returns false. The slice is valid during the call.
	scan(from engine.Location, fn func(at engine.Location, record []byte) bool) error
	// peeks reports whether committed facts are worth a look before decide.
	peeks() bool
	acceptClock() error
	close(ctx context.Context) (Lost, error)
}

// call is what one call uses. It is pooled.
type call struct {
	batch   engine.Batch
	draw    engine.Draw
	hit     engine.Hit
	record  engine.Record
	items   [engine.MaxHoldItems]engine.Item
	records []byte
	text    []byte
	user    []byte
	key     []byte
	channel []byte
	device  []byte
	values  engine.Values
}

// Lost is what Close leaves behind.
type Lost struct {
	// Decided counts the positions that were decided and are on no disk: all of a DB in memory, none of one with Dir.
	Decided uint64
	// Unknown counts the calls that were told ErrUnknownOutcome since Open: with Dir they may be on disk or not, and the next
	// Open finds out.
	Unknown int64
}

// Open opens a DB. With Options.Dir it returns when everything on disk has been read and proven.
func Open(o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	db := &DB{options: o}
	db.calls.New = func() any { return new(call) }
	db.entropy.from = o.Entropy
	var err error
	if o.Dir == "" {
		err = db.openMemory()
	} else {
		err = db.openDurable()
	}
	if err != nil {
		return nil, err
	}
	n, ok := db.engine.Namespace("default")
	if !ok {
		_, err := db.log.close(context.Background())
		return nil, errors.Join(errors.New("drawd: the data has no default namespace"), err)
	}
	db.namespace, db.keyer = n, n.Keyer()
	return db, nil
}

// Close ends db: commands are refused from now on, those under way end, and no goroutine of db's is left. With Dir a
// checkpoint is taken; when ctx ends before all that is done, the error says so, and the process should end. Closing again
// does nothing more.
func (db *DB) Close(ctx context.Context) (Lost, error) {
	db.closing.Do(func() {
		db.closed.lost, db.closed.err = db.log.close(ctx)
		db.closed.lost.Unknown = db.unknown.Load()
	})
	return db.closed.lost, db.closed.err
}

// Tick brings log time to the clock's, and about what became due until then. A DB does this by itself, unless it is Stepped.
func (db *DB) Tick(ctx context.Context) error {
	c := db.begin()
	defer db.end(c)
	c.batch.AddTick()
	return db.decide(ctx, c, "", "", "")
}

// Now returns the log time: that of the last command, never ahead of the clock.
func (db *DB) Now() engine.UnixMilli { return db.engine.LogTime() }

// AcceptClock takes the clock as it is, after ErrClockSkew. Log time still never goes back.
func (db *DB) AcceptClock() error { return db.log.acceptClock() }

func (db *DB) begin() *call {
	c := db.calls.Get().(*call)
	c.batch.Reset()
	return c
}

func (db *DB) end(c *call) { db.calls.Put(c) }

// decide sends c's batch and waits. The names are for the error, which is nil when every command has a result. Whoever gets
// an error must not look at the batch.
func (db *DB) decide(ctx context.Context, c *call, campaign, user, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("drawd: nothing was sent: %w", context.Cause(ctx))
	}
	err := db.log.decide(ctx, &c.batch)
	if err == nil {
		return nil
	}
	err = failed(err, campaign, user, key)
	var e *Error
	if errors.As(err, &e) && e.Effect() != problem.None {
		c.batch = engine.Batch{} // the log may still read it
		db.unknown.Add(1)
		e.cause = errors.Join(e.cause, context.Cause(ctx))
	}
	return err
}

// read fills b with entropy.
func (db *DB) read(b []byte) error {
	db.entropy.Lock()
	defer db.entropy.Unlock()
	if _, err := io.ReadFull(db.entropy.from, b); err != nil {
		return fmt.Errorf("drawd: Options.Entropy: %w", err)
	}
	return nil
}

// keyFor returns a key of db's own making, for a caller who named none.
func (db *DB) keyFor() (string, error) {
	var b [15]byte
	if err := db.read(b[:]); err != nil {
		return "", err
	}
	return idempotencyKey(b), nil
}

// now is the clock's time, as the engine counts.
func (db *DB) now() engine.UnixMilli { return engine.UnixMilli(db.options.Clock.Now().UnixMilli()) }
