package engine

import (
	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
)

// What bounds memory in the log is a namespace's max_users and max_keys: every replica refuses at the same entry. How much memory a
// machine has is nobody's state, so a node that is at its bound refuses before the log, as it does when its disk is nearly full.
// What it asks for that stands here: how much there is, and which commands would add to it.

// Bytes returns the memory of the pages in use: of users, keys, holds and everything else that has a row. It is counted, not
// measured: replicas agree on it up to what they have packed. It takes one lock after the other.
func (e *Engine) Bytes() (n uint64) {
	w := e.world.Load()
	for i := range w.shards {
		mu := &w.shards[i].mu
		mu.Lock()
		n += uint64(mu.arena.Pages()-mu.arena.FreePages()) * pages.PageSize
		mu.Unlock()
	}
	return n
}

// AddsKeys reports whether one of the commands, as Batch.Commands has them, comes under a key that is not remembered yet: a draw, a
// hit, a help, a grant, a hold or a take. What ends something that was begun never does, nor what an operator does. Commands that
// CheckCommands refuses add nothing. It takes the locks of the keys' shards.
func (e *Engine) AddsKeys(commands []byte, count int) bool {
	for range count {
		o, body, rest, err := nextCommand(commands)
		if err != nil {
			return false
		}
		if e.addsKey(o, body) {
			return true
		}
		commands = rest
	}
	return false
}

func (e *Engine) addsKey(o op, body []byte) bool {
	w, r := e.world.Load(), &reader{b: body}
	switch o {
	case opDraw:
		var d Draw
		return parseDraw(body, &d) == nil && w.strange(d.Campaign, &d.Digest)
	case opHelp:
		var h Help
		return parseHelp(body, &h) == nil && w.strange(h.Campaign, &h.Digest)
	case opHit:
		var h Hit
		n := (*Namespace)(nil)
		if parseHit(body, &h) == nil {
			n = w.namespace(h.Namespace)
		}
		return n != nil && n.strangeHit(&h.Digest)
	case opGrant:
		g := r.grant()
		return r.done() == nil && e.strangeGrant(&g)
	case opHold:
		c := r.hold()
		return r.done() == nil && e.strangeHold(c.Namespace, c.Digest)
	case opTake:
		c := r.takeUnits()
		return r.done() == nil && e.strangeHold(c.Namespace, c.Digest)
	}
	return false
}

// strange reports whether a campaign would remember a key that it does not know.
func (w *world) strange(ref CampaignRef, digest *Key) bool {
	c := w.campaign(ref)
	if c == nil {
		return false
	}
	mu := &w.shards[w.shardOf(digest)].mu
	mu.Lock()
	defer mu.Unlock()
	if c.keys == nil {
		return false
	}
	_, known := c.findKey(digest)
	return !known
}

func (n *Namespace) strangeHit(digest *Key) bool {
	w := n.world
	mu := &w.shards[w.shardOf(digest)].mu
	mu.Lock()
	defer mu.Unlock()
	if n.fatigue.table == nil {
		return false
	}
	_, _, known := n.fatigue.seen(w, digest)
	return !known
}

func (e *Engine) strangeGrant(g *Grant) bool {
	t := steps.Get().(*tx)
	defer steps.Put(t)
	t.world, t.bulk, t.draw = e.world.Load(), false, Draw{User: g.User}
	t.lockShards(&t.draw)
	defer t.unlockShards()
	if x, code := t.granting(g); code == problem.OK && x.keys != nil {
		_, known := t.grantKey(&x)
		return !known
	}
	return false
}

func (e *Engine) strangeHold(ref NamespaceRef, digest Key) bool {
	n := e.world.Load().namespace(ref)
	if n == nil {
		return false
	}
	_, _, code := e.FindHoldKey(n, digest)
	return code != problem.OK
}
