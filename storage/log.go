package storage

// LogRecord is one record of the raft log.
type LogRecord struct {
	Index, Term uint64
	Type        uint8
	AppendedAt  int64 // unix nanoseconds at the leader; not part of the chain
	Data        []byte
	Extensions  []byte
	Chain       [16]byte // filled by Append and Get
}

// Base is where the log continues from: a checkpoint's index, the term of that record and the chain hash at it. The zero Base is
// the beginning of all logs.
type Base struct {
	Index, Term uint64
	Chain       [16]byte
}

// Log is the raft log and the stable values.
type Log struct{}

// First returns the index of the first record, 0 when the log is empty.
func (l *Log) First() uint64 { return 0 }

// Last returns the index of the last record, 0 when the log is empty.
func (l *Log) Last() uint64 { return 0 }

// Append writes records with consecutive indexes and returns when they are synced. An error means that the process must end.
// Log.Verify must have succeeded before.
func (l *Log) Append(recs []LogRecord) error { return errStub }

// Get fills r with the record at index. ErrNotFound when it is not in the log.
func (l *Log) Get(index uint64, r *LogRecord) error { return errStub }

// TruncateHead deletes all records up to and including through.
func (l *Log) TruncateHead(through uint64) error { return errStub }

// TruncateTail deletes all records from the given index on.
func (l *Log) TruncateTail(from uint64) error { return errStub }

// Rebase deletes the whole log; the next record continues base. For a snapshot installed from a peer.
func (l *Log) Rebase(base Base) error { return errStub }

// Bytes returns the bytes of the live records on disk, keys and headers included. 0 before Verify.
func (l *Log) Bytes() int64 { return 0 }

// TailStart returns the lowest index from which the live records up to the last take at most the given bytes.
func (l *Log) TailStart(bytes int64) uint64 { return 0 }

// Stable returns a stable value; nil, nil when there is none.
func (l *Log) Stable(key []byte) ([]byte, error) { return nil, errStub }

// SetStable writes a stable value and returns when it is synced.
func (l *Log) SetStable(key, val []byte) error { return errStub }

// Verify is the check at the start of a node; base is the newest checkpoint's.
func (l *Log) Verify(base Base) error { return errStub }

// Chain returns the chain hash at index, if it is known: a live record or the base.
func (l *Log) Chain(index uint64) ([16]byte, bool) { return [16]byte{}, false }
