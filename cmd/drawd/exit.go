package main

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// The exit codes of every command. They are contract: scripts compare them.
const (
	exitOK          = 0
	exitFailed      = 1 // it ran, and it did not work
	exitUsage       = 2 // wrong flags, arguments or configuration
	exitNotFound    = 3
	exitConflict    = 4 // the state does not allow it
	exitAuth        = 5
	exitUnavailable = 6 // nobody there, or not now
	exitInvalid     = 7 // the input has faults
	exitThreshold   = 20
	exitInvariant   = 21
	exitInterrupted = 130
)

// exitError is an error that names its exit code. Without an inner error everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failure returns err with an exit code.
func failure(code int, err error) error { return &exitError{code, err} }

// usage returns err as a fault of the command line.
func usage(err error) error { return &exitError{exitUsage, err} }

// said ends the command with a code and without another message.
func said(code int) error { return &exitError{code: code} }

// exitCode returns the code for what a command returned.
func exitCode(err error) int {
	var exit *exitError
	var refused *problemError
	var dial *net.OpError
	var locked *storage.LockedError
	var own *problem.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &refused):
		return statusExit(refused.status)
	case errors.As(err, &own):
		return statusExit(own.Code.Info().Status)
	case errors.Is(err, engine.ErrNewerLevel): // no start of this build will go better
		return exitConflict
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &dial), errors.As(err, &locked), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	}
	return exitFailed
}

// statusExit maps an HTTP status to an exit code.
func statusExit(status int) int {
	switch status {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		return exitConflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitAuth
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusBadGateway:
		return exitUnavailable
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return exitInvalid
	}
	return exitFailed
}
