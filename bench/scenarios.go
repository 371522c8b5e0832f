package bench

import (
	"context"
	"errors"
	"io"
)

var errStub = errors.New("bench: stub")

// FiguresReport is the table of figures.
type FiguresReport struct{}

// CrashLoopReport is what a crash loop gave.
type CrashLoopReport struct{}

// WriteText writes the report for people.
func (r *FiguresReport) WriteText(w io.Writer) error { return errStub }

// WriteText writes the report for people.
func (r *CrashLoopReport) WriteText(w io.Writer) error { return errStub }

// Figures makes the table of performance figures.
func Figures(ctx context.Context, o FiguresOptions) (*FiguresReport, error) { return nil, errStub }

// CrashLoop kills a daemon under load, again and again, and judges it after each kill. Errors are as those of [Flash].
func CrashLoop(ctx context.Context, o CrashLoopOptions) (*CrashLoopReport, error) {
	return nil, errStub
}

func figureKnown(string) bool { return true }
