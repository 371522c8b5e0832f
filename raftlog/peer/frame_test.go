package peer

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"testing"
)

// TestFrameBytes: these bytes are spoken between versions. A change here needs a new frameVersion.
func TestFrameBytes(t *testing.T) {
	for _, test := range []struct {
		f    frame
		want string
	}{
		{frame{kind: frameQuestion, call: CallPing, waitMS: 500, body: []byte("ab")}, "02000000796b1e8001010200f40100006162"},
		{frame{kind: frameAnswer, call: CallHello}, "0000000024fd22fa0102010000000000"},
		{frame{kind: frameRefusal, call: CallMembers, code: 91, body: []byte("x")}, "0100000008f8694d0103035b0000000078"},
		{frame{kind: frameFailure, call: CallBlobs, body: []byte("y")}, "0100000096760cc2010404000000000079"},
		{frame{kind: frameUnknown, call: CallSnapshotInfo}, "00000000da7a32550105050000000000"},
	} {
		got := appendFrame(nil, &test.f)
		if hex.EncodeToString(got) != test.want {
			t.Errorf("%+v:\n got %x\nwant %s", test.f, got, test.want)
		}
		back, err := readFrame(bytes.NewReader(got), 2)
		if err != nil || back.kind != test.f.kind || back.call != test.f.call || back.code != test.f.code || back.waitMS != test.f.waitMS || !bytes.Equal(back.body, test.f.body) {
			t.Errorf("%+v came back as %+v, %v", test.f, back, err)
		}
	}
	for got, want := range map[byte]byte{
		byte(KindRaft): 1, byte(KindForward): 2, byte(KindCall): 3,
	} {
		if got != want {
			t.Errorf("kind %d is spoken as %d", want, got)
		}
	}
}

// TestDamagedFrames: every changed byte is found, and every cut.
func TestDamagedFrames(t *testing.T) {
	whole := appendFrame(nil, &frame{kind: frameRefusal, call: CallPing, code: 90, waitMS: 7, body: []byte("body")})
	for i := range whole {
		for bit := range 8 {
			bad := bytes.Clone(whole)
			bad[i] ^= 1 << bit
			if f, err := readFrame(bytes.NewReader(bad), 100); !errors.Is(err, errFrame) {
				t.Errorf("bit %d of byte %d: %+v, %v", bit, i, f, err)
			}
		}
		_, err := readFrame(bytes.NewReader(whole[:i]), 100)
		if i == 0 && err != io.EOF || i > 0 && !errors.Is(err, errFrame) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	if _, err := readFrame(bytes.NewReader(whole), 3); !errors.Is(err, errFrame) {
		t.Errorf("a body beyond the bound: %v", err)
	}
}

// TestAnnouncementsAreFree: whoever announces a large body and sends none gets no memory for it.
func TestAnnouncementsAreFree(t *testing.T) {
	whole := appendFrame(nil, &frame{kind: frameAnswer, call: CallBlobs, body: make([]byte, MaxResponseBytes)})
	cut := whole[:frameHeader+10]
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 16 {
		if _, err := readFrame(bytes.NewReader(cut), MaxResponseBytes); !errors.Is(err, errFrame) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / 16; got > 4*bodyStep {
		t.Errorf("%d bytes were taken for 10 that came", got)
	}
	if f, err := readFrame(bytes.NewReader(whole), MaxResponseBytes); err != nil || len(f.body) != MaxResponseBytes {
		t.Errorf("the largest body: %v", err)
	}
}

// FuzzFrame: whatever comes, the reader takes a frame that encodes to the same bytes, or refuses.
func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(nil, &frame{kind: frameQuestion, call: CallPing, waitMS: 500, body: []byte("ab")}))
	f.Add(appendFrame(nil, &frame{kind: frameRefusal, call: CallMembers, code: 91, body: []byte("no leader")}))
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readFrame(bytes.NewReader(data), 1<<16)
		if err != nil {
			return
		}
		if back := appendFrame(nil, got); !bytes.Equal(back, data[:len(back)]) {
			t.Errorf("%x was read as %+v, which is %x", data, got, back)
		}
	})
}
