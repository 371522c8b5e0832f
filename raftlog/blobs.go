package raftlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// A snapshot brings a node the engine's state, but not the records of the entries that made it. Those are fetched behind it, from
// any node that has them, in the order of the log, a piece at a time; what is missing is written down with each piece
// (storage.State.Missing), so that a restart goes on where it stood. Until then a read of such a record asks another node for
// it, and refuses with record_elsewhere when none answers: never with "there is no such record".
//
// The question, little endian: form u8 = 1 · from u64 · to u64 · size of a piece u32 · offset u32. The answer: form u8 = 1 ·
// through u64 · length of the whole u32 · the whole from offset on, as far as it fits. The whole is what
// storage.State.AppendBlobs gives: it may be longer than an answer when one entry has many records.
const (
	blobsForm     = 1
	blobsQuestion = 25
	blobsAnswer   = 13
)

// blobs fetches missing records, and gives records to others.
type blobs struct {
	state   stateDisk
	peers   *peer.Mux // nil: this node has no others
	self    string
	members func() []Member
	leader  func() (id, address string)
	applied func() uint64
	logger  *slog.Logger
	metrics *metricSet
	clock   Clock

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wake   chan struct{}          // 1-buffered: more is missing
	misses chan struct{}          // holds maxMisses tokens: reads that ask another node
	answer struct{ sync.RWMutex } // held for reading while the state is read for others; Close takes it
}

func newBlobs(n *Node) *blobs {
	b := &blobs{
		state: n.state, peers: n.options.Peers, self: n.options.NodeID, members: n.Members, leader: n.Leader, applied: n.fsm.applied.Load,
		logger: n.options.Logger, metrics: n.metrics, clock: n.options.Clock,
		wake: make(chan struct{}, 1), misses: make(chan struct{}, maxMisses),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// kick is called when more may be missing.
func (b *blobs) kick() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// close ends what runs, and returns when the state is not read for others any more.
func (b *blobs) close() {
	b.cancel()
	if b.peers != nil {
		b.peers.Answer(peer.CallBlobs, nil)
	}
	b.answer.Lock()
	defer b.answer.Unlock()
}

// run fetches what is missing, until the node stops. It takes half of the time: the other half belongs to draws.
func (b *blobs) run() {
	pause := time.Duration(0)
	for {
		if !b.wait(pause) {
			return
		}
		begun := b.clock.Monotonic()
		switch err := b.fetch(); {
		case b.ctx.Err() != nil:
			return
		case err != nil:
			pause = min(max(2*pause, blobsRetry), maxBlobsRetry)
			b.logger.Warn("the records behind a snapshot cannot be fetched at the moment; it is tried again", "missing", missingEntries(b.state.Missing()), "again_in", pause, "error", err)
		default:
			pause = b.clock.Monotonic() - begun
		}
	}
}

// wait returns after the pause when something is missing, else when something may be; false when the node stops.
func (b *blobs) wait(pause time.Duration) bool {
	for len(b.state.Missing()) == 0 {
		select {
		case <-b.wake:
		case <-b.ctx.Done():
			return false
		}
	}
	if pause == 0 {
		return b.ctx.Err() == nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.ctx.Done():
		return false
	}
}

// fetch brings one piece of what is missing, from the first node that gives a good one.
func (b *blobs) fetch() error {
	gap := b.state.Missing()[0]
	var faults []error
	for _, m := range b.others() {
		ctx, cancel := context.WithTimeout(b.ctx, peer.MaxAskTime)
		rows, through, err := b.ask(ctx, m, gap.From, gap.To, blobsPiece)
		cancel()
		if err == nil {
			err = b.state.PutBlobs(gap.From, through, rows)
		}
		if err == nil {
			b.metrics.blobsFetched.Add(len(rows))
			if len(b.state.Missing()) == 0 {
				b.logger.Info("all records behind the snapshot are here", "through", through)
			}
			return nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", m.ID, err))
	}
	if len(faults) == 0 {
		return errors.New("there is no other node")
	}
	return errors.Join(faults...)
}

// others returns the other members, the leader last: it has the most to do.
func (b *blobs) others() []Member {
	leader, _ := b.leader()
	all := slices.DeleteFunc(b.members(), func(m Member) bool { return m.ID == b.self })
	slices.SortStableFunc(all, func(x, y Member) int {
		switch leader {
		case x.ID:
			return 1
		case y.ID:
			return -1
		}
		return 0
	})
	return all
}

// ask asks one node for the records from an entry on, in as many answers as it takes.
func (b *blobs) ask(ctx context.Context, m Member, from, to uint64, size uint32) (rows []byte, through uint64, err error) {
	le := binary.LittleEndian
	for whole := 1; len(rows) < whole; {
		q := append(make([]byte, 0, blobsQuestion), blobsForm)
		q = le.AppendUint32(le.AppendUint32(le.AppendUint64(le.AppendUint64(q, from), to), size), uint32(len(rows)))
		a, err := b.peers.Ask(ctx, m.Address, peer.CallBlobs, q)
		if err != nil {
			return nil, 0, err
		}
		if len(a) < blobsAnswer || a[0] != blobsForm {
			return nil, 0, errors.New("raftlog: an answer of an unknown form")
		}
		now, length, piece := le.Uint64(a[1:]), int(le.Uint32(a[9:])), a[blobsAnswer:]
		if now < from || now > to || len(rows)+len(piece) > length || length > maxBlobsBytes || len(rows) > 0 && (now != through || length != whole) {
			return nil, 0, fmt.Errorf("raftlog: an answer that cannot be: through %d, %d of %d bytes", now, len(rows)+len(piece), length)
		}
		if length == 0 {
			return nil, now, nil
		}
		if len(piece) == 0 {
			return nil, 0, errors.New("raftlog: an empty answer")
		}
		rows, through, whole = append(rows, piece...), now, length
	}
	return rows, through, nil
}

// give answers another node.
func (b *blobs) give(_ context.Context, name string, q []byte) ([]byte, error) {
	if name != "" && find(b.members(), name) == nil {
		return nil, problem.New(problem.Forbidden, fmt.Sprintf("node %q is not a member", name))
	}
	le := binary.LittleEndian
	if len(q) != blobsQuestion || q[0] != blobsForm {
		return nil, errors.New("raftlog: a question of an unknown form: a newer drawd asks")
	}
	from, to, size, offset := le.Uint64(q[1:]), le.Uint64(q[9:]), le.Uint32(q[17:]), le.Uint32(q[21:])
	to = min(to, b.applied())
	if from == 0 || to < from {
		return nil, fmt.Errorf("raftlog: entry %d is not applied here", from)
	}
	b.answer.RLock()
	defer b.answer.RUnlock()
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	rows, through, err := b.state.AppendBlobs(nil, from, to, int(min(size, blobsPiece)))
	if err != nil {
		return nil, err
	}
	piece := rows[min(int(offset), len(rows)):]
	piece = piece[:min(len(piece), peer.MaxResponseBytes-blobsAnswer)]
	a := append(make([]byte, 0, blobsAnswer+len(piece)), blobsForm)
	a = le.AppendUint32(le.AppendUint64(a, through), uint32(len(rows)))
	b.metrics.blobsGiven.Add(len(piece))
	return append(a, piece...), nil
}

// records reads records, from another node if need be.
func (b *blobs) records(dst []byte, index uint64, ordinal uint16, count int) ([]byte, error) {
	out, err := b.state.Records(dst, index, ordinal, count)
	var missing *storage.MissingError
	if !errors.As(err, &missing) {
		return out, err
	}
	b.metrics.blobMisses.Inc()
	select {
	case b.misses <- struct{}{}:
		defer func() { <-b.misses }()
	default:
		return dst, elsewhere(missing)
	}
	ctx, cancel := context.WithTimeout(b.ctx, missTimeout)
	defer cancel()
	for _, m := range b.others() {
		rows, _, err := b.ask(ctx, m, index, index, 1)
		if err == nil {
			if out, err = storage.RecordsIn(dst, rows, index, ordinal, count); err == nil || errors.Is(err, storage.ErrNotFound) {
				return out, err
			}
		}
	}
	return dst, elsewhere(missing)
}

// elsewhere is the refusal for records that are not here.
func elsewhere(e *storage.MissingError) error { return problem.New(problem.RecordElsewhere, e.Error()) }

// missingEntries counts the entries of ranges.
func missingEntries(all []storage.Range) (n uint64) {
	for _, r := range all {
		n += r.To - r.From + 1
	}
	return n
}

// Records appends count consecutive encoded records to dst, from one record of an entry on; storage.ErrNotFound when there are
// none. Records that came to be before this node had a snapshot, and that it has not been given yet, are read from another
// node; a *problem.Error with record_elsewhere when none gives them.
func (n *Node) Records(dst []byte, index uint64, ordinal uint16, count int) ([]byte, error) {
	return n.blobs.records(dst, index, ordinal, count)
}

// Scan calls fn for each record from a location on, as storage.State.Scan does. It reads this node's records only, and ends with
// record_elsewhere where some are missing.
func (n *Node) Scan(index uint64, ordinal uint16, fn func(index uint64, head []byte, ordinal uint16, record []byte) (more bool)) error {
	err := n.state.Scan(index, ordinal, fn)
	var missing *storage.MissingError
	if errors.As(err, &missing) {
		return elsewhere(missing)
	}
	return err
}

// BlobsComplete reports whether this node has the records of all entries that it has applied. A node that does not must not vote:
// with too few nodes that have them, they could be lost.
func (n *Node) BlobsComplete() bool { return len(n.state.Missing()) == 0 }
