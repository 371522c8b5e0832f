package raftlog

import (
	"bufio"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/raft"
)

// TestForgedHeartbeat is rule 1 and hashicorp/raft#695: one heartbeat of a newer term must not let the old leader write
// an entry under a term that it never won. With the library's own transport it does; should it stop doing so, the
// wrapper can go.
func TestForgedHeartbeat(t *testing.T) {
	for _, test := range []struct {
		name    string
		wrap    func(*raft.NetworkTransport) raft.Transport
		written bool // an entry under the forged term
	}{
		{"ours", func(n *raft.NetworkTransport) raft.Transport { return serialTransport{NetworkTransport: n} }, false},
		{"the library's", func(n *raft.NetworkTransport) raft.Transport { return n }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { forge(t, test.wrap, test.written) })
		})
	}
}

type noFSM struct{}

func (noFSM) Apply(*raft.Log) any                 { return nil }
func (noFSM) Snapshot() (raft.FSMSnapshot, error) { return nil, errors.ErrUnsupported }
func (noFSM) Restore(io.ReadCloser) error         { return errors.ErrUnsupported }

func forge(t *testing.T, wrap func(*raft.NetworkTransport) raft.Transport, written bool) {
	layer := newLoopLayer("a")
	transport := raft.NewNetworkTransportWithConfig(transportConfig(layer, rpcTimeout, hclog.NewNullLogger()))
	c := raft.DefaultConfig()
	c.LocalID, c.Logger = "a", hclog.NewNullLogger()
	store, snapshots := raft.NewInmemStore(), raft.NewInmemSnapshotStore()
	alone := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: transport.LocalAddr()}}}
	if err := raft.BootstrapCluster(c, store, store, snapshots, wrap(transport), alone); err != nil {
		t.Fatal(err)
	}
	r, err := raft.NewRaft(c, noFSM{}, store, store, snapshots, wrap(transport))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Shutdown().Error(); err != nil {
			t.Error(err)
		}
		_ = transport.Close()
	}()
	if !<-r.LeaderCh() {
		t.Fatal("no leader")
	}
	if err := r.Apply([]byte("before"), time.Second).Error(); err != nil {
		t.Fatal(err)
	}
	term := r.CurrentTerm()

	conn, err := layer.Dial("a", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := bufio.NewWriter(conn)
	_ = w.WriteByte(0) // AppendEntries
	heartbeat := raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte("b"), Addr: []byte("b")}, Term: term + 1,
	}
	if err := errors.Join(codec.NewEncoder(w, &codec.MsgpackHandle{}).Encode(&heartbeat), w.Flush()); err != nil {
		t.Fatal(err)
	}
	var refused string
	var answer raft.AppendEntriesResponse
	dec := codec.NewDecoder(bufio.NewReader(conn), &codec.MsgpackHandle{})
	if err := errors.Join(dec.Decode(&refused), dec.Decode(&answer)); err != nil || refused != "" {
		t.Fatal(err, refused)
	}

	applied := r.Apply([]byte("after"), time.Second).Error()
	last, _ := store.LastIndex()
	var l raft.Log
	if err := store.GetLog(last, &l); err != nil {
		t.Fatal(err)
	}
	got := l.Term == term+1 && string(l.Data) == "after"
	if got != written {
		t.Errorf("leader of term %d, one heartbeat of term %d, Apply: %v; the last entry is %q of term %d", term, term+1, applied, l.Data, l.Term)
	}
	if !written && !errors.Is(applied, raft.ErrNotLeader) {
		t.Errorf("Apply: %v", applied)
	}
}
