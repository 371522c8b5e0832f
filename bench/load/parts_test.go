//go:build linux

package load

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseAnswer(t *testing.T) {
	for _, row := range []struct {
		name, in string
		status   int
		size     int
		body     string
		bad      bool
	}{
		{"whole", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, 40, "ok", false},
		{"surplus", "HTTP/1.1 409 C\r\nX: y\r\nContent-Length: 0\r\n\r\nHTTP", 409, 43, "", false},
		{"head incomplete", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", 0, 0, "", false},
		{"body incomplete", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", 0, 0, "", false},
		{"no length", "HTTP/1.1 200 OK\r\nX: y\r\n\r\n", 0, 0, "", true},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 0, "", true},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nok", 0, 0, "", true},
		{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 0, 0, "", true},
		{"not HTTP", "SSH-2.0-x\r\nContent-Length: 2\r\n\r\n", 0, 0, "", true},
	} {
		var a Answer
		size, err := parseAnswer([]byte(row.in), &a)
		if (err != nil) != row.bad || size != row.size || a.Status != row.status || string(a.Body) != row.body {
			t.Errorf("%s: size %d status %d body %q error %v", row.name, size, a.Status, a.Body, err)
		}
	}
}

func TestAnswerHasHeaderLine(t *testing.T) {
	a := Answer{Head: []byte("HTTP/1.1 200 OK\r\nIdempotent-Replayed: true\r\nContent-Length: 2")}
	for line, want := range map[string]bool{
		"Idempotent-Replayed: true": true,
		"Content-Length: 2":         true,
		"Idempotent-Replayed: tru":  false,
		"Replayed: true":            false,
	} {
		if a.Has(line) != want {
			t.Errorf("Has(%q) = %v", line, !want)
		}
	}
}

func TestRetriesComeInOrderOfTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h retries
	for i := range 1000 {
		h.push(retry{at: time.Duration(rng.IntN(300)), id: uint32(i)})
	}
	last, seen := time.Duration(-1), map[uint32]bool{}
	for len(h) > 0 {
		r := h.pop()
		if r.at < last || seen[r.id] {
			t.Fatalf("%v after %v, seen %v", r.at, last, seen[r.id])
		}
		last, seen[r.id] = r.at, true
	}
	if len(seen) != 1000 {
		t.Fatalf("%d of 1000", len(seen))
	}
}

func TestQueueTakesTheLongestIdleFirst(t *testing.T) {
	q := newQueue(4)
	for _, i := range []int32{3, 1, 0, 2} {
		q.push(i)
	}
	q.remove(0)
	for _, want := range []int32{3, 1, 2} {
		if got := q.pop(); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	}
	if q.size != 0 {
		t.Fatalf("%d left", q.size)
	}
}
