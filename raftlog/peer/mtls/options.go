package mtls

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Defaults of Options.
const (
	DefaultHandshake   = 5 * time.Second
	DefaultMaxPending  = 128
	DefaultReloadEvery = 30 * time.Second
)

// Options of a Stream; zero values mean the documented default.
type Options struct {
	Address   string // to listen on, such as 10.0.0.1:7072; port 0 takes a free one. Needed
	Advertise string // where other nodes dial this one; default: the address that was opened
	Files            // of the node. Needed
	NodeID    string // what the certificate must name; default: whatever it names

	Now    func() time.Time // the machine's clock. Needed
	Logger *slog.Logger     // default: slog.Default

	Handshake   time.Duration // how long a handshake may take; default DefaultHandshake
	MaxPending  int           // handshakes under way at once; default DefaultMaxPending
	ReloadEvery time.Duration // how often the files are looked at; default DefaultReloadEvery

	Metrics *metrics.Set // where drawd_peer_* are registered; default: a set of its own
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("mtls: "+format, args...))
		}
	}
	fault(o.Address == "", "Address is needed")
	fault(o.Certificate == "" || o.Key == "" || o.Authority == "", "a certificate, its key and an authority are needed")
	fault(o.Now == nil, "Now is needed")
	fault(o.Handshake < 0 || o.MaxPending < 0 || o.ReloadEvery < 0, "Handshake, MaxPending and ReloadEvery must not be negative")
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Handshake == 0 {
		o.Handshake = DefaultHandshake
	}
	if o.MaxPending == 0 {
		o.MaxPending = DefaultMaxPending
	}
	if o.ReloadEvery == 0 {
		o.ReloadEvery = DefaultReloadEvery
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	return o
}
