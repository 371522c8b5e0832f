package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base32"
	"encoding/binary"
)

// IDKind is the kind of a public id, and its first letter.
type IDKind byte

// The kinds of id.
const (
	IDDraw    IDKind = 'd'
	IDRequest IDKind = 'r'
	// IDApproval is of a request for approval: its index is namespace<<32 | number.
	IDApproval IDKind = 'a'
	IDHelp     IDKind = 'p' // what passed between two people
	IDHold     IDKind = 'h'
	IDTake     IDKind = 't'

	idHoldCursor IDKind = 'l' // HoldCursor
)

// idBytes is the length of a public id: the letter and one AES block in base32.
const idBytes = 1 + 26

// idEncoding is RFC 4648 base32 in lower case, without padding.
var idEncoding = base32.NewEncoding(idAlphabet).WithPadding(base32.NoPadding)

const idAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

// ids seals locations: one AES block over (kind, index, ordinal, zero tag). Ids cannot be counted, guessed or read; a
// forged one decrypts to a tag that is not zero but once in 2^40.
type ids struct {
	block        cipher.Block
	request, tag cipher.Block // of request ids (requestid.go)
}

func newIDs(key [16]byte) *ids {
	k := &ids{block: newBlock(key[:])}
	k.requestKeys(key)
	return k
}

func newBlock(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("BUG: " + err.Error()) // 16 bytes are always accepted
	}
	return block
}

// AppendID appends the public id of what stands at l: the kind's letter and 26 characters of base32. It allocates nothing
// beyond dst: the block is made at dst's end and encrypted there, because a local array would escape through cipher.Block.
func (e *Engine) AppendID(dst []byte, kind IDKind, l Location) []byte {
	return e.appendID(dst, kind, l, 0)
}

// appendID is AppendID with the home of a hold's row: zero for any other kind.
func (e *Engine) appendID(dst []byte, kind IDKind, l Location, home uint16) []byte {
	dst = append(dst, byte(kind), byte(kind))
	at := len(dst) - 1
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.Index))
	dst = binary.BigEndian.AppendUint16(dst, l.Ordinal)
	dst = append(dst, byte(home>>8), byte(home), 0, 0, 0)
	e.ids.Load().block.Encrypt(dst[at:], dst[at:])
	sealed := [aes.BlockSize]byte(dst[at:])
	return idEncoding.AppendEncode(dst[:at], sealed[:])
}

// ParseID returns the location in a public id; ok is false for anything that AppendID did not make.
func (e *Engine) ParseID(kind IDKind, id []byte) (l Location, ok bool) {
	l, home, ok := e.parseID(kind, id)
	if home != 0 {
		return Location{}, false
	}
	return l, ok
}

func (e *Engine) parseID(kind IDKind, id []byte) (l Location, home uint16, ok bool) {
	sealer := e.ids.Load()
	if sealer == nil || len(id) != idBytes || id[0] != byte(kind) {
		return Location{}, 0, false
	}
	var b [aes.BlockSize]byte
	n, err := idEncoding.Decode(b[:], id[1:])
	if err != nil || n != aes.BlockSize {
		return Location{}, 0, false
	}
	// 26 characters hold 130 bits: the last two must be zero, or several texts would name one draw.
	if idAlphabet[b[15]&7<<2] != id[26] {
		return Location{}, 0, false
	}
	sealer.block.Decrypt(b[:], b[:])
	if b[0] != byte(kind) || b[13]|b[14]|b[15] != 0 {
		return Location{}, 0, false
	}
	return Location{LogIndex(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint16(b[9:])}, binary.BigEndian.Uint16(b[11:]), true
}
