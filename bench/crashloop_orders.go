package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/drawd/drawd/bench/oracle"
)

// Beside the draws, a few hosts order units of pools: they hold, confirm, release and take, one after the other, until the daemon is
// gone. After the restart all of it is asked for again, and the books of the pools must be what was acknowledged, to the unit.

// shoppers is how many hosts order at once. They share the machine with the daemon and with those who draw.
const shoppers = 4

// orderTTL outlives a directory: no hold of a loop expires.
const orderTTL = "12h"

// orderPools are the pools and what they begin with. The small ones are sold out after a while: refusals are remembered, too.
var orderPools = map[string]int64{"seats": 1_000_000_000, "parking": 200, "rare": 400}

// order is a hold or a take that a host wanted.
type order struct {
	key, path, body string
	units           map[string]int64
	take            bool
	state           uint8  // openRequest, acknowledged, deniedRequest; unknownOutcome until it is told
	id              string // of the hold
	text            []byte // the first answer
	code            string // of a refusal

	end      string // "confirm", "release", or empty for a hold that nobody ended
	endState uint8  // acknowledged or unknownOutcome
}

// orders is what the hosts of one directory ordered.
type orders struct {
	control *control
	client  *http.Client
	nonce   string
	all     []*order
	last    int // those before it are of earlier rounds
}

// newOrders makes the pools.
func newOrders(ctx context.Context, c *control) (*orders, error) {
	for pool, total := range orderPools {
		body := fmt.Appendf(nil, `{"total":%d,"hold_ttl":%q,"reason":"load test"}`, total, orderTTL)
		head := map[string]string{"Content-Type": "application/json", "If-None-Match": "*"}
		if _, err := c.do(ctx, http.MethodPut, c.admin+"/admin/v1/pools/"+pool, head, body); err != nil {
			return nil, err
		}
	}
	return &orders{
		control: c, nonce: fmt.Sprintf("%08x", uint32(nonce())),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: shoppers}},
	}, nil
}

// shop lets the hosts order until the daemon answers no more. The function that it returns waits for that.
func (o *orders) shop(ctx context.Context, round int, seed uint64) (wait func()) {
	o.client.CloseIdleConnections()
	o.last = len(o.all)
	var each [shoppers][]*order
	var hosts sync.WaitGroup
	for n := range each {
		rng := rand.New(rand.NewPCG(seed, uint64(round)<<8|uint64(n)))
		hosts.Go(func() {
			for i := 0; ; i++ {
				next := newOrder(rng, fmt.Sprintf("%s-%d-%d-%d", o.nonce, round, n, i))
				each[n] = append(each[n], next)
				if !o.first(ctx, next) {
					return
				}
			}
		})
	}
	return func() {
		hosts.Wait()
		for _, some := range each {
			o.all = append(o.all, some...)
		}
	}
}

// newOrder is a hold of one or two pools, or a take, and what its host will do with it.
func newOrder(rng *rand.Rand, key string) *order {
	o := &order{key: key, state: unknownOutcome, endState: unknownOutcome}
	n := int64(1 + rng.IntN(3))
	if rng.IntN(4) == 0 {
		o.take, o.path, o.units = true, "/v1/pools/rare:take", map[string]int64{"rare": n}
		o.body = fmt.Sprintf(`{"owner":"o-%s","quantity":%d,"ref":%q}`, key, n, key)
		return o
	}
	o.path, o.units = "/v1/holds", map[string]int64{"seats": n}
	items := fmt.Sprintf(`{"pool":"seats","quantity":%d}`, n)
	if rng.IntN(3) == 0 {
		o.units["parking"] = 1
		items += `,{"pool":"parking"}`
	}
	o.body = fmt.Sprintf(`{"owner":"o-%s","ref":%q,"items":[%s]}`, key, key, items)
	o.end = []string{"", "confirm", "confirm", "release"}[rng.IntN(4)]
	return o
}

// first sends an order for the first time, and what ends it. It reports whether the daemon answers.
func (o *orders) first(ctx context.Context, x *order) bool {
	status, text, _, err := o.send(ctx, x, false)
	if err != nil || !x.note(status, text) {
		return err == nil // not decided, and the daemon says so: the settling asks again
	}
	if x.state != acknowledged || x.end == "" {
		x.end = ""
		return true
	}
	if status, _, err = o.sendEnd(ctx, x); err == nil && status == http.StatusOK {
		x.endState = acknowledged
	}
	return err == nil
}

// note takes in the first answer to an order; false when it tells nothing final.
func (x *order) note(status int, text []byte) bool {
	switch status {
	case http.StatusOK:
		x.state, x.text = acknowledged, text
		var told struct {
			Hold string `json:"hold"`
		}
		if json.Unmarshal(text, &told) == nil {
			x.id = told.Hold
		}
	case http.StatusConflict:
		x.state, x.code = deniedRequest, problemCode(text)
	default:
		return false
	}
	return true
}

func (o *orders) send(ctx context.Context, x *order, again bool) (status int, text []byte, replayed bool, err error) {
	return o.post(ctx, x.path, x.body, x.key, again)
}

func (o *orders) sendEnd(ctx context.Context, x *order) (status int, text []byte, err error) {
	status, text, _, err = o.post(ctx, "/v1/holds/"+x.id+":"+x.end, "{}", "", false)
	return status, text, err
}

func (o *orders) post(ctx context.Context, path, body, key string, again bool) (status int, text []byte, replayed bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.control.api+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, false, fmt.Errorf("bench: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if again {
		req.Header.Set("Drawd-Retry", "1")
	}
	res, err := o.client.Do(req)
	if err != nil {
		return 0, nil, false, fmt.Errorf("bench: %w", err)
	}
	defer res.Body.Close()
	if text, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err != nil {
		return 0, nil, false, fmt.Errorf("bench: %w", err)
	}
	return res.StatusCode, text, res.Header.Get("Idempotent-Replayed") == "true", nil
}

// OrderCounts is what a crash loop saw of holds and takes.
type OrderCounts struct {
	Acknowledged uint64 `json:"acknowledged"` // holds and takes answered before their round's kill
	Same         uint64 `json:"same"`         // of them, after the restart: the same bytes under the same key
	Refused      uint64 `json:"refused"`      // refused before the kill
	RefusedSame  uint64 `json:"refused_same"` // of them, refused for the same reason under the same key
	Ended        uint64 `json:"ended"`        // confirmations and releases answered before the kill
	EndedSame    uint64 `json:"ended_same"`   // of them, after the restart: told as what had been done already
	Unanswered   uint64 `json:"unanswered"`   // sent and cut off by the kill
	Rescued      uint64 `json:"rescued"`      // of them, decided before it
	Books        uint64 `json:"books"`        // pools whose books were added up
}

// settle asks for all that was ordered in this round once more, after the restart, so that nothing is unknown any more.
func (o *orders) settle(ctx context.Context, seen *OrderCounts, wrong func(rule, detail string)) error {
	o.client.CloseIdleConnections()
	for _, x := range o.all[o.last:] {
		if err := o.again(ctx, x, seen, wrong); err != nil {
			return err
		}
		if x.end == "" || x.state != acknowledged {
			continue
		}
		if err := o.endAgain(ctx, x, seen, wrong); err != nil {
			return err
		}
	}
	return nil
}

// again sends an order once more.
func (o *orders) again(ctx context.Context, x *order, seen *OrderCounts, wrong func(rule, detail string)) error {
	status, text, replayed, err := o.send(ctx, x, true)
	if err != nil {
		return err
	}
	was := x.state
	switch was {
	case acknowledged:
		seen.Acknowledged++
		if status != http.StatusOK || !replayed || !bytes.Equal(text, x.text) {
			wrong("changed", fmt.Sprintf("key %s, replayed %v: %d %.300s; it was %.300s", x.key, replayed, status, text, x.text))
		} else {
			seen.Same++
		}
	case deniedRequest:
		seen.Refused++
		if code := problemCode(text); status != http.StatusConflict || code != x.code {
			wrong("changed", fmt.Sprintf("key %s was refused as %s, and is answered with %d %s", x.key, x.code, status, code))
		} else {
			seen.RefusedSame++
		}
	default:
		seen.Unanswered++
		if replayed {
			seen.Rescued++
		}
		if !x.note(status, text) {
			return fmt.Errorf("bench: key %s: %d %.300s", x.key, status, text)
		}
		x.end = "" // its host died before it came to that
	}
	return nil
}

// endAgain confirms or releases once more.
func (o *orders) endAgain(ctx context.Context, x *order, seen *OrderCounts, wrong func(rule, detail string)) error {
	status, text, err := o.sendEnd(ctx, x)
	if err != nil {
		return err
	}
	already := bytes.Contains(text, []byte(`"already":true`))
	want := map[string]string{"confirm": `"state":"confirmed"`, "release": `"state":"released"`}[x.end]
	right := status == http.StatusOK && bytes.Contains(text, []byte(want))
	switch {
	case x.endState == acknowledged:
		seen.Ended++
		if !right || !already {
			wrong("lost", fmt.Sprintf("hold %s of key %s was told to %s, and again: %d %.300s", x.id, x.key, x.end, status, text))
		} else {
			seen.EndedSame++
		}
	case !right:
		wrong("changed", fmt.Sprintf("hold %s of key %s, told to %s: %d %.300s", x.id, x.key, x.end, status, text))
	default:
		seen.Unanswered++
		if already {
			seen.Rescued++
		}
		x.endState = acknowledged
	}
	return nil
}

// judge adds up what was ordered in this directory and compares with the books.
func (o *orders) judge(ctx context.Context, seen *OrderCounts, v *oracle.Verdict) error {
	var books []oracle.Books
	for pool := range orderPools {
		b, err := o.control.pool(ctx, pool)
		if err != nil {
			return err
		}
		books = append(books, b)
	}
	var all []oracle.Order
	for _, x := range o.all {
		if x.state == acknowledged {
			all = append(all, oracle.Order{Name: x.key, Units: x.units, Fate: x.fate()})
		}
	}
	seen.Books += uint64(len(books))
	oracle.Pools(v, orderPools, books, all)
	return nil
}

func (x *order) fate() oracle.Fate {
	switch {
	case x.take:
		return oracle.Taken
	case x.end == "confirm":
		return oracle.Confirmed
	case x.end == "release":
		return oracle.Released
	}
	return oracle.Held
}
