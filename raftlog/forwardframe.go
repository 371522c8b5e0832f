package raftlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Frames on a connection of the kind peer.KindForward. The side that dialled sends commands, the other one answers each
// frame once, in any order. Little endian:
//
//	 0  u32  bytes of the payload
//	 4  u32  CRC-32C of everything from 8 to the end
//	 8  u8   version of this layout: 1
//	 9  u8   what it is: 1 commands, 2 outcome, 3 refusal
//	10  u16  0
//	12  u32  how many commands, or results; 0 in a refusal
//	16  u64  number of the frame, of the side that dialled; an answer repeats it
//	24  …    commands: as in an entry. Outcome: u64 index, i64 time, u32 bytes of the records, results (forwardresult.go),
//	         records. Refusal: u8 the problem's code, u8 1 if nothing was done although the code leaves that open,
//	         its detail
//
// What breaks a bound or the checksum ends the connection.
const (
	forwardVersion = 1
	forwardHeader  = 24
)

// forwardKind is what a frame is. Append only.
type forwardKind uint8

const (
	forwardCommands forwardKind = 1
	forwardOutcome  forwardKind = 2
	forwardRefusal  forwardKind = 3
)

// forwardFrame is one frame. Its payload belongs to the reader it came from, until that reads the next one.
type forwardFrame struct {
	kind    forwardKind
	count   uint32
	number  uint64
	payload []byte
}

var (
	errForward = errors.New("raftlog: damaged frame between nodes")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// beginForward opens a frame; endForward closes the one that began at start.
func beginForward(dst []byte, kind forwardKind, count int, number uint64) []byte {
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, forwardVersion, byte(kind), 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(count))
	return binary.LittleEndian.AppendUint64(dst, number)
}

func endForward(dst []byte, start int) {
	frame := dst[start:]
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-forwardHeader))
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(frame[8:], castagnoli))
}

// appendForwardRefusal appends the frame of a refusal.
func appendForwardRefusal(dst []byte, number uint64, e *problem.Error) []byte {
	start := len(dst)
	dst = beginForward(dst, forwardRefusal, 0, number)
	undone := byte(0)
	if e.Undone {
		undone = 1
	}
	dst = append(dst, byte(e.Code), undone)
	dst = append(dst, e.Detail[:min(len(e.Detail), maxRefusalDetail)]...)
	endForward(dst, start)
	return dst
}

// parseForwardRefusal returns what a refusal says. A code that this drawd does not know promises nothing.
func parseForwardRefusal(payload []byte) (*problem.Error, error) {
	if len(payload) < 2 || payload[0] == 0 || payload[1] > 1 || len(payload) > 2+maxRefusalDetail {
		return nil, fmt.Errorf("%w: refusal", errForward)
	}
	e := &problem.Error{Code: problem.Code(payload[0]), Undone: payload[1] == 1, Detail: string(payload[2:])}
	if e.Code.Info() == problem.Internal.Info() {
		e.Code = problem.Internal
	}
	return e, nil
}

// appendForwardOutcome appends the frame of what a batch was answered.
func appendForwardOutcome(dst []byte, number uint64, b *engine.Batch) []byte {
	start := len(dst)
	dst = appendOutcome(beginForward(dst, forwardOutcome, len(b.Results), number), b)
	endForward(dst, start)
	return dst
}

// frameReader reads frames, into memory of its own.
type frameReader struct {
	r     *bufio.Reader
	limit int // of a payload
	frame [forwardHeader]byte
	body  []byte
}

func newFrameReader(r io.Reader, limit int) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, forwardBuffer), limit: limit}
}

// next reads a frame. io.EOF alone says that the other side closed between two frames.
func (x *frameReader) next() (forwardFrame, error) {
	if _, err := io.ReadFull(x.r, x.frame[:]); err != nil {
		return forwardFrame{}, err
	}
	h := x.frame[:]
	f := forwardFrame{kind: forwardKind(h[9]), count: binary.LittleEndian.Uint32(h[12:]), number: binary.LittleEndian.Uint64(h[16:])}
	n := int(binary.LittleEndian.Uint32(h))
	if h[8] != forwardVersion || h[10]|h[11] != 0 || n > x.limit {
		return f, fmt.Errorf("%w: version %d, type %d, %d bytes", errForward, h[8], h[9], n)
	}
	if err := x.read(n); err != nil {
		return f, err
	}
	if crc32.Update(crc32.Checksum(h[8:], castagnoli), castagnoli, x.body) != binary.LittleEndian.Uint32(h[4:]) {
		return f, fmt.Errorf("%w: checksum of frame %d", errForward, f.number)
	}
	f.payload = x.body
	return f, nil
}

// read reads n bytes. Room is made as they arrive, and not as they are announced; much of it is not kept.
func (x *frameReader) read(n int) error {
	if cap(x.body) > keptBuffer && n <= keptBuffer {
		x.body = nil
	}
	x.body = x.body[:0]
	for len(x.body) < n {
		step := min(n-len(x.body), forwardBuffer)
		at := len(x.body)
		x.body = append(x.body, make([]byte, step)...)
		if _, err := io.ReadFull(x.r, x.body[at:]); err != nil {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}
