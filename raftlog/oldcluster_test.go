package raftlog

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// TestRestoredBesideTheOld: a backup is restored at the address of a node of its cluster, whose others live on. It is not restored
// under that node's id, and under another one the two have no word in each other.
func TestRestoredBesideTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		network, name := peer.NewPipes(), ""
		c.listen = func(id string) peer.Stream {
			if name != "" {
				return network.ListenAs(name, id)
			}
			return network.Listen(id)
		}
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		var backup bytes.Buffer
		if err := leader.node.Backup(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		id := c.followers(leader)[0]
		c.stop(id)
		restore := func(as string) (*storage.CrashFS, BackupInfo, error) {
			fs := storage.NewCrashFS()
			s, err := storage.Open(newRig(t, fs).store)
			if err != nil {
				t.Fatal(err)
			}
			e, _ := engine.New(engine.Options{})
			o := RestoreOptions{NodeID: as, Cluster: [16]byte{7, 7}, Reason: "a test", Engine: e}
			info, err := Restore(bytes.NewReader(backup.Bytes()), s, o)
			return fs, info, errors.Join(err, s.Close())
		}
		if _, info, err := restore(id); !errors.Is(err, ErrOldMember) || !slices.Equal(info.Members, []string{"n1", "n2", "n3"}) {
			t.Fatalf("%+v, %v", info, err)
		}
		fs, _, err := restore("r1")
		if err != nil {
			t.Fatal(err)
		}
		old := leader.engine.ClusterID()
		c.disks[id], c.found, name = fs, nil, "r1"
		c.tune = func(_ string, o *Options) { o.NodeID = "r1" }
		r := c.start(id)
		c.eventually("the restored node leads itself", func() bool { return r.node.Status().Ready })
		time.Sleep(10 * time.Second)
		if s := r.node.Status(); !s.Ready || s.Members != 1 || r.engine.ClusterID() != [16]byte{7, 7} {
			t.Errorf("cluster %x, %+v", r.engine.ClusterID(), s)
		}
		if _, err := leader.draw(new(engine.Batch), "u", "u/1"); err != nil || !leader.node.Status().Leader || leader.engine.ClusterID() != old {
			t.Errorf("the old cluster: %v, %+v", err, leader.node.Status())
		}
		for _, r := range c.rigs {
			if stopped := r.exits.all(); len(stopped) > 0 {
				t.Errorf("%s stopped: %q", r.options.NodeID, stopped)
			}
		}
	})
}

// TestRestoredUnderALaterMember: the backup does not know of a member that was added after it. Restored under that id, at that
// address and with that certificate, it is still another cluster's, and says so on every connection.
func TestRestoredUnderALaterMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune = func(id string, o *Options) {
			if id == "n4" {
				o.Found = nil
			}
		}
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		var backup bytes.Buffer
		if err := leader.node.Backup(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		c.join("n4")
		c.must(leader.node.AddMember(c.soon(), Member{ID: "n4", Address: "n4"}))
		c.draw("u", "u/1")
		c.level()
		c.peersKnown()
		c.stop("n4")
		fs := storage.NewCrashFS()
		s, err := storage.Open(newRig(t, fs).store)
		if err != nil {
			t.Fatal(err)
		}
		e, _ := engine.New(engine.Options{})
		_, err = Restore(bytes.NewReader(backup.Bytes()), s, RestoreOptions{NodeID: "n4", Cluster: [16]byte{7, 7}, Reason: "a test", Engine: e})
		if err = errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		c.disks["n4"] = fs
		r := c.start("n4")
		c.eventually("the restored node leads itself", func() bool { return r.node.Status().Ready })
		time.Sleep(30 * time.Second)
		if s := r.node.Status(); !s.Ready || s.Members != 1 || r.engine.ClusterID() != [16]byte{7, 7} || s.RolledBack != "" {
			t.Errorf("cluster %x, %+v", r.engine.ClusterID(), s)
		}
		if _, err := leader.draw(new(engine.Batch), "u", "u/2"); err != nil || !leader.node.Status().Leader {
			t.Errorf("the old cluster: %v, %+v", err, leader.node.Status())
		}
		for _, x := range []*rig{r, leader} {
			if !strings.Contains(x.logged.String(), "a node of another cluster is refused") || x.node.metrics.strangers.Get() == 0 {
				t.Errorf("%s does not say so", x.options.NodeID)
			}
			if stopped := x.exits.all(); len(stopped) > 0 {
				t.Errorf("%s stopped: %q", x.options.NodeID, stopped)
			}
		}
		// It knows its cluster again after a start, before a leader says which.
		follower := c.followers(leader)[0]
		want := leader.node.cluster16()
		c.kill(follower)
		if got := c.start(follower).node.cluster16(); got != want || want == [16]byte{} {
			t.Errorf("%x, not %x", got, want)
		}
	})
}
