package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Mode is what becomes of bytes on a link.
type Mode uint8

// The modes.
const (
	Pass Mode = iota
	Hold
	Swallow
	Refuse
)

// Rule is the state of a link. The zero value lets everything through.
type Rule struct {
	Mode   Mode
	Delay  time.Duration // of each piece
	Jitter time.Duration // at most, on top of Delay
	Rate   int           // bytes a second; 0 for no bound
}

// Network is the proxies of one cluster.
type Network struct {
	fronts sync.WaitGroup
	mu     struct {
		sync.Mutex
		links  map[Link]Rule
		change chan struct{} // closed when a rule changes
		lines  map[*line]struct{}
		listen []net.Listener
		closed bool
	}
}

// Link is a direction between two nodes, by their names.
type Link struct{ From, To string }

// New returns a network without nodes, on which all is well.
func New() *Network {
	n := &Network{}
	n.mu.links, n.mu.lines, n.mu.change = map[Link]Rule{}, map[*line]struct{}{}, make(chan struct{})
	return n
}

// Front listens on an address in place of a node, and returns where. dial reaches the node itself; who names the node that
// a connection comes from.
func (n *Network) Front(name, listen string, dial func() (net.Conn, error), who func(net.Addr) string) (string, error) {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("proxy: in front of %s: %w", name, err)
	}
	n.mu.Lock()
	n.mu.listen = append(n.mu.listen, ln)
	n.mu.Unlock()
	n.fronts.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return // Close
			}
			n.fronts.Go(func() { n.connect(near, who(near.RemoteAddr()), name, dial) })
		}
	})
	return ln.Addr().String(), nil
}

// Set gives links a rule. Those that lost bytes are reset when it ends; with Refuse all are, at once.
func (n *Network) Set(r Rule, links ...Link) {
	n.mu.Lock()
	for _, l := range links {
		n.mu.links[l] = r
	}
	close(n.mu.change)
	n.mu.change = make(chan struct{})
	var broken []*line
	for l := range n.mu.lines {
		refused := n.mu.links[l.there.link].Mode == Refuse || n.mu.links[l.back.link].Mode == Refuse
		if refused || l.there.lossy && n.mu.links[l.there.link].Mode != Swallow || l.back.lossy && n.mu.links[l.back.link].Mode != Swallow {
			broken = append(broken, l)
		}
	}
	n.mu.Unlock()
	for _, l := range broken {
		l.reset()
	}
}

// Heal ends every rule.
func (n *Network) Heal() {
	n.mu.Lock()
	var all []Link
	for l := range n.mu.links {
		all = append(all, l)
	}
	n.mu.Unlock()
	n.Set(Rule{}, all...)
}

// rule returns the rule of a link, and what is closed when any rule changes.
func (n *Network) rule(l Link) (Rule, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.links[l], n.mu.change
}

// Close ends all listeners and connections and returns when nothing of them is left.
func (n *Network) Close() error {
	n.mu.Lock()
	n.mu.closed = true
	listeners := n.mu.listen
	var lines []*line
	for l := range n.mu.lines {
		lines = append(lines, l)
	}
	n.mu.Unlock()
	var errs []error
	for _, ln := range listeners {
		errs = append(errs, ln.Close())
	}
	for _, l := range lines {
		l.reset()
	}
	n.fronts.Wait()
	return errors.Join(errs...)
}
