package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/drawd/drawd/engine/problem"
)

// Approvals: what one person may not do alone waits here as the very command that will be applied, and its digest is what
// the second person confirms. A request expires after ApprovalLife. A request made by breaking the glass is carried out
// by itself after BreakGlassDelay of log time, unless somebody rejects it first.

// Bounds of what waits in one namespace.
const (
	MaxApprovals     = 64      // requests
	MaxApprovalBytes = 1 << 20 // of their commands together
	MaxApprovers     = 2       // people besides the one who asks
)

// waiting is a request for approval.
type waiting struct {
	number    uint32 // counts the namespace's requests, from 1
	op        op
	body      []byte // the command
	subject   string // for people, and one request at a time for each
	actor     string
	person    string // who asked, whichever of his keys he used
	reason    string
	at        UnixMilli
	due       UnixMilli // broken glass: when it happens by itself; 0 for never
	approvers []approver
}

// approver is who approved, and with which key.
type approver struct{ actor, person string }

// acts is what operators did in a namespace: its switches that are off, and what waits for approval.
type acts struct {
	off     []switchedOff
	asked   uint32 // requests so far
	waiting []waiting
	awarded []awarded // by each operator, today; kept where the policy bounds it
}

// fewerEyes reports whether a policy lets one person do alone what the one before did not.
func fewerEyes(old, next *NamespacePolicy) bool {
	return next.Approvals < old.Approvals ||
		old.Approvals > 0 && old.AwardLimit > 0 && (next.AwardLimit == 0 || next.AwardLimit > old.AwardLimit)
}

const fewerEyesSubject = "policy with fewer approvals or higher awards"

// right is why a command that needs approval may be carried out.
type right uint8

const (
	byNobody right = iota
	byPeople
	byGlass
)

// drop withdraws a request whose subject has changed meanwhile.
func (a *acts) drop(subject string) {
	a.waiting = slices.DeleteFunc(a.waiting, func(w waiting) bool { return w.subject == subject })
}

// forget drops what has expired and returns when the next request expires. Every shard is locked.
func (a *acts) forget(now UnixMilli) UnixMilli {
	next := maxTime
	a.waiting = slices.DeleteFunc(a.waiting, func(w waiting) bool { return now >= w.at+ApprovalLife })
	for i := range a.waiting {
		next = min(next, a.waiting[i].at+ApprovalLife)
	}
	return next
}

// countdown returns when the next request falls due that happens by itself. Every shard is locked.
func (a *acts) countdown() UnixMilli {
	next := maxTime
	for i := range a.waiting {
		if due := a.waiting[i].due; due != 0 {
			next = min(next, due)
		}
	}
	return next
}

// matter returns what a command asks for, whoever asks for it and why. Fresh salts and seeds are no part of it.
func matter(o op, body []byte) []byte {
	r, w := reader{b: body}, writer{}
	switch o {
	case opPolicy:
		c := r.putPolicy()
		c.Policy.Revision = 0
		w.policy(c.Policy)
		w.policySections(c.Policy)
	case opPublish, opPublishFrom:
		if o == opPublishFrom {
			r.u32()
		}
		w.i64(0) // at once: the same form at a time is another request
		_, form := r.publish()
		w.raw(form)
	case opPublishAt, opPublishAtFrom:
		if o == opPublishAtFrom {
			r.u32()
		}
		w.i64(r.i64())
		_, form := r.publish()
		w.raw(form)
	case opSwitch:
		c := r.setSwitch()
		w.u8(uint8(c.Scope.Kind))
		w.u32(uint32(c.Scope.Campaign))
		w.str(c.Scope.Prize)
		w.flag(c.On)
	case opDefensive:
		w.u32(r.u32()) // campaign
		w.u32(r.u32()) // against
		r.str(MaxActorBytes)
		r.str(MaxReasonBytes)
		r.key()
		w.raw(r.b)
	case opKey:
		c := r.putKey()
		c.Document.Actor = ""
		w.document(&c.Document)
	default:
		return body
	}
	return w.b
}

// asksForSame reports whether a command asks for what waits already.
func (w *waiting) asksForSame(o op, body []byte) bool {
	return bytes.Equal(matter(w.op, w.body), matter(o, body))
}

// ask makes a command wait for approval. The answer's Value is the request's number. Of two different requests about one
// subject the second is refused: who would approve the first believes to have seen what is asked for.
func (t *tx) ask(n *Namespace, o op, body []byte, subject, actor, reason string, glass bool, r Result) Result {
	a := &n.acts
	r.Pending = true
	at := slices.IndexFunc(a.waiting, func(w waiting) bool { return w.subject == subject })
	if at >= 0 && !a.waiting[at].asksForSame(o, body) {
		return Result{Code: problem.Conflict, Campaign: r.Campaign, Pending: true, Value: uint64(a.waiting[at].number)}
	}
	if at >= 0 && (!glass || a.waiting[at].due != 0) {
		r.Value, r.AlreadyLive = uint64(a.waiting[at].number), true
		return r
	}
	if at < 0 {
		size := len(body)
		for i := range a.waiting {
			size += len(a.waiting[i].body)
		}
		if len(a.waiting) >= MaxApprovals || size > MaxApprovalBytes {
			return refuse(problem.Capacity)
		}
		a.asked++
		at = len(a.waiting)
		a.waiting = append(a.waiting, waiting{
			number: a.asked, op: o, body: clone(body), subject: subject, actor: actor, person: n.person(actor), reason: reason, at: t.now,
		})
	}
	w := &a.waiting[at]
	flags := uint32(ApprovalRequested)
	if glass {
		w.due, flags = t.now+BreakGlassDelay, ApprovalGlass
	}
	r.Value = uint64(w.number)
	t.world.settle(t.now)
	return t.note(n.approvalRecord(w, flags, actor, reason), r)
}

// What a record of an approval tells: Record.Flags. Numbers are on disk.
const (
	ApprovalRequested = 1 + iota
	ApprovalGlass     // requested by breaking the glass: it happens by itself
	ApprovalGiven     // by one of several people
	ApprovalDone      // given, and carried out
	ApprovalRejected
	ApprovalFell // carried out by itself after the countdown
)

func (n *Namespace) approvalRecord(w *waiting, flags uint32, actor, reason string) Record {
	return Record{
		Kind: RecordApproval, Namespace: n.ref, Name: []byte(w.subject), Actor: []byte(actor), Reason: []byte(reason),
		Flags: flags, Delta: int64(w.number),
	}
}

// digest is what an approver confirms: this request, and exactly this command.
func (w *waiting) digest(n NamespaceRef) [32]byte {
	h := sha256.New()
	var b [9]byte
	binary.LittleEndian.PutUint32(b[0:], uint32(n))
	binary.LittleEndian.PutUint32(b[4:], w.number)
	b[8] = byte(w.op)
	h.Write([]byte("drawd approval 1"))
	h.Write(b[:])
	h.Write(w.body)
	return [32]byte(h.Sum(nil))
}

// Approve answers a request: another person approves it against its digest, or anybody rejects it.
type Approve struct {
	Namespace NamespaceRef
	Number    uint32
	Digest    [32]byte // of Approval; not looked at by a rejection
	Reject    bool
	Actor     string
	Reason    string
}

// applyApprove carries out what was approved, as it was asked for. A request that cannot be carried out now stands.
func (t *tx) applyApprove(c *Approve) Result {
	n := t.world.namespace(c.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	at := slices.IndexFunc(n.acts.waiting, func(w waiting) bool { return w.number == c.Number })
	if at < 0 {
		return refuse(problem.NotFound)
	}
	w := n.acts.waiting[at]
	switch {
	case c.Reject:
		n.acts.waiting = slices.Delete(n.acts.waiting, at, at+1)
		t.world.settle(t.now)
		return t.note(n.approvalRecord(&w, ApprovalRejected, c.Actor, c.Reason), Result{})
	case c.Digest != w.digest(n.ref):
		return refuse(problem.Conflict)
	}
	person, given := n.approver(c.Actor, t.now), n.given(&w, t.now)
	switch {
	case person == "" || person == w.person:
		return refuse(problem.Forbidden)
	case slices.ContainsFunc(given, func(a approver) bool { return a.person == person }):
		return Result{Pending: true, AlreadyLive: true, Value: uint64(w.number)}
	case len(given)+1 < int(n.Policy().Approvals):
		n.acts.waiting[at].approvers = append(given, approver{c.Actor, person})
		return t.note(n.approvalRecord(&w, ApprovalGiven, c.Actor, c.Reason), Result{Pending: true, Value: uint64(w.number)})
	}
	return t.carryOut(n, &w, byPeople, ApprovalDone, c.Actor, c.Reason)
}

// given returns the approvals of a request that count: those by keys that are there and may approve still.
func (n *Namespace) given(w *waiting, now UnixMilli) (all []approver) {
	for _, a := range w.approvers {
		if n.approver(a.actor, now) == a.person {
			all = append(all, a)
		}
	}
	return all
}

// carryOut applies the command of a request that has its approvals. Records follow each other: of the command, and of the
// approval.
func (t *tx) carryOut(n *Namespace, w *waiting, by right, flags uint32, actor, reason string) Result {
	t.approved = by
	r, err := t.applyRare(w.op, &reader{b: w.body})
	t.approved = byNobody
	if err != nil {
		panic("BUG: a command that waited for approval cannot be read: " + err.Error())
	}
	if r.Code != problem.OK {
		return r
	}
	n.acts.waiting = slices.DeleteFunc(n.acts.waiting, func(x waiting) bool { return x.number == w.number })
	t.world.settle(t.now)
	note := t.note(n.approvalRecord(w, flags, actor, reason), Result{})
	if r.Records == 0 {
		r.At, r.Offset = note.At, note.Offset
	}
	r.Records++
	r.Length += note.Length
	return r
}

// settle does what has become due at the command's time. Every shard is locked.
func (t *tx) settle() {
	t.actGuards()
	t.publishDue()
	for _, n := range *t.world.namespaces.Load() {
		for i := 0; i < len(n.acts.waiting); i++ {
			w := n.acts.waiting[i]
			if w.due == 0 || t.now < w.due {
				continue
			}
			i-- // it goes, or waits no longer by itself
			if t.carryOut(n, &w, byGlass, ApprovalFell, w.actor, w.reason).Code != problem.OK {
				n.acts.waiting[i+1].due = 0
			}
		}
	}
	t.noteLowCodes()
	t.world.settle(t.now)
}

// AddApprove appends an approval or rejection.
func (b *Batch) AddApprove(c *Approve) {
	w, start := b.begin(opApprove)
	w.u32(uint32(c.Namespace))
	w.u32(c.Number)
	w.raw(c.Digest[:])
	w.flag(c.Reject)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) approve() Approve {
	c := Approve{Namespace: NamespaceRef(r.u32()), Number: r.u32()}
	copy(c.Digest[:], r.take(len(c.Digest)))
	c.Reject, c.Actor, c.Reason = r.flag(), r.str(MaxActorBytes), r.str(MaxReasonBytes)
	return c
}

// acts writes a namespace's acts and how many approvals its policy asks for; nothing when there is nothing.
func (w *writer) acts(n *namespaceCut) {
	a := &n.acts
	if len(a.off)+len(a.awarded) == 0 && a.asked == 0 && n.policy.Approvals == 0 && n.policy.AwardLimit == 0 {
		return
	}
	w.u8(n.policy.Approvals)
	w.i64(n.policy.AwardLimit)
	w.awardedList(a.awarded)
	w.switches(a.off)
	w.u32(a.asked)
	w.u32(uint32(len(a.waiting)))
	for i := range a.waiting {
		x := &a.waiting[i]
		w.u32(x.number)
		w.u8(uint8(x.op))
		w.bytes(x.body)
		w.str(x.subject)
		w.str(x.actor)
		w.str(x.reason)
		w.i64(int64(x.at))
		w.i64(int64(x.due))
		w.u32(uint32(len(x.approvers)))
		for _, a := range x.approvers {
			w.str(a.actor)
		}
	}
}

func (r *reader) acts(n *namespaceCut) {
	n.policy.Approvals = r.enum(MaxApprovers + 1)
	n.policy.AwardLimit = r.i64()
	n.acts.awarded = r.awardedList()
	n.acts.off = r.switches(false)
	n.acts.asked = r.u32()
	for range r.count(MaxApprovals) {
		x := waiting{number: r.u32(), op: op(r.u8()), body: clone(r.bytes(MaxCommandBytes)), subject: r.str(maxSubject)}
		x.actor, x.reason = r.str(MaxActorBytes), r.str(MaxReasonBytes)
		x.at, x.due = UnixMilli(r.i64()), UnixMilli(r.i64())
		for range r.count(MaxApprovers) {
			actor := r.str(MaxActorBytes)
			x.approvers = append(x.approvers, approver{actor, actor}) // the persons: namespacePeople
		}
		x.person = x.actor
		if r.fail {
			return
		}
		n.acts.waiting = append(n.acts.waiting, x)
	}
}

// maxSubject bounds waiting.subject: a record's name.
const maxSubject = 255

// clone returns a copy that does not change with a.
func (a *acts) clone() acts {
	return acts{off: slices.Clone(a.off), asked: a.asked, waiting: slices.Clone(a.waiting), awarded: slices.Clone(a.awarded)}
}

// Approval is a request that waits for approval.
type Approval struct {
	Number    uint32
	Digest    [32]byte
	Subject   string // "switch on prize/flash/phone"
	Actor     string // who asked
	Person    string // whose key that is
	Reason    string
	At        UnixMilli
	ExpiresAt UnixMilli
	EffectAt  UnixMilli // broken glass: when it happens by itself; 0 for never
	Approvers []string  // who approved so far, by keys that still may
	People    []string  // whose keys those are
	Needed    int       // how many must
}

// Approvals returns what waits for approval in n, oldest first. It takes a lock.
func (n *Namespace) Approvals() []Approval {
	mu := &n.world.shards[0].mu // whoever asks or approves holds every shard
	mu.Lock()
	defer mu.Unlock()
	now, needed := UnixMilli(n.world.logTime.Load()), int(n.Policy().Approvals)
	var all []Approval
	for i := range n.acts.waiting {
		w := &n.acts.waiting[i]
		if now >= w.at+ApprovalLife {
			continue
		}
		x := Approval{
			Number: w.number, Digest: w.digest(n.ref), Subject: w.subject, Actor: w.actor, Person: w.person, Reason: w.reason,
			At: w.at, ExpiresAt: w.at + ApprovalLife, EffectAt: w.due, Needed: max(needed, 1),
		}
		for _, a := range n.given(w, now) {
			x.Approvers, x.People = append(x.Approvers, a.actor), append(x.People, a.person)
		}
		all = append(all, x)
	}
	return all
}
