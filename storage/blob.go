package storage

import (
	"encoding/binary"
	"math"

	"github.com/zeebo/xxh3"
)

// HeadSize is the size of a blob head.
const HeadSize = 40

// Bounds of a blob.
const (
	chunkSize  = 32 << 10       // a chunk's value is at most this long, unless one record alone is longer
	maxRecords = math.MaxUint16 // records of a blob
)

// The value of a blob chunk, little endian:
//
//	0  xxh3-64 of everything from byte 8 on, seeded with the index and first ordinal
//	8  form u8 = 1
//	9  width of the offsets u8: 2, or 4 when a record ends beyond 64 KiB
//	10 records in this chunk u16
//	12 records in the blob u16
//	14 length of the head u16: 40 in the first chunk, 0 in the others
//	16 head, then for each record the offset of its end, then the records
//
// A blob without records has one chunk.
const (
	blobKeySize = 11
	chunkHeader = 16
	chunkForm   = 1
)

func putBlobKey(k []byte, index uint64, ordinal uint16) {
	k[0] = keyBlob
	binary.BigEndian.PutUint64(k[1:], index)
	binary.BigEndian.PutUint16(k[9:], ordinal)
}

func blobKey(index uint64, ordinal uint16) (k [blobKeySize]byte) {
	putBlobKey(k[:], index, ordinal)
	return k
}

// parseBlobKey returns where the chunk begins.
func parseBlobKey(k []byte) (index uint64, ordinal uint16, ok bool) {
	if len(k) != blobKeySize {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(k[1:]), binary.BigEndian.Uint16(k[9:]), true
}

// chunkSeed makes a chunk that stands in another one's place fail its checksum.
func chunkSeed(index uint64, ordinal uint16) uint64 { return index<<16 ^ uint64(ordinal) }

// plan is one chunk to be written: the records [from, to) of a blob.
type plan struct {
	from, to int
	width    int // of an offset
	start    uint32
	end      uint32 // bytes of the records
	head     int    // length of the head
}

func (p *plan) size() int {
	return chunkHeader + p.head + p.width*(p.to-p.from) + int(p.end-p.start)
}

// nextChunk plans the chunk that begins at record from: as many records as fit, at least one.
func nextChunk(from int, offsets []uint32, length int) plan {
	p := plan{from: from, to: from, width: 2}
	if from == 0 {
		p.head = HeadSize
	}
	if len(offsets) == 0 {
		return p
	}
	p.start = offsets[from]
	p.end = p.start
	for i := from; i < len(offsets); i++ {
		end := uint32(length)
		if i+1 < len(offsets) {
			end = offsets[i+1]
		}
		if i > from && chunkHeader+p.head+2*(i+1-from)+int(end-p.start) > chunkSize {
			break
		}
		p.to, p.end = i+1, end
	}
	if p.end-p.start > math.MaxUint16 {
		p.width = 4
	}
	return p
}

// encode writes the chunk into v, which has exactly size bytes.
func (p *plan) encode(v []byte, index uint64, head []byte, offsets []uint32, records []byte) {
	le := binary.LittleEndian
	v[8], v[9] = chunkForm, byte(p.width)
	le.PutUint16(v[10:], uint16(p.to-p.from))
	le.PutUint16(v[12:], uint16(len(offsets)))
	le.PutUint16(v[14:], uint16(p.head))
	at := chunkHeader + copy(v[chunkHeader:], head[:p.head])
	for i := p.from; i < p.to; i++ {
		end := p.end
		if i+1 < p.to {
			end = offsets[i+1]
		}
		if p.width == 2 {
			le.PutUint16(v[at:], uint16(end-p.start))
		} else {
			le.PutUint32(v[at:], end-p.start)
		}
		at += p.width
	}
	copy(v[at:], records[p.start:p.end])
	le.PutUint64(v, xxh3.HashSeed(v[8:], chunkSeed(index, uint16(p.from))))
}

// chunk is a parsed chunk; its slices alias the stored value.
type chunk struct {
	index   uint64
	first   int // ordinal of its first record
	count   int
	total   int // records of the blob
	width   int
	head    []byte
	ends    []byte
	records []byte
}

// parseChunk parses the chunk stored at a key. It returns what is wrong with it: empty when it is the one that was written.
func parseChunk(index uint64, ordinal uint16, v []byte) (c chunk, fault string) {
	le := binary.LittleEndian
	if len(v) < chunkHeader || le.Uint64(v) != xxh3.HashSeed(v[8:], chunkSeed(index, ordinal)) {
		return chunk{}, "a record blob does not have the bytes it was written with"
	}
	c = chunk{index: index, first: int(ordinal), count: int(le.Uint16(v[10:])), total: int(le.Uint16(v[12:])), width: int(v[9])}
	head := int(le.Uint16(v[14:]))
	body := chunkHeader + head + c.width*c.count
	if v[8] != chunkForm || c.width != 2 && c.width != 4 || body > len(v) || c.first+c.count > c.total || c.count == 0 && c.total > 0 {
		return chunk{}, "a record blob has an unknown form"
	}
	c.head = v[chunkHeader : chunkHeader+head]
	c.ends = v[chunkHeader+head : body]
	c.records = v[body:]
	if c.count > 0 && c.end(c.count-1) != len(c.records) {
		return chunk{}, "a record blob has an unknown form"
	}
	return c, ""
}

// end returns where the i-th record of the chunk ends in its records.
func (c *chunk) end(i int) int {
	if c.width == 2 {
		return int(binary.LittleEndian.Uint16(c.ends[2*i:]))
	}
	return int(binary.LittleEndian.Uint32(c.ends[4*i:]))
}

// span returns the records [from, to) of the chunk.
func (c *chunk) span(from, to int) []byte {
	start := 0
	if from > 0 {
		start = c.end(from - 1)
	}
	return c.records[start:c.end(to-1)]
}
