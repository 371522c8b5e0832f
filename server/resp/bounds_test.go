package resp

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// script is a connection that gives its pieces, one for each read, and then ends.
type script struct {
	net.Conn
	pieces    []string
	deadlines []time.Time // of the reads
	written   []int       // bytes of each write
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.pieces[0])
	s.pieces = s.pieces[1:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) {
	s.written = append(s.written, len(b))
	return len(b), nil
}

func (s *script) SetReadDeadline(t time.Time) error {
	s.deadlines = append(s.deadlines, t)
	return nil
}

func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (s *script) Close() error                     { return nil }

// The time that a command may take to come runs from its beginning, however often a few bytes of it come; the next one has
// its own.
func TestSlowCommand(t *testing.T) {
	r := start(t, nil)
	nc := &script{pieces: append(strings.Split("*1\r\n$4\r\nPING\r\n*1\r", ""), "\n")}
	newConn(r.server, nc).serve()
	one := len("*1\r\n$4\r\nPING\r\n")
	for i := 2; i < one; i++ {
		if !nc.deadlines[i].Equal(nc.deadlines[1]) {
			t.Fatalf("read %d of a command has another deadline than the one before: %v, %v", i, nc.deadlines[i], nc.deadlines[1])
		}
	}
	if idle := nc.deadlines[one].Sub(nc.deadlines[1]); idle < DefaultIdleTimeout-time.Minute {
		t.Errorf("the first byte of the next command is waited for until %v after the last deadline", idle)
	}
	if next := nc.deadlines[one+1]; !next.After(nc.deadlines[1]) || !nc.deadlines[one+2].Equal(next) {
		t.Errorf("the next command has the deadlines %v and %v", next, nc.deadlines[one+2])
	}
}

// Where AUTH is needed a connection has little time for it in all, whatever it sends meanwhile; after AUTH it may idle, and
// after a wrong one it is a stranger again.
func TestStrangersDoNotStay(t *testing.T) {
	r := start(t, nil)
	secret := r.keys()["drawer"]
	nc := &script{pieces: []string{
		"PING\n", "DRAW wheel u1 k\n", "PI", "NG\n", "AUTH nobody\n", // 0 to 4; after each of them the next read begins
		"AUTH " + secret + "\n", "PING\n", // 5, 6
		"AUTH nobody\n", "PING\n", // 7, 8
	}}
	begun := time.Now()
	newConn(r.server, nc).serve()
	d := nc.deadlines
	if len(d) != 10 {
		t.Fatalf("%d reads", len(d))
	}
	for i := range 6 {
		want := d[0]
		if i == 3 && !d[3].After(want) { // in the middle of a command, whose own time may end before
			continue
		}
		if !d[i].Equal(want) || want.Before(begun.Add(DefaultAuthTimeout)) || want.After(time.Now().Add(DefaultAuthTimeout)) {
			t.Errorf("read %d of a stranger has the deadline %v, the first had %v", i, d[i], want)
		}
	}
	for i := 6; i < 8; i++ {
		if d[i].Before(begun.Add(DefaultIdleTimeout)) {
			t.Errorf("read %d, after AUTH, ends %v after the first", i, d[i].Sub(d[0]))
		}
	}
	if d[8].Before(d[0]) || d[8].After(time.Now().Add(DefaultAuthTimeout)) || !d[9].Equal(d[8]) {
		t.Errorf("after a wrong AUTH reads end %v and %v after the first", d[8].Sub(d[0]), d[9].Sub(d[0]))
	}
}

// What one read asks for is not kept until all of it is answered: short commands have long replies.
func TestRepliesOfOneReadAreBounded(t *testing.T) {
	r := start(t, nil)
	for name, line := range map[string]string{"books": "STOCK wheel\n", "before AUTH": "DRAW\n"} {
		nc := &script{}
		for range 8 { // so that the read buffer grows
			nc.pieces = append(nc.pieces, strings.Repeat(line, firstBuffer/len(line)), strings.Repeat(line, mostBuffer/2/len(line)))
		}
		newConn(r.server, nc).serve()
		sum := 0
		for _, n := range nc.written {
			if sum += n; n > mostReplies+4<<10 {
				t.Errorf("%s: %d bytes of replies were kept", name, n)
			}
		}
		if sum < 4*mostReplies {
			t.Errorf("%s: only %d bytes were replied", name, sum)
		}
	}
}

// A stranger who is one too many is not waited for: over TLS even a write waits for what he sends.
func TestOneTooManyIsNotWaitedFor(t *testing.T) {
	r := start(t, func(o *Options) { o.MaxConnections = 1 })
	c := r.dial()
	c.want("PING", "+PONG")
	nc := &script{}
	r.server.take(nc)
	if len(nc.written) > 0 {
		t.Error("a connection that is no plain one was written to before its handshake")
	}
}

// The request ids of what failed together are each of its own command.
func TestFailuresAreOfTheirCommands(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	lost := func(*engine.Batch) error { return problem.New(problem.UnknownOutcome, "cut") }
	r.log.Before.Store(&lost)
	c.send("DRAW wheel u1 a", "GRANT paid u2 shop e 1", "HIT push u3 k", "DRAW none u4 a")
	keyer := r.engine.Namespaces()[0].Keyer()
	for i, want := range []engine.CampaignRef{1, 2, 0} {
		reply := c.reply()
		f, ok := r.server.sealer.Open([]byte(reply[strings.LastIndex(reply, "=")+1:]))
		user := keyer.User([]byte{'u', '1' + byte(i)})
		if !ok || f.Code != problem.UnknownOutcome || f.Campaign != want || f.User != prefix(&user) {
			t.Errorf("%s: %+v", reply, f)
		}
	}
	if got := c.reply(); !strings.HasPrefix(got, "-CAMPAIGN_NOT_FOUND ") {
		t.Error(got)
	}
}
