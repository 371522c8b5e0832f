//go:build nextlevel

package engine

import (
	"fmt"

	"github.com/drawd/drawd/engine/problem"
)

// This is all that a build of tomorrow does differently, for tests of two builds beside each other; no release has it. It
// shows how a level is written: an operation with the level that it comes with (since), and a change of what Apply does
// behind reached.
const (
	nextLevels = 1
	levelNext  = NewestLevel
	// opNext stands above every range that features may take: no build without the tag ever gives it a meaning.
	opNext = op(250)
)

// reached reports whether a feature level is in force: whatever Apply does differently from that level on asks it.
func (t *tx) reached(level uint32) bool { return t.world.level.Load() >= level }

// NextDocument is the document that Mark writes.
const NextDocument = "next/mark"

// Mark is the operation of tomorrow: it writes a document of a namespace.
type Mark struct {
	Namespace NamespaceRef
	Text      []byte
	Actor     string
}

// AddMark appends a Mark.
func (b *Batch) AddMark(c *Mark) {
	w, start := b.begin(opNext)
	w.u32(uint32(c.Namespace))
	w.bytes(c.Text)
	w.str(c.Actor)
	b.end(w, start)
}

func (t *tx) applyNext(o op, r *reader) (Result, error) {
	if o != opNext {
		return Result{}, fmt.Errorf("%w: operation %d", ErrUnknownEntry, o)
	}
	c := Mark{Namespace: NamespaceRef(r.u32()), Text: clone(r.bytes(MaxReasonBytes)), Actor: r.str(MaxActorBytes)}
	if err := r.done(); err != nil {
		return Result{}, fmt.Errorf("%w: operation %d: %w", ErrDamagedEntry, o, err)
	}
	if t.world.namespace(c.Namespace) == nil {
		return refuse(problem.NamespaceNotFound), nil
	}
	return t.putDocument(&PutDocument{Namespace: c.Namespace, Name: NextDocument, Expect: AnyRevision, Body: c.Text, Actor: c.Actor}, ""), nil
}

// told is the change of what Apply does: from the next level on the record of a win tells the units that were there before it.
func (t *tx) told(left Quantity) Quantity {
	if t.reached(levelNext) && left != Unlimited {
		return left + 1
	}
	return left
}
