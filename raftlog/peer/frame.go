package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// frameType is what a frame is. Append only.
type frameType byte

const (
	frameQuestion frameType = 1
	frameAnswer   frameType = 2
	frameRefusal  frameType = 3 // a *problem.Error
	frameFailure  frameType = 4 // any other error, as a text
	frameUnknown  frameType = 5 // nobody answers this call here
)

const (
	frameVersion = 1
	frameHeader  = 16
)

// frame is one message of a call; doc.go has its bytes.
type frame struct {
	kind   frameType
	call   Call
	code   uint8
	waitMS uint32
	body   []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFrame says that a peer sent what is no frame. The connection is of no more use.
var errFrame = errors.New("peer: damaged frame")

// appendFrame encodes f.
func appendFrame(dst []byte, f *frame) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.body)))
	dst = append(dst, 0, 0, 0, 0, frameVersion, byte(f.kind), byte(f.call), f.code)
	dst = binary.LittleEndian.AppendUint32(dst, f.waitMS)
	dst = append(dst, f.body...)
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst
}

// readFrame reads one frame whose body has at most limit bytes. io.EOF alone says that the other side closed between
// two frames.
func readFrame(r io.Reader, limit int) (*frame, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:1]); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r, h[1:]); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	size, sum := binary.LittleEndian.Uint32(h[0:]), binary.LittleEndian.Uint32(h[4:])
	f := &frame{kind: frameType(h[9]), call: Call(h[10]), code: h[11], waitMS: binary.LittleEndian.Uint32(h[12:])}
	switch {
	case h[8] != frameVersion:
		return nil, fmt.Errorf("%w: version %d", errFrame, h[8])
	case f.kind < frameQuestion || f.kind > frameUnknown:
		return nil, fmt.Errorf("%w: type %d", errFrame, f.kind)
	case int64(size) > int64(limit):
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", errFrame, size, limit)
	}
	var err error
	if f.body, err = readBody(r, int(size)); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	if got := crc32.Update(crc32.Checksum(h[8:], castagnoli), castagnoli, f.body); got != sum {
		return nil, fmt.Errorf("%w: checksum %08x, want %08x", errFrame, got, sum)
	}
	return f, nil
}

// readBody takes memory as bytes arrive: an announcement alone costs one step.
func readBody(r io.Reader, size int) ([]byte, error) {
	body := make([]byte, 0, min(size, bodyStep))
	for len(body) < size {
		from := len(body)
		step := min(size-from, max(bodyStep, from)) // doubling: every byte is copied twice at most
		body = append(body, make([]byte, step)...)
		if _, err := io.ReadFull(r, body[from:]); err != nil {
			return nil, err
		}
	}
	return body, nil
}
