package bench

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/engine"
)

type faultOf = oracle.Fault

func TestScanDraw(t *testing.T) {
	id := "d" + strings.Repeat("a", 26)
	for _, row := range []struct {
		name, body string
		want       scanned
		bad        bool
	}{
		{"win", `{"draw":"` + id + `","campaign":"c","user":"u","seq":42,"at":"x","outcome":"win","prize":{"id":"phone","title":{"en":"\"seq\":1"}}}`,
			scanned{[]byte(id), 42, true, []byte("phone")}, false},
		{"miss", `{"draw":"` + id + `","seq":7,"outcome":"miss"}`, scanned{[]byte(id), 7, false, nil}, false},
		{"no id", `{"seq":7,"outcome":"miss"}`, scanned{}, true},
		{"short id", `{"draw":"dabc","seq":7,"outcome":"miss"}`, scanned{}, true},
		{"no seq", `{"draw":"` + id + `","outcome":"miss"}`, scanned{}, true},
		{"seq 0", `{"draw":"` + id + `","seq":0,"outcome":"miss"}`, scanned{}, true},
		{"odd outcome", `{"draw":"` + id + `","seq":1,"outcome":"maybe"}`, scanned{}, true},
		{"win of nothing", `{"draw":"` + id + `","seq":1,"outcome":"win"}`, scanned{}, true},
	} {
		got, err := scanDraw([]byte(row.body))
		if (err != nil) != row.bad || err == nil && (string(got.id) != string(row.want.id) || got.seq != row.want.seq || got.win != row.want.win || string(got.prize) != string(row.want.prize)) {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}

func TestDrawTemplateIsAValidRequest(t *testing.T) {
	tmpl := newDrawTemplate("127.0.0.1:1", "dk_x", "flash")
	for _, again := range []bool{false, true} {
		text := string(tmpl.appendTo([]byte("before"), 1234567, 89, again))
		head, body, _ := strings.Cut(strings.TrimPrefix(text, "before"), "\r\n\r\n")
		if body != `{"user":"u00000089"}` || !strings.Contains(head, fmt.Sprintf("Content-Length: %d", len(body))) ||
			!strings.Contains(head, "Idempotency-Key: "+tmpl.key(1234567)) || !strings.HasSuffix(tmpl.key(1234567), "-01234567") ||
			strings.Contains(head, "Drawd-Retry: 1\r\n") != again || !strings.Contains(head, "Authorization: Bearer dk_x\r\n") {
			t.Errorf("again %v: %q", again, text)
		}
	}
	if got := string(appendUser(nil, 89)); got != "u00000089" {
		t.Error(got)
	}
}

func TestBatchLayouts(t *testing.T) {
	w := newBatchLoad("h", "flash", 3, 0, true)
	_, body, _ := strings.Cut(string(w.AppendRequest(nil, 0, false)), "\r\n\r\n")
	b := []byte(body)
	if string(b[:4]) != "drwb" || b[4] != 1 || b[5] != 1 || binary.LittleEndian.Uint16(b[6:]) != 3 || int(binary.LittleEndian.Uint32(b[8:])) != len(b)-16 {
		t.Fatalf("header % x", b[:16])
	}
	if string(b[16:23]) != "\x01\x05flash" {
		t.Fatalf("campaigns % x", b[16:23])
	}
	keys := map[string]bool{}
	for rest, i := b[23:], 0; len(rest) > 0; i++ {
		item := rest[2 : 2+binary.LittleEndian.Uint16(rest)]
		rest = rest[2+len(item):]
		user, key := string(item[3:12]), string(item[13:])
		if item[0] != 0 || item[1] != 0 || item[2] != 9 || int(item[12]) != len(key) || user != fmt.Sprintf("u%08d", i) || keys[key] || len(key) > 64 {
			t.Fatalf("item %d: % x", i, item)
		}
		keys[key] = true
	}
	if len(keys) != 3 {
		t.Fatalf("%d items", len(keys))
	}

	j := newBatchLoad("h", "flash", 3, 0, false)
	j.sent = 123_456_789_012 // beyond what eight digits hold
	_, body, _ = strings.Cut(string(j.AppendRequest(nil, 0, false)), "\r\n\r\n")
	var parsed struct {
		Draws []struct{ Campaign, User, Key string }
	}
	if err := json.Unmarshal([]byte(body), &parsed); err != nil || len(parsed.Draws) != 3 {
		t.Fatalf("%v: %s", err, body)
	}
	if d := parsed.Draws[2]; d.Campaign != "flash" || !strings.HasSuffix(d.Key, "123456789014") {
		t.Fatalf("%+v", d)
	}
}

func TestPatientBatchesAskForTheSameDrawsAgain(t *testing.T) {
	b := newBatchLoad("h", "flash", 2, 0, false)
	b.patient = true
	first := string(b.AppendRequest(nil, 0, false))
	second := string(b.AppendRequest(nil, 1, false))
	if again := string(b.AppendRequest(nil, 0, true)); again != first || again == second {
		t.Fatalf("%q then %q", first, again)
	}
}

func TestCrowd(t *testing.T) {
	c := planCrowd(50_000, 4*time.Second, 6*time.Second, 2_000, 9)
	if d := planCrowd(50_000, 4*time.Second, 6*time.Second, 2_000, 9); fmt.Sprint(d.due[:100], d.user[:100]) != fmt.Sprint(c.due[:100], c.user[:100]) {
		t.Error("the same seed makes another crowd")
	}
	seen := map[uint32]bool{}
	for i := range c.due {
		if i > 0 && c.due[i] < c.due[i-1] {
			t.Fatalf("arrival %d goes back", i)
		}
		switch {
		case i < 50_000 && (c.due[i] > 4*time.Second || seen[c.user[i]]):
			t.Fatalf("arrival %d: user %d at %v", i, c.user[i], c.due[i])
		case i >= 50_000 && (c.due[i] < 4*time.Second || c.due[i] >= 6*time.Second || c.user[i] >= 50_000):
			t.Fatalf("late arrival %d: user %d at %v", i, c.user[i], c.due[i])
		}
		seen[c.user[i]] = true
	}
	if late := len(c.due) - 50_000; late < 3_700 || late > 4_300 { // 4000 ± 4.7 sigma
		t.Errorf("%d late arrivals", late)
	}
	// The busiest tenth of a second is the first one, and as busy as the formula says.
	first := 0
	for _, d := range c.due {
		if d < 100*time.Millisecond {
			first++
		}
	}
	if got := float64(first) * 10; math.Abs(got-c.peak) > 0.06*c.peak {
		t.Errorf("%.0f arrivals a second at first, the plan says %.0f", got, c.peak)
	}
}

func TestCrowdIsStretchedToWhatTheGeneratorCanSend(t *testing.T) {
	peakOf := func(users int, over time.Duration) float64 { return crowdPeak * float64(users) / over.Seconds() }
	if over, stretched := fitCrowd(100_000, time.Second, 10*time.Second, 50_000); !stretched || peakOf(100_000, over) > 0.6001*50_000 {
		t.Errorf("asked for too much: %v %v", over, stretched)
	}
	if over, stretched := fitCrowd(10_000, time.Second, 10*time.Second, 50_000); stretched || over != time.Second {
		t.Errorf("asked for little: %v %v", over, stretched)
	}
	if over, _ := fitCrowd(10_000, 0, 10*time.Second, 50_000); peakOf(10_000, over) > 0.4001*50_000 {
		t.Errorf("by default: %v", over)
	}
	if over, _ := fitCrowd(1_000_000, 0, 30*time.Second, 120_000); over > 27*time.Second || peakOf(1_000_000, over) > 0.6*120_000 {
		t.Errorf("a million in half a minute: %v", over)
	}
}

func TestKillMomentsAreInTheCrowd(t *testing.T) {
	at := killMoments(50, 10*time.Second, 3)
	for i, m := range at {
		if m < 200*time.Millisecond || m > 10*time.Second || i > 0 && m < at[i-1] {
			t.Fatalf("moment %d: %v", i, m)
		}
	}
	if other := killMoments(50, 10*time.Second, 4); fmt.Sprint(other) == fmt.Sprint(at) {
		t.Error("the seed does not matter")
	}
}

func TestBuiltInCampaignsAreWhatTheyClaim(t *testing.T) {
	now := time.Date(2026, 11, 11, 0, 0, 0, 0, time.UTC)
	f := flashCampaign(1000, 200_000, now)
	weights := 0
	for _, p := range f.Prizes {
		weights += p.Weight
		// Sold out after so many draws by expectation, none later than the whole.
		if soldOut := float64(p.Stock.(int)) / float64(p.Weight) * 1e6; soldOut > 200_001 && p.Stock.(int) > 1 {
			t.Errorf("%s lasts for %.0f draws", p.ID, soldOut)
		}
	}
	if weights >= f.Denominator {
		t.Errorf("weights sum up to %d", weights)
	}
	if _, err := f.encode(); err != nil {
		t.Error(err)
	}
	if a, b := newCampaign("x", 1, now), newCampaign("x", 1, now); a.Campaign == b.Campaign {
		t.Error("two campaigns have one name")
	}
}

func TestSellOut(t *testing.T) {
	for _, row := range []struct{ users, arrivals, needed, want int }{
		{1_000_000, 1_100_000, 100_000, 800_000}, {100_000, 146_000, 100_000, 125_000}, {100_000, 104_000, 100_000, 208_000}, {10, 20, 100, 40},
	} {
		if got := sellOutAfter(row.users, row.arrivals, row.needed); got != row.want {
			t.Errorf("%+v: %d", row, got)
		}
	}
}

func TestLongestInHistogram(t *testing.T) {
	text := `x_bucket{vmrange="1.000e-04...1.136e-04"} 3
pause_bucket{vmrange="8.799e-05...1.000e-04"} 2
pause_bucket{vmrange="1.000e-03...1.136e-03"} 1
pause_bucket{vmrange="1.000e-01...1.136e-01"} 0
pause_sum 0.002
pause_count 3
`
	if longest, n := longestInHistogram(text, "pause"); longest != 1.136e-3 || n != 3 {
		t.Errorf("%g of %d", longest, n)
	}
	if _, n := longestInHistogram(text, "other"); n != 0 {
		t.Errorf("%d observations of nothing", n)
	}
}

func TestText(t *testing.T) {
	for us, want := range map[int64]string{7: "7 µs", 999: "999 µs", 1000: "1.00 ms", 12_340: "12.3 ms", 123_400: "123 ms", 2_500_000: "2.50 s"} {
		if got := microsText(us); got != want {
			t.Errorf("%d µs: %q", us, got)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	var b strings.Builder
	g := &grid{}
	g.row("what", "p50")
	g.row("µs", "12 µs")
	if err := g.write(&b); err != nil || b.String() != "  what    p50\n  µs    12 µs\n" {
		t.Errorf("%q", b.String())
	}
	if q := quantile([]int64{1, 2, 3, 4}, 0.5); q != 2 {
		t.Error(q)
	}
	if m := medianOf([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Error(m)
	}
}

func TestValidateReportsEveryFault(t *testing.T) {
	compile := func([]byte) (*engine.Version, error) { return nil, nil }
	err := (&FlashOptions{Users: -1, Kill9: 2, Over: time.Minute, Duration: time.Second}).Validate()
	for _, says := range []string{"Compile", "Self", "Kill9 needs Self", "Users is -1", "Over"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not in %v", says, err)
		}
	}
	for _, good := range []interface{ Validate() error }{
		&FlashOptions{DrawOptions: DrawOptions{Self: true, Compile: compile}}, &FlashOptions{DrawOptions: DrawOptions{URL: "http://a:1", AdminURL: "http://a:2", Compile: compile}},
		&CalibrateOptions{}, &FiguresOptions{Compile: compile, Only: []string{"P1", "P9"}}, &CrashLoopOptions{Compile: compile}, &EmptyOptions{},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%T: %v", good, err)
		}
	}
	for _, bad := range []interface{ Validate() error }{
		&CalibrateOptions{Seconds: -1}, &FiguresOptions{Compile: compile, Only: []string{"P99"}}, &FiguresOptions{},
		&CrashLoopOptions{Compile: compile, MinLoad: 2, MaxLoad: 1}, &EmptyOptions{Body: -1},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestHostOf(t *testing.T) {
	if host, secret, err := hostOf("http://127.0.0.1:7070"); err != nil || host != "127.0.0.1:7070" || secret {
		t.Error(host, secret, err)
	}
	if host, secret, err := hostOf("https://draws.example:443/"); err != nil || host != "draws.example:443" || !secret {
		t.Error(host, secret, err)
	}
	for _, bad := range []string{"ftp://127.0.0.1:7070", "127.0.0.1:7070", "http://127.0.0.1", "http://", "https://:443"} {
		if _, _, err := hostOf(bad); err == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
