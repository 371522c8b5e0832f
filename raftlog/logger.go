package raftlog

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLogger lets raft write to slog. Raft speaks up about its everyday life (a lone voter warns of the election it is
// about to win), so everything but errors is taken down by one level.
type raftLogger struct {
	to   *slog.Logger
	name string
	with []any
}

func newRaftLogger(to *slog.Logger) hclog.Logger { return &raftLogger{to: to, name: "raft"} }

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Error:
		return slog.LevelError
	case hclog.Warn:
		return slog.LevelInfo
	case hclog.Info:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	ctx, at := context.Background(), slogLevel(level)
	if !l.to.Enabled(ctx, at) {
		return
	}
	fields := make([]any, 0, 2+len(args))
	fields = append(fields, "component", l.name)
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			a = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
		if i%2 == 0 {
			a = fmt.Sprint(a) // slog wants string keys
		}
		fields = append(fields, a)
	}
	l.to.Log(ctx, at, msg, fields...)
}

func (l *raftLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *raftLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *raftLogger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *raftLogger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *raftLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *raftLogger) enabled(level hclog.Level) bool {
	return l.to.Enabled(context.Background(), slogLevel(level))
}

func (l *raftLogger) IsTrace() bool      { return l.enabled(hclog.Trace) }
func (l *raftLogger) IsDebug() bool      { return l.enabled(hclog.Debug) }
func (l *raftLogger) IsInfo() bool       { return l.enabled(hclog.Info) }
func (l *raftLogger) IsWarn() bool       { return l.enabled(hclog.Warn) }
func (l *raftLogger) IsError() bool      { return l.enabled(hclog.Error) }
func (l *raftLogger) ImpliedArgs() []any { return l.with }
func (l *raftLogger) Name() string       { return l.name }

func (l *raftLogger) With(args ...any) hclog.Logger {
	return &raftLogger{to: l.to.With(args...), name: l.name, with: append(l.with[:len(l.with):len(l.with)], args...)}
}

func (l *raftLogger) Named(name string) hclog.Logger { return l.ResetNamed(l.name + "." + name) }

func (l *raftLogger) ResetNamed(name string) hclog.Logger {
	return &raftLogger{to: l.to, name: name, with: l.with}
}

// SetLevel does nothing: slog's handler decides.
func (l *raftLogger) SetLevel(hclog.Level) {}

func (l *raftLogger) GetLevel() hclog.Level {
	for _, level := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn} {
		if l.enabled(level) {
			return level
		}
	}
	return hclog.Error
}

func (l *raftLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.to.Handler(), slog.LevelInfo)
}

func (l *raftLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(nil).Writer()
}
