package drawd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/drawd/drawd/engine"
)

// Clock is where log time comes from. It has two hands, because a durable DB does not believe a wall clock that jumps: it
// answers ErrClockSkew until the two agree again, or [DB.AcceptClock].
type Clock interface {
	// Now returns the wall clock.
	Now() time.Time
	// Monotonic returns the time since some fixed instant. It never goes back.
	Monotonic() time.Duration
}

// DefaultRecordBytes is Options.RecordBytes where it is 0.
const DefaultRecordBytes = 256 << 20

// minRecordBytes keeps a few blocks of records, so that what was just decided can be read.
const minRecordBytes = 1 << 20

// Options of a DB. Zero values mean the documented default.
type Options struct {
	// Dir is the data directory of a durable DB, created when missing; empty keeps everything in memory.
	Dir string
	// Clock is where log time comes from; default the machine's.
	Clock Clock
	// Stepped leaves what becomes due to the calls, and to Tick: for a clock that stands still between steps.
	Stepped bool
	// Entropy is where seeds, salts and keys come from; default crypto/rand. Whoever knows it can predict draws. It is read by
	// one goroutine at a time.
	Entropy io.Reader
	// Logger gets what operators should know; default none.
	Logger *slog.Logger
	// Actor is named in the records of what is done to campaigns; default "library".
	Actor string
	// Shards is the number of the engine's lock shards, a power of two up to 1024; default 64. It never changes a result.
	Shards int
	// RecordBytes bounds the records that are kept in memory, the oldest go first; default DefaultRecordBytes. Not with Dir.
	RecordBytes int64
	// OnFatal is told why, with Dir, before a failed disk or damaged data end the process: what is in memory can no longer be
	// trusted then, or no longer be written. It must not wait for a disk. Default: one line to stderr.
	OnFatal func(why string)
}

// Validate reports every fault of o at once.
func (o *Options) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("drawd: "+format, args...))
		}
	}
	fault(len(o.Actor) > engine.MaxActorBytes, "Actor has %d bytes; at most %d are kept", len(o.Actor), engine.MaxActorBytes)
	fault(o.Shards < 0 || o.Shards > engine.MaxShards || o.Shards&(o.Shards-1) != 0,
		"Shards is %d: it must be a power of two up to %d, or 0 for %d", o.Shards, engine.MaxShards, engine.DefaultShards)
	fault(o.RecordBytes != 0 && o.RecordBytes < minRecordBytes, "RecordBytes is %d: it must be at least %d, or 0 for %d", o.RecordBytes, minRecordBytes, DefaultRecordBytes)
	fault(o.RecordBytes != 0 && o.Dir != "", "RecordBytes is for a DB in memory: with Dir records are on disk")
	fault(o.OnFatal != nil && o.Dir == "", "OnFatal is for a DB with Dir: in memory nothing fails")
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = machineClock{time.Now()}
	}
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Actor == "" {
		o.Actor = "library"
	}
	if o.RecordBytes == 0 {
		o.RecordBytes = DefaultRecordBytes
	}
	return o
}

// machineClock is the machine's.
type machineClock struct{ start time.Time }

func (machineClock) Now() time.Time { return time.Now() }

func (c machineClock) Monotonic() time.Duration { return time.Since(c.start) }
