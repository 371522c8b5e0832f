package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// sent is a snapshot as raft carries it.
type sent struct {
	meta  raft.SnapshotMeta
	bytes []byte
}

// send takes a checkpoint and reads it as a leader does.
func (r *rig) send() sent {
	r.t.Helper()
	if err := r.node.points.take(); err != nil {
		r.t.Fatal(err)
	}
	meta, stream, err := r.node.snapshots.Open("the newest")
	if err != nil {
		r.t.Fatal(err)
	}
	b, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); err != nil {
		r.t.Fatal(err)
	}
	if int64(len(b)) != meta.Size {
		r.t.Errorf("a snapshot of %d bytes was announced with %d", len(b), meta.Size)
	}
	return sent{*meta, b}
}

// install does what raft does with a snapshot that comes, in its order.
func (r *rig) install(s sent) error {
	sink, err := r.node.snapshots.Create(1, s.meta.Index, s.meta.Term, s.meta.Configuration, s.meta.ConfigurationIndex, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sink, iotestHalves{bytes.NewReader(s.bytes)}); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if int64(len(s.bytes)) != s.meta.Size {
		return errors.Join(io.ErrUnexpectedEOF, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return err
	}
	_, stream, err := r.node.snapshots.Open(sink.ID())
	if err != nil {
		return err
	}
	if err := r.node.fsm.Restore(stream); err != nil {
		return err
	}
	if last := r.node.log.disk.Last(); last != 0 {
		return r.node.log.DeleteRange(r.node.log.disk.First(), last)
	}
	return nil
}

// iotestHalves reads in pieces that end anywhere.
type iotestHalves struct{ r io.Reader }

func (h iotestHalves) Read(b []byte) (int, error) { return h.r.Read(b[:(len(b)+1)/2]) }

// twoRigs returns a node with draws, and another one, of another cluster, that has some of its own.
func twoRigs(t *testing.T) (from, to *rig, answers []answer) {
	from = newRig(t, storage.NewCrashFS())
	from.options.TrailingBytes = 1
	from.mustStart()
	from.publish(testVersion(time.Now(), 1<<40))
	answers = from.some("a", 300)
	to = newRig(t, storage.NewCrashFS())
	to.mustStart()
	return from, to, answers
}

// A snapshot brings another node to the same state, durably, with the log behind it, and what follows is applied.
func TestSnapshotBringsTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to, _ := twoRigs(t)
		s := from.send()
		if err := to.install(s); err != nil {
			t.Fatal(err)
		}
		hash, running := from.engine.StateHash(), from.engine.RunningHash()
		if to.engine.StateHash() != hash || to.engine.RunningHash() != running || to.node.fsm.applied.Load() != s.meta.Index {
			t.Errorf("another state, applied %d of %d", to.node.fsm.applied.Load(), s.meta.Index)
		}
		m, _ := to.opened.State().Manifest()
		if chain, ok := to.node.log.disk.Chain(s.meta.Index); m.Index != s.meta.Index || !ok || chain != m.Chain || to.node.log.disk.Last() != 0 {
			t.Errorf("manifest at %d, log to %d, chain %x, %v", m.Index, to.node.log.disk.Last(), chain, ok)
		}
		if all := to.opened.State().Missing(); len(all) != 1 || all[0].To != s.meta.Index || all[0].Running != running {
			t.Errorf("missing: %+v", all)
		}
		if index, conf := to.node.fsm.configuration(); index != s.meta.ConfigurationIndex || !bytes.Equal(conf, m.Configuration) {
			t.Errorf("configuration %d", index)
		}
		// What follows is applied, and an incremental checkpoint of it stands on the snapshot's pages.
		more := from.some("b", 50)
		var l raft.Log
		for index := s.meta.Index + 1; index <= from.node.log.disk.Last(); index++ {
			if err := from.node.log.GetLog(index, &l); err != nil {
				t.Fatal(err)
			}
			if err := to.node.log.StoreLog(&l); err != nil {
				t.Fatal(err)
			}
			if l.Type == raft.LogCommand {
				to.node.fsm.Apply(&l)
			}
		}
		if to.engine.StateHash() != from.engine.StateHash() {
			t.Error("what follows gives another state")
		}
		cut, err := to.node.fsm.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if cut.(*snapshot).full {
			t.Error("the checkpoint after a snapshot writes every page again")
		}
		index, conf := to.node.fsm.configuration()
		sink := &checkpointSink{store: to.node.snapshots, index: l.Index, term: l.Term, configuration: conf, configurationIndex: index}
		if err := cut.Persist(sink); err != nil {
			t.Fatal(err)
		}
		cut.Release()
		again, err := engine.New(engine.Options{Shards: 64})
		if err != nil {
			t.Fatal(err)
		}
		loader := again.Loader()
		if err := to.opened.State().LoadPages(func(p uint64, b []byte) error { return loader.Page(engine.PageID(p), b) }); err != nil {
			t.Fatal(err)
		}
		m, _ = to.opened.State().Manifest()
		if err := loader.Finish(m.Meta); err != nil || again.StateHash() != from.engine.StateHash() {
			t.Errorf("the checkpoint does not have the state: %v", err)
		}
		_ = more
	})
}

// Rule 17: a truncated or changed stream is an error, and the old state stays, in memory and on disk.
func TestDamagedSnapshotKeepsTheOldState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to, _ := twoRigs(t)
		to.publish(testVersion(time.Now(), 1<<40))
		answers := to.some("own", 40)
		from.some("c", 100) // beyond what the other one has applied
		s := from.send()
		if err := to.node.points.take(); err != nil {
			t.Fatal(err)
		}
		before, _ := to.opened.State().Manifest()
		hash, last := to.engine.StateHash(), to.node.log.disk.Last()
		refused := func(what string, s sent) {
			t.Helper()
			if err := to.install(s); err == nil {
				t.Errorf("%s: taken", what)
			}
			m, _ := to.opened.State().Manifest()
			if to.engine.StateHash() != hash || m.Generation != before.Generation || to.node.log.disk.Last() != last || len(to.opened.State().Missing()) != 0 {
				t.Fatalf("%s: the state changed", what)
			}
		}
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range 60 {
			at := rng.IntN(len(s.bytes))
			if i < 20 {
				at = i * 7 // the beginning has the header
			}
			bad := bytes.Clone(s.bytes)
			bad[at] ^= 1 << rng.IntN(8)
			refused(fmt.Sprintf("byte %d changed", at), sent{s.meta, bad})
			refused(fmt.Sprintf("cut at %d", at), sent{s.meta, s.bytes[:at]})
			short := sent{s.meta, s.bytes[:at]}
			short.meta.Size = int64(at)
			refused(fmt.Sprintf("cut at %d as announced", at), short)
		}
		other := s
		other.meta.Term++
		refused("another term than announced", other)
		other = s
		other.meta.Index++
		refused("another index than announced", other)
		refused("something behind the end", sent{raft.SnapshotMeta{Index: s.meta.Index, Term: s.meta.Term, Configuration: s.meta.Configuration,
			ConfigurationIndex: s.meta.ConfigurationIndex, Size: s.meta.Size + 1}, append(bytes.Clone(s.bytes), 0)})
		to.mustStand(answers, user)
		to.some("after", 10)
		if err := to.node.points.take(); err != nil {
			t.Errorf("a checkpoint after refused snapshots: %v", err)
		}
		if err := to.install(s); err != nil {
			t.Errorf("the good one: %v", err)
		}
	})
}

// A snapshot that is known already changes nothing: the answer to the first one was lost.
func TestSnapshotTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to, _ := twoRigs(t)
		s := from.send()
		if err := errors.Join(to.install(s), to.install(s)); err != nil {
			t.Fatal(err)
		}
		m, _ := to.opened.State().Manifest()
		if to.engine.StateHash() != from.engine.StateHash() || to.node.fsm.base != s.meta.Index || m.Index != s.meta.Index {
			t.Errorf("base %d, manifest %d", to.node.fsm.base, m.Index)
		}
	})
}

// An own checkpoint that was cut before a snapshot came, and is written after it, must not take its place.
func TestOwnCheckpointIsSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to, _ := twoRigs(t)
		to.publish(testVersion(time.Now(), 1000))
		cut, err := to.node.fsm.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		index, conf := to.node.fsm.configuration()
		sink := &checkpointSink{store: to.node.snapshots, index: to.node.fsm.applied.Load(), term: 1, configuration: conf, configurationIndex: index}
		s := from.send()
		if err := to.install(s); err != nil {
			t.Fatal(err)
		}
		if err := cut.Persist(sink); !errors.Is(err, errSuperseded) {
			t.Errorf("%v", err)
		}
		cut.Release()
		if m, _ := to.opened.State().Manifest(); m.Index != s.meta.Index {
			t.Errorf("the checkpoint went back to %d", m.Index)
		}
		if c, err := to.node.fsm.Snapshot(); err != nil {
			t.Error(err)
		} else {
			c.Release()
		}
	})
}

// A log that is longer than the snapshot but was never committed is deleted, and the process starts again: raft keeps its
// last index in memory. The restart is a healthy one.
func TestSnapshotReplacesALongerLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to, _ := twoRigs(t)
		s := from.send()
		last := to.node.log.disk.Last()
		var tail []*raft.Log
		for index := last + 1; index <= s.meta.Index+5; index++ {
			tail = append(tail, &raft.Log{Index: index, Term: to.node.raft.CurrentTerm(), Type: raft.LogNoop})
		}
		if err := to.node.log.StoreLogs(tail); err != nil {
			t.Fatal(err)
		}
		if err := to.install(s); err != nil {
			t.Fatal(err)
		}
		if x := to.exits.all(); len(x) != 1 || !strings.Contains(x[0], "start drawd again") || to.node.log.disk.Last() != 0 {
			t.Errorf("%q, log to %d", x, to.node.log.disk.Last())
		}
	})
}

// The power is cut at every step of an install: the node starts again with the state before or after, never quarantined.
// Package storage cuts it at every operation of the disk.
func TestPowerCutsDuringAnInstall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, first, _ := twoRigs(t)
		from.some("c", 400)
		s := from.send()
		first.publish(testVersion(time.Now(), 1<<40))
		answers := first.some("own", 60)
		old := first.engine.StateHash()
		disk := first.store.FS.(*storage.CrashFS)
		first.stop()
		outcomes := map[bool]int{}
		for n := range uint64(12) {
			fs := storage.PowerCut(disk, 100, rand.New(rand.NewPCG(1, n)))
			rng := rand.New(rand.NewPCG(2, n))
			r := newRig(t, fs)
			cuts := &cutting{fs: fs, rng: rng}
			r.wrapLog = func(inner logDisk) logDisk { cuts.logDisk = inner; return cuts }
			r.mustStart()
			sink, err := r.node.snapshots.Create(1, s.meta.Index, s.meta.Term, s.meta.Configuration, s.meta.ConfigurationIndex, nil)
			if err != nil {
				t.Fatal(err)
			}
			for b := s.bytes; len(b) > 0; {
				k := min(len(b), 1+rng.IntN(len(s.bytes)/3))
				if _, err := sink.Write(b[:k]); err != nil {
					t.Fatal(err)
				}
				b = b[k:]
				cuts.cut()
			}
			during := len(cuts.all)
			if err := sink.Close(); err != nil {
				t.Fatal(err)
			}
			cuts.cut()
			_, stream, err := r.node.snapshots.Open(sink.ID())
			if err != nil {
				t.Fatal(err)
			}
			if err := r.node.fsm.Restore(stream); err != nil {
				t.Fatal(err)
			}
			cuts.cut()
			r.stop()
			if len(cuts.all) != during+4 {
				t.Fatalf("%d cuts after the stream: the log is not deleted after the checkpoint is durable", len(cuts.all)-during)
			}
			for i, cut := range cuts.all {
				after := newRig(t, cut)
				if err := after.start(); err != nil {
					t.Fatalf("cut %d of %d: %v", i, len(cuts.all), err)
				}
				installed := i >= during
				want := old
				if installed {
					want = from.engine.StateHash()
				}
				if after.engine.StateHash() != want || len(after.opened.State().Missing()) > 0 != installed {
					t.Errorf("cut %d of %d: another state, missing %v", i, len(cuts.all), after.opened.State().Missing())
				}
				if !installed {
					after.mustStand(answers, user)
				}
				outcomes[installed]++
				after.stop()
			}
		}
		t.Logf("%d power cuts before the snapshot was durable, %d after", outcomes[false], outcomes[true])
	})
}

// cutting is a log that cuts the power around its deletion.
type cutting struct {
	logDisk
	fs  *storage.CrashFS
	rng *rand.Rand
	all []*storage.CrashFS
}

func (c *cutting) cut() { c.all = append(c.all, storage.PowerCut(c.fs, c.rng.IntN(101), c.rng)) }

func (c *cutting) Rebase(base storage.Base) error {
	c.cut()
	err := c.logDisk.Rebase(base)
	c.cut()
	return err
}

// A pin keeps the log while a snapshot is on its way and for a while after, but not without bounds.
func TestPins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pins{clock: newSetClock()}
		if got := p.keep(100, 1); got != 100 {
			t.Errorf("without a pin: %d", got)
		}
		p.pin(10)(false) // it was not sent
		release, second := p.pin(50), p.pin(40)
		if got := p.keep(100, 1); got != 39 {
			t.Errorf("two pins: %d", got)
		}
		if got := p.keep(100, maxPinnedBytes+1); got != 100 {
			t.Errorf("beyond the bound: %d", got)
		}
		second(true)
		time.Sleep(pinGrace - 1)
		if got := p.keep(100, 1); got != 39 {
			t.Errorf("within the grace: %d", got)
		}
		time.Sleep(time.Nanosecond)
		if got := p.keep(100, 1); got != 49 {
			t.Errorf("after the grace: %d", got)
		}
		release(true)
		time.Sleep(pinGrace)
		if got := p.keep(100, 1); got != 100 || len(p.mu.all) != 0 {
			t.Errorf("after all: %d, %d pins", got, len(p.mu.all))
		}
	})
}

// While a snapshot is on its way, checkpoints do not cut the log that must follow it.
func TestLogIsKeptForASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, _, _ := twoRigs(t)
		if err := from.node.points.take(); err != nil {
			t.Fatal(err)
		}
		meta, stream, err := from.node.snapshots.Open("")
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			from.some(fmt.Sprint(round), 100)
			if err := from.node.points.take(); err != nil {
				t.Fatal(err)
			}
		}
		if first := from.node.log.disk.First(); first > meta.Index {
			t.Errorf("the log begins at %d, the snapshot under way is of %d", first, meta.Index)
		}
		b, err := io.ReadAll(stream)
		if err := errors.Join(err, stream.Close()); err != nil || int64(len(b)) != meta.Size {
			t.Errorf("the snapshot was read with %d of %d bytes while others were made: %v", len(b), meta.Size, err)
		}
		time.Sleep(pinGrace)
		from.some("x", 100)
		if err := from.node.points.take(); err != nil {
			t.Fatal(err)
		}
		if first := from.node.log.disk.First(); first <= meta.Index {
			t.Errorf("the log still begins at %d", first)
		}
	})
}

// TestStalledSnapshot: raft waits for a snapshot's bytes on its main goroutine and for ever; when none come, its connections are
// closed. An own checkpoint is no wait.
func TestStalledSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to, _ := twoRigs(t)
		s := from.send()
		line := func() (closed func() bool) {
			layer := to.node.inbound.over(peer.NewPipes().Listen("n"))
			go func() { _, _ = layer.Dial("n", time.Second) }()
			c, err := layer.Accept()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			return func() bool {
				_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
				_, err := c.Read(make([]byte, 1))
				return !errors.Is(err, os.ErrDeadlineExceeded)
			}
		}
		closed := line()
		if err := to.node.points.take(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * stallLimit)
		if closed() {
			t.Error("after an own checkpoint the connections are closed")
		}
		sink, err := to.node.snapshots.Create(1, s.meta.Index, s.meta.Term, s.meta.Configuration, s.meta.ConfigurationIndex, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 { // slowly, but it comes
			time.Sleep(stallLimit - time.Second)
			if _, err := sink.Write(s.bytes[:100]); err != nil {
				break // it is not the beginning: the stream is damaged, and that is not what is looked at
			}
		}
		if closed() {
			t.Error("a slow snapshot was cut off")
		}
		time.Sleep(stallLimit + time.Second)
		if !closed() {
			t.Error("nobody ends the wait for a snapshot that stopped coming")
		}
		if err := sink.Cancel(); err != nil {
			t.Error(err)
		}
		closed = line()
		time.Sleep(2 * stallLimit)
		if closed() {
			t.Error("after it was given up the connections are closed again")
		}
	})
}
