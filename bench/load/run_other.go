//go:build !linux

package load

import (
	"context"
	"errors"
)

// Run needs epoll.
func Run(context.Context, Options, Schedule, func(loop int) Workload) (*Stats, error) {
	return nil, errors.New("load: the generator runs on Linux only (it needs epoll); run the bench there, with --url and --admin-url for a daemon elsewhere")
}
