package bench

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

func secondOf(loop, at int, due uint64, micros ...int64) load.Second {
	h := load.NewHistogram()
	for _, us := range micros {
		_ = h.RecordValue(us)
	}
	s := load.Second{Loop: loop, At: at, Due: due, Sent: due, Busy: 0.1 * float64(loop+1), Waiting: 1, Histogram: h, Length: time.Second}
	s.Answered[load.Decided] = uint64(len(micros))
	return s
}

func TestDiaryMergesLoops(t *testing.T) {
	rules := &oracle.Rules{Prizes: []oracle.Prize{{ID: "phone", Stock: 5, Units: 1}, {ID: "pack", Stock: 100, Units: 3}, {ID: "coupon", Stock: -1, Units: 1}}}
	var told []int
	d := newDiary(2, rules, func(r *runfile.Second) { told = append(told, r.At) })
	d.begun = time.Date(2026, 11, 11, 2, 0, 0, 0, time.UTC)
	var a, b tally
	a = tally{logged: 3, won: 2, byPrize: []uint64{1, 1, 0}}
	d.tell(secondOf(0, 0, 10, 100, 100, 100), a)
	// The first loop is a second ahead: its row waits for the other.
	a = tally{logged: 4, won: 3, denied: 1, byPrize: []uint64{1, 1, 1}}
	d.tell(secondOf(0, 1, 4, 500), a)
	if d.advance(); len(told) != 0 {
		t.Fatalf("seconds %v are closed, but one loop has told of none", told)
	}
	b = tally{logged: 1, won: 1, errors: 2, refused: 7, byPrize: []uint64{0, 1, 0}}
	d.tell(secondOf(1, 0, 6, 9000), b)
	if d.advance(); !reflect.DeepEqual(told, []int{0}) {
		t.Fatalf("closed are %v", told)
	}
	b = tally{logged: 2, won: 2, errors: 2, refused: 7, byPrize: []uint64{7, 1, 0}}
	d.tell(secondOf(1, 2, 1), b) // it slept through second 1
	d.stop()
	if !reflect.DeepEqual(told, []int{0, 1, 2}) || len(d.rows) != 3 {
		t.Fatalf("told of %v, rows %+v", told, d.rows)
	}
	first := d.rows[0]
	if first.Offered != 16 || first.Answered != 4 || first.Logged != 4 || first.Won != 3 || first.Errors != 2 || first.Refused != 7 || first.P50 != 100 ||
		first.Max < 8990 || first.Busy != 0.2 || first.Waiting != 2 || !reflect.DeepEqual(first.Left, []int64{4, 94, -1}) {
		t.Errorf("second 0: %+v", first)
	}
	if r := d.rows[1]; r.Logged != 1 || r.Won != 1 || r.Denied != 1 || r.Errors != 0 || r.P99 != 500 || !reflect.DeepEqual(r.Left, []int64{4, 94, -1}) {
		t.Errorf("second 1: %+v", r)
	}
	// Seven more phones of the four that were left: the row does not hide it.
	if r := d.rows[2]; !reflect.DeepEqual(r.Left, []int64{-3, 94, -1}) || r.P50 != 0 {
		t.Errorf("second 2: %+v", r)
	}
	text, err := d.histograms()
	if err != nil {
		t.Fatal(err)
	}
	reader := hdr.NewHistogramLogReader(bytes.NewReader(text))
	for _, want := range []int64{4, 1, 0} {
		h, err := reader.NextIntervalHistogram()
		if err != nil || h == nil || h.TotalCount() != want {
			t.Fatalf("interval of %d values: %v %v", want, h, err)
		}
	}
}
