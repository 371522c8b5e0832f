package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// Durability measures what each guarantee costs: in memory, on a file system in memory, on the disk; as a library and as a daemon.
func Durability(ctx context.Context, o TableOptions) (*TableReport, error) {
	return runTable(ctx, "durability", "closed loop; the library's callers are goroutines of this process, the daemon's are connections", o, func(ctx context.Context, t *tableRun) error {
		campaign, err := t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
		if err != nil {
			return err
		}
		var all []contender
		for _, l := range []struct {
			id, name string
			durable  bool
		}{{"library.memory", "library, in memory: a crash loses everything", false}, {"library.disk", "library, fsync before every answer", true}} {
			c, err := t.library(ctx, contender{id: l.id, name: l.name}, l.durable)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		shm, err := t.inMemory(ctx, contender{id: "daemon.memory", name: "daemon, fsync on a file system in memory: what the disk costs"}, "/dev/shm")
		if err != nil {
			return err
		}
		all = append(all, shm,
			t.unary(contender{id: "daemon.disk", name: "daemon, fsync before every answer"}, []string{campaign}, t.o.Users, t.o.Connections),
			t.batch(contender{id: "daemon.batch", name: fmt.Sprintf("daemon, fsync before every answer, %d draws a request", t.o.BatchDraws)}, campaign, t.o.BatchDraws, t.o.Users, true))
		t.report.Target, t.report.Durable = "library, http", "as each row says"
		return t.contest(ctx, all)
	})
}

// missing is a contender that is not here.
func (c contender) missing(why string) contender {
	c.note = why
	c.measure = func(context.Context, time.Duration) (sample, error) { return sample{}, nil }
	return c
}

// inMemory is a contender: a daemon whose data is in another folder.
func (t *tableRun) inMemory(ctx context.Context, c contender, folder string) (contender, error) {
	if kind := fileSystem(folder); kind != "tmpfs (not durable)" {
		return c.missing(folder + " is no file system in memory here"), nil
	}
	env := t.o.Environment
	env.Dir = folder
	d, err := newDaemon(&env)
	if err != nil {
		return c, err
	}
	t.stops = append(t.stops, func() error { return d.remove(t.o.Keep) })
	if _, err := d.start(ctx); err != nil {
		return c, err
	}
	f := t.f.besides(d)
	t.elsewhere = append(t.elsewhere, f.recount)
	campaign, err := f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
	if err != nil {
		return c, err
	}
	return closedContender(c, closedLoop{server: d, want: load.Decided, opts: load.Options{Addr: d.api, Connections: t.o.Connections}}, 1,
		drawing(f, newSteadyLoad(d.api, campaign, uint32(t.o.Users)), campaign)), nil
}

// library is a contender: drawd in this process.
func (t *tableRun) library(ctx context.Context, c contender, durable bool) (contender, error) {
	if t.o.OpenLibrary == nil {
		return c.missing("the library was not brought along"), nil
	}
	dir := ""
	if durable {
		var err error
		if dir, err = os.MkdirTemp(t.o.Dir, "drawd-bench-library-"); err != nil {
			return c, fmt.Errorf("bench: %w", err)
		}
		t.stops = append(t.stops, func() error { return os.RemoveAll(dir) })
	}
	lib, err := t.o.OpenLibrary(dir)
	if err != nil {
		return c, fmt.Errorf("bench: library: %w", err)
	}
	t.stops = append(t.stops, lib.Close)
	file := steadyCampaign(t.o.Users, time.Now())
	text, err := file.encode()
	if err != nil {
		return c, err
	}
	if err := lib.Publish(ctx, text); err != nil {
		return c, fmt.Errorf("bench: library: %w", err)
	}
	l := &libraryLoad{lib: lib, campaign: file.Campaign, users: uint64(t.o.Users), callers: 2}
	if durable {
		l.callers = t.o.Connections
	}
	c.name += fmt.Sprintf(" (%d callers)", l.callers)
	c.measure = l.measure
	return c, nil
}

// libraryLoad draws by so many goroutines for ever.
type libraryLoad struct {
	lib      Library
	campaign string
	users    uint64
	callers  int
	sent     atomic.Uint64
}

// measure draws for span. The processor time is that of the whole process: callers and engine together.
func (l *libraryLoad) measure(ctx context.Context, span time.Duration) (sample, error) {
	var (
		all    sync.WaitGroup
		faults = make([]error, l.callers)
		done   atomic.Uint64
		hist   = make([]*load.Histogram, l.callers)
	)
	before, begin := processCPU(os.Getpid()), time.Now()
	for k := range l.callers {
		hist[k] = load.NewHistogram()
		all.Go(func() {
			for n := uint64(0); ; n++ {
				start := time.Now()
				if start.Sub(begin) >= span || ctx.Err() != nil {
					done.Add(n)
					return
				}
				id := l.sent.Add(1)
				user := "u" + strconv.FormatUint(id*0x9E3779B97F4A7C15>>32%l.users, 10)
				if err := l.lib.Draw(ctx, l.campaign, user, strconv.FormatUint(id, 36)); err != nil {
					faults[k] = err
					return
				}
				load.Record(hist[k], time.Since(start))
			}
		})
	}
	all.Wait()
	wall := time.Since(begin)
	if err := errors.Join(append(faults, ctx.Err())...); err != nil {
		return sample{}, fmt.Errorf("bench: library: %w", err)
	}
	sum := load.NewHistogram()
	for _, h := range hist {
		sum.Merge(h)
	}
	n := float64(done.Load())
	if n == 0 {
		return sample{}, errors.New("bench: library: no draw was made")
	}
	return sample{
		rate: n / wall.Seconds(), cpu: float64((processCPU(os.Getpid()) - before).Microseconds()) / n, p50: sum.ValueAtQuantile(50), p99: sum.ValueAtQuantile(99),
	}, nil
}
