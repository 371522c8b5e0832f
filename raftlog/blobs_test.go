package raftlog

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// short makes every node cut its log soon, and often.
func short(_ string, o *Options) {
	o.CheckpointBytes, o.CheckpointInterval, o.TrailingBytes = 16<<10, 500*time.Millisecond, 1
}

// TestLaggingFollower: a node that missed more than the log keeps is brought up by a snapshot, while draws go on and the log
// is cut under it all the time; once, not again and again. Then it has the records, too, and a replay on it gives the
// first bytes.
func TestLaggingFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune, c.ring = short, 1
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1<<40))
		answers := c.leader().some("a", 100)
		c.level()
		late := c.followers(c.leader())[0]
		c.kill(late)
		answers = append(answers, c.leader().some("b", 3000)...)
		c.cutLogs()
		crowd := c.leader().crowd(1, 8, 2*time.Millisecond)
		r := c.start(late)
		defer crowd.end()
		c.eventually("the late node has caught up under draws", func() bool {
			return r.node.Status().Applied+50 > c.leader().node.Status().Applied && r.node.BlobsComplete() && r.node.metrics.snapshotsTaken.Get() > 0
		})
		time.Sleep(5 * time.Second) // and stays so
		crowd.end()
		if n := len(crowd.mu.faults); n > 0 {
			t.Errorf("%d draws failed meanwhile: %v", n, crowd.mu.faults[0])
		}
		if n := r.node.metrics.snapshotsTaken.Get(); n != 1 {
			t.Errorf("it took %d snapshots", n)
		}
		c.level()
		answers = append(answers, crowd.sofar()...)
		r.mustHave(answers)
		for c.leader() != r { // and now it is asked as a leader
			id := c.leader().options.NodeID
			c.stop(id)
			c.leader()
			c.start(id)
			c.level()
		}
		r.mustStand(answers, user)
		if x := r.exits.all(); len(x) > 0 {
			t.Error(x)
		}
	})
}

// cutLogs takes a checkpoint on every node that runs: who was away meanwhile needs a snapshot.
func (c *crew) cutLogs() {
	c.t.Helper()
	c.level()
	for _, r := range c.rigs {
		pins := r.node.log.pins // of a follower that was a little behind
		pins.mu.Lock()
		clear(pins.mu.all)
		pins.mu.Unlock()
		if err := r.node.points.take(); err != nil {
			c.t.Fatal(err)
		}
		if s := r.node.Status(); s.FirstLog+2*minTrailingLogs < s.Applied {
			c.t.Fatalf("the log still begins at %d of %d", s.FirstLog, s.Applied)
		}
	}
}

// mustHave checks that a node has the record of every answer itself.
func (r *rig) mustHave(answers []answer) {
	r.t.Helper()
	for _, a := range answers {
		got, err := r.opened.State().Records(nil, uint64(a.at.Index), a.at.Ordinal, 1)
		if err != nil || !bytes.Equal(got, a.record) {
			r.t.Fatalf("the record of %s at %v: %x, %v; want %x", a.key, a.at, got, err, a.record)
		}
	}
}

// TestRecordsElsewhere: until a record is here, a read asks another node for it, and says so when none answers. The power is
// cut in the middle of the fetching, which goes on where it stood.
func TestRecordsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune, c.ring = short, 1
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1<<40))
		c.level()
		late := c.followers(c.leader())[0]
		c.kill(late)
		answers := c.leader().some("a", 2000)
		c.cutLogs()
		r := newRig(t, c.disks[late])
		pieces := make(chan struct{}, 5)
		r.wrapState = func(inner stateDisk) stateDisk { return &slowBlobs{stateDisk: inner, pieces: pieces} }
		c.startAs(late, r)
		c.eventually("the snapshot is there", func() bool { return r.node.metrics.snapshotsTaken.Get() > 0 })
		early := answers[len(answers)/2]
		if got, err := r.node.Records(nil, uint64(early.at.Index), early.at.Ordinal, 1); err != nil || !bytes.Equal(got, early.record) {
			t.Errorf("a record that another node has: %x, %v; want %x", got, err, early.record)
		}
		if r.node.BlobsComplete() || r.node.Status().BlobsMissing == 0 || r.node.metrics.blobMisses.Get() != 1 {
			t.Errorf("%+v", r.node.Status())
		}
		var p *problem.Error
		if err := r.node.Scan(1, 0, func(uint64, []byte, uint16, []byte) bool { return true }); !errors.As(err, &p) || p.Code != problem.RecordElsewhere {
			t.Errorf("a scan: %v", err)
		}
		var others []string
		for id := range c.rigs {
			if id != late {
				others = append(others, id)
			}
		}
		for _, id := range others {
			c.kill(id)
		}
		if _, err := r.node.Records(nil, uint64(early.at.Index), early.at.Ordinal, 1); !errors.As(err, &p) || p.Code != problem.RecordElsewhere || p.Effect() != problem.None {
			t.Errorf("a record that nobody gives: %v", err)
		}
		for _, id := range others {
			again := newRig(t, c.disks[id])
			again.wrapState = func(inner stateDisk) stateDisk { return smallPieces{inner} }
			c.startAs(id, again)
		}
		for range cap(pieces) {
			pieces <- struct{}{}
		}
		c.eventually("some records are there", func() bool { return len(pieces) == 0 })
		next := r.node.Status().BlobsNext
		if err := r.opened.State().Sync(); next < 100 || err != nil {
			t.Fatalf("the records are there up to %d, %v", next, err)
		}
		c.kill(late)
		r = newRig(t, c.disks[late])
		r.wrapState = func(inner stateDisk) stateDisk {
			if all := inner.Missing(); len(all) != 1 || all[0].From != next {
				t.Errorf("after a restart %v are missing, before it %d on", all, next)
			}
			return inner
		}
		c.startAs(late, r)
		c.eventually("all records are there", r.node.BlobsComplete)
		c.level()
		r.mustHave(answers)
	})
}

// slowBlobs is a state that stores as many pieces of fetched records as it is allowed.
type slowBlobs struct {
	stateDisk
	pieces chan struct{}
}

// smallPieces gives few records at a time.
type smallPieces struct{ stateDisk }

func (s smallPieces) AppendBlobs(dst []byte, from, to uint64, size int) ([]byte, uint64, error) {
	return s.stateDisk.AppendBlobs(dst, from, to, min(size, 5000))
}

var errHeld = errors.New("held back")

func (s *slowBlobs) PutBlobs(from, through uint64, rows []byte) error {
	select {
	case <-s.pieces:
		return s.stateDisk.PutBlobs(from, through, rows)
	default:
		return errHeld
	}
}

// A node that gives wrong records is passed over for one that gives right ones.
func TestWrongRecordsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune, c.ring = short, 1
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1<<40))
		c.level()
		late := c.followers(c.leader())[0]
		liar := c.followers(c.leader())[1]
		c.kill(late)
		answers := c.leader().some("a", 1000)
		c.level()
		c.cutLogs()
		c.stop(liar)
		r := newRig(t, c.disks[liar])
		r.wrapState = func(inner stateDisk) stateDisk { return lyingBlobs{inner} }
		c.startAs(liar, r)
		c.level()
		n := c.start(late)
		c.eventually("all records are there", func() bool {
			return n.node.metrics.snapshotsTaken.Get() > 0 && n.node.BlobsComplete()
		})
		n.mustHave(answers)
	})
}

// lyingBlobs gives records with one byte changed.
type lyingBlobs struct{ stateDisk }

func (l lyingBlobs) AppendBlobs(dst []byte, from, to uint64, size int) ([]byte, uint64, error) {
	rows, through, err := l.stateDisk.AppendBlobs(dst, from, to, size)
	if len(rows) > 40 {
		rows[40] ^= 1
	}
	return rows, through, err
}

// The records of one entry may be more than one answer holds.
func TestRecordsOfABigEntry(t *testing.T) {
	b := &blobs{state: bigBlobs{}, applied: func() uint64 { return 9 }, metrics: newMetricSet(newRig(t, storage.NewCrashFS()).options.withDefaults().Metrics)}
	b.ctx, b.cancel = t.Context(), func() {}
	var rows []byte
	for pieces := 0; ; pieces++ {
		q := []byte{blobsForm, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, byte(len(rows)), byte(len(rows) >> 8), byte(len(rows) >> 16), byte(len(rows) >> 24)}
		a, err := b.give(t.Context(), "", q)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, a[blobsAnswer:]...)
		if len(rows) == bigEntry {
			if pieces == 0 || a[1] != 5 {
				t.Errorf("it came in %d pieces, through %d", pieces+1, a[1])
			}
			break
		}
	}
	for _, q := range [][]byte{nil, {1}, bytes.Repeat([]byte{9}, blobsQuestion), append([]byte{blobsForm}, make([]byte, blobsQuestion-1)...)} {
		if _, err := b.give(t.Context(), "", q); err == nil {
			t.Errorf("%x was answered", q)
		}
	}
}

const bigEntry = 9 << 20

type bigBlobs struct{ stateDisk }

func (bigBlobs) AppendBlobs(_ []byte, from, _ uint64, _ int) ([]byte, uint64, error) {
	return make([]byte, bigEntry), from, nil
}

// TestNewNodeByASnapshot: a node that was not there from the start comes up by a snapshot, is not promoted before it has all
// records, and then tells the first bytes again.
func TestNewNodeByASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune, c.ring = func(id string, o *Options) {
			short(id, o)
			if id == "n4" {
				o.Found = nil
			}
		}, 1
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1<<40))
		answers := c.leader().some("a", 1000)
		c.cutLogs()
		c.disks["n4"] = storage.NewCrashFS()
		n4 := newRig(t, c.disks["n4"])
		pieces := make(chan struct{}, 100)
		n4.wrapState = func(inner stateDisk) stateDisk { return &slowBlobs{stateDisk: inner, pieces: pieces} }
		c.startAs("n4", n4)
		leader := c.leader()
		c.must(leader.node.AddMember(c.soon(), Member{ID: "n4", Address: "n4"}))
		c.eventually("the snapshot is there", func() bool { return n4.node.metrics.snapshotsTaken.Get() > 0 })
		c.level()
		c.peersKnown()
		c.wants(problem.Conflict, leader.node.Promote(c.soon(), "n4"))
		for range cap(pieces) {
			pieces <- struct{}{}
		}
		c.eventually("all records are there", n4.node.BlobsComplete)
		time.Sleep(2 * time.Second) // a ping tells
		c.must(leader.node.Promote(c.soon(), "n4"))
		n4.mustHave(answers)
		n4.mustStand(answers, user) // decided by the leader, told from its own records
	})
}
