package server

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/server/dataplane"
)

// Defaults of Options.
const (
	DefaultAPI   = "127.0.0.1:7070"
	DefaultAdmin = "127.0.0.1:7071"
)

// Options of a Server. Zero values mean the documented default.
type Options struct {
	API   string // address of the data plane; default DefaultAPI. Port 0 takes a free one
	Admin string // address of the control plane; default DefaultAdmin

	RESP string // address of the RESP front; empty for none. It listens once the node is ready

	TLSCert  string    // PEM file of the certificate chain; every listener then speaks TLS only
	TLSKey   string    // PEM file of its key
	Insecure bool      // listen beyond loopback also without keys or TLS
	Starting *Starting // has listened on API and Admin until now; default: Listen opens them

	Engine     *engine.Engine  // needed: caught up
	Decider    control.Decider // needed
	Records    control.Records // needed
	Node       control.Node    // needed
	Place      dataplane.Place // where the node stands among others; nil on a node that runs alone
	Settle     func() bool     // waits until the engine has what was acknowledged at other nodes; nil on a node that runs alone
	Cluster    control.Cluster // the nodes beside this one; nil on a node that runs alone
	Backups    control.Backups // how the node writes a backup of itself; nil: it writes none
	ClusterKey [32]byte        // seals the seeds of new campaigns
	NodeNumber uint8           // told in request ids
	Build      control.Build

	Logger      *slog.Logger            // default: slog.Default
	Metrics     *metrics.Set            // where both planes register theirs; default: a set of its own. It is exposed
	Exposed     []control.MetricsWriter // what GET /metrics writes besides
	AddressRate access.Rate             // of requests that only a ticket admits, by address; default: the data plane's
	UserRate    access.Rate             // the same, by user

	Now        func() time.Time // the node's clock; default: time.Now
	DrainDelay time.Duration    // between readiness off and the first closed connection; default none
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("server: "+format, args...))
		}
	}
	fault(o.Engine == nil, "Engine is needed")
	fault(o.Decider == nil, "Decider is needed")
	fault(o.Records == nil, "Records is needed")
	fault(o.Node == nil, "Node is needed")
	fault((o.TLSCert == "") != (o.TLSKey == ""), "--tls-cert and --tls-key belong together: one of them is missing")
	fault(o.DrainDelay < 0 || o.DrainDelay > time.Minute, "DrainDelay is %v; it must be 0 to 1m", o.DrainDelay)
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.API == "" {
		o.API = DefaultAPI
	}
	if o.Admin == "" {
		o.Admin = DefaultAdmin
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
	return o
}
