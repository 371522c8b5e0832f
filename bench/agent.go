package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/drawd/drawd/bench/link"
	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// AgentOptions describe an agent: a process that sends a share of the load for a coordinator elsewhere.
type AgentOptions struct {
	Environment
	Listen string // Default "127.0.0.1:7090"
	Token  string // that the coordinator has too; at least link.MinToken bytes. Required
	HDR    string // file for the histograms of the seconds of the newest run, HdrHistogram's log format; empty for none
	Once   bool   // end after one conversation with somebody who knows the token
}

// Validate reports every fault of o at once.
func (o *AgentOptions) Validate() error {
	var f faults
	f.check(len(o.Token) >= link.MinToken, fmt.Sprintf("Token has %d bytes; it needs at least %d", len(o.Token), link.MinToken))
	if o.Listen != "" {
		_, _, err := net.SplitHostPort(o.Listen)
		f.check(err == nil, fmt.Sprintf("Listen is %q; it must be like 0.0.0.0:7090", o.Listen))
	}
	return f.err("agent")
}

// Agent serves one coordinator after the other until ctx ends. It writes where it listens to out.
func Agent(ctx context.Context, o AgentOptions, out io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	orDefault(&o.Listen, "127.0.0.1:7090")
	if err := o.fill(); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("bench agent: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	defer ln.Close()
	if _, err := fmt.Fprintf(out, "listening %s\n", ln.Addr()); err != nil {
		return fmt.Errorf("bench agent: %w", err)
	}
	a := &agentServer{o: o, say: newConsole(&o.Environment)}
	for {
		c, err := ln.Accept()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		if err != nil {
			return fmt.Errorf("bench agent: %w", err)
		}
		from := c.RemoteAddr()
		known, err := a.converse(ctx, c)
		if err != nil && ctx.Err() == nil {
			a.say.say("%s: %v", from, err)
		}
		if o.Once && known {
			return err
		}
	}
}

// agentServer is an agent's process.
type agentServer struct {
	o   AgentOptions
	say *console
}

// idle is for how long a coordinator may say nothing, but for the time of a run.
const idle = 5 * time.Minute

// converse serves one coordinator. known says that whoever called proved the token: anybody else is as if he had not called.
func (a *agentServer) converse(ctx context.Context, c net.Conn) (known bool, err error) {
	l, err := link.Answer(c, a.o.Token)
	if err != nil {
		return false, err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	a.say.say("%s: a coordinator", l.Remote())
	m, err := l.Receive(idle)
	for ; err == nil; m, err = l.Receive(idle) {
		for m != nil { // after a share it is what the coordinator has said meanwhile
			if m, err = a.obey(ctx, l, m); err != nil {
				return true, errors.Join(err, l.Send(sayFailed, err.Error()))
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return true, err
}

// obey does what a message asks for. It returns the next message when that came meanwhile.
func (a *agentServer) obey(ctx context.Context, l *link.Conn, m *link.Message) (next *link.Message, err error) {
	switch m.Kind {
	case sayPing:
		return nil, l.Send(sayPong, time.Now().UnixNano())
	case sayCalibrate:
		var order calibrateOrder
		if err := m.Decode(&order); err != nil {
			return nil, err
		}
		rate, err := generatorRate(ctx, &a.o.Environment, order.Connections, order.Loops, time.Second)
		if err != nil {
			return nil, err
		}
		host, _ := os.Hostname() // a name for people
		commit := a.o.Commit
		if commit == "" {
			commit = builtCommit()
		}
		return nil, l.Send(sayHello, agentHello{Commit: commit, Host: host, Cores: runtime.GOMAXPROCS(0), PerSecond: rate})
	case sayJob:
		job := &agentJob{}
		if err := m.Decode(job); err != nil {
			return nil, err
		}
		return a.work(ctx, l, job)
	}
	return nil, fmt.Errorf("bench agent: a message %q that nobody expects", m.Kind)
}

// check refuses a job that could not be done.
func (j *agentJob) check() error {
	var f faults
	f.check(len(j.Due) == len(j.User), "Due and User differ in length")
	f.check(j.Of > 0 && j.First < j.Of, "First must be below Of")
	f.check(len(j.Due) <= MaxRequests && (uint64(len(j.Due))+1)*uint64(j.Of) <= 100_000_000, "more requests than keys have digits for")
	f.within("Connections", j.Connections, 1, MaxConnections)
	f.within("Loops", j.Loops, 1, 64)
	return f.err("agent")
}

// work sends a share of the load. It returns what the coordinator says next.
func (a *agentServer) work(ctx context.Context, l *link.Conn, job *agentJob) (next *link.Message, err error) {
	if err := job.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rules := &oracle.Rules{Campaign: job.Campaign, Prizes: job.Prizes}
	j := newJournal(rules, len(job.Due))
	loads := job.loads(j)
	d := newDiary(job.Loops, rules, nil)
	d.raw = func(e *entry) {
		s, err := packedSecond(e)
		if err == nil {
			err = l.Send(saySecond, s)
		}
		if err != nil {
			cancel(err)
		}
	}
	d.start()
	a.say.say("%s requests to %s", count(len(job.Due)), job.Addr)
	var side sync.WaitGroup
	o := load.Options{
		Addr: job.Addr, Connections: job.Connections, Loops: job.Loops, Timeout: job.Timeout,
		OnSecond: func(s load.Second) { d.tell(s, loads[s.Loop].tally()) },
		Begin:    func() (time.Time, error) { return awaitStart(l) },
		OnStart: func(time.Time) {
			side.Go(func() { // a coordinator that is gone wants nothing of the rest
				var fault error
				if next, fault = l.Receive(0); fault != nil {
					cancel(fmt.Errorf("bench agent: the coordinator is gone: %w", fault))
				}
			})
		},
	}
	defer load.Alone(job.Loops)()
	s, err := load.Run(ctx, o, load.Schedule{Arrivals: job.Due, Drain: job.Drain}, func(k int) load.Workload { return loads[k] })
	d.stop()
	if err == nil {
		err = a.tell(l, d, s, loads, j)
	}
	if err != nil {
		err = errors.Join(context.Cause(ctx), err)
		_ = l.Send(sayFailed, err.Error()) // it may be the connection that failed
		_ = l.Close()
	}
	side.Wait()
	if err == nil {
		a.say.say("done: %s requests sent", count(s.Sent))
	}
	return next, err
}

// loads makes what the loops send.
func (j *agentJob) loads(rows *journal) []*drawLoad {
	template := newNoncedTemplate(j.Addr, j.Key, j.Campaign, j.Nonce)
	all := make([]*drawLoad, j.Loops)
	for k := range all {
		l := newDrawLoad(rows, template, func(id uint32) uint32 { return j.User[id] }, &restartWatch{}, j.Seed+uint64(j.First)<<8+uint64(k))
		l.share = share{j.First, j.Of}
		if j.Policy != "" {
			l.patience = patience{j.Policy, j.Attempts}
		}
		all[k] = l
	}
	return all
}

// tell says what a share came to.
func (a *agentServer) tell(l *link.Conn, d *diary, s *load.Stats, loads []*drawLoad, j *journal) error {
	r, err := resultOf(s, loads, j)
	if err != nil {
		return err
	}
	log, err := d.histograms()
	if err == nil && a.o.HDR != "" {
		err = os.WriteFile(a.o.HDR, log, 0o644)
	}
	if err != nil {
		return fmt.Errorf("bench agent: %w", err)
	}
	return l.Send(sayResult, r)
}

// awaitStart says that the connections stand, and waits for the start.
func awaitStart(l *link.Conn) (time.Time, error) {
	if err := l.Send(sayPrepared, nil); err != nil {
		return time.Time{}, err
	}
	for {
		m, err := l.Receive(idle)
		if err != nil {
			return time.Time{}, err
		}
		switch m.Kind {
		case sayPing:
			if err := l.Send(sayPong, time.Now().UnixNano()); err != nil {
				return time.Time{}, err
			}
		case sayStart:
			var at int64
			if err := m.Decode(&at); err != nil {
				return time.Time{}, err
			}
			now := time.Now()
			return now.Add(time.Duration(at - now.UnixNano())), nil // by the monotonic clock from here on
		default:
			return time.Time{}, fmt.Errorf("bench agent: a message %q before the start", m.Kind)
		}
	}
}
