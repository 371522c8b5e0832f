package storage

import "fmt"

// FreeBytes returns how much more the data directory's file system takes. It asks the disk, and waits as long as that does.
func (s *Store) FreeBytes() (uint64, error) {
	u, err := s.fs.GetDiskUsage(s.o.Dir)
	if err != nil {
		return 0, fmt.Errorf("storage: free space of %s: %w", s.o.Dir, err)
	}
	return u.AvailBytes, nil
}
