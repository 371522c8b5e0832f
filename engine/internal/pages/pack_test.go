package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// remembered is a Go map beside a table whose rows are packed: rows of 10+11 bytes, a place of 5 and 2 bytes and one of few
// words, as idempotency keys have them.
type remembered struct {
	*testing.T
	rng    *rand.Rand
	arena  *Arena
	table  *Table
	rows   map[Key][]byte
	index  uint64
	packer Packer
	store  map[uint32][]byte // committed pages
	rare   bool              // words that are not few
	narrow bool              // keys that the directory cannot tell apart
}

func newRemembered(t *testing.T, seed uint64) *remembered {
	m := &remembered{T: t, rng: rand.New(rand.NewPCG(seed, 1)), arena: NewArena(nil), rows: map[Key][]byte{}, store: map[uint32][]byte{}}
	m.table = m.arena.NewTable(3, 10, 11)
	m.packer = Packer{Columns: []uint8{5, 2, 4}}
	m.rare, m.narrow = seed%3 == 1, seed%4 == 3
	return m
}

func place(payload []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(payload)) | uint64(payload[4])<<32
}

func (m *remembered) insert(n int) {
	for range n {
		var k Key
		binary.BigEndian.PutUint64(k[:], m.rng.Uint64())
		binary.BigEndian.PutUint16(k[8:], uint16(m.rng.Uint32()))
		k[0] &= 0x03 // one of 64 shards
		if m.narrow && m.rng.IntN(4) != 0 {
			k[2], k[3], k[4], k[5] = 7, 7, 7, 7
		}
		if _, known := m.look(&k); known != (m.rows[k] != nil) {
			m.Fatalf("%x: known is %v", k, known)
		} else if known {
			continue
		}
		payload := make([]byte, 11)
		if m.rng.IntN(500) != 0 { // else an abandoned one
			m.index += m.rng.Uint64N(3)
			binary.LittleEndian.PutUint64(payload, m.index+1<<33)
			binary.LittleEndian.PutUint16(payload[5:], uint16(m.rng.IntN(512)))
			word := m.rng.Uint32N(3) * 0x9E3779B9
			if m.rare {
				word = m.rng.Uint32()
			}
			binary.LittleEndian.PutUint32(payload[7:], word)
		}
		_, spot, _ := m.table.Seek(&k)
		copy(m.table.Fill(&k, spot), payload)
		m.rows[k] = payload
	}
}

func (m *remembered) look(k *Key) ([]byte, bool) {
	ahead := m.table.Touch(k)
	ahead.Row()
	row, ok := m.table.Find(k)
	var b [11]byte
	recalled := m.table.Recall(k, b[:])
	if ok && recalled {
		m.Fatalf("%x is there twice", *k)
	}
	if ok {
		return bytes.Clone(m.table.Payload(row)), true
	}
	return b[:], recalled
}

// pack packs what was inserted before an index, with insertions and cuts between the steps.
func (m *remembered) pack(below uint64, pages int) {
	m.packer.Old = func(payload []byte) bool { return place(payload) < below+1<<33 }
	for from, done := uint64(0), false; !done; {
		from, done = m.packer.Step(m.table, from, pages)
		if m.rng.IntN(8) == 0 && below < m.index {
			m.insert(m.rng.IntN(40))
		}
	}
}

func (m *remembered) check(t *Table) {
	m.Helper()
	was := m.table
	m.table = t
	defer func() { m.table = was }()
	for k, want := range m.rows {
		if got, ok := m.look(&k); !ok || !bytes.Equal(got, want) {
			m.Fatalf("%x: %x %v, want %x", k, got, ok, want)
		}
	}
	seen := 0
	t.Range(func(k Key, payload []byte) bool {
		if seen++; !bytes.Equal(m.rows[k], payload) {
			m.Fatalf("Range: %x: %x, want %x", k, payload, m.rows[k])
		}
		return true
	})
	if seen != len(m.rows) || t.Len() != len(m.rows) {
		m.Fatalf("%d rows by Range, Len %d, want %d", seen, t.Len(), len(m.rows))
	}
	_, packed := t.Packed()
	if a := t.arena; a.Pages() != t.pages+packed+a.FreePages() {
		m.Fatalf("%d pages: %d, %d packed, %d free", a.Pages(), t.pages, packed, a.FreePages())
	}
	for range 300 { // keys that were never there
		k := m.strange()
		if _, ok := m.look(&k); ok {
			m.Fatalf("found %x", k)
		}
	}
}

// strange returns a key that is not there; often one that differs from another in one bit.
func (m *remembered) strange() (k Key) {
	for k = range m.rows {
		break
	}
	k[m.rng.IntN(10)] ^= 1 << m.rng.IntN(8)
	if m.rows[k] != nil {
		return m.strange()
	}
	return k
}

// checkpoint reads a cut out, busy with work between, and loads it.
func (m *remembered) checkpoint(full, busy bool) *Arena {
	m.arena.BeginCapture(full)
	rows := make(map[Key][]byte, len(m.rows))
	for k, v := range m.rows {
		rows[k] = v
	}
	for buf, i := make([]byte, PageSize), 0; ; i++ {
		n, ok := m.arena.NextCapture(buf)
		if !ok {
			break
		}
		if busy && i == 3 {
			m.insert(200)
			m.pack(m.index, 4)
		}
		m.store[n] = bytes.Clone(buf)
	}
	m.arena.EndCapture(true)
	a := NewArena(nil)
	t := a.NewTable(3, 10, 11)
	for n, data := range m.store {
		if err := a.LoadPage(n, data); err != nil {
			m.Fatal(err)
		}
	}
	if err := a.FinishLoad(); err != nil {
		m.Fatal(err)
	}
	now := m.rows
	m.rows = rows
	m.check(t)
	m.rows = now
	return a
}

func TestPackedRowsAgainstAMap(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newRemembered(t, seed)
			for round := range 5 {
				m.insert(1 + m.rng.IntN(4000))
				m.check(m.table)
				m.pack(m.rng.Uint64N(m.index+2), 1+m.rng.IntN(20))
				m.check(m.table)
				m.checkpoint(round%3 == 0, true)
				m.pack(m.index, 30) // changes pages that are clean
				m.checkpoint(false, false)
				m.check(m.table)
			}
			m.pack(1<<40, 7)
			m.check(m.table)
			if rows, _ := m.table.Packed(); rows != len(m.rows) && !m.narrow {
				t.Errorf("%d of %d rows are packed", rows, len(m.rows))
			}
			m.arena.Drop(3)
			if m.arena.FreePages() != m.arena.Pages() {
				t.Errorf("%d pages, %d free after the table went", m.arena.Pages(), m.arena.FreePages())
			}
		})
	}
}

// What is packed takes less than half of the memory, and the pages that rows left are free for others.
// Keys that agree in all but their first two bytes, by which packed rows are not sorted, are never parted by the end of a page.
func TestAlikeKeysArePackedTogether(t *testing.T) {
	m := newRemembered(t, 2)
	for i := range uint64(2000) {
		var k Key
		binary.BigEndian.PutUint64(k[2:], i*0x9E3779B97F4A7C15)
		for alike := range 3 {
			binary.BigEndian.PutUint16(k[:], uint16(alike))
			payload := make([]byte, 11)
			m.index++
			binary.LittleEndian.PutUint64(payload, m.index+1<<33)
			_, spot, _ := m.table.Seek(&k)
			copy(m.table.Fill(&k, spot), payload)
			m.rows[k] = payload
		}
	}
	m.pack(m.index+1, 4)
	if _, n := m.table.Packed(); n < 10 {
		t.Fatalf("%d packed pages: too few to part anything", n)
	}
	m.check(m.table)
	m.checkpoint(true, false)
}

func TestPackedRowsAreSmall(t *testing.T) {
	m := newRemembered(t, 0)
	m.insert(60_000)
	m.pack(1<<40, 16)
	rows, pages := m.table.Packed()
	if per := float64(pages*PageSize) / float64(rows); per > 14.5 {
		t.Errorf("%.1f bytes a row", per)
	}
	if hot := m.table.pages; hot > 8 {
		t.Errorf("%d pages are left of rows that went", hot)
	}
	before := m.arena.Pages()
	if m.insert(20_000); m.arena.Pages() != before {
		t.Errorf("%d pages, %d before: what was freed is not used", m.arena.Pages(), before)
	}
	m.check(m.table)
}

// A step writes no more rows than it is allowed to, however many are packed and however few come: while it works, nothing else is
// applied.
func TestStepsOfPackingAreBounded(t *testing.T) {
	m := newRemembered(t, 0)
	m.insert(60_000)
	m.pack(1<<40, 16)
	for _, pages := range []int{1, 4} {
		m.insert(500) // in few pages, among all of them
		m.packer.Old = func([]byte) bool { return true }
		bound, steps := pages*(m.table.geo.slots+rowsAhead)+2*maxRowsOf(m.table), 0
		for from, done := uint64(0), false; !done; steps++ {
			m.packer.merged = m.packer.merged[:0]
			from, done = m.packer.Step(m.table, from, pages)
			if n := len(m.packer.merged); n > bound {
				t.Fatalf("a step of %d pages wrote %d rows, bound %d", pages, n, bound)
			}
		}
		if least := 60_000 / bound; steps < least {
			t.Errorf("%d steps of %d pages, at least %d", steps, pages, least)
		}
	}
	m.check(m.table)
}

// maxRowsOf returns the rows of the packed page that has most.
func maxRowsOf(t *Table) (most int) {
	for _, n := range t.packed.numbers {
		most = max(most, t.arena.page(n).packedRows())
	}
	return most
}

// Cold or hot, a table looks the same from outside, so another number of shards may load either.
func TestRowsOfPackedPages(t *testing.T) {
	m := newRemembered(t, 1)
	m.insert(3000)
	m.pack(m.index/2, 5)
	m.arena.BeginCapture(true)
	buf, seen := make([]byte, PageSize), 0
	for {
		if _, ok := m.arena.NextCapture(buf); !ok {
			break
		}
		err := Rows(buf, func(table uint32, keyBytes int, k Key, payload []byte) error {
			if seen++; table != 3 || keyBytes != 10 || !bytes.Equal(m.rows[k], payload) {
				return fmt.Errorf("%x: %x, want %x", k, payload, m.rows[k])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen != len(m.rows) {
		t.Errorf("%d rows of %d", seen, len(m.rows))
	}
}

// No packed page that makes no sense is taken, even with the right checksum; and none makes a search panic.
func TestDamagedPackedPages(t *testing.T) {
	m := newRemembered(t, 0)
	m.insert(4000)
	m.pack(1<<40, 64)
	good := *m.arena.page(m.table.packed.numbers[2])
	for range 6_000 {
		p := good
		for range 1 + m.rng.IntN(3) {
			p[m.rng.IntN(m.rng.IntN(PageSize-1)+1)] ^= 1 << m.rng.IntN(8)
		}
		p.seal()
		if err := checkPage(p[:], new(page)); err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			continue
		}
		if !p.packed() {
			continue
		}
		for _, r := range p.unpack(nil) {
			p.recall(r.key, r.values[0], make([]byte, 64))
		}
	}
	a := NewArena(nil)
	a.NewTable(3, 10, 11)
	for i := range 2 { // the same rows twice
		p := good
		binary.LittleEndian.PutUint32(p[atNumber:], uint32(i+1))
		p.seal()
		if err := a.LoadPage(uint32(i+1), p[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.FinishLoad(); !errors.Is(err, ErrDamaged) {
		t.Errorf("overlapping packed pages: %v", err)
	}
	b := NewArena(nil)
	b.NewTable(3, 10, 12)
	p := good
	binary.LittleEndian.PutUint32(p[atNumber:], 1)
	p.seal()
	if err := b.LoadPage(1, p[:]); err != nil {
		t.Fatal(err)
	}
	if err := b.FinishLoad(); !errors.Is(err, ErrDamaged) {
		t.Errorf("packed rows of another width: %v", err)
	}
}

// TestPackedFormatIsGolden: what stands on disk stays readable.
func TestPackedFormatIsGolden(t *testing.T) {
	a := NewArena(nil)
	table := a.NewTable(0x01020304, 10, 11)
	want := map[Key][]byte{}
	for i := range uint64(200) {
		k := benchKey(i)
		clear(k[10:])
		p := table.Mutable(table.Insert(&k))
		binary.LittleEndian.PutUint64(p, 1000+3*i)
		binary.LittleEndian.PutUint16(p[5:], uint16(i%7))
		binary.LittleEndian.PutUint32(p[7:], uint32(i%3)*0x9E3779B9)
		want[k] = bytes.Clone(p)
	}
	x := Packer{Columns: []uint8{5, 2, 4}, Old: func(p []byte) bool { return place(p) < 1300 }}
	if _, done := x.Step(table, 0, 64); !done {
		t.Fatal("one step is not enough for so few pages")
	}
	var b strings.Builder
	number := table.packed.numbers[0]
	for at, data := 0, snapshot(a)[number]; at < PageSize; at += 16 {
		if line := data[at : at+16]; !bytes.Equal(line, blank[:16]) {
			fmt.Fprintf(&b, "%04d % x\n", at, line)
		}
	}
	const file = "testdata/page_v3.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(file); err != nil || b.String() != string(kept) {
		t.Errorf("%v: page reads\n%s, want\n%s", err, b.String(), kept)
	}
	rows := 0
	err := Rows(goldenPage(t, file), func(table uint32, keyBytes int, k Key, payload []byte) error {
		if rows++; table != 0x01020304 || keyBytes != 10 || !bytes.Equal(payload, want[k]) {
			t.Errorf("%x: %x, want %x", k, payload, want[k])
		}
		return nil
	})
	if err != nil || rows != 100 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
