package engine

import "crypto/sha256"

// Domains of the hashes that a release schedule hangs on: the first byte. 0x01 and 0x02 are the word's and the seed hash's.
const (
	domainReleaseSeed = 0x03
	domainCell        = 0x04
	domainWindow      = 0x05
	domainSchedule    = 0x06
)

func releaseKey(domain byte, parts ...[]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte{domain})
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

// releaseSeed is what all instants of the campaign are drawn from: SHA-256(0x03 ‖ campaign's seed). It is revealed after
// the end, before the seed itself is: nobody can go back from one to the other.
func (c *Campaign) releaseSeed() [32]byte { return releaseKey(domainReleaseSeed, c.seed[:]) }

// releaseKey is a cell's key.
func (c *Campaign) releaseKey(cell string) [32]byte {
	seed := c.releaseSeed()
	return releaseKey(domainCell, seed[:], []byte(cell))
}

// ReleaseHash is public from the moment that a version is published: SHA-256(0x06 ‖ the version's salt ‖ release seed ‖ the
// version's hash). It fixes every instant of the version before the first draw, and tells none. It returns false for a
// version without schedules.
func (c *Campaign) ReleaseHash(v *Version) (hash [32]byte, ok bool) {
	if len(v.Releases) == 0 {
		return hash, false
	}
	seed := c.releaseSeed()
	return releaseKey(domainSchedule, v.Salt[:], seed[:], v.Hash[:]), true
}
