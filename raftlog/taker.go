package raftlog

import (
	"net"
	"slices"
	"sync"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/hashicorp/raft"
)

// takers is the leader's side of forwarding: it puts other nodes' frames into this node's queue, one batch each, and
// answers them. A frame is never handed on: a node that does not lead refuses it, and nothing was done.
type takers struct {
	proposer *proposer
	gate     *gate
	check    func(*engine.Batch) *problem.Error
	standing func(id string) (member, voter bool)
	tell     func(id raft.ServerID, index uint64) // that an entry is committed
	figures  *forwardSet
	stop     <-chan struct{}

	mu struct {
		sync.Mutex
		byPeer map[string][]net.Conn // oldest first
	}
}

// taker is one connection. The goroutine that was given the connection reads; one writes. No goroutine waits for a batch:
// its waiter goes to the writer when it is answered. At most maxTaken are under way, and nothing is read beyond that: so the
// other side's memory is what grows, and that is bounded there.
type taker struct {
	*takers
	conn     net.Conn
	name     string        // of who is at the other end; "" when nothing proves it
	free     chan *taken   // holds maxTaken
	made     int           // the reader's
	answered chan *taken   // holds maxTaken
	gone     chan struct{} // closed by the reader
	out      []byte        // the writer's
	newest   uint64        // index of the newest entry that an answer tells of; the writer's
}

// taken is one frame that is under way.
type taken struct {
	waiter   waiter
	number   uint64
	batch    engine.Batch
	answered chan<- *taken // its taker's
}

// take serves a connection until it ends.
func (s *takers) take(conn net.Conn) {
	name := peer.Name(conn)
	s.enter(name, conn)
	defer s.leave(name, conn)
	s.figures.takers.Inc()
	t := &taker{
		takers: s, conn: conn, name: name, free: make(chan *taken, maxTaken), answered: make(chan *taken, maxTaken), gone: make(chan struct{}),
	}
	var writer sync.WaitGroup
	writer.Add(1)
	go func() {
		defer writer.Done()
		t.write()
	}()
	t.read()
	close(t.gone)
	_ = conn.Close() // also when the writer is in the middle of something
	writer.Wait()
}

// enter notes a connection of a peer. One that is too many costs the oldest its place: that one may be of before a partition, and
// nobody tells this side of its end for minutes.
func (s *takers) enter(name string, conn net.Conn) {
	limit := maxTakers
	if name == "" { // nothing proves who they are: all of them together
		limit *= MaxVoters
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.byPeer == nil {
		s.mu.byPeer = make(map[string][]net.Conn)
	}
	all := append(s.mu.byPeer[name], conn)
	if len(all) > limit {
		_ = all[0].Close() // its reader hears of it
		all = all[1:]
	}
	s.mu.byPeer[name] = all
}

func (s *takers) leave(name string, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(s.mu.byPeer[name]), func(c net.Conn) bool { return c == conn })
	if len(all) == 0 {
		delete(s.mu.byPeer, name)
		return
	}
	s.mu.byPeer[name] = all
}

// read puts frames into the queue until the connection ends.
func (t *taker) read() {
	r := newFrameReader(t.conn, engine.MaxEntryBytes)
	for {
		x := t.room()
		if x == nil {
			return
		}
		f, err := r.next()
		if err != nil || f.kind != forwardCommands || f.count > maxEntryCommands {
			return
		}
		x.number = f.number
		x.batch.SetEncoded(f.payload, int(f.count))
		t.figures.taken.Inc()
		t.figures.takenCommands.Add(int(f.count))
		if e := t.submit(x); e != nil {
			t.proposer.metrics.refused(e)
			x.waiter.err = e
			t.answered <- x
		}
	}
}

// room returns where the next frame goes; nil when the connection or the node ended before there was any.
func (t *taker) room() *taken {
	select {
	case x := <-t.free:
		return x
	default:
	}
	if t.made < maxTaken {
		t.made++
		x := &taken{answered: t.answered}
		x.waiter.taken = x
		return x
	}
	select {
	case x := <-t.free:
		return x
	case <-t.stop:
		return nil
	}
}

// submit queues a frame's batch; the frame comes to answered. A refusal means that it does not.
func (t *taker) submit(x *taken) *problem.Error {
	if e := t.gate.refusal.Load(); e != nil {
		return e
	}
	if e := t.mayForward(x); e != nil {
		return e
	}
	if err := checkSize(&x.batch); err != nil {
		return unsound(err)
	}
	if e := t.check(&x.batch); e != nil {
		return e
	}
	return t.proposer.queue.put(x.waiter.begin(&x.batch), x.batch.Len(), len(x.batch.Commands()))
}

// mayForward refuses what the other node may not send: a command is believed whatever front it came through. A node that was removed
// may send nothing, though its certificate is still good; one without a vote, an edge, what the data plane asks for; nobody what
// the leader proposes for itself.
func (t *taker) mayForward(x *taken) *problem.Error {
	member, voter := true, true // nothing proves a name: then this is loopback
	if t.name != "" {
		member, voter = t.standing(t.name)
	}
	if !member {
		return says(removed)
	}
	needs, err := engine.AuthorityOf(x.batch.Commands(), x.batch.Len())
	switch {
	case err != nil:
		return unsound(err)
	case needs == engine.AuthorityLeader || needs == engine.AuthorityOperator && !voter:
		t.figures.forbidden.Inc()
		return says(needsVote)
	}
	return nil
}

// write answers until the connection ends; everything that is there goes into one write.
func (t *taker) write() {
	for {
		select {
		case x := <-t.answered:
			t.out = t.answer(t.out[:0], x)
		case <-t.gone:
			return
		}
		for more := true; more && len(t.out) < forwardBuffer; {
			select {
			case x := <-t.answered:
				t.out = t.answer(t.out, x)
			default:
				more = false
			}
		}
		if !t.proposer.queue.waiting() { // else the next entry says so
			t.tell(raft.ServerID(t.name), t.newest)
		}
		err := t.conn.SetWriteDeadline(from(writeTimeout))
		if err == nil {
			_, err = t.conn.Write(t.out)
		}
		if err != nil {
			_ = t.conn.Close() // the reader sees it, once it has room
			t.discard()
			return
		}
		if cap(t.out) > keptBuffer {
			t.out = nil
		}
	}
}

// discard makes room until the reader has seen that the connection is gone.
func (t *taker) discard() {
	for {
		select {
		case x := <-t.answered:
			t.free <- x
		case <-t.gone:
			return
		}
	}
}

// answer appends the answer to a frame, and makes room for another one.
func (t *taker) answer(dst []byte, x *taken) []byte {
	at := len(dst)
	if e := x.waiter.err; e != nil {
		dst = appendForwardRefusal(dst, x.number, e)
	} else if dst = appendForwardOutcome(dst, x.number, &x.batch); len(dst)-at > forwardHeader+maxOutcomeBytes {
		dst = appendForwardRefusal(dst[:at], x.number, says(tooLarge))
	}
	if x.waiter.err == nil {
		t.newest = max(t.newest, uint64(x.batch.Index))
	}
	if cap(x.batch.Records) > keptBuffer {
		x.batch = engine.Batch{}
	}
	t.free <- x
	return dst
}
