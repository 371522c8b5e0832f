package client

import (
	"net/url"
	"strings"
	"sync/atomic"
)

// nodes are the URLs of one plane. All calls go to one of them, the one that answered last, as a cluster has one leader;
// whoever finds that it does not answer moves everybody to the next.
type nodes struct {
	urls    []*url.URL
	current atomic.Uint32
}

// newNodes takes URLs that were validated.
func newNodes(urls []string) *nodes {
	n := &nodes{}
	for _, text := range urls {
		u, _ := parseBase(text)
		n.urls = append(n.urls, u)
	}
	return n
}

func (n *nodes) first() int { return int(n.current.Load()) }

// leave moves everybody from a node that does not answer to the next, unless somebody did already, and returns where to go.
func (n *nodes) leave(from int) int {
	next := (from + 1) % len(n.urls)
	if n.current.CompareAndSwap(uint32(from), uint32(next)) {
		return next
	}
	if now := n.first(); now != from {
		return now
	}
	return next
}

// hinted moves everybody to the node that an answer names as the leader. A hint at a node that the caller did not name is
// not followed: the API key would go along.
func (n *nodes) hinted(leader string) (at int, ok bool) {
	u, err := parseBase(strings.TrimSpace(leader))
	if leader == "" || err != nil {
		return 0, false
	}
	for i, known := range n.urls {
		if known.Scheme == u.Scheme && strings.EqualFold(known.Host, u.Host) {
			n.current.Store(uint32(i))
			return i, true
		}
	}
	return 0, false
}
