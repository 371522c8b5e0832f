package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd/client"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/server"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/storage"
)

// member is one node of a cluster: a node, and its line to the others.
type member struct {
	node
	mux *peer.Mux
}

// forwarding shows a cluster's node to the planes as cmd/drawd does: one that forwards is ready.
type forwarding struct{ standing }

func (n forwarding) Status() control.Status {
	s := n.standing.Status()
	if from := n.Node.Status(); !from.Ready && !from.Forwards {
		s.Checks = []control.Check{{Name: "log", Code: from.Code, Message: from.Reason}}
	}
	return s
}

// startCluster starts three nodes on sockets of the loopback, and ends them with the test.
func startCluster(t *testing.T) []*member {
	t.Helper()
	var found []raftlog.Member
	all := make([]*member, 3)
	for i := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(err)
		all[i] = &member{mux: peer.NewMux(peer.TCP{Listener: l})}
		found = append(found, raftlog.Member{ID: fmt.Sprint("n", i+1), Address: l.Addr().String(), Voter: true})
	}
	for i, m := range all {
		m.open(found[i].ID, found)
	}
	t.Cleanup(func() {
		for _, m := range all {
			m.leave()
		}
	})
	eventually(t, "every node takes draws", func() bool {
		for _, m := range all {
			if s := m.log.Status(); !s.Ready && (!s.Forwards || m.log.LeaderAPI() == "") || !m.ready() {
				return false
			}
			if m.log.Decide(new(engine.Batch)) != nil { // it has everything, as cmd/drawd sees to before it listens
				return false
			}
		}
		return true
	})
	return all
}

func (m *member) open(id string, found []raftlog.Member) {
	key := [32]byte{7}
	logger := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	planes := server.Options{API: "127.0.0.1:0", Admin: "127.0.0.1:0", ClusterKey: key, Logger: logger}
	starting, err := server.Start(planes)
	must(err)
	e, err := engine.New(engine.Options{ClusterKey: key})
	must(err)
	m.store, err = storage.Open(storage.Options{Dir: "data", FS: storage.NewCrashFS(), Logger: logger})
	must(err)
	m.log, err = raftlog.Open(ctx, raftlog.Options{
		NodeID: id, Store: m.store, Engine: e, Logger: logger, Peers: m.mux, Found: found, API: "http://" + starting.API().String(),
		// How long a command or a heartbeat waits for a processor is not what is tested.
		QueueAge: time.Minute, GiveUp: time.Hour, SyncLimit: time.Hour, ElectionTimeout: 1500 * time.Millisecond, LeaseTimeout: 750 * time.Millisecond,
	})
	must(err)
	planes.Engine, planes.Decider, planes.Records, planes.Node = e, m.log, m.store.State(), forwarding{standing{m.log}}
	planes.Place, planes.Starting = m.log, starting
	m.server, err = server.New(planes)
	must(err)
	must(m.server.Listen())
	m.served = make(chan error, 1)
	go func() { m.served <- m.server.Serve() }()
}

// leave ends a node as SIGTERM does, once.
func (m *member) leave() {
	if m.server == nil {
		return
	}
	m.stop()
	must(m.mux.Close())
	m.server = nil
}

func (m *member) ready() bool {
	answer, err := http.Get(m.api() + "/readyz")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 12_000 {
		if f() {
			return
		}
		<-tick.C
	}
	t.Fatal("still not: " + what)
}

// parted returns the member that leads, and the others.
func parted(all []*member) (leader *member, others []*member) {
	for _, m := range all {
		if m.log.Status().Ready {
			leader = m
		} else {
			others = append(others, m)
		}
	}
	return leader, others
}

// hosts is a transport that notes whom it was sent to.
type hosts struct {
	base http.RoundTripper
	mu   sync.Mutex
	sent []string
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	h.sent = append(h.sent, "http://"+r.URL.Host)
	h.mu.Unlock()
	return h.base.RoundTrip(r)
}

// clientOf returns a client that asks the first of the nodes first, and what it sends to whom.
func clientOf(t *testing.T, first *member, others ...*member) (*client.Client, *hosts) {
	t.Helper()
	transport := &http.Transport{}
	h := &hosts{base: transport}
	o := client.Options{URLs: []string{first.api()}, AdminURLs: []string{first.admin()}, HTTPClient: &http.Client{Transport: h}}
	for _, m := range others {
		o.URLs, o.AdminURLs = append(o.URLs, m.api()), append(o.AdminURLs, m.admin())
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		transport.CloseIdleConnections()
	})
	return c, h
}

// ask sends a request to one node.
func (m *member) ask(t *testing.T, method, path, body string, headers ...string) (status int, header http.Header, answer string) {
	t.Helper()
	r, err := http.NewRequest(method, m.api()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, a.Header, string(b)
}

// TestAnyNodeOfACluster: a draw through any node, its key through any other one with the same bytes; denials by a node's own
// facts, and in log order when they were sent again; and reads that are new enough, wherever they are asked.
func TestAnyNodeOfACluster(t *testing.T) {
	all := startCluster(t)
	leader, others := parted(all)
	others[0].publish(flashFile) // through a node that does not lead
	const draws = "/v1/campaigns/flash/draws"
	for i, m := range all {
		key := fmt.Sprint("k", i)
		eventually(t, "the campaign is known", func() bool {
			status, _, _ := m.ask(t, "GET", "/v1/campaigns/flash", "")
			return status == 200
		})
		status, header, first := m.ask(t, "POST", draws, `{"user":"u1"}`, "Idempotency-Key", key)
		if i < 2 && status != 200 || i == 2 && (status != 409 || !strings.Contains(first, `"capped"`)) {
			t.Fatalf("node %d: %d %s", i, status, first)
		}
		if lead := header.Get("Drawd-Leader"); (m == leader) != (lead == "") || lead != "" && lead != leader.api() {
			t.Errorf("node %d names the leader %q, it is %s", i, lead, leader.api())
		}
		if i == 2 {
			break
		}
		index := header.Get("Drawd-Index")
		for _, other := range all {
			status, header, again := other.ask(t, "POST", draws, `{"user":"u1"}`, "Idempotency-Key", key, "Drawd-Min-Index", index)
			if status != 200 || again != first || header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("the key through another node: %d %s\nfirst %s", status, again, first)
			}
			_, header, user := other.ask(t, "GET", "/v1/campaigns/flash/users/u1", "", "Drawd-Min-Index", index)
			if !strings.Contains(user, fmt.Sprintf(`"used":%d`, i+1)) {
				t.Errorf("read after write on another node: %s", user)
			}
			at, _ := strconv.Atoi(header.Get("Drawd-Index"))
			least, _ := strconv.Atoi(index)
			if at < least || (other == leader) != (header.Get("Drawd-Age-Ms") == "") {
				t.Errorf("index %d after %d, age %q", at, least, header.Get("Drawd-Age-Ms"))
			}
		}
	}
	for _, m := range others {
		logged := uint64(0)
		eventually(t, "a denial that this node knows does not go to the log", func() bool { // its facts may be too old, and the log has entries of its own
			logged = leader.log.Status().LastLog
			if status, _, body := m.ask(t, "POST", draws, `{"user":"u1"}`, "Idempotency-Key", "more"); status != 409 {
				t.Errorf("%d %s", status, body)
			}
			return leader.log.Status().LastLog == logged
		})
		if status, _, body := m.ask(t, "POST", draws, `{"user":"u1"}`, "Idempotency-Key", "more", "Drawd-Retry", "1"); status != 409 {
			t.Errorf("%d %s", status, body)
		}
		if now := leader.log.Status().LastLog; now == logged {
			t.Error("what was sent again was not denied in log order")
		}
		if status, _, body := m.ask(t, "GET", "/v1/campaigns/flash/users/u1/keys/never", ""); status != 404 || !strings.Contains(body, "key_unknown") {
			t.Errorf("%d %s", status, body)
		}
		if status, _, body := m.ask(t, "GET", "/v1/campaigns/flash/users/u1", "", "Drawd-Linearizable", "1"); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
}

// TestClientFollowsTheHint: a client that asked a node which does not lead asks the leader from then on, if it knows it.
func TestClientFollowsTheHint(t *testing.T) {
	all := startCluster(t)
	leader, others := parted(all)
	leader.publish(flashFile)
	eventually(t, "the campaign is known", func() bool {
		status, _, _ := others[0].ask(t, "GET", "/v1/campaigns/flash", "")
		return status == 200
	})
	c, sent := clientOf(t, others[0], others[1], leader)
	for i := range 3 {
		if _, err := c.Draw(t.Context(), client.DrawRequest{Campaign: "flash", User: fmt.Sprint("u", i), Key: client.NewKey()}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{others[0].api(), leader.api(), leader.api()}; fmt.Sprint(sent.sent) != fmt.Sprint(want) {
		t.Errorf("asked %v, want %v", sent.sent, want)
	}
	c, sent = clientOf(t, others[0], others[1]) // the key must not go to a node that was not named
	for i := range 3 {
		if _, err := c.Draw(t.Context(), client.DrawRequest{Campaign: "flash", User: fmt.Sprint("v", i), Key: client.NewKey()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range sent.sent {
		if at == leader.api() {
			t.Error("a node was asked that the caller did not name")
		}
	}
}

// TestLeaderLeavesUnderClients: the leader is stopped while clients of all nodes draw: nobody's call fails, nothing is drawn
// twice.
func TestLeaderLeavesUnderClients(t *testing.T) {
	all := startCluster(t)
	leader, others := parted(all)
	leader.publish(strings.Replace(flashFile, "stock: 100", "stock: 100000", 1))
	for _, m := range others {
		eventually(t, "the campaign is known", func() bool {
			status, _, _ := m.ask(t, "GET", "/v1/campaigns/flash", "")
			return status == 200
		})
	}
	var working sync.WaitGroup
	var mu sync.Mutex
	drawn := map[string]string{} // by key
	halfway := make(chan struct{})
	for w := range 9 {
		rest := append([]*member{}, all[(w+1)%3], all[(w+2)%3])
		c, _ := clientOf(t, all[w%3], rest...)
		working.Add(1)
		go func() {
			defer working.Done()
			for i := range 60 {
				if w == 0 && i == 20 {
					close(halfway)
				}
				user, key := fmt.Sprintf("u%d-%d", w, i), client.NewKey()
				d, err := c.Draw(t.Context(), client.DrawRequest{Campaign: "flash", User: user, Key: key})
				if err != nil {
					t.Errorf("%s: %v (effect %v)", user, err, client.EffectOf(err))
					continue
				}
				mu.Lock()
				drawn[user+"/"+string(key)] = d.ID
				mu.Unlock()
			}
		}()
	}
	<-halfway
	leader.leave()
	working.Wait()
	if len(drawn) != 540 {
		t.Errorf("%d draws", len(drawn))
	}
	c, _ := clientOf(t, others[0], others[1])
	for at, id := range drawn {
		user, key, _ := strings.Cut(at, "/")
		d, err := c.Draw(t.Context(), client.DrawRequest{Campaign: "flash", User: user, Key: client.Key(key)})
		if err != nil || d.ID != id || !d.Replayed {
			t.Fatalf("%s was %s, now %+v: %v", at, id, d, err)
		}
		if errors.Is(err, client.ErrUnknownOutcome) {
			t.Error(err)
		}
	}
}
