package dataplane

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
)

// treeFile is a money tree, whose helpers are also counted by device and by an attribute.
const treeFile = `
campaign: tree
time_zone: UTC
starts_at: 2026-11-10T15:00:00Z
ends_at: 2026-11-20T00:00:00Z
chances: {mode: granted, sources: {invite: {daily_limit: 3}, assist: {}}}
helps: {owner: {source: invite, amount: 2}, helper: {source: assist, amount: 1}}
audience: {attributes: {region: {type: string}}}
caps:
  - {id: invites, counts: invites, window: day, limit: 4}
  - {id: assists, counts: assists, window: day, limit: 1}
  - {id: device, counts: assists, scope: device, window: {rolling: 1h}, limit: 2}
  - {id: region, counts: assists, scope: region, window: day, limit: 6}
prizes:
  - {id: coupon, kind: coupon, weight: 1000000, stock: 1000}
`

func treeRig(t *testing.T) *rig {
	t.Helper()
	file, faults := campaignfile.Parse([]byte(treeFile))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := start(t, nil)
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: file.Version, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	r.decide(&b)
	return r
}

func (r *rig) help(owner, helper, key string, headers ...string) answer {
	r.t.Helper()
	body := fmt.Sprintf(`{"owner":%q,"helper":%q,"event":"share-9","device":"d-%s","attributes":{"region":"SH"}}`, owner, helper, helper)
	return r.do("POST", "/v1/campaigns/tree/helps", body, append(headers, "Idempotency-Key", key)...)
}

func TestHelps(t *testing.T) {
	r := treeRig(t)
	first := r.help("u1", "u2", "k1")
	r.says("first", first, `"campaign":"tree","version":1,"owner":"u1","helper":"u2","event":"share-9","at":"2026-11-10T16:00:00.000Z",`+
		`"granted":{"owner":2,"helper":1},"remaining":{"owner":{"caps":{"invites":3}},"helper":{"caps":{"assists":0}}}}`)
	again := r.help("u1", "u2", "k1")
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Drawd-Index") != first.header.Get("Drawd-Index") {
		t.Errorf("again: %s %v", again.body, again.header)
	}
	r.want("another owner", r.help("u3", "u2", "k1"), 422, "idempotency_mismatch")
	for _, headers := range [][]string{nil, {"Drawd-Retry", "1"}} { // from facts, and from the log
		a := r.help("u3", "u2", "k2", headers...)
		r.want("the helper's cap", a, 409, "capped")
		if !strings.Contains(string(a.body), `"of":"helper","cap":"assists","used":1,"limit":1,"resets_at":"2026-11-11T00:00:00.000Z","allowed":0`) {
			t.Errorf("the helper's cap: %s", a.body)
		}
	}
	for i := range 3 {
		r.says("more", r.help("u1", fmt.Sprint("v", i), "k"), `"remaining":{"owner":{"caps":{"invites":`+fmt.Sprint(2-i)+`}}`)
	}
	a := r.help("u1", "v9", "k")
	r.want("the owner's cap", a, 409, "capped")
	if !strings.Contains(string(a.body), `"of":"owner","cap":"invites","used":4,"limit":4`) {
		t.Errorf("the owner's cap: %s", a.body)
	}
	a = r.do("POST", "/v1/campaigns/tree/helps", `{"owner":"u3","helper":"v9","attributes":{"region":"SH"}}`, "Idempotency-Key", "k")
	r.want("no device", a, 422, "scope_value_missing")
	a = r.do("POST", "/v1/campaigns/tree/helps", `{"owner":"u3","helper":"v9","device":"d"}`, "Idempotency-Key", "k")
	if r.want("no region", a, 422, "scope_value_missing"); !strings.Contains(string(a.body), "/attributes/region") {
		t.Errorf("no region: %s", a.body)
	}
	r.says("his chances", r.do("GET", "/v1/campaigns/tree/users/u1", ""), `"caps":[{"id":"invites","counts":"invites","used":4,"limit":4,"resets_at":"2026-11-11T00:00:00.000Z"},`+
		`{"id":"assists","counts":"assists","used":0,"limit":1,"resets_at":"2026-11-11T00:00:00.000Z"}],"chances":{"mode":"granted","price":1,"remaining":3,`)
	r.says("a draw needs no region", r.draw("tree", "k1", `{"user":"u1"}`), `"outcome":"win"`)
	r.says("the page", r.do("GET", "/v1/campaigns/tree", ""), `{"id":"invites","counts":"invites","scope":"user","window":"day","limit":4}`)
	r.want("a campaign without helps", r.do("POST", "/v1/campaigns/open/helps", `{"owner":"a","helper":"b"}`, "Idempotency-Key", "k"), 409, "conflict")
	var b engine.Batch
	b.AddList(&engine.PutList{Namespace: 1, List: engine.ListDeny, Entries: []engine.ListEntry{{User: r.engine.Namespaces()[0].Keyer().User([]byte("bad")), UserID: []byte("bad")}}})
	r.decide(&b)
	a = r.help("bad", "v9", "k")
	if r.want("a blocked owner", a, 403, "blocked"); !strings.Contains(string(a.body), `"of":"owner"`) {
		t.Errorf("a blocked owner: %s", a.body)
	}
	if err := r.engine.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Relations from both sides, in pages.
func TestHelpsListed(t *testing.T) {
	r := treeRig(t)
	for _, helper := range []string{"a", "b", "c"} {
		r.says(helper, r.help("u1", helper, "k"), `"helper":"`+helper+`"`)
	}
	r.says("back", r.help("a", "u1", "k"), `"owner":"a"`)
	list := func(user, query string) (got string, cursor string) {
		t.Helper()
		a := r.do("GET", "/v1/campaigns/tree/users/"+user+"/helps?"+query, "")
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, item := range a.json["items"].([]any) {
			m := item.(map[string]any)
			got += m["owner"].(string) + "<" + m["helper"].(string) + " "
		}
		return got, a.json["next_cursor"].(string)
	}
	for _, c := range []struct{ user, query, want string }{
		{"u1", "role=owner", "u1<c u1<b u1<a "}, {"u1", "role=helper", "a<u1 "}, {"a", "role=owner", "a<u1 "}, {"a", "role=helper", "u1<a "}, {"z", "role=owner", ""},
	} {
		if got, cursor := list(c.user, c.query); got != c.want || cursor != "" {
			t.Errorf("%s %s: %q %q, want %q", c.user, c.query, got, cursor, c.want)
		}
	}
	got, cursor := list("u1", "role=owner&limit=2")
	if got != "u1<c u1<b " || cursor == "" {
		t.Errorf("a page: %q %q", got, cursor)
	}
	if rest, end := list("u1", "role=owner&limit=2&cursor="+cursor); rest != "u1<a " || end != "" {
		t.Errorf("the rest: %q %q", rest, end)
	}
	const path = "/v1/campaigns/tree/users/"
	for _, query := range []string{"b/helps?role=owner&cursor=" + cursor, "u1/helps?role=helper&cursor=" + cursor, "u1/helps?role=owner&cursor=cabcdefghijklmnopqrstuvwxyz"} {
		r.want(query, r.do("GET", path+query, ""), 422, "invalid_field")
	}
	for _, query := range []string{"u1/helps", "u1/helps?role=friend", "u1/helps?role=owner&limit=0", "u1/helps?role=owner&outcome=win"} {
		a := r.get(path + query)
		if a.status != 422 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

// get sends a request without the validator: what the API document calls invalid.
func (r *rig) get(path string) answer {
	r.t.Helper()
	return r.post(getter{}, path, "")
}

// getter makes a GET of any request.
type getter struct{}

func (getter) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Method, req.Body, req.ContentLength = "GET", http.NoBody, 0
	req.Header.Del("Content-Type")
	return http.DefaultTransport.RoundTrip(req)
}

func TestHelpInput(t *testing.T) {
	r := treeRig(t)
	for body, want := range map[string]string{
		`{}`:                           `"/owner","code":"required"`,
		`{"owner":"a"}`:                `"/helper","code":"required"`,
		`{"owner":"a","helper":"a"}`:   `"/helper","code":"himself"`,
		`{"owner":"a b","helper":"a"}`: `"/owner","code":"pattern"`,
		`{"owner":"a","helper":1}`:     `"/helper","code":"type"`,
		`{"owner":"a","helper":"b","event":"e e"}`:             `"/event","code":"pattern"`,
		`{"owner":"a","helper":"b","event":""}`:                `"/event","code":"pattern"`,
		`{"owner":"a","helper":"b","user":"c"}`:                `"/user","code":"unknown"`,
		`{"owner":"a","helper":"b","times":2}`:                 `"/times","code":"unknown"`,
		`{"owner":"a","helper":"b","ip":"x"}`:                  `"/ip","code":"pattern"`,
		`{"owner":"a","helper":"b","attributes":{"level":1}}`:  `"/attributes/level","code":"unknown"`,
		`{"owner":"a","helper":"b","attributes":{"region":1}}`: `"/attributes/region","code":"type"`,
		`{"owner":"a","helper":"b","attributes":[]}`:           `"/attributes","code":"type"`,
		`{"owner":"a","owner":"b","helper":"c"}`:               `bad_json`,
		`{"owner":"a","helper":"b"`:                            `bad_json`,
		`[]`:                                                   `It must be an object`,
	} {
		before := r.engine.StateHash()
		if a := r.post(http.DefaultTransport, "/v1/campaigns/tree/helps", body, "Idempotency-Key", "k"); a.status < 400 || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
		}
		if r.engine.StateHash() != before {
			t.Errorf("%s changed the state", body)
		}
	}
	r.want("no key", r.post(http.DefaultTransport, "/v1/campaigns/tree/helps", `{"owner":"a","helper":"b"}`), 400, "idempotency_key_missing")
	r.want("no campaign", r.post(http.DefaultTransport, "/v1/campaigns/none/helps", `{"owner":"a","helper":"b"}`, "Idempotency-Key", "k"), 404, "campaign_not_found")
	unknown := func(*engine.Batch) error { return problem.New(problem.UnknownOutcome, "") }
	r.log.Before.Store(&unknown)
	r.want("unknown", r.help("u1", "u2", "k1"), 504, "unknown_outcome")
	r.log.Before.Store(nil)
	r.says("retried", r.help("u1", "u2", "k1", "Drawd-Retry", "1"), `"helper":"u2"`)
}
