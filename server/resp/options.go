package resp

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/access"
)

// Decider decides the commands of a batch, durably, and returns when the results are in it. After an error whose effect
// is unknown the batch belongs to the Decider.
type Decider interface {
	Decide(*engine.Batch) error
}

// Records reads what was decided: n encoded records that stand next to each other, appended to dst.
type Records interface {
	Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error)
}

// Gate admits or refuses a command that needs any of the scopes; 0 means that any key will do. *access.Gate is one.
type Gate interface {
	Check(r *access.Request, need access.Scope) (access.Grant, access.Refusal)
}

// Defaults of Options.
const (
	DefaultMaxConnections = 4096
	DefaultReadTimeout    = 5 * time.Second
	DefaultWriteTimeout   = 5 * time.Second
	DefaultIdleTimeout    = 5 * time.Minute
	DefaultAuthTimeout    = 10 * time.Second
)

// Options of a Server. Zero values mean the documented default.
type Options struct {
	Engine  *engine.Engine       // needed: reads
	Decider Decider              // needed
	Records Records              // needed
	Gate    Gate                 // needed
	Age     func() time.Duration // how old this node's facts may be; default: they are new
	Ready   func() error         // nil error when this node can decide; default: it always can
	Logger  *slog.Logger         // default: slog.Default
	Metrics *metrics.Set         // where the figures are registered; default: a set of its own
	Version string               // what INFO tells
	Node    uint8                // number of this node, told in request ids

	Now func() time.Time // the clock that denials from committed facts are judged by; default: time.Now

	MaxConnections int           // beyond it a connection is told so and closed; default DefaultMaxConnections
	ReadTimeout    time.Duration // from the first byte of a command to its last; default DefaultReadTimeout
	WriteTimeout   time.Duration // of one write of replies; default DefaultWriteTimeout
	IdleTimeout    time.Duration // for the first byte of the next command; default DefaultIdleTimeout
	AuthTimeout    time.Duration // for a valid AUTH, where one is needed; default DefaultAuthTimeout
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("resp: "+format, args...))
		}
	}
	need(o.Engine != nil, "Engine is needed")
	need(o.Decider != nil, "Decider is needed")
	need(o.Records != nil, "Records is needed")
	need(o.Gate != nil, "Gate is needed")
	need(o.MaxConnections >= 0, "MaxConnections must not be negative")
	need(o.ReadTimeout >= 0, "ReadTimeout must not be negative")
	need(o.WriteTimeout >= 0, "WriteTimeout must not be negative")
	need(o.IdleTimeout >= 0, "IdleTimeout must not be negative")
	need(o.AuthTimeout >= 0, "AuthTimeout must not be negative")
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	def(&o.MaxConnections, DefaultMaxConnections)
	def(&o.ReadTimeout, DefaultReadTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.IdleTimeout, DefaultIdleTimeout)
	def(&o.AuthTimeout, DefaultAuthTimeout)
	return o
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
