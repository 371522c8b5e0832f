package dataplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/ticket"
)

// gatedRig serves a campaign "members" with a rule, attributes from tickets and callers, a cap by store, and tickets.
// With required tickets it is "closed".
type gatedRig struct {
	*rig
	key    *ticket.Key
	secret ticket.Secret
}

func gatedFile(id, tickets string) string {
	return `
campaign: ` + id + `
time_zone: UTC
starts_at: 2026-11-01T00:00:00Z
ends_at: 2026-12-01T00:00:00Z
denominator: 10
audience:
  rule: 'level >= 2 && region in ["SH"]'
  attributes: {level: {type: int, from: ticket}, region: {type: string}, store: {type: string}, vip: {type: bool}}
tickets: ` + tickets + `
caps:
  - {id: store, counts: draws, scope: store, window: day, limit: 2}
  - {id: own, counts: draws, window: day, limit: 3}
prizes: [{id: phone, kind: physical, weight: 10, stock: 1000}]
`
}

func newGatedRig(t *testing.T, edit ...func(o *Options)) *gatedRig {
	g := &gatedRig{key: ticket.NewKey()}
	g.key.ID = 0xA1
	g.secret = ticket.NewSecret(g.key.Derive([32]byte{}, "default"))
	g.rig = start(t, func(o *Options) {
		ring, err := ticket.NewRing(ticket.Options{Source: o.Engine, RefreshEvery: 1})
		if err != nil {
			t.Fatal(err)
		}
		o.Tickets = ring
		for _, f := range edit {
			f(o)
		}
	})
	var b engine.Batch
	b.AddDocument(&engine.PutDocument{Namespace: 1, Name: ticket.DocumentPrefix + ticket.FormatID(g.key.ID), Body: g.key.Encode()})
	g.decide(&b)
	g.publish(gatedFile("members", "{required: false}"))
	g.publish(gatedFile("closed", "{required: true}"))
	g.clock.Add(1000) // the ring looks again
	return g
}

func (g *gatedRig) publish(source string) {
	g.t.Helper()
	file, faults := campaignfile.Parse([]byte(source))
	if len(faults) > 0 {
		g.t.Fatal(faults)
	}
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: file.Version, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	g.decide(&b)
}

// sign makes a ticket of user u1 with level 3, for an hour.
func (g *gatedRig) sign(nonce string, edit func(c *ticket.Claims)) string {
	g.t.Helper()
	c := ticket.Claims{
		Key: g.key.ID, Campaign: "closed", User: "u1", Nonce: nonce, NotBefore: testNow/1000 - 60, ExpiresAt: testNow/1000 + 3600,
		Attributes: map[string]string{"level": "3"},
	}
	if edit != nil {
		edit(&c)
	}
	text, err := ticket.Sign(&c, &g.secret)
	if err != nil {
		g.t.Fatal(err)
	}
	return text
}

const eligible = `"attributes":{"region":"SH","store":"s1"}`

func (a answer) pointsAt(pointer, code string) bool {
	return strings.Contains(string(a.body), `"pointer":"`+pointer+`","code":"`+code+`"`)
}

func TestAttributes(t *testing.T) {
	g := newGatedRig(t)
	ticketed := `"ticket":"` + g.sign("k0", func(c *ticket.Claims) { c.Campaign = "members" }) + `"`
	for i, row := range []struct {
		name, body string
		status     int
		code, at   string
		what       string
	}{
		{"no level", `{"user":"u1",` + eligible + `}`, 403, "not_eligible", "/attributes/level", "required"},
		{"no region", `{"user":"u1",` + ticketed + `,"attributes":{"store":"s1"}}`, 403, "not_eligible", "/attributes/region", "required"},
		{"another region", `{"user":"u1",` + ticketed + `,"attributes":{"region":"BJ","store":"s1"}}`, 403, "not_eligible", "", ""},
		{"no store", `{"user":"u1",` + ticketed + `,"attributes":{"region":"SH"}}`, 422, "scope_value_missing", "/attributes/store", "required"},
		{"level from the caller", `{"user":"u1","attributes":{"region":"SH","store":"s1","level":9}}`, 422, "invalid_field", "/attributes/level", "from_ticket"},
		{"a number for a text", `{"user":"u1","attributes":{"region":7}}`, 422, "invalid_field", "/attributes/region", "type"},
		{"a list", `{"user":"u1","attributes":{"region":["SH"]}}`, 422, "invalid_field", "/attributes/region", "type"},
		{"a long text", `{"user":"u1","attributes":{"region":"` + strings.Repeat("x", 65) + `"}}`, 422, "invalid_field", "/attributes/region", "type"},
		{"an unknown one", `{"user":"u1","attributes":{"levle":3}}`, 422, "unknown_field", "/attributes/levle", "unknown"},
		{"a fraction", `{"user":"u1","attributes":{"level":1.5}}`, 422, "invalid_field", "/attributes/level", "from_ticket"},
		{"no object", `{"user":"u1","attributes":[1]}`, 422, "invalid_field", "/attributes", "type"},
		{"too many", `{"user":"u1","attributes":{` + seventeen() + `}}`, 422, "invalid_field", "/attributes", "range"},
	} {
		before := g.engine.StateHash()
		key := "k0"
		if !strings.Contains(row.body, `"ticket"`) {
			key = fmt.Sprint("key", i)
		}
		a := g.do("POST", "/v1/campaigns/members/draws", row.body, "Idempotency-Key", key)
		g.want(row.name, a, row.status, row.code)
		if row.at != "" && !a.pointsAt(row.at, row.what) {
			t.Errorf("%s: %s", row.name, a.body)
		}
		if after := g.engine.StateHash(); before != after && a.status == 422 && row.code != "scope_value_missing" {
			t.Errorf("%s changed the state", row.name)
		}
	}
	g.want("eligible", g.do("POST", "/v1/campaigns/members/draws", `{"user":"u1",`+ticketed+`,`+eligible+`}`, "Idempotency-Key", "k0"), 200, "")
	if page := string(g.do("GET", "/v1/campaigns/members", "").body); !strings.Contains(page, `"audience":{"ticket":"optional","rule":"level >= 2`) || !strings.Contains(page, `"scope":"store"`) {
		t.Errorf("the page: %s", page)
	}
	g.want("what is not declared is not looked at", g.do("POST", "/v1/campaigns/open/draws", `{"user":"u1","attributes":{"x":[1]},"ticket":"junk"}`, "Idempotency-Key", "k0"), 200, "")
}

func seventeen() string {
	var parts []string
	for i := range 17 {
		parts = append(parts, fmt.Sprintf(`"x%d":1`, i))
	}
	return strings.Join(parts, ",")
}

// Requests with a trusted caller, of the campaign that needs a ticket: what is wrong is told.
func TestTickets(t *testing.T) {
	g := newGatedRig(t)
	body := func(text string) string { return `{"user":"u1","ticket":"` + text + `",` + eligible + `}` }
	good := g.sign("n1", nil)
	for _, row := range []struct{ name, body, key, what string }{
		{"none", `{"user":"u1",` + eligible + `}`, "n1", "required"},
		{"junk", body("junk"), "n1", "malformed"},
		{"another signature", body(good[:len(good)-1] + string(good[len(good)-1]^1)), "n1", "signature"},
		{"another level", body(strings.Replace(good, "a.level=3", "a.level=9", 1)), "n1", "signature"},
		{"another key", body(strings.Replace(good, "00000000000000a1", "00000000000000a2", 1)), "n1", "signature"},
		{"another user", body(g.sign("n1", func(c *ticket.Claims) { c.User = "u2" })), "n1", "other_user"},
		{"another campaign", body(g.sign("n1", func(c *ticket.Claims) { c.Campaign = "members" })), "n1", "other_campaign"},
		{"another nonce", body(good), "n2", "other_key"},
		{"two draws with a ticket for one", strings.Replace(body(good), `{`, `{"times":2,`, 1), "n1", "times"},
		{"of later", body(g.sign("n1", func(c *ticket.Claims) { c.NotBefore += 600 })), "n1", "time"},
		{"of before", body(g.sign("n1", func(c *ticket.Claims) { c.NotBefore -= 600; c.ExpiresAt = c.NotBefore + 300 })), "n1", "time"},
	} {
		a := g.do("POST", "/v1/campaigns/closed/draws", row.body, "Idempotency-Key", row.key)
		g.want(row.name, a, 403, "ticket_invalid")
		if !a.pointsAt("/ticket", row.what) {
			t.Errorf("%s: %s", row.name, a.body)
		}
	}
	first := g.do("POST", "/v1/campaigns/closed/draws", body(good))
	g.want("the nonce is the key", first, 200, "")
	g.clock.Add(2 * 3600 * 1000)
	again := g.do("POST", "/v1/campaigns/closed/draws", body(good), "Idempotency-Key", "n1")
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("after the ticket has expired its draw is still answered: %d %s", again.status, again.body)
	}
	g.want("a new one is needed", g.do("POST", "/v1/campaigns/closed/draws", body(strings.Replace(good, "n1", "n2", 1))), 403, "ticket_invalid")
	g.want("text that no attribute can have", g.do("POST", "/v1/campaigns/closed/draws",
		body(g.sign("n9", func(c *ticket.Claims) { c.ExpiresAt += 7200; c.Attributes["level"] = "three" }))), 422, "invalid_field")
}

// A user who is denied is told so, before he draws too, and the node does not need the log for it.
func TestListedUsers(t *testing.T) {
	g := newGatedRig(t)
	ns, _ := g.engine.Namespace("default")
	list := func(user string, treatment engine.Treatment) {
		keyer := ns.Keyer()
		var b engine.Batch
		b.AddList(&engine.PutList{Namespace: 1, List: engine.ListDeny, Actor: "op", Entries: []engine.ListEntry{
			{User: keyer.User([]byte(user)), UserID: []byte(user), Treatment: treatment, Reason: []byte("bot")},
		}})
		g.decide(&b)
	}
	list("bad", engine.Block)
	list("odd", engine.Restrict)
	before := g.engine.AppliedIndex()
	g.want("blocked", g.draw("open", "k1", `{"user":"bad"}`), 403, "blocked")
	if g.engine.AppliedIndex() != before {
		t.Error("a denial went through the log")
	}
	if a := g.do("GET", "/v1/campaigns/open/users/bad", ""); !strings.Contains(string(a.body), `"can_draw":false`) || !strings.Contains(string(a.body), `"code":"blocked"`) {
		t.Errorf("the user's page: %s", a.body)
	}
	for i := range 20 {
		if a := g.draw("open", fmt.Sprint("k", i), `{"user":"odd"}`); a.status != 200 || a.json["outcome"] != "miss" {
			t.Errorf("restricted: %s", a.body)
		}
	}
}

// A key that was deleted signs no more, and one that the version does not name never did.
func TestTicketKeys(t *testing.T) {
	g := newGatedRig(t)
	body := func(nonce, campaign string) string {
		return `{"user":"u1","ticket":"` + g.sign(nonce, func(c *ticket.Claims) { c.Campaign = campaign }) + `",` + eligible + `}`
	}
	g.publish(gatedFile("other", `{keys: ["00000000000000b2"]}`))
	g.want("a key of another", g.do("POST", "/v1/campaigns/other/draws", body("n1", "other")), 403, "ticket_invalid")
	g.want("before", g.do("POST", "/v1/campaigns/closed/draws", body("n1", "closed")), 200, "")
	var b engine.Batch
	b.AddDocument(&engine.PutDocument{Namespace: 1, Name: ticket.DocumentPrefix + ticket.FormatID(g.key.ID), Expect: engine.AnyRevision, Delete: true})
	g.decide(&b)
	g.clock.Add(1000)
	g.want("after", g.do("POST", "/v1/campaigns/closed/draws", body("n2", "closed")), 403, "ticket_invalid")
}

// A key of one namespace signs nothing in another, although the node knows both.
func TestTicketKeyOfAnotherNamespace(t *testing.T) {
	g := newGatedRig(t)
	var b engine.Batch
	b.AddNamespace(&engine.NewNamespace{Name: "other", Secret: [16]byte{9}})
	g.decide(&b)
	foreign := ticket.NewKey()
	b.Reset()
	b.AddDocument(&engine.PutDocument{Namespace: 2, Name: ticket.DocumentPrefix + ticket.FormatID(foreign.ID), Body: foreign.Encode()})
	g.decide(&b)
	g.clock.Add(1000)
	g.secret = ticket.NewSecret(foreign.Derive([32]byte{}, "other"))
	text := g.sign("n1", func(c *ticket.Claims) { c.Key = foreign.ID })
	a := g.do("POST", "/v1/campaigns/closed/draws", `{"user":"u1","ticket":"`+text+`",`+eligible+`}`, "Idempotency-Key", "n1")
	g.want("a key of another namespace", a, 403, "ticket_invalid")
	if !a.pointsAt("/ticket", "signature") {
		t.Errorf("%s", a.body)
	}
}

// Without an API key, on a node that has keys, a ticket admits the draw, and nothing else is shown.
func TestTicketAlone(t *testing.T) {
	g := newGatedRig(t, func(o *Options) { o.UserRate = access.Rate{PerSecond: 1000} })
	secret := g.addKey()
	ask := func(nonce, rest string, edit func(c *ticket.Claims)) answer {
		text := g.sign(nonce, func(c *ticket.Claims) {
			c.Attributes["region"], c.Attributes["store"] = "SH", "s1"
			if edit != nil {
				edit(c)
			}
		})
		return g.do("POST", "/v1/campaigns/closed/draws", `{"user":"u1","ticket":"`+text+`"`+rest+`}`)
	}
	wantPublic := func(name string, a answer, status int, code string) {
		t.Helper()
		if a.status != status || a.json["public_code"] != code || a.json["code"] != nil {
			t.Errorf("%s: %d, want %d %s: %s", name, a.status, status, code, a.body)
		}
		for _, secret := range []string{"seq", "cap", "used", "limit\":", "resets_at", "starts_at", "capped", "stock", "exhausted"} {
			if strings.Contains(string(a.body), secret) {
				t.Errorf("%s shows %q: %s", name, secret, a.body)
			}
		}
	}
	g.want("no ticket", g.do("POST", "/v1/campaigns/closed/draws", `{"user":"u1"}`), 401, "unauthenticated")
	g.want("no JSON", g.do("POST", "/v1/campaigns/closed/draws", `{`), 401, "unauthenticated")
	wantPublic("junk", g.do("POST", "/v1/campaigns/closed/draws", `{"user":"u1","ticket":"junk"}`), 403, "not_allowed")
	wantPublic("level 1", ask("l1", "", func(c *ticket.Claims) { c.Attributes["level"] = "1" }), 403, "not_allowed")
	wantPublic("attributes of his own", ask("l2", `,"attributes":{"vip":true}`, nil), 422, "bad_request")
	wantPublic("a device of his own", ask("l3", `,"device":"d"`, nil), 422, "bad_request")
	wantPublic("another campaign", g.do("POST", "/v1/campaigns/open/draws", `{"user":"u1","ticket":"`+g.sign("x", func(c *ticket.Claims) { c.Campaign = "open" })+`"}`), 403, "not_allowed")
	wantPublic("no such campaign", g.do("POST", "/v1/campaigns/none/draws", `{"user":"u1","ticket":"`+g.sign("x", nil)+`"}`), 409, "not_open")
	for i := range 2 {
		a := ask(fmt.Sprint("n", i), "", nil)
		g.want("draw", a, 200, "")
		if a.json["seq"] != nil || a.header.Get("Drawd-Index") != "" || a.json["outcome"] != "win" {
			t.Errorf("a player sees %s %v", a.body, a.header)
		}
	}
	wantPublic("capped", ask("n3", "", nil), 409, "limit_reached")
	if a, again := ask("n1", "", nil), ask("n1", "", nil); string(a.body) != string(again.body) || a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replays differ: %s %s", a.body, again.body)
	}
	// A ticket is good for its own draw only, also for one that was decided already: nobody reads another's answer.
	first := ask("n1", "", nil)
	for _, row := range []struct{ name, user, key string }{{"another user", "u2", "order-7"}, {"another key", "u1", "order-7"}} {
		theirs := g.do("POST", "/v1/campaigns/closed/draws", `{"user":"`+row.user+`","attributes":{"region":"SH","store":"s`+row.user+`"},"ticket":"`+
			g.sign("order-7", func(c *ticket.Claims) { c.User = row.user })+`"}`, "Authorization", "Bearer "+secret)
		g.want("theirs", theirs, 200, "")
		wantPublic(row.name, g.do("POST", "/v1/campaigns/closed/draws", `{"user":"`+row.user+`","ticket":"`+g.sign("n1", nil)+`"}`, "Idempotency-Key", row.key), 403, "not_allowed")
	}
	g.want("his own", first, 200, "")
	g.want("reading needs a key", g.do("GET", "/v1/campaigns/closed/users/u1", ""), 401, "unauthenticated")
}

// addKey gives the node a key, so that keyless requests need a ticket, and returns its secret.
func (g *gatedRig) addKey() (secret string) {
	g.t.Helper()
	id, secret, hash := access.NewSecret()
	k := access.Key{Name: "ops", Scopes: access.ScopeAdmin | access.ScopeDraw, Hash: hash, CreatedAt: g.now()}
	var b engine.Batch
	b.AddDocument(&engine.PutDocument{Namespace: 1, Name: access.DocumentPrefix + id, Body: k.Encode()})
	g.decide(&b)
	g.gate.Refresh()
	return secret
}

// A version that is published between evaluation and decision is evaluated again; one after the other is given up.
func TestStaleStampIsEvaluatedAgain(t *testing.T) {
	g := newGatedRig(t)
	body := `{"user":"u1","ticket":"` + g.sign("k1", func(c *ticket.Claims) { c.Campaign = "members" }) + `",` + eligible + `}`
	publishes, weight := 1, 40
	before := func(b *engine.Batch) error {
		if publishes > 0 && b.Len() == 1 {
			publishes--
			weight--
			none := func(*engine.Batch) error { return nil }
			old := g.log.Before.Swap(&none)
			g.publish(strings.Replace(gatedFile("members", "{required: false}"), "weight: 10, stock: 1000", fmt.Sprintf("weight: %d", weight%10), 1))
			g.log.Before.Store(old)
		}
		return nil
	}
	g.log.Before.Store(&before)
	a := g.do("POST", "/v1/campaigns/members/draws", body, "Idempotency-Key", "k1")
	g.want("published meanwhile", a, 200, "")
	if a.json["version"] != 2.0 {
		t.Errorf("decided on version %v", a.json["version"])
	}
	publishes = stampTries
	g.want("published again and again", g.do("POST", "/v1/campaigns/members/draws", strings.Replace(body, `"u1"`, `"u1" `, 1), "Idempotency-Key", "k1"), 200, "")
	body = `{"user":"u1","ticket":"` + g.sign("k2", func(c *ticket.Claims) { c.Campaign = "members" }) + `",` + eligible + `}`
	g.want("published again and again", g.do("POST", "/v1/campaigns/members/draws", body, "Idempotency-Key", "k2"), 503, "overloaded")
	publishes = stampTries
	item := `{"campaign":"members","key":"k2",` + body[1:]
	b := g.do("POST", "/v1/draws:batch", `{"draws":[`+item+`]}`)
	if b.status != 200 || !strings.Contains(string(b.body), `"code":"overloaded"`) {
		t.Errorf("in a batch, again and again: %s", b.body)
	}
	publishes = 1
	b = g.do("POST", "/v1/draws:batch", `{"draws":[`+item+`]}`)
	if b.status != 200 || !strings.Contains(string(b.body), `"status":200,"replayed":false,"body":{"draw":`) || !strings.Contains(string(b.body), fmt.Sprintf(`"version":%d`, 41-weight)) {
		t.Errorf("in a batch, once (version %d): %s", 41-weight, b.body)
	}
	b = g.do("POST", "/v1/draws:batch", `{"draws":[`+item+`,{"campaign":"members","key":"k2","user":"u2",`+eligible+`},{"campaign":"closed","key":"k2","user":"u2"}]}`)
	if b.status != 200 || !strings.Contains(string(b.body), `"status":200`) || !strings.Contains(string(b.body), `"code":"not_eligible"`) || !strings.Contains(string(b.body), `"code":"ticket_invalid"`) {
		t.Errorf("in a batch: %s", b.body)
	}
}
