package control

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// Decider brings commands into the log and waits for their results. A *problem.Error says what became of them.
type Decider interface {
	Decide(*engine.Batch) error
}

// Records is where records stand.
type Records interface {
	// Records appends n consecutive encoded records to dst.
	Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error)
	// Scan calls fn for every record from a place on, in log order, until fn returns false.
	Scan(index uint64, ordinal uint16, fn func(index uint64, head []byte, ordinal uint16, record []byte) (more bool)) error
}

// Node is the node behind the plane.
type Node interface {
	Status() Status
	// AcceptClock says that an operator has looked at a clock that jumped.
	AcceptClock() error
}

// Status is where a node stands. Engine state is not in it: the plane reads that itself.
type Status struct {
	Node       string // its id
	Leader     bool
	Term       uint64
	Last       uint64 // index of the log's last entry
	Checkpoint uint64 // index of the last checkpoint
	LogBytes   int64
	Queued     int           // commands that wait for an entry
	ClockAhead time.Duration // the node's clock minus log time
	Checks     []Check       // all of them, good and bad, in a fixed order
}

// Check is one condition of readiness.
type Check struct {
	Name    string
	Code    problem.Code // OK, or the refusal that a draw would get now
	Message string       // for a person: what is wrong, and which knob to turn
}

// Ready reports whether every check is good.
func (s *Status) Ready() bool { return s.firstBad() == nil }

func (s *Status) firstBad() *Check {
	for i := range s.Checks {
		if s.Checks[i].Code != problem.OK {
			return &s.Checks[i]
		}
	}
	return nil
}

// Build says which program this is.
type Build struct {
	Version, Commit, Go string
}

// MetricsWriter writes metrics in the Prometheus text format. *metrics.Set is one.
type MetricsWriter interface {
	WritePrometheus(w io.Writer)
}

// Options of a Plane; zero values mean the documented default.
type Options struct {
	Engine     *engine.Engine // needed
	Decider    Decider        // needed
	Records    Records        // needed
	Node       Node           // needed
	Cluster    Cluster        // nil on a node that runs alone
	Backups    Backups        // nil: it writes none
	Drain      func(on bool)  // makes the node not ready, or ready again; nil when it cannot be
	Gate       *access.Gate   // needed
	Sealer     *render.Sealer // makes request ids; default: of node 0
	ClusterKey [32]byte       // seals the seeds of new campaigns
	Build      Build
	Metrics    *metrics.Set     // where the plane's own metrics are registered; default: a set of its own
	Exposed    []MetricsWriter  // what GET /metrics writes, with the process's own metrics
	Logger     *slog.Logger     // default: slog.Default
	Now        func() time.Time // the node's clock; default: time.Now
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	need := func(missing bool, name string) {
		if missing {
			faults = append(faults, errors.New("control: "+name+" is needed"))
		}
	}
	need(o.Engine == nil, "Engine")
	need(o.Decider == nil, "Decider")
	need(o.Records == nil, "Records")
	need(o.Node == nil, "Node")
	need(o.Gate == nil, "Gate")
	return errors.Join(faults...)
}

// Plane serves the control plane.
type Plane struct {
	Options
	metrics *metricSet
	routes  []route
	// keyChanges holds one token: changes of keys go one after the other, so that no two of them each take away what the
	// other leaves to change keys with.
	keyChanges chan struct{}
}

// New returns a Plane.
func New(o Options) (*Plane, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Sealer == nil {
		o.Sealer = render.NewSealer(o.Engine, 0)
	}
	routes := table()
	return &Plane{Options: o, metrics: newMetricSet(o.Metrics, routes), routes: routes, keyChanges: make(chan struct{}, 1)}, nil
}
