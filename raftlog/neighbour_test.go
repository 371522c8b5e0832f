package raftlog

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/raftlog/peer"
)

// moved is a network in which a node has got an address that the configuration gives to another one.
type movedStream struct {
	peer.Stream
	to map[string]string
}

func (s movedStream) Dial(address string, timeout time.Duration) (net.Conn, error) {
	if other := s.to[address]; other != "" {
		address = other
	}
	return s.Stream.Dial(address, timeout)
}

// TestANodeIsNotAnother: a node that has the address of another one, which is gone, would be asked for that one's vote, and for what
// that one has of the log: alone it would be a majority of three.
func TestANodeIsNotAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		under := c.listen
		c.listen = func(id string) peer.Stream { return movedStream{under(id), map[string]string{"n2": "n1"}} }
		r := c.start("n1")
		time.Sleep(20 * time.Second)
		if s := r.node.Status(); s.Leader || s.Ready || s.Term > 1 {
			t.Errorf("alone of three, and %+v", s)
		}
	})
}
