package server

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/apitest"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/storage"
)

func document(t *testing.T) *apitest.Document {
	t.Helper()
	d, err := apitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestControlRoutesAreDocumented: neither the table nor the document has a route that the other lacks.
func TestControlRoutesAreDocumented(t *testing.T) {
	var documented []string
	for _, r := range document(t).Routes("control") {
		documented = append(documented, r.Method+" "+r.Path)
	}
	slices.Sort(documented)
	if served := control.Routes(); !slices.Equal(served, documented) {
		t.Errorf("served\n%s\ndocumented\n%s", strings.Join(served, "\n"), strings.Join(documented, "\n"))
	}
}

var dataRoute = regexp.MustCompile(`drawd_http_requests_total\{plane="data",route="([a-z_]+)",status="[2345]xx"\} ([0-9]+)`)

// TestDataRoutesAreDocumented: each documented route moves one counter of its own, and no route's counter is left over.
func TestDataRoutesAreDocumented(t *testing.T) {
	n := startNode(t, storage.NewCrashFS(), nil)
	defer n.stop()
	counters := func() map[string]int {
		_, raw := n.want(200, "GET", n.admin("/metrics"), "")
		sums := map[string]int{}
		for _, m := range dataRoute.FindAllStringSubmatch(raw, -1) {
			var v int
			fmt.Sscan(m[2], &v)
			sums[m[1]] += v
		}
		return sums
	}
	seen := map[string]string{}
	for _, r := range document(t).Routes("data") {
		before := counters()
		path := strings.NewReplacer("{campaign}", "flash", "{user}", "u1", "{purse}", "points", "{key}", "k1", "{cap}", "push", "{draw}", "dabcdefghijklmnopqrstuvwxyz",
			"{pool}", "seats", "{hold}", "habcdefghijklmnopqrstuvwxyz", "{take}", "tabcdefghijklmnopqrstuvwxyz", "{owner}", "o1").Replace(r.Path)
		n.do(r.Method, n.api(path), "")
		for name, v := range counters() {
			if v == before[name] {
				continue
			}
			if name == "none" || seen[name] != "" {
				t.Errorf("%s %s is counted as %q, like %q", r.Method, r.Path, name, seen[name])
			}
			seen[name] = r.Method + " " + r.Path
		}
	}
	for name := range counters() {
		if name != "none" && seen[name] == "" {
			t.Errorf("route %q is served and not documented", name)
		}
	}
}

// later are the codes of features that are not built yet. A code leaves this list when its feature comes.
var later = []problem.Code{}

// TestCodesAreDocumented: every code that can be answered stands in the document under its status, and nothing else does.
func TestCodesAreDocumented(t *testing.T) {
	documented := map[string]int{}
	for status, codes := range document(t).Codes() {
		for _, code := range codes {
			if other, twice := documented[code]; twice {
				t.Errorf("%s stands under %d and %d", code, other, status)
			}
			documented[code] = status
		}
	}
	common := []int{400, 405, 406, 408, 411, 413, 431, 500}
	for _, code := range problem.Codes() {
		status, ok := documented[code.String()]
		want := code.Info().Status
		switch {
		case slices.Contains(later, code):
			if ok {
				t.Errorf("%s is documented: take it off the list", code)
			}
		case !ok:
			t.Errorf("%s is not documented", code)
		case status != want && !(status == 0 && slices.Contains(common, want)):
			t.Errorf("%s has status %d and stands under %d", code, want, status)
		}
		delete(documented, code.String())
	}
	for code := range documented {
		t.Errorf("%s is documented and does not exist", code)
	}
}

var (
	metricLine = regexp.MustCompile(`(?m)^\| ` + "`" + `(drawd_[a-z_]+)`)
	metricName = regexp.MustCompile(`(?m)^drawd_[a-z_]+`)
	partOf     = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// TestMetricsAreDocumented: docs/metrics.md has a row for every name that a node registers, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	source, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range metricLine.FindAllStringSubmatch(string(source), -1) {
		if documented[m[1]] {
			t.Errorf("%s has two rows", m[1])
		}
		documented[m[1]] = true
	}

	n := startNode(t, storage.NewCrashFS(), func(o *Options) { o.RESP = "127.0.0.1:0" })
	defer n.stop()
	n.publish()
	n.want(http.StatusOK, "POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u1"}`, "Idempotency-Key: k1")
	_, scraped := n.want(200, "GET", n.admin("/metrics"), "")
	registered := map[string]bool{}
	for _, name := range n.server.options.Metrics.ListMetricNames() {
		registered[metricName.FindString(name)] = true
	}
	for _, name := range metricName.FindAllString(scraped, -1) {
		if whole := partOf.ReplaceAllString(name, ""); documented[whole] || registered[whole] {
			name = whole
		}
		registered[name] = true
	}
	for name := range registered {
		if !documented[name] {
			t.Errorf("%s is registered and not documented", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented and not registered", name)
	}
}
