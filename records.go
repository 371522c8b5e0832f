package drawd

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
)

// recordRing keeps the newest records of a DB in memory, by position. Writers do not wait for each other: each fills a block
// of its own, and then says in the position's slot where its records are. Blocks and chunks of slots stand in rings; a newer
// one takes the place of the oldest, and the garbage collector has it when nobody reads it any more.
//
// A slot is written once, after the engine has decided: 0 says that it is not known yet, noRecords that the position has none.
// So a reader in order stops at the first 0, and misses nothing.
type recordRing struct {
	blocks []atomic.Pointer[block]
	chunks []atomic.Pointer[chunk]
	number atomic.Uint64 // of the newest block, from 1
	// spare are blocks that are not full and in nobody's hands. A sync.Pool would forget them at each garbage collection, and a DB
	// with few draws would keep a block for each of them.
	spare [16]struct {
		atomic.Pointer[block]
		_ [56]byte
	}
	// places are where goroutines of a processor look for one first: *int. So a block mostly stays in its caches.
	places sync.Pool
	next   atomic.Uint32 // place
}

// block holds positions one after another: u16 number of records, then the records, each of which tells its length.
type block struct {
	number uint64
	used   int // its writer's
	b      []byte
}

type chunk struct {
	number uint64
	slots  [chunkSlots]atomic.Uint64 // block << 16 | offset
}

const (
	blockBytes = 1 << 16
	chunkSlots = 1 << 12
	noRecords  = 1
	// slotRecord is the record for which a slot is there: a draw's is some 120 bytes.
	slotRecord = 64
	// recordLength is where a record tells its length, as u16.
	recordLength = 2
)

func newRecordRing(bytes int64) *recordRing {
	blocks := int(bytes / blockBytes)
	r := &recordRing{
		blocks: make([]atomic.Pointer[block], blocks),
		chunks: make([]atomic.Pointer[chunk], max(2, blocks*(blockBytes/slotRecord)/chunkSlots)),
	}
	r.places.New = func() any {
		at := int(r.next.Add(1)) % len(r.spare)
		return &at
	}
	return r
}

// keep keeps what was decided for b.
func (r *recordRing) keep(b *engine.Batch) {
	for i := range b.Positions {
		p, end := &b.Positions[i], len(b.Records)
		if i+1 < len(b.Positions) {
			end = int(b.Positions[i+1].Start)
		}
		slot := r.grow(p.Index)
		if slot == nil {
			continue // so slow a goroutine that everything since has gone already
		}
		if records := b.Records[p.Start:end]; len(records) == 0 {
			slot.Store(noRecords)
		} else {
			slot.Store(r.write(records))
		}
	}
}

// write puts the records of one position into a block.
func (r *recordRing) write(records []byte) uint64 {
	need := 2 + len(records)
	k, from := r.take()
	if k == nil || k.used+need > len(k.b) || r.blocks[k.number%uint64(len(r.blocks))].Load() != k {
		k = &block{number: r.number.Add(1), b: make([]byte, max(blockBytes, need))}
		r.blocks[k.number%uint64(len(r.blocks))].Store(k)
	}
	at := k.used
	n := 0
	for rest := records; len(rest) > 0; n++ {
		rest = rest[binary.LittleEndian.Uint16(rest[recordLength:]):]
	}
	binary.LittleEndian.PutUint16(k.b[at:], uint16(n))
	copy(k.b[at+2:], records)
	k.used += need
	if k.used < len(k.b) {
		r.giveBack(k, from)
	}
	return k.number<<16 | uint64(at)
}

// take takes a spare block, the one that this processor gave back if it is there.
func (r *recordRing) take() (k *block, from int) {
	place := r.places.Get().(*int)
	from = *place
	r.places.Put(place)
	for i := range r.spare {
		at := (from + i) % len(r.spare)
		if r.spare[at].Load() != nil {
			if k = r.spare[at].Swap(nil); k != nil {
				return k, at
			}
		}
	}
	return nil, from
}

// giveBack puts a block where somebody finds it. With more writers at once than there are places, one is left half empty.
func (r *recordRing) giveBack(k *block, from int) {
	for i := range r.spare {
		if r.spare[(from+i)%len(r.spare)].CompareAndSwap(nil, k) {
			return
		}
	}
}

// grow returns the slot of a position that was just decided.
func (r *recordRing) grow(index engine.LogIndex) *atomic.Uint64 {
	number := uint64(index) / chunkSlots
	at := &r.chunks[number%uint64(len(r.chunks))]
	c := at.Load()
	for c == nil || c.number < number {
		if next := (&chunk{number: number}); at.CompareAndSwap(c, next) {
			c = next
		} else {
			c = at.Load()
		}
	}
	if c.number > number {
		return nil
	}
	return c.slot(index)
}

// slot returns a position's slot. Neighbours stand on different cache lines: they are written by different processors.
func (c *chunk) slot(index engine.LogIndex) *atomic.Uint64 {
	i := uint64(index) % chunkSlots
	return &c.slots[i%64*64+i/64]
}

// look returns the records of a position, and how many there are; known is false before it is written, and gone says that it
// is not kept any more.
func (r *recordRing) look(index engine.LogIndex) (b []byte, n int, known, gone bool) {
	number := uint64(index) / chunkSlots
	c := r.chunks[number%uint64(len(r.chunks))].Load()
	switch {
	case c == nil || c.number < number:
		return nil, 0, false, false
	case c.number > number:
		return nil, 0, false, true
	}
	at := c.slot(index).Load()
	if at <= noRecords {
		return nil, 0, at == noRecords, false
	}
	k := r.blocks[at>>16%uint64(len(r.blocks))].Load()
	if k.number != at>>16 {
		return nil, 0, false, true
	}
	b = k.b[at&(blockBytes-1):]
	return b[2:], int(binary.LittleEndian.Uint16(b)), true, false
}

// records appends n records. Whoever asks has been told of them by the engine, so the goroutine that decided them is about to
// write their slot, if it has not.
func (r *recordRing) records(dst []byte, at engine.Location, n int) ([]byte, error) {
	b, count, known, gone := r.look(at.Index)
	for !known && !gone {
		runtime.Gosched()
		b, count, known, gone = r.look(at.Index)
	}
	if gone || int(at.Ordinal)+n > count {
		return dst, ErrRecordGone
	}
	for i := range int(at.Ordinal) + n {
		length := binary.LittleEndian.Uint16(b[recordLength:])
		if i >= int(at.Ordinal) {
			dst = append(dst, b[:length]...)
		}
		b = b[length:]
	}
	return dst, nil
}

// scan calls fn for each record from a location on, up to the last position before which everything is known.
func (r *recordRing) scan(from engine.Location, last engine.LogIndex, fn func(engine.Location, []byte) bool) error {
	for at := max(from.Index, 1); at <= last; at++ {
		b, count, known, gone := r.look(at)
		if gone {
			return ErrRecordGone
		}
		if !known {
			return nil
		}
		for i := range count {
			length := binary.LittleEndian.Uint16(b[recordLength:])
			if (at != from.Index || i >= int(from.Ordinal)) && !fn(engine.Location{Index: at, Ordinal: uint16(i)}, b[:length]) {
				return nil
			}
			b = b[length:]
		}
	}
	return nil
}
