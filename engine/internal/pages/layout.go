package pages

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

const (
	// PageSize is the size of every page in bytes.
	PageSize = 4096
	// MaxPages bounds page numbers: 256 GiB per shard.
	MaxPages = 1 << 26

	minKeyBytes = 8
	maxKeyBytes = 16
	minPageRows = 4
	maxDepth    = 30
	depthSlack  = 6

	headerSize    = 32
	pageMagic     = 0x7044
	formatVersion = 2
	prefixVersion = 1 // pages that share a prefix of their hashes

	atMagic    = 0
	atVersion  = 2
	atKeyBytes = 3
	atTable    = 4
	atChecksum = 8
	atFirst    = 16
	atWidth    = 20
	atDepth    = 22
	atOverflow = 23
	atLast     = 24
	atNumber   = 28
)

// Key names a row: the output of a keyed hash, so every byte is uniformly distributed (bits 0..9 choose the shard and
// are nearly constant here). Tables store its first bytes only.
type Key = [16]byte

type page [PageSize]byte

// blank is what page number 0 reads as: the page of an empty table. Never written.
var blank page

func (p *page) table() uint32        { return binary.LittleEndian.Uint32(p[atTable:]) }
func (p *page) first() uint32        { return binary.LittleEndian.Uint32(p[atFirst:]) }
func (p *page) last() uint32         { return binary.LittleEndian.Uint32(p[atLast:]) }
func (p *page) setFirst(h uint32)    { binary.LittleEndian.PutUint32(p[atFirst:], h) }
func (p *page) setLast(h uint32)     { binary.LittleEndian.PutUint32(p[atLast:], h) }
func (p *page) overflow() bool       { return p[atOverflow] != 0 }
func (p *page) free() bool           { return binary.LittleEndian.Uint16(p[atMagic:]) == 0 }
func (p *page) width() int           { return int(binary.LittleEndian.Uint16(p[atWidth:])) }
func (p *page) setWidth(w int)       { binary.LittleEndian.PutUint16(p[atWidth:], uint16(w)) }
func (p *page) checksum() uint64     { return binary.LittleEndian.Uint64(p[atChecksum:]) }
func (p *page) setChecksum(s uint64) { binary.LittleEndian.PutUint64(p[atChecksum:], s) }

// seal writes the checksum.
func (p *page) seal() {
	p.setChecksum(0)
	p.setChecksum(xxh3.Hash(p[:]))
}

// format makes a zero page an empty page of a table.
func (p *page) format(n, table uint32, keyBytes, width int, first, last uint32, overflow bool) {
	binary.LittleEndian.PutUint16(p[atMagic:], pageMagic)
	p[atVersion] = formatVersion
	p[atKeyBytes] = uint8(keyBytes)
	binary.LittleEndian.PutUint32(p[atTable:], table)
	p.setFirst(first)
	p.setLast(last)
	p.setWidth(width)
	if overflow {
		p[atOverflow] = 1
	}
	binary.LittleEndian.PutUint32(p[atNumber:], n)
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// Slots come in groups, each with a directory of its own at the front of the page: a byte of occupancy bits, and a tag
// for each slot.
const (
	groupSlots = 8
	groupBytes = 1 + groupSlots
)

// geometry says where rows of one width lie in a page.
type geometry struct {
	width  int // payload bytes
	rest   int // key bytes before the payload: all stored ones but the tag
	stride int // rest + width
	slots  int // rows that fit
	groups int
	rows   int  // offset of slot 0
	last   int  // first slot of the last group
	tail   byte // its occupancy bits when no slot is empty
}

func geometryOf(keyBytes, width int) geometry {
	g := geometry{width: width, rest: keyBytes - 1, stride: keyBytes - 1 + width}
	for g.slots = (PageSize - headerSize) / g.stride; ; g.slots-- {
		g.groups = (g.slots + groupSlots - 1) / groupSlots
		g.rows = PageSize - g.slots*g.stride
		if headerSize+g.groups*groupBytes <= g.rows {
			break
		}
	}
	g.last = (g.groups - 1) * groupSlots
	g.tail = byte(1<<(g.slots-g.last) - 1)
	return g
}

// checkGeometry says why such rows cannot be kept, nil if they can.
func checkGeometry(keyBytes, width int) error {
	if keyBytes < minKeyBytes || keyBytes > maxKeyBytes {
		return fmt.Errorf("pages: %d key bytes, must be %d to %d", keyBytes, minKeyBytes, maxKeyBytes)
	}
	if width < 1 || geometryOf(keyBytes, width).slots < minPageRows {
		return fmt.Errorf("pages: %d payload bytes, must be at least 1 and fit %d times in a page", width, minPageRows)
	}
	return nil
}

// groupAt returns the offset of the group of slot s. Slots are unsigned where they are divided: that is a shift.
func groupAt(s int) int { return headerSize + int(uint(s)/groupSlots)*groupBytes }

// rowAt returns the offset of the row in slot s.
func (g *geometry) rowAt(s int) int { return g.rows + s*g.stride }

// row returns slot s: key bytes without the tag, then the payload.
func (g *geometry) row(p []byte, s int) []byte {
	at := g.rowAt(s)
	return p[at : at+g.stride : at+g.stride]
}

func tagOf(p []byte, s int) byte    { return p[groupAt(s)+1+s&(groupSlots-1)] }
func occupied(p []byte, s int) bool { return p[groupAt(s)]>>(s&(groupSlots-1))&1 != 0 }

// count returns the rows of a page.
func (g *geometry) count(p []byte) (rows int) {
	for s := 0; s < g.slots; s += groupSlots {
		rows += bits.OnesCount8(p[groupAt(s)])
	}
	return rows
}

// key returns the stored part of the key in slot s.
func (g *geometry) key(p []byte, s int) (k Key) {
	copy(k[:], g.row(p, s)[:g.rest])
	k[g.rest] = tagOf(p, s)
	return k
}

// head returns the first eight key bytes of slot s as keyHead does; the last one is wrong if no more are stored.
func (g *geometry) head(p []byte, s int) uint64 {
	at := g.rowAt(s)
	return binary.BigEndian.Uint64(p[at : at+8])
}

// full returns the occupancy bits of a group, given its first slot, when no slot is empty.
func (g *geometry) full(first int) byte {
	if first == g.last {
		return g.tail
	}
	return 1<<groupSlots - 1
}

// place takes an empty slot for a key, whose bytes are zero, and returns the offset of the row; 0 if the page is full.
// In the home group it is the next one after the key's home, cyclically: Touch counts on that.
func (g *geometry) place(p []byte, head uint64, tag byte) int {
	s := home(head, g.slots)
	first := s &^ (groupSlots - 1)
	for range g.groups {
		if p[groupAt(first)] != g.full(first) {
			return g.fill(p, first, s, tag)
		}
		first = g.after(first)
	}
	return 0
}

// fill takes an empty slot of a group that has one, given its first slot and the key's home, and returns the offset of the
// row.
func (g *geometry) fill(p []byte, first, from int, tag byte) int {
	at := groupAt(first)
	group := p[at : at+groupBytes]
	s := nextOf(g.full(first)&^group[0], from)
	group[0] |= 1 << s
	group[1+s] = tag
	return g.rowAt(first + s)
}

// nextOf returns which of the slots of a group, one bit each, comes first from a slot on, cyclically. One is set.
func nextOf(set byte, from int) int {
	from &= groupSlots - 1
	ring := uint(set)<<groupSlots | uint(set) // two rounds
	return (from + bits.TrailingZeros(ring>>from)) & (groupSlots - 1)
}

// after returns the first slot of the next group.
func (g *geometry) after(first int) int {
	if first += groupSlots; first < g.slots {
		return first
	}
	return 0
}

// search returns the offset of a key's payload in the page, 0 if it is not there; then also the first slot of the group
// that place would take for it, -1 if the page is full.
func (g *geometry) search(p []byte, head uint64, k *Key) (at, room int) {
	pattern := uint64(k[g.rest&15]) * lowBits
	first := home(head, g.slots) &^ (groupSlots - 1)
	for range g.groups {
		tags := groupAt(first)
		group := p[tags : tags+groupBytes]
		used := group[0]
		w := binary.LittleEndian.Uint64(group[1:]) ^ pattern
		// A byte of m is set where the tag fits; sometimes also above such a byte.
		for m := (w - lowBits) &^ w & highBits; m != 0; m &= m - 1 {
			j := bits.TrailingZeros64(m) >> 3
			row := g.rowAt(first + j)
			if used>>j&1 != 0 && g.same(p, row, head, k) && uint8(w>>(8*j)) == 0 {
				return row + g.rest, 0
			}
		}
		if used != g.full(first) {
			return 0, first
		}
		first = g.after(first)
	}
	return 0, -1
}

// name writes a key's bytes before the tag to an empty row: as two words that overlap, when there are eight bytes, as a copy of
// a length that the compiler does not know is a call.
func (g *geometry) name(p []byte, row int, k *Key) {
	if g.rest < 8 {
		copy(p[row:], k[:g.rest])
		return
	}
	i := g.rest&15 - 8
	*(*[8]byte)(p[row:]) = [8]byte(k[:8])
	*(*[8]byte)(p[row+i:]) = [8]byte(k[i&7 : i&7+8])
}

// same reports whether the row at this offset begins with the key's bytes before the tag.
func (g *geometry) same(p []byte, row int, head uint64, k *Key) bool {
	d := binary.LittleEndian.Uint64(p[row:row+8]) ^ bits.ReverseBytes64(head)
	if g.rest < 8 {
		return d<<8 == 0
	}
	i := g.rest&15 - 8 // the second eight bytes overlap the first
	e := binary.LittleEndian.Uint64(p[row+i:row+i+8]) ^ binary.LittleEndian.Uint64(k[i&7:i&7+8])
	return d|e == 0
}

// A key's first eight bytes, read big endian, give its place: bytes 2 to 5 in the directory, 5 and 6 in the page.

func keyHead(k *Key) uint64           { return binary.BigEndian.Uint64(k[:8]) }
func hashOf(head uint64) uint32       { return spread(uint32(head >> 16)) }
func home(head uint64, slots int) int { return int(uint64(uint16(head>>8)) * uint64(slots) >> 16) }

// spread bends the hash a little, x -> x - 5/16 x(1-x) on [0,1): the density of rows then falls by about half from one
// end of the directory to the other. With an even density all pages of all shards are full, and split, at about the
// same time, and memory per row swings by a factor of two with the number of rows. Bent, the pages of a table are at
// all stages at once: splits and memory are the same at every size.
func spread(x uint32) uint32 {
	bend := uint64(x) * uint64(^x) >> 32
	return x - uint32(bend*5>>4)
}
