package drawdtest

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd"
)

// Start is where the clocks of tests begin: a Thursday, midnight.
const Start = "2026-01-01T00:00:00Z"

// Clock stands still until a test moves it. Both its hands move together.
type Clock struct {
	mu struct {
		sync.Mutex
		begun, now time.Time
	}
}

var _ drawd.Clock = (*Clock)(nil)

// NewClock returns a clock at Start.
func NewClock() *Clock {
	c := &Clock{}
	at, err := time.Parse(time.RFC3339, Start)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	c.mu.begun, c.mu.now = at, at
	return c
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.now
}

// Monotonic returns how far the clock was moved.
func (c *Clock) Monotonic() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.now.Sub(c.mu.begun)
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	if d < 0 {
		panic("drawdtest: a clock does not go back")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.now = c.mu.now.Add(d)
}

// Entropy returns the same bytes for the same seed.
func Entropy(seed uint64) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(key)
}

// DB is a DB of a test, with its clock.
type DB struct {
	*drawd.DB
	Clock *Clock

	t testing.TB
}

// Open opens a DB in memory with a clock of its own, at Start, and entropy from the seed 1, and closes it with the test. tune
// may change the options: Dir makes it durable, another Entropy another game.
func Open(t testing.TB, tune ...func(*drawd.Options)) *DB {
	t.Helper()
	clock := NewClock()
	o := drawd.Options{Clock: clock, Stepped: true, Entropy: Entropy(1)}
	for _, f := range tune {
		f(&o)
	}
	inner, err := drawd.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := inner.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &DB{inner, clock, t}
}

// Advance moves the clock and brings about what becomes due until then.
func (db *DB) Advance(d time.Duration) {
	db.t.Helper()
	db.Clock.Advance(d)
	if err := db.Tick(context.Background()); err != nil {
		db.t.Fatal(err)
	}
}

// MustPublish publishes a campaign file, or ends the test.
func (db *DB) MustPublish(file string) *drawd.Campaign {
	db.t.Helper()
	c, err := db.Publish(context.Background(), []byte(file))
	if err != nil {
		db.t.Fatal(err)
	}
	return c
}
