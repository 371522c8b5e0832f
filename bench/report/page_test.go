package report

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/drawd/drawd/bench/runfile"
)

func sample() *runfile.Run {
	h := hdr.New(1, 60_000_000, 3)
	for us := range int64(5000) {
		_ = h.RecordValue(us + 1)
	}
	r := &runfile.Run{
		Scenario: "flash", StartedAt: time.Date(2026, 11, 11, 2, 0, 0, 0, time.UTC), WallSeconds: 2,
		Options: []runfile.Option{{Name: "campaign", Value: `</script><script>alert("x")</script>`}},
		Environment: runfile.Environment{Commit: "abc", Go: "go1.26", Cores: 2, CPU: "x", Nodes: 1, Target: "http", Durability: "fsync", SharedMachine: true,
			Fsync: []runfile.Fsync{{Bytes: 4096, Count: 9, P50: 100, P99: 2000, Max: 3000}}},
		Verdict:      &runfile.Verdict{Status: runfile.Broken, Draws: 5000, Faults: []runfile.Fault{{Rule: "stock", Detail: "prize phone: oversold by 2"}}, FaultCounts: map[string]int{"stock": 1}},
		Latency:      []runfile.Latency{{Name: "logged_due", Title: "logged, from due", Percentiles: runfile.PercentilesOf(h)}},
		Rates:        []runfile.Rate{{Name: "logged", Mean: 2500, Peak: 3000}},
		Prizes:       []runfile.Prize{{ID: "phone", Total: 5, Wins: 7, Taken: 7, Issued: 7, Oversold: 2}, {ID: "coupon", Total: -1}},
		Series:       []runfile.Second{{At: 0, Offered: 3000, Left: []int64{1, -1}}, {At: 1, Offered: 2000, Left: []int64{-2, -1}}},
		Expectations: []runfile.Expectation{{Expression: "p99<1ms", Value: 4950, Limit: 1000, Unit: "us"}},
		Restarts:     []runfile.Restart{{AtSeconds: 1.5, GapSeconds: 0.2}},
		Figures:      []runfile.Figure{{ID: "P1", Name: "rate", Goal: "≥ 1", Measures: []runfile.Measure{runfile.NewMeasure("rate", "per_second", runfile.Higher, []float64{1234567})}}},
	}
	r.Close()
	return r
}

func pageOf(t *testing.T, r *runfile.Run) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageSaysWhatMatters(t *testing.T) {
	text := pageOf(t, sample())
	for _, says := range []string{
		"drawd was wrong", `<span class="badge wrong">`, "prize phone: oversold by 2", "<div class=\"value\">2,500</div>", "p99.9 5 ms", "p99&lt;1ms", "4.95 ms", "NO</td>",
		"unlimited", "1,234,567/s", "fsync of 4 KiB p50 100 µs p99 2 ms", "the load generator took part", "Permission is hereby granted",
	} {
		if !strings.Contains(text, says) {
			t.Errorf("%q is not on the page", says)
		}
	}
}

// What stands in the document cannot become part of the page, and the document can be taken out whole.
func TestDocumentIsOnThePageWordForWord(t *testing.T) {
	r := sample()
	text := pageOf(t, r)
	if strings.Contains(text, `alert("x")</script>`) {
		t.Error("an option ends the script element that it stands in")
	}
	_, rest, _ := strings.Cut(text, `id="run">`)
	body, _, _ := strings.Cut(rest, "</script>")
	back, err := runfile.Read(strings.NewReader(body))
	if err != nil || back.Options[0].Value != r.Options[0].Value || back.Result != runfile.Wrong {
		t.Fatalf("%v: %+v", err, back)
	}
	_, rest, _ = strings.Cut(text, `id="curves">`)
	body, _, _ = strings.Cut(rest, "</script>")
	var curves []curve
	if err := json.Unmarshal([]byte(body), &curves); err != nil || len(curves) != 1 || len(curves[0].Points) < 80 {
		t.Fatalf("%v: %+v", err, curves)
	}
	last := 0.0
	for _, p := range curves[0].Points {
		if p[1] < last || p[0] > 5000 {
			t.Fatalf("the curve goes back, or beyond its count: %v", curves[0].Points)
		}
		last = p[1]
	}
}

// A page that asks the network for something tells others that it is read, and fails where there is none.
func TestPageAsksForNothing(t *testing.T) {
	text := pageOf(t, sample())
	for _, call := range []string{`src\s*=`, `<link`, `@import`, `url\(`, `href\s*=\s*"[^#]`, `fetch\(`, `XMLHttpRequest`, `WebSocket`, `EventSource`, `import\(`, `sendBeacon`} {
		if at := regexp.MustCompile(call).FindStringIndex(text); at != nil {
			t.Errorf("%s: … %.80s …", call, text[max(0, at[0]-20):])
		}
	}
	if !strings.Contains(text, `content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'`) {
		t.Error("no content security policy forbids requests")
	}
}

func TestPageOfFiguresAlone(t *testing.T) {
	r := &runfile.Run{Scenario: "figures", Options: []runfile.Option{}, Figures: []runfile.Figure{{ID: "P2", Name: "n", Note: "not installed"}}, Invalid: []string{"too busy"}}
	r.Close()
	text := pageOf(t, r)
	if !strings.Contains(text, "INVALID: too busy") || !strings.Contains(text, "not installed") || strings.Contains(text, "Verdict:") {
		t.Error(text[strings.Index(text, "<body>"):][:1500])
	}
	if _, err := curves(&runfile.Run{Latency: []runfile.Latency{{Name: "x", Percentiles: runfile.Percentiles{Count: 1, HDR: "nonsense"}}}}); err == nil {
		t.Error("a broken histogram passes")
	}
}
