package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// traced is a fault of a system call of a running daemon.
type traced struct {
	target, fault string
	file          string // below the data directory, the newest that matches; empty for every file
	inject        string // strace's words
	span          time.Duration
	expected      []string
}

// syncs are the calls that make data durable.
const syncs = "fsync,fdatasync"

// fsync is the part of the matrix about system calls that fail, are slow or hang, by strace.
func (m *diskMatrix) fsync(ctx context.Context) error {
	if why := noStrace(); why != "" {
		m.report.NotRun = append(m.report.NotRun, "fsync: "+why)
		return nil
	}
	stops := []string{outcomeStopped}
	for _, t := range []traced{
		{"sync of the log's WAL", "EIO once", "log/*.log", syncs + ":error=EIO:when=1", 3 * time.Second, stops},
		{"write to the log's WAL", "ENOSPC once", "log/*.log", "write,pwrite64:error=ENOSPC:when=1", 3 * time.Second, stops},
		{"sync of the watermark", "EIO once", "WATERMARK", syncs + ":error=EIO:when=1", 3 * time.Second, stops},
		{"write to the state's WAL", "EIO once", "state/*.log", "write,pwrite64:error=EIO:when=1", 3 * time.Second, []string{outcomeStopped, outcomeCrashed}}, // Pebble panics itself, and names the file
		{"every sync", "2 s slow", "", syncs + ":delay_enter=2000000", 7 * time.Second, []string{outcomeNone}},
		{"every sync", "hangs", "", syncs + ":delay_enter=60000000", 9 * time.Second, stops},
	} {
		if err := m.trace(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// noStrace says why nothing can be traced here; empty when it can.
func noStrace() string {
	if _, err := exec.LookPath("strace"); err != nil {
		return "faults of system calls need strace (package strace)"
	}
	if text, err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		return fmt.Sprintf("strace may not trace here: %v %s", err, bytes.TrimSpace(text))
	}
	return ""
}

// trace lets a daemon run into a fault under load, and looks at what is left after a restart without the fault.
func (m *diskMatrix) trace(ctx context.Context, t traced) error {
	r := DiskRow{Part: DiskFsync, Target: t.target, Fault: t.fault, Expected: t.expected, Injected: "strace -e inject=" + t.inject}
	d := m.node("row")
	if err := m.remake(templateKilled, d, damage{do: func(string) error { return nil }}); err != nil {
		return err
	}
	if _, err := d.start(ctx); err != nil {
		return err
	}
	defer d.kill()
	args := []string{"-f", "-qq", "-o", os.DevNull, "-p", strconv.Itoa(d.current().cmd.Process.Pid), "-e", "inject=" + t.inject}
	if t.file != "" {
		paths, err := filepath.Glob(filepath.Join(d.dir, "data", t.file))
		if err != nil || len(paths) == 0 {
			return errors.Join(err, fmt.Errorf("bench: no file %s to trace", t.file))
		}
		slices.Sort(paths)
		args = append(args, "-P", paths[len(paths)-1])
	}
	var tracer *exec.Cmd
	p, err := m.underLoad(ctx, d, &r, t.span, func() error {
		tracer = exec.Command("strace", args...)
		if err := tracer.Start(); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		return attached(ctx, d.current())
	})
	if tracer != nil && tracer.Process != nil {
		_ = tracer.Process.Kill() // while it delays a call it hears nothing else; it lets go of the daemon
		_ = tracer.Wait()         // by that signal
	}
	if err != nil {
		return err
	}
	c := d.current()
	d.kill()
	if r.Observed == outcomeStopped {
		r.ended(c, outcomeStopped)
	}
	if err := m.afterwards(ctx, d, &r, p); err != nil {
		return err
	}
	m.add(r)
	return ctx.Err()
}

// attached waits until a process is traced, or has ended of it.
func attached(ctx context.Context, c *child) error {
	for range 500 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
		if err != nil || c.gone() {
			return ctx.Err()
		}
		if _, rest, found := strings.Cut(string(text), "TracerPid:"); found && !strings.HasPrefix(strings.TrimSpace(rest), "0") {
			return ctx.Err()
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("bench: strace did not attach within 5 s")
}

// underLoad draws for a while; after the usual load it does something to the daemon, and notes whether and when that ends it.
func (m *diskMatrix) underLoad(ctx context.Context, d *daemon, r *DiskRow, span time.Duration, then func() error) (*prover, error) {
	const requests = 400_000
	p, work := m.more(requests)
	c := d.current()
	loading, cancel := context.WithCancel(ctx)
	defer cancel()
	loaded := make(chan error, 1)
	go func() {
		_, err := load.Run(loading, load.Options{Addr: m.api, Connections: m.o.Connections}, load.Schedule{Requests: requests, For: time.Minute, Drain: time.Millisecond}, func(int) load.Workload { return work })
		loaded <- err
	}()
	err := pause(ctx, m.o.Load)
	if err == nil {
		err = then()
	}
	begin := time.Now()
	r.Observed = outcomeNone
	for err == nil && time.Since(begin) < span {
		if ending(c) {
			r.Observed, r.After = outcomeStopped, time.Since(begin).Seconds()
			break
		}
		err = pause(ctx, 10*time.Millisecond)
	}
	cancel()
	if e := <-loaded; e != nil && !errors.Is(e, context.Canceled) {
		err = errors.Join(err, e)
	}
	if len(work.odd) > 0 && err == nil && c != nil && !c.gone() {
		r.Message = work.odd[0][:min(len(work.odd[0]), 300)]
	}
	return p, err
}

// ending reports whether a process has ended, or would have but for a call of one of its threads that does not return.
func ending(c *child) bool {
	if c.gone() {
		return true
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	at := bytes.LastIndexByte(text, ')')
	return err == nil && at >= 0 && bytes.HasPrefix(bytes.TrimSpace(text[at+1:]), []byte("Z"))
}

// afterwards starts the daemon without the fault and looks for every draw that was acknowledged before or during it.
func (m *diskMatrix) afterwards(ctx context.Context, d *daemon, r *DiskRow, p *prover) error {
	after := *r
	patient, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if _, err := d.start(patient); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Then, r.Observed = "does not start: "+lastWords(err.Error()), outcomeCrashed
		return nil
	}
	defer d.kill()
	again := newDrawLoad(p.journal, p.template, p.user, &restartWatch{}, m.o.Seed)
	after.Acked, after.Message = uint64(len(p.acknowledged())), ""
	if err := p.resolve(ctx, again); err != nil {
		return err
	}
	if err := m.judge(ctx, &after, p); err != nil {
		return err
	}
	r.Acked, r.Lost, r.LostHow, r.Unread, r.Then = after.Acked, after.Lost, after.LostHow, after.Unread, after.Observed
	if after.Unread > 0 || after.Lost > 0 {
		r.Observed = after.Observed
	}
	return nil
}
