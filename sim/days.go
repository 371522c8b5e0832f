package sim

import (
	"strings"
	"sync"
	"time"
)

// A world of days: log time passes by days while minutes are simulated, so that keys get older than 48 hours and are packed while nodes
// die, snapshots are installed and the level is raised. Every clock of the world jumps at one instant, as if nothing had happened for
// half a day. A leader takes that for a clock that is wrong, and the operator, who is always there, accepts it.
const (
	crowdDraws = 170  // of each client, before anything breaks: enough keys for several pages of a shard
	crowdUsers = 1000 // among whom they are spread: caps refuse hardly any
	dayStep    = 13 * time.Hour
	oldAsked   = 60 // draws of each client that are asked for again in the end
)

// crowd draws as fast as answers come, so that there are keys to be packed later.
func (w *World) crowd(clients []*client) {
	if w.options.Days == 0 {
		return
	}
	over := make(chan struct{})
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			for range crowdDraws {
				i := c.draw(flash)
				i.order.sent = true // an answer may have been given, though not over HTTP
				c.sent = append(c.sent, i)
				direct := i
				direct.order = nil
				c.pursue(direct, over)
			}
		})
	}
	all.Wait()
}

// pass lets the days go by, a step at a time, until the nemeses are done.
func (w *World) pass(over <-chan struct{}) {
	if w.options.Days == 0 {
		return
	}
	steps := w.options.Days*24*int(time.Hour)/int(dayStep) + 1
	each := time.NewTicker(w.options.Length / time.Duration(steps+1))
	defer each.Stop()
	for range steps {
		select {
		case <-each.C:
		case <-over:
			return
		}
		w.ahead.Add(int64(dayStep))
		w.did("days", "half a day has passed")
		w.later(100*time.Millisecond, w.acceptClocks)
	}
}

// askForOldKeys asks for draws of all ages once more, when nothing is broken any more: the log must come to the same answer as ever.
func (w *World) askForOldKeys(clients []*client) {
	if w.options.Days == 0 {
		return
	}
	packed := uint64(0)
	for _, r := range w.running() {
		packed = max(packed, r.engine.PackedKeys())
	}
	w.mu.Lock()
	w.mu.counts["keys packed"] += int(packed)
	w.mu.Unlock()
	over := make(chan struct{})
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			for range min(oldAsked, len(c.sent)) {
				if i := c.sent[c.rng.IntN(len(c.sent))]; strings.HasPrefix(i.key, "draw/") {
					c.pursue(i, over)
					w.count("old keys asked for")
				}
			}
		})
	}
	timer := time.AfterFunc(settleLimit, func() { close(over) })
	defer timer.Stop()
	all.Wait()
}

// users is how many users draw.
func (w *World) users() int {
	if w.options.Days > 0 {
		return crowdUsers
	}
	return users
}
