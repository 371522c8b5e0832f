package drawd_test

import (
	"syscall"
	"time"
)

// processorTime is what the process has used so far, user and system.
func processorTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
