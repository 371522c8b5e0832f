package bench

import (
	"context"
	"errors"
	"io"
)

// Signatures first; the code replaces them file by file.

var errStub = errors.New("bench: stub")

// FlashReport is what a flash run gave.
type FlashReport struct{}

// CalibrateReport is what a calibration gave.
type CalibrateReport struct{}

// FiguresReport is the table of figures.
type FiguresReport struct{}

// CrashLoopReport is what a crash loop gave.
type CrashLoopReport struct{}

// WriteText writes the report for people.
func (r *FlashReport) WriteText(w io.Writer) error { return errStub }

// WriteText writes the report for people.
func (r *CalibrateReport) WriteText(w io.Writer) error { return errStub }

// WriteText writes the report for people.
func (r *FiguresReport) WriteText(w io.Writer) error { return errStub }

// WriteText writes the report for people.
func (r *CrashLoopReport) WriteText(w io.Writer) error { return errStub }

// Flash runs a crowd against a daemon and judges the result.
//
// The report is not nil whenever the crowd ran, also beside an error. The error is a *VerdictError (exit 21) when drawd was wrong, a *ThresholdError
// (exit 20) when the run proves too little (an INVALID run, or too few logged draws), and any other error (exit 1) when
// the run could not be made.
func Flash(ctx context.Context, o FlashOptions) (*FlashReport, error) { return nil, errStub }

// Calibrate measures the machine: fsync, loopback, the empty handler and the generator itself.
func Calibrate(ctx context.Context, o CalibrateOptions) (*CalibrateReport, error) {
	return nil, errStub
}

// Figures makes the table of performance figures.
func Figures(ctx context.Context, o FiguresOptions) (*FiguresReport, error) { return nil, errStub }

// CrashLoop kills a daemon under load, again and again, and judges it after each kill. Errors are as those of [Flash].
func CrashLoop(ctx context.Context, o CrashLoopOptions) (*CrashLoopReport, error) {
	return nil, errStub
}

// VerdictError says that drawd was wrong: exit 21.
type VerdictError struct{ Faults []string }

// Error names the first faults.
func (e *VerdictError) Error() string { return "verdict" }

// ThresholdError says that a run proves too little: exit 20.
type ThresholdError struct{ Reasons []string }

// Error names the reasons.
func (e *ThresholdError) Error() string { return "threshold" }

func figureKnown(string) bool { return true }
