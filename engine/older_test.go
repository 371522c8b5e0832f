package engine

import "testing"

// A page keeps its old width on disk until somebody looks at it, and readers do too: after a load the applier must know
// that pages move under him, or he would ask for memory ahead of a directory that a reader is replacing.
func TestPagesOfAnOlderWidthAfterALoad(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.draw("u", "0")
	if loaded := reloaded(x); loaded.world.Load().widened {
		t.Error("no table was ever widened")
	}
	x.mustPublish(simple(func(v *Version) {
		v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 9, Prize: -1}}
	}))
	loaded := reloaded(x)
	if !loaded.world.Load().widened {
		t.Error("the pages are narrow, and the applier takes them for still")
	}
	if loaded.StateHash() != x.StateHash() {
		t.Error("another state")
	}
}

func reloaded(x *table) *Engine {
	x.reload()
	return x.Engine
}

// What no writer writes is no record: a section that this drawd does not know may change what the others mean.
func TestUnknownSectionOfARecord(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	rec := x.records(x.draw("u", "0"))[0]
	for what, sections := range map[string][]byte{
		"an unknown tag":           {99, 1, 0},
		"a tag that is kept free":  {recordRelease, 1, 0},
		"an audience of one byte":  {recordAudience, 1, 0},
		"an audience and the rest": append([]byte{recordAudience, auditBytes + 1}, make([]byte, auditBytes+1)...),
	} {
		rec.Sections = sections
		if _, err := DecodeRecord(appendDraw(nil, &rec), new(Record)); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// A list of nobody makes no lists.
func TestListOfNobody(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.unchanged("an empty change", func() {
		r := x.one(func(b *Batch) { b.AddList(&PutList{Namespace: 1, List: ListDeny, Actor: "op"}) })
		if !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
}
