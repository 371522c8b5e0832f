package frames

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file anew: only for a form that was never released")

var magic = [MagicSize]byte{'d', 'r', 'a', 'w', 'd', 't', 's', '1'}

// stream returns a stream of three frames, the second one empty.
func stream(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, magic)
	for _, f := range []struct {
		kind    byte
		payload string
	}{{1, "first"}, {2, ""}, {9, "third frame"}} {
		if err := w.Frame(f.kind, []byte(f.payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read returns the payloads of a stream, joined.
func read(b []byte) (string, error) {
	r := NewReader(bytes.NewReader(b), magic)
	s := ""
	for {
		kind, payload, err := r.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		s += string('0'+rune(kind)) + string(payload) + ";"
	}
}

func TestStream(t *testing.T) {
	b := stream(t)
	if s, err := read(b); err != nil || s != "1first;2;9third frame;" {
		t.Errorf("%q, %v", s, err)
	}
	if want := MagicSize + 3*HeaderSize + len("first") + len("third frame") + EndSize; len(b) != want {
		t.Errorf("%d bytes, want %d: sizes are announced before anything is written", len(b), want)
	}
}

// Every changed, missing or added byte is an error.
func TestEveryByteCounts(t *testing.T) {
	whole := stream(t)
	for i := range whole {
		for _, bit := range []byte{0x01, 0x80, 0xff} {
			b := bytes.Clone(whole)
			b[i] ^= bit
			var damaged *DamagedError
			if s, err := read(b); !errors.As(err, &damaged) {
				t.Errorf("byte %d changed by %#x: %q, %v", i, bit, s, err)
			}
		}
		if s, err := read(whole[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut to %d bytes: %q, %v", i, s, err)
		}
	}
	if _, err := read(append(bytes.Clone(whole), 0)); err == nil {
		t.Error("a byte after the end was not found")
	}
}

// A frame that is missing, repeated, or in another one's place is an error, though each proves itself.
func TestOrderCounts(t *testing.T) {
	whole := stream(t)
	first, second := whole[MagicSize:MagicSize+HeaderSize+5], whole[MagicSize+HeaderSize+5:MagicSize+2*HeaderSize+5]
	rest := whole[MagicSize+2*HeaderSize+5:]
	join := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{whole[:MagicSize]}, parts...), nil) }
	for name, b := range map[string][]byte{
		"missing": join(first, rest), "repeated": join(first, first, second, rest), "swapped": join(second, first, rest),
	} {
		if s, err := read(b); err == nil {
			t.Errorf("%s: %q", name, s)
		}
	}
}

// What was not read by the source is the source's error, not damage.
func TestSourceFails(t *testing.T) {
	gone := errors.New("gone")
	r := NewReader(io.MultiReader(bytes.NewReader(stream(t)[:20]), failing{gone}), magic)
	var damaged *DamagedError
	if _, _, err := r.Next(); !errors.Is(err, gone) || errors.As(err, &damaged) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A length that nothing proves takes no memory beyond MaxPayload.
func TestLengthIsBounded(t *testing.T) {
	b := stream(t)
	b[MagicSize+7] = 0xff
	if _, err := read(b); err == nil {
		t.Error("a frame of 4 GiB was read")
	}
	if err := NewWriter(io.Discard, magic).Frame(1, make([]byte, MaxPayload+1)); err == nil {
		t.Error("a frame beyond the bound was written")
	}
}

func TestGolden(t *testing.T) {
	const path = "testdata/stream.hex"
	got := hex.Dump(stream(t))
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("got\n%s%v", got, err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("drawdts1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := read(b); err == nil && !bytes.HasPrefix(b, magic[:]) {
			t.Error("a stream without magic was read")
		}
	})
}
