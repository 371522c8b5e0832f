package engine

import (
	"slices"
	"strings"

	"github.com/drawd/drawd/engine/problem"
)

// pending is a version that becomes live at a time. A campaign has at most one.
type pending struct {
	at     UnixMilli
	form   []byte
	salt   [16]byte
	sealed []byte // seed, for a campaign that is new by then
	id     string // of the campaign
	actor  string
	reason string
	expect uint32 // the live version that it was compared with: Publish.Expect
}

// Flags of a record of kind RecordPending.
const (
	PendingWithdrawn = 1 << iota
	PendingRefused   // at its time it could not become live: the reason is the problem's code
)

// AddPublishAt appends the publish of a version at a log time to come.
func (b *Batch) AddPublishAt(c *Publish, at UnixMilli) {
	o := opPublishAt
	if c.Expect != 0 {
		o = opPublishAtFrom
	}
	w, start := b.begin(o)
	if c.Expect != 0 {
		w.u32(c.Expect)
	}
	w.i64(int64(at))
	w.publish(c)
	b.end(w, start)
}

// Withdraw takes back what was to become live later.
type Withdraw struct {
	Namespace NamespaceRef
	Campaign  string
	Actor     string
	Reason    string
}

// AddWithdraw appends a withdrawal.
func (b *Batch) AddWithdraw(c *Withdraw) {
	w, start := b.begin(opWithdraw)
	w.u32(uint32(c.Namespace))
	w.str(c.Campaign)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

// applyPending decides the commands of this file.
func (t *tx) applyPending(o op, r *reader) (res Result, err error) {
	if o == opWithdraw {
		c := Withdraw{NamespaceRef(r.u32()), r.str(MaxIDBytes), r.str(MaxActorBytes), r.str(MaxReasonBytes)}
		if err = r.done(); err == nil {
			res = t.applyWithdraw(&c)
		}
		return res, err
	}
	body := r.b
	c, form, at := r.publishing(o)
	if err = r.done(); err == nil {
		if refused, waits := t.needsEyes(&c, o, body, at); waits {
			return refused, nil
		}
		res = t.applyPublishAt(&c, form, at)
	}
	return res, err
}

// applyPublishAt keeps a version until its time. What is wrong with it already is refused now.
func (t *tx) applyPublishAt(c *Publish, form []byte, at UnixMilli) Result {
	n := t.world.namespace(c.Namespace)
	switch {
	case n == nil:
		return refuse(problem.NamespaceNotFound)
	case at <= t.now || at >= c.Version.EndsAt:
		return Result{Code: problem.InvalidField, Now: t.now}
	case n.pendingOf(c.Version.Campaign) >= 0:
		return refuse(problem.Conflict) // withdraw it first
	case len(n.pending) >= MaxPending:
		return refuse(problem.Capacity)
	}
	r := Result{}
	if live := (*n.campaigns.Load())[c.Version.Campaign]; live != nil {
		r.Campaign = live.ref
	}
	if _, code, _ := n.admit(c.Version, at); code != problem.OK {
		r.Code = code
		return r
	}
	if number := n.liveNumber(c.Version.Campaign); !c.expects(number) {
		r.Code, r.Value = problem.VersionConflict, number
		return r
	}
	all := append(slices.Clone(n.pending), pending{
		at: at, form: clone(form), salt: c.Version.Salt, sealed: c.SealedSeed, id: c.Version.Campaign, actor: c.Actor, reason: c.Reason,
		expect: c.Expect,
	})
	slices.SortFunc(all, func(a, b pending) int { // in the order in which they are due
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return strings.Compare(a.id, b.id)
	})
	n.keepPending(all)
	t.world.settle(t.now)
	return t.notePending(n, &Record{Campaign: r.Campaign, Name: []byte(c.Version.Campaign), Actor: []byte(c.Actor), Reason: []byte(c.Reason), Delta: int64(at)}, r)
}

func (t *tx) applyWithdraw(c *Withdraw) Result {
	n := t.world.namespace(c.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	i := n.pendingOf(c.Campaign)
	if i < 0 {
		return refuse(problem.NotFound)
	}
	at := n.pending[i].at
	n.keepPending(slices.Delete(slices.Clone(n.pending), i, i+1))
	t.world.settle(t.now)
	return t.notePending(n, &Record{Name: []byte(c.Campaign), Actor: []byte(c.Actor), Reason: []byte(c.Reason), Delta: int64(at), Flags: PendingWithdrawn}, Result{})
}

func (t *tx) notePending(n *Namespace, rec *Record, r Result) Result {
	rec.Kind, rec.Namespace = RecordPending, n.ref
	return t.note(*rec, r)
}

func (n *Namespace) pendingOf(campaign string) int {
	return slices.IndexFunc(n.pending, func(p pending) bool { return p.id == campaign })
}

// keepPending replaces what is to become live. Readers see the old list or the new one.
func (n *Namespace) keepPending(all []pending) {
	for i := range n.pending {
		n.world.forms -= len(n.pending[i].form)
	}
	for i := range all {
		n.world.forms += len(all[i].form)
	}
	n.pending = all
	told := make([]Pending, len(all))
	for i := range all {
		told[i] = Pending{all[i].id, all[i].at, all[i].actor, all[i].reason}
	}
	n.told.Store(&told)
}

// Pending is a version that becomes live at a time.
type Pending struct {
	Campaign string
	At       UnixMilli
	Actor    string
	Reason   string
}

// Pending returns what is to become live, in the order of time.
func (n *Namespace) Pending() []Pending {
	if all := n.told.Load(); all != nil {
		return *all
	}
	return nil
}

// changes reports whether a campaign's version that waits may be live by then: what is denied under the live one need not be
// any more. It allocates nothing.
func (n *Namespace) changes(campaign string, by UnixMilli) bool {
	all := n.told.Load()
	if all == nil {
		return false
	}
	for i := range *all {
		if p := &(*all)[i]; p.Campaign == campaign && p.At <= by {
			return true
		}
	}
	return false
}

// publishDue makes live what has become due, each at its own time: what was due before has happened then. Every shard is
// locked, and the command has its position.
func (t *tx) publishDue() {
	now := t.now
	for {
		var next *pending
		var of *Namespace
		for _, n := range *t.world.namespaces.Load() {
			if len(n.pending) > 0 && n.pending[0].at <= now && (next == nil || n.pending[0].at < next.at) {
				next, of = &n.pending[0], n
			}
		}
		if next == nil {
			break
		}
		due := *next
		of.keepPending(slices.Clone(of.pending[1:]))
		t.now = due.at
		t.world.settle(t.now)
		t.publishOne(of, &due)
	}
	t.now = now
}

func (t *tx) publishOne(n *Namespace, p *pending) {
	r := reader{b: p.form}
	v := r.form()
	v.Salt = p.salt
	c := Publish{Namespace: n.ref, Version: v, SealedSeed: p.sealed, Actor: p.actor, Reason: p.reason, Expect: p.expect}
	if res := t.applyPublish(&c, p.form); res.Code != problem.OK {
		t.notePending(n, &Record{
			Campaign: res.Campaign, Name: []byte(p.id), Actor: []byte(p.actor), Reason: []byte(res.Code.String()), Delta: int64(p.at), Flags: PendingRefused,
		}, Result{})
	}
}

// pendings is the section of a namespace's state.
func (w *writer) pendings(all []pending) {
	for i := range all {
		p := &all[i]
		w.i64(int64(p.at))
		w.raw(p.salt[:])
		w.bytes(p.sealed)
		w.str(p.actor)
		w.str(p.reason)
		w.bytes(p.form)
	}
}

func (r *reader) pendings() (all []pending) {
	for len(r.b) > 0 && !r.fail {
		p := pending{at: UnixMilli(r.i64()), salt: r.key(), sealed: clone(r.bytes(sealedSeedBytes)), actor: r.str(MaxActorBytes), reason: r.str(MaxReasonBytes)}
		p.form = clone(r.bytes(MaxVersionBytes))
		f := reader{b: p.form}
		v := f.form()
		if f.done() != nil || v.Validate() != nil || len(all) == MaxPending {
			r.fail = true
			return all
		}
		p.id = v.Campaign
		all = append(all, p)
	}
	return all
}
