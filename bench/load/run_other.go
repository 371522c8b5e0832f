//go:build !linux

package load

import (
	"context"
	"errors"
	"time"
)

// Run needs epoll.
func Run(context.Context, Options, Schedule, func(loop int) Workload) (*Stats, error) {
	return nil, errors.New("load: the generator runs on Linux only (it needs epoll); run the bench there, with --url and --admin-url for a daemon elsewhere")
}

// Sink needs epoll.
type Sink struct{}

// StartSink needs epoll.
func StartSink(int) (*Sink, error) {
	return nil, errors.New("load: the sink runs on Linux only (it needs epoll)")
}

// Addr returns host:port.
func (s *Sink) Addr() string { return "" }

// CPU returns the processor time of the serving thread.
func (s *Sink) CPU() time.Duration { return 0 }

// Close ends the sink.
func (s *Sink) Close() {}

// Alone does nothing where there are no loops.
func Alone(int) (done func()) { return func() {} }
