package storage

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound says that there is no such record, and that this is not a fault.
var ErrNotFound = errors.New("storage: not found")

// What an operator does about damages. The words are the same wherever they apply, so that a runbook can quote them.
const (
	remedyReplace = "This node must not go on: keep the directory for analysis, then restore a backup or, in a cluster, replace the node"
	remedyRestart = "Restart the node; if it comes again, keep the directory for analysis, then restore a backup or, in a cluster, replace the node"
)

// DamagedError says that what is on disk is not what was written. The node must neither vote nor answer from it.
type DamagedError struct {
	What   string // what is damaged, and how that shows
	Index  uint64 // the log index concerned; 0 for none
	Remedy string // what to do about it
	Err    error  // the cause, if another error showed it
}

func (e *DamagedError) Error() string {
	s := "storage: damaged: " + e.What
	if e.Index != 0 {
		s += fmt.Sprintf(" (log index %d)", e.Index)
	}
	if e.Err != nil {
		s += ": " + firstLine(e.Err)
	}
	return s + ". " + e.Remedy
}

// firstLine is what an error says, without the lines that Pebble adds for its own tools.
func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

func (e *DamagedError) Unwrap() error { return e.Err }

// FormatError says that the data directory was written by a newer drawd.
type FormatError struct {
	Dir   string
	Found uint32 // the format of the directory
	Upto  uint32 // the highest format that this drawd reads
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("storage: data directory %s has format %d, this drawd reads up to %d: start it with the drawd that wrote it, or restore a backup",
		e.Dir, e.Found, e.Upto)
}

// LockedError says that the data directory cannot be locked, because another process has it open.
type LockedError struct {
	Dir string
	Err error
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("storage: data directory %s is in use: another drawd is running on it; stop that one first (%v)", e.Dir, e.Err)
}

func (e *LockedError) Unwrap() error { return e.Err }

// DivergedError says that replaying a log entry gave other bytes than it gave before. The node must stop.
type DivergedError struct {
	Index uint64
	What  string // what differs
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("storage: replay of log index %d gave other records than are stored (%s): this node has diverged; replace it, keep its data directory for analysis",
		e.Index, e.What)
}
