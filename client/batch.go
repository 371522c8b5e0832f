package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// DrawResult is what became of one draw of a batch: Drawn, or Err, of the kinds that Client.Draw returns.
type DrawResult struct {
	Drawn *Drawn
	Err   error
}

// DrawBatch decides up to MaxBatch draws in one request, sub-draws counted. It is not atomic: each stands for itself, and the
// results come in the order of the requests. What a result leaves open is sent again with its key, as Client.Draw would. The error is
// that of requests with which nothing can be sent; all else is told by the results.
func (c *Client) DrawBatch(ctx context.Context, requests []DrawRequest) ([]DrawResult, error) {
	items := make([]*batchItem, len(requests))
	weight := 0
	for i := range requests {
		item, err := newItem(&requests[i])
		if err != nil {
			return nil, fmt.Errorf("draws[%d]: %w", i, err)
		}
		items[i] = item
		weight += item.weight
	}
	if len(items) == 0 || weight > MaxBatch {
		return nil, fmt.Errorf("drawd: batch: %w: %d draws, must be 1 to %d", ErrInvalidField, weight, MaxBatch)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.options.Timeout)
		defer cancel()
	}
	for open := items; len(open) > 0; {
		_ = c.sendBatch(ctx, open) // noted in every item
		var again []*batchItem
		var most time.Duration
		for _, item := range open {
			item.read()
			if item.goesOn(c) {
				again = append(again, item)
				most = max(most, item.pause(c))
			}
		}
		if len(again) == 0 || sleep(ctx, most) != nil {
			break
		}
		open = again
	}
	results := make([]DrawResult, len(items))
	for i, item := range items {
		results[i].Drawn, results[i].Err = item.result()
	}
	return results, nil
}

// batchItem is one draw of a batch, over all the batches in which it is sent.
type batchItem struct {
	request *DrawRequest
	json    []byte
	weight  int // sub-draws

	sends   int
	final   bool // it is not sent again
	unknown bool // a send may have been decided
	drawn   *Drawn
	err     error // of the last send

	came  bool // a result of its own came and was not read yet
	raw   batchResult
	index uint64
}

func newItem(r *DrawRequest) (*batchItem, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.Key == "" {
		return nil, fmt.Errorf("drawd: %s: %w: in a batch also with a ticket", r.op(), ErrIdempotencyKeyMissing)
	}
	if r.Times < 0 || r.Times > MaxBatch {
		return nil, fmt.Errorf("drawd: %s: %w: times %d", r.op(), ErrInvalidField, r.Times)
	}
	dst := append(make([]byte, 0, 128), `{"campaign":"`...)
	dst = append(append(dst, r.Campaign...), `","key":`...)
	if keyNeedsEscape(r.Key) {
		text, err := json.Marshal(string(r.Key))
		if err != nil {
			return nil, err
		}
		dst = append(dst, text...)
	} else {
		dst = append(append(append(dst, '"'), r.Key...), '"')
	}
	dst, err := r.appendJSON(append(dst, ','))
	if err != nil {
		return nil, err
	}
	return &batchItem{request: r, json: append(dst, '}'), weight: max(r.Times, 1)}, nil
}

func keyNeedsEscape(k Key) bool {
	for i := range len(k) {
		if k[i] == '"' || k[i] == '\\' {
			return true
		}
	}
	return false
}

// sendBatch sends items in one request, as often as it takes for an answer, and notes in each what became of it. The error is that
// of the whole request.
func (c *Client) sendBatch(ctx context.Context, items []*batchItem) error {
	size := len(`{"draws":[]}`)
	again := false
	for _, item := range items {
		size += len(item.json) + 1
		again = again || item.unknown
	}
	body := append(make([]byte, 0, size), `{"draws":[`...)
	for i, item := range items {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, item.json...)
	}
	k := call{
		op: fmt.Sprintf("batch of %d", len(items)), method: http.MethodPost, path: "/v1/draws:batch", body: append(body, "]}"...),
		content: typeJSON, repeat: keyed, again: again,
	}
	a, err := c.do(ctx, &k)
	if err != nil {
		for _, item := range items {
			item.failed(err)
		}
		return err
	}
	index, _ := strconv.ParseUint(a.header.Get("Drawd-Index"), 10, 64)
	results, err := splitResults(a.body, len(items))
	if err != nil {
		for _, item := range items {
			item.failed(k.unread(err))
		}
		return err
	}
	for i, item := range items {
		item.raw, item.index, item.came = results[i], index, true
	}
	return nil
}

// failed notes that the whole request failed. It was sent as often as it may be, so that the item is not sent again.
func (b *batchItem) failed(err error) {
	b.drawn, b.err, b.final = nil, err, true
	var open *Unanswered
	p := problemOf(err)
	switch {
	case errors.As(err, &open):
		own := *open
		own.Op, own.Key = b.request.op(), b.request.Key
		if b.unknown {
			own.Effect = EffectUnknown
		}
		b.err = &own
	case p != nil:
		own := *p // of a batch there is no denial
		own.Op, own.Key = b.request.op(), b.request.Key
		b.err = &own
		if b.unknown {
			b.err = b.unsettled(&own)
		}
	}
}

// unsettled is the error of an item that may have been decided.
func (b *batchItem) unsettled(err error) error {
	return &Unanswered{Op: b.request.op(), Key: b.request.Key, Effect: EffectUnknown, Attempts: b.sends, Err: err}
}

// read reads the item's own result, if one came: on the goroutine that waits for it, and not on the one that sends.
func (b *batchItem) read() {
	if !b.came {
		return
	}
	r, index := b.raw, b.index
	b.raw, b.came = batchResult{}, false
	b.sends++
	b.drawn, b.err = nil, nil
	if r.status == http.StatusOK {
		d, err := decodeDrawn(r.body)
		if err != nil {
			k := call{op: b.request.op(), key: b.request.Key, repeat: keyed}
			b.err, b.final = k.unread(err), true
			return
		}
		d.Replayed, d.Index = r.replayed, index
		b.drawn = d
		return
	}
	b.err = readProblem(b.request.op(), b.request.Key, r.status, r.body)
	p := problemOf(b.err)
	switch {
	case p.Effect == EffectUnknown:
		b.unknown, b.final = true, !p.Retryable
	default:
		b.final = !p.again()
	}
}

// goesOn reports whether the item is to be sent again.
func (b *batchItem) goesOn(c *Client) bool {
	return b.err != nil && !b.final && b.sends < c.options.Attempts
}

// pause returns how long to wait before that.
func (b *batchItem) pause(c *Client) time.Duration { return c.backoff(b.sends) }

// result returns what Client.Draw would.
func (b *batchItem) result() (*Drawn, error) {
	if b.drawn != nil {
		return b.drawn, nil
	}
	if b.err == nil {
		panic("BUG: client: an item of a batch has neither an answer nor an error")
	}
	p := problemOf(b.err)
	var open *Unanswered
	if p == nil || errors.As(b.err, &open) || p.Effect == EffectApplied {
		return nil, b.err
	}
	if b.unknown && !(p.Effect == EffectNone && p.settles(keyed)) {
		return nil, b.unsettled(p) // not the *Denial around it
	}
	return nil, b.err
}

// batchResult is one result of a batch, as it was answered.
type batchResult struct {
	status   int
	replayed bool
	body     []byte
}

// splitResults takes {"results":[{"status":…,"replayed":…,"body":{…}}, …]} apart. The bodies are read by those who wait for them,
// each on a goroutine of its own.
func splitResults(text []byte, n int) ([]batchResult, error) {
	var w struct {
		Results []struct {
			Status   int             `json:"status"`
			Replayed bool            `json:"replayed"`
			Body     json.RawMessage `json:"body"`
		} `json:"results"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, err
	}
	if len(w.Results) != n {
		return nil, fmt.Errorf("%d results for %d draws", len(w.Results), n)
	}
	results := make([]batchResult, n)
	for i, r := range w.Results {
		results[i] = batchResult{r.Status, r.Replayed, r.Body}
	}
	return results, nil
}
