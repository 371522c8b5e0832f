package engine

import (
	"slices"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// key writes a key that approves: its actor has the id's name.
func (x *table) key(id, person, actor string, edit ...func(c *PutKey)) Result {
	x.Helper()
	c := PutKey{
		Document: PutDocument{Namespace: 1, Name: KeyDocument + id, Body: []byte("{}"), Actor: actor},
		Holder:   &Holder{Actor: id, Person: person, Approves: true}, Reason: "scope admin",
	}
	for _, f := range edit {
		f(&c)
	}
	return x.one(func(b *Batch) { b.AddKey(&c) })
}

func gone(c *PutKey) { c.Document.Delete, c.Document.Expect, c.Document.Body = true, AnyRevision, nil }

// people gives each a key that approves, under his own name, unless he has one.
func (x *table) people(names ...string) {
	x.Helper()
	for _, name := range names {
		if _, found := x.Namespaces()[0].holderOf(KeyDocument + name); !found {
			x.wantCode("key of "+name, x.key(name, name, name), problem.OK)
		}
	}
}

// Who asked with one of his keys does not approve with another.
func TestApprovalsAreOfPersons(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.people("ann", "bob", "cyd")
	x.wantCode("ann's second key", x.key("ann2", "ann", "ann"), problem.OK)
	x.wantCode("ann's key for one campaign", x.key("ann3", "ann", "ann", func(c *PutKey) { c.Holder.Approves = false }), problem.OK)
	x.wantCode("bob's second key", x.key("bob2", "bob", "bob"), problem.OK)
	x.approvals(2)
	scope := SwitchScope{Kind: SwitchCampaign, Campaign: 1}
	x.turn(scope, false, "bob")
	asked := x.turn(scope, true, "ann3")
	if a := x.Namespaces()[0].Approvals(); len(a) != 1 || a[0].Person != "ann" || a[0].Actor != "ann3" {
		t.Errorf("asked: %+v", a)
	}
	x.reload()
	x.unchanged("who may not", func() {
		for _, actor := range []string{"ann3", "ann", "ann2", "nobody", "loopback"} {
			x.wantCode(actor, x.answerTo(asked, actor), problem.Forbidden)
		}
	})
	if r := x.answerTo(asked, "bob"); !r.Pending || r.AlreadyLive {
		t.Fatalf("bob: %+v", r)
	}
	x.reload()
	x.unchanged("bob's other key", func() {
		if r := x.answerTo(asked, "bob2"); !r.Pending || !r.AlreadyLive {
			t.Errorf("bob counts twice: %+v", r)
		}
	})
	if a := x.Namespaces()[0].Approvals(); len(a) != 1 || !slices.Equal(a[0].People, []string{"bob"}) || !slices.Equal(a[0].Approvers, []string{"bob"}) {
		t.Errorf("given: %+v", a)
	}
	x.wantCode("killed", x.draw("u", "1"), problem.Killed)
	if r := x.answerTo(asked, "cyd"); r.Code != problem.OK || r.Pending {
		t.Errorf("cyd: %+v", r)
	}
	x.wantCode("on", x.draw("u", "1"), problem.OK)
}

// While approvals are in force nobody makes another approver, or gets rid of one, alone.
func TestKeysNeedApproval(t *testing.T) {
	x := newTable(t)
	x.unchanged("approvals without people", func() {
		r := x.one(func(b *Batch) {
			b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Actor: "ann", Policy: &NamespacePolicy{TimeZone: "UTC", Approvals: 1}})
		})
		x.wantCode("policy", r, problem.Conflict)
	})
	x.people("ann", "bob", "cyd")
	x.approvals(1)
	made := x.key("eve", "eve", "ann")
	if !made.Pending || made.Code != problem.OK {
		t.Fatalf("a key: %+v", made)
	}
	if a := x.Namespaces()[0].Approvals(); len(a) != 1 || a[0].Subject != "key eve of eve" || a[0].Reason != "scope admin" {
		t.Errorf("%+v", a)
	}
	x.unchanged("doors around it", func() {
		x.wantCode("as a document", x.one(func(b *Batch) {
			b.AddDocument(&PutDocument{Namespace: 1, Name: "key/eve", Body: []byte("{}"), Actor: "ann"})
		}), problem.Forbidden)
		x.wantCode("deleted as a document", x.one(func(b *Batch) {
			b.AddDocument(&PutDocument{Namespace: 1, Name: "key/bob", Expect: AnyRevision, Delete: true, Actor: "ann"})
		}), problem.Forbidden)
		x.wantCode("by herself", x.answerTo(made, "ann"), problem.Forbidden)
		x.wantCode("by the key that she asks for", x.answerTo(made, "eve"), problem.Forbidden)
		x.wantCode("a document that is there", x.key("bob", "bob", "ann"), problem.VersionConflict)
		x.wantCode("no key", x.key("x", "x", "ann", func(c *PutKey) { c.Document.Name = "draft/x" }), problem.InvalidField)
		x.wantCode("nobody's", x.key("x", "", "ann"), problem.InvalidField)
		x.wantCode("namespace", x.key("x", "x", "ann", func(c *PutKey) { c.Document.Namespace = 9 }), problem.NamespaceNotFound)
	})
	if changed := x.key("bob", "ann", "ann", func(c *PutKey) { c.Document.Expect = AnyRevision }); !changed.Pending {
		t.Errorf("a change of whose a key is: %+v", changed)
	}
	if nobodys := x.key("cyd", "", "ann", func(c *PutKey) { c.Holder, c.Document.Expect = nil, AnyRevision }); !nobodys.Pending {
		t.Errorf("a key that is to be nobody's: %+v", nobodys)
	} else {
		x.wantCode("no", x.one(func(b *Batch) {
			b.AddApprove(&Approve{Namespace: 1, Number: uint32(nobodys.Value), Reject: true, Actor: "bob"})
		}), problem.OK)
	}
	if plain := x.key("front", "", "ann", func(c *PutKey) { c.Holder = nil }); plain.Pending || plain.Code != problem.OK {
		t.Errorf("a key that only draws: %+v", plain)
	}
	if r := x.key("front", "front", "ann", func(c *PutKey) { c.Document.Expect = AnyRevision }); !r.Pending {
		t.Errorf("a key that only drew: %+v", r)
	}
	x.reload()
	x.wantCode("approved", x.answerTo(made, "bob"), problem.OK)
	x.reload()
	if n := x.Namespaces()[0].People(); n != 4 {
		t.Errorf("%d people", n)
	}
	out := x.key("cyd", "", "ann", gone)
	if !out.Pending {
		t.Fatalf("a deletion: %+v", out)
	}
	x.wantCode("eve approves", x.answerTo(out, "eve"), problem.OK)
	for _, name := range []string{"eve"} {
		x.wantCode(name, x.answerTo(x.key(name, "", "ann", gone), "bob"), problem.OK)
	}
	x.unchanged("one person would be left", func() { x.wantCode("bob", x.key("bob", "", "ann", gone), problem.Conflict) })
}

// An approval by a key that was deleted since, or has expired, does not count; nobody who is left is locked out.
func TestApproversThatAreGone(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.people("ann", "bob", "cyd", "dan")
	x.wantCode("eve, for an hour", x.key("eve", "eve", "ann", func(c *PutKey) { c.Holder.Until = x.now + hourMilli }), problem.OK)
	if n := x.Namespaces()[0].People(); n != 4 {
		t.Errorf("%d people: a key that expires is nobody's who stays", n)
	}
	x.approvals(2)
	scope := SwitchScope{Kind: SwitchCampaign, Campaign: 1}
	x.turn(scope, false, "bob")
	asked := x.turn(scope, true, "ann")
	x.answerTo(asked, "eve")
	x.now += hourMilli
	x.unchanged("eve again", func() { x.wantCode("expired", x.answerTo(asked, "eve"), problem.Forbidden) })
	x.answerTo(asked, "dan")
	if a := x.Namespaces()[0].Approvals(); len(a) != 1 || !slices.Equal(a[0].People, []string{"dan"}) {
		t.Fatalf("given: %+v", a)
	}
	out := x.key("dan", "", "ann", gone)
	x.answerTo(out, "bob")
	x.wantCode("dan's key goes", x.answerTo(out, "cyd"), problem.OK)
	x.reload()
	if r := x.answerTo(asked, "bob"); !r.Pending || r.AlreadyLive {
		t.Errorf("the approval of a key that is gone counted: %+v", r)
	}
	x.wantCode("off", x.draw("u", "1"), problem.Killed)
	x.wantCode("cyd", x.answerTo(asked, "cyd"), problem.OK)
	x.wantCode("on", x.draw("u", "1"), problem.OK)
}

// A second, different request about one subject does not get the first one's number as if it were it.
func TestAskedForSomethingElse(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.approvals(2)
	policy := func(approvals uint8, users uint64, actor string) Result {
		return x.one(func(b *Batch) {
			b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Actor: actor, Policy: &NamespacePolicy{TimeZone: "UTC", Approvals: approvals, MaxUsers: users}})
		})
	}
	worse := func(weight uint32) *Version {
		return simple(func(v *Version) { v.Prizes[0].Weight, v.Prizes[0].Stock = weight, StockUnstated })
	}
	salted := func(v *Version) *Version { v.Salt[0]++; return v }
	later := func(at UnixMilli) Result {
		return x.one(func(b *Batch) {
			b.AddPublishAt(&Publish{Namespace: 1, Version: worse(50), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "ann", Reason: ForcedPrefix + "x"}, at)
		})
	}
	for _, row := range []struct {
		what                   string
		first, same, otherwise Result
	}{
		{what: "policy", first: policy(1, 0, "ann"), same: policy(1, 0, "bob"), otherwise: policy(0, 0, "ann")},
		{what: "policy with other bounds", first: policy(1, 0, "ann"), same: policy(1, 0, "ann"), otherwise: policy(1, 5, "ann")},
		{what: "publish", first: x.force(worse(50), ForcedPrefix+"a"), same: x.force(salted(worse(50)), ForcedPrefix+"b"), otherwise: x.force(worse(1), ForcedPrefix+"a")},
		{what: "publish at a time", first: x.force(worse(50), ForcedPrefix+"a"), same: x.force(worse(50), ForcedPrefix+"a"), otherwise: later(x.now + hourMilli)},
	} {
		if !row.first.Pending || row.same.Code != problem.OK || row.same.Value != row.first.Value {
			t.Errorf("%s: the same again: %+v, first %+v", row.what, row.same, row.first)
		}
		if r := row.otherwise; r.Code != problem.Conflict || !r.Pending || r.Value != row.first.Value || r.Records != 0 {
			t.Errorf("%s: another one: %+v, want conflict with %d", row.what, r, row.first.Value)
		}
	}
	x.unchanged("refused", func() { policy(0, 0, "ann") })
	// Who asked may think again.
	first := policy(1, 0, "ann")
	x.wantCode("withdrawn", x.answerTo(first, "ann", func(c *Approve) { c.Reject = true }), problem.OK)
	if r := policy(0, 0, "ann"); !r.Pending || r.Code != problem.OK || r.Value == first.Value {
		t.Errorf("after it: %+v", r)
	}
}

// A request for a policy is about the policy of then.
func TestARequestForAPolicyGoesWithIt(t *testing.T) {
	x := newTable(t)
	x.approvals(1)
	asked := x.approvals(0)
	x.wantCode("more", x.approvals(2), problem.OK)
	x.unchanged("the old request", func() { x.wantCode("approve", x.answerTo(asked, "bob"), problem.NotFound) })
}

// The forms of what persons need: the commands, and the state with something of everything in it.
func TestGoldenPeople(t *testing.T) {
	x := newTable(t)
	entry := entryOf(peopleCommands(), start)
	golden(t, "people-entry", entry)
	if err := x.Apply(x.index+1, entry, &x.out); err != nil {
		t.Fatal(err)
	}
	x.index++
	for i, r := range x.out.Results {
		if r.Code != problem.OK {
			t.Errorf("command %d: %+v", i, r)
		}
	}
	c, err := x.Capture(true)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "people-meta", c.Meta())
	c.Abort()
	x.reload()
}

func peopleCommands() *Batch {
	var b Batch
	for _, name := range []string{"ann", "bob", "cyd"} {
		b.AddKey(&PutKey{Document: PutDocument{Namespace: 1, Name: KeyDocument + name, Body: []byte("{}"), Actor: "loopback"}, Holder: &Holder{Actor: name, Person: name + "@x", Approves: true}})
	}
	b.AddKey(&PutKey{Document: PutDocument{Namespace: 1, Name: "key/front", Body: []byte("{}"), Actor: "ann"}})
	b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Actor: "ann", Policy: &NamespacePolicy{TimeZone: "UTC", Approvals: 2}})
	seed := SealSeed([32]byte{}, [12]byte{5}, [16]byte{6})
	b.AddPublish(&Publish{Namespace: 1, Expect: NoVersion, Actor: "op", SealedSeed: seed, Version: simple()})
	b.AddPublishAt(&Publish{Namespace: 1, Expect: 1, Actor: "op", SealedSeed: seed, Version: valued(2)}, start+dayMilli)
	b.AddKey(&PutKey{
		Document: PutDocument{Namespace: 1, Name: "key/dan", Body: []byte("{}"), Actor: "ann"}, Reason: "scope admin",
		Holder: &Holder{Actor: "dan", Person: "dan@x", Until: start + dayMilli},
	})
	return &b
}
