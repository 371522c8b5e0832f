package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// CalibrateReport is what a calibration gave: what this machine can do without drawd.
type CalibrateReport struct {
	Scenario  string      `json:"scenario"` // "calibrate"
	Machine   Machine     `json:"machine"`
	RoundTrip Percentiles `json:"round_trip"` // one byte there and back over loopback, two processes' worth of wake-ups
	Empty     Capacity    `json:"empty"`      // closed loop against the empty handler
	Generator Capacity    `json:"generator"`  // closed loop against a server that does next to nothing
	Pacing    Percentiles `json:"pacing_lag"` // the generator's lag in an open loop at two fifths of Empty
	Seconds   float64     `json:"seconds"`    // that the calibration took
}

// Capacity is a closed loop's result.
type Capacity struct {
	Connections  int         `json:"connections"`
	Rate         float64     `json:"per_second"`
	Refused      uint64      `json:"refused,omitempty"` // because of load: not in the rate
	GeneratorCPU float64     `json:"generator_cpu_us"`  // per request
	ServerCPU    float64     `json:"server_cpu_us"`     // per request
	Service      Percentiles `json:"service"`
}

// Calibrate measures the machine: fsync, loopback, the empty handler and the generator itself.
func Calibrate(ctx context.Context, o CalibrateOptions) (*CalibrateReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Seconds, 2)
	orDefault(&o.Connections, 256)
	orDefault(&o.BodyBytes, drawBodyBytes)
	if err := o.fill(); err != nil {
		return nil, err
	}
	begin := time.Now()
	say := newConsole(&o.Environment)
	defer say.clear()
	span := time.Duration(o.Seconds) * time.Second
	dir, err := os.MkdirTemp(o.Dir, "drawd-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &CalibrateReport{Scenario: "calibrate", Machine: lookAtMachine(&o.Environment, dir)}
	say.now("fsync …")
	if err := r.Machine.measureDisk(dir, span/3); err != nil {
		return nil, err
	}
	say.now("loopback …")
	if r.RoundTrip, err = measureRoundTrip(min(span, time.Second)); err != nil {
		return nil, err
	}
	if err := r.measureEmpty(ctx, &o, span, say); err != nil {
		return nil, err
	}
	say.now("generator …")
	if r.Generator, err = measureSink(ctx, o.Connections, span); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(begin).Seconds()
	return r, nil
}

// measureEmpty finds what the empty handler gives, and how punctual the generator is at a share of it.
func (r *CalibrateReport) measureEmpty(ctx context.Context, o *CalibrateOptions, span time.Duration, say *console) error {
	say.now("empty handler …")
	e, err := startEmpty(&o.Environment, o.BodyBytes)
	if err != nil {
		return err
	}
	defer e.kill()
	if r.Empty, err = measureClosed(ctx, e.addr, e.child, o.Connections, 1, newPlainLoad(e.addr), span, load.Decided); err != nil {
		return err
	}
	say.now("pacing …")
	step := time.Duration(float64(time.Second) / (comfortableShare * r.Empty.Rate))
	due := make([]time.Duration, int(span/step))
	for i := range due {
		due[i] = time.Duration(i) * step
	}
	s, err := load.Run(ctx, load.Options{Addr: e.addr, Connections: o.Connections}, load.Schedule{Arrivals: due}, newPlainLoad(e.addr))
	if err != nil {
		return err
	}
	r.Pacing = percentilesOf(s.Lag)
	return nil
}

// defaultLoops leaves three processors of four to the server.
func defaultLoops() int { return max(1, runtime.GOMAXPROCS(0)/4) }

// generatorRate returns what the generator can send on this machine while an empty handler answers.
func generatorRate(ctx context.Context, env *Environment, connections, loops int, span time.Duration) (float64, error) {
	e, err := startEmpty(env, drawBodyBytes)
	if err != nil {
		return 0, err
	}
	defer e.kill()
	c, err := measureClosed(ctx, e.addr, e.child, connections, loops, newPlainLoad(e.addr), span, load.Decided)
	return c.Rate, err
}

// warmup is the unmeasured beginning of a closed loop.
func warmup(span time.Duration) time.Duration { return min(span/4, 500*time.Millisecond) }

// meter tells how much processor time a server has used.
type meter interface{ CPU() time.Duration }

// measureClosed runs a closed loop for span and counts what both sides cost. Answers of another class than want are an
// error, but for refusals because of load, which do not count.
func measureClosed(ctx context.Context, addr string, server meter, connections, loops int, work func(int) load.Workload, span time.Duration, want load.Class) (Capacity, error) {
	return closedLoop{server: server, want: want, opts: load.Options{Addr: addr, Connections: connections, Loops: loops}}.measure(ctx, work, span)
}

// closedLoop measures one server in a closed loop.
type closedLoop struct {
	server meter
	want   load.Class // of the answers that count
	opts   load.Options
}

func (l closedLoop) measure(ctx context.Context, work func(int) load.Workload, span time.Duration) (Capacity, error) {
	c := Capacity{Connections: l.opts.Connections}
	warm := warmup(span)
	var used [2]time.Duration
	sampled := make(chan struct{})
	l.opts.OnStart = func(t0 time.Time) {
		go func() {
			defer close(sampled)
			for i, at := range []time.Duration{warm, warm + span} {
				select {
				case <-time.After(time.Until(t0.Add(at))):
				case <-ctx.Done():
				}
				used[i] = l.server.CPU()
			}
		}()
	}
	s, err := load.Run(ctx, l.opts, load.Schedule{Requests: 1 << 31, For: warm + span, Warmup: warm}, work)
	if s != nil {
		<-sampled
	}
	if err != nil {
		return c, err
	}
	n := s.Answered[l.want]
	c.Refused = s.Answered[load.Refused]
	if n == 0 || s.Final() != n+c.Refused {
		return c, fmt.Errorf("bench: closed loop: unexpected answers: decided %d, denied %d, refused %d, failed %d, lost %d",
			s.Answered[load.Decided], s.Answered[load.Denied], s.Answered[load.Refused], s.Answered[load.Failed], s.LostCount)
	}
	c.Rate = float64(n) / s.Wall.Seconds()
	c.GeneratorCPU = float64(s.CPU.Nanoseconds()) / 1e3 / float64(n)
	c.ServerCPU = float64((used[1] - used[0]).Nanoseconds()) / 1e3 / float64(n)
	c.Service = percentilesOf(s.Service[l.want])
	return c, nil
}

// plainLoad sends a draw's request to something that only has to answer it.
type plainLoad struct{ template *template }

func newPlainLoad(host string) func(int) load.Workload {
	return func(int) load.Workload { return plainLoad{newDrawTemplate(host, "", "bench-flash-0000000000000000")} }
}

// AppendRequest implements load.Workload.
func (l plainLoad) AppendRequest(dst []byte, id uint32, _ bool) []byte {
	return l.template.appendTo(dst, id%100_000_000, id%1_000_000, false)
}

// Answer implements load.Workload.
func (l plainLoad) Answer(_ uint32, a *load.Answer) (load.Class, time.Duration) {
	return classOf(a.Status), load.Done
}

// Lost implements load.Workload.
func (l plainLoad) Lost(uint32, int) time.Duration { return load.Done }

// measureSink finds what the generator does against a server that costs next to nothing.
func measureSink(ctx context.Context, connections int, span time.Duration) (Capacity, error) {
	sink, err := load.StartSink(drawBodyBytes)
	if err != nil {
		return Capacity{}, fmt.Errorf("bench: %w", err)
	}
	defer sink.Close()
	return measureClosed(ctx, sink.Addr(), sink, connections, 1, newPlainLoad(sink.Addr()), span, load.Decided)
}

// measureRoundTrip sends one byte back and forth.
func measureRoundTrip(span time.Duration) (Percentiles, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Percentiles{}, fmt.Errorf("bench: loopback: %w", err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c) // until the other side hangs up
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return Percentiles{}, fmt.Errorf("bench: loopback: %w", err)
	}
	defer c.Close()
	h, b := load.NewHistogram(), []byte{1}
	for begin := time.Now(); time.Since(begin) < span; {
		start := time.Now()
		if _, err := c.Write(b); err != nil {
			return Percentiles{}, fmt.Errorf("bench: loopback: %w", err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return Percentiles{}, fmt.Errorf("bench: loopback: %w", err)
		}
		_ = h.RecordValue(max(time.Since(start).Microseconds(), 1)) // below the range's end of 60 s
	}
	return percentilesOf(h), nil
}

// WriteText writes the report for people.
func (r *CalibrateReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench calibrate")
	p.line("%s", r.Machine.String())
	p.line("")
	g := &grid{}
	g.row("fsync after an append of", "p50", "p99", "max", "count")
	for _, f := range r.Machine.Fsync {
		g.row(bytesText(f.Bytes), microsText(f.P50), microsText(f.P99), microsText(f.Max), count(f.Count))
	}
	p.grid(g)
	p.line("")
	l := &grid{}
	l.row(percentileHead("")...)
	l.row(percentileCells("loopback round trip, 1 byte", &r.RoundTrip)...)
	l.row(percentileCells("empty handler, closed loop", &r.Empty.Service)...)
	l.row(percentileCells("generator lag, open loop", &r.Pacing)...)
	p.grid(l)
	p.line("")
	c := &grid{}
	c.row("closed loop", "requests/s", "generator CPU", "server CPU", "in flight")
	for _, x := range []struct {
		name string
		c    *Capacity
	}{{"empty fasthttp handler", &r.Empty}, {"generator alone (bare sink)", &r.Generator}} {
		c.row(x.name, count(int64(x.c.Rate)), fmt.Sprintf("%.2f µs", x.c.GeneratorCPU), fmt.Sprintf("%.2f µs", x.c.ServerCPU), count(x.c.Connections))
	}
	p.grid(c)
	p.line("")
	p.line("A crowd's peak is kept below %s of %s, which is what this generator can send while a server answers.", percent(peakShare), count(int64(r.Empty.Rate))+"/s")
	return p.err
}

// medianOf returns the median of values, which it sorts.
func medianOf(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}
