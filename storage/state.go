package storage

// State holds what replaying the log can rebuild. Writes are not synced; Sync and Commit are.
type State struct{}

// HeadSize is the size of a blob head.
const HeadSize = 40

// Win says that the record with this ordinal is a win of the prize.
type Win struct {
	Campaign uint32
	Prize    uint16
	Ordinal  uint16
}

// PutBlob stores the records of one log entry: head, the first byte of each record in records, the records, and the wins among
// them. If a blob of that index is there already it is compared: equal, nothing is written; different, *DivergedError.
func (s *State) PutBlob(index uint64, head []byte, offsets []uint32, records []byte, wins []Win) error {
	return errStub
}

// Head returns a copy of the blob head of an entry; false when there is no blob.
func (s *State) Head(index uint64) ([]byte, bool, error) { return nil, false, errStub }

// Records appends n consecutive encoded records to dst. ErrNotFound when they are not all there.
func (s *State) Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error) {
	return dst, errStub
}

// Scan calls fn for each record from a location on, in log order, until it returns false. The slices are valid during the call.
func (s *State) Scan(index uint64, ordinal uint16, fn func(index uint64, head []byte, ordinal uint16, record []byte) (more bool)) error {
	return errStub
}

// Wins calls fn for each win of a prize after a location, in log order, until it returns false. (0, 0) is before all.
func (s *State) Wins(campaign uint32, prize uint16, afterIndex uint64, afterOrdinal uint16, fn func(index uint64, ordinal uint16) (more bool)) error {
	return errStub
}

// LastBlob returns the highest index that has a blob, 0 for none.
func (s *State) LastBlob() uint64 { return 0 }

// Sync makes every earlier write of State durable.
func (s *State) Sync() error { return errStub }

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

// Manifest returns the newest complete checkpoint's manifest; false when there is none.
func (s *State) Manifest() (Manifest, bool) { return Manifest{}, false }

// BeginCheckpoint starts the next generation. One at a time.
func (s *State) BeginCheckpoint() *CheckpointWriter { return nil }

// LoadPages calls fn for each live page of the newest complete checkpoint, ascending. data is valid during the call.
func (s *State) LoadPages(fn func(page uint64, data []byte) error) error { return errStub }

// CheckpointWriter writes one checkpoint: changed pages, then the manifest.
type CheckpointWriter struct{}

// Put writes a page. Data that is all zero says that the page is gone.
func (w *CheckpointWriter) Put(page uint64, data []byte) error { return errStub }

// Commit makes the checkpoint the newest one. It returns when it is durable.
func (w *CheckpointWriter) Commit(m Manifest) error { return errStub }

// Abort gives the checkpoint up.
func (w *CheckpointWriter) Abort() {}
