package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func (x *table) award(prize, user, ticket, actor string) Result {
	x.Helper()
	key := x.keys.User([]byte(user))
	return x.one(func(b *Batch) {
		b.AddAward(&Award{
			Campaign: 1, Prize: prize, User: key, UserID: []byte(user), Ticket: ticket, Actor: actor, Reason: "lost parcel",
			Digest: x.keys.Digest(DigestAward, 1, key, []byte(ticket)),
		})
	})
}

func TestAward(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Prizes[0].Stock, v.Prizes[0].Value = 2, 100
		v.Caps = []Cap{{ID: "wins", Counts: CountWins, Limit: 1, Prize: -1, DenyWhenReached: true}}
	}))
	r := x.award("p", "u", "T1", "ann")
	x.wantCode("award", r, problem.OK)
	rec := x.records(r)[0]
	n, ok := rec.Award()
	if !ok || rec.Kind != RecordAward || string(n.User) != "u" || string(n.Ticket) != "T1" || string(n.Reason) != "lost parcel" || n.Prize != 0 || rec.Total != 1 || rec.Seq != 1 {
		t.Errorf("record %+v, %+v", rec, n)
	}
	x.unchanged("the same ticket", func() {
		if again := x.award("p", "u", "T1", "bob"); !again.AlreadyLive || again.At != r.At {
			t.Errorf("%+v", again)
		}
	})
	x.reload()
	c, _ := x.CampaignByRef(1)
	x.wantCode("his caps stay", x.draw("u", "1"), problem.OK)
	if _, stock := c.Stock(); stock[0].Issued != 2 || stock[0].Available != 0 || !c.Exhausted() {
		t.Errorf("%+v", stock)
	}
	x.unchanged("what is gone", func() { x.wantCode("award", x.award("p", "u", "T2", "ann"), problem.InsufficientStock) })
}

func TestAwardRefusals(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(twoPrizes, func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "thanks", Kind: KindThanks, Stock: Unlimited, Units: 1, Fallback: -1, Slot: -1})
	}))
	x.award("p", "u", "T1", "ann")
	x.turn(SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "q"}, false, "ann")
	for _, row := range []struct {
		what, prize, ticket string
		want                problem.Code
	}{
		{"no prize", "x", "T2", problem.PrizeNotFound},
		{"a prize that is off", "q", "T2", problem.Killed},
		{"thanks", "thanks", "T2", problem.Conflict},
		{"another prize for a ticket", "q", "T1", problem.IdempotencyMismatch},
	} {
		x.unchanged(row.what, func() { x.wantCode(row.what, x.award(row.prize, "u", row.ticket, "ann"), row.want) })
	}
	x.now += 31*dayMilli + KeyRetention
	x.one(func(b *Batch) { b.AddTick() })
	x.unchanged("when tickets are forgotten", func() { x.wantCode("award", x.award("p", "u", "T9", "ann"), problem.Ended) })
}

// What one operator awards in a day is bounded, by the namespace's days.
func TestAwardLimit(t *testing.T) {
	x := newTable(t)
	x.people("ann", "bob")
	x.mustPublish(simple(twoPrizes, func(v *Version) { v.Prizes[0].Value = 40 }))
	x.one(func(b *Batch) {
		b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Actor: "ann", Policy: &NamespacePolicy{TimeZone: "UTC", AwardLimit: 100, Approvals: 1}})
	})
	x.wantCode("first", x.award("p", "u", "1", "ann"), problem.OK)
	x.wantCode("second", x.award("p", "u", "2", "ann"), problem.OK)
	x.reload()
	x.unchanged("beyond", func() {
		if r := x.award("p", "u", "3", "ann"); r.Code != problem.Conflict || !r.Limited || r.Value != 80 {
			t.Errorf("%+v", r)
		}
	})
	x.unchanged("what has no value", func() {
		if r := x.award("q", "u", "3", "bob"); r.Code != problem.Conflict || !r.Unvalued || r.Limited {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("another operator", x.award("p", "u", "4", "bob"), problem.OK)
	x.now += dayMilli
	x.wantCode("another day", x.award("p", "u", "5", "ann"), problem.OK)
	if n := len(x.Namespaces()[0].acts.awarded); n != 1 {
		t.Errorf("%d sums are kept", n)
	}
	raise := x.one(func(b *Batch) {
		b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Actor: "ann", Policy: &NamespacePolicy{TimeZone: "UTC", AwardLimit: 1000, Approvals: 1}})
	})
	if !raise.Pending {
		t.Error("an operator raised his own limit alone")
	}
}

// The record of an award holds its user, its ticket and its reason, each as long as it may be, and nothing is longer.
func TestLongAwards(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	award := func(user, ticket, reason int) (Result, error) {
		keyer := x.Namespaces()[0].Keyer()
		id := bytes.Repeat([]byte("u"), user)
		a := Award{Campaign: 1, Prize: "p", UserID: id, Ticket: strings.Repeat("t", ticket), Actor: strings.Repeat("a", MaxActorBytes), Reason: strings.Repeat("\u00e9", reason/2)}
		a.User = keyer.User(id)
		a.Digest = keyer.Digest(DigestAward, 1, a.User, []byte(a.Ticket))
		var b Batch
		b.AddAward(&a)
		err := x.Apply(x.index+1, entryOf(&b, x.now), &x.out)
		if err != nil {
			return Result{}, err
		}
		x.index++
		return x.out.Results[0], nil
	}
	r, err := award(MaxUserBytes, MaxTicketBytes, MaxReasonBytes)
	if err != nil || r.Code != problem.OK {
		t.Fatalf("%+v %v", r, err)
	}
	encoded := x.out.Records[r.Offset:][:r.Length]
	var rec Record
	if n, err := DecodeRecord(encoded, &rec); err != nil || n != len(encoded) || len(rec.Reason) != MaxNoteBytes {
		t.Fatalf("%d bytes of %d, %v", n, len(encoded), err)
	}
	if a, ok := rec.Award(); !ok || len(a.User) != MaxUserBytes || len(a.Ticket) != MaxTicketBytes || len(a.Reason) != MaxReasonBytes {
		t.Errorf("%+v", a)
	}
	longer := bytes.Clone(encoded)
	longer = append(longer, 'x')
	binary.LittleEndian.PutUint16(longer[2:], uint16(len(longer)))
	binary.LittleEndian.PutUint16(longer[42:], MaxNoteBytes+1)
	if _, err := DecodeRecord(longer, &rec); err == nil {
		t.Error("a record with a longer reason was read")
	}
	for _, over := range [][3]int{{MaxUserBytes + 1, 1, 2}, {1, MaxTicketBytes + 1, 2}, {1, 1, MaxReasonBytes + 2}} {
		if _, err := award(over[0], over[1], over[2]); !errors.Is(err, ErrDamagedEntry) {
			t.Errorf("%v: %v", over, err)
		}
	}
}
