package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// refusal is why a stranger was turned away.
type refusal uint8

const (
	refusedCertificate refusal = iota // none, of another authority, out of time, for another use, of no node
	refusedProtocol                   // no TLS, an older one, or gone in the middle
	refusedTimeout                    // said nothing, or too slowly
	refusedFull                       // others came, and it was the oldest that had not finished
	refusals
)

// String returns the label of the metric.
func (r refusal) String() string {
	return [...]string{"certificate", "protocol", "timeout", "full"}[r]
}

// whyRefused sorts the errors of a handshake.
func whyRefused(err error) refusal {
	var verification *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return refusedTimeout
	case errors.As(err, &verification), errors.Is(err, errNoNode), err.Error() == "tls: client didn't provide a certificate":
		return refusedCertificate
	}
	return refusedProtocol
}

type metricSet struct{ refused [refusals]*metrics.Counter }

func newMetricSet(set *metrics.Set, s *Stream) *metricSet {
	m := new(metricSet)
	for r := range refusals {
		m.refused[r] = set.NewCounter(fmt.Sprintf("drawd_peer_refused_total{why=%q}", r))
	}
	set.NewGauge("drawd_peer_certificate_expires_seconds", func() float64 { return float64(s.Expires().Unix()) })
	return m
}
