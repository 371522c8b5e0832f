package bench

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
)

// fill completes the environment's defaults.
func (e *Environment) fill() error {
	if len(e.Daemon) > 0 && len(e.Check) > 0 && len(e.Empty) > 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: the running binary: %w", err)
	}
	if len(e.Daemon) == 0 {
		e.Daemon = []string{self, "serve"}
	}
	if len(e.Check) == 0 {
		e.Check = []string{self, "check"}
	}
	if len(e.Empty) == 0 {
		e.Empty = []string{self, "bench", "empty"}
	}
	return nil
}

// nonce returns 64 random bits: for names that must not meet those of another run. Load never depends on it.
func nonce() uint64 {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("FATAL: the system's randomness failed: " + err.Error())
	}
	return binary.LittleEndian.Uint64(b[:])
}
