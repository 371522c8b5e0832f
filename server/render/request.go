package render

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base32"
	"encoding/binary"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Facts is what a request_id tells whoever holds the key: enough to say later why a request was refused, without a record
// of it.
type Facts struct {
	Code    problem.Code
	Cap     uint8           // of a capped denial: Result.Cap
	Node    uint8           // that answered
	User    uint16          // first bytes of the user's key; a running number where no user was known
	Index   engine.LogIndex // applied when it answered
	Seconds int64           // Unix time
}

// Sealer makes request ids: one AES block over the facts and a zero tag. They cannot be read or forged: an invented one
// opens once in 2^16. Ids are not unique: equal refusals of one user within a second may share one.
type Sealer struct {
	block  cipher.Block
	node   uint8
	serial atomic.Uint32
}

// requestIDBytes is the length of a request id: the kind's letter and an AES block in base32.
const requestIDBytes = 1 + 26

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Layout of the block, big endian: code 8 bits, cap 8, node 8, user 16, index 42 (100 years of 1400 entries a second),
// seconds since epochSeconds 30 (34 years), tag 16.
const (
	indexBits   = 42
	secondsBits = 30
	// epochSeconds is 2026-01-01T00:00:00Z.
	epochSeconds = 1767225600
)

// NewSealer returns a Sealer under the key, for the node with this number.
func NewSealer(key [16]byte, node uint8) *Sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("BUG: " + err.Error()) // a 16-byte key is always accepted
	}
	return &Sealer{block: block, node: node}
}

// Append appends the request id of f; Node is the sealer's. A zero User becomes a running number.
func (s *Sealer) Append(dst []byte, f *Facts) []byte {
	user := f.User
	if user == 0 {
		user = uint16(s.serial.Add(1))
	}
	// The block is made at the end of dst and encrypted there: a local array would escape through cipher.Block.
	dst = append(dst, byte(engine.IDRequest), byte(f.Code), f.Cap, s.node)
	at := len(dst) - 3
	dst = binary.BigEndian.AppendUint16(dst, user)
	seconds := uint64(max(f.Seconds-epochSeconds, 0)) & (1<<secondsBits - 1)
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.Index)<<(64-indexBits)|seconds>>(secondsBits-(64-indexBits)))
	dst = append(dst, byte(seconds), 0, 0)
	s.block.Encrypt(dst[at:], dst[at:])
	return appendBase32(dst[:at], [aes.BlockSize]byte(dst[at:]))
}

// Open returns the facts in a request id; ok is false for anything that Append did not make under this key.
func (s *Sealer) Open(id []byte) (f Facts, ok bool) {
	if len(id) != requestIDBytes || id[0] != byte(engine.IDRequest) {
		return Facts{}, false
	}
	var b [aes.BlockSize]byte
	if n, err := idEncoding.Decode(b[:], id[1:]); err != nil || n != len(b) {
		return Facts{}, false
	}
	// 26 characters hold 130 bits: the last two must be zero, or several texts would be one id.
	if last := appendBase32(nil, b); last[25] != id[26] {
		return Facts{}, false
	}
	s.block.Decrypt(b[:], b[:])
	if b[14]|b[15] != 0 {
		return Facts{}, false
	}
	word := binary.BigEndian.Uint64(b[5:])
	const high = 64 - indexBits // bits of the seconds that share the word with the index
	seconds := word&(1<<high-1)<<(secondsBits-high) | uint64(b[13])
	return Facts{
		Code: problem.Code(b[0]), Cap: b[1], Node: b[2], User: binary.BigEndian.Uint16(b[3:]),
		Index: engine.LogIndex(word >> high), Seconds: int64(seconds) + epochSeconds,
	}, true
}

// appendBase32 appends an AES block as 26 characters of RFC 4648 base32 in lower case.
func appendBase32(dst []byte, b [aes.BlockSize]byte) []byte {
	return idEncoding.AppendEncode(dst, b[:])
}
