package resp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/apitest"
)

const testNow = 1794326400000 // 2026-11-10T16:00:00Z

// rig is a server on a loopback port with a real engine.
type rig struct {
	*testing.T
	engine *engine.Engine
	log    *apitest.Log
	gate   *access.Gate
	server *Server
	clock  atomic.Int64 // ms
	addr   string
}

func (r *rig) now() time.Time { return time.UnixMilli(r.clock.Load()) }

// wheel is a campaign in which every draw wins, three draws a day, for users of level 2 and more when gated.
func wheel(id string, edit func(v *engine.Version)) *engine.Version {
	v := &engine.Version{
		Campaign: id, TimeZone: "UTC", Transitions: []engine.Transition{{}}, StartsAt: testNow - 3600_000, EndsAt: testNow + 86400_000,
		Denominator: 1000,
		Caps:        []engine.Cap{{ID: "day", Window: engine.Window{Kind: engine.WindowDay}, Limit: 3, Prize: -1}},
		Prizes:      []engine.Prize{{ID: "phone", Weight: 1000, Stock: 100, Units: 1, Fallback: -1, Slot: 3}},
	}
	if edit != nil {
		edit(v)
	}
	return v
}

// gated is a campaign for users of level 2 and more, with a cap that counts by region.
func gated(t *testing.T) *engine.Version {
	file, faults := campaignfile.Parse([]byte(`campaign: gated
time_zone: UTC
starts_at: 2026-11-10T00:00:00Z
ends_at: 2026-11-12T00:00:00Z
denominator: 100
audience: {attributes: {level: {type: int, from: caller}, region: {type: string, from: caller}}, rule: 'level >= 2'}
caps: [{id: region, counts: draws, scope: region, window: campaign, limit: 2}]
prizes: [{id: tea, kind: coupon, weight: 100, stock: 10}]
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return file.Version
}

func start(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	e, err := engine.New(engine.Options{Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, engine: e}
	r.clock.Store(testNow)
	r.log = apitest.NewLog(e, r.now)
	var b engine.Batch
	b.AddInit(&engine.Init{IDKey: [16]byte{1}, Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{2}}})
	b.AddNamespace(&engine.NewNamespace{Name: "shop", Secret: [16]byte{3}})
	publish := func(v *engine.Version) {
		b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	}
	publish(wheel("wheel", nil))
	publish(wheel("paid", func(v *engine.Version) {
		v.Chances = &engine.Chances{Mode: engine.ChancesGranted, Price: 1, Lots: 2, Sources: []engine.ChanceSource{{ID: "shop"}}}
		v.Caps = nil
	}))
	publish(gated(t))
	b.AddPolicy(&engine.PutPolicy{Namespace: 1, Expect: engine.AnyRevision, Policy: &engine.NamespacePolicy{
		Transitions: []engine.Transition{{}}, FatigueCaps: []engine.FatigueCap{{ID: "push", Window: engine.Window{Kind: engine.WindowDay}, Limit: 5}},
	}})
	if err := r.log.Decide(&b); err != nil {
		t.Fatal(err)
	}
	for i, res := range b.Results {
		if res.Code != problem.OK {
			t.Fatalf("command %d: %v", i, res.Code)
		}
	}
	if r.gate, err = access.New(access.Options{Source: e}); err != nil {
		t.Fatal(err)
	}
	o := Options{Engine: e, Decider: r.log, Records: r.log, Gate: r.gate, Now: r.now, Version: "test", Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	if r.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		_ = ln.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// caller is a client that knows the protocol, and no more.
type caller struct {
	*testing.T
	net.Conn
	in *bufio.Reader
}

func (r *rig) dial() *caller {
	r.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	return &caller{r.T, nc, bufio.NewReader(nc)}
}

// send sends commands of words, in one write.
func (c *caller) send(commands ...string) {
	c.Helper()
	var b []byte
	for _, line := range commands {
		words := strings.Fields(line)
		b = appendArray(b, len(words))
		for _, w := range words {
			b = appendBulk(b, w)
		}
	}
	if _, err := c.Write(b); err != nil {
		c.Fatal(err)
	}
}

// reply reads one reply and shows it: words as they are, arrays in brackets.
func (c *caller) reply() string {
	c.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.Fatalf("no reply: %v", err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch n, _ := strconv.Atoi(line[1:]); line[0] {
	case '*':
		all := make([]string, n)
		for i := range all {
			all[i] = c.reply()
		}
		return "[" + strings.Join(all, " ") + "]"
	case '$':
		if n < 0 {
			return "null"
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, text); err != nil {
			c.Fatal(err)
		}
		return string(text[:n])
	default:
		return line
	}
}

func (c *caller) ask(command string) string {
	c.Helper()
	c.send(command)
	return c.reply()
}

// want asks, and compares the beginning of the reply.
func (c *caller) want(command, prefix string) string {
	c.Helper()
	got := c.ask(command)
	if !strings.HasPrefix(got, prefix) {
		c.Errorf("%s: %s, want %s…", command, got, prefix)
	}
	return got
}

func TestDraws(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	first := c.want("DRAW wheel u1 k1", "[outcome win prize phone draw d")
	if !strings.HasSuffix(first, " seq :1 version :1 at :1794326400000 slot :3]") {
		t.Error(first)
	}
	if again := c.ask("draw wheel u1 k1"); again != first {
		t.Errorf("the same key: %s, first %s", again, first)
	}
	c.want("DRAW wheel u1 k1 TIMES 1", "-IDEMPOTENCY_MISMATCH ")
	c.want("DRAW wheel u1 k2 TIMES 3", "-CAPPED A cap is reached. cap=day used=1 limit=3 resets_at=2026-11-11T00:00:00.000Z allowed=2 effect=none request_id=r")
	c.want("DRAW wheel u1 k2 TIMES 2", "[[outcome win prize phone draw ")
	c.want("DRAW wheel u1 k3", "-CAPPED ")
	c.want("DRAW wheel u2 k VERSION 2", "-VERSION_CHANGED ")
	c.want("DRAW none u2 k", "-CAMPAIGN_NOT_FOUND ")
	stock := c.want("STOCK wheel", "[[id phone total :100 unreleased :0 available :97 ")
	if !strings.HasSuffix(stock, "issued :3 expired :0 withdrawn :0]]") {
		t.Error(stock)
	}
}

// A pipeline is one proposal; replies are in its order, and a read in the middle sees what was written before it.
func TestPipelineIsOneProposal(t *testing.T) {
	var proposals atomic.Int64
	r := start(t, nil)
	count := func(*engine.Batch) error { proposals.Add(1); return nil }
	r.log.Before.Store(&count)
	c := r.dial()
	var all []string
	for i := range 60 {
		all = append(all, fmt.Sprintf("DRAW wheel u%d k", i))
	}
	c.send(all...)
	for i := range all {
		if got := c.reply(); !strings.Contains(got, fmt.Sprintf(" seq :%d ", i+1)) {
			t.Errorf("reply %d: %s", i, got)
		}
	}
	if n := proposals.Load(); n != 1 {
		t.Errorf("%d proposals for one pipeline", n)
	}
	c.send("GRANT paid u1 shop e1 2", "DRAW paid u1 a", "PING", "CHANCES paid u1", "DRAW paid u1 b", "FOO", "DRAW paid u1 c", "DRAW none u1 c")
	for _, want := range []string{
		"[granted :2 already :0]", "[outcome win prize phone ", "+PONG",
		"[spendable :1 remaining :1 price :1 granted :2 consumed :1 expired :0 revoked :0]", "[outcome win prize phone ",
		"-ERR unknown command 'FOO'", "-NO_CHANCES ", "-CAMPAIGN_NOT_FOUND ",
	} {
		if got := c.reply(); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s…", got, want)
		}
	}
}

// Attributes are what the campaign's rule and caps ask for.
func TestAttributes(t *testing.T) {
	c := start(t, nil).dial()
	c.want("DRAW gated u1 k", "-NOT_ELIGIBLE ")
	c.want("DRAW gated u1 k ATTR level 1 ATTR region north", "-NOT_ELIGIBLE ")
	c.want("DRAW gated u1 k ATTR level 2", "-SCOPE_VALUE_MISSING ")
	c.want("DRAW gated u1 k ATTR level high", "-INVALID_FIELD The attribute level is no int.")
	c.want("DRAW gated u1 k ATTR colour red", "-INVALID_FIELD The campaign has no such attribute.")
	c.want("DRAW gated u1 k ATTR level", "-INVALID_FIELD ATTR needs a value")
	for i := range 2 {
		c.want(fmt.Sprintf("DRAW gated u%d k ATTR level 2 ATTR region north", i), "[outcome win prize tea ")
	}
	c.want("DRAW gated u3 k ATTR level 2 ATTR region north", "-CAPPED A cap is reached. cap=region ")
	c.want("DRAW gated u3 k ATTR region south ATTR level 9", "[outcome win prize tea ")
}

func TestHits(t *testing.T) {
	c := start(t, nil).dial()
	c.want("HIT push u1 k1", "[used :1 limit :5 resets_at :1794355200000]")
	c.want("HIT push u1 k1", "[used :1 limit :5 ")
	c.want("HIT push u1 k2 QUANTITY 4", "[used :5 limit :5 ")
	c.want("HIT push u1 k3", "-CAPPED A cap is reached. cap=push used=5 limit=5 resets_at=2026-11-11T00:00:00.000Z allowed=0")
	c.want("HIT none u1 k3", "-NOT_FOUND ")
	c.want("HIT push u1 k3 TIMES 2", "-INVALID_FIELD HIT has the option QUANTITY")
}

// What is wrong with a command is said, and nothing is decided.
func TestRefusals(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	before := r.engine.StateHash()
	for command, want := range map[string]string{
		"DRAW":                            "-ERR wrong number of arguments for 'draw': DRAW campaign user key",
		"DRAW wheel u1":                   "-ERR wrong number of arguments",
		"DRAW wheel u/1 k":                "-INVALID_FIELD user must be",
		"DRAW wheel u1 " + long(65):       "-INVALID_FIELD key must be",
		"DRAW wheel u1 k TIMES 11":        "-INVALID_FIELD TIMES must be 1 to 10",
		"DRAW wheel u1 k TIMES +1":        "-INVALID_FIELD TIMES must be 1 to 10",
		"DRAW wheel u1 k TIMES":           "-INVALID_FIELD TIMES needs a value",
		"DRAW wheel u1 k IP 1.2.3":        "-INVALID_FIELD IP must be",
		"DRAW wheel u1 k IP fe80::1%eth0": "-INVALID_FIELD IP must be",
		"DRAW gated u1 k ATTR level 2 ATTR region north ATTR level 3": "-INVALID_FIELD ATTR names an attribute twice",
		"DRAW wheel u1 k ATTR a 1 ATTR a 1":                           "-INVALID_FIELD ATTR names an attribute twice",
		"DRAW wheel u1 k COLOUR red":                                  "-INVALID_FIELD DRAW has the options",
		"DRAW wheel u1 k CHANNEL ":                                    "-INVALID_FIELD CHANNEL needs a value",
		"CHANCES wheel u1":                                            "-CONFLICT ",
		"GRANT paid u1 none e 1":                                      "-INVALID_FIELD The campaign or purse has no such source.",
		"GRANT paid u1 shop e 0":                                      "-INVALID_FIELD amount must be 1 to",
		"SELECT 1":                                                    "-ERR there is one database",
		"SELECT 0":                                                    "+OK",
		"CLIENT SETINFO LIB-NAME x":                                   "+OK",
		"COMMAND DOCS":                                                "[]",
		"ECHO hello":                                                  "hello",
		"INFO":                                                        "# Server\r\nserver:drawd\r\ndrawd_version:test\r\nready:1\r\n",
		"HELLO 3":                                                     "-ERR unknown command 'HELLO'",
		long(40):                                                      "-ERR unknown command '",
	} {
		c.want(command, want)
	}
	if r.engine.StateHash() != before {
		t.Error("something was decided")
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// keys makes API keys, and returns their secrets by name.
func (r *rig) keys() map[string]string {
	r.Helper()
	secrets := map[string]string{}
	var b engine.Batch
	for name, key := range map[string]access.Key{
		"operator": {Namespace: "default", Scopes: access.ScopeAdmin | access.ScopeDraw | access.ScopeRead},
		"drawer":   {Namespace: "default", Scopes: access.ScopeDraw, Campaigns: []string{"wheel"}},
	} {
		id, secret, hash := access.NewSecret()
		key.ID, key.Name, key.Hash, key.CreatedAt = id, name, hash, r.now()
		secrets[name] = secret
		b.AddDocument(&engine.PutDocument{Namespace: 1, Name: access.DocumentPrefix + id, Body: key.Encode()})
	}
	if err := r.log.Decide(&b); err != nil {
		r.Fatal(err)
	}
	r.gate.Refresh()
	return secrets
}

// Where there are keys nothing is done without one, a key may do what its scopes say, and a wrong one leaves the
// connection without any.
func TestAuth(t *testing.T) {
	r := start(t, nil)
	secrets := r.keys()
	c := r.dial()
	c.want("PING", "+PONG")
	c.want("DRAW wheel u1 k", "-NOAUTH ")
	c.want("INFO", "-NOAUTH ")
	c.want("AUTH "+secrets["drawer"], "+OK")
	c.want("DRAW wheel u1 k", "[outcome win ")
	c.want("DRAW paid u1 k", "-NOPERM ")
	c.want("STOCK wheel", "-NOPERM The key does not have the scope stock or read.")
	c.want("HIT push u1 k", "-NOPERM The key is limited to campaigns")
	c.want("AUTH shop "+secrets["drawer"], "-NOPERM ")
	c.want("DRAW wheel u1 k", "-NOAUTH ")
	c.want("AUTH default "+secrets["operator"], "+OK")
	c.want("STOCK wheel", "[[id phone ")
	c.want("AUTH shop "+secrets["operator"], "+OK")
	c.want("STOCK wheel", "-CAMPAIGN_NOT_FOUND ") // that of another namespace
	c.want("AUTH "+secrets["operator"]+"x", "-NOAUTH ")
	c.want("STOCK wheel", "-NOAUTH ")
}

// An unknown outcome is said to be one, the commands after it are decided, and the key gives the first answer.
func TestUnknownOutcome(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	lost := func(*engine.Batch) error { return problem.New(problem.UnknownOutcome, "cut") }
	r.log.Before.Store(&lost)
	c.send("DRAW wheel u1 a", "DRAW wheel u2 a")
	for range 2 {
		if got := c.reply(); !strings.HasPrefix(got, "-UNKNOWN_OUTCOME cut effect=unknown ") {
			t.Error(got)
		}
	}
	full := func(*engine.Batch) error { return problem.New(problem.Overloaded, "") }
	r.log.Before.Store(&full)
	if got := c.ask("DRAW wheel u1 a RETRY"); !strings.HasPrefix(got, "-OVERLOADED ") || !strings.Contains(got, "effect=none") {
		t.Error(got)
	}
	r.log.Before.Store(nil)
	c.want("DRAW wheel u1 a RETRY", "[outcome win ")
}

// With RETRY only the log denies: what committed facts say now may not have been so when the first send was decided.
func TestRetryIsDeniedByTheLog(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	for i := range 3 {
		c.want(fmt.Sprintf("DRAW wheel u1 k%d", i), "[outcome win ")
	}
	var proposals atomic.Int64
	count := func(*engine.Batch) error { proposals.Add(1); return nil }
	r.log.Before.Store(&count)
	c.want("DRAW wheel u1 k9", "-CAPPED ")
	if proposals.Load() != 0 {
		t.Error("a denial from committed facts went to the log")
	}
	c.want("DRAW wheel u1 k9 RETRY", "-CAPPED ")
	if proposals.Load() != 1 {
		t.Error("a retry was denied without the log")
	}
}

// Whoever breaks the framing, or speaks HTTP, is told and cut off; what stood before it was carried out.
func TestConnectionsThatEnd(t *testing.T) {
	r := start(t, nil)
	for sent, want := range map[string]string{
		"PING\r\n*1\r\n$9223372036854775807\r\nab\r\n":          "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\n\r\nDRAW wheel u9 k\r\n": "-ERR this is not HTTP\r\n",
		"QUIT\r\nDRAW wheel u9 k\r\n":                           "+OK\r\n",
		"*1000000000\r\n":                                       "-ERR Protocol error: invalid multibulk length\r\n",
		"PING " + long(maxInline) + "\r\n":                      "-ERR Protocol error: too big inline request\r\n",
	} {
		c := r.dial()
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c.in)
		if string(got) != want || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%.30q: %q, %v", sent, got, err)
		}
	}
	r.dial().want("STOCK wheel", "[[id phone total :100 unreleased :0 available :100 ")
}

// One connection too many is told so; the others go on.
func TestTooManyConnections(t *testing.T) {
	r := start(t, func(o *Options) { o.MaxConnections = 1 })
	c := r.dial()
	c.want("PING", "+PONG")
	if got := r.dial().reply(); got != "-ERR max number of clients reached" {
		t.Error(got)
	}
	c.want("PING", "+PONG")
}

// A command that arrives in pieces is one command, and a long pipeline is answered whole.
func TestPieces(t *testing.T) {
	c := start(t, nil).dial()
	whole := "*2\r\n$4\r\nECHO\r\n$5000\r\n" + long(5000) + "\r\n"
	for _, cut := range []int{1, 7, 20, 4096} {
		for _, piece := range []string{whole[:cut], whole[cut:]} {
			if _, err := io.WriteString(c, piece); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.reply(); got != long(5000) {
			t.Errorf("cut at %d: %d bytes", cut, len(got))
		}
	}
	const many = 5000
	go func() { _, _ = io.WriteString(c, strings.Repeat("*1\r\n$4\r\nPING\r\n", many)) }()
	for i := range many {
		if got := c.reply(); got != "+PONG" {
			t.Fatalf("reply %d: %s", i, got)
		}
	}
}
