package engine

import (
	"slices"
	"strings"
	"sync"

	"github.com/drawd/drawd/engine/problem"
)

// Document is a small thing of the control plane: a draft, an API key. Documents never decide a draw.
type Document struct {
	Name     string
	Revision uint64 // never used twice for a name, also when it is deleted and written again
	Body     []byte // must not be modified
}

// documents are all documents, sorted by namespace and name.
type documents struct {
	mu struct {
		sync.RWMutex
		sorted   []document
		revision uint64 // of all documents: moves with every change
		bytes    int    // of all bodies
	}
}

// restore puts loaded documents in place.
func (d *documents) restore(revision uint64, sorted []document) {
	d.mu.revision, d.mu.sorted, d.mu.bytes = revision, sorted, 0
	for i := range sorted {
		d.mu.bytes += len(sorted[i].Body)
	}
}

type document struct {
	namespace NamespaceRef
	Document
}

func (d *documents) searchLocked(ns NamespaceRef, name string) (int, bool) {
	return slices.BinarySearchFunc(d.mu.sorted, name, func(x document, name string) int {
		if x.namespace != ns {
			if x.namespace < ns {
				return -1
			}
			return 1
		}
		return strings.Compare(x.Name, name)
	})
}

// applyDocument writes or deletes a document if it has the expected revision.
func (t *tx) applyDocument(c *PutDocument) Result {
	n := t.world.namespace(c.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	if c.Name == "" {
		return refuse(problem.InvalidField)
	}
	if !n.mayDocument(c.Name) {
		return refuse(problem.Forbidden)
	}
	return t.putDocument(c, "")
}

func (t *tx) putDocument(c *PutDocument, reason string) Result {
	revision, code := t.world.documents.put(c)
	if code != problem.OK {
		return Result{Code: code, Value: revision}
	}
	r := Record{Kind: RecordDocument, Namespace: c.Namespace, Name: []byte(c.Name), Actor: []byte(c.Actor), Reason: []byte(reason), Delta: int64(revision)}
	if c.Delete {
		r.Flags = 1
	}
	return t.note(r, Result{Value: revision})
}

// check says whether a document can be written or deleted now.
func (d *documents) check(c *PutDocument) (revision uint64, code problem.Code) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	revision, _, code = d.weighLocked(c)
	return revision, code
}

// weighLocked says whether a document can be written or deleted now, and by how many bytes the documents grow.
func (d *documents) weighLocked(c *PutDocument) (revision uint64, grown int, code problem.Code) {
	at, found := d.searchLocked(c.Namespace, c.Name)
	grown = len(c.Body)
	if c.Delete {
		grown = 0
	}
	if found {
		revision = d.mu.sorted[at].Revision
		grown -= len(d.mu.sorted[at].Body)
	}
	switch {
	case c.Expect != AnyRevision && c.Expect != revision:
		return revision, 0, problem.VersionConflict
	case c.Delete && !found:
		return 0, 0, problem.NotFound
	case !found && len(d.mu.sorted) >= MaxDocuments, grown > 0 && d.mu.bytes+grown > MaxDocumentsBytes:
		return 0, 0, problem.Capacity
	}
	return revision, grown, problem.OK
}

func (d *documents) put(c *PutDocument) (revision uint64, code problem.Code) {
	d.mu.Lock()
	defer d.mu.Unlock()
	revision, grown, code := d.weighLocked(c)
	if code != problem.OK {
		return revision, code
	}
	at, found := d.searchLocked(c.Namespace, c.Name)
	d.mu.bytes += grown
	d.mu.revision++
	next := document{c.Namespace, Document{c.Name, d.mu.revision, c.Body}}
	switch {
	case c.Delete:
		d.mu.sorted = slices.Delete(d.mu.sorted, at, at+1)
	case found:
		d.mu.sorted[at] = next
	default:
		d.mu.sorted = slices.Insert(d.mu.sorted, at, next)
	}
	return next.Revision, problem.OK
}

// Document returns a document. It takes a lock.
func (e *Engine) Document(ns NamespaceRef, name string) (Document, bool) {
	d := &e.world.Load().documents
	d.mu.RLock()
	defer d.mu.RUnlock()
	at, found := d.searchLocked(ns, name)
	if !found {
		return Document{}, false
	}
	return d.mu.sorted[at].Document, true
}

// Documents returns the documents whose names begin with prefix, by name. It takes a lock.
func (e *Engine) Documents(ns NamespaceRef, prefix string) []Document {
	d := &e.world.Load().documents
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []Document
	for at, _ := d.searchLocked(ns, prefix); at < len(d.mu.sorted); at++ {
		x := &d.mu.sorted[at]
		if x.namespace != ns || !strings.HasPrefix(x.Name, prefix) {
			break
		}
		all = append(all, x.Document)
	}
	return all
}

// DocumentsRevision moves with every change of any document: whoever caches documents compares it.
func (e *Engine) DocumentsRevision() uint64 {
	d := &e.world.Load().documents
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.mu.revision
}
