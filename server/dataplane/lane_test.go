package dataplane

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/drawd/drawd/engine"
)

// Requests of both lanes on one connection, sent ahead, are answered in their order.
func TestLanesKeepTheOrder(t *testing.T) {
	r := start(t, nil)
	get := "GET /livez HTTP/1.1\r\n" + host + "\r\n"
	var send bytes.Buffer
	send.WriteString(get)
	send.Write(message("open", "u1", "k1"))
	send.Write(message("nowhere", "u1", "k1"))
	send.WriteString(get)
	send.Write(message("open", "u1", "k1"))
	send.WriteString("GET /livez HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
	answers := split(t, r.raw(send.String()))
	want := []int{200, 200, 404, 200, 200, 200}
	if len(answers) != len(want) {
		t.Fatalf("%d answers", len(answers))
	}
	for i, a := range answers {
		drawn := bytes.Contains([]byte(a.body), []byte(`"draw":`))
		if a.status != want[i] || drawn != (i == 1 || i == 4) {
			t.Errorf("answer %d: %d %s", i, a.status, a.body)
		}
	}
	if a := answers[4]; a.header.Get("Idempotent-Replayed") != "true" || a.header.Get("Drawd-Index") != answers[1].header.Get("Drawd-Index") {
		t.Errorf("replay: %v, first: %v", a.header, answers[1].header)
	}
}

// fasthttp takes a connection for idle while the short lane answers on it, and a Shutdown lets it close those: the answer
// is sent all the same.
func TestCloseWaitsForTheAnswer(t *testing.T) {
	r := start(t, nil)
	peer := &http.Transport{}
	if a := r.send(peer, "GET", "/livez", ""); a.status != 200 { // from now on it can look idle
		t.Fatalf("%d %s", a.status, a.body)
	}
	entered, release := make(chan bool), make(chan bool)
	before := func(*engine.Batch) error {
		entered <- true
		<-release
		return nil
	}
	r.log.Before.Store(&before)
	drawn := make(chan answer)
	go func() { drawn <- r.plain(peer, "open", "k1", `{"user":"u1"}`) }()
	<-entered
	conns := r.server.snapshot(nil)
	if len(conns) != 1 {
		t.Fatalf("%d connections", len(conns))
	}
	if err := conns[0].Close(); err != nil {
		t.Error(err)
	}
	close(release)
	if a := <-drawn; a.status != 200 || a.header.Get("Idempotent-Replayed") != "" { // the client asks again when it was cut off
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if n := r.server.connections(); n != 1 {
		t.Errorf("%d connections are left, their goroutines were to end them", n)
	}
}
