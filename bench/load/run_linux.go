package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Run sends the requests of s and returns what it measured. newWorkload is called once for each loop, beforehand; loop k
// of n sends the requests whose id is k modulo n. Run returns early when ctx ends, with the context's error beside the
// statistics so far.
func Run(ctx context.Context, o Options, s Schedule, newWorkload func(loop int) Workload) (*Stats, error) {
	if err := errors.Join(o.Validate(), s.validate()); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	o = o.withDefaults()
	if s.Drain == 0 {
		s.Drain = 10 * time.Second
	}
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()

	loops := make([]*loop, o.Loops)
	for k := range loops {
		l, err := newLoop(k, &o, &s, newWorkload(k), &stop)
		if err != nil {
			for _, made := range loops[:k] {
				made.closeAll()
			}
			return nil, err
		}
		loops[k] = l
	}
	var (
		connected, ended sync.WaitGroup
		start            = make(chan time.Time)
		faults           = make([]error, len(loops))
	)
	for k, l := range loops {
		connected.Add(1)
		ended.Go(func() { faults[k] = l.run(connected.Done, start) })
	}
	connected.Wait()
	t0, refused := o.begin()
	if refused != nil {
		stop.Store(true)
	} else if o.OnStart != nil {
		o.OnStart(t0)
	}
	for range loops {
		start <- t0
	}
	ended.Wait()

	total := NewStats()
	for _, l := range loops {
		total.Merge(l.stats)
	}
	if err := errors.Join(append(faults, refused)...); err != nil {
		return total, err
	}
	return total, ctx.Err()
}

// begin returns the moment of the start.
func (o *Options) begin() (time.Time, error) {
	if o.Begin == nil {
		return time.Now().Add(startAhead), nil
	}
	return o.Begin()
}

// spareMemory is what an open loop may leave uncollected: its seconds' histograms for some hours.
const spareMemory = 1 << 30

// startAhead is for all loops to hear of the start before it.
const startAhead = 20 * time.Millisecond

// Alone keeps the rest of the process from holding up the loops, until the function that it returns is called: each finds a processor
// of Go's free when it wakes up, and no collection stops it while threads without its priority wait for theirs. It is for open loops,
// and for one caller at a time: what it sets belongs to the process.
func Alone(loops int) (done func()) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	procs, limit, percent := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1), debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(procs + 2*loops)
	debug.SetMemoryLimit(min(limit, int64(m.Sys)+spareMemory))
	return func() {
		runtime.GOMAXPROCS(procs)
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}
