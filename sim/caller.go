package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	api "github.com/drawd/drawd/client"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/drawtest"
	"github.com/drawd/drawd/sim/check"
)

// caller is a client's way over HTTP: the Go client with its rules of sending again, over connections of the simulated network
// to the real data plane. It is the transport under that client: each send is an attempt of its own, with bytes of its own.
type caller struct {
	client *client
	layer  *Layer
	api    *api.Client
	urls   int  // the nodes that api knows
	line   line // kept from one request to the next
	order  *order
	now    *check.Attempt // the send under way; nil for what is not judged as a command
	last   *check.Attempt // the last that was answered with a draw
}

// line is a connection to one machine's data plane.
type line struct {
	net.Conn
	host   string
	reader *bufio.Reader
}

// order is a draw as a caller wants it.
type order struct {
	campaign string
	ref      engine.CampaignRef
	user     string
	key      string
	times    int  // 0 for one that is not listed
	sent     bool // some send of it may have been decided
}

// blank stands for what is written into each send, to make its bytes its own: the device, by which nothing is counted.
const blank = "try-0000000000"

func newCaller(c *client) *caller {
	return &caller{client: c, layer: c.world.network.Listen(callerAddress(c.number))}
}

func callerAddress(number int) string { return fmt.Sprintf("c%d", number) }

// refresh makes a client of all nodes that there are now.
func (k *caller) refresh() error {
	all := k.client.world.machines()
	if k.api != nil && k.urls == len(all) {
		return nil
	}
	var urls []string
	for _, m := range all {
		urls = append(urls, m.apiURL())
	}
	var err error
	k.urls = len(all)
	k.api, err = api.New(api.Options{
		URLs: urls, Attempts: 3, AttemptTimeout: 4 * time.Second, BackoffBase: 100 * time.Millisecond, BackoffMax: time.Second, HTTPClient: &http.Client{Transport: k},
	})
	return err
}

// hangUp closes the connection, if there is one.
func (k *caller) hangUp() {
	if k.line.Conn != nil {
		_ = k.line.Close() // it may be broken: it is given up in any case
	}
	k.line = line{}
}

// draw draws over HTTP. What the client returns settles the order, or nobody knows.
func (k *caller) draw(o *order) check.Outcome {
	if err := k.refresh(); err != nil {
		k.client.world.fault("setup", "%v", err)
		return check.None
	}
	k.order, k.last = o, nil
	ctx, cancel := context.WithTimeout(context.Background(), k.client.patience())
	defer cancel()
	if o.sent && k.client.chance(30) {
		return k.again(ctx, o)
	}
	drawn, err := k.api.Draw(ctx, k.request(o))
	k.order = nil
	o.sent = o.sent || api.EffectOf(err) != api.EffectNone
	if err == nil {
		k.readBack(o, drawn)
	}
	return outcomeOf(err)
}

func (k *caller) request(o *order) api.DrawRequest {
	return api.DrawRequest{Campaign: o.campaign, User: o.user, Key: api.Key(o.key), Times: o.times, Device: blank, Again: o.sent}
}

// outcomeOf is what the Go client's error means to somebody who tries until he knows.
func outcomeOf(err error) check.Outcome {
	var denial *api.Denial
	switch {
	case err == nil, errors.As(err, &denial):
		return check.Decided
	case api.EffectOf(err) != api.EffectNone:
		return check.Unknown
	}
	return check.None
}

// again asks for what was sent before at one node by chance, which may be far behind.
func (k *caller) again(ctx context.Context, o *order) check.Outcome {
	all := k.client.world.running()
	if len(all) == 0 {
		return check.None
	}
	one, err := api.New(api.Options{
		URLs: []string{all[k.client.rng.IntN(len(all))].machine.apiURL()}, Attempts: 1, AttemptTimeout: 4 * time.Second, HTTPClient: &http.Client{Transport: k},
	})
	if err != nil {
		k.client.world.fault("setup", "%v", err)
		return check.None
	}
	_, err = one.Draw(ctx, k.request(o))
	k.order = nil
	k.client.world.count("keys asked again at any node")
	return outcomeOf(err)
}

// RoundTrip is one send.
func (k *caller) RoundTrip(q *http.Request) (*http.Response, error) {
	var body []byte
	if q.Body != nil {
		body, _ = io.ReadAll(q.Body) // of bytes in memory
	}
	mark := fmt.Sprintf("try-%010d", k.client.fresh())
	body = bytes.Replace(body, []byte(blank), []byte(mark), 1)
	if err := k.connect(q); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "sim", Err: err}
	}
	k.now = nil
	if k.order != nil {
		k.now = k.begin(mark)
	}
	answer, err := k.exchange(q, body)
	if err != nil {
		k.hangUp()
	}
	if k.now != nil {
		k.end(answer, q.Header.Get("Drawd-Retry") != "")
	}
	if err != nil {
		return nil, err
	}
	if answer.Close {
		k.hangUp()
	}
	return answer.Response, nil
}

// connect sees to it that there is a connection to the request's node.
func (k *caller) connect(q *http.Request) error {
	if k.line.Conn != nil && k.line.host == q.URL.Host {
		return nil
	}
	k.hangUp()
	for _, m := range k.client.world.machines() {
		if m.apiHost() != q.URL.Host {
			continue
		}
		c, err := k.layer.Dial(m.apiAddress(), 500*time.Millisecond)
		if err != nil {
			return err
		}
		k.line = line{Conn: c, host: q.URL.Host, reader: bufio.NewReader(c)}
		return nil
	}
	return errRefused
}

// answered is a response with its body read.
type answered struct {
	*http.Response
	text []byte
}

// exchange sends a request and reads its answer. A fifth of the requests come in two pieces: their bodies are not there when
// their heads are read.
func (k *caller) exchange(q *http.Request, body []byte) (a answered, err error) {
	deadline, bounded := q.Context().Deadline()
	if !bounded {
		deadline = time.Now().Add(7 * time.Second)
	}
	if err := k.line.SetReadDeadline(deadline); err != nil {
		return a, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\n", q.Method, q.URL.RequestURI(), q.URL.Host)
	if err := q.Header.Write(&out); err != nil {
		return a, err
	}
	if q.Method == http.MethodPost {
		fmt.Fprintf(&out, "Content-Length: %d\r\n", len(body))
	}
	out.WriteString("\r\n")
	if k.client.chance(20) && len(body) > 0 {
		if _, err := k.line.Write(append(out.Bytes(), body[:len(body)/2]...)); err != nil {
			return a, err
		}
		out.Reset()
		body = body[len(body)/2:]
	}
	if _, err := k.line.Write(append(out.Bytes(), body...)); err != nil {
		return a, err
	}
	if a.Response, err = http.ReadResponse(k.line.reader, q); err != nil {
		return a, err
	}
	if a.text, err = io.ReadAll(a.Body); err != nil {
		return answered{}, err
	}
	a.Body = io.NopCloser(bytes.NewReader(a.text))
	return a, nil
}

// begin notes a send of the order in hand as an attempt: the command that the data plane will make of it.
func (k *caller) begin(mark string) *check.Attempt {
	o, w := k.order, k.client.world
	keyer := w.shop.keyer
	user := keyer.User([]byte(o.user))
	command := &drawtest.Command{Draw: &engine.Draw{
		Campaign: o.ref, User: user, UserID: []byte(o.user), Digest: keyer.Digest(engine.DigestDraw, o.ref, user, []byte(o.key)),
		Times: uint8(max(o.times, 1)), Listed: o.times > 0, HasDevice: true, Device: keyer.Device([]byte(mark)),
	}}
	var b engine.Batch
	command.AddTo(&b)
	return w.journal.begin(k.client.number, "draw/"+o.key, command, b.Commands())
}

// end notes what came of the send under way. A refusal says itself what it did.
func (k *caller) end(got answered, retry bool) {
	w := k.client.world
	if got.Response == nil {
		w.journal.end(k.now, check.Unknown, nil)
		return
	}
	a := &check.Answer{Status: got.StatusCode, Body: got.text, Replayed: got.Header.Get("Idempotent-Replayed") == "true", Retry: retry}
	if got.StatusCode == http.StatusOK {
		index, err := strconv.ParseUint(got.Header.Get("Drawd-Index"), 10, 64)
		if err != nil {
			w.fault("answer", "%s was told no index: %v", k.now, got.Header)
		}
		w.journal.end(k.now, check.Decided, func() { k.now.Answer, k.now.Index = a, engine.LogIndex(index) })
		k.last = k.now
		return
	}
	var said struct{ Code, Effect string }
	err := json.Unmarshal(got.text, &said)
	if a.Code = codeOf(said.Code); err != nil || a.Code == problem.OK {
		w.fault("answer", "%s was answered %d %q", k.now, got.StatusCode, got.text)
	}
	outcome := check.Unknown
	if said.Effect == problem.None.String() {
		outcome = check.None
	}
	if effect := a.Code.Info().Effect; effect.String() != said.Effect && a.Code != problem.Internal {
		w.fault("answer", "%s was told %s with effect %s", k.now, said.Code, said.Effect)
	}
	w.journal.end(k.now, outcome, func() { k.now.Answer = a })
}

// codeOf returns the problem of a name; OK for none.
func codeOf(name string) problem.Code {
	for _, c := range problem.Codes() {
		if c.String() == name {
			return c
		}
	}
	return problem.OK
}

// get reads over HTTP, at the node that the caller has a connection with, or any.
func (k *caller) get(path string, headers ...string) (a answered, err error) {
	r := k.client.choose()
	if r == nil {
		return a, errRefused
	}
	q, err := http.NewRequest(http.MethodGet, r.machine.apiURL()+path, nil)
	if err != nil {
		return a, err
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	if err := k.connect(q); err != nil {
		return a, err
	}
	if a, err = k.exchange(q, nil); err != nil || a.Close {
		k.hangUp()
	}
	return a, err
}

// readBack reads now and then what was just drawn, at some node that must wait for it: by its id and by its key.
func (k *caller) readBack(o *order, drawn *api.Drawn) {
	if k.last == nil || !k.client.chance(20) {
		return
	}
	path := "/v1/draws/" + drawn.ID
	if k.client.chance(50) {
		path = "/v1/campaigns/" + o.campaign + "/users/" + o.user + "/keys/" + o.key
	}
	got, err := k.get(path, "Drawd-Min-Index", strconv.FormatUint(drawn.Index, 10))
	if err != nil || got.StatusCode >= 500 {
		return
	}
	k.client.world.count("draws read over HTTP")
	if got.StatusCode != http.StatusOK || o.times == 0 && !bytes.Equal(got.text, k.last.Answer.Body) {
		k.client.world.fault("read", "%s is %d %s when it is read from %s", k.last, got.StatusCode, got.text, path)
	}
}

// stock reads the books of a campaign, linearizably.
func (k *caller) stock(ref engine.CampaignRef, campaign string) {
	w := k.client.world
	a := w.journal.begin(k.client.number, "", nil, nil)
	got, err := k.get("/v1/campaigns/"+campaign+"/stock", "Drawd-Linearizable", "1")
	if err != nil || got.StatusCode != http.StatusOK {
		w.journal.end(a, check.None, nil)
		return
	}
	var told api.Stock
	index, bad := strconv.ParseUint(got.Header.Get("Drawd-Index"), 10, 64)
	if err := errors.Join(json.Unmarshal(got.text, &told), bad); err != nil {
		w.fault("answer", "%s was answered %s: %v", a, got.text, err)
	}
	books := &check.Books{Campaign: ref, Seq: told.Seq}
	for _, p := range told.Prizes {
		s := engine.PrizeStock{
			ID: p.ID, Total: engine.Unlimited, Unreleased: engine.Quantity(p.Unreleased), Available: engine.Quantity(p.Available), Reserved: engine.Quantity(p.Reserved),
			Held: engine.Quantity(p.Held), Issued: engine.Quantity(p.Issued), Expired: engine.Quantity(p.Expired), Withdrawn: engine.Quantity(p.Withdrawn),
		}
		if p.Total != nil {
			s.Total = engine.Quantity(*p.Total)
		}
		books.Prizes = append(books.Prizes, s)
	}
	w.count("stocks read over HTTP")
	w.journal.end(a, check.Decided, func() { a.Index, a.Read = engine.LogIndex(index), books })
}
