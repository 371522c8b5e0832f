package runfile

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

func TestFileGoesThereAndBack(t *testing.T) {
	r := sampleRun()
	r.StartedAt = time.Date(2026, 11, 11, 2, 0, 0, 0, time.UTC)
	r.Verdict.FaultCounts = nil
	r.Close()
	name := filepath.Join(t.TempDir(), "run.json")
	if err := r.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	back, err := ReadFile(name)
	if err != nil || !reflect.DeepEqual(r, back) {
		t.Fatalf("%v\n%+v\n%+v", err, r, back)
	}
}

func TestReadRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, row := range []struct{ text, says string }{
		{`{"schema_version":2}`, "schema_version is 2"}, {`{"scenario":"flash"}`, "schema_version is 0"}, {`{"schema_version":1,"speed":9}`, "speed"},
		{`{"schema_version":1} {}`, "no run document"}, {`nothing`, "no run document"},
	} {
		if _, err := Read(strings.NewReader(row.text)); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.text, err)
		}
	}
}

func TestMergeAddsCounts(t *testing.T) {
	a, b := hdr.New(1, 60_000_000, 3), hdr.New(1, 60_000_000, 3)
	for range 99 {
		_ = a.RecordValue(100)
	}
	_ = b.RecordValue(50_000)
	p, q := PercentilesOf(a), PercentilesOf(b)
	sum, err := Merge(&p, &q, &Percentiles{})
	if err != nil || sum.Count != 100 || sum.P50 != 100 || sum.P99 != 100 || sum.P999 < 49_900 || sum.Max < 50_000 {
		t.Fatalf("%v %+v", err, sum)
	}
	if _, err := Merge(&Percentiles{Count: 1}); err == nil {
		t.Error("a histogram that was not kept is merged")
	}
}

func TestHLogIsReadByItsOwnReader(t *testing.T) {
	var b bytes.Buffer
	start := time.Date(2026, 11, 11, 2, 0, 0, 250_000_000, time.UTC)
	l, err := NewHLog(&b, start)
	if err != nil {
		t.Fatal(err)
	}
	for second := range 3 {
		h := hdr.New(1, 60_000_000, 3)
		_ = h.RecordValues(int64(1000*(second+1)), 7)
		if err := l.Interval("latency", time.Duration(second)*time.Second, time.Second, h); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	reader := hdr.NewHistogramLogReader(&b)
	for second := range 3 {
		h, err := reader.NextIntervalHistogram()
		if err != nil || h == nil || h.TotalCount() != 7 || h.Tag() != "latency" || h.ValueAtQuantile(50)/1000 != int64(second+1) {
			t.Fatalf("second %d: %v %+v", second, err, h)
		}
	}
}
