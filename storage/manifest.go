package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"
)

// Manifest describes a complete checkpoint. Its Index is the one durable index of a node.
type Manifest struct {
	Generation         uint64 // given by BeginCheckpoint
	Index, Term        uint64
	Chain              [16]byte // the log's chain hash at Index
	Running            [16]byte // the engine's running hash after Index
	Configuration      []byte
	ConfigurationIndex uint64
	Meta               []byte
	At                 int64 // unix milliseconds
}

// Base returns what a log after this checkpoint continues from.
func (m *Manifest) Base() Base { return Base{Index: m.Index, Term: m.Term, Chain: m.Chain} }

// storedManifest adds what proves that all pages are there.
type storedManifest struct {
	Manifest
	pages uint64 // live pages
	sum   uint64 // of their checksums, mod 2^64: it depends on no order, and a page's leaving can be subtracted
}

// The value of a manifest, little endian:
//
//	0   xxh3-64 of everything from byte 8 on
//	8   form u32 = 1
//	12  zero u32
//	16  generation u64 · 24 index u64 · 32 term u64
//	40  chain 16 B · 56 running 16 B
//	72  index of the configuration u64 · 80 at i64
//	88  live pages u64 · 96 sum of their checksums u64
//	104 length of the configuration u32 · 108 length of the meta u32
//	112 configuration, then meta
const (
	manifestHeader = 112
	manifestForm   = 1
)

// manifestKey is the one key that a manifest has: a checkpoint replaces it together with its pages.
func manifestKey() []byte { return []byte{keyManifest} }

func (m *storedManifest) encode() []byte {
	le := binary.LittleEndian
	v := make([]byte, manifestHeader, manifestHeader+len(m.Configuration)+len(m.Meta))
	le.PutUint32(v[8:], manifestForm)
	le.PutUint64(v[16:], m.Generation)
	le.PutUint64(v[24:], m.Index)
	le.PutUint64(v[32:], m.Term)
	copy(v[40:], m.Chain[:])
	copy(v[56:], m.Running[:])
	le.PutUint64(v[72:], m.ConfigurationIndex)
	le.PutUint64(v[80:], uint64(m.At))
	le.PutUint64(v[88:], m.pages)
	le.PutUint64(v[96:], m.sum)
	le.PutUint32(v[104:], uint32(len(m.Configuration)))
	le.PutUint32(v[108:], uint32(len(m.Meta)))
	v = append(append(v, m.Configuration...), m.Meta...)
	le.PutUint64(v, xxh3.Hash(v[8:]))
	return v
}

// decodeManifest parses a manifest. The result does not alias v.
func decodeManifest(v []byte) (m storedManifest, ok bool) {
	le := binary.LittleEndian
	if len(v) < manifestHeader || le.Uint64(v) != xxh3.Hash(v[8:]) || le.Uint32(v[8:]) != manifestForm {
		return storedManifest{}, false
	}
	configuration, meta := int(le.Uint32(v[104:])), int(le.Uint32(v[108:]))
	if len(v) != manifestHeader+configuration+meta {
		return storedManifest{}, false
	}
	m.Generation, m.Index, m.Term = le.Uint64(v[16:]), le.Uint64(v[24:]), le.Uint64(v[32:])
	m.Chain, m.Running = [16]byte(v[40:]), [16]byte(v[56:])
	m.ConfigurationIndex, m.At = le.Uint64(v[72:]), int64(le.Uint64(v[80:]))
	m.pages, m.sum = le.Uint64(v[88:]), le.Uint64(v[96:])
	m.Configuration = append([]byte(nil), v[manifestHeader:][:configuration]...)
	m.Meta = append([]byte(nil), v[manifestHeader+configuration:]...)
	return m, true
}

// Manifest returns the newest complete checkpoint's manifest; false when there is none. Its slices are shared: do not change them.
func (s *State) Manifest() (Manifest, bool) {
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	return s.checkpoints.manifest.Manifest, s.checkpoints.has
}

// loadManifest reads the manifest.
func (s *State) loadManifest() error {
	v, closer, err := s.db.Get(manifestKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return s.loadNothing()
	}
	if err != nil {
		return damagedRead("the checkpoint's manifest", 0, err)
	}
	defer closer.Close()
	c := &s.checkpoints
	if c.manifest, c.has = decodeManifest(v); !c.has {
		return &DamagedError{What: "the checkpoint's manifest is not what was written", Remedy: remedyReplace}
	}
	return nil
}

// loadNothing is for a state without manifest: then there are no pages either, as they come and go together.
func (s *State) loadNothing() error {
	s.live.pages, s.live.known = map[uint64]uint64{}, true
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyPage}, UpperBound: []byte{keyPage + 1}})
	if err != nil {
		return fmt.Errorf("storage: read the checkpoint: %w", err)
	}
	found := it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return damagedRead("the checkpoint", 0, err)
	}
	if found {
		return &DamagedError{What: "there are pages of a checkpoint, but its manifest is missing", Remedy: remedyReplace}
	}
	return nil
}
