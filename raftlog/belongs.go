package raftlog

import (
	"fmt"
	"sync"
	"time"
)

// clusterKey is the stable value of the id of the cluster that this node belongs to, 16 bytes. A restored directory has its new id
// under restoredKey before any log does.
const clusterKey = "drawd/cluster"

// belongs is which cluster this node is of, as far as it knows. The engine's own id does not serve: the state that a restored cluster
// begins with still has that of the old one.
type belongs struct {
	mu struct {
		sync.Mutex
		id     [16]byte      // zero: not told yet
		told   time.Duration // monotonic, when a stranger was last told of in the log; 0 never
		stable bool          // it is on the disk
	}
}

// strangerPause is between two lines of the log about nodes of other clusters.
const strangerPause = time.Minute

// beginBelongs reads which cluster this node is of, and has connections name it.
func (n *Node) beginBelongs() error {
	b, err := n.log.Get([]byte(restoredKey))
	if err == nil && len(b) < 16 {
		b, err = n.log.Get([]byte(clusterKey))
	}
	if err != nil {
		return fmt.Errorf("read the cluster's id: %w", err)
	}
	n.belongs.mu.Lock()
	if len(b) >= 16 {
		n.belongs.mu.id, n.belongs.mu.stable = [16]byte(b), true
	}
	n.belongs.mu.Unlock()
	n.options.Peers.NameCluster(n.cluster16, n.stranger)
	return nil
}

// cluster16 returns the id of this node's cluster, zero while it knows none.
func (n *Node) cluster16() [16]byte {
	n.belongs.mu.Lock()
	defer n.belongs.mu.Unlock()
	return n.belongs.mu.id
}

// belong takes in which cluster this node is of: from its own take-over, or from a leader that has taken over. The first word holds,
// and lasts from the next round of pings on.
func (n *Node) belong(id [16]byte) {
	n.belongs.mu.Lock()
	defer n.belongs.mu.Unlock()
	if n.belongs.mu.id == [16]byte{} {
		n.belongs.mu.id = id
	}
}

// keepBelongs writes it down once.
func (n *Node) keepBelongs() {
	n.belongs.mu.Lock()
	id, due := n.belongs.mu.id, !n.belongs.mu.stable && n.belongs.mu.id != [16]byte{}
	n.belongs.mu.stable = n.belongs.mu.stable || due
	n.belongs.mu.Unlock()
	if due && !n.stopped.Load() {
		n.log.begin(&n.log.noting)
		_ = n.log.end(&n.log.noting, "write the cluster's id", n.log.disk.SetStable([]byte(clusterKey), id[:]))
	}
}

// stranger is told of a connection between this node and one of another cluster. Such a one comes again and again.
func (n *Node) stranger(name string, cluster [16]byte) {
	n.metrics.strangers.Inc()
	now := n.options.Clock.Monotonic()
	n.belongs.mu.Lock()
	say := n.belongs.mu.told == 0 || now-n.belongs.mu.told >= strangerPause
	if say {
		n.belongs.mu.told = max(1, now)
	}
	own := n.belongs.mu.id
	n.belongs.mu.Unlock()
	if say {
		n.options.Logger.Warn("a node of another cluster is refused: a cluster that was restored, and the one of its backup, must not share addresses and certificates",
			"peer", name, "its_cluster", fmt.Sprintf("%x", cluster), "cluster", fmt.Sprintf("%x", own))
	}
}
