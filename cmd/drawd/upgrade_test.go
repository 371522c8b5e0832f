package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/drawd/drawd/engine"
)

// TestTwoBuilds: three processes of this build are replaced by those of a build that knows one feature level more, one after
// the other and once back again, while a program draws. As long as one voter is of this build the level stays, and the new
// operation is refused with nothing done; once the last is replaced the level rises by itself, the operation works at every
// node, and what Apply does differently it does from one place of the log on. From then on this build is refused, in words.
func TestTwoBuilds(t *testing.T) {
	next := buildNext(t)
	c := newCrewOf(t, 3, map[string]string{})
	today, tomorrow := uint32(engine.NewestLevel), uint32(engine.NewestLevel+1)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	within(t, ctx, func() bool { return c.atLevel(today) })
	all := callersOf(t, ctx, c, 4)
	for _, step := range []struct{ id, path string }{{"n1", next}, {"n2", next}, {"n1", ""}, {"n1", next}, {"n3", next}} {
		all.more(100)
		c.stillLow(next)
		c.replace(step.id, step.path)
		all.going.Lock()
		c.alike()
		all.going.Unlock()
	}
	within(t, ctx, func() bool { return c.atLevel(tomorrow) })
	all.more(200)
	all.end()
	c.mark()
	checkNothingTwice(t, ctx, all.client, all.all)
	c.alike()
	c.turned(all.answered.Load())
	t.Logf("%d draws through five replacements", all.answered.Load())
	c.refuses("n3", next, syscall.SIGTERM) // the level is in its checkpoint
	c.refuses("n2", next, syscall.SIGKILL) // it is in the log behind it
	c.alike()
	c.stop()
	for _, id := range c.founded {
		out, _ := ends(t, program(next, "check", "--data", c.path(id)), 0)
		want(t, out, "clean\n")
	}
}

// buildNext builds the drawd of tomorrow.
func buildNext(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drawd-next")
	if out, err := exec.Command("go", "build", "-tags", "nextlevel", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// replace stops a node in order and starts it as another build; "" is this one.
func (c *crew) replace(id, path string) {
	c.t.Helper()
	c.nodes[id].signal(syscall.SIGTERM)
	if code := c.nodes[id].exit(); code != 0 {
		c.t.Errorf("%s ends with %d", id, code)
	}
	c.build[id] = path
	c.start(id)
}

// atLevel reports whether every node is at a feature level.
func (c *crew) atLevel(level uint32) bool {
	return !slices.ContainsFunc(c.founded, func(id string) bool { return c.view(id).Level != level })
}

// stillLow fails unless every node is at this build's level and refuses the operation of the next one: a node of this build does not know it,
// one of the next says what is missing, whoever leads.
func (c *crew) stillLow(next string) {
	c.t.Helper()
	for _, id := range c.founded {
		if v := c.view(id); v.Level != engine.NewestLevel {
			c.t.Fatalf("%s is at level %d while builds are mixed", id, v.Level)
		}
		status, body := c.postMark(id, "too early")
		switch {
		case c.build[id] != next:
			if status != http.StatusNotFound {
				c.t.Errorf("%s, of this build, answers %d %s", id, status, body)
			}
		case status != http.StatusConflict || !strings.Contains(body, `"code":"conflict","effect":"none"`) || !strings.Contains(body, fmt.Sprintf("comes with level %d, the level is %d", engine.NewestLevel+1, engine.NewestLevel)):
			c.t.Errorf("%s, of the next build, answers %d %s", id, status, body)
		}
	}
}

// postMark uses the operation of the next level at a node, again while nobody leads.
func (c *crew) postMark(id, text string) (status int, body string) {
	c.t.Helper()
	answer, body := c.sends(id, http.MethodPost, "/admin/v1/next:mark", fmt.Sprintf(`{"text":%q}`, text), nil)
	return answer.StatusCode, body
}

// mark uses the new operation at every node, and finds at every node what it did.
func (c *crew) mark() {
	c.t.Helper()
	for _, by := range c.founded {
		if status, body := c.postMark(by, "by "+by); status != http.StatusOK {
			c.t.Errorf("%s does not take the new operation: %d %s", by, status, body)
		}
		c.alike()
		for _, at := range c.founded {
			if text := c.page(at, "/admin/v1/next"); text != fmt.Sprintf("{\"text\":%q}\n", "by "+by) {
				c.t.Errorf("%s says %s", at, text)
			}
		}
	}
}

// page is what a node's control plane answers to GET.
func (c *crew) page(id, path string) string {
	c.t.Helper()
	request, err := http.NewRequest(http.MethodGet, c.nodes[id].admin+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json, application/x-ndjson;q=0.5")
	if strings.Contains(path, "records") {
		request.Header.Set("Accept", "application/x-ndjson")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		c.t.Fatalf("%s%s: %s %v\n%s", id, path, answer.Status, err, b)
	}
	return string(b)
}

// records returns a node's whole feed.
func (c *crew) records(id string) []byte {
	c.t.Helper()
	var all []byte
	for since := ""; ; {
		page := strings.TrimSuffix(c.page(id, "/admin/v1/records?limit=10000&since="+since), "\n")
		at := strings.LastIndexByte(page, '\n') + 1
		var end struct {
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(page[at:]), &end); err != nil || end.Next == "" {
			c.t.Fatalf("%v: %s", err, page[at:])
		}
		if at == 0 {
			return all
		}
		all, since = append(all, page[:at]...), end.Next
	}
}

// turned fails unless all nodes tell the same of every draw, and the records of wins change their meaning once: up to some
// place in the log they tell the units left after the win, from there on those before it.
func (c *crew) turned(draws int64) {
	c.t.Helper()
	const stock = 1_000_000_000 // benchFile's
	feed := c.records("n1")
	for _, id := range []string{"n2", "n3"} {
		if !bytes.Equal(c.records(id), feed) {
			c.t.Fatalf("%s has other records than n1", id)
		}
	}
	var seen, won, before, after int64
	for lines := bufio.NewScanner(bytes.NewReader(feed)); lines.Scan(); {
		var r struct {
			Kind, Outcome string
			Index         uint64
			StockAfter    int64 `json:"stock_after"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			c.t.Fatal(err)
		}
		if r.Kind != "draw" {
			continue
		}
		seen++
		if r.Outcome != "win" {
			continue
		}
		won++
		switch {
		case r.StockAfter == stock-won && after == 0:
			before++
		case r.StockAfter == stock-won+1:
			after++
		default:
			c.t.Fatalf("win %d, at entry %d, tells %d after %d of the next level", won, r.Index, r.StockAfter, after)
		}
	}
	if seen != draws || before == 0 || after == 0 {
		c.t.Errorf("%d records of %d draws; %d wins as before, %d as from the next level on", seen, draws, before, after)
	}
}

// refuses ends a node and starts it as this build, which must end at once, say what to do, and leave the data as it is.
func (c *crew) refuses(id, next string, end syscall.Signal) {
	c.t.Helper()
	c.nodes[id].signal(end)
	c.nodes[id].exit()
	before, _ := ends(c.t, program(next, "check", "--data", c.path(id)), 0)
	c.build[id] = ""
	d := c.begin(id)
	if code := d.exit(); code != exitConflict {
		c.t.Errorf("%s, as this build, ends with %d", id, code)
	}
	d.mu.Lock()
	want(c.t, d.mu.log.String(), "this drawd is too old for its cluster", "start the version that ran here before",
		fmt.Sprintf("feature level %d, this build supports %d", engine.NewestLevel+1, engine.NewestLevel))
	d.mu.Unlock()
	if _, told := ends(c.t, program(os.Args[0], "check", "--data", c.path(id)), exitConflict); !strings.Contains(told, fmt.Sprintf("feature level %d", engine.NewestLevel+1)) {
		c.t.Errorf("check by this build says %s", told)
	}
	if after, _ := ends(c.t, program(next, "check", "--data", c.path(id)), 0); after != before {
		c.t.Errorf("the data was\n%s\nand is\n%s", before, after)
	}
	c.build[id] = next
	c.start(id)
}
