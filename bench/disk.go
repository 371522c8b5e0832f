package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// The parts of the disk matrix, as DiskOptions.Only names them.
const (
	DiskFiles  = "files"  // a stopped node's files: a flipped byte, cut, deleted, swapped, an older copy
	DiskFsync  = "fsync"  // a running node's system calls: an error, slow, hung (needs strace and the right to trace)
	DiskPeers  = "peers"  // one of three nodes: what it cannot tell alone
	DiskVolume = "volume" // a running node's volume: nearly full, full (needs root and loop devices)
)

var diskParts = [...]string{DiskFiles, DiskPeers, DiskFsync, DiskVolume}

// Disk does to a node's disk what disks do, one fault at a time, each to a fresh copy of one data directory that a daemon
// made under load. It starts the daemon on it, or lets it run into the fault, and looks at what became of every draw
// that was acknowledged before: refused to start, stopped, told on reading, no effect — or lost in silence, which is a
// fault of drawd. What one node alone cannot tell is a row, too, and marked so; the same is done to one node of three, which
// the others must tell.
func Disk(ctx context.Context, o DiskOptions) (*DiskReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Positions, 3)
	orDefault(&o.Load, 250*time.Millisecond)
	orDefault(&o.Connections, 32)
	orDefault(&o.Users, 5_000)
	orDefault(&o.Seed, 1)
	if len(o.Only) == 0 {
		o.Only = diskParts[:]
	}
	if err := o.fill(); err != nil {
		return nil, err
	}
	m := &diskMatrix{o: o, say: newConsole(&o.Environment), rng: rand.New(rand.NewPCG(o.Seed, 0x6469736b))}
	m.report = &DiskReport{Scenario: "disk", Seed: o.Seed, Parts: o.Only, Faults: &oracle.Verdict{}, Outcomes: map[string]int{}}
	begin := time.Now()
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	m.say.clear()
	m.report.Seconds = time.Since(begin).Seconds()
	return m.report, m.report.finish(&o)
}

// diskMatrix is one run.
type diskMatrix struct {
	o      DiskOptions
	say    *console
	rng    *rand.Rand
	report *DiskReport

	home       string // everything lies below it
	api, admin string // every daemon's, one at a time
	prover     *prover
	next       uint32 // first unused row of the journal
}

func (m *diskMatrix) run(ctx context.Context) (err error) {
	if m.home, err = os.MkdirTemp(m.o.Dir, "drawd-disk-"); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() {
		if m.o.Keep || err != nil {
			m.say.say("data kept in %s", m.home)
			return
		}
		err = errors.Join(err, os.RemoveAll(m.home))
	}()
	if m.api, err = freeAddress(); err != nil {
		return err
	}
	if m.admin, err = freeAddress(m.api); err != nil {
		return err
	}
	m.report.Machine = lookAtMachine(&m.o.Environment, m.home)
	if err := m.report.Machine.measureDisk(m.home, 50*time.Millisecond); err != nil {
		return err
	}
	m.say.say("making the data directory that every row begins with …")
	if err := m.makeTemplates(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{DiskFiles, m.files}, {DiskPeers, m.peers}, {DiskFsync, m.fsync}, {DiskVolume, m.volume}} {
		if !slices.Contains(m.o.Only, part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// node returns a daemon, not started, whose data directory is below dir.
func (m *diskMatrix) node(dir string) *daemon {
	return &daemon{command: m.o.Daemon, dir: filepath.Join(m.home, dir), api: m.api, admin: m.admin}
}

// The directories that rows begin with.
const (
	templateKilled    = "killed"    // SIGKILL of an idle node: the watermark is up to date
	templateLoaded    = "loaded"    // SIGKILL under load, later than killed: the watermark may be 250 ms behind
	templateRotated   = "rotated"   // SIGKILL between a WAL's rotation and its flush: there is an older WAL
	templateYesterday = "yesterday" // killed, as it was two restarts before
)

// makeTemplates lets a daemon live through some load, stops and kills, so that its directory has every kind of file.
func (m *diskMatrix) makeTemplates(ctx context.Context) error {
	d := m.node("origin")
	defer d.kill()
	for step := range 4 {
		if _, err := d.start(ctx); err != nil {
			return err
		}
		if step == 0 {
			if err := m.publish(ctx); err != nil {
				return err
			}
		}
		if err := m.drawFor(ctx, m.o.Load); err != nil {
			return err
		}
		// Stops write checkpoints; a kill leaves WALs, which the next start turns into tables.
		if step == 0 || step == 2 {
			if err := d.stop(); err != nil {
				return err
			}
		}
		if step == 0 {
			if err := copyTree(d.dir, m.node(templateYesterday).dir); err != nil {
				return err
			}
		}
		if step == 1 {
			d.kill()
		}
	}
	select { // the watermark is at most 250 ms behind, and up to date when nothing is written
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	d.kill()
	return copyTree(d.dir, m.node(templateKilled).dir)
}

// publish puts the campaign live that all rows draw from.
func (m *diskMatrix) publish(ctx context.Context) error {
	file, err := crashCampaign(m.o.Users, time.Now()).encode()
	if err != nil {
		return err
	}
	rules, err := compileRules(m.o.Compile, file)
	if err != nil {
		return err
	}
	c := newControl("http://"+m.api, "http://"+m.admin, "")
	version, err := c.publish(ctx, rules.Campaign, file)
	if err != nil {
		return err
	}
	users := uint64(m.o.Users)
	m.prover = &prover{
		control: c, host: m.api, campaign: rules.Campaign, version: version, rules: rules, say: &console{}, alone: true,
		journal: newJournal(rules, 4*roundRequests), template: newDrawTemplate(m.api, "", rules.Campaign),
		user: func(id uint32) uint32 { return uint32(uint64(id) * 0x9E3779B97F4A7C15 >> 21 % users) },
	}
	return nil
}

// drawFor draws as fast as answers come, for a while, and asks again for what was left open.
func (m *diskMatrix) drawFor(ctx context.Context, span time.Duration) error {
	work := &crashLoad{newDrawLoad(m.prover.journal, m.prover.template, m.prover.user, &restartWatch{}, m.o.Seed), m.next}
	m.next += roundRequests
	s, err := load.Run(ctx, load.Options{Addr: m.api, Connections: m.o.Connections}, load.Schedule{Requests: roundRequests, For: span}, func(int) load.Workload { return work })
	if err != nil {
		return err
	}
	if s.Answered[load.Failed] > 0 {
		return fmt.Errorf("bench: unexpected answer: %.500q", work.odd)
	}
	return m.prover.resolve(ctx, work.drawLoad)
}
