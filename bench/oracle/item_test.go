package oracle

import (
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
)

func TestReadItems(t *testing.T) {
	var r Reader
	var it Item
	line := `{"kind":"draw","draw":"dabc","campaign":"flash","version":1,"seq":42,"at":"2026-11-11T02:00:00.123Z","user":"u1","outcome":"win",` +
		`"prize":"phone","natural":"phone","draw_number":3,"word":"00000000000000ff","key_digest":"0102030405060708090a0b0c0d0e0f10","part":0,"times":1,` +
		`"used":[1,2],"stock_after":4,"channel":"h5","index":17,"ordinal":3}`
	if cursor, err := r.Read([]byte(line), &it); err != nil || cursor != "" {
		t.Fatal(cursor, err)
	}
	at := time.Date(2026, 11, 11, 2, 0, 0, 123e6, time.UTC).UnixMilli()
	if it.Kind != "draw" || string(it.Draw) != "dabc" || it.Seq != 42 || it.At != at || !it.Win || string(it.Prize) != "phone" || it.Word != 255 ||
		it.Digest[0] != 1 || it.Digest[15] != 16 || len(it.Used) != 2 || it.Used[1] != 2 || !it.HasStockAfter || it.StockAfter != 4 || it.DrawNumber != 3 ||
		it.Index != 17 || it.Ordinal != 3 || it.Times != 1 || string(it.User) != "u1" || it.Version != 1 || string(it.Natural) != "phone" {
		t.Fatalf("%+v", it)
	}
	if _, err := r.Read([]byte(`{"kind":"adjust","campaign":"flash","seq":43,"at":"2026-11-11T02:00:00.124Z","name":"phone","delta":-2,"index":18,"ordinal":0}`), &it); err != nil {
		t.Fatal(err)
	}
	if it.Kind != "adjust" || string(it.Name) != "phone" || it.Delta != -2 || it.At != at+1 || it.Win || it.HasStockAfter {
		t.Fatalf("%+v", it)
	}
	if cursor, err := r.Read([]byte(`{"next_cursor":"abc"}`), &it); err != nil || cursor != "abc" {
		t.Fatal(cursor, err)
	}
	for _, bad := range []string{
		`{`, `{"kind":"draw"}`,
		`{"kind":"draw","at":"2026-11-11T02:00:00Z","outcome":"maybe"}`,
		`{"kind":"draw","at":"2026-11-11T02:00:00Z","outcome":"miss","key_digest":"01","word":"00000000000000ff"}`,
		`{"kind":"draw","at":"2026-11-11T02:00:00Z","outcome":"miss","key_digest":"0102030405060708090a0b0c0d0e0f10","word":"xx"}`,
		`{"kind":"publish","at":"yesterday"}`,
	} {
		if _, err := r.Read([]byte(bad), &it); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestCalendarWindows(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	cal := calendar{zone: zone}
	same := func(kind engine.WindowKind, a, b time.Time) bool {
		return cal.number(kind, a.UnixMilli()) == cal.number(kind, b.UnixMilli())
	}
	date := func(y int, m time.Month, d, h, min int) time.Time { return time.Date(y, m, d, h, min, 0, 0, zone) }
	for _, row := range []struct {
		name string
		kind engine.WindowKind
		a, b time.Time
		want bool
	}{
		{"one day", engine.WindowDay, date(2026, 3, 8, 0, 0), date(2026, 3, 8, 23, 59), true}, // 23 hours long
		{"midnight", engine.WindowDay, date(2026, 3, 8, 23, 59), date(2026, 3, 9, 0, 0), false},
		{"the hour that comes twice", engine.WindowHour, date(2026, 11, 1, 1, 30), date(2026, 11, 1, 1, 30).Add(time.Hour), true},
		{"hours", engine.WindowHour, date(2026, 5, 1, 1, 59), date(2026, 5, 1, 2, 0), false},
		{"Monday to Sunday", engine.WindowWeek, date(2026, 5, 4, 0, 0), date(2026, 5, 10, 23, 0), true},
		{"Sunday to Monday", engine.WindowWeek, date(2026, 5, 10, 23, 0), date(2026, 5, 11, 0, 0), false},
		{"month", engine.WindowMonth, date(2026, 5, 1, 0, 0), date(2026, 5, 31, 23, 0), true},
		{"same month of another year", engine.WindowMonth, date(2026, 5, 1, 0, 0), date(2027, 5, 1, 0, 0), false},
		{"campaign", engine.WindowCampaign, date(2026, 5, 1, 0, 0), date(2029, 5, 1, 0, 0), true},
	} {
		if got := same(row.kind, row.a, row.b); got != row.want {
			t.Errorf("%s: same window %v", row.name, got)
		}
	}
}

func TestFatigue(t *testing.T) {
	cal := calendar{zone: time.UTC}
	roll := newFatigue(Cap{Window: engine.Window{Kind: engine.WindowRolling, Duration: 1000}})
	for _, at := range []int64{10, 500, 900} {
		roll.add(3, at, &cal)
	}
	for at, want := range map[int64]uint32{950: 3, 1009: 3, 1010: 2, 1499: 2, 1500: 1, 1900: 0} {
		check := newFatigue(roll.cap)
		check.rolling[3] = append([]int64(nil), roll.rolling[3]...)
		if got := check.used(3, at, &cal); got != want {
			t.Errorf("rolling at %d: %d, want %d", at, got, want)
		}
	}
	cool := newFatigue(Cap{Window: engine.Window{Kind: engine.WindowCooldown, Duration: 1000}})
	if cool.used(0, 5, &cal) != 0 {
		t.Error("a cooldown begins used")
	}
	cool.add(0, 5, &cal)
	if cool.used(0, 1004, &cal) != 1 || cool.used(0, 1005, &cal) != 0 || cool.used(1, 6, &cal) != 0 {
		t.Error("cooldown")
	}
}
