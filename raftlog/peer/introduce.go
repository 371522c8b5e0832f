package peer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// KindNamed begins a connection on which both sides name their cluster before anything else. The side that dialled writes
//
//	0 u8 KindNamed · 1 u8 version: 1 · 2 u8 the kind that the connection is of · 3 16 B its cluster's id, zero while it knows none
//
// and waits for
//
//	0 u8 version: 1 · 1 u8 1 welcome, 2 of another cluster, 3 nobody takes this kind here · 2 16 B the other side's cluster's id
//
// A node of before this closes the connection at once, and is dialled again without.
const KindNamed Kind = 4

const (
	namedVersion = 1
	namedBytes   = 3 + 16
	namedAnswer  = 2 + 16

	namedWelcome = 1
	namedOther   = 2
	namedNobody  = 3
)

// ErrOtherCluster says that a node is of another cluster, under an id or at an address of one of ours. Nothing was asked.
var ErrOtherCluster = errors.New("peer: the node is of another cluster")

// errOlder says that a node closed the connection without a word: it may not know KindNamed.
var errOlder = errors.New("peer: closed without an answer")

// NameCluster says which cluster this node is of: id is called for each connection, and returns zero while none is known. A connection
// between two that know other ids is refused, on both sides; refused is told by whom it was tried and of which cluster, "" when nothing
// proves a name. Without NameCluster nothing is refused.
func (m *Mux) NameCluster(id func() [16]byte, refused func(name string, cluster [16]byte)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.cluster, m.mu.refused = id, refused
}

// cluster returns what NameCluster set.
func (m *Mux) cluster() (id [16]byte, refused func(string, [16]byte)) {
	m.mu.Lock()
	f, refused := m.mu.cluster, m.mu.refused
	m.mu.Unlock()
	if f != nil {
		id = f()
	}
	if refused == nil {
		refused = func(string, [16]byte) {}
	}
	return id, refused
}

// strangers reports whether two ids are those of two clusters.
func strangers(a, b [16]byte) bool { return a != b && a != [16]byte{} && b != [16]byte{} }

// introduce names this node's cluster on a connection that it made, and hears of which the other side is.
func (m *Mux) introduce(c *conn, timeout time.Duration) error {
	own, refused := m.cluster()
	if err := c.SetDeadline(from(timeout)); err != nil {
		return err
	}
	heard := 0
	var a [namedAnswer]byte
	_, err := c.Write(append([]byte{byte(KindNamed), namedVersion, byte(c.kind)}, own[:]...))
	if err == nil {
		heard, err = io.ReadFull(c, a[:])
	}
	switch {
	case err != nil && heard == 0 && !isTimeout(err):
		return fmt.Errorf("%w: %w", errOlder, err)
	case err != nil:
		return err
	}
	theirs := [16]byte(a[2:])
	switch {
	case a[0] < namedVersion:
		return errFrame
	case a[1] == namedOther || strangers(own, theirs):
		refused(Name(c), theirs)
		return fmt.Errorf("%w: this one is of %x, that one of %x", ErrOtherCluster, own, theirs)
	case a[1] != namedWelcome:
		return errors.New("peer: the node does not take connections of this kind")
	}
	return c.SetDeadline(time.Time{})
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// introduced reads which cluster the other side of an accepted connection is of, and returns the kind of the connection. With an
// error the connection is of no use; the other side was told why.
func (m *Mux) introduced(c *conn) (Kind, error) {
	var q [namedBytes - 1]byte
	if _, err := io.ReadFull(c, q[:]); err != nil {
		return 0, err
	}
	own, refused := m.cluster()
	k, theirs, status := Kind(q[1]), [16]byte(q[2:]), byte(namedWelcome)
	switch {
	case q[0] < namedVersion:
		return 0, errFrame
	case strangers(own, theirs):
		status = namedOther
	case m.handler(k) == nil:
		status = namedNobody
	}
	if err := c.SetWriteDeadline(from(kindTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.Write(append([]byte{namedVersion, status}, own[:]...)); err != nil {
		return 0, err
	}
	if status == namedOther {
		refused(Name(c), theirs)
		return 0, ErrOtherCluster
	}
	return k, c.SetWriteDeadline(time.Time{})
}
