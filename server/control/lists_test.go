package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/ticket"
)

func TestListsOverHTTP(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	const path = "/admin/v1/lists/deny/u:1"
	w.refused(problem.NotFound, "GET", path, "")
	a := w.want(200, "PUT", path, `{"reason":"bot farm","treatment":"restricted","expires_at":"2026-12-01T00:00:00Z"}`)
	if a.text("treatment") != "restricted" || a.text("expires_at") != "2026-12-01T00:00:00.000Z" || a.text("reason") != "bot farm" || a.text("actor") != "loopback" || a.json()["changed"] != true {
		t.Errorf("put: %s", a.body)
	}
	if a := w.want(200, "PUT", path, `{"reason":"again","treatment":"restricted","expires_at":"2026-12-01T00:00:00Z"}`); a.json()["changed"] != false || a.text("reason") != "bot farm" {
		t.Errorf("put again: %s", a.body)
	}
	w.want(200, "GET", path, "")
	w.refused(problem.NotFound, "GET", "/admin/v1/lists/allow/u:1", "")
	w.refused(problem.NotFound, "GET", "/admin/v1/campaigns/flash/lists/deny/u:1", "")
	w.want(200, "PUT", "/admin/v1/campaigns/flash/lists/allow/u2", `{"reason":"friend"}`)
	if a := w.want(200, "DELETE", path, `{"reason":"was no bot"}`); a.json()["changed"] != true {
		t.Errorf("delete: %s", a.body)
	}
	if a := w.want(200, "DELETE", path, `{"reason":"was no bot"}`); a.json()["changed"] != false {
		t.Errorf("delete again: %s", a.body)
	}
	feed := string(w.want(200, "GET", "/admin/v1/records", "").body)
	for _, want := range []string{`"kind":"list"`, `"user":"u:1"`, `"list":"deny","treatment":"restricted","expires_at":"2026-12-01T00:00:00.000Z"`, `"reason":"was no bot","list":"deny","deleted":true`} {
		if !strings.Contains(feed, want) {
			t.Errorf("the feed lacks %s: %s", want, feed)
		}
	}
}

// What a file says about who may draw comes back in the version, and a change that keeps somebody out must be forced.
func TestAudienceOverHTTP(t *testing.T) {
	w := newWorld(t)
	file := flashFile + `  - {id: gem, kind: physical, weight: 1, stock: 1, valuable: true}
audience: {rule: 'level >= 2', attributes: {level: {type: int, from: ticket}, store: {type: string}}}
tickets: {keys: ["00000000000000a1"]}
`
	file = strings.Replace(file, "limit: 3}", "limit: 3}\n  - {id: shop, counts: draws, scope: store, window: day, limit: 9}", 1)
	w.publish("flash", file)
	version := string(w.want(200, "GET", "/admin/v1/campaigns/flash/versions/1", "").body)
	for _, want := range []string{`"rule":"level >= 2"`, `"level":{"type":"int","from":"ticket"}`, `"scope":"store"`, `"keys":["00000000000000a1"]`, `"valuable":true`} {
		if !strings.Contains(version, want) {
			t.Errorf("the version lacks %s: %s", want, version)
		}
	}
	etag := w.saveDraft("flash", strings.Replace(file, "level >= 2", "level >= 3", 1))
	a := w.refused(problem.Conflict, "POST", "/admin/v1/campaigns/flash:publish", fmt.Sprintf(`{"draft_etag":%q}`, etag))
	if !strings.Contains(string(a.body), `"pointer":"/audience/rule"`) {
		t.Errorf("unforced: %s", a.body)
	}
	w.do("PUT", "/admin/v1/campaigns/flash/draft", strings.Replace(file, "level >= 2", "levle / 2", 1), "If-Match: "+etag)
	a = w.refused(problem.InvalidCampaign, "POST", "/admin/v1/campaigns/flash:validate", "")
	if !strings.Contains(string(a.body), `"pointer":"/audience/rule"`) || !strings.Contains(string(a.body), `"line":15,"column":25`) {
		t.Errorf("faults of the rule: %s", a.body)
	}
}

func TestListRefusals(t *testing.T) {
	w := newWorld(t)
	before := w.engine.StateHash()
	for _, row := range []struct {
		code         problem.Code
		method, path string
		body         string
	}{
		{problem.NotFound, "PUT", "/admin/v1/lists/grey/u1", `{"reason":"x"}`},
		{problem.NotFound, "PUT", "/admin/v1/lists/deny/" + strings.Repeat("u", 129), `{"reason":"x"}`},
		{problem.CampaignNotFound, "PUT", "/admin/v1/campaigns/none/lists/deny/u1", `{"reason":"x"}`},
		{problem.InvalidField, "PUT", "/admin/v1/lists/deny/u1", `{}`},
		{problem.InvalidField, "PUT", "/admin/v1/lists/deny/u1", `{"reason":"x","treatment":"ignored"}`},
		{problem.InvalidField, "PUT", "/admin/v1/lists/allow/u1", `{"reason":"x","treatment":"blocked"}`},
		{problem.InvalidField, "PUT", "/admin/v1/lists/deny/u1", `{"reason":"x","expires_at":"2026-01-01T00:00:00Z"}`},
		{problem.UnknownField, "PUT", "/admin/v1/lists/deny/u1", `{"reason":"x","until":1}`},
		{problem.InvalidField, "DELETE", "/admin/v1/lists/deny/u1", `{}`},
	} {
		w.refused(row.code, row.method, row.path, row.body)
	}
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
}

func TestImportList(t *testing.T) {
	w := newWorld(t)
	ndjson := []string{"Content-Type: application/x-ndjson"}
	var lines strings.Builder
	for i := range 600 {
		fmt.Fprintf(&lines, `{"user":"u%d","reason":"list of november"}`+"\n", i)
	}
	a := w.want(200, "POST", "/admin/v1/lists/deny:import", lines.String(), ndjson...)
	if a.json()["lines"] != 600.0 || a.json()["changed"] != 600.0 || a.json()["unchanged"] != 0.0 {
		t.Errorf("import: %s", a.body)
	}
	if a := w.want(200, "POST", "/admin/v1/lists/deny:import", lines.String(), ndjson...); a.json()["changed"] != 0.0 || a.json()["unchanged"] != 600.0 {
		t.Errorf("import again: %s", a.body)
	}
	w.want(200, "GET", "/admin/v1/lists/deny/u599", "")
	before := w.engine.StateHash()
	a = w.refused(problem.InvalidField, "POST", "/admin/v1/lists/deny:import", `{"user":"x1","reason":"a"}`+"\n\n"+`{"user":"x 2","reason":"a"}`+"\n"+`{"user":"x3"`+"\n"+`{"user":"x4"}`+"\n[1]\n", ndjson...)
	for _, line := range []string{`"line":3`, `"line":4`, `"line":5`, `"line":6`} {
		if !strings.Contains(string(a.body), line) {
			t.Errorf("faults lack %s: %s", line, a.body)
		}
	}
	w.refused(problem.InvalidField, "POST", "/admin/v1/lists/deny:import", "\n", ndjson...)
	w.refused(problem.UnsupportedMediaType, "POST", "/admin/v1/lists/deny:import", lines.String())
	w.refused(problem.NotFound, "POST", "/admin/v1/lists/grey:import", lines.String(), ndjson...)
	if w.engine.StateHash() != before {
		t.Error("a faulty import changed the state")
	}
}

func TestTicketKeysOverHTTP(t *testing.T) {
	w := newWorld(t)
	a := w.want(201, "POST", "/admin/v1/ticket-keys", `{"name":"shop front","campaigns":["flash"],"expires_at":"2026-12-01T00:00:00Z"}`)
	id, secret := a.text("id"), a.text("secret")
	ring, err := ticket.NewRing(ticket.Options{Source: w.engine, ClusterKey: w.plane.ClusterKey})
	if err != nil {
		t.Fatal(err)
	}
	number, _ := ticket.ParseID(id)
	signer := ticket.NewSecret(secret)
	text, err := ticket.Sign(&ticket.Claims{Key: number, Campaign: "flash", User: "u1", Nonce: "n", NotBefore: 1, ExpiresAt: 2}, &signer)
	if err != nil {
		t.Fatal(err)
	}
	var k ticket.Ticket
	if _, _, reason := ring.Check([]byte(text), &k, nil, w.now()); reason != ticket.OK {
		t.Errorf("the secret that was shown does not sign: %v", reason)
	}
	if list := string(w.want(200, "GET", "/admin/v1/ticket-keys", "").body); !strings.Contains(list, id) || strings.Contains(list, "secret") {
		t.Errorf("list: %s", list)
	}
	if d, ok := w.engine.Document(engine.NamespaceRef(1), ticket.DocumentPrefix+id); !ok || strings.Contains(string(d.Body), secret[3:]) {
		t.Error("the document is missing, or holds the secret")
	}
	w.want(204, "DELETE", "/admin/v1/ticket-keys/"+id, "")
	w.refused(problem.NotFound, "DELETE", "/admin/v1/ticket-keys/"+id, "")
	w.refused(problem.NotFound, "DELETE", "/admin/v1/ticket-keys/xyz", "")
	if _, _, reason := ring.Check([]byte(text), &k, nil, w.now().Add(time.Minute)); reason != ticket.Unsigned {
		t.Errorf("after the key was deleted: %v", reason)
	}
	for _, body := range []string{`{}`, `{"name":"x","campaigns":["A"]}`, `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`} {
		w.refused(problem.InvalidField, "POST", "/admin/v1/ticket-keys", body)
	}
	for range ticket.MaxKeys {
		w.want(201, "POST", "/admin/v1/ticket-keys", `{"name":"x"}`)
	}
	w.refused(problem.Conflict, "POST", "/admin/v1/ticket-keys", `{"name":"x"}`)
}

// stopsAfter decides left batches and refuses the others.
type stopsAfter struct {
	Decider
	left int
}

func (d *stopsAfter) Decide(b *engine.Batch) error {
	if d.left--; d.left < 0 {
		return problem.New(problem.NoLeader, "")
	}
	return d.Decider.Decide(b)
}

// An import that stops half-way never says that it had no effect.
func TestImportThatStopsTellsItsEffect(t *testing.T) {
	for _, row := range []struct {
		carried int
		code    problem.Code
	}{{0, problem.NoLeader}, {1, problem.UnknownOutcome}} {
		w := newWorld(t)
		w.plane.Decider = &stopsAfter{w.plane.Decider, row.carried}
		var lines strings.Builder
		for i := range engine.MaxListEntries + 1 {
			fmt.Fprintf(&lines, `{"user":"u%d","reason":"bots"}`+"\n", i)
		}
		before := w.engine.StateHash()
		a := w.refused(row.code, "POST", "/admin/v1/lists/deny:import", lines.String(), "Content-Type: application/x-ndjson")
		if changed, none := w.engine.StateHash() != before, a.text("effect") == "none"; changed == none {
			t.Errorf("after %d parts: the state has changed: %v, but %s", row.carried, changed, a.body)
		}
	}
}
