package raftlog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// Stable values: raft's own for its term, and ours for a restored directory: the new cluster id, 16 bytes, and the reason of
// the pauses.
const (
	raftTermKey = "CurrentTerm"
	restoredKey = "drawd/restored"
)

// indexStep is what a restored log's first index is a multiple of. The entries behind a backup had indexes, and ids were made of
// them that people hold: no new entry may get one of those. Rows have 40 bits for an index, so a cluster can be restored some 250
// times; what was lost may be four thousand million entries.
const indexStep = 1 << 32

// RestoreOptions say what becomes of a backup.
type RestoreOptions struct {
	NodeID  string         // of the one node that the restored cluster begins with
	Cluster [16]byte       // its new id, from crypto/rand
	Reason  string         // told with the pause of every campaign
	Engine  *engine.Engine // empty, with the cluster's key
}

// Restore fills a new store from a backup: a cluster of one, whose first leadership gives it its new id and pauses all campaigns
// (engine.Restored). After an error the store is of no use.
func Restore(r io.Reader, s *storage.Store, o RestoreOptions) (BackupInfo, error) {
	t := restoreTarget{options: o, state: s.State(), loader: o.Engine.Loader()}
	if err := readBackup(r, &t); err != nil {
		if t.writer != nil {
			t.writer.Abort()
		}
		return t.info, err
	}
	if missing := s.State().Missing(); len(missing) > 0 {
		return t.info, fmt.Errorf("raftlog: a backup without the records of %d to %d", missing[0].From, missing[0].To)
	}
	if err := s.State().Sync(); err != nil {
		return t.info, err
	}
	log := s.Log()
	if err := log.Verify(t.base); err != nil {
		return t.info, err
	}
	// Entries after the backup's must not have a lower term, and who restores votes for nobody of an older one.
	return t.info, errors.Join(
		log.SetStable([]byte(raftTermKey), binary.BigEndian.AppendUint64(nil, t.base.Term)),
		log.SetStable([]byte(restoredKey), append(o.Cluster[:len(o.Cluster):len(o.Cluster)], o.Reason...)))
}

// restoreTarget writes a checkpoint and the records behind it.
type restoreTarget struct {
	options RestoreOptions
	state   *storage.State
	loader  loader
	writer  *storage.CheckpointWriter // nil before and after the pages
	info    BackupInfo
	base    storage.Base
}

// about refuses an id of the old cluster: its nodes, if they live, know the restored node by it, and would take it for the one that
// it was. Under another id they are strangers: whoever answers at a member's address must be that member (knownStream).
func (t *restoreTarget) about(info *BackupInfo) error {
	t.info = *info
	if len(info.Members) > 1 && slices.Contains(info.Members, t.options.NodeID) {
		return fmt.Errorf("%w: node %q was one of %s", ErrOldMember, t.options.NodeID, strings.Join(info.Members, ", "))
	}
	return nil
}

// ErrOldMember says that a backup was to be restored under the id of a node of the cluster that it is of.
var ErrOldMember = errors.New("raftlog: a restored cluster begins with a node of an id that the old one never had")

func (t *restoreTarget) begin(*snapshotHeader) error {
	if _, some := t.state.Manifest(); some {
		return errors.New("raftlog: BUG: a backup is restored over data")
	}
	t.writer = t.state.BeginCheckpoint()
	return nil
}

func (t *restoreTarget) page(id uint64, page []byte) error {
	if err := t.loader.Page(engine.PageID(id), page); err != nil {
		return err
	}
	return t.writer.Put(id, page)
}

// manifest makes the checkpoint of the restored cluster: further up in the log, in a later term, with one member.
func (t *restoreTarget) manifest(m *storage.Manifest) error {
	if err := prepare(t.loader, m); err != nil {
		return err
	}
	if len(t.options.Reason) > engine.MaxReasonBytes {
		return fmt.Errorf("raftlog: BUG: a reason of %d bytes", len(t.options.Reason))
	}
	chain := sha256.Sum256(append(append([]byte("drawd restored"), t.options.Cluster[:]...), m.Chain[:]...))
	t.base = storage.Base{Index: (m.Index/indexStep + 1) * indexStep, Term: m.Term + 1, Chain: [16]byte(chain[:])}
	t.writer.Lacks(storage.Range{From: 1, To: m.Index, Running: m.Running})
	alone := raft.Server{ID: raft.ServerID(t.options.NodeID), Address: raft.ServerAddress(t.options.NodeID)}
	w := t.writer
	t.writer = nil // Commit releases it, whatever it returns
	return w.Commit(storage.Manifest{
		Index: t.base.Index, Term: t.base.Term, Chain: t.base.Chain, Running: m.Running,
		Configuration: raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{alone}}), ConfigurationIndex: t.base.Index,
		Meta: m.Meta, At: m.At,
	})
}

func (t *restoreTarget) records(from, through uint64, rows []byte) error {
	return t.state.PutBlobs(from, through, rows)
}

// confirmRestored makes the log of a restored directory another cluster's, before anything is decided in it. It does nothing
// when that was done, or nothing was restored.
func (n *Node) confirmRestored() error {
	v, err := n.log.Get([]byte(restoredKey))
	if err != nil || len(v) < 16 {
		return err
	}
	c := engine.Restored{Cluster: [16]byte(v), Reason: string(v[16:])}
	if n.machine.ClusterID() == c.Cluster {
		return nil
	}
	var b engine.Batch
	b.AddRestored(&c)
	if err := n.proposer.decide(context.Background(), &b); err != nil {
		return fmt.Errorf("raftlog: propose the restored cluster's first entry: %w", err)
	}
	if n.machine.ClusterID() != c.Cluster {
		return errors.New("raftlog: BUG: the restored cluster's first entry was applied and it is the old one")
	}
	n.options.Logger.Warn("this cluster was restored from a backup: every campaign is paused until somebody resumes it", "cluster", fmt.Sprintf("%x", c.Cluster), "paused", b.Results[0].Value)
	return nil
}
