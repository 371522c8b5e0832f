package pages

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A packed page (format version 3) holds rows that do not change any more, sorted and without empty slots: see the package
// comment. Its numbers are on disk.
const (
	packedVersion  = 3
	packedKeyBytes = 10 // of a packed table's keys

	atBase    = 16 // u64: bytes 2 to 9 of the first row's key, big endian
	atRows    = 24 // u16
	atShift   = 26 // u8: bits of a rest
	atColumns = 27 // u8
	// atNumber as in every page
	atColumn  = 32 // 16 bytes each
	atBuckets = 96 // u16 each: the first row of each bucket
	atRests   = 160

	columnBytes = 16
	maxColumns  = 4
	bucketBits  = 5
	maxBuckets  = 1 << bucketBits
	maxValues   = 16 // of a column that names its values
	packedSpare = 9  // bytes at the end, so that a field is read as one word and a byte
)

// packedRow is a row taken apart. Values are the key's bytes 0 and 1, then the payload's columns.
type packedRow struct {
	key    uint64 // bytes 2 to 9 of the key: the order of rows
	values [maxColumns]uint64
}

// column says how the values of one column stand in a page: each as a number above min, or, with names, as the number of one
// of few values.
type column struct {
	bytes int // of a value outside of the page
	names int // values that are named; 0 for none
	bits  uint
	at    int // offset of the fields; names stand before them
	min   uint64
}

func (p *page) packed() bool    { return p[atVersion] == packedVersion }
func (p *page) base() uint64    { return binary.LittleEndian.Uint64(p[atBase:]) }
func (p *page) packedRows() int { return int(binary.LittleEndian.Uint16(p[atRows:])) }
func (p *page) shift() uint     { return uint(p[atShift]) & 63 }
func (p *page) columns() int    { return int(p[atColumns]) }

// bucket returns the first row of a bucket; of the one after the last, the number of rows.
func (p *page) bucket(i int) int {
	if i >= maxBuckets {
		return p.packedRows()
	}
	return int(binary.LittleEndian.Uint16(p[atBuckets+2*i:]))
}

func (p *page) column(i int) column {
	b := p[atColumn+i*columnBytes:]
	return column{
		bytes: int(b[0]), names: int(b[1]), bits: uint(b[2]), at: int(binary.LittleEndian.Uint16(b[4:])),
		min: binary.LittleEndian.Uint64(b[8:]),
	}
}

func (p *page) setColumn(i int, c *column) {
	b := p[atColumn+i*columnBytes:]
	b[0], b[1], b[2] = uint8(c.bytes), uint8(c.names), uint8(c.bits)
	binary.LittleEndian.PutUint16(b[4:], uint16(c.at))
	binary.LittleEndian.PutUint64(b[8:], c.min)
}

// field returns the i-th of the fields, so many bits each, that begin at an offset.
func (p *page) field(at, i int, width uint) uint64 {
	pos := uint(i) * width
	at += int(pos >> 3)
	off := pos & 7
	v := binary.LittleEndian.Uint64(p[at:at+8]) >> off
	if off+width > 64 {
		v |= uint64(p[at+8]) << (64 - off)
	}
	return v & (1<<width - 1)
}

// setField is field for writing: the bits are zero.
func (p *page) setField(at, i int, width uint, v uint64) {
	pos := uint(i) * width
	at += int(pos >> 3)
	off := pos & 7
	binary.LittleEndian.PutUint64(p[at:], binary.LittleEndian.Uint64(p[at:])|v<<off)
	if off+width > 64 {
		p[at+8] |= uint8(v >> (64 - off))
	}
}

// value returns the value of row i.
func (c *column) value(p *page, i int) uint64 {
	v := p.field(c.at, i, c.bits)
	if c.names == 0 {
		return c.min + v
	}
	return p.name(c, int(v))
}

// name returns the v-th named value of a column; checkPacked has seen that there are so many.
func (p *page) name(c *column, v int) (value uint64) {
	at := c.at - (c.names-v)*c.bytes
	for i := c.bytes - 1; i >= 0; i-- {
		value = value<<8 | uint64(p[at+i])
	}
	return value
}

// packedKey takes a key apart.
func packedKey(k *Key) (key uint64, head uint64) {
	return binary.BigEndian.Uint64(k[2:]), uint64(binary.BigEndian.Uint16(k[:]))
}

// recall looks for a row, and writes its payload.
func (p *page) recall(key, head uint64, payload []byte) bool {
	off, shift := key-p.base(), p.shift()
	b := off >> shift
	if key < p.base() || b >= maxBuckets {
		return false
	}
	rest := off & (1<<shift - 1)
	for i, end := p.bucket(int(b)), p.bucket(int(b)+1); i < end; i++ {
		got := p.field(atRests, i, shift)
		if got > rest {
			return false
		}
		if c := p.column(0); got == rest && c.value(p, i) == head {
			p.payload(i, payload)
			return true
		}
	}
	return false
}

// payload writes the payload of row i.
func (p *page) payload(i int, to []byte) {
	for j := 1; j < p.columns(); j++ {
		c := p.column(j)
		v := c.value(p, i)
		for k := range c.bytes {
			to[k] = byte(v >> (8 * k))
		}
		to = to[c.bytes:]
	}
}

// unpack appends the rows of a page, ascending.
func (p *page) unpack(rows []packedRow) []packedRow {
	first, n, shift := len(rows), p.packedRows(), p.shift()
	for b := range uint64(maxBuckets) {
		for i, end := p.bucket(int(b)), p.bucket(int(b)+1); i < end; i++ {
			rows = append(rows, packedRow{key: p.base() + (b<<shift | p.field(atRests, i, shift))})
		}
	}
	for j := range p.columns() {
		c := p.column(j)
		for i := range n {
			rows[first+i].values[j] = c.value(p, i)
		}
	}
	return rows
}

// measure is what so many rows, ascending, would take in one page.
type measure struct {
	sizes   []uint8 // bytes of the values of each column
	rows    int
	base    uint64
	last    uint64
	columns [maxColumns]values
}

// values is what is known of a column's values.
type values struct {
	min, max uint64
	named    [maxValues]uint64
	names    int // beyond maxValues: too many
}

// find returns which of the named values v is; names, if none.
func (x *values) find(v uint64) int {
	n := min(x.names, maxValues)
	for i := range n {
		if x.named[i] == v {
			return i
		}
	}
	return x.names
}

func (m *measure) begin(sizes []uint8, rows []packedRow) {
	*m = measure{sizes: sizes}
	for i := range rows {
		m.add(&rows[i])
	}
}

func (m *measure) add(r *packedRow) {
	if m.rows == 0 {
		m.base = r.key
	}
	m.last = r.key
	for j := range m.sizes {
		c, v := &m.columns[j], r.values[j]
		if m.rows == 0 {
			c.min, c.max = v, v
		}
		c.min, c.max = min(c.min, v), max(c.max, v)
		if c.names <= maxValues && c.find(v) == c.names {
			if c.names < maxValues {
				c.named[c.names] = v
			}
			c.names++
		}
	}
	m.rows++
}

// shift returns the bits of a rest: keys are told apart by at most maxBuckets buckets and it.
func (m *measure) shift() uint { return uint(max(bits.Len64(m.last-m.base)-bucketBits, 0)) }

// column says how column j is written, but for where.
func (m *measure) column(j int) column {
	x := &m.columns[j]
	c := column{bytes: int(m.sizes[j]), bits: uint(bits.Len64(x.max - x.min)), min: x.min}
	if x.names > 1 && x.names <= maxValues {
		if named := uint(bits.Len(uint(x.names - 1))); uint(m.rows)*named+uint(8*x.names*c.bytes) < uint(m.rows)*c.bits {
			c.bits, c.names, c.min = named, x.names, 0
		}
	}
	return c
}

// bytes returns where a page of these rows would end.
func (m *measure) bytes() int {
	n := atRests + fieldBytes(m.rows, m.shift())
	for j := range m.sizes {
		c := m.column(j)
		n += c.names*c.bytes + fieldBytes(m.rows, c.bits)
	}
	return n + packedSpare
}

func fieldBytes(rows int, width uint) int { return (rows*int(width) + 7) / 8 }

// fit measures as many of the rows, ascending, as one page takes. Where the next row has the same bytes 2 to 9 as the last one, all of
// those go together into the next page: a search looks into one page only. A page takes hundreds, so one row is left at the least.
func (m *measure) fit(rows []packedRow, sizes []uint8) {
	n := 0
	for _, step := range [...]int{32, 1} { // to compute the size costs more than to add a row
		for m.begin(sizes, rows[:n]); n < len(rows); n = m.rows {
			for i := n; i < min(n+step, len(rows)); i++ {
				m.add(&rows[i])
			}
			if m.bytes() > PageSize {
				break
			}
		}
	}
	for n > 1 && n < len(rows) && rows[n-1].key == rows[n].key {
		n--
	}
	m.begin(sizes, rows[:n])
}

// pack writes rows that were measured into a zero page.
func (p *page) pack(n, table uint32, m *measure, rows []packedRow) {
	binary.LittleEndian.PutUint16(p[atMagic:], pageMagic)
	p[atVersion], p[atKeyBytes] = packedVersion, packedKeyBytes
	binary.LittleEndian.PutUint32(p[atTable:], table)
	binary.LittleEndian.PutUint32(p[atNumber:], n)
	binary.LittleEndian.PutUint64(p[atBase:], m.base)
	binary.LittleEndian.PutUint16(p[atRows:], uint16(m.rows))
	shift, b := m.shift(), 0
	p[atShift], p[atColumns] = uint8(shift), uint8(len(m.sizes))
	for i := range rows {
		off := rows[i].key - m.base
		for ; b < maxBuckets && uint64(b) <= off>>shift; b++ {
			binary.LittleEndian.PutUint16(p[atBuckets+2*b:], uint16(i))
		}
		p.setField(atRests, i, shift, off&(1<<shift-1))
	}
	for ; b < maxBuckets; b++ {
		binary.LittleEndian.PutUint16(p[atBuckets+2*b:], uint16(m.rows))
	}
	at := atRests + fieldBytes(m.rows, shift)
	for j := range m.sizes {
		c, x := m.column(j), &m.columns[j]
		for _, v := range x.named[:c.names] {
			for range c.bytes {
				p[at] = byte(v)
				v >>= 8
				at++
			}
		}
		c.at = at
		p.setColumn(j, &c)
		for i := range rows {
			v := rows[i].values[j] - c.min
			if c.names > 0 {
				v = uint64(x.find(rows[i].values[j]))
			}
			p.setField(at, i, c.bits, v)
		}
		at += fieldBytes(m.rows, c.bits)
	}
}

// checkPacked says whether a packed page that is whole makes sense by itself: every field lies in it, every named value has a
// name, and rows ascend as a search expects.
func checkPacked(p *page) error {
	rows, shift, at := p.packedRows(), p.shift(), atRests
	if p.table() == 0 || p[atKeyBytes] != packedKeyBytes || rows == 0 || p[atShift] > 64-bucketBits || p.columns() < 1 || p.columns() > maxColumns || p.bucket(0) != 0 {
		return fmt.Errorf("%w: impossible header of a packed page", ErrDamaged)
	}
	at += fieldBytes(rows, shift)
	for j := range p.columns() {
		c := p.column(j)
		at += c.names * c.bytes
		if c.at != at || c.bytes < 1 || c.bytes > 8 || c.bits > uint(8*c.bytes) || c.names > maxValues {
			return fmt.Errorf("%w: column %d of a packed page cannot be", ErrDamaged, j)
		}
		if at += fieldBytes(rows, c.bits); at > PageSize-packedSpare {
			return fmt.Errorf("%w: column %d of a packed page ends outside of it", ErrDamaged, j)
		}
		for i := 0; c.names > 0 && i < rows; i++ {
			if p.field(c.at, i, c.bits) >= uint64(c.names) {
				return fmt.Errorf("%w: row %d of a packed page has a value without a name", ErrDamaged, i)
			}
		}
	}
	for b := range maxBuckets {
		from, to := p.bucket(b), p.bucket(b+1)
		if from > to || to > rows {
			return fmt.Errorf("%w: buckets of a packed page do not ascend", ErrDamaged)
		}
		for i := from + 1; i < to; i++ {
			if p.field(atRests, i-1, shift) > p.field(atRests, i, shift) {
				return fmt.Errorf("%w: rows of a packed page do not ascend", ErrDamaged)
			}
		}
	}
	if p.field(atRests, 0, shift) != 0 || p.lastKey() < p.base() {
		return fmt.Errorf("%w: a packed page begins after its first row", ErrDamaged)
	}
	return nil
}

// lastKey returns the key of the last row.
func (p *page) lastKey() uint64 {
	b := maxBuckets - 1
	for ; b > 0 && p.bucket(b) == p.packedRows(); b-- {
	}
	return p.base() + (uint64(b)<<p.shift() | p.field(atRests, p.packedRows()-1, p.shift()))
}
