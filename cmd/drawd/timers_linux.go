package main

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is by how much the kernel may end the sleep of one of a daemon's threads late.
const timerSlack = time.Millisecond

// timersRelaxed is set in the environment of a daemon that was started again by relaxTimers: once is enough, also where the
// kernel takes the slack and does not keep it.
const timersRelaxed = "DRAWDTIMERS=relaxed"

// relaxTimers gives all threads of a daemon timerSlack where they have less, the kernel's default being 50 µs. While a thread
// works, or waits for the disk, Go's runtime looks after it from another thread that sleeps for 20 µs at a time: with the default
// slack that was 22 to 25 % of a follower's processor time under load (docs/adr/0042). A timer of Go has a resolution of 1 ms as it
// is.
//
// Threads inherit the slack, and that of the runtime is there before main is: so the program is started once more in its place,
// under the same process id, with the same arguments and files. Where that is not possible it goes on as it is.
func relaxTimers(args, environ []string) {
	if len(args) == 0 || args[0] != "serve" {
		return
	}
	for _, pair := range environ {
		if pair == timersRelaxed {
			return
		}
	}
	runtime.LockOSThread() // the slack is the thread's, and exec keeps that of the thread which calls it
	defer runtime.UnlockOSThread()
	was := slackNow()
	if was == 0 || was >= timerSlack || unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack.Nanoseconds()), 0, 0, 0) != nil {
		return
	}
	if program, err := os.Executable(); err == nil { // by its name, which the kernel shows as that of the process
		_ = syscall.Exec(program, os.Args, append(environ[:len(environ):len(environ)], timersRelaxed)) // it returns only when it failed
	}
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(was.Nanoseconds()), 0, 0, 0)
}

// slackNow returns the slack of this thread; 0 where it is not known, or the thread has a real-time policy.
func slackNow() time.Duration {
	ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}
