package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/oracle"
)

// control speaks to a daemon's two planes, for everything that is not load.
type control struct {
	api, admin string // base URLs
	key        string
	client     *http.Client
}

func newControl(api, admin, key string) *control {
	return &control{
		api: strings.TrimRight(api, "/"), admin: strings.TrimRight(admin, "/"), key: key,
		client: &http.Client{Timeout: 60 * time.Second},
	}
}

// refusal is a problem document.
type refusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Message string `json:"message"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
	} `json:"errors"`
}

// Error names the code, the detail and every fault.
func (r *refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s: %s", r.Status, r.Code, r.Detail)
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "\n  %d:%d %s: %s", e.Line, e.Column, e.Pointer, e.Message)
	}
	return b.String()
}

// do sends one request and returns the body of a 2xx answer.
func (c *control) do(ctx context.Context, method, address string, head map[string]string, body []byte) ([]byte, error) {
	res, err := c.send(ctx, method, address, head, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("bench: %s %s: %w", method, address, err)
	}
	return text, nil
}

// send sends one request. An answer other than 2xx is an error.
func (c *control) send(ctx context.Context, method, address string, head map[string]string, body []byte) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, r)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	for name, value := range head {
		req.Header.Set(name, value)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // the status is what matters
	problem := &refusal{Status: res.StatusCode}
	if json.Unmarshal(text, problem) != nil || problem.Code == "" {
		problem.Code, problem.Detail = http.StatusText(res.StatusCode), string(text)
	}
	return nil, fmt.Errorf("bench: %s %s: %w", method, address, problem)
}

// publish saves a campaign file as the draft and publishes it; it returns the version that is live.
func (c *control) publish(ctx context.Context, campaign string, file []byte) (uint32, error) {
	draft := c.admin + "/admin/v1/campaigns/" + campaign + "/draft"
	head := map[string]string{"Content-Type": contentTypeOf(file), "If-None-Match": "*"}
	text, err := c.do(ctx, http.MethodPut, draft, head, file)
	if was := (*refusal)(nil); errors.As(err, &was) && was.Status == http.StatusPreconditionFailed {
		// There is a draft already: replace the one that is there now.
		var etag string
		if etag, err = c.etag(ctx, draft); err == nil {
			delete(head, "If-None-Match")
			head["If-Match"] = etag
			text, err = c.do(ctx, http.MethodPut, draft, head, file)
		}
	}
	if err != nil {
		return 0, err
	}
	var saved struct {
		ETag string `json:"etag"`
	}
	if err := json.Unmarshal(text, &saved); err != nil {
		return 0, fmt.Errorf("bench: draft saved: %w", err)
	}
	body, err := json.Marshal(map[string]string{"draft_etag": saved.ETag, "reason": "load test"})
	if err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	text, err = c.do(ctx, http.MethodPost, c.admin+"/admin/v1/campaigns/"+campaign+":publish", map[string]string{"Content-Type": "application/json"}, body)
	if err != nil {
		return 0, err
	}
	var live struct {
		Version uint32 `json:"version"`
	}
	if err := json.Unmarshal(text, &live); err != nil || live.Version == 0 {
		return 0, fmt.Errorf("bench: published: %q: %w", text, err)
	}
	return live.Version, nil
}

func (c *control) etag(ctx context.Context, address string) (string, error) {
	res, err := c.send(ctx, http.MethodGet, address, nil, nil)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	return res.Header.Get("ETag"), nil
}

// contentTypeOf tells YAML from JSON.
func contentTypeOf(file []byte) string {
	if text := bytes.TrimSpace(file); len(text) > 0 && text[0] == '{' {
		return "application/json"
	}
	return "application/yaml"
}

// end ends a campaign by hand.
func (c *control) end(ctx context.Context, campaign string) error {
	_, err := c.do(ctx, http.MethodPost, c.admin+"/admin/v1/campaigns/"+campaign+":end",
		map[string]string{"Content-Type": "application/json"}, []byte(`{"reason":"load test"}`))
	return err
}

// giveBack ends a campaign of ours at a daemon that stays, also when the run was broken off. One that was never published is no fault.
func (c *control) giveBack(ctx context.Context, campaign string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := c.end(ctx, campaign)
	if was := (*refusal)(nil); errors.As(err, &was) && was.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("campaign %s was left running, and ends by itself: %w", campaign, err)
	}
	return nil
}

// books reads a campaign's stock.
func (c *control) books(ctx context.Context, campaign string) (uint64, []oracle.Books, error) {
	text, err := c.do(ctx, http.MethodGet, c.api+"/v1/campaigns/"+campaign+"/stock", nil, nil)
	if err != nil {
		return 0, nil, err
	}
	var stock struct {
		Seq    uint64 `json:"seq"`
		Prizes []struct {
			ID string `json:"id"`
			booksFile
		} `json:"prizes"`
	}
	if err := json.Unmarshal(text, &stock); err != nil {
		return 0, nil, fmt.Errorf("bench: stock: %w", err)
	}
	var all []oracle.Books
	for i := range stock.Prizes {
		all = append(all, stock.Prizes[i].books(stock.Prizes[i].ID))
	}
	return stock.Seq, all, nil
}

// pool reads a pool's books, behind everything that was acknowledged.
func (c *control) pool(ctx context.Context, pool string) (oracle.Books, error) {
	text, err := c.do(ctx, http.MethodGet, c.api+"/v1/pools/"+pool, map[string]string{"Drawd-Linearizable": "1"}, nil)
	if err != nil {
		return oracle.Books{}, err
	}
	var b booksFile
	if err := json.Unmarshal(text, &b); err != nil {
		return oracle.Books{}, fmt.Errorf("bench: pool: %w", err)
	}
	return b.books(pool), nil
}

// booksFile is the books of a prize or of a pool as both planes write them.
type booksFile struct {
	Total      *int64 `json:"total"`
	Unreleased int64  `json:"unreleased"`
	Available  int64  `json:"available"`
	Reserved   int64  `json:"reserved"`
	Held       int64  `json:"held"`
	Issued     int64  `json:"issued"`
	Expired    int64  `json:"expired"`
	Withdrawn  int64  `json:"withdrawn"`
}

func (f *booksFile) books(id string) oracle.Books {
	b := oracle.Books{
		ID: id, Unlimited: f.Total == nil, Unreleased: f.Unreleased, Available: f.Available, Reserved: f.Reserved,
		Held: f.Held, Issued: f.Issued, Expired: f.Expired, Withdrawn: f.Withdrawn,
	}
	if f.Total != nil {
		b.Total = *f.Total
	}
	return b
}

// aggregates reports whether the namespace has aggregate caps, or may have some: a key that is limited to campaigns is not told.
func (c *control) aggregates(ctx context.Context) (bool, error) {
	text, err := c.do(ctx, http.MethodGet, c.admin+"/admin/v1/policy", nil, nil)
	if was := (*refusal)(nil); errors.As(err, &was) && was.Status == http.StatusForbidden {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var policy struct {
		Aggregates []json.RawMessage `json:"aggregate_caps"`
	}
	if err := json.Unmarshal(text, &policy); err != nil {
		return false, fmt.Errorf("bench: policy: %w", err)
	}
	return len(policy.Aggregates) > 0, nil
}

// feed reads the records feed of a campaign from its beginning to its end.
func (c *control) feed(ctx context.Context, campaign string, each func(it *oracle.Item)) error {
	_, err := c.feedFrom(ctx, "", campaign, each)
	return err
}

// feedFrom reads the records feed from a cursor to its end, of one campaign or, for "", of all, and returns the cursor of the end.
func (c *control) feedFrom(ctx context.Context, since, campaign string, each func(it *oracle.Item)) (string, error) {
	var (
		reader oracle.Reader
		buffer = make([]byte, 0, 1<<20)
	)
	for {
		address := c.admin + "/admin/v1/records?limit=10000&since=" + url.QueryEscape(since)
		if campaign != "" {
			address += "&campaign=" + campaign
		}
		res, err := c.send(ctx, http.MethodGet, address, map[string]string{"Accept": "application/x-ndjson"}, nil)
		if err != nil {
			return "", err
		}
		cursor, err := readPage(res.Body, buffer, &reader, each)
		res.Body.Close()
		if err != nil {
			return "", err
		}
		if cursor == since {
			return since, nil
		}
		since = cursor
	}
}

// readPage reads one page of the feed and returns its cursor. A page without one was cut off.
func readPage(body io.Reader, buffer []byte, reader *oracle.Reader, each func(it *oracle.Item)) (string, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(buffer, 4<<20)
	for lines.Scan() {
		var it oracle.Item
		cursor, err := reader.Read(lines.Bytes(), &it)
		if err != nil {
			return "", fmt.Errorf("bench: records feed: %w", err)
		}
		if cursor != "" {
			return cursor, nil
		}
		each(&it)
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("bench: records feed: %w", err)
	}
	return "", errors.New("bench: records feed: a page ended without its cursor")
}
