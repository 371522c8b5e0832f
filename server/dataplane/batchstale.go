package dataplane

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Items of a batch whose campaign was published while the batch was evaluated are read and evaluated again, like a unary
// draw: they are few, and it is rare, so this may allocate. In the binary form, which has no attributes, and after
// stampTries they are refused with overloaded: nothing was decided about them.

// decideStale decides the stale items of a JSON batch on the live versions.
func (w *worker) decideStale(b *batchWork) {
	if w.head.content != contentJSON {
		return
	}
	for range stampTries - 1 {
		stale := b.stale(w)
		if len(stale) == 0 {
			return
		}
		again, sent := new(engine.Batch), stale[:0]
		for _, i := range stale {
			if w.restamp(b, &b.items[i]) {
				again.AddDraw(&w.command)
				sent = append(sent, i)
			}
		}
		if again.Len() == 0 {
			return
		}
		err := w.server.options.Decider.Decide(again)
		if err == nil && len(again.Results) != again.Len() {
			err = errResults
		}
		for n, i := range sent {
			r := engine.Result{Campaign: b.items[i].campaign.Ref()}
			if err == nil {
				r = again.Results[n]
			} else {
				r.Code = refusalOf(err).Code
			}
			b.items[i].answered, b.items[i].at = byFacts, int32(len(b.known))
			b.known = append(b.known, r)
		}
		if err != nil {
			return
		}
	}
}

// stale returns the items that were decided on no version.
func (b *batchWork) stale(w *worker) (items []int) {
	for i := range b.items {
		if item := &b.items[i]; item.answered != byFault && w.result(b, item).StaleStamp() {
			items = append(items, i)
		}
	}
	return items
}

// restamp makes w.command the draw of an item, as the live version's audience sees it; false when the item has become a
// faulty one.
func (w *worker) restamp(b *batchWork, item *batchItem) bool {
	w.scanner.i = int(item.from)
	w.body.begin()
	if !w.scanner.drawObject(&w.body, 3, true) || w.body.faults > 0 {
		panic("BUG: dataplane: an item that was read is not read again")
	}
	keyer := item.campaign.Namespace().Keyer()
	w.fill(&w.command, &w.body, item.campaign, &keyer, w.body.key)
	w.who.checked, w.who.many = false, true
	f, sound := w.stamp(item.campaign, &keyer, w.body.key)
	if !sound {
		item.answered, item.at = byFault, int32(len(b.faults))
		b.faults = append(b.faults, itemFault{f.code(), f})
	}
	return sound
}

// loadDecided makes w.answer the records of an item that was decided apart from the batch.
func (w *worker) loadDecided(item *batchItem, r *engine.Result) bool {
	if err := w.load(item.campaign, r.At, int(item.times)); err != nil {
		w.lost(err)
		return false
	}
	return true
}

// decidedApart reports whether an item's records are not in the worker's batch, although the request decided it.
func (item *batchItem) decidedApart(r *engine.Result) bool {
	return item.answered == byFacts && r.Code == problem.OK && !r.Replayed
}
