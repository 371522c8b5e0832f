package engine

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden compares bytes with a hex file. A difference means that old logs or disks would be read differently: raise the
// form's number and keep reading the old one instead of updating the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	text := hex.Dump(got)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s: the form on disk has changed:\n%s", name, text)
	}
}

func everyCommand() *Batch {
	var b Batch
	b.AddInit(&Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddNamespace(&NewNamespace{Name: "other", Secret: [16]byte{4}})
	b.AddPolicy(&PutPolicy{Namespace: 1, Expect: 0, Actor: "op", Policy: &NamespacePolicy{
		TimeZone: "UTC", Transitions: []Transition{{0, 3600}}, MaxUsers: 10, MaxKeys: 20, Document: []byte("{}"),
		AggregateCaps: []AggregateCap{{ID: "all", Window: Window{WindowRolling, 1000}, Limit: 9}},
	}})
	b.AddPublish(&Publish{Namespace: 1, Actor: "op", Reason: "go", SealedSeed: SealSeed([32]byte{}, [12]byte{5}, [16]byte{6}), Version: simple(func(v *Version) {
		v.Salt, v.Title, v.Document = [16]byte{7}, []byte(`{"en":"C"}`), []byte(`{"campaign":"c"}`)
		v.Transitions = []Transition{{0, 28800}}
		v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 3, Prize: -1}, {ID: "p", Counts: CountWins, Limit: 1, Prize: 0, DenyWhenReached: true}}
		v.Prizes[0].Title, v.Prizes[0].Value, v.Prizes[0].Amount, v.Prizes[0].Slot = []byte(`{"en":"P"}`), 5, 6, 7
	})})
	b.AddDraw(&Draw{Campaign: 1, User: Key{8}, Digest: Key{8, 1}, UserID: []byte("u1"), Times: 2, Listed: true, HasDevice: true, Device: Key{9}, HasIP: true, IP: Key{10}, Channel: []byte("h5"), ExpectVersion: 1, MaxPrice: 2})
	b.AddControl(&Control{Campaign: 1, Action: ActionPause, Actor: "op", Reason: "stop"})
	b.AddControl(&Control{Campaign: 1, Action: ActionResume, ExtendByPause: true, Actor: "op"})
	b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: -3, Digest: Key{11}, Actor: "op", Reason: "broken"})
	b.AddDocument(&PutDocument{Namespace: 1, Name: "draft/c", Expect: 0, Body: []byte("body"), Actor: "op"})
	b.AddDocument(&PutDocument{Namespace: 1, Name: "draft/c", Expect: AnyRevision, Delete: true, Actor: "op"})
	b.AddAbandon(&Abandon{Campaign: 1, User: Key{8}, Digest: Key{8, 2}, UserID: []byte("u1"), Actor: "host"})
	b.AddTick()
	return &b
}

func TestGoldenForms(t *testing.T) {
	x := newTable(t)
	entry := entryOf(everyCommand(), start)
	golden(t, "entry", entry)
	fresh, _ := New(Options{})
	x.Engine = fresh
	if err := fresh.Apply(1, entry, &x.out); err != nil {
		t.Fatal(err)
	}
	for i, r := range x.out.Results {
		if r.Code != 0 && i != 10 { // abandoning fences the key, and says so
			t.Errorf("command %d: %+v", i, r)
		}
	}
	golden(t, "records", x.out.Records)
	golden(t, "head", x.out.Head[:])
	c, err := fresh.Capture(true)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "meta", c.Meta())
	c.Abort()
	sum := fresh.StateHash()
	golden(t, "state-hash", sum[:])
	k := newKeyer([16]byte{1, 2, 3})
	user := k.User([]byte("u1"))
	digest := k.Digest(DigestDraw, 1, user, []byte("key"))
	in := newWordInput(&[16]byte{4}, &user, 1, &digest)
	word, value := in.scale(new(wordHasher).first(&in), 1_000_000)
	var w writer
	w.raw(user[:])
	w.raw(digest[:])
	w.u64(word)
	w.u64(value)
	golden(t, "word", w.b)
}

func TestUnknownEntriesHalt(t *testing.T) {
	x := newTable(t)
	try := func(what string, entry []byte, want error) {
		t.Helper()
		if err := x.Apply(x.index+1, entry, &x.out); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	var tick Batch
	tick.AddTick()
	ok := entryOf(&tick, start)
	newer := bytes.Clone(ok)
	newer[0] = 2
	try("newer form", newer, ErrUnknownEntry)
	unknown := bytes.Clone(ok)
	unknown[EntryHeaderSize] = 99
	try("unknown operation", unknown, ErrUnknownEntry)
	try("truncated header", ok[:10], ErrDamagedEntry)
	try("truncated command", ok[:len(ok)-1], ErrDamagedEntry)
	try("something behind", append(bytes.Clone(ok), 0), ErrDamagedEntry)
	var b Batch
	b.AddDraw(&Draw{Campaign: 1, UserID: []byte("u"), Times: 1})
	flags := entryOf(&b, start)
	flags[EntryHeaderSize+CommandHeaderSize+5] |= 0x80
	try("unknown draw flag", flags, ErrUnknownEntry)
}

func TestRecordsRoundTrip(t *testing.T) {
	x := newTable(t)
	x.index = 0
	x.Engine, _ = New(Options{})
	if err := x.Apply(1, entryOf(everyCommand(), start), &x.out); err != nil {
		t.Fatal(err)
	}
	var again []byte
	for b := x.out.Records; len(b) > 0; {
		var r Record
		n, err := DecodeRecord(b, &r)
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == RecordDraw {
			again = appendDraw(again, &r)
		} else {
			again = appendOther(again, &r)
		}
		b = b[n:]
	}
	if !bytes.Equal(again, x.out.Records) {
		t.Error("a record does not survive decoding and encoding")
	}
}

// FuzzEntry: no bytes make the applier panic, and what is refused changes nothing.
func FuzzEntry(f *testing.F) {
	f.Add(entryOf(everyCommand(), start))
	var b Batch
	b.AddTick()
	f.Add(entryOf(&b, start))
	b.Reset()
	b.AddDraw(&Draw{Campaign: 1, User: Key{8}, Digest: Key{8, 2}, UserID: []byte("u1"), Times: 1, Eligibility: Eligibility{Stamp: Stamp{Version: 1}, Ticket: Ticket{Key: 1, ExpiresAt: start}, HasBy: 3}})
	b.AddList(&PutList{Namespace: 1, Campaign: 1, List: ListDeny, Actor: "op", Entries: []ListEntry{{User: Key{8}, UserID: []byte("u1"), Reason: []byte("bot")}}})
	f.Add(entryOf(&b, start))
	f.Add(entryOf(peopleCommands(), start))
	f.Fuzz(func(t *testing.T, entry []byte) {
		e, _ := New(Options{Shards: 1})
		var out Outcome
		if e.Apply(1, entryOf(everyCommand(), start), &out) != nil {
			t.Fatal("the seed does not apply")
		}
		if e.Apply(2, entry, &out) != nil {
			return
		}
		if err := e.CheckInvariants(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRecord: no bytes make the decoder panic, and what it takes encodes to the same bytes.
func FuzzRecord(f *testing.F) {
	e, _ := New(Options{Shards: 1})
	var out Outcome
	if err := e.Apply(1, entryOf(everyCommand(), start), &out); err != nil {
		f.Fatal(err)
	}
	for i, at := range out.Offsets {
		end := len(out.Records)
		if i+1 < len(out.Offsets) {
			end = int(out.Offsets[i+1])
		}
		f.Add(out.Records[at:end])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		n, err := DecodeRecord(b, &r)
		if err != nil || r.Kind != RecordDraw {
			return
		}
		if again := appendDraw(nil, &r); !bytes.Equal(again, b[:n]) {
			t.Errorf("%x\n%x", b[:n], again)
		}
	})
}

// FuzzSnapshot: no stream makes the reader panic, and what is refused leaves the state alone.
func FuzzSnapshot(f *testing.F) {
	e, _ := New(Options{Shards: 1})
	var out Outcome
	if err := e.Apply(1, entryOf(everyCommand(), start), &out); err != nil {
		f.Fatal(err)
	}
	var s bytes.Buffer
	if err := e.WriteSnapshot(&s); err != nil {
		f.Fatal(err)
	}
	f.Add(s.Bytes())
	c, _ := e.Capture(true)
	f.Add(c.Meta())
	c.Abort()
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _ := New(Options{Shards: 1})
		before := e.StateHash()
		if e.ReadSnapshot(bytes.NewReader(b)) != nil && e.StateHash() != before {
			t.Error("a refused snapshot changed the state")
		}
		if _, err := decodeMeta(b); err == nil {
			_ = e.Loader().Finish(b)
		}
	})
}
