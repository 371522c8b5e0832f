package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

// reseal gives a page that was tampered with a right checksum.
func reseal(data []byte) []byte {
	(*page)(data).seal()
	return data
}

func loaded(t *testing.T, pages map[uint32][]byte, tables ...shape) (*Arena, error) {
	t.Helper()
	a := NewArena(nil)
	for i, s := range tables {
		a.NewTable(uint32(i+1), s.keyBytes, s.width)
	}
	for n, data := range pages {
		if err := a.LoadPage(n, data); err != nil {
			t.Fatal(err)
		}
	}
	return a, a.FinishLoad()
}

func TestLoadPageFindsEveryFlippedByte(t *testing.T) {
	a := NewArena(nil)
	fill(a.NewTable(1, 12, 52), 0, 40)
	data := snapshot(a)[1]
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1 << (i % 8)
		if err := NewArena(nil).LoadPage(1, bad); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		if err := Rows(bad, nil); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d flipped: Rows: %v", i, err)
		}
	}
	for _, n := range []int{0, 1, headerSize, PageSize - 1} {
		if err := NewArena(nil).LoadPage(1, data[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestLoadPageRefuses(t *testing.T) {
	a := NewArena(nil)
	fill(a.NewTable(1, 12, 52), 0, 1000)
	pages := snapshot(a)
	const deep = 2 // a page with some depth
	g := a.Table(1).geo
	edits := []struct {
		want string
		edit func(p *page)
	}{
		{"magic", func(p *page) { p[atMagic]++ }},
		{"format version 4", func(p *page) { p[atVersion] = 4 }},
		{"key bytes", func(p *page) { p[atKeyBytes] = 7 }},
		{"key bytes", func(p *page) { p[atKeyBytes] = 17 }},
		{"payload bytes", func(p *page) { p.setWidth(0) }},
		{"payload bytes", func(p *page) { p.setWidth(65535) }},
		{"payload bytes", func(p *page) { p.setWidth(1010) }},
		{"header", func(p *page) { clear(p[atTable : atTable+4]) }},
		{"header", func(p *page) { p[atDepth] = 1 }},
		{"header", func(p *page) { p.setLast(p.last() - 1) }},
		{"header", func(p *page) { p.setFirst(1 << 31); p.setLast(1<<30 - 1) }},
		{"header", func(p *page) { p[atVersion], p[atDepth] = prefixVersion, 31 }},
		{"header", func(p *page) { p[atVersion], p[atDepth] = prefixVersion, 255 }},
		{"header", func(p *page) { p[atVersion], p[atDepth], p[atFirst+3] = prefixVersion, 1, 0x40 }},
		{"header", func(p *page) { p[atOverflow] = 2 }},
		{"belongs to another page", func(p *page) { p.setFirst(p.last() &^ 0xffff) }},
		{"belongs to another page", func(p *page) { // a flipped hash bit
			for s := range g.slots {
				if occupied(p[:], s) {
					p[g.rowAt(s)+2] ^= 0x80
					return
				}
			}
		}},
		{"more rows than slots", func(p *page) { p[groupAt(g.slots-1)] |= 0x80 }},
		{"cannot be reached", func(p *page) { // one group and the next full, then empty the first
			clear(p[headerSize:])
			for i := uint64(0); ; i++ {
				k := benchKey(i)
				if head := keyHead(&k); covers(p, hashOf(head)) && home(head, g.slots) < groupSlots {
					at := g.place(p[:], head, k[g.rest])
					copy(p[at:], k[:g.rest])
					if p[groupAt(groupSlots)] != 0 {
						break
					}
				}
			}
			p[groupAt(0)] = 0
		}},
		{"says that it is page 7", func(p *page) { p[atNumber] = 7 }},
	}
	for _, e := range edits {
		data := bytes.Clone(pages[deep])
		e.edit((*page)(data))
		err := NewArena(nil).LoadPage(deep, reseal(data))
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), e.want) {
			t.Errorf("want an error with %q, got %v", e.want, err)
		}
	}

	b := NewArena(nil)
	b.LimitLoad(2)
	for n, want := range map[uint32]string{0: "numbers end", 3: "numbers end at 2", 2: ""} {
		data := bytes.Clone(pages[deep])
		binary.LittleEndian.PutUint32(data[atNumber:], n)
		if err := b.LoadPage(n, reseal(data)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("page %d: want %q, got %v", n, want, err)
		}
	}
	if err := b.LoadPage(2, pages[2]); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("page loaded twice: %v", err)
	}
	if err := b.LoadPage(2, blank[:]); err != nil {
		t.Errorf("free page: %v", err)
	}
	if err := NewArena(nil).LoadPage(MaxPages, pages[2]); err == nil {
		t.Error("page number beyond the maximum: no error")
	}
}

func TestFinishLoadRefuses(t *testing.T) {
	tables := []shape{{keyBytes: 12, width: 52}, {keyBytes: 10, width: 9}}
	a := NewArena(nil)
	fill(a.NewTable(1, 12, 52), 0, 1000)
	fill(a.NewTable(2, 10, 9), 0, 1000)
	pages := snapshot(a)
	if _, err := loaded(t, pages, tables...); err != nil {
		t.Fatal(err)
	}
	for n := range pages { // any page missing
		some := map[uint32][]byte{}
		for m, data := range pages {
			if m != n {
				some[m] = data
			}
		}
		if _, err := loaded(t, some, tables...); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("without page %d: %v", n, err)
		}
	}
	for want, other := range map[string][]shape{
		"unknown table":     tables[:1],
		"must be 11+52":     {{keyBytes: 11, width: 52}, tables[1]},
		"must be 12+51":     {{keyBytes: 12, width: 51}, tables[1]},
		"must be 11+9":      {tables[0], {keyBytes: 11, width: 9}},
		"rows of 12+52 byt": {tables[1], tables[0]},
	} {
		if _, err := loaded(t, pages, other...); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for want, edit := range map[string]func(p *page, n uint32){
		"overlaps": func(p *page, n uint32) {},
		"depth 30": func(p *page, n uint32) { clear(p[headerSize:]); p.setFirst(p.last() - 3) },
		"not there": func(p *page, n uint32) {
			p[atOverflow] = 1
			clear(p[headerSize:])
			p.setFirst(0)
			p.setLast(1<<32 - 1)
		},
	} {
		more := map[uint32][]byte{}
		for n, data := range pages {
			more[n] = data
		}
		n := uint32(len(pages) + 5)
		p := page(pages[1])
		edit(&p, n)
		binary.LittleEndian.PutUint32(p[atNumber:], n)
		more[n] = reseal(p[:])
		if _, err := loaded(t, more, tables...); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Numbers between loaded pages are free, are used again, and come all zero in a full capture.
func TestLoadWithGaps(t *testing.T) {
	a := NewArena(nil)
	fill(a.NewTable(1, 9, 100), 0, 30000)
	fill(a.NewTable(2, 12, 52), 0, 100)
	all := a.Pages()
	a.Drop(1)
	a.BeginCapture(false)
	pages := drain(a)
	a.EndCapture(true)
	b := NewArena(nil)
	b.NewTable(2, 12, 52)
	for n, data := range pages {
		if err := b.LoadPage(n, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.FinishLoad(); err != nil {
		t.Fatal(err)
	}
	if b.Pages() != all || b.FreePages() != a.FreePages() || b.Table(2).Len() != 100 {
		t.Fatalf("%d pages, %d free, want %d, %d", b.Pages(), b.FreePages(), all, a.FreePages())
	}
	if got := b.BeginCapture(false); got != 0 {
		t.Errorf("%d loaded pages are dirty", got)
	}
	b.EndCapture(true)
	equalPages(t, "loaded", snapshot(b), snapshot(a))
	fill(b.NewTable(1, 9, 100), 0, 30000)
	if b.Pages() > all+1 {
		t.Errorf("%d pages: free ones were not used", b.Pages())
	}
	for i := range 30000 {
		k := benchKey(uint64(i))
		if _, ok := b.Table(1).Find(&k); !ok {
			t.Fatalf("row %d lost", i)
		}
	}
}

func TestRows(t *testing.T) {
	a := NewArena(nil)
	fill(a.NewTable(7, 10, 9), 0, 5000)
	fill(a.NewTable(8, 16, 100), 0, 500)
	a.Table(7).Widen(20) // pages keep their width in captures
	got := map[string]int{}
	for _, data := range snapshot(a) {
		err := Rows(data, func(table uint32, keyBytes int, k Key, payload []byte) error {
			got[fmt.Sprint(table, keyBytes, len(payload))]++
			i := int(binary.LittleEndian.Uint32(payload))
			if want := benchKey(uint64(i)); k != cutKey(want, keyBytes) {
				t.Fatalf("row %d: key %x, want %x", i, k, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2 || got["7 10 9"] != 5000 || got["8 16 100"] != 500 {
		t.Errorf("rows: %v", got)
	}
	if err := Rows(blank[:], nil); err != nil {
		t.Errorf("free page: %v", err)
	}
	stop := errors.New("stop")
	if err := Rows(snapshot(a)[1], func(uint32, int, Key, []byte) error { return stop }); err != stop {
		t.Errorf("fn's error: %v", err)
	}
}

// The format is on disk: this page must never read differently.
func TestPageFormatIsGolden(t *testing.T) {
	a := NewArena(nil)
	table := a.NewTable(0x01020304, 9, 500)
	for i := range uint64(5) {
		k := benchKey(i)
		p := table.Mutable(table.Insert(&k))
		p[0], p[499] = byte(i+1), 0xee
	}
	var b strings.Builder
	for at, data := 0, snapshot(a)[1]; at < PageSize; at += 16 {
		if line := data[at : at+16]; !bytes.Equal(line, blank[:16]) {
			fmt.Fprintf(&b, "%04d % x\n", at, line)
		}
	}
	const file = "testdata/page_v2.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("page reads\n%s, want\n%s", b.String(), want)
	}
	for _, file := range []string{"testdata/page_v1.golden", "testdata/page_v2.golden"} {
		data := goldenPage(t, file)
		back, err := loaded(t, map[uint32][]byte{1: data})
		if !errors.Is(err, ErrDamaged) || back.Pages() != 1 { // unknown table, as none was announced
			t.Errorf("%s: %v", file, err)
		}
		rows := 0
		if err := Rows(data, func(uint32, int, Key, []byte) error { rows++; return nil }); err != nil || rows != 5 {
			t.Errorf("%s: %d rows, %v", file, rows, err)
		}
		b := NewArena(nil)
		table := b.NewTable(0x01020304, 9, 500)
		if err := errors.Join(b.LoadPage(1, data), b.FinishLoad()); err != nil {
			t.Fatal(file, err)
		}
		for i := range uint64(5) {
			k := benchKey(i)
			r, ok := table.Find(&k)
			if !ok || table.Payload(r)[0] != byte(i+1) {
				t.Errorf("%s: row %d is lost", file, i)
			}
		}
		if data = snapshot(b)[1]; data[atVersion] != formatVersion {
			t.Errorf("%s: written as version %d", file, data[atVersion])
		}
	}
}

func goldenPage(t *testing.T, file string) []byte {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, PageSize)
	for line := range strings.Lines(string(text)) {
		var at int
		if _, err := fmt.Sscanf(line, "%d", &at); err != nil {
			t.Fatal(err)
		}
		for i, x := range strings.Fields(line)[1:] {
			fmt.Sscanf(x, "%x", &data[at+i])
		}
	}
	return data
}

// A checkpoint of before, pages of one prefix each, goes on as if it had been written today.
func TestPagesOfAPrefix(t *testing.T) {
	const rows, keyBytes, width = 600, 10, 9
	s := shape{keyBytes: keyBytes, width: width}
	g := geometryOf(keyBytes, width)
	pages := map[uint32][]byte{}
	for n, prefix := range []uint32{0, 1 << 30, 1 << 31, 6 << 29, 7 << 29} { // 2, 2, 2, 3 and 3 bits
		p, depth := new(page), 2+n/3
		p.format(uint32(n)+1, 1, keyBytes, width, prefix, prefix|uint32(1<<(32-depth)-1), false)
		for i := range uint64(rows) {
			if k := benchKey(i); covers(p, hashOf(keyHead(&k))) {
				at := g.place(p[:], keyHead(&k), k[g.rest])
				copy(p[at:], k[:g.rest])
				binary.LittleEndian.PutUint32(p[at+g.rest:], uint32(i))
			}
		}
		p[atVersion], p[atDepth] = prefixVersion, byte(depth)
		p.setLast(0)
		p.seal()
		pages[uint32(n)+1] = p[:]
	}
	a, err := loaded(t, pages, s)
	if err != nil {
		t.Fatal(err)
	}
	table := a.Table(1)
	fill(table, rows, 5*rows)
	for range 2 {
		for i := range uint64(5 * rows) {
			k := benchKey(i)
			r, ok := table.Find(&k)
			if !ok || binary.LittleEndian.Uint32(table.Payload(r)) != uint32(i) {
				t.Fatalf("row %d is lost", i)
			}
		}
		if a, err = loaded(t, snapshot(a), s); err != nil {
			t.Fatal(err)
		}
		table = a.Table(1)
	}
	bad := bytes.Clone(pages[2])
	bad[atDepth]++
	if err := NewArena(nil).LoadPage(2, reseal(bad)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "another page") {
		t.Errorf("half of a prefix: %v", err)
	}
}

// FuzzLoad tampers with a capture, gives the pages right checksums, and uses what is taken. Four bytes of input make one
// edit: page, offset (2), new byte; with the top bit of the page set, a page is put in the place of another.
func FuzzLoad(f *testing.F) {
	a := NewArena(nil)
	fill(a.NewTable(1, 12, 52), 0, 200)
	fill(a.NewTable(2, 10, 9), 0, 300)
	fill(a.NewTable(3, 8, 900), 0, 12)
	var good []page
	for range a.Pages() {
		good = append(good, page{})
	}
	for n, data := range snapshot(a) {
		good[n-1] = page(data)
	}
	f.Add([]byte{})
	f.Add([]byte{0, atDepth, 0, 3, 1, atWidth, 0, 9})
	f.Add([]byte{2, atFirst + 3, 0, 0x80, 0x81, 2, 0, 0})
	f.Add([]byte{1, atLast + 3, 0, 0x7f, 1, atVersion, 0, prefixVersion})
	f.Add([]byte{0, headerSize, 0, 0xff, 3, atOverflow, 0, 1, 4, atTable, 0, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		pages := append([]page(nil), good...)
		for ; len(data) >= 4; data = data[4:] {
			i := int(data[0]&0x7f) % len(pages)
			at := binary.LittleEndian.Uint16(data[1:])
			if data[0]&0x80 != 0 {
				pages[i] = pages[int(at)%len(pages)]
			} else {
				pages[i][at%PageSize] = data[3]
			}
		}
		b := NewArena(nil)
		tables := []*Table{b.NewTable(1, 12, 60), b.NewTable(2, 10, 9), b.NewTable(3, 8, 900)}
		for i := range pages {
			p := &pages[i]
			binary.LittleEndian.PutUint32(p[atNumber:], uint32(i+1))
			p.seal()
			taken, read := b.LoadPage(uint32(i+1), p[:]), Rows(p[:], func(uint32, int, Key, []byte) error { return nil })
			if (taken == nil) != (read == nil) {
				t.Fatalf("LoadPage: %v, Rows: %v", taken, read)
			}
		}
		if b.FinishLoad() != nil {
			return
		}
		for _, table := range tables {
			useLoaded(t, table)
		}
	})
}

// FuzzRows reads any bytes, of which none may be taken that have no right checksum.
func FuzzRows(f *testing.F) {
	a := NewArena(nil)
	fill(a.NewTable(1, 12, 52), 0, 50)
	f.Add(snapshot(a)[1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if Rows(data, func(uint32, int, Key, []byte) error { return nil }) == nil && !bytes.Equal(data, blank[:]) {
			p := page(data)
			if p.seal(); !bytes.Equal(p[:], data) {
				t.Fatal("a wrong checksum was taken")
			}
		}
	})
}

func useLoaded(t *testing.T, table *Table) {
	rows := 0
	var keys []Key
	table.Range(func(k Key, payload []byte) bool {
		rows++
		keys = append(keys, k)
		return true
	})
	if rows != table.Len() {
		t.Fatalf("%d rows, Len %d", rows, table.Len())
	}
	for i := range keys {
		r, ok := table.Find(&keys[i])
		if !ok {
			t.Fatalf("key %x lost", keys[i])
		}
		table.Mutable(r)[0]++
	}
	table.Widen(table.Width() + 1)
	for i := range uint64(500) {
		k := benchKey(i)
		if _, ok := table.Find(&k); !ok {
			table.Insert(&k)
		}
	}
}
