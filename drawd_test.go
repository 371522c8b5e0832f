package drawd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawd/drawd"
	"github.com/drawd/drawd/drawdtest"
	"github.com/drawd/drawd/engine"
)

// wheel has a phone on every fourth place, and a cap.
const wheel = `
campaign: wheel
time_zone: UTC
starts_at: 2026-01-01T00:00:00Z
ends_at: 2026-01-02T00:00:00Z
denominator: 4
caps:
  - {id: three, counts: draws, scope: user, window: campaign, limit: 3}
prizes:
  - {id: phone, kind: physical, weight: 1, stock: 10, slot: 1}
  - {id: thanks, kind: thanks, weight: 3, slot: 0}
`

// sale gives one unit to each draw while there are any.
const sale = `
campaign: sale
time_zone: UTC
starts_at: 2026-01-01T00:00:00Z
ends_at: 2026-01-02T00:00:00Z
denominator: 1
prizes:
  - {id: phone, kind: physical, weight: 1, stock: 500}
`

// bothModes runs a test in memory and on a directory.
func bothModes(t *testing.T, f func(t *testing.T, db *drawdtest.DB)) {
	t.Run("memory", func(t *testing.T) { f(t, drawdtest.Open(t)) })
	t.Run("durable", func(t *testing.T) {
		dir := t.TempDir()
		f(t, drawdtest.Open(t, func(o *drawd.Options) { o.Dir = dir }))
	})
}

func TestDrawReplayAndDenial(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(wheel)
		first := draw(t, c, "u1", "k1")
		if left, ok := first.Remaining("three"); !ok || left != 2 || first.Number != 1 || first.Replayed {
			t.Errorf("%+v", first)
		}
		again := draw(t, c, "u1", "k1")
		if !again.Replayed || again.ID() != first.ID() || again.Won != first.Won || again.Seq != first.Seq {
			t.Errorf("%+v, then %+v", first, again)
		}
		if found, err := c.Find("u1", "k1"); err != nil || found.ID() != first.ID() {
			t.Errorf("%+v, %v", found, err)
		}
		if _, err := c.Find("u1", "k9"); !errors.Is(err, drawd.ErrKeyUnknown) {
			t.Error(err)
		}
		_, err := c.Draw(ctx, drawd.DrawRequest{User: "u1", Key: "k1", Times: 2})
		if !errors.Is(err, drawd.ErrKeyReused) {
			t.Error(err)
		}
		draw(t, c, "u1", "k2")
		draw(t, c, "u1", "k3")
		_, err = c.Draw(ctx, drawd.DrawRequest{User: "u1", Key: "k4"})
		var denied *drawd.Error
		if !errors.Is(err, drawd.ErrCapped) || !errors.As(err, &denied) {
			t.Fatal(err)
		}
		if denied.Cap != "three" || denied.Used != 3 || denied.Limit != 3 || !denied.ResetsAt.IsZero() || denied.Key != "k4" || denied.Effect().String() != "none" {
			t.Errorf("%+v", denied)
		}
		if u, err := c.User("u1"); err != nil || u.Draws != 3 || !errors.Is(u.Denied, drawd.ErrCapped) {
			t.Errorf("%+v, %v", u, err)
		}
		if _, err := c.Abandon(ctx, "u1", "k5"); !errors.Is(err, drawd.ErrKeyAbandoned) {
			t.Error(err)
		}
		if _, err := c.Draw(ctx, drawd.DrawRequest{User: "u1", Key: "k5"}); !errors.Is(err, drawd.ErrKeyAbandoned) {
			t.Error(err)
		}
	})
}

// TestTimesGivesAll draws several at once: all of them are in one outcome, and in its replay.
func TestTimesGivesAll(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		c := db.MustPublish(wheel)
		for range 2 {
			out, err := c.Draw(context.Background(), drawd.DrawRequest{User: "u", Key: "k", Times: 3})
			if err != nil || len(out.Rest) != 2 || out.Rest[1].Number != 3 || out.Rest[0].ID() == out.ID() {
				t.Fatalf("%+v, %v", out, err)
			}
		}
	})
}

func TestSameSeedSameOutcomes(t *testing.T) {
	play := func(db *drawdtest.DB) (s string) {
		c := db.MustPublish(wheel)
		for i := range 20 {
			out := draw(t, c, fmt.Sprint("u", i%10), fmt.Sprint("k", i))
			s += fmt.Sprint(out.Won, out.Slot, out.Landed, " ")
		}
		return s
	}
	memory := play(testDB(t, 1))
	if again := play(testDB(t, 1)); again != memory || !strings.Contains(memory, "true 1phone") || !strings.Contains(memory, "false 0thanks") {
		t.Errorf("%s\n%s", memory, again)
	}
	if other := play(testDB(t, 2)); other == memory {
		t.Error("another seed gives the same draws")
	}
}

func testDB(t *testing.T, seed uint64) *drawdtest.DB {
	return drawdtest.Open(t, func(o *drawd.Options) { o.Entropy = drawdtest.Entropy(seed) })
}

func draw(t testing.TB, c *drawd.Campaign, user, key string) drawd.Outcome {
	t.Helper()
	out, err := c.Draw(context.Background(), drawd.DrawRequest{User: user, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTimeIsTheClocks starts, ends and releases by steps of the clock.
func TestTimeIsTheClocks(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(strings.Replace(wheel, "starts_at: 2026-01-01T00:00:00Z", "starts_at: 2026-01-01T01:00:00Z", 1))
		_, err := c.Draw(ctx, drawd.DrawRequest{User: "u"})
		var e *drawd.Error
		if !errors.As(err, &e) || !errors.Is(err, drawd.ErrNotStarted) || e.ResetsAt.Hour() != 1 {
			t.Fatal(err)
		}
		db.Advance(time.Hour)
		if c.Status() != engine.StatusRunning {
			t.Error(c.Status())
		}
		draw(t, c, "u", "k")
		db.Advance(23 * time.Hour)
		if _, err := c.Draw(ctx, drawd.DrawRequest{User: "u"}); !errors.Is(err, drawd.ErrEnded) {
			t.Error(err)
		}
	})
}

// TestDueComesByItself waits for a session's end without a call: a DB that is not stepped ticks by itself.
func TestDueComesByItself(t *testing.T) {
	clock := drawdtest.NewClock()
	db, err := drawd.Open(drawd.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	file := strings.Replace(wheel, "starts_at: 2026-01-01T00:00:00Z", "starts_at: 2026-01-01T00:00:00.050Z", 1)
	if _, err := db.Publish(context.Background(), []byte(file)); err != nil {
		t.Fatal(err)
	}
	before := db.Now()
	clock.Advance(60 * time.Millisecond)
	for deadline := time.Now().Add(10 * time.Second); db.Now() == before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("log time stood still although the start was due")
		}
	}
}

// TestManyGoroutines sells what there is and no more, and every answer is the answer again.
func TestManyGoroutines(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		c := db.MustPublish(sale)
		var won, sold atomic.Int64
		var all sync.WaitGroup
		for g := range 64 {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range 20 {
					q := drawd.DrawRequest{User: fmt.Sprint("u", g), Key: fmt.Sprint("k", i)}
					out, err := c.Draw(ctx, q)
					switch {
					case errors.Is(err, drawd.ErrExhausted):
						sold.Add(1)
						continue
					case err != nil:
						t.Error(err)
						return
					}
					won.Add(1)
					again, err := c.Draw(ctx, q)
					if err != nil || !again.Replayed || again.ID() != out.ID() {
						t.Errorf("%+v, then %+v, %v", out, again, err)
					}
				}
			}()
		}
		all.Wait()
		if won.Load() != 500 || sold.Load() != 64*20-500 {
			t.Errorf("%d won, %d were told that it is sold out", won.Load(), sold.Load())
		}
		if s := c.Stock()[0]; s.Available != 0 || s.Issued != 500 {
			t.Errorf("%+v", s)
		}
		checkFeed(t, db, 500)
	})
}

// checkFeed reads the records in small pages and wants every draw once, in the order of its seq.
func checkFeed(t *testing.T, db *drawdtest.DB, draws int) {
	t.Helper()
	n, cursor := 0, drawd.Cursor{}
	for {
		page, next, err := db.Records(cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if r.Kind != engine.RecordDraw {
				continue
			}
			if n++; r.Draw.Seq != uint64(n) || r.Draw.User == "" {
				t.Fatalf("record %d: %+v", n, r.Draw)
			}
		}
		if len(page) == 0 {
			break
		}
		if cursor, err = drawd.ParseCursor(next.String()); err != nil {
			t.Fatal(err)
		}
	}
	if n != draws {
		t.Errorf("%d draws in the feed, want %d", n, draws)
	}
}

// TestDurable finds everything again after Close, also under the keys, and nothing is lost.
func TestDurable(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	inDir := func(o *drawd.Options) { o.Dir = dir }
	db := drawdtest.Open(t, inDir)
	first := draw(t, db.MustPublish(wheel), "u1", "k1")
	if lost, err := db.Close(ctx); err != nil || lost != (drawd.Lost{}) {
		t.Fatalf("%+v, %v", lost, err)
	}
	if _, err := db.Publish(ctx, []byte(sale)); !errors.Is(err, drawd.ErrClosed) {
		t.Error(err)
	}
	db = drawdtest.Open(t, inDir)
	c, ok := db.Campaign("wheel")
	if !ok {
		t.Fatal("the campaign is gone")
	}
	if again := draw(t, c, "u1", "k1"); !again.Replayed || again.ID() != first.ID() {
		t.Errorf("%+v, then %+v", first, again)
	}
	checkFeed(t, db, 1)
}

func TestMemoryIsLost(t *testing.T) {
	db := drawdtest.Open(t)
	c := db.MustPublish(wheel)
	draw(t, c, "u1", "k1")
	if lost, err := db.Close(context.Background()); err != nil || lost.Decided != 4 {
		t.Errorf("%+v, %v; want the two first commands, the publish and the draw", lost, err)
	}
	if _, err := c.Draw(context.Background(), drawd.DrawRequest{User: "u"}); !errors.Is(err, drawd.ErrClosed) {
		t.Error(err)
	}
}

func TestContext(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		c := db.MustPublish(wheel)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.Draw(ctx, drawd.DrawRequest{User: "u", Key: "k"}); !errors.Is(err, context.Canceled) || errors.Is(err, drawd.ErrUnknownOutcome) {
			t.Error(err)
		}
		if _, err := c.Find("u", "k"); !errors.Is(err, drawd.ErrKeyUnknown) {
			t.Error(err)
		}
	})
}

// TestUnknownOutcome stops waiting at every moment of a draw's way: each key is drawn once, whatever its caller was told.
func TestUnknownOutcome(t *testing.T) {
	dir := t.TempDir()
	db := drawdtest.Open(t, func(o *drawd.Options) { o.Dir = dir })
	c := db.MustPublish(sale)
	unknown := 0
	for i := range 200 {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			for range i * 20 {
				runtime.Gosched()
			}
			cancel()
		}()
		q := drawd.DrawRequest{User: "u", Key: fmt.Sprint("k", i)}
		_, err := c.Draw(ctx, q)
		var e *drawd.Error
		switch {
		case err == nil:
		case errors.Is(err, drawd.ErrUnknownOutcome):
			unknown++
			if !errors.As(err, &e) || e.Key != q.Key || !errors.Is(err, context.Canceled) {
				t.Errorf("%+v", err)
			}
		case !errors.Is(err, context.Canceled):
			t.Error(err)
		}
		q.Retry = true
		draw(t, c, q.User, q.Key)
		cancel()
	}
	t.Logf("%d of 200 were unknown", unknown)
	if s := c.Stock()[0]; s.Issued != 200 {
		t.Errorf("%d were issued for 200 keys", s.Issued)
	}
}

// TestInUse opens a directory twice in this process, and from another one.
func TestInUse(t *testing.T) {
	if dir := os.Getenv("DRAWD_TEST_OPEN"); dir != "" {
		_, err := drawd.Open(drawd.Options{Dir: dir})
		fmt.Println("in use:", errors.Is(err, drawd.ErrInUse), err)
		return
	}
	dir := t.TempDir()
	drawdtest.Open(t, func(o *drawd.Options) { o.Dir = dir })
	if db, err := drawd.Open(drawd.Options{Dir: dir}); !errors.Is(err, drawd.ErrInUse) {
		t.Errorf("%v, %v", db, err)
	}
	other := exec.Command(os.Args[0], "-test.run=^TestInUse$")
	other.Env = append(os.Environ(), "DRAWD_TEST_OPEN="+dir)
	out, err := other.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "in use: true") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestNoGoroutineIsLeft opens, uses and closes, and counts.
func TestNoGoroutineIsLeft(t *testing.T) {
	use := func(o drawd.Options) {
		db, err := drawd.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		c, err := db.Publish(context.Background(), []byte(strings.Replace(wheel, "2026-01-02", "2035-01-01", 1)))
		if err != nil {
			t.Fatal(err)
		}
		draw(t, c, "u", "k")
		if _, err := db.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	use(drawd.Options{}) // what libraries start once is there
	use(drawd.Options{Dir: t.TempDir()})
	before := runtime.NumGoroutine()
	for range 3 {
		use(drawd.Options{})
		use(drawd.Options{Dir: t.TempDir()})
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, then %d:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestReadmeProgram holds the README's program against the one that is built.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("examples/library/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "\n") // behind the package comment
	if !strings.Contains(string(readme), "```go\n"+code+"```\n") {
		t.Error("README.md, As a library, is not examples/library/main.go")
	}
}
