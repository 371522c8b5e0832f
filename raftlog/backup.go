package raftlog

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
	"github.com/drawd/drawd/storage/frames"
	"github.com/hashicorp/raft"
)

// A backup is a stream of frames (docs/backup.md): what it is of, the frames of a snapshot, and all records up to it.
//
//	16 about    JSON, BackupInfo
//	1, 2, 3     as in a snapshot, without a configuration
//	17 records  from u64 · through u64 · length of the rows u64 · rows, as far as they fit
//	18 more     rows, until they have their length
//
// The records come in ascending ranges that touch, from entry 1 to the snapshot's index.
const (
	frameAbout   = 16
	frameRecords = 17
	frameMore    = 18

	recordsHeader = 24
	backupForm    = 1
)

var backupMagic = [frames.MagicSize]byte{'d', 'r', 'a', 'w', 'd', 'b', 'k', '1'}

// BackupInfo says what a backup is of.
type BackupInfo struct {
	Form      int       `json:"form"`
	Cluster   string    `json:"cluster"` // its id, hex
	Node      string    `json:"node"`    // the one that wrote it
	Build     string    `json:"build"`   // the version of its drawd
	CreatedAt time.Time `json:"created_at"`
	Index     uint64    `json:"index"` // the last log entry in it
	Level     uint32    `json:"level"` // feature level
	// Members are the ids of the cluster's nodes; one alone for a node that ran alone.
	Members []string `json:"members,omitempty"`
}

// maxInfo bounds BackupInfo as JSON.
const maxInfo = 16 << 10

// Backup writes everything that this node has applied, as it is at the moment of the call: it takes a checkpoint, and reads that
// one, and the records up to it, while draws go on. It may be asked of any node that has all its records. A backup that was
// not written to its end is recognised as such.
func (n *Node) Backup(ctx context.Context, w io.Writer) error {
	if !n.backup.TryLock() {
		return problem.New(problem.Conflict, "another backup of this node is under way")
	}
	defer n.backup.Unlock()
	if missing := n.state.Missing(); len(missing) > 0 {
		return problem.New(problem.RecordElsewhere, (&storage.MissingError{Range: missing[0]}).Error())
	}
	if err := n.points.take(); err != nil {
		return fmt.Errorf("raftlog: backup: %w", err)
	}
	id := n.machine.ClusterID()
	info := BackupInfo{
		Cluster: hex.EncodeToString(id[:]), Node: n.options.NodeID, Build: n.options.Build,
		CreatedAt: n.options.Clock.Now().UTC(), Level: n.machine.Level(),
	}
	return writeBackup(w, n.state, info, func() error {
		if n.leaving() {
			return errNoOutcome
		}
		return ctx.Err()
	})
}

// WriteBackup writes a backup of a stopped node's state: of its newest checkpoint, and the records up to that.
func WriteBackup(w io.Writer, state *storage.State, info BackupInfo) error {
	return writeBackup(w, state, info, func() error { return nil })
}

// writeBackup writes a backup; it looks at stop between two frames.
func writeBackup(w io.Writer, state stateDisk, info BackupInfo, stop func() error) (err error) {
	source, err := newSnapshotSource(state)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.checkpoint.Close()) }()
	m := &source.header.manifest
	for _, s := range raft.DecodeConfiguration(m.Configuration).Servers {
		info.Members = append(info.Members, string(s.ID))
	}
	slices.Sort(info.Members)
	m.Configuration, m.ConfigurationIndex = nil, 0 // a restored cluster has members of its own
	info.Form, info.Index = backupForm, m.Index
	about, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("raftlog: backup: %w", err)
	}
	out := frames.NewWriter(w, backupMagic)
	if err := out.Frame(frameAbout, about); err != nil {
		return err
	}
	for {
		kind, payload, ok, err := source.next()
		if err == nil && ok {
			err = errors.Join(stop(), out.Frame(kind, payload))
		}
		if err != nil {
			return err
		}
		if !ok {
			break
		}
	}
	var rows []byte
	for from := uint64(1); from <= m.Index; {
		var through uint64
		if rows, through, err = state.AppendBlobs(rows[:0], from, m.Index, blobsPiece/2); err != nil {
			return fmt.Errorf("raftlog: backup: %w", err)
		}
		if err := errors.Join(stop(), writeRecords(out, from, through, rows)); err != nil {
			return err
		}
		from = through + 1
	}
	return out.End()
}

// writeRecords writes the records of a range of entries, in as many frames as it takes.
func writeRecords(out *frames.Writer, from, through uint64, rows []byte) error {
	le := binary.LittleEndian
	head := le.AppendUint64(le.AppendUint64(le.AppendUint64(nil, from), through), uint64(len(rows)))
	n := min(len(rows), frames.MaxPayload-recordsHeader)
	err := out.Frame(frameRecords, append(head, rows[:n]...))
	for rows = rows[n:]; err == nil && len(rows) > 0; rows = rows[n:] {
		n = min(len(rows), frames.MaxPayload)
		err = out.Frame(frameMore, rows[:n])
	}
	return err
}

// backupTarget takes what a backup brings: the snapshot, then, after its manifest, the records.
type backupTarget interface {
	snapshotTarget
	about(info *BackupInfo) error
	manifest(m *storage.Manifest) error
	records(from, through uint64, rows []byte) error
}

// readBackup reads a backup into a target. Everything is proven but what only the target can; it counts only if there is no
// error.
func readBackup(r io.Reader, to backupTarget) error {
	in := frames.NewReader(r, backupMagic)
	kind, payload, err := in.Next()
	if err != nil {
		return err
	}
	var info BackupInfo
	if kind != frameAbout || len(payload) > maxInfo {
		return errors.New("raftlog: a backup that does not say what it is of")
	}
	if err := json.Unmarshal(payload, &info); err != nil {
		return fmt.Errorf("raftlog: what a backup is of: %w", err)
	}
	if info.Form != backupForm {
		return fmt.Errorf("raftlog: a backup of form %d: this drawd reads %d; a newer one wrote it", info.Form, backupForm)
	}
	if err := to.about(&info); err != nil {
		return err
	}
	m, kind, payload, err := readSnapshot(in, to)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if m.Index != info.Index {
		return fmt.Errorf("raftlog: a backup of entry %d with a snapshot of %d", info.Index, m.Index)
	}
	if e := to.manifest(&m); e != nil {
		return e
	}
	next := uint64(1)
	for ; err == nil; kind, payload, err = in.Next() {
		var through uint64
		if through, err = readRecords(in, kind, payload, next, to); err != nil {
			return err
		}
		next = through + 1
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if next != m.Index+1 {
		return fmt.Errorf("raftlog: a backup of entry %d with the records up to %d", m.Index, next-1)
	}
	return nil
}

// readRecords reads one range of records, of which the first frame is there.
func readRecords(in *frames.Reader, kind byte, payload []byte, from uint64, to backupTarget) (through uint64, err error) {
	le := binary.LittleEndian
	if kind != frameRecords || len(payload) < recordsHeader || le.Uint64(payload) != from {
		return 0, fmt.Errorf("raftlog: a backup without the records from %d on", from)
	}
	through, length := le.Uint64(payload[8:]), le.Uint64(payload[16:])
	if through < from || length > maxBlobsBytes {
		return 0, fmt.Errorf("raftlog: a backup with %d bytes of records from %d to %d", length, from, through)
	}
	rows := append([]byte(nil), payload[recordsHeader:]...)
	for uint64(len(rows)) < length {
		if kind, payload, err = in.Next(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		if kind != frameMore {
			break
		}
		rows = append(rows, payload...)
	}
	if uint64(len(rows)) != length {
		return 0, fmt.Errorf("raftlog: a backup with %d bytes of records of %d", len(rows), length)
	}
	return through, to.records(from, through, rows)
}

// CheckBackup reads a backup to its end, and proves that nothing of it is changed or missing. With an empty engine that has the
// cluster's key, the state is built as well, held against what the backup says, and its invariants are checked; without one the
// key is not needed.
func CheckBackup(r io.Reader, e *engine.Engine) (BackupInfo, error) {
	c := checkTarget{}
	if e != nil {
		c.engine, c.loader = e, e.Loader()
	}
	if err := readBackup(r, &c); err != nil {
		return c.info, err
	}
	if c.running != c.newest {
		return c.info, fmt.Errorf("raftlog: the newest record of the backup has the running hash %x, its state has %x", c.newest, c.running)
	}
	return c.info, nil
}

// checkTarget keeps nothing.
type checkTarget struct {
	info            BackupInfo
	engine          *engine.Engine
	loader          loader // nil without an engine
	running, newest [16]byte
}

func (c *checkTarget) about(info *BackupInfo) error { c.info = *info; return nil }

func (c *checkTarget) begin(*snapshotHeader) error { return nil }

func (c *checkTarget) page(id uint64, page []byte) error {
	if c.loader == nil {
		return nil
	}
	return c.loader.Page(engine.PageID(id), page)
}

func (c *checkTarget) manifest(m *storage.Manifest) error {
	c.running = m.Running
	if c.loader == nil {
		return nil
	}
	if err := prepare(c.loader, m); err != nil {
		return err
	}
	c.loader.Swap()
	return c.engine.CheckInvariants()
}

func (c *checkTarget) records(from, through uint64, rows []byte) error {
	running, some, err := storage.CheckBlobs(from, through, rows)
	if some {
		c.newest = running
	}
	return err
}

// prepare builds the state of a manifest from the pages that a loader was given, and holds the two against each other.
func prepare(l loader, m *storage.Manifest) error {
	if err := l.Prepare(m.Meta); err != nil {
		return err
	}
	if got := l.RunningHash(); got != m.Running || uint64(l.Index()) > m.Index {
		return fmt.Errorf("raftlog: the pages give the running hash %x at %d, the snapshot says %x at %d", got, l.Index(), m.Running, m.Index)
	}
	return nil
}
