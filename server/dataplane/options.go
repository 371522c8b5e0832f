package dataplane

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/ticket"
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

// Gate admits or refuses a request that needs any of the scopes; 0 means that any key will do. It allocates nothing when
// it admits. *access.Gate is one.
type Gate interface {
	Check(r *access.Request, need access.Scope) (access.Grant, access.Refusal)
	// Enter admits into a namespace whoever was admitted by something else than a key.
	Enter(ns *engine.Namespace) access.Grant
}

// Tickets opens signed tickets. It allocates nothing. *ticket.Ring is one.
type Tickets interface {
	Check(text []byte, t *ticket.Ticket, arena []byte, now time.Time) (*ticket.Key, []byte, ticket.Reason)
}

// Health says whether this node can decide.
type Health interface {
	// Ready returns nil, or a *problem.Error that says why not.
	Ready() error
	// Checks calls fn for everything that readiness depends on. code is problem.OK for what is well; message is for a person.
	Checks(fn func(name string, code problem.Code, message string))
}

// Build is what /version answers.
type Build struct {
	Version string
	Commit  string
	Go      string
}

// Defaults of Options.
const (
	DefaultMaxConnections = 16384
	DefaultMaxHeaderBytes = 8 << 10
	DefaultMaxUnaryBody   = 16 << 10
	DefaultMaxBatchBody   = 1 << 20
	DefaultReadTimeout    = 5 * time.Second
	DefaultWriteTimeout   = 5 * time.Second
	DefaultIdleTimeout    = 60 * time.Second
)

// Rates of requests that only a ticket admits, on this node. An address may be that of many players behind one door; a
// player asks again when he does not know what became of his draw.
const (
	DefaultAddressPerSecond = 200
	DefaultAddressBurst     = 400
	DefaultUserPerSecond    = 5
	DefaultUserBurst        = 10
)

// Options of a Server. Zero values mean the documented default.
type Options struct {
	Engine  *engine.Engine // needed: reads
	Decider Decider        // needed
	Records Records        // needed
	Gate    Gate           // needed
	Tickets Tickets        // default: no ticket is valid
	Health  Health         // default: always ready
	Place   Place          // default: there are no other nodes
	Logger  *slog.Logger   // default: slog.Default
	Metrics *metrics.Set   // where the figures are registered; default: a set of its own
	Build   Build
	Node    uint8 // number of this node, told in request ids

	// Now is the clock that denials from committed facts are judged by. Default: the time at which fasthttp had read the
	// request.
	Now func() time.Time

	AddressRate access.Rate // of requests that only a ticket admits, by peer address; default DefaultAddressPerSecond, DefaultAddressBurst
	UserRate    access.Rate // the same, by user; default DefaultUserPerSecond, DefaultUserBurst

	MaxConnections int // beyond it a connection is answered 503 and closed; default DefaultMaxConnections
	MaxHeaderBytes int // request line and headers; default DefaultMaxHeaderBytes, at most 32 KiB
	MaxUnaryBody   int // bytes of a body; default DefaultMaxUnaryBody
	MaxBatchBody   int // bytes of the body of draws:batch; default DefaultMaxBatchBody

	ReadTimeout  time.Duration // from the first byte of a request to its last; default DefaultReadTimeout
	WriteTimeout time.Duration // of one write of an answer; default DefaultWriteTimeout
	IdleTimeout  time.Duration // for the first byte of the next request; default DefaultIdleTimeout
}

// Bounds of the settings.
const (
	maxHeaderBytes = 32 << 10
	minTimeout     = 10 * time.Millisecond
	maxTimeout     = 24 * time.Hour
)

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("dataplane: "+format, args...))
		}
	}
	need(o.Engine != nil, "Engine is needed")
	need(o.Decider != nil, "Decider is needed")
	need(o.Records != nil, "Records is needed")
	need(o.Gate != nil, "Gate is needed")
	need(o.MaxConnections >= 0, "MaxConnections must not be negative")
	need(o.MaxHeaderBytes == 0 || o.MaxHeaderBytes >= 1024 && o.MaxHeaderBytes <= maxHeaderBytes, "MaxHeaderBytes must be 1024 to %d", maxHeaderBytes)
	need(o.MaxUnaryBody == 0 || o.MaxUnaryBody >= 512, "MaxUnaryBody must be at least 512")
	need(o.MaxBatchBody == 0 || o.MaxBatchBody >= o.MaxUnaryBody, "MaxBatchBody must not be less than MaxUnaryBody")
	for _, r := range []access.Rate{o.AddressRate, o.UserRate} {
		need(r.PerSecond <= access.MaxRatePerSecond && r.Burst <= access.MaxRateBurst, "a rate must be at most %d a second, and %d at once", access.MaxRatePerSecond, access.MaxRateBurst)
	}
	for _, t := range []struct {
		name  string
		value time.Duration
	}{{"ReadTimeout", o.ReadTimeout}, {"WriteTimeout", o.WriteTimeout}, {"IdleTimeout", o.IdleTimeout}} {
		need(t.value == 0 || t.value >= minTimeout && t.value <= maxTimeout, "%s must be %v to %v", t.name, minTimeout, maxTimeout)
	}
	return errors.Join(faults...)
}

// withDefaults returns o with every zero value replaced.
func (o Options) withDefaults() Options {
	if o.Health == nil {
		o.Health = alwaysReady{}
	}
	if o.Place == nil {
		o.Place = alone{}
	}
	if o.Tickets == nil {
		o.Tickets = noTickets{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	def(&o.AddressRate, access.Rate{PerSecond: DefaultAddressPerSecond, Burst: DefaultAddressBurst})
	def(&o.UserRate, access.Rate{PerSecond: DefaultUserPerSecond, Burst: DefaultUserBurst})
	def(&o.MaxConnections, DefaultMaxConnections)
	def(&o.MaxHeaderBytes, DefaultMaxHeaderBytes)
	def(&o.MaxUnaryBody, DefaultMaxUnaryBody)
	def(&o.MaxBatchBody, max(DefaultMaxBatchBody, o.MaxUnaryBody))
	def(&o.ReadTimeout, DefaultReadTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.IdleTimeout, DefaultIdleTimeout)
	return o
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// alwaysReady is the Health of a server that was given none.
type alwaysReady struct{}

func (alwaysReady) Ready() error                              { return nil }
func (alwaysReady) Checks(func(string, problem.Code, string)) {}

// noTickets knows no key.
type noTickets struct{}

func (noTickets) Check(_ []byte, _ *ticket.Ticket, arena []byte, _ time.Time) (*ticket.Key, []byte, ticket.Reason) {
	return nil, arena, ticket.Unsigned
}

// refusalOf turns any error of a Decider or a Health into a refusal. What is not a *problem.Error is ours: nobody knows
// what it did.
func refusalOf(err error) *problem.Error {
	var refusal *problem.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return &problem.Error{Code: problem.Internal}
}
