package pages

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// shape is one kind of table that the model test runs with.
type shape struct{ keyBytes, width, widest int }

// model is a Go map per table beside an arena, and a page map beside its captures.
type model struct {
	t      *testing.T
	rng    *rand.Rand
	arena  *Arena
	tables map[uint32]*modelTable
	nextID uint32
	narrow bool // keys share most directory bits, as if somebody knew the hash key

	store   map[uint32][]byte // committed pages
	cut     map[uint32]*modelTable
	staged  map[uint32][]byte
	capture bool
}

type modelTable struct {
	shape
	rows map[Key][]byte
	keys []Key
}

func (m *modelTable) clone() *modelTable {
	c := &modelTable{shape: m.shape, rows: make(map[Key][]byte, len(m.rows))}
	for k, v := range m.rows {
		c.rows[k] = bytes.Clone(v)
	}
	return c
}

func newModel(t *testing.T, seed uint64, narrow bool) *model {
	return &model{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), arena: NewArena(nil), narrow: narrow,
		tables: map[uint32]*modelTable{}, nextID: 1, store: map[uint32][]byte{},
	}
}

func (m *model) key() (k Key) {
	binary.LittleEndian.PutUint64(k[:], m.rng.Uint64())
	binary.LittleEndian.PutUint64(k[8:], m.rng.Uint64())
	if m.narrow && m.rng.IntN(4) != 0 {
		k[2], k[3], k[4], k[5] = 7, 7, 7, 7
	}
	return k
}

func (m *model) pick() (uint32, *modelTable) {
	if len(m.tables) == 0 {
		return 0, nil
	}
	for {
		id := m.rng.Uint32N(m.nextID-1) + 1
		if mt := m.tables[id]; mt != nil {
			return id, mt
		}
	}
}

func cutKey(k Key, n int) Key {
	clear(k[n:])
	return k
}

func (m *model) step() {
	shapes := []shape{{10, 9, 9}, {12, 52, 90}, {8, 1, 40}, {16, 900, 990}, {9, 300, 600}}
	id, mt := m.pick()
	op := m.rng.IntN(1000)
	if mt == nil {
		op = 999
	}
	switch {
	case op < 600:
		for range 1 + m.rng.IntN(200) {
			m.insertOrChange(id, mt)
		}
	case op < 700:
		m.findAll(id, mt, 100)
	case op < 720:
		if w := mt.width + m.rng.IntN(max(1, mt.widest-mt.width+1)); w > mt.width {
			mt.width = w
			m.arena.Table(id).Widen(w)
			for k, v := range mt.rows {
				mt.rows[k] = append(v, make([]byte, w-len(v))...)
			}
		}
	case op < 725:
		m.arena.Drop(id)
		delete(m.tables, id)
	case op < 740:
		m.arena.Table(id).Reserve(m.rng.IntN(2000))
	case op < 800 && !m.capture:
		m.begin(m.rng.IntN(4) == 0)
	case op < 960 && m.capture:
		m.next(m.rng.IntN(30))
	case op < 970 && m.capture:
		m.finish(m.rng.IntN(3) != 0)
	case op < 975:
		m.compare(m.arena, m.tables)
	case op >= 985 && len(m.tables) < 5:
		s := shapes[m.rng.IntN(len(shapes))]
		m.tables[m.nextID] = &modelTable{shape: s, rows: map[Key][]byte{}}
		m.arena.NewTable(m.nextID, s.keyBytes, s.width)
		m.nextID++
	}
}

func (m *model) insertOrChange(id uint32, mt *modelTable) {
	t := m.arena.Table(id)
	k := m.key()
	if len(mt.keys) > 0 && m.rng.IntN(3) == 0 {
		k = mt.keys[m.rng.IntN(len(mt.keys))]
	}
	ahead := t.Touch(&k)
	ahead.Row()
	r, ok := t.Find(&k)
	seek := m.rng.IntN(2) == 0
	var spot Spot
	if seek {
		r, spot, ok = t.Seek(&k)
	}
	want, known := mt.rows[k]
	if ok != known {
		m.t.Fatalf("table %d: Find(%x) = %v, want %v (by Seek: %v)", id, k, ok, known, seek)
	}
	if !ok {
		if len(mt.rows) > 4000 {
			return
		}
		if seek {
			b := t.Fill(&k, spot)
			if r, ok = t.Find(&k); !ok || &b[0] != &t.Payload(r)[0] {
				m.t.Fatalf("table %d: Fill(%x) returned another row", id, k)
			}
		} else {
			r = t.Insert(&k)
		}
		want = make([]byte, mt.width)
		mt.rows[k] = want
		mt.keys = append(mt.keys, k)
	}
	if got := t.Payload(r); !bytes.Equal(got, want) || cap(got) != len(want) {
		m.t.Fatalf("table %d: Payload(%x) = %x, want %x", id, k, got, want)
	}
	b := t.Payload(r)
	if t.Change(r); m.rng.IntN(2) == 0 {
		b = t.Mutable(r)
	}
	b[m.rng.IntN(len(b))]++
	b[len(b)-1] ^= byte(m.rng.Uint32())
	copy(want, b)
}

// findAll finds rows first and reads them then: finding one must not move another.
func (m *model) findAll(id uint32, mt *modelTable, n int) {
	t := m.arena.Table(id)
	var rows []Row
	var keys []Key
	for range n {
		k := m.key()
		if _, ok := t.Find(&k); ok {
			m.t.Fatalf("table %d: found %x, which is not there", id, k)
		}
		if len(mt.keys) == 0 {
			continue
		}
		k = mt.keys[m.rng.IntN(len(mt.keys))]
		r, ok := t.Find(&k)
		if !ok {
			m.t.Fatalf("table %d: %x not found", id, k)
		}
		rows, keys = append(rows, r), append(keys, k)
	}
	for i, r := range rows {
		if got := t.Payload(r); !bytes.Equal(got, mt.rows[keys[i]]) {
			m.t.Fatalf("table %d: %x = %x, want %x", id, keys[i], got, mt.rows[keys[i]])
		}
	}
}

func (m *model) begin(full bool) {
	m.arena.BeginCapture(full)
	m.capture, m.staged, m.cut = true, map[uint32][]byte{}, map[uint32]*modelTable{}
	if full {
		for n := range m.store {
			m.staged[n] = make([]byte, PageSize) // a full capture must bring every page again
		}
	}
	for id, mt := range m.tables {
		m.cut[id] = mt.clone()
	}
}

func (m *model) next(count int) bool {
	buf := make([]byte, PageSize)
	for range count {
		n, ok := m.arena.NextCapture(buf)
		if !ok {
			return false
		}
		m.staged[n] = bytes.Clone(buf)
	}
	return true
}

func (m *model) finish(commit bool) {
	if commit {
		for m.next(100) {
		}
		maps.Copy(m.store, m.staged)
		m.compare(m.load(), m.cut)
	}
	m.arena.EndCapture(commit)
	m.capture = false
}

// load builds an arena from the committed pages.
func (m *model) load() *Arena {
	a := NewArena(nil)
	for id, mt := range m.cut {
		a.NewTable(id, mt.keyBytes, mt.width)
	}
	for n, data := range m.store {
		if err := a.LoadPage(n, data); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := a.FinishLoad(); err != nil {
		m.t.Fatal(err)
	}
	return a
}

// compare holds an arena against a state, by Range and by Find.
func (m *model) compare(a *Arena, tables map[uint32]*modelTable) {
	live := 0
	for id, mt := range tables {
		t := a.Table(id)
		seen := map[Key][]byte{}
		t.Range(func(k Key, payload []byte) bool {
			seen[k] = bytes.Clone(payload)
			return true
		})
		if t.Len() != len(mt.rows) || len(seen) != len(mt.rows) || t.Width() != mt.width {
			m.t.Fatalf("table %d: Len %d, %d rows by Range, want %d; width %d", id, t.Len(), len(seen), len(mt.rows), t.Width())
		}
		for k, want := range mt.rows {
			if got := seen[cutKey(k, mt.keyBytes)]; !bytes.Equal(got, want) {
				m.t.Fatalf("table %d: %x = %x, want %x", id, k, got, want)
			}
		}
		live += t.pages
	}
	if a.Pages() != live+a.FreePages() {
		m.t.Fatalf("%d pages, %d in tables, %d free", a.Pages(), live, a.FreePages())
	}
}

func TestModel(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newModel(t, seed, seed%4 == 3)
			for range 300 {
				m.step()
			}
			if m.capture {
				m.finish(seed%2 == 0)
			}
			m.begin(false)
			m.finish(true)
		})
	}
}
