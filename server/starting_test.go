package server

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/drawd/drawd/storage"
)

func startingOn(t *testing.T) *Starting {
	t.Helper()
	s, err := Start(Options{API: "127.0.0.1:0", Admin: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(t *testing.T, method, url string) (status int, head http.Header, body string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

// TestStarting: before the log is replayed a node is alive and not ready; then the planes take its listeners over.
func TestStarting(t *testing.T) {
	s := startingOn(t)
	api, admin := s.listeners.data.Addr().String(), s.listeners.control.Addr().String()
	for _, base := range []string{"http://" + api, "http://" + admin} {
		if status, _, body := ask(t, "GET", base+"/livez"); status != 200 || body != `{"live":true}` {
			t.Errorf("livez: %d %s", status, body)
		}
		for _, row := range [][2]string{{"GET", "/readyz"}, {"POST", "/v1/campaigns/c/draws"}, {"POST", "/livez"}} {
			status, head, body := ask(t, row[0], base+row[1])
			if status != 503 || head.Get("Retry-After") != "1" || !strings.Contains(body, `"code":"no_leader","effect":"none","retryable":true`) {
				t.Errorf("%s %s: %d %v %s", row[0], row[1], status, head, body)
			}
		}
	}
	silent, err := net.Dial("tcp", api) // must not keep the node from becoming ready
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	n := startNode(t, storage.NewCrashFS(), func(o *Options) { o.Starting = s })
	defer n.stop()
	if got := n.server.API().String(); got != api {
		t.Errorf("the data plane listens on %s, not on %s", got, api)
	}
	for _, base := range []string{"http://" + api, "http://" + admin} {
		if status, _, body := ask(t, "GET", base+"/readyz"); status != 200 {
			t.Errorf("%s: %d %s", base, status, body)
		}
	}
}

// TestStartingGivesBack: an address that is taken is told with its flag, and nothing stays open.
func TestStartingGivesBack(t *testing.T) {
	busy, free := freeAddress(t), freeAddress(t)
	s, err := Start(Options{API: busy, Admin: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ api, admin, flag string }{{busy, free, "--api"}, {free, busy, "--admin"}} {
		if _, err := Start(Options{API: row.api, Admin: row.admin}); err == nil || !strings.Contains(err.Error(), row.flag+" ADDR") {
			t.Errorf("got %v, want %s", err, row.flag)
		}
	}
	s.Close()
	for _, addr := range []string{busy, free} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Errorf("left open: %v", err)
			continue
		}
		_ = ln.Close()
	}
}
