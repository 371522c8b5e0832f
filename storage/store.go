package storage

import "errors"

var errStub = errors.New("storage: not built yet")

// Store is one data directory.
type Store struct{}

// Open opens the data directory and creates it when it is empty.
func Open(o Options) (*Store, error) { return nil, errStub }

// Log returns the raft log.
func (s *Store) Log() *Log { return nil }

// State returns what replay can rebuild.
func (s *Store) State() *State { return nil }

// Close closes both databases. Log and State must not be in use.
func (s *Store) Close() error { return errStub }
