package engine

import (
	"slices"
	"strings"

	"github.com/drawd/drawd/engine/problem"
)

// Approvals are given by persons, and an API key names one. What a key may do is the servers' business and stands in its
// document, which the log does not read; whose it is and whether it may approve is decided here, in the log: else whoever
// may make keys would be as many people as he likes.
//
// Invariant: from the moment in which a policy asks for n approvals, more than n persons have a key that approves and
// does not expire. So what waits can always be answered, and nobody is locked out.

// KeyDocument begins the name of an API key's document.
const KeyDocument = "key/"

// Holder is whose an API key is. Keys that can ask for nothing that needs approval have none.
type Holder struct {
	Actor    string    // who commands say acts, when the key is used
	Person   string    // whose key it is, 1 to MaxUserBytes
	Approves bool      // whether it may approve what others ask for
	Until    UnixMilli // when it expires; 0 for never
}

// PutKey writes or deletes an API key. While approvals are in force, everything that touches a key with a holder waits
// for one.
type PutKey struct {
	Document PutDocument // its name begins with KeyDocument
	Holder   *Holder     // nil for none; not looked at when the key is deleted
	Reason   string      // for whoever approves
}

// holder is a key with a holder, as it is kept: by the name of its document.
type holder struct {
	document string
	Holder
}

// maxHolder bounds the name of a key's document where it has a holder: it stands in the subject of an approval.
const maxHolder = 64

func (c *PutKey) valid() bool {
	name, ok := strings.CutPrefix(c.Document.Name, KeyDocument)
	if !ok || name == "" || len(name) > maxHolder {
		return false
	}
	return c.Document.Delete || c.Holder == nil || c.Holder.Actor != "" && c.Holder.Person != ""
}

// lasting returns how many persons have a key that approves and does not expire.
func lasting(all []holder) int {
	var people []string
	for i := range all {
		if h := &all[i]; h.Approves && h.Until == 0 && !slices.Contains(people, h.Person) {
			people = append(people, h.Person)
		}
	}
	return len(people)
}

// guarded reports whether keys of n are made and deleted by several persons. A namespace whose policy asked for approvals
// before keys named persons comes under guard with its first keys that do.
func (n *Namespace) guarded() bool {
	approvals := int(n.Policy().Approvals)
	return approvals > 0 && lasting(n.holders) > approvals
}

func (n *Namespace) holderOf(document string) (at int, found bool) {
	return slices.BinarySearchFunc(n.holders, document, func(h holder, name string) int { return strings.Compare(h.document, name) })
}

// person returns whose key an actor uses: one of the namespace's, or an operator's. Others stand for themselves.
func (n *Namespace) person(actor string) string {
	for _, of := range []*Namespace{n, (*n.world.namespaces.Load())[0]} {
		if i := slices.IndexFunc(of.holders, func(h holder) bool { return h.Actor == actor }); i >= 0 {
			return of.holders[i].Person
		}
	}
	return actor
}

// approver returns the person for whom an actor may approve now; "" for nobody. Only the namespace's own keys approve.
func (n *Namespace) approver(actor string, now UnixMilli) string {
	i := slices.IndexFunc(n.holders, func(h holder) bool { return h.Actor == actor })
	if i < 0 || !n.holders[i].Approves || n.holders[i].Until != 0 && now >= n.holders[i].Until {
		return ""
	}
	return n.holders[i].Person
}

// People returns how many persons have a key of n that approves and does not expire. It takes a lock.
func (n *Namespace) People() int {
	mu := &n.world.shards[0].mu // whoever changes a key holds every shard
	mu.Lock()
	defer mu.Unlock()
	return lasting(n.holders)
}

// applyKey writes or deletes a key, or asks for the approval that this needs.
func (t *tx) applyKey(c *PutKey, body []byte) Result {
	n := t.world.namespace(c.Document.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	if !c.valid() {
		return refuse(problem.InvalidField)
	}
	if revision, code := t.world.documents.check(&c.Document); code != problem.OK {
		return Result{Code: code, Value: revision}
	}
	next, touched := n.holdersAfter(c)
	switch guarded := n.guarded(); {
	case len(next) > MaxHolders:
		return refuse(problem.Capacity)
	case guarded && lasting(next) <= int(n.Policy().Approvals):
		return Result{Code: problem.Conflict, Value: uint64(lasting(next))}
	case guarded && touched && t.approved != byPeople:
		return t.ask(n, opKey, body, c.subject(n), c.Document.Actor, c.Reason, false, Result{})
	}
	n.holders = next
	return t.putDocument(&c.Document, c.Reason)
}

// holdersAfter returns the holders as a command leaves them, and whether it touches any.
func (n *Namespace) holdersAfter(c *PutKey) (next []holder, touched bool) {
	at, found := n.holderOf(c.Document.Name)
	if next = n.holders; found {
		next = slices.Delete(slices.Clone(next), at, at+1)
	}
	if c.Document.Delete || c.Holder == nil {
		return next, found
	}
	return slices.Insert(slices.Clip(next), at, holder{c.Document.Name, *c.Holder}), true
}

func (c *PutKey) subject(n *Namespace) string {
	id := strings.TrimPrefix(c.Document.Name, KeyDocument)
	if !c.Document.Delete && c.Holder != nil {
		return "key " + id + " of " + c.Holder.Person
	}
	at, _ := n.holderOf(c.Document.Name)
	if !c.Document.Delete { // it stays, as one that can ask for nothing
		return "key " + id + ", no longer of " + n.holders[at].Person
	}
	return "delete key " + id + " of " + n.holders[at].Person
}

// mayDocument reports whether a document may be written as such: not a key that has a holder, and no key at all where keys
// are made by several persons, since the log cannot see what it would allow.
func (n *Namespace) mayDocument(name string) bool {
	if !strings.HasPrefix(name, KeyDocument) {
		return true
	}
	_, found := n.holderOf(name)
	return !found && !n.guarded()
}

// AddKey appends the writing or deletion of a key.
func (b *Batch) AddKey(c *PutKey) {
	w, start := b.begin(opKey)
	w.document(&c.Document)
	w.flag(c.Holder != nil)
	if c.Holder != nil {
		w.holder(c.Holder)
	}
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) putKey() PutKey {
	c := PutKey{Document: r.document()}
	if r.flag() {
		h := r.holder()
		c.Holder = &h
	}
	c.Reason = r.str(MaxReasonBytes)
	return c
}

func (w *writer) holder(h *Holder) {
	w.str(h.Actor)
	w.str(h.Person)
	w.flag(h.Approves)
	w.i64(int64(h.Until))
}

func (r *reader) holder() Holder {
	return Holder{Actor: r.str(MaxActorBytes), Person: r.str(MaxUserBytes), Approves: r.flag(), Until: UnixMilli(r.i64())}
}

// people is the section of a namespace's state that says who holds keys, whose requests and approvals wait, and with which
// live versions pending ones were compared. The last two stand here in the order of what they belong to: their own
// sections are older.
func (w *writer) people(n *namespaceCut) {
	expected := slices.ContainsFunc(n.pending, func(p pending) bool { return p.expect != 0 })
	if len(n.holders)+len(n.acts.waiting) == 0 && !expected {
		return
	}
	w.u32(uint32(len(n.holders)))
	for i := range n.holders {
		w.str(n.holders[i].document)
		w.holder(&n.holders[i].Holder)
	}
	for i := range n.acts.waiting {
		x := &n.acts.waiting[i]
		w.str(x.person)
		for _, a := range x.approvers {
			w.str(a.person)
		}
	}
	for i := range n.pending {
		w.u32(n.pending[i].expect)
	}
}

func (r *reader) people(n *namespaceCut) {
	for range r.count(MaxHolders) {
		h := holder{r.str(MaxDocumentNameBytes), r.holder()}
		if last := len(n.holders) - 1; r.fail || last >= 0 && n.holders[last].document >= h.document {
			r.fail = true
			return
		}
		n.holders = append(n.holders, h)
	}
	for i := range n.acts.waiting {
		x := &n.acts.waiting[i]
		x.person = r.str(MaxActorBytes)
		for j := range x.approvers {
			x.approvers[j].person = r.str(MaxActorBytes)
		}
	}
	for i := range n.pending {
		n.pending[i].expect = r.u32()
	}
}
