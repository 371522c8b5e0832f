package storage

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/zeebo/xxh3"
)

var update = flag.Bool("update", false, "write the golden files anew: only for a format that was never released")

// The bytes on disk are append-only: a change here is a new FormatVersion.
func TestGoldenBytes(t *testing.T) {
	r := LogRecord{Index: 0x0102030405060708, Term: 9, Type: 1, AppendedAt: 0x1122334455667788, Data: []byte("data of the record"), Extensions: []byte("ext")}
	value := make([]byte, r.encodedSize())
	r.encode(value, [16]byte{1, 2, 3})
	key := logKey(r.Index)

	b := makeBlob(7, 3, func(i int) int { return 5 + i })
	p := nextChunk(0, b.offsets, len(b.records))
	chunk := make([]byte, p.size())
	p.encode(chunk, 7, b.head, b.offsets, b.records)
	chunkKey := blobKey(7, 0)
	var win [winKeySize]byte
	putWinKey(win[:], 1, 2, 7)

	m := storedManifest{Manifest: manifestOf(2), pages: 3, sum: 0x55}
	m.Generation = 4
	var pageKey [pageKeySize]byte
	putPageKey(pageKey[:], 0x0a0b)
	slot := (&mark{seq: 3, base: Base{Index: 5, Term: 6, Chain: [16]byte{7}}, stable: 8}).encode()

	for name, bytes := range map[string][]byte{
		"log-record":    append(key[:], value...),
		"stable-seq":    encodeStableSeq(5),
		"blob-chunk":    append(chunkKey[:], chunk...),
		"win-key":       win[:],
		"missing":       append(missingKey(), encodeMissing([]Range{{From: 1, To: 9, Running: [16]byte{1, 2}}, {From: 11, To: 12}})...),
		"manifest":      append(manifestKey(), m.encode()...),
		"blob-mark":     append(blobMarkKey(), encodeBlobMark(0x0102030405060708)...),
		"page-key":      pageKey[:],
		"page-checksum": fmt.Appendf(nil, "%016x", pageSum(0x0a0b, 4, []byte("page"))),
		"watermark":     slot[:],
		"format":        encodeFormat(FormatVersion, formatReady),
	} {
		path := filepath.Join("testdata", name+".hex")
		got := hex.Dump(bytes)
		if *update {
			check(t, os.MkdirAll("testdata", 0o755))
			check(t, os.WriteFile(path, []byte(got), 0o644))
		}
		want, err := os.ReadFile(path)
		check(t, err)
		if got != string(want) {
			t.Errorf("%s is\n%s, want\n%s", name, got, want)
		}
	}
	var back LogRecord
	previous, fault := decodeRecord(r.Index, value, &back)
	if fault != "" || previous != [16]byte{1, 2, 3} || fmt.Sprint(back) != fmt.Sprint(r) {
		t.Errorf("record decodes to %v %v %q", back, previous, fault)
	}
	if d, ok := decodeManifest(m.encode()); !ok || fmt.Sprint(d) != fmt.Sprint(m) {
		t.Errorf("manifest decodes to %v %v", d, ok)
	}
}

// Decoders take any bytes.
func FuzzDecoders(f *testing.F) {
	r := recs(3, 1, 1, 20)[0]
	v := make([]byte, r.encodedSize())
	r.encode(v, [16]byte{})
	f.Add(v)
	b := makeBlob(3, 4, size110)
	p := nextChunk(0, b.offsets, len(b.records))
	c := make([]byte, p.size())
	p.encode(c, 3, b.head, b.offsets, b.records)
	f.Add(c)
	m := storedManifest{Manifest: manifestOf(2)}
	f.Add(m.encode())
	f.Add(encodeFormat(1, formatReady))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r LogRecord
		decodeRecord(3, b, &r)
		if len(b) > recordHeader { // past the hash
			sum := xxh3.Hash128(b[recordHashed:]).Bytes()
			decodeRecord(binary.LittleEndian.Uint64(b[40:]), append(sum[:], b[16:]...), &r)
		}
		if len(b) >= manifestHeader {
			decodeManifest(append(binary.LittleEndian.AppendUint64(nil, xxh3.Hash(b[8:])), b[8:]...))
		}
		if c, fault := parseChunk(3, 0, b); fault == "" {
			for i := range c.count {
				c.span(i, i+1)
			}
		}
		decodeManifest(b)
		decodeBlobMark(b)
		_, _, _ = decodeFormat(b)
	})
}
