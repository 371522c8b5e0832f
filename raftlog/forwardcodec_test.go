package raftlog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

var update = flag.Bool("update", false, "write golden files anew; never of a released form")

// golden compares bytes with a hex file: a difference means that nodes of two versions misread each other.
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
		t.Errorf("%s has changed:\n%s", name, text)
	}
}

// fill gives a field a value that is not zero.
func fill(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(n + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n + 1))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n+i)
		}
	default:
		panic(v.Kind().String())
	}
}

// everyResult has one result for each field alone, one with none and one with all: a field that is added to engine.Result
// and forgotten here comes back as zero.
func everyResult() []engine.Result {
	all := []engine.Result{{}}
	var full engine.Result
	kind := reflect.TypeFor[engine.Result]()
	for i := range kind.NumField() {
		var one engine.Result
		fill(reflect.ValueOf(&one).Elem().Field(i), i)
		fill(reflect.ValueOf(&full).Elem().Field(i), i)
		if kind.Field(i).Name == "Offset" || kind.Field(i).Name == "Length" {
			one.Replayed = true // then no record has to be there
		}
		all = append(all, one)
	}
	drawn := engine.Result{Campaign: 1, At: engine.Location{Index: 77, Ordinal: 3}, Records: 1, Offset: 0, Length: 5}
	return append(all, full, drawn)
}

func TestOutcomesTravel(t *testing.T) {
	b := engine.Batch{Index: 77, Time: 1_794_355_200_123, Results: everyResult(), Records: []byte("hello")}
	payload := appendOutcome(nil, &b)
	golden(t, "forward-outcome", payload)
	var out engine.Outcome
	if err := parseOutcome(payload, len(b.Results), &out); err != nil {
		t.Fatal(err)
	}
	if out.Index != b.Index || out.Time != b.Time || !bytes.Equal(out.Records, b.Records) {
		t.Errorf("%+v", out)
	}
	for i := range b.Results {
		if out.Results[i] != b.Results[i] {
			t.Errorf("result %d\n%+v\n%+v", i, b.Results[i], out.Results[i])
		}
	}
	for n := range payload {
		if err := parseOutcome(payload[:n], len(b.Results), &out); !errors.Is(err, errOutcome) {
			t.Errorf("%d of %d bytes: %v", n, len(payload), err)
		}
	}
}

func TestOutcomesOfNewerNodesAreNotMisread(t *testing.T) {
	b := engine.Batch{Index: 1, Results: []engine.Result{{}}}
	payload := appendOutcome(nil, &b)
	payload[20+resultBits/8] |= 1 << (resultBits % 8)
	if err := parseOutcome(payload, 1, new(engine.Outcome)); !errors.Is(err, errOutcome) {
		t.Errorf("a bit of a newer drawd: %v", err)
	}
}

func TestSpansOfOutcomesAreChecked(t *testing.T) {
	for what, results := range map[string][]engine.Result{
		"beyond the records": {{Offset: 0, Length: 6}},
		"backwards":          {{Offset: 3, Length: 2}, {Offset: 0, Length: 2}},
		"around":             {{Offset: 1<<32 - 1, Length: 2}},
	} {
		b := engine.Batch{Index: 1, Results: results, Records: []byte("hello")}
		if err := parseOutcome(appendOutcome(nil, &b), len(results), new(engine.Outcome)); !errors.Is(err, errOutcome) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestForwardFramesGolden(t *testing.T) {
	var all []byte
	at := len(all)
	all = append(beginForward(all, forwardCommands, 2, 9), "commands"...)
	endForward(all, at)
	all = appendForwardRefusal(all, 10, &problem.Error{Code: problem.Internal, Undone: true, Detail: "why"})
	all = appendForwardOutcome(all, 11, &engine.Batch{Index: 5, Time: 6, Results: []engine.Result{{Code: problem.Capped, Cap: 1}}})
	golden(t, "forward-frames", all)
	r := newFrameReader(bytes.NewReader(all), 1<<20)
	var kinds []forwardKind
	var numbers []uint64
	for {
		f, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds, numbers = append(kinds, f.kind), append(numbers, f.number)
		if f.kind == forwardRefusal {
			e, err := parseForwardRefusal(f.payload)
			if err != nil || *e != (problem.Error{Code: problem.Internal, Undone: true, Detail: "why"}) {
				t.Error(e, err)
			}
		}
	}
	if !reflect.DeepEqual(kinds, []forwardKind{1, 3, 2}) || !reflect.DeepEqual(numbers, []uint64{9, 10, 11}) {
		t.Error(kinds, numbers)
	}
}

// TestSpoiltForwardFrames: whatever byte is spoilt, the frame is refused.
func TestSpoiltForwardFrames(t *testing.T) {
	frame := append(beginForward(nil, forwardCommands, 1, 9), "commands"...)
	endForward(frame, 0)
	for at := range frame {
		spoilt := bytes.Clone(frame)
		spoilt[at] ^= 0x10
		if f, err := newFrameReader(bytes.NewReader(spoilt), 1<<20).next(); err == nil {
			t.Errorf("byte %d: %+v", at, f)
		}
		if _, err := newFrameReader(bytes.NewReader(frame[:at]), 1<<20).next(); err == nil {
			t.Errorf("%d bytes make a frame", at)
		}
	}
	if _, err := newFrameReader(bytes.NewReader(frame), 7).next(); !errors.Is(err, errForward) {
		t.Error("a payload beyond the bound:", err)
	}
}

// FuzzOutcome: no bytes make the decoder panic, and what it takes can be delivered and encodes to the same results.
func FuzzOutcome(f *testing.F) {
	b := engine.Batch{Index: 77, Time: 1, Results: everyResult(), Records: []byte("hello")}
	f.Add(appendOutcome(nil, &b), len(b.Results))
	f.Fuzz(func(t *testing.T, payload []byte, count int) {
		var out engine.Outcome
		if parseOutcome(payload, count, &out) != nil {
			return
		}
		again := engine.Batch{Index: out.Index, Time: out.Time, Results: out.Results, Records: out.Records}
		var second engine.Outcome
		if err := parseOutcome(appendOutcome(nil, &again), count, &second); err != nil || !reflect.DeepEqual(out.Results, second.Results) {
			t.Fatalf("%v\n%+v\n%+v", err, out.Results, second.Results)
		}
		deliver(&out, 0, count, new(engine.Batch))
	})
}
