package pages

import (
	"encoding/binary"
	"fmt"

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
	depthSlack  = 5

	headerSize    = 32
	pageMagic     = 0x7044
	formatVersion = 1

	atMagic    = 0
	atVersion  = 2
	atKeyBytes = 3
	atTable    = 4
	atChecksum = 8
	atPrefix   = 16
	atWidth    = 20
	atCount    = 22
	atDepth    = 24
	atOverflow = 25
	atNumber   = 28
)

// Key names a row: the output of a keyed hash, so every byte is uniformly distributed (bits 0..9 choose the shard and
// are nearly constant here). Tables store its first bytes only.
type Key = [16]byte

type page [PageSize]byte

// blank is what page number 0 reads as: the page of an empty table. Never written.
var blank page

func (p *page) table() uint32        { return binary.LittleEndian.Uint32(p[atTable:]) }
func (p *page) prefix() uint32       { return binary.LittleEndian.Uint32(p[atPrefix:]) }
func (p *page) depth() int           { return int(p[atDepth]) }
func (p *page) setDepth(d int)       { p[atDepth] = uint8(d) }
func (p *page) overflow() bool       { return p[atOverflow] != 0 }
func (p *page) free() bool           { return binary.LittleEndian.Uint16(p[atMagic:]) == 0 }
func (p *page) width() int           { return int(binary.LittleEndian.Uint16(p[atWidth:])) }
func (p *page) count() int           { return int(binary.LittleEndian.Uint16(p[atCount:])) }
func (p *page) setWidth(w int)       { binary.LittleEndian.PutUint16(p[atWidth:], uint16(w)) }
func (p *page) setCount(n int)       { binary.LittleEndian.PutUint16(p[atCount:], uint16(n)) }
func (p *page) widthCount() uint32   { return binary.LittleEndian.Uint32(p[atWidth:]) } // width in the low half
func (p *page) checksum() uint64     { return binary.LittleEndian.Uint64(p[atChecksum:]) }
func (p *page) setChecksum(s uint64) { binary.LittleEndian.PutUint64(p[atChecksum:], s) }

// seal writes the checksum.
func (p *page) seal() {
	p.setChecksum(0)
	p.setChecksum(xxh3.Hash(p[:]))
}

// format makes a zero page an empty page of a table.
func (p *page) format(n, table uint32, keyBytes, width int, prefix uint32, depth int, overflow bool) {
	binary.LittleEndian.PutUint16(p[atMagic:], pageMagic)
	p[atVersion] = formatVersion
	p[atKeyBytes] = uint8(keyBytes)
	binary.LittleEndian.PutUint32(p[atTable:], table)
	binary.LittleEndian.PutUint32(p[atPrefix:], prefix)
	p.setWidth(width)
	p.setDepth(depth)
	if overflow {
		p[atOverflow] = 1
	}
	binary.LittleEndian.PutUint32(p[atNumber:], n)
}

// geometry says where rows of one width lie in a page.
type geometry struct {
	width  int // payload bytes
	rest   int // key bytes before the payload: all stored ones but the tag
	stride int // rest + width
	limit  int // rows that fit
	rows   int // offset of row 0
}

func geometryOf(keyBytes, width int) geometry {
	g := geometry{width: width, rest: keyBytes - 1, stride: keyBytes - 1 + width}
	g.limit = (PageSize - headerSize) / (g.stride + 1)
	g.rows = PageSize - g.limit*g.stride
	return g
}

// checkGeometry says why such rows cannot be kept, nil if they can.
func checkGeometry(keyBytes, width int) error {
	if keyBytes < minKeyBytes || keyBytes > maxKeyBytes {
		return fmt.Errorf("pages: %d key bytes, must be %d to %d", keyBytes, minKeyBytes, maxKeyBytes)
	}
	if width < 1 || geometryOf(keyBytes, width).limit < minPageRows {
		return fmt.Errorf("pages: %d payload bytes, must be at least 1 and fit %d times in a page", width, minPageRows)
	}
	return nil
}

// row returns row i of a page with this geometry: key bytes without the tag, then the payload.
func (g *geometry) row(p *page, i int) []byte {
	at := g.rows + i*g.stride
	return p[at : at+g.stride : at+g.stride]
}

// key returns the stored part of a row's key.
func (g *geometry) key(p *page, i int) (k Key) {
	at := g.rows + i*g.stride
	copy(k[:], p[at:at+g.rest])
	k[g.rest] = p[headerSize+i]
	return k
}

// rowHash returns the directory bits of row i.
func (g *geometry) rowHash(p *page, i int) uint32 {
	at := g.rows + i*g.stride + 2
	return spread(binary.BigEndian.Uint32(p[at : at+4]))
}

func keyHash(k *Key) uint32 { return spread(binary.BigEndian.Uint32(k[2:6])) }

// spread bends the hash a little, x -> x - 5/16 x(1-x) on [0,1): the density of rows then falls by about half from one
// end of the directory to the other. With an even density all pages of all shards are full, and split, at about the
// same time, and memory per row swings by a factor of two with the number of rows. Bent, the pages of a table are at
// all stages at once: splits and memory are the same at every size.
func spread(x uint32) uint32 {
	bend := uint64(x) * uint64(^x) >> 32
	return x - uint32(bend*5>>4)
}
