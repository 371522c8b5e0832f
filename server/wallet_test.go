package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/drawd/drawd/storage"
)

// The protocol of docs/host-wallet.md, played with everything that can go wrong between its steps.

const walletFile = `campaign: paid
time_zone: UTC
starts_at: 2020-01-01T00:00:00Z
ends_at: 2029-12-01T00:00:00Z
denominator: 1000
chances: {mode: free, price: 50}
prizes:
  - {id: p, kind: coupon, weight: 500, stock: unlimited}
`

// Where the host dies, or the network fails.
const (
	allIsWell        = iota
	diesAfterPrepare // nothing was sent
	requestIsLost    // the host dies waiting for an answer to what never arrived
	answerIsLost     // it was drawn, and the host dies without knowing
	diesBeforeSettle // it knows, and has not written it down
	requestComesLate // the host died, recovered and let go; then the request arrives
	nodeLosesPower   // after the draw was answered, before it is settled
	diesInRecovery   // twice
	priceRises       // since the player saw it
	sendsAgain       // the answer is lost, and the host sends again instead of letting go
	walletTroubles   = iota
)

const walletPrice = 50

// order is the host's durable row of one order.
type order struct {
	key, user, state string
	price            int
}

// host is a caller with a wallet. Its orders and points survive its deaths.
type host struct {
	t      *testing.T
	node   *node
	points map[string]int
	orders []*order
}

func (h *host) prepare(user string, price int) *order {
	o := &order{fmt.Sprint("order-", len(h.orders)), user, "prepared", price}
	h.points[user] -= price
	h.orders = append(h.orders, o)
	return o
}

func (h *host) draw(o *order, headers ...string) (status int, effect string) {
	h.t.Helper()
	body := fmt.Sprintf(`{"user":%q,"expect":{"max_price":%d}}`, o.user, o.price)
	status, answer, _ := h.node.do("POST", h.node.api("/v1/campaigns/paid/draws"), body, append(headers, "Idempotency-Key: "+o.key)...)
	effect, _ = answer["effect"].(string)
	return status, effect
}

func (h *host) settle(o *order, drawn bool) {
	if o.state != "prepared" {
		return
	}
	if o.state = "settled"; !drawn {
		o.state = "released"
		h.points[o.user] += o.price
	}
}

// abandon lets go of an order's key and reports whether it had been drawn.
func (h *host) abandon(o *order) (drawn bool) {
	h.t.Helper()
	status, answer, raw := h.node.do("POST", h.node.api("/v1/campaigns/paid/users/"+o.user+"/keys/"+o.key+":abandon"), "")
	if status != 200 && (status != 409 || answer["code"] != "key_abandoned") {
		h.t.Fatalf("abandon: %d %s", status, raw)
	}
	return status == 200
}

// recover settles what a dead host left.
func (h *host) recover() {
	h.t.Helper()
	for _, o := range h.orders {
		if o.state == "prepared" {
			h.settle(o, h.abandon(o))
		}
	}
}

// play makes one order and lets one thing go wrong.
func (h *host) play(user string, trouble int) {
	h.t.Helper()
	price := walletPrice
	if trouble == priceRises {
		price-- // what the player saw was less
	}
	o := h.prepare(user, price)
	switch trouble {
	case allIsWell, priceRises:
		status, effect := h.draw(o)
		if status != 200 && effect != "none" {
			h.t.Fatalf("%d %s", status, effect)
		}
		h.settle(o, status == 200)
	case answerIsLost, diesBeforeSettle:
		h.draw(o)
	case requestComesLate:
		h.recover()
		if status, _ := h.draw(o); status != 409 {
			h.t.Errorf("%s was drawn after it was let go: %d", o.key, status)
		}
	case nodeLosesPower:
		h.draw(o)
		rng := rand.New(rand.NewPCG(uint64(len(h.orders)), 1))
		cut := storage.PowerCut(h.node.fs, rng.IntN(101), rng)
		h.node.stop()
		h.node = startNode(h.t, cut, nil)
	case diesInRecovery:
		h.draw(o)
		if !h.abandon(o) {
			h.t.Errorf("%s was drawn and is not known", o.key)
		}
	case sendsAgain:
		h.draw(o)
		status, _ := h.draw(o, "Drawd-Retry: 1")
		h.settle(o, status == 200)
	}
}

func TestHostWallet(t *testing.T) {
	h := &host{t: t, node: startNode(t, storage.NewCrashFS(), nil), points: map[string]int{}}
	defer func() { h.node.stop() }()
	n := h.node
	saved, _ := n.want(201, "PUT", n.admin("/admin/v1/campaigns/paid/draft"), walletFile, "If-None-Match: *")
	tag, _ := json.Marshal(saved["etag"])
	n.want(200, "POST", n.admin("/admin/v1/campaigns/paid:publish"), `{"draft_etag":`+string(tag)+`}`)
	const users, rounds = 3, 4
	for user := range users {
		h.points[fmt.Sprint("u", user)] = 100_000
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		for _, trouble := range rng.Perm(walletTroubles) {
			h.play(fmt.Sprint("u", rng.IntN(users)), trouble)
		}
		h.recover()
		h.balance()
	}
}

// balance compares the wallet with the records: the price of exactly what was drawn was paid.
func (h *host) balance() {
	h.t.Helper()
	feed, _ := h.node.want(200, "GET", h.node.admin("/admin/v1/records?campaign=paid&limit=10000"), "")
	draws, keys := map[string]int{}, map[string]bool{}
	for _, item := range feed["items"].([]any) {
		r := item.(map[string]any)
		if r["kind"] != "draw" {
			continue
		}
		draws[r["user"].(string)]++
		if digest := r["key_digest"].(string); keys[digest] {
			h.t.Errorf("two draws under one key: %v", r)
		} else {
			keys[digest] = true
		}
		if cost := r["chances"].(map[string]any)["price"].(float64); cost != walletPrice {
			h.t.Errorf("a draw at %v: %v", cost, r)
		}
	}
	settled := 0
	for _, o := range h.orders {
		if o.state == "prepared" {
			h.t.Errorf("%s is still open", o.key)
		}
		if o.state == "settled" {
			settled++
		}
	}
	all := 0
	for user, points := range h.points {
		if paid := 100_000 - points; paid != draws[user]*walletPrice {
			h.t.Errorf("%s paid %d for %d draws", user, paid, draws[user])
		}
		all += draws[user]
	}
	if all != settled || all == 0 || settled == len(h.orders) {
		h.t.Errorf("%d draws, %d orders settled, of %d", all, settled, len(h.orders))
	}
	if strings.Contains(h.node.lines.String(), "FATAL") {
		h.t.Error("the node failed")
	}
}
