package render

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

var update = flag.Bool("update", false, "write the golden files of renderers that are new; never of released ones")

// plainIDs makes ids that a person can read.
type plainIDs struct{}

func (plainIDs) AppendID(dst []byte, kind engine.IDKind, l engine.Location) []byte {
	return fmt.Appendf(dst, "%c%020dn%05d", kind, l.Index, l.Ordinal)
}

func wheel() *engine.Version {
	return &engine.Version{
		Campaign: "wheel", Number: 3, TimeZone: "Asia/Shanghai", StartsAt: 1794326400000, EndsAt: 1794412800000,
		Title: []byte(`{"en":"Wheel","zh":"转盘"}`), Denominator: 987654321, Hash: [32]byte{0xab, 1}, Salt: [16]byte{9},
		Caps: []engine.Cap{
			{ID: "day", Counts: engine.CountDraws, Window: engine.Window{Kind: engine.WindowDay}, Limit: 3, Prize: -1},
			{ID: "device", Counts: engine.CountDraws, Scope: engine.ScopeDevice, Window: engine.Window{Kind: engine.WindowRolling, Duration: 60000}, Limit: 5, Prize: -1},
			{ID: "phones", Counts: engine.CountWins, Limit: 1, Prize: 0},
			{ID: "secrets", Counts: engine.CountWins, Limit: 1, Prize: 3},
		},
		Prizes: []engine.Prize{
			{ID: "phone", Kind: engine.KindPhysical, Weight: 50, Stock: 5, Units: 1, Unavailable: engine.OnFallback, Fallback: 2, Slot: 0, Title: []byte(`{"en":"Phone"}`)},
			{ID: "packet", Kind: engine.KindCash, Weight: 1000, Stock: 9, Units: 1, Amount: 188, Fallback: -1, Slot: -1},
			{ID: "thanks", Kind: engine.KindThanks, Weight: 5000, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: 7},
			{ID: "secret", Kind: engine.KindVirtual, Weight: 77, Stock: 4242, Units: 1, Fallback: -1, Slot: 2, Unlisted: true},
		},
	}
}

func miss() engine.Record {
	return engine.Record{
		Kind: engine.RecordDraw, Renderer: 1, Campaign: 1, Version: 3, Seq: 42, At: 1794327723123,
		User: []byte("u1"), Digest: engine.Key{1, 2, 0xfe}, DrawNumber: 2, Word: 0xdeadbeef,
		Natural: engine.NoPrize, Prize: engine.NoPrize, Times: 1, Used: []uint32{2, 0, 7},
		StockAfter: engine.Unlimited,
	}
}

func with(f func(*engine.Record)) engine.Record {
	r := miss()
	f(&r)
	return r
}

var draws = []struct {
	name   string
	record engine.Record
}{
	{"miss", miss()},
	{"win", with(func(r *engine.Record) { r.Natural, r.Prize, r.StockAfter = 0, 0, 4 })},
	{"win-amount", with(func(r *engine.Record) { r.Natural, r.Prize, r.StockAfter = 1, 1, 0 })},
	{"win-split", with(func(r *engine.Record) {
		r.Natural, r.Prize, r.StockAfter = 1, 1, 0
		r.AmountPaid = engine.AmountPaid{Amount: 12345, AmountLeast: 1, AmountMost: 65536}
	})},
	{"win-fallback", with(func(r *engine.Record) { r.Natural, r.Prize, r.Cause, r.StockAfter = 0, 3, engine.CauseSoldOut, 9 })},
	{"thanks", with(func(r *engine.Record) { r.Natural = 2 })},
	{"thanks-by-fallback", with(func(r *engine.Record) { r.Natural, r.Cause = 0, engine.CauseSoldOut })},
	{"listed", with(func(r *engine.Record) { r.Listed, r.Times, r.Part, r.Channel = true, 10, 9, []byte("h5") })},
	{"long", with(func(r *engine.Record) {
		r.User, r.Seq, r.At = bytes.Repeat([]byte("u~"), 64), 1<<48-2, 253402300799999
		r.Used = []uint32{4294967295, 1, 0}
	})},
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	want, err := os.ReadFile(path)
	if os.IsNotExist(err) && *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: renderers are append-only\n got %s\nwant %s", name, got, want)
	}
}

// Renderer 1, every form, byte for byte.
func TestRenderer1(t *testing.T) {
	for _, d := range draws {
		s := subdraw{plainIDs{}, "wheel", wheel(), &d.record, engine.Location{Index: 17, Ordinal: 3}, false, false}
		text := renderers[1].json(nil, &s)
		if !json.Valid(text) {
			t.Errorf("%s: not JSON: %s", d.name, text)
		}
		golden(t, "draw1-"+d.name+".json", append(text, '\n'))
		golden(t, "draw1-"+d.name+".hex", []byte(hex.Dump(renderers[1].binary(nil, &s))))
		golden(t, "draw1-"+d.name+".resp", renderers[1].resp(nil, &s))
	}
}

// The kinds of records other than draws, and a draw, as items of the feed.
func TestFeedItems(t *testing.T) {
	var out []byte
	at := engine.Location{Index: 17, Ordinal: 3}
	for _, d := range draws {
		out = append(AppendFeedItem(out, plainIDs{}, "wheel", wheel(), at, &d.record), '\n')
	}
	change := engine.Record{Campaign: 1, Version: 3, Seq: 43, At: 1794327723123, Name: []byte("phone"), Actor: []byte("ops@\x00\xff"), Reason: []byte("more \"<b>\" \u2028\n"), Delta: -5}
	for k := engine.RecordAdjust; k <= engine.RecordFence; k++ {
		change.Kind = k
		out = append(AppendFeedItem(out, plainIDs{}, "wheel", nil, at, &change), '\n')
	}
	gone := engine.Record{Kind: engine.RecordDocument, At: 5, Name: []byte("key/1"), Delta: 9, Flags: 1}
	out = append(AppendFeedItem(out, plainIDs{}, "", nil, at, &gone), '\n')
	for line := range bytes.Lines(out) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
	golden(t, "feed.ndjson", out)
}

func TestProblems(t *testing.T) {
	var out []byte
	for _, p := range []Problem{
		{Code: problem.NotStarted, StartsAt: 1794326400000, Now: 1794326399000},
		{Code: problem.Capped, Cap: "ns/day", Used: 3, Limit: 3, ResetsAt: 1794412800000, Allowed: 1},
		{Code: problem.Capped, Cap: "life", Used: 1, Limit: 1},
		{Code: problem.NoChances, Allowed: 2},
		{Code: problem.UnknownOutcome},
		{Code: problem.Internal, Detail: "a\tb"},
		{Code: problem.InvalidField, Errors: []FieldError{{Pointer: "/times", Code: "range", Message: "It must be 1 to 10."}, {Pointer: "/caps/0", Code: "unknown", Message: "No.", Line: 4, Column: 7}}},
	} {
		p.RequestID = []byte("r00000000000000000000000000")
		out = append(AppendProblem(out, &p), '\n')
		out = fmt.Appendf(out, "%x\n", AppendProblemBinary(nil, &p))
	}
	golden(t, "problems.txt", out)
}

// Every code renders as a document with the members of RFC 9457 and of the API.
func TestEveryProblem(t *testing.T) {
	for _, code := range problem.Codes() {
		p := Problem{Code: code, RequestID: []byte("r1")}
		var doc map[string]any
		if err := json.Unmarshal(AppendProblem(nil, &p), &doc); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		for _, member := range []string{"type", "title", "status", "detail", "code", "effect", "retryable", "request_id"} {
			if doc[member] == nil {
				t.Errorf("%s: no %q", code, member)
			}
		}
		if doc["code"] != code.String() || doc["status"] != float64(code.Info().Status) || doc["effect"] != code.Info().Effect.String() {
			t.Errorf("%s: %v", code, doc)
		}
	}
}

func TestStateBodies(t *testing.T) {
	v := wheel()
	page := AppendPage(nil, &Page{Campaign: "wheel", Version: v, Status: engine.StatusRunning, EndsAt: v.EndsAt + 60000, SeedHash: [32]byte{0xcd}})
	for _, secret := range []string{"weight", "denominator", "stock", "release", "77", "4242", "secret\"", "salt", "987654321"} {
		if bytes.Contains(page, []byte(secret)) {
			t.Errorf("the page tells %q: %s", secret, page)
		}
	}
	state := engine.UserState{
		Known: true, Draws: 3, LastDraw: engine.Location{Index: 9}, LastWin: engine.Location{Index: 7, Ordinal: 2},
		Caps:    []engine.CapUse{{ID: "ns/week", Used: 3, Limit: 9, ResetsAt: 1794412800000}, {ID: "wins", Counts: engine.CountWins, Used: 1, Limit: 1}},
		CanDraw: engine.Result{Code: problem.Capped, Used: 1, Limit: 1},
	}
	out := append(page, '\n')
	out = append(AppendUser(out, &User{IDs: plainIDs{}, Campaign: "wheel", User: []byte("u1"), State: &state, Cap: "wins"}), '\n')
	out = append(AppendUser(out, &User{IDs: plainIDs{}, Campaign: "wheel", User: []byte("u2"), State: &engine.UserState{}}), '\n')
	out = append(AppendStock(out, "wheel", 42, []engine.PrizeStock{
		{ID: "phone", Total: 10, Unreleased: 1, Available: 2, Reserved: 1, Held: 1, Issued: 3, Expired: 1, Withdrawn: 1},
		{ID: "thanks", Total: engine.Unlimited, Issued: 77},
	}), '\n')
	for line := range bytes.Lines(out) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
	golden(t, "state.ndjson", out)
}

// AppendTime against the standard library, over the days around every change of month in 400 years and some odd times.
func TestTime(t *testing.T) {
	check := func(ms int64) {
		t.Helper()
		want := `"` + time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") + `"`
		if got := string(AppendTime(nil, engine.UnixMilli(ms))); got != want {
			t.Fatalf("%d: %s, want %s", ms, got, want)
		}
	}
	for year := 1900; year <= 2300; year++ {
		for month := time.January; month <= time.December; month++ {
			first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
			for _, off := range []int64{-86400000, -1, 0, 1, 3599999, 86399999} {
				check(first + off)
			}
		}
	}
	for ms := int64(-1 << 40); ms < 1<<42; ms += 999_999_937_13 {
		check(ms)
	}
	check(253402300799999)
	if got := AppendTime(nil, 1<<62); !json.Valid(got) {
		t.Errorf("an impossible time is not JSON: %s", got)
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\t\r\x00\x1f\x7f", "转盘", "\xff\xfe", "a\xe2\x82", "\U0001F600", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		b := AppendString(nil, s)
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); utf8.ValidString(s) && back != want {
			t.Fatalf("%q became %q", s, back)
		}
		if !bytes.Equal(b, AppendString(nil, []byte(s))) {
			t.Fatal("bytes and strings differ")
		}
	})
}

// clusterOf returns a node of a cluster.
func clusterOf(t *testing.T, cluster byte) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b engine.Batch
	b.AddInit(&engine.Init{IDKey: [16]byte{cluster}, Namespace: engine.NewNamespace{Name: "default"}})
	if err := e.Decide(&b, 1); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRequestID(t *testing.T) {
	s := NewSealer(clusterOf(t, 1), 7)
	f := Facts{Code: problem.Capped, Cap: 0x83, Campaign: engine.MaxCampaigns, User: 0xbeef, Index: 1<<40 - 1, Seconds: 1<<32 - 1}
	id := s.Append([]byte("x"), &f)[1:]
	if len(id) != requestIDBytes || id[0] != 'r' {
		t.Fatalf("%s", id)
	}
	f.Node = 7
	if got, ok := s.Open(id); !ok || got != f {
		t.Fatalf("opened %+v, %v", got, ok)
	}
	for i := range id {
		forged := bytes.Clone(id)
		if forged[i]++; i == len(id)-1 {
			forged[i] = "bcdefghijklmnopqrstuvwxyz234567a"[strings.IndexByte("abcdefghijklmnopqrstuvwxyz234567", id[i])]
		}
		if got, ok := s.Open(forged); ok {
			t.Errorf("byte %d changed and it opens as %+v", i, got)
		}
	}
	if _, ok := NewSealer(clusterOf(t, 2), 7).Open(id); ok {
		t.Error("another cluster opens it")
	}
	if got, ok := NewSealer(clusterOf(t, 1), 8).Open(id); !ok || got != f {
		t.Errorf("another node opens %+v, %v", got, ok)
	}
	a, b := s.Append(nil, &Facts{}), s.Append(nil, &Facts{})
	if bytes.Equal(a, b) {
		t.Error("two refusals without a user share an id")
	}
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst = s.Append(dst[:0], &f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestUndoneIsToldAsNone: where the code leaves open what was done and the refusal knows that nothing was, every form says so.
func TestUndoneIsToldAsNone(t *testing.T) {
	for undone, want := range map[bool]string{false: `"effect":"unknown","retryable":true`, true: `"effect":"none","retryable":false`} {
		p := Problem{Code: problem.Internal, Undone: undone}
		if got := string(AppendProblem(nil, &p)); !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
		b := AppendProblemBinary(nil, &p)
		if none := b[1] == byte(problem.None) && b[2] == 0; none != undone {
			t.Errorf("undone %v: % x", undone, b[:4])
		}
	}
}
