package raftlog

import (
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine/problem"
)

// reason is why commands are refused before they reach the queue. The lowest one in force is what callers are told.
type reason uint8

const (
	reasonStopped  reason = iota // the node found that it cannot go on; its process is about to end
	reasonClosing                // Close was called
	reasonRecall                 // others have not told yet what they know of this node, or they know more than it does
	reasonNoLeader               // this node does not lead, or has not applied its barrier yet
	reasonDiverged               // replicas have diverged, and nobody can tell which is right
	reasonClock                  // the clock cannot be trusted
	reasonStorage                // the disk is nearly full
	reasons
)

// gate is what every command passes first: one atomic load when it is open.
type gate struct {
	refusal atomic.Pointer[problem.Error]
	mu      struct {
		sync.Mutex
		shut [reasons]*problem.Error
	}
}

// shut refuses commands with e until open is called for the same reason. It reports whether that is news.
func (g *gate) shut(r reason, e *problem.Error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	news := g.mu.shut[r] == nil
	g.mu.shut[r] = e
	g.publishLocked()
	return news
}

// relabel changes what callers are told about a reason that is in force.
func (g *gate) relabel(r reason, e *problem.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.shut[r] != nil {
		g.mu.shut[r] = e
		g.publishLocked()
	}
}

// open takes a reason away and reports whether it was in force.
func (g *gate) open(r reason) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.mu.shut[r] != nil
	g.mu.shut[r] = nil
	g.publishLocked()
	return was
}

// why returns the refusal for one reason, nil when it is not in force.
func (g *gate) why(r reason) *problem.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.shut[r]
}

func (g *gate) publishLocked() {
	for _, e := range g.mu.shut {
		if e != nil {
			g.refusal.Store(e)
			return
		}
	}
	g.refusal.Store(nil)
}
