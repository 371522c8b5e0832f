package dataplane

import (
	"context"
	"strconv"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
)

// Place is where this node stands among the nodes of its cluster. None of it may block but Reach.
type Place interface {
	// LeaderAPI returns where the API of the node that leads is reached; empty when that is this node, or nobody is known.
	LeaderAPI() string
	// Age returns how old the facts of this node may be: what was committed longer ago is applied here. 0 on the leader.
	Age() time.Duration
	// Reach waits until everything up to index is applied here; false when ctx ended first.
	Reach(ctx context.Context, index engine.LogIndex) bool
}

// alone is the place of a node that has no others beside it: what it has not applied was never decided.
type alone struct{}

func (alone) LeaderAPI() string                           { return "" }
func (alone) Age() time.Duration                          { return 0 }
func (alone) Reach(context.Context, engine.LogIndex) bool { return false }

const (
	// reachLimit is how long a request waits for a node that lags.
	reachLimit = time.Second
	// maxFactAge is up to what age facts deny a draw without the log. A node that was cut off knows nothing of what came
	// back: of units, of a cap that was raised.
	maxFactAge = 2 * time.Second
)

// reach reports whether everything up to index is applied here, for which it may wait.
func (w *worker) reach(index engine.LogIndex) bool {
	if w.server.options.Engine.AppliedIndex() >= index || mutant.On(mutant.MinIndexUnheard) {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), reachLimit)
	defer cancel()
	return w.server.options.Place.Reach(ctx, index)
}

// given reports whether what an id names can be found here, or refuses. Whoever has a sound id was given it by some node: one
// that is behind waits for it, and does not say that there is no such thing.
func (w *worker) given(sound bool, index engine.LogIndex, none problem.Code) bool {
	switch {
	case !sound:
		w.refuse(none, "")
	case w.reach(index):
		return true
	case w.server.options.Place.Age() > 0:
		w.refuse(problem.NoLeader, behindDetail)
	default:
		w.refuse(none, "")
	}
	return false
}

// outdated reports whether this node's facts are too old to deny by.
func (w *worker) outdated() bool { return w.server.options.Place.Age() > maxFactAge }

const behindDetail = "This node has not applied that yet: ask again, or another node."

// current does what the request asks for about the age of what it will see: it waits for Drawd-Min-Index, or for all that
// was decided before with Drawd-Linearizable. false means that the request was refused.
func (w *worker) current() bool {
	h := w.head
	if h.minIndex != nil {
		index, err := strconv.ParseUint(string(h.minIndex), 10, 40)
		if err != nil {
			w.invalid("", "range", "Drawd-Min-Index must be an index of the log, as Drawd-Index tells it.")
			return false
		}
		if !w.reach(engine.LogIndex(index)) {
			w.refuse(problem.NoLeader, behindDetail)
			return false
		}
	}
	if h.method == methodPost {
		return true // the log decides: that is linearizable
	}
	if h.linearizable && !mutant.On(mutant.BarrierUnheard) {
		if err := w.barrier(); err != nil {
			w.failed(err)
			return false
		}
	}
	w.seen = w.server.options.Engine.AppliedIndex()
	return true
}

// barrier returns when everything that was in the log before it is applied and stored here. An empty tick goes through the
// log: what was dispatched before the barrier is decided before it, or never.
func (w *worker) barrier() error {
	w.batch.Reset()
	w.batch.AddTick()
	err := w.server.options.Decider.Decide(w.batch)
	switch {
	case err == nil && !w.reach(w.batch.Index):
		return problem.New(problem.NoLeader, behindDetail)
	case err != nil && refusalOf(err).Effect() != problem.None:
		w.batch = new(engine.Batch)
	}
	return err
}

// sayAge tells of a read how new it is, for server-side keys: the log index that it shows at least, and on a node that does
// not lead, how old that may be.
func (w *worker) sayAge() {
	if w.seen == 0 || w.who.public {
		return
	}
	h := &w.response().Header
	w.number = strconv.AppendUint(w.number[:0], uint64(w.seen), 10)
	h.SetBytesV("Drawd-Index", w.number)
	if age := w.server.options.Place.Age(); age > 0 {
		w.number = strconv.AppendInt(w.number[:0], age.Milliseconds()+1, 10)
		h.SetBytesV("Drawd-Age-Ms", w.number)
	}
}

// leaderAPI is what an answer to a key says of where the leader is; empty when it says nothing.
func (w *worker) leaderAPI() string {
	if w.who.public || w.grant.Namespace == nil {
		return ""
	}
	return w.server.options.Place.LeaderAPI()
}
