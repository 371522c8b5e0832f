package raftlog

import (
	"errors"
	"fmt"
	"io"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
	"github.com/drawd/drawd/storage/frames"
)

// install is a snapshot that comes from another node. Its pages go into a new machine and into the tables of a new checkpoint,
// both beside what is in force; only when the whole stream is proven, and the machine built from it agrees with what it says, is
// the checkpoint committed, the log behind it deleted, and the machine handed to fsm.Restore.
//
// A power cut before the commit leaves the old state; after it, the new one, and Log.Verify deletes what it replaces.
type install struct {
	sink *checkpointSink
	in   *io.PipeWriter
	done chan struct{} // closed when everything was read, or the reading failed

	// Set by the reading goroutine, before done.
	err      error
	known    bool // this node has applied it already
	manifest storage.Manifest
	loader   loader
	writer   *storage.CheckpointWriter
}

// newInstall begins an install. The caller has the store's turn.
func newInstall(sink *checkpointSink) *install {
	out, in := io.Pipe()
	i := &install{sink: sink, in: in, done: make(chan struct{})}
	go func() {
		defer close(i.done)
		i.err = i.read(out)
		out.CloseWithError(i.err) // nil: the writer has closed its end by then
	}()
	return i
}

func (i *install) read(in io.Reader) error {
	m, kind, _, err := readSnapshot(frames.NewReader(in, streamMagic), i)
	switch {
	case err == nil:
		return fmt.Errorf("raftlog: a snapshot with a frame of kind %d", kind)
	case !errors.Is(err, io.EOF):
		return err
	case i.known:
		return nil
	}
	i.manifest = m
	return prepare(i.loader, &m)
}

// begin is called with the header.
func (i *install) begin(h *snapshotHeader) error {
	if err := i.sink.matches(&h.manifest); err != nil {
		return err
	}
	s := i.sink.store
	if i.known = h.manifest.Index <= s.fsm.applied.Load(); i.known {
		return nil // its answer was lost, and it came again
	}
	s.logger.Info("a snapshot comes", "index", h.manifest.Index, "applied", s.fsm.applied.Load(), "bytes", h.size())
	i.loader = s.machine.Loader()
	i.writer = s.state.BeginCheckpoint()
	i.writer.ReplaceAll()
	return nil
}

func (i *install) page(id uint64, page []byte) error {
	if i.known {
		return nil
	}
	if err := i.loader.Page(engine.PageID(id), page); err != nil {
		return err
	}
	return i.writer.Put(id, page)
}

// finish is called when all bytes came: it proves and commits.
func (i *install) finish() error {
	_ = i.in.Close() // it never fails
	<-i.done
	if i.err != nil || i.known {
		i.abort()
		return i.err
	}
	s, m := i.sink.store, i.manifest
	if s.stopped() {
		i.abort()
		return errNoOutcome
	}
	// Up to applied every record is here; the FSM goroutine may be a few entries further by now, and those are compared.
	i.writer.Lacks(storage.Range{From: s.fsm.applied.Load() + 1, To: m.Index, Running: m.Running})
	if err := i.writer.Commit(m); err != nil {
		return err
	}
	restart, err := s.log.rebase(m.Base())
	if err != nil {
		return err
	}
	s.logger.Info("a snapshot was taken", "index", m.Index, "term", m.Term)
	if restart {
		s.fatal(ExitFailed, fmt.Sprintf("raftlog: a snapshot at %d replaced a longer log that was never committed: start drawd again", m.Index))
	}
	return nil
}

// drop ends an install that cannot finish.
func (i *install) drop(why error) {
	i.in.CloseWithError(why)
	<-i.done
	i.abort()
}

func (i *install) abort() {
	if i.writer != nil {
		i.writer.Abort()
	}
	i.loader = nil
}
