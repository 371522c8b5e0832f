package raftlog

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// backedUp returns a backup of a node with draws, what was answered, and the id of its cluster.
func backedUp(t *testing.T, draws int) (backup []byte, answers []answer, cluster [16]byte) {
	t.Helper()
	r := newRig(t, storage.NewCrashFS())
	r.mustStart()
	r.publish(testVersion(time.Now(), 1<<40))
	answers = r.some("a", draws)
	var b bytes.Buffer
	if err := r.node.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	r.some("lost", 50) // behind the backup
	id := r.engine.ClusterID()
	r.stop()
	return b.Bytes(), answers, id
}

// restored restores a backup into a new disk.
func restored(t *testing.T, backup []byte) (*storage.CrashFS, BackupInfo, error) {
	t.Helper()
	fs := storage.NewCrashFS()
	s, err := storage.Open(newRig(t, fs).store)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := Restore(bytes.NewReader(backup), s, RestoreOptions{NodeID: "node-1", Cluster: [16]byte{7, 7}, Reason: "a test", Engine: e})
	return fs, info, errors.Join(err, s.Close())
}

// TestBackupAndRestore: what was answered before the backup is told again, byte for byte; nothing is drawn before somebody
// resumes the campaign; the cluster is another one; and no id that was given out behind the backup is given out again.
func TestBackupAndRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backup, answers, old := backedUp(t, 300)
		info, err := CheckBackup(bytes.NewReader(backup), nil)
		if err != nil || info.Cluster != hex.EncodeToString(old[:]) || info.Index < 300 || info.Node != "node-1" {
			t.Fatalf("%+v, %v", info, err)
		}
		e, _ := engine.New(engine.Options{})
		if _, err := CheckBackup(bytes.NewReader(backup), e); err != nil || uint64(e.AppliedIndex()) > info.Index || e.AppliedIndex() == 0 {
			t.Errorf("with the state: %v, applied %d", err, e.AppliedIndex())
		}
		fs, _, err := restored(t, backup)
		if err != nil {
			t.Fatal(err)
		}
		fs = storage.PowerCut(fs, 0, nil) // it was durable when Restore returned and the store was closed
		for round := range 3 {
			r := newRig(t, fs)
			r.mustStart()
			if r.engine.ClusterID() != [16]byte{7, 7} || !r.node.BlobsComplete() {
				t.Errorf("start %d: cluster %x, missing %v", round, r.engine.ClusterID(), r.opened.State().Missing())
			}
			r.mustStand(answers, user)
			r.mustHave(answers)
			_, err := r.draw(new(engine.Batch), "u1", "u1/after")
			var p *problem.Error
			if errors.As(err, &p); round < 2 && (p == nil || p.Code != problem.Paused) || round == 2 && err != nil {
				t.Errorf("start %d: a draw: %v", round, err)
			}
			if round == 1 { // paused once, and not again by a later start
				var b engine.Batch
				b.AddControl(&engine.Control{Campaign: 1, Action: engine.ActionResume, Actor: "ann", Reason: "looked at"})
				if err := r.node.Decide(&b); err != nil || b.Results[0].Code != problem.OK {
					t.Fatal(err, b.Results)
				}
				a, err := r.draw(new(engine.Batch), "u1", "u1/first")
				if err != nil || uint64(a.at.Index) <= info.Index+1<<20 {
					t.Errorf("the first draw is at %v, the backup is of %d: %v", a.at, info.Index, err)
				}
			}
			if err := r.engine.CheckInvariants(); err != nil {
				t.Error(err)
			}
			r.stop()
		}
	})
}

// TestEveryByteOfABackup: each flipped byte is found, by verify and by restore, and each cut.
func TestEveryByteOfABackup(t *testing.T) {
	var backup []byte
	synctest.Test(t, func(t *testing.T) { backup, _, _ = backedUp(t, 3) })
	rng := rand.New(rand.NewPCG(1, 1))
	bad := bytes.Clone(backup)
	for i := range backup {
		bad[i] ^= 1 << rng.IntN(8)
		if _, err := CheckBackup(bytes.NewReader(bad), nil); err == nil {
			t.Errorf("byte %d of %d was changed and not found", i, len(backup))
		}
		bad[i] = backup[i]
		if i%61 == 0 {
			if _, err := CheckBackup(bytes.NewReader(backup[:i]), nil); err == nil {
				t.Errorf("cut at %d of %d and not found", i, len(backup))
			}
		}
	}
	for range 8 {
		i := rng.IntN(len(backup))
		bad[i] ^= 0x10
		if _, _, err := restored(t, bad); err == nil {
			t.Errorf("restored with byte %d changed", i)
		}
		bad[i] = backup[i]
	}
	t.Logf("%d bytes", len(backup))
}

// A backup of a cluster with another key is no backup of this one.
func TestRestoreNeedsTheKey(t *testing.T) {
	var backup []byte
	synctest.Test(t, func(t *testing.T) { backup, _, _ = backedUp(t, 3) })
	e, _ := engine.New(engine.Options{ClusterKey: [32]byte{1}})
	if _, err := CheckBackup(bytes.NewReader(backup), e); !errors.Is(err, engine.ErrClusterKey) {
		t.Errorf("%v", err)
	}
}

// slowWriter lets draws and checkpoints go on between two writes.
type slowWriter struct {
	w    io.Writer
	each func()
}

func (s slowWriter) Write(b []byte) (int, error) {
	s.each()
	return s.w.Write(b)
}

// TestBackupUnderDraws: a backup is of one moment, whatever happens while it is written; two at once are refused.
func TestBackupUnderDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.mustStart()
		r.publish(testVersion(time.Now(), 1<<40))
		answers := r.some("a", 200)
		hash := r.engine.RunningHash()
		var b bytes.Buffer
		n := 0
		err := r.node.Backup(t.Context(), slowWriter{&b, func() {
			if n++; n%5 == 1 {
				r.some(strings.Repeat("x", n), 5)
				if err := r.node.points.take(); err != nil {
					t.Error(err)
				}
				var p *problem.Error
				if err := r.node.Backup(t.Context(), io.Discard); !errors.As(err, &p) || p.Code != problem.Conflict {
					t.Errorf("another one: %v", err)
				}
			}
		}})
		if err != nil || n < 10 {
			t.Fatal(err, n)
		}
		e, _ := engine.New(engine.Options{})
		if _, err := CheckBackup(&b, e); err != nil || e.RunningHash() != hash {
			t.Errorf("of another moment: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.node.Backup(gone, io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("nobody waits for it: %v", err)
		}
		r.mustStand(answers, user)
	})
}
