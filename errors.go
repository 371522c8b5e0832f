package drawd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// Error is a call that was not done, or of which it is not known. A denial is one: a refusal that consumes nothing. It is
// compared by its code: errors.Is(err, drawd.ErrCapped).
type Error struct {
	Code     problem.Code
	Detail   string // for a person
	Campaign string
	User     string
	// Key is the idempotency key of the call, also when the caller named none: under it the call is asked again after
	// ErrUnknownOutcome, and is not done twice.
	Key string

	Cap      string    // ErrCapped: "day", or "ns/<id>" of a cap above all campaigns
	Used     uint32    // ErrCapped: of the cap. ErrNoChances: the chances that can be spent
	Limit    uint32    // ErrCapped: of the cap. ErrNoChances: the price of a draw
	Allowed  int       // ErrCapped and ErrNoChances: how many of DrawRequest.Times would fit
	ResetsAt time.Time // ErrCapped: when more fits, zero for never. ErrNotStarted: when the campaign starts
	Now      time.Time // ErrCapped, ErrNotStarted, ErrEnded: the log time that was compared

	Pool      string // of a hold or take: whose pool refuses it
	MayReturn bool   // ErrInsufficientStock: units are held that may come back
	State     string // ErrHoldFinished, ErrHoldExpired: how the hold ended

	Faults []campaignfile.Fault // ErrInvalidCampaign, ErrInvalidField: of a file, each with its place

	cause  error
	Of     string // of a help: whose cap, block or room it is, "owner" or "helper"
	undone bool   // nothing was done, where the code leaves that open
	kept   bool   // the refusal stands under Key
}

// Error returns the code and what a person should know.
func (e *Error) Error() string {
	s := "drawd: " + e.Code.String() + ": "
	switch {
	case e.Detail != "":
		s += e.Detail
	case e.Code == problem.Capped:
		s += fmt.Sprintf("cap %s has counted %d of %d", e.Cap, e.Used, e.Limit)
	default:
		s += e.Code.Info().Title
	}
	if e.Pool != "" {
		s += " (pool " + e.Pool + ")"
	}
	if e.Campaign != "" {
		s += " (campaign " + e.Campaign + ")"
	}
	if e.kept {
		s += "; this answer stands under its key, ask again with a new one"
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Is compares codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(sentinel)
	return ok && problem.Code(t) == e.Code
}

// Unwrap returns what lies behind, for instance the context's error.
func (e *Error) Unwrap() error { return e.cause }

// Effect says what the call did: always true, as far as the DB can know.
func (e *Error) Effect() problem.Effect {
	return (&problem.Error{Code: e.Code, Undone: e.undone}).Effect()
}

// Retryable reports whether the same call, with the same key, may succeed later. A refused hold or take stands under its key: ask
// again with a new one.
func (e *Error) Retryable() bool {
	return e.Code.Info().Retryable && !e.undone && !e.kept && (e.Code != problem.Capped || !e.ResetsAt.IsZero())
}

// sentinel is an error that stands for a code: a constant, so that nobody can change it.
type sentinel problem.Code

func (s sentinel) Error() string {
	return "drawd: " + problem.Code(s).String() + ": " + problem.Code(s).Info().Title
}

// The errors that callers tell apart most often; every code of package problem has an *Error.
const (
	ErrCapped             = sentinel(problem.Capped)
	ErrNoChances          = sentinel(problem.NoChances)
	ErrExhausted          = sentinel(problem.Exhausted)
	ErrNothingLeftForUser = sentinel(problem.NothingLeftForUser)
	ErrNotStarted         = sentinel(problem.NotStarted)
	ErrEnded              = sentinel(problem.Ended)
	ErrPaused             = sentinel(problem.Paused)
	ErrKilled             = sentinel(problem.Killed)
	ErrNotEligible        = sentinel(problem.NotEligible)
	ErrBlocked            = sentinel(problem.Blocked)
	ErrVersionChanged     = sentinel(problem.VersionChanged)
	ErrKeyReused          = sentinel(problem.IdempotencyMismatch) // with another request
	ErrKeyAbandoned       = sentinel(problem.KeyAbandoned)
	ErrKeyUnknown         = sentinel(problem.KeyUnknown)
	ErrCampaignNotFound   = sentinel(problem.CampaignNotFound)
	ErrPrizeNotFound      = sentinel(problem.PrizeNotFound)
	ErrInsufficientStock  = sentinel(problem.InsufficientStock)
	ErrPoolNotFound       = sentinel(problem.PoolNotFound)
	ErrHoldNotFound       = sentinel(problem.HoldNotFound)
	ErrHoldExpired        = sentinel(problem.HoldExpired)
	ErrHoldFinished       = sentinel(problem.HoldFinished) // resolved in another way
	ErrGone               = sentinel(problem.Gone)
	ErrNotFound           = sentinel(problem.NotFound)
	ErrConflict           = sentinel(problem.Conflict)
	// ErrVersionConflict says that another version became live while this one was compared: look again, and publish again.
	ErrVersionConflict = sentinel(problem.VersionConflict)
	ErrInvalidCampaign = sentinel(problem.InvalidCampaign)
	ErrInvalidField    = sentinel(problem.InvalidField)
	ErrCapacity        = sentinel(problem.Capacity)
	ErrCampaignFenced  = sentinel(problem.CampaignFenced)
	ErrOverloaded      = sentinel(problem.Overloaded)
	ErrClockSkew       = sentinel(problem.ClockSkew)
	ErrStorageLow      = sentinel(problem.StorageLow)
	// ErrUnknownOutcome says that the call may or may not have been done: ask again with Error.Key.
	ErrUnknownOutcome = sentinel(problem.UnknownOutcome)
)

var (
	// ErrClosed says that the DB is closed. Nothing was done.
	ErrClosed = errors.New("drawd: the DB is closed")
	// ErrInUse says that another process, or another DB of this one, has the data directory open.
	ErrInUse = errors.New("drawd: the data directory is in use")
	// ErrRecordGone says that a record is no longer in memory: see Options.RecordBytes. What it tells of stands as it was
	// decided.
	ErrRecordGone = errors.New("drawd: the record is no longer kept; Options.RecordBytes bounds the records in memory")
)

// denied returns the error of a refused command.
func (db *DB) denied(r *engine.Result, campaign, user, key string) error {
	e := &Error{Code: r.Code, Campaign: campaign, User: user, Key: key}
	switch r.Code {
	case problem.Capped:
		e.Cap = db.engine.CapName(r)
		fallthrough
	case problem.NoChances:
		e.Used, e.Limit, e.Allowed = r.Used, r.Limit, int(r.Allowed)
	}
	if r.ResetsAt != 0 {
		e.ResetsAt = timeOf(r.ResetsAt)
	}
	if r.Now != 0 {
		e.Now = timeOf(r.Now)
	}
	return e
}

// failed returns the error of a batch that has no results.
func failed(err error, campaign, user, key string) error {
	e := &Error{Code: problem.Internal, Campaign: campaign, User: user, Key: key, cause: err}
	var refused *problem.Error
	switch {
	case errors.As(err, &refused):
		e.Code, e.Detail, e.undone, e.cause = refused.Code, refused.Detail, refused.Undone, nil
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err // nothing was done
	}
	return e
}

// invalid refuses a field of a request.
func invalid(format string, args ...any) *Error {
	return &Error{Code: problem.InvalidField, Detail: fmt.Sprintf(format, args...)}
}

// faulty refuses a file.
func faulty(code problem.Code, faults []campaignfile.Fault) *Error {
	e := &Error{Code: code, Detail: faults[0].Error(), Faults: faults}
	if n := len(faults) - 1; n > 0 {
		e.Detail += fmt.Sprintf(" (and %d more, in Faults)", n)
	}
	return e
}

// opened returns the error of a directory that could not be opened.
func opened(dir string, err error) error {
	var locked *storage.LockedError
	if errors.As(err, &locked) {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return fmt.Errorf("drawd: open %s: %w", dir, err)
}

func timeOf(at engine.UnixMilli) time.Time { return time.UnixMilli(int64(at)).UTC() }

// said puts words to the codes of a refusal that has none.
func said(err error, words map[problem.Code]string) error {
	if e, ok := err.(*Error); ok && e.Detail == "" {
		e.Detail = words[e.Code]
	}
	return err
}

// checkReason refuses a reason that is longer than what is kept.
func checkReason(reason string) error {
	if len(reason) > engine.MaxReasonBytes {
		return invalid("the reason has %d bytes; at most %d are kept", len(reason), engine.MaxReasonBytes)
	}
	return nil
}
