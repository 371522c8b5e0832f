package drawd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/drawd/drawd"
	"github.com/drawd/drawd/drawdtest"
)

// TestOldRecordsGo draws more than is kept: what is gone is said to be gone, its key still stands, and the newest are there.
func TestOldRecordsGo(t *testing.T) {
	db := drawdtest.Open(t, func(o *drawd.Options) { o.RecordBytes = 1 << 20 })
	c := db.MustPublish(strings.Replace(sale, "stock: 500", "stock: unlimited", 1))
	var last drawd.Outcome
	const draws = 20000 // of some 100 bytes each
	for i := range draws {
		last = draw(t, c, fmt.Sprint("u", i%50), fmt.Sprint("k", i))
	}
	if _, _, err := db.Records(drawd.Cursor{}, 10); !errors.Is(err, drawd.ErrRecordGone) {
		t.Errorf("the first records: %v", err)
	}
	_, err := c.Draw(context.Background(), drawd.DrawRequest{User: "u0", Key: "k0"})
	if !errors.Is(err, drawd.ErrRecordGone) {
		t.Errorf("the first key again: %v", err)
	}
	if u, err := c.User("u0"); err != nil || u.Draws != draws/50 {
		t.Errorf("%+v, %v: an old key was drawn again", u, err)
	}
	if page, _, err := db.Records(last.Cursor(), 10); err != nil || len(page) != 1 || page[0].Draw.Seq != draws {
		t.Errorf("the newest: %d, %v", len(page), err)
	}
	if again := draw(t, c, "u49", fmt.Sprint("k", draws-1)); !again.Replayed || again.Seq != draws {
		t.Errorf("%+v", again)
	}
}

// TestFeedBesideWriters reads while 8 goroutines draw: every draw once, in the order of its seq, and none is passed over.
func TestFeedBesideWriters(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		c := db.MustPublish(sale)
		var all sync.WaitGroup
		for g := range 8 {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range 60 {
					if _, err := c.Draw(context.Background(), drawd.DrawRequest{User: fmt.Sprint("u", g), Key: fmt.Sprint(i)}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		cursor, seq := drawd.Cursor{}, uint64(0)
		for seq < 8*60 && !t.Failed() {
			page, next, err := db.Records(cursor, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				if r.Campaign == "" || r.Draw.User == "" {
					continue
				}
				if seq++; r.Draw.Seq != seq {
					t.Fatalf("seq %d after %d", r.Draw.Seq, seq-1)
				}
			}
			cursor = next
		}
		all.Wait()
	})
}

// TestCloseBesideCalls closes while goroutines draw and read: each call is done or refused, and with Dir whatever was answered is
// there after the next Open.
func TestCloseBesideCalls(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		at := func(o *drawd.Options) { o.Dir = dir }
		db := drawdtest.Open(t, at)
		c := db.MustPublish(sale)
		answered := make([]int, 8)
		begun := make(chan struct{}, 8)
		var all sync.WaitGroup
		for g := range answered {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range 1 << 14 { // until Close: a DB that is closed and goes on fails the test, and does not hang it
					_, err := c.Draw(context.Background(), drawd.DrawRequest{User: fmt.Sprint("u", g), Key: fmt.Sprint(i)})
					if err != nil && !errors.Is(err, drawd.ErrExhausted) {
						if !errors.Is(err, drawd.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if err == nil {
						answered[g] = i + 1
					}
					if _, _, err := db.Records(drawd.Cursor{}, 5); err != nil && !errors.Is(err, drawd.ErrClosed) {
						t.Error(err)
					}
					if i == 3 {
						begun <- struct{}{}
					}
				}
				t.Error("the DB is closed and goes on")
			}()
		}
		for range answered {
			<-begun
		}
		if lost, err := db.Close(context.Background()); err != nil || lost.Unknown != 0 || (lost.Decided > 0) != (dir == "") {
			t.Errorf("%+v, %v", lost, err)
		}
		all.Wait()
		if dir == "" {
			continue
		}
		db = drawdtest.Open(t, at)
		c, _ = db.Campaign("sale")
		for g, n := range answered {
			for i := range n {
				if _, err := c.Find(fmt.Sprint("u", g), fmt.Sprint(i)); err != nil {
					t.Errorf("u%d, %d of %d: %v", g, i, n, err)
				}
			}
		}
	}
}

// TestKilled kills a process that draws on a directory: every draw that it was told of is there.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("DRAWD_TEST_DRAW"); dir != "" {
		db := drawdtest.Open(t, func(o *drawd.Options) { o.Dir = dir })
		c := db.MustPublish(sale)
		for i := 0; ; i++ {
			out, err := c.Draw(context.Background(), drawd.DrawRequest{User: "u", Key: fmt.Sprint(i)})
			if err != nil {
				return
			}
			fmt.Println("drawn", out.ID())
		}
	}
	dir := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	victim.Env = append(os.Environ(), "DRAWD_TEST_DRAW="+dir)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "drawn "); ok && len(id) == 27 {
			if ids = append(ids, id); len(ids) == 40 {
				if err := victim.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	_ = victim.Wait() // killed
	if len(ids) < 40 {
		t.Fatalf("only %d draws", len(ids))
	}
	db := drawdtest.Open(t, func(o *drawd.Options) { o.Dir = dir })
	c, ok := db.Campaign("sale")
	if !ok {
		t.Fatal("the campaign is gone")
	}
	for i, id := range ids {
		if found, err := c.Find("u", fmt.Sprint(i)); err != nil || found.ID() != id {
			t.Fatalf("draw %d of %d: %s, then %s, %v", i, len(ids), id, found.ID(), err)
		}
	}
}
