package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// Versions and documents are in one piece of every checkpoint, so they are bounded in sum, and what they take is known
// again after a restart.
func TestMetaIsBoundedInSum(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.wantCode("for later", x.publishAt(simple(func(v *Version) { v.Campaign = "later" }), start+1000), problem.OK)
	put := func(name string, bytes int) Result {
		return x.one(func(b *Batch) {
			b.AddDocument(&PutDocument{Namespace: 1, Name: name, Expect: AnyRevision, Body: make([]byte, bytes), Delete: bytes == 0})
		})
	}
	put("a", 1000)
	put("b", 500)
	put("b", 200)
	put("a", 0)
	x.reload()
	w := x.world.Load()
	form := len(formOf(simple()))
	if want := 2*form + len("later") - len("c"); w.forms != want || w.documents.mu.bytes != 200 {
		t.Errorf("%d bytes of versions and %d of documents, want %d and 200", w.forms, w.documents.mu.bytes, want)
	}

	w.documents.mu.bytes = MaxDocumentsBytes - 100
	x.unchanged("a document too many", func() { x.wantCode("101 bytes", put("c", 101), problem.Capacity) })
	x.unchanged("a longer document", func() { x.wantCode("301 instead of 200", put("b", 301), problem.Capacity) })
	x.wantCode("shorter", put("b", 100), problem.OK)
	x.wantCode("it fits", put("c", 200), problem.OK)

	w.forms = MaxFormsBytes - form + 1
	other := simple(func(v *Version) { v.Campaign = "d" })
	x.unchanged("a version too many", func() { x.wantCode("publish", x.publish(other), problem.Capacity) })
	x.unchanged("a version for later", func() { x.wantCode("publish at", x.publishAt(other, start+2000), problem.Capacity) })
	w.forms--
	x.wantCode("the last version that fits", x.publish(other), problem.OK)
}
