package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const feedPath = "/admin/v1/records"

// item is what of a feed item is compared.
type item struct {
	Kind, Campaign, User, Name, Actor string
	Index, Ordinal                    uint64
	Seq                               uint64
}

func items(t *testing.T, a *answer) (list []item, next string) {
	t.Helper()
	var page struct {
		Items      []item
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return page.Items, page.NextCursor
}

// feedWorld has a campaign with ten draws and another with two.
func feedWorld(t *testing.T) *world {
	w := newWorld(t)
	w.publish("flash", flashFile)
	w.publish("wheel", strings.Replace(flashFile, "campaign: flash", "campaign: wheel", 1))
	w.at(start.Add(2 * time.Hour))
	w.draw("flash", 0, 5)
	w.draw("wheel", 0, 2)
	w.draw("flash", 5, 5)
	return w
}

// TestFeedPages: pages of any size give the same records, each once and in log order.
func TestFeedPages(t *testing.T) {
	w := feedWorld(t)
	whole, end := items(t, w.want(200, "GET", feedPath, ""))
	if len(whole) != 2+2+12 {
		t.Fatalf("%d records", len(whole))
	}
	for i := 1; i < len(whole); i++ {
		if a, b := whole[i-1], whole[i]; a.Index > b.Index || a.Index == b.Index && a.Ordinal >= b.Ordinal {
			t.Errorf("out of order: %+v %+v", a, b)
		}
	}
	for _, limit := range []int{1, 3, 15, 16, 17} {
		var got []item
		cursor := ""
		for {
			page, next := items(t, w.want(200, "GET", fmt.Sprintf("%s?limit=%d&since=%s", feedPath, limit, cursor), ""))
			if len(page) > limit || next == "" {
				t.Fatalf("limit %d: %d records, cursor %q", limit, len(page), next)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			cursor = next
		}
		if fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Errorf("limit %d gives other records", limit)
		}
		if cursor != end {
			t.Errorf("limit %d ends at %s, want %s", limit, cursor, end)
		}
	}
	// What happens later comes behind the last cursor.
	w.draw("flash", 50, 1)
	if page, _ := items(t, w.want(200, "GET", feedPath+"?since="+end, "")); len(page) != 1 || page[0].User != "u50" {
		t.Errorf("later: %v", page)
	}
}

func TestFeedLines(t *testing.T) {
	w := feedWorld(t)
	a := w.want(200, "GET", feedPath+"?limit=3", "", "Accept: application/x-ndjson")
	lines := bytes.Split(bytes.TrimSuffix(a.body, []byte("\n")), []byte("\n"))
	if len(lines) != 4 || a.header.Get("Content-Type") != typeLines {
		t.Fatalf("%s\n%s", a.header.Get("Content-Type"), a.body)
	}
	whole, _ := items(t, w.want(200, "GET", feedPath+"?limit=3", "", "Accept: application/*;q=0.5, text/html"))
	var first item
	if err := json.Unmarshal(lines[0], &first); err != nil || first != whole[0] {
		t.Errorf("%v %+v, want %+v", err, first, whole[0])
	}
	w.refused(problem.NotAcceptable, "GET", feedPath, "", "Accept: text/html, application/json;q=0")
}

func TestFeedFilters(t *testing.T) {
	w := feedWorld(t)
	_, operator := w.newKey("", operatorBody)
	page, _ := items(t, w.want(200, "GET", feedPath+"?campaign=wheel", "", operator))
	if len(page) != 3 {
		t.Errorf("wheel has %v", page)
	}
	w.refused(problem.CampaignNotFound, "GET", feedPath+"?campaign=none", "", operator)

	// A key that is limited to a campaign sees its records only; another namespace's sees none of these.
	_, limited := w.newKey(operator, `{"name":"a","scopes":["read"],"campaigns":["wheel"]}`)
	page, _ = items(t, w.want(200, "GET", feedPath, "", limited))
	if len(page) != 3 || page[0].Campaign != "wheel" {
		t.Errorf("limited: %v", page)
	}
	w.refused(problem.Forbidden, "GET", feedPath+"?campaign=flash", "", limited)
	w.want(201, "POST", "/admin/v1/namespaces", `{"name":"shop"}`, operator)
	_, tenant := w.newKey(operator, `{"name":"a","scopes":["read"]}`, "Drawd-Namespace: shop")
	if page, _ := items(t, w.want(200, "GET", feedPath, "", tenant)); len(page) != 1 || page[0].Kind != "document" {
		t.Errorf("the tenant sees %v, not his key alone", page)
	}
	// Who did it is told.
	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC"}`, `If-Match: "0"`, operator, "Drawd-Namespace: shop")
	page, _ = items(t, w.want(200, "GET", feedPath+"?limit=10000", "", operator))
	last := page[len(page)-1]
	if last.Kind != "document" || !strings.HasPrefix(last.Actor, "key:") || !strings.HasPrefix(last.Name, "key/") {
		t.Errorf("last record %+v", last)
	}
}

func TestFeedRefuses(t *testing.T) {
	w := feedWorld(t)
	for _, query := range []string{"limit=0", "limit=10001", "wait_ms=10001", "wait_ms=-1", "since=x", "since=AAAA", "since=" + strings.Repeat("A", 15), "limit=1&limit=2"} {
		w.refused(problem.InvalidField, "GET", feedPath+"?"+query, "")
	}
	w.refused(problem.UnknownField, "GET", feedPath+"?cursor=x", "")
}

// TestFeedWaits: a long poll answers when something comes, with an empty page when nothing does, and at once when the
// request is given up.
func TestFeedWaits(t *testing.T) {
	w := feedWorld(t)
	_, end := items(t, w.want(200, "GET", feedPath, ""))
	if page, next := items(t, w.want(200, "GET", feedPath+"?wait_ms=20&since="+end, "")); len(page) != 0 || next != end {
		t.Errorf("nothing came, but %v %s", page, next)
	}

	got := make(chan *answer)
	go func() { got <- w.do("GET", feedPath+"?wait_ms=10000&campaign=wheel&since="+end, "") }()
	w.draw("flash", 90, 3) // of another campaign: goes on waiting
	w.draw("wheel", 90, 1)
	if page, _ := items(t, <-got); len(page) != 1 || page[0].User != "u90" || page[0].Campaign != "wheel" {
		t.Errorf("woken by %v", page)
	}

}

// TestFeedGivenUp: a long poll ends when the request does, so that a node can shut down.
func TestFeedGivenUp(t *testing.T) {
	w := newWorld(t)
	entered := make(chan struct{}, 1)
	w.plane.Records = entering{w, entered}
	ctx, cancel := context.WithCancel(context.Background())
	req := httptest.NewRequestWithContext(ctx, "GET", feedPath+"?wait_ms=10000", nil)
	req.Host, req.RemoteAddr = "127.0.0.1:7071", "127.0.0.1:9999"
	answer, ended := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(ended)
		w.plane.ServeHTTP(answer, req)
	}()
	<-entered
	began := time.Now()
	cancel()
	<-ended
	if answer.Code != 200 || time.Since(began) > 5*time.Second {
		t.Errorf("%d after %v: %s", answer.Code, time.Since(began), answer.Body)
	}
}

// entering is records that tell when a scan begins.
type entering struct {
	*world
	entered chan struct{}
}

// Scan finds nothing.
func (e entering) Scan(uint64, uint16, func(uint64, []byte, uint16, []byte) bool) error {
	select {
	case e.entered <- struct{}{}:
	default:
	}
	return nil
}

// TestFeedScanBudget: a filter that meets little reads a bounded part of the log, and says where to go on.
func TestFeedScanBudget(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	ns, _ := w.engine.Namespace("default")
	c, _ := ns.Campaign([]byte("flash"))
	page := &feedPage{x: &exchange{plane: w.plane}, only: nil, limit: 10}
	page.x.grant.Namespace = ns
	var draft engine.Record
	w.mu.records = w.mu.records[:1] // the draft's record: no campaign's
	if _, err := engine.DecodeRecord(w.mu.records[0].encoded, &draft); err != nil || draft.Campaign != 0 {
		t.Fatalf("%v %+v", err, draft)
	}
	page.only = c
	seen := 0
	for page.add(uint64(seen+1), nil, 0, w.mu.records[0].encoded) {
		seen++
	}
	if seen != maxScan || page.next.Index != engine.LogIndex(maxScan) {
		t.Errorf("looked at %d records and goes on at %v", seen, page.next)
	}
}

func TestCursor(t *testing.T) {
	for _, l := range []engine.Location{{}, {Index: 1}, {Index: 1<<42 - 1, Ordinal: 1<<16 - 1}} {
		got, ok := decodeCursor(encodeCursor(l))
		if !ok || got != l {
			t.Errorf("%v came back as %v", l, got)
		}
	}
	if got := encodeCursor(engine.Location{Index: 258, Ordinal: 3}); got != "AQAAAAAAAAECAAM" {
		t.Errorf("the form changed: %s", got) // callers keep cursors for as long as they like
	}
	if got := following(engine.Location{Index: 5, Ordinal: 1<<16 - 1}); got != (engine.Location{Index: 6}) {
		t.Errorf("following the last ordinal: %v", got)
	}
}
