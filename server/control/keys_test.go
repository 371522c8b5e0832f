package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/apitest"
)

const keysPath = "/admin/v1/keys"

// newKey creates a key and returns its id and the header that uses it. as is the header of who asks; empty for nobody.
func (w *world) newKey(as, body string, headers ...string) (id, header string) {
	w.t.Helper()
	if as != "" {
		headers = append(headers, as)
	}
	a := w.want(201, "POST", keysPath, body, headers...)
	if a.header.Get("Location") != keysPath+"/"+a.text("id") {
		w.t.Errorf("Location %q", a.header.Get("Location"))
	}
	return a.text("id"), "Authorization: Bearer " + a.text("secret")
}

const operatorBody = `{"name":"operator","scopes":["admin"]}`

func TestKeys(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{`{"name":"a","scopes":["draw"]}`, `{"name":"a","scopes":["admin"],"campaigns":["flash"]}`} {
		w.refused(problem.Conflict, "POST", keysPath, body) // the first key must be an operator's
	}
	operatorID, operator := w.newKey("", operatorBody)
	w.refused(problem.Unauthenticated, "GET", keysPath, "")
	id, front := w.newKey(operator, `{"name":"front","scopes":["draw","read"],"campaigns":["flash"],"cidr":["127.0.0.0/8","10.1.2.3/8"],"expires_at":"2026-12-01T00:00:00+08:00","rate":{"per_second":100,"burst":200}}`)

	a := w.want(200, "GET", keysPath, "", operator)
	if strings.Contains(string(a.body), "dk_") || strings.Contains(string(a.body), "sha256") {
		t.Errorf("the list tells secrets: %s", a.body)
	}
	var list struct {
		Items []struct {
			ID, Name  string
			Scopes    []string
			CIDR      []string
			ExpiresAt string `json:"expires_at"`
			Rate      struct{ Burst int }
		}
	}
	if err := json.Unmarshal(a.body, &list); err != nil || len(list.Items) != 2 {
		t.Fatalf("%v: %s", err, a.body)
	}
	for _, k := range list.Items {
		if k.ID == id && (k.Name != "front" || !slices.Equal(k.Scopes, []string{"draw", "read"}) || k.CIDR[1] != "10.0.0.0/8" || k.ExpiresAt != "2026-11-30T16:00:00.000Z" || k.Rate.Burst != 200) {
			t.Errorf("got %+v", k)
		}
	}
	if one := w.want(200, "GET", keysPath+"?limit=1", "", operator); one.text("next_cursor") == "" {
		t.Error("no second page")
	}

	// Revoked at once on this node; the last operator's key stays while others are there.
	w.refused(problem.Conflict, "DELETE", keysPath+"/"+operatorID, "", operator)
	w.want(200, "GET", "/admin/v1/records", "", front)
	w.want(204, "DELETE", keysPath+"/"+id, "", operator)
	w.refused(problem.Unauthenticated, "GET", "/admin/v1/records", "", front)
	for _, unknown := range []string{id, "0123456789abcdef", "x", "draft"} {
		w.refused(problem.NotFound, "DELETE", keysPath+"/"+unknown, "", operator)
	}
	w.want(204, "DELETE", keysPath+"/"+operatorID, "", operator)
	w.want(200, "GET", keysPath, "") // without keys again
}

func TestKeyFields(t *testing.T) {
	w := newWorld(t)
	_, operator := w.newKey("", operatorBody)
	for body, pointer := range map[string]string{
		`{"scopes":["draw"]}`:                                                   "/name",
		`{"name":"","scopes":["draw"]}`:                                         "/name",
		`{"name":"` + strings.Repeat("x", 129) + `","scopes":["draw"]}`:         "/name",
		`{"name":"a"}`:                                                          "/scopes",
		`{"name":"a","scopes":[]}`:                                              "/scopes",
		`{"name":"a","scopes":"draw"}`:                                          "/scopes",
		`{"name":"a","scopes":["root"]}`:                                        "/scopes/0",
		`{"name":"a","scopes":["draw","draw"]}`:                                 "/scopes/1",
		`{"name":"a","scopes":["draw"],"campaigns":["Flash"]}`:                  "/campaigns/0",
		`{"name":"a","scopes":["draw"],"cidr":["10.0.0.0/33"]}`:                 "/cidr/0",
		`{"name":"a","scopes":["draw"],"cidr":["::ffff:10.0.0.0/104"]}`:         "/cidr/0",
		`{"name":"a","scopes":["draw"],"expires_at":"2026-11-10T14:59:59Z"}`:    "/expires_at",
		`{"name":"a","scopes":["draw"],"expires_at":"tomorrow"}`:                "/expires_at",
		`{"name":"a","scopes":["draw"],"expires_at":1}`:                         "/expires_at",
		`{"name":"a","scopes":["draw"],"rate":{"per_second":0}}`:                "/rate/per_second",
		`{"name":"a","scopes":["draw"],"rate":{"burst":1}}`:                     "/rate/per_second",
		`{"name":"a","scopes":["draw"],"rate":{"per_second":1,"burst":0}}`:      "/rate/burst",
		`{"name":"a","scopes":["draw"],"rate":5}`:                               "/rate",
		`{"name":"a","scopes":["draw"],"rate":{"per_second":1,"per_minute":1}}`: "/rate/per_minute",
		`{"name":"a","scopes":["draw"],"a/b~":1}`:                               "/a~1b~0",
	} {
		a := w.do("POST", keysPath, body, operator)
		if a.status != 422 || !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %d %s, want a fault at %s", body, a.status, a.body, pointer)
		}
	}
	// All faults come at once.
	a := w.do("POST", keysPath, `{"scopes":["root"],"cidr":["x"],"expires":1}`, operator)
	for _, pointer := range []string{"/name", "/scopes/0", "/cidr/0", "/expires"} {
		if !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s is not named in %s", pointer, a.body)
		}
	}
}

// TestScopesOfRoutes: every route is refused to a key that has all scopes but those that the document names, and the
// refusal names them; with any of them, the key is let in.
func TestScopesOfRoutes(t *testing.T) {
	w := newWorld(t)
	_, operator := w.newKey("", operatorBody)
	document, err := apitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"draw", "chances", "stock", "read", "admin", "payout"}
	keys := map[string]string{}
	keyWith := func(scopes []string) string {
		name, _ := json.Marshal(scopes)
		if keys[string(name)] == "" {
			_, keys[string(name)] = w.newKey(operator, `{"name":"k","scopes":`+string(name)+`}`)
		}
		return keys[string(name)]
	}
	for _, r := range document.Routes("control") {
		path := strings.NewReplacer("{campaign}", "flash", "{prize}", "phone", "{version}", "1", "{id}", "0123456789abcdef", "{profile}", "none", "{user}", "u1", "{purse}", "points", "{list}", "deny", "{raffle}", "tv", "{kind}", "cash", "{pool}", "seats", "{node}", "n4").Replace(r.Path)
		if len(r.Scopes) == 0 {
			if a := w.do(r.Method, path, ""); a.status != http.StatusOK {
				t.Errorf("%s %s needs a key: %d", r.Method, path, a.status)
			}
			continue
		}
		a := w.do(r.Method, path, "")
		if a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s without a key: %d", r.Method, path, a.status)
		}
		others := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(r.Scopes, s) })
		a = w.do(r.Method, path, "", keyWith(others))
		if a.status != 403 || !strings.Contains(a.text("detail"), strings.Join(r.Scopes, " or ")) {
			t.Errorf("%s %s without %v: %d %s", r.Method, path, r.Scopes, a.status, a.body)
		}
		if path == "/debug/pprof/" || r.Method == "GET" && strings.HasPrefix(path, "/metrics") {
			continue // answered with text; their own tests follow
		}
		for _, s := range r.Scopes {
			if a := w.do(r.Method, path, "", keyWith([]string{s})); a.status == 401 || a.status == 403 {
				t.Errorf("%s %s with %s: %d %s", r.Method, path, s, a.status, a.body)
			}
		}
	}
}

// TestOneIdenticalBody: no answer to a missing, wrong, expired or revoked key says more than another.
func TestOneIdenticalBody(t *testing.T) {
	w := newWorld(t)
	_, operator := w.newKey("", operatorBody)
	_, short := w.newKey(operator, `{"name":"short","scopes":["read"],"expires_at":"2026-11-10T15:00:01Z"}`)
	id, revoked := w.newKey(operator, `{"name":"revoked","scopes":["read"]}`)
	w.want(204, "DELETE", keysPath+"/"+id, "", operator)
	w.at(start.Add(time.Minute))
	bodies := map[string]bool{}
	for _, header := range []string{"X: none", "Authorization: Bearer dk_x", "Authorization: Basic eDp5", short, revoked} {
		a := w.refused(problem.Unauthenticated, "GET", "/admin/v1/campaigns", "", header)
		v := a.json()
		delete(v, "request_id")
		bodies[fmt.Sprint(v, a.header.Get("WWW-Authenticate"), len(a.body))] = true
	}
	if len(bodies) != 1 {
		t.Errorf("%d different answers: %v", len(bodies), bodies)
	}
	req, _ := http.NewRequest("GET", w.server.URL+"/admin/v1/campaigns", nil)
	_, value, _ := strings.Cut(operator, ": ")
	req.Header["Authorization"] = []string{value, value}
	resp, err := w.client.Do(req)
	if err != nil || resp.StatusCode != 401 {
		t.Errorf("two keys: %v %v", resp, err)
	}
}

func TestRateOfAKey(t *testing.T) {
	w := newWorld(t)
	_, operator := w.newKey("", operatorBody)
	_, slow := w.newKey(operator, `{"name":"slow","scopes":["read"],"rate":{"per_second":1,"burst":2}}`)
	w.want(200, "GET", "/admin/v1/campaigns", "", slow)
	w.want(200, "GET", "/admin/v1/campaigns", "", slow)
	w.refused(problem.RateLimited, "GET", "/admin/v1/campaigns", "", slow)
	w.at(start.Add(time.Second))
	w.want(200, "GET", "/admin/v1/campaigns", "", slow)
}

// TestTenants: a key stays in its namespace, and one that is limited to campaigns gets nothing beyond them.
func TestTenants(t *testing.T) {
	w := newWorld(t)
	if a := w.want(201, "POST", "/admin/v1/namespaces", `{"name":"shop"}`); a.text("name") != "shop" {
		t.Errorf("got %s", a.body)
	}
	w.want(200, "POST", "/admin/v1/namespaces", `{"name":"shop"}`)
	for _, name := range []string{"", "Shop", "-a", strings.Repeat("a", 64)} {
		w.refused(problem.InvalidField, "POST", "/admin/v1/namespaces", `{"name":"`+name+`"}`)
	}
	_, operator := w.newKey("", operatorBody)
	_, tenant := w.newKey(operator, `{"name":"tenant","scopes":["admin","read"]}`, "Drawd-Namespace: shop")
	_, limited := w.newKey(operator, `{"name":"limited","scopes":["admin","read"],"campaigns":["flash"]}`)

	w.want(201, "PUT", draftPath, flashFile, "If-None-Match: *", tenant)
	w.refused(problem.NotFound, "GET", draftPath, "", operator)
	w.want(200, "GET", draftPath, "", operator, "Drawd-Namespace: shop")
	w.refused(problem.NamespaceNotFound, "GET", draftPath, "", operator, "Drawd-Namespace: none")
	w.refused(problem.Forbidden, "GET", draftPath, "", tenant, "Drawd-Namespace: default")
	w.refused(problem.Forbidden, "GET", "/admin/v1/campaigns/wheel", "", limited)
	w.refused(problem.NotFound, "GET", draftPath, "", limited)
	for _, key := range []string{tenant, limited} {
		for _, path := range []string{"/admin/v1/namespaces", "/admin/v1/cluster", "/metrics", "/debug/pprof/"} {
			w.refused(problem.Forbidden, "GET", path, "", key)
		}
		w.refused(problem.Forbidden, "POST", "/admin/v1/namespaces", `{"name":"x"}`, key)
		w.refused(problem.Forbidden, "POST", "/admin/v1/cluster:accept-clock", `{"reason":"x"}`, key)
	}
	for _, path := range []string{keysPath, "/admin/v1/policy"} {
		w.refused(problem.Forbidden, "GET", path, "", limited)
		w.want(200, "GET", path, "", tenant)
	}
	if got := w.want(200, "GET", keysPath, "", tenant).json()["items"].([]any); len(got) != 1 {
		t.Errorf("the tenant sees %d keys", len(got))
	}
	if got := w.want(200, "GET", "/admin/v1/namespaces?limit=1", "", operator); got.text("next_cursor") == "" || !strings.Contains(string(got.body), "default") {
		t.Errorf("namespaces: %s", got.body)
	}
}

func TestPolicy(t *testing.T) {
	w := newWorld(t)
	const path = "/admin/v1/policy"
	first := w.want(200, "GET", path, "")
	if first.header.Get("ETag") != `"0"` || first.text("time_zone") != "UTC" {
		t.Errorf("%s %s", first.header.Get("ETag"), first.body)
	}
	const policy = `{"time_zone":"Asia/Shanghai","aggregate_caps":[{"id":"day","counts":"wins","window":"day","limit":5}]}`
	w.refused(problem.PreconditionRequired, "PUT", path, policy)
	w.refused(problem.VersionConflict, "PUT", path, policy, `If-Match: "1"`)
	w.refused(problem.UnknownField, "PUT", path, `{"time_zones":"UTC"}`, `If-Match: "0"`)
	w.refused(problem.InvalidField, "PUT", path, `{"time_zone":"Mars"}`, `If-Match: "0"`)
	w.refused(problem.BadJSON, "PUT", path, `{"time_zone":"UTC","time_zone":"UTC"}`, `If-Match: "0"`)
	a := w.want(200, "PUT", path, policy, "If-None-Match: *")
	if a.header.Get("ETag") != `"1"` || a.text("time_zone") != "Asia/Shanghai" {
		t.Errorf("%s %s", a.header.Get("ETag"), a.body)
	}
	w.refused(problem.VersionConflict, "PUT", path, policy, "If-None-Match: *")
	w.refused(problem.VersionConflict, "PUT", path, policy, `If-Match: "0"`)
	if got := w.want(200, "GET", path, ""); string(got.body) != string(a.body) {
		t.Errorf("read %s\nwrote %s", got.body, a.body)
	}
	w.want(304, "GET", path, "", `If-None-Match: "1"`)
	// What a cap counts cannot change under its name: the engine says so, before anything is proposed.
	w.refused(problem.InvalidField, "PUT", path, strings.Replace(policy, "wins", "draws", 1), `If-Match: "1"`)
	w.want(200, "PUT", path, "time_zone: Asia/Shanghai\n", `If-Match: "1"`)
	ns, _ := w.engine.Namespace("default")
	if p := ns.Policy(); p.Revision != 2 || len(p.AggregateCaps) != 0 {
		t.Errorf("policy %+v", p)
	}
	if w.engine.LogTime() != engine.UnixMilli(start.UnixMilli()) {
		t.Error("log time")
	}
}

// TestConcurrentDeletes: two operators who delete each other's key at once do not leave the node without one.
func TestConcurrentDeletes(t *testing.T) {
	w := newWorld(t)
	first, asFirst := w.newKey("", operatorBody)
	second, asSecond := w.newKey(asFirst, operatorBody)
	w.newKey(asFirst, `{"name":"front","scopes":["draw"]}`)
	w.plane.Decider = deciderFunc(func(b *engine.Batch) error {
		<-time.After(50 * time.Millisecond) // whoever is first gives the other time to look
		return w.Decide(b)
	})
	statuses := make(chan int, 2)
	for id, as := range map[string]string{first: asSecond, second: asFirst} {
		go func() { statuses <- w.do("DELETE", keysPath+"/"+id, "", as).status }()
	}
	if a, b := <-statuses, <-statuses; a+b == 204+204 || a != 204 && b != 204 {
		t.Errorf("%d and %d", a, b)
	}
}
