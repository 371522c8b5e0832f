package bench

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// windows damages write-ahead logs at the two moments at which a kill leaves most to them: under load, when the watermark
// is behind, and between a rotation and the flush, when the older one still holds what no table has.
func (m *diskMatrix) windows(ctx context.Context) error {
	p, err := m.killUnderLoad(ctx)
	if err != nil {
		return err
	}
	if err := m.damageWindow(ctx, templateLoaded, p, false); err != nil {
		return err
	}
	if p, err = m.killAtRotation(ctx); err != nil || p == nil {
		return err
	}
	return m.damageWindow(ctx, templateRotated, p, true)
}

// damageWindow damages the newest write-ahead log of the raft log, or the older one.
func (m *diskMatrix) damageWindow(ctx context.Context, template string, p *prover, old bool) error {
	all, err := dataFiles(filepath.Join(m.node(template).dir, "data"))
	if err != nil {
		return err
	}
	found := slices.IndexFunc(all, func(f dataFile) bool { return f.kind == "log/WAL" && f.old == old })
	if found < 0 {
		return errors.New("bench: the data directory does not have the write-ahead log that was to be damaged")
	}
	f := &all[found]
	for _, z := range f.zones() {
		for range m.o.Positions {
			x := flip(f, z.from+m.rng.Int64N(z.to-z.from), byte(1)<<m.rng.IntN(8))
			row := DiskRow{Part: DiskFiles, Target: "log/WAL, killed under load", Fault: "flipped byte" + z.name, Expected: anyButSilence}
			switch {
			case old:
				row.Target, row.Fault = "log/WAL, older, not yet flushed", "flipped byte"
				row.Expected = []string{outcomeRefused}
			case strings.Contains(z.name, "last"):
				// Here a flipped byte looks like a write that the kill cut off, and nothing else says what was there.
				row.Expected, row.Alone = append([]string{outcomeSilent}, anyButSilence...), true
			}
			if err := m.atRest(ctx, template, row, p, x); err != nil {
				return err
			}
		}
	}
	if !old {
		return nil
	}
	row := DiskRow{Part: DiskFiles, Target: "log/WAL, older, not yet flushed", Fault: "cut", Expected: []string{outcomeRefused}}
	return m.atRest(ctx, template, row, p, cut(f, m.rng.Int64N(f.size)))
}

// killUnderLoad makes templateLoaded: SIGKILL while draws are answered.
func (m *diskMatrix) killUnderLoad(ctx context.Context) (*prover, error) {
	d := m.node("loaded-origin")
	if err := copyTree(m.node(templateKilled).dir, d.dir); err != nil {
		return nil, err
	}
	defer d.kill()
	if _, err := d.start(ctx); err != nil {
		return nil, err
	}
	p, work := m.more(roundRequests)
	if _, err := loadUntil(ctx, m.api, m.o.Connections, m.o.Load, roundRequests, work, d.kill); err != nil {
		return nil, err
	}
	return p, copyTree(d.dir, m.node(templateLoaded).dir)
}

// more returns a prover whose journal goes on behind the one so far, and the load that fills it.
func (m *diskMatrix) more(requests int) (*prover, *crashLoad) {
	p, j := *m.prover, m.prover.journal
	next := newJournal(p.rules, int(m.next)+requests)
	next.hasher = j.hasher
	copy(next.state, j.state[:m.next])
	copy(next.prize, j.prize)
	copy(next.seq, j.seq)
	copy(next.body, j.body)
	copy(next.draw, j.draw)
	p.journal = next
	return &p, &crashLoad{newDrawLoad(next, p.template, p.user, &restartWatch{}, m.o.Seed), m.next}
}

// loadUntil draws for a while and then does something, in the middle of it.
func loadUntil(ctx context.Context, addr string, connections int, span time.Duration, requests uint32, work load.Workload, then func()) (*load.Stats, error) {
	done := make(chan struct{})
	started := false
	opts := load.Options{Addr: addr, Connections: connections, OnStart: func(t0 time.Time) {
		started = true
		go func() {
			defer close(done)
			select {
			case <-time.After(time.Until(t0.Add(span))):
			case <-ctx.Done():
			}
			then()
		}()
	}}
	s, err := load.Run(ctx, opts, load.Schedule{Requests: requests, For: span + 30*time.Millisecond, Drain: time.Second}, func(int) load.Workload { return work })
	if started {
		<-done
	}
	return s, err
}

// killAtRotation makes templateRotated: SIGKILL right after the write-ahead log of the raft log was rotated, which takes
// 64 MiB of log. The draws that fill it are not in the journal: they are only there to be many.
func (m *diskMatrix) killAtRotation(ctx context.Context) (*prover, error) {
	d := m.node("rotated-origin")
	if err := copyTree(m.node(templateKilled).dir, d.dir); err != nil {
		return nil, err
	}
	defer d.kill()
	if _, err := d.start(ctx); err != nil {
		return nil, err
	}
	p := *m.prover
	p.alone = false
	const patience = 60 * time.Second
	rotated := make(chan bool, 1)
	stop, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() {
		pattern := filepath.Join(d.dir, "data", "log", "*.log")
		before, _ := filepath.Glob(pattern)
		for stop.Err() == nil {
			if now, _ := filepath.Glob(pattern); len(now) > len(before) {
				rotated <- true
				break
			}
			time.Sleep(200 * time.Microsecond)
		}
		d.kill()
		cancel()
		close(rotated)
	}()
	bulk := newBatchLoad(m.api, p.campaign, 256, uint32(m.o.Users), true)
	_, err := load.Run(stop, load.Options{Addr: m.api, Connections: 16}, load.Schedule{Requests: 1 << 20, For: patience}, func(int) load.Workload { return bulk })
	if ok := <-rotated; !ok {
		return nil, errors.Join(ctx.Err(), errors.New("bench: the write-ahead log was not rotated"), err)
	}
	return &p, copyTree(d.dir, m.node(templateRotated).dir)
}
