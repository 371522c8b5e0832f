package render

import (
	"encoding/base32"
	"encoding/binary"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Facts is what a request_id tells a node of the cluster that gave it: enough to say later why a request was refused,
// without a record of it.
type Facts struct {
	Code     problem.Code
	Cap      uint8 // of a capped denial: engine.CapPlace; of another: Result.Cap
	Node     uint8 // that answered
	Campaign engine.CampaignRef
	User     uint16          // first bytes of the user's key; a running number where no user was known
	Index    engine.LogIndex // applied when it answered
	Seconds  int64           // Unix time
}

// Seals seals a block under keys that every node of the cluster has. *engine.Engine does.
type Seals interface {
	// SealRequest encrypts the last RequestBlockBytes of dst in place and appends their tag.
	SealRequest(dst []byte) []byte
	// OpenRequest decrypts them in place; false for what was not sealed here.
	OpenRequest(b []byte) bool
}

// Sealer makes request ids: the facts as one sealed block and its tag. They cannot be read or forged. Ids are not unique:
// equal refusals of one user within a second may share one.
type Sealer struct {
	seals  Seals
	node   uint8
	serial atomic.Uint32
}

// requestIDBytes is the length of a request id: the kind's letter and block and tag in base32.
const requestIDBytes = 1 + 39

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Layout of the block, big endian: code 8 bits, cap 8, node 8, campaign 16, user 16, index 40 (as in records), seconds of
// Unix time 32.
const sealedBytes = engine.RequestBlockBytes + engine.RequestTagBytes

// A campaign's number fits in 16 bits.
const _ = uint(1<<16 - 1 - engine.MaxCampaigns)

// NewSealer returns a Sealer for the node with this number.
func NewSealer(seals Seals, node uint8) *Sealer { return &Sealer{seals: seals, node: node} }

// Append appends the request id of f; Node is the sealer's. A zero User becomes a running number.
func (s *Sealer) Append(dst []byte, f *Facts) []byte {
	user := f.User
	if user == 0 {
		user = uint16(s.serial.Add(1))
	}
	// The block is made at the end of dst and sealed there: a local array would escape through the cipher.
	dst = append(dst, byte(engine.IDRequest), byte(f.Code), f.Cap, s.node)
	at := len(dst) - 3
	dst = binary.BigEndian.AppendUint16(dst, uint16(f.Campaign))
	dst = binary.BigEndian.AppendUint16(dst, user)
	dst = append(dst, byte(f.Index>>32))
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Index))
	dst = binary.BigEndian.AppendUint32(dst, uint32(max(f.Seconds, 0)))
	dst = s.seals.SealRequest(dst)
	sealed := [sealedBytes]byte(dst[at:])
	return idEncoding.AppendEncode(dst[:at], sealed[:])
}

// Open returns the facts in a request id; ok is false for anything that no node of this cluster made.
func (s *Sealer) Open(id []byte) (f Facts, ok bool) {
	if len(id) != requestIDBytes || id[0] != byte(engine.IDRequest) {
		return Facts{}, false
	}
	var sealed [sealedBytes]byte
	if n, err := idEncoding.Decode(sealed[:], id[1:]); err != nil || n != len(sealed) {
		return Facts{}, false
	}
	// The last character holds three bits too many: they must be zero, or several texts would be one id.
	if last := idEncoding.AppendEncode(nil, sealed[:]); last[len(last)-1] != id[len(id)-1] {
		return Facts{}, false
	}
	if b := sealed[:]; s.seals.OpenRequest(b) {
		return Facts{
			Code: problem.Code(b[0]), Cap: b[1], Node: b[2],
			Campaign: engine.CampaignRef(binary.BigEndian.Uint16(b[3:])), User: binary.BigEndian.Uint16(b[5:]),
			Index: engine.LogIndex(b[7])<<32 | engine.LogIndex(binary.BigEndian.Uint32(b[8:])), Seconds: int64(binary.BigEndian.Uint32(b[12:])),
		}, true
	}
	return Facts{}, false
}
