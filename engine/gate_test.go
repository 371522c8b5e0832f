package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// gated is a campaign with a rule "level >= 2 && region in ["SH"]", tickets, a cap by region and a valuable prize.
func gated(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.Audience = &Audience{
			Attributes: []Attribute{{"level", TypeInt, true}, {"region", TypeText, false}, {"vip", TypeBool, false}},
			Rule:       `level >= 2 && region in ["SH"]`, Program: levelRule(), Tickets: true, TicketRequired: true,
		}
		v.Caps = []Cap{{ID: "r", Counts: CountDraws, Scope: ScopeAttribute, Attribute: 1, Window: Window{Kind: WindowDay}, Limit: 3, Prize: -1}}
	}}, edit...)...)
}

func levelRule() []byte {
	var p Program
	p.Attribute(0)
	p.Int(2)
	p.Operator(">=")
	p.Attribute(1)
	p.InTexts([]string{"SH"})
	p.Operator("&&")
	return p.w.b
}

// passes makes a draw eligible: a ticket of the hour, the stamp of a version, and the value that the cap counts by.
func (x *table) passes(version uint32, region string) func(d *Draw) {
	return func(d *Draw) {
		d.Stamp = Stamp{Version: version, Eligible: true, Digest: 0xD16E57}
		d.Ticket = Ticket{Key: 7, NotBefore: x.now - 1000, ExpiresAt: x.now + 3_600_000}
		d.By[0], d.HasBy = x.keys.Attribute("region", &Value{Type: TypeText, Text: []byte(region)}), 1
	}
}

func and(edits ...func(d *Draw)) func(d *Draw) {
	return func(d *Draw) {
		for _, f := range edits {
			f(d)
		}
	}
}

// The rows follow the order of the rung: ticket, stamp, rule, lists, values.
func TestEligibility(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(gated())
	ok := x.passes(1, "SH")
	rows := []struct {
		name string
		edit func(d *Draw)
		want problem.Code
	}{
		{"no ticket", func(d *Draw) { d.Ticket = Ticket{} }, problem.TicketInvalid},
		{"a ticket of later", func(d *Draw) { d.Ticket.NotBefore = x.now + 1 }, problem.TicketInvalid},
		{"a ticket that ends now", func(d *Draw) { d.Ticket.ExpiresAt = x.now }, problem.TicketInvalid},
		{"no stamp", func(d *Draw) { d.Stamp = Stamp{} }, problem.VersionChanged},
		{"the stamp of another version", func(d *Draw) { d.Stamp.Version = 2 }, problem.VersionChanged},
		{"not eligible", func(d *Draw) { d.Stamp.Eligible = false }, problem.NotEligible},
		{"no region", func(d *Draw) { d.HasBy = 0 }, problem.ScopeValueMissing},
	}
	for _, row := range rows {
		x.unchanged(row.name, func() {
			r := x.draw("u", "k", and(ok, row.edit))
			x.wantCode(row.name, r, row.want)
			if r.StaleStamp() != (row.want == problem.VersionChanged) {
				t.Errorf("%s: stale stamp: %v", row.name, r.StaleStamp())
			}
			if row.want == problem.ScopeValueMissing && r.Cap != uint8(ScopeAttribute) {
				t.Errorf("%s names scope %d", row.name, r.Cap)
			}
		})
	}
	r := x.draw("u", "k", ok)
	x.wantCode("eligible", r, problem.OK)
	audit, told := x.records(r)[0].Audit()
	if want := (Audit{Stamped: true, Attributes: 0xD16E57, Ticket: 7}); !told || audit != want {
		t.Errorf("the record tells %+v", audit)
	}
	if r := x.draw("u", "k"); !r.Replayed {
		t.Errorf("a key is looked up before everything else: %+v", r)
	}
	x.wantCode("expected version", x.draw("u", "k2", and(ok, func(d *Draw) { d.ExpectVersion = 9 })), problem.VersionChanged)
	if v, slots := c.Gate(); v.Number != 1 || slots[0] != -1 || slots[1] != 0 || slots[2] != -1 {
		t.Errorf("slots %v", slots)
	}
}

// A stamp is good for one version: a draw that was stamped before a publish is not decided after it.
func TestStaleStampAfterPublish(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated())
	x.mustPublish(gated(func(v *Version) { v.Prizes[0].Weight = 99 }))
	r := x.draw("u", "k", x.passes(1, "SH"))
	if !r.StaleStamp() || r.Value != 2 {
		t.Fatalf("stale: %+v", r)
	}
	x.wantCode("stamped again", x.draw("u", "k", x.passes(2, "SH")), problem.OK)
}

// The cap counts each value of the attribute over all users, keeps its counters over versions, and is named when reached.
func TestCapByAttribute(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated())
	for i := range 2 {
		x.wantCode("first", x.draw(userName(i), "k", x.passes(1, "SH")), problem.OK)
	}
	x.unchanged("two more than fit", func() {
		r := x.draw("late", "k", and(x.passes(1, "SH"), times(2)))
		if r.Code != problem.Capped || r.Allowed != 1 || r.Cap != 0 || r.Used != 2 {
			t.Errorf("capped: %+v", r)
		}
	})
	x.wantCode("another region", x.draw("u1", "bj", and(x.passes(1, "BJ"), times(3))), problem.OK)
	x.mustPublish(gated(func(v *Version) {
		v.Caps[0].Limit = 4
		v.Audience.Attributes[0], v.Audience.Attributes[1] = v.Audience.Attributes[1], v.Audience.Attributes[0]
		v.Caps[0].Attribute, v.Audience.Program, v.Audience.Rule = 0, nil, ""
	}))
	x.wantCode("the third", x.draw("v", "k", x.passes(2, "SH")), problem.OK)
	x.wantCode("the fourth", x.draw("w", "k", x.passes(2, "SH")), problem.OK)
	x.wantCode("the fifth", x.draw("x", "k", x.passes(2, "SH")), problem.Capped)
	// A campaign without attributes after one with: the rows of the draw before are forgotten.
	x.mustPublish(simple(func(v *Version) { v.Campaign = "other" }))
	x.wantCode("other", x.draw("x", "k", func(d *Draw) { d.Campaign = 2 }), problem.OK)
	x.wantCode("still the fifth", x.draw("x", "k", x.passes(2, "SH")), problem.Capped)
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestAttributeOfCapIsForGood(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated())
	x.unchanged("a cap that counts by another attribute", func() {
		x.wantCode("publish", x.publish(gated(func(v *Version) { v.Caps[0].Attribute = 0 })), problem.InvalidCampaign)
		x.wantCode("publish", x.publish(gated(func(v *Version) { v.Caps[0].Scope = ScopeUser })), problem.InvalidCampaign)
	})
}

// What a snapshot carries decides like what it was taken of, whatever the number of shards.
func TestGateSurvivesSnapshot(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated())
	for i := range 20 {
		x.list(userName(i), func(c *PutList) {
			if i%2 == 0 {
				c.Campaign = 1
			}
			c.Entries[0].Treatment = Treatment(i % 2)
		})
	}
	x.draw("x", "k", and(x.passes(1, "SH"), times(2)))
	for _, shards := range []int{4, 16} {
		y := restored(t, x.Engine, shards)
		if y.StateHash() != x.StateHash() {
			t.Fatalf("%d shards: another state", shards)
		}
		z := &table{T: t, Engine: y, index: x.index, now: x.now, keys: x.keys}
		z.wantCode("blocked", z.draw("u0", "k", x.passes(1, "SH")), problem.Blocked)
		z.wantCode("restricted", z.draw("u1", "k", x.passes(1, "SH")), problem.OK)
		z.wantCode("capped", z.draw("y", "k", x.passes(1, "SH")), problem.Capped)
		if l := y.Namespaces()[0].Listed(nil, x.keys.User([]byte("u1"))); len(l) != 1 || l[0].Treatment != Restrict || l[0].At.IsZero() {
			t.Errorf("listed: %+v", l)
		}
	}
}

func TestDamagedEligibility(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated())
	d := x.request("u", "k", x.passes(1, "SH"))
	var b Batch
	b.AddDraw(&d)
	entry := entryOf(&b, x.now)
	body := entry[EntryHeaderSize+CommandHeaderSize:]
	at := bytes.Index(body, []byte{drawStamp, stampBytes, 1, 0, 0, 0, 1})
	if at < 0 {
		t.Fatal("no stamp in the command")
	}
	for name, damage := range map[string]func(b []byte){
		"a truth that is none":   func(b []byte) { b[at+6] = 2 },
		"version 0":              func(b []byte) { b[at+2] = 0 },
		"a slot beyond the last": func(b []byte) { b[at+2+stampBytes+2+ticketBytes+2] = MaxAttributeScopes },
		"key 0":                  func(b []byte) { binary.LittleEndian.PutUint64(b[at+2+stampBytes+2:], 0) },
		"an unknown section":     func(b []byte) { b[at+2+stampBytes+2+ticketBytes] = 9 },
	} {
		copied := bytes.Clone(entry)
		damage(copied[EntryHeaderSize+CommandHeaderSize:])
		var out Outcome
		if err := x.Apply(x.index+1, copied, &out); !errors.Is(err, ErrDamagedEntry) && !errors.Is(err, ErrUnknownEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// restored is an engine that read the snapshot of another.
func restored(t *testing.T, from *Engine, shards int) *Engine {
	t.Helper()
	var s bytes.Buffer
	if err := from.WriteSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ReadSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	if err := e.CheckInvariants(); err != nil {
		t.Fatal(err)
	}
	return e
}

// Values of several attributes are rows of one table: adding the row of one moves those of others, which counted in the
// wrong row then.
func TestAttributeRowsMove(t *testing.T) {
	const draws = 4000
	for slot := range uint8(2) { // the value that all draws share stands before or behind the one that is new each time
		x := newTable(t)
		x.mustPublish(gated(func(v *Version) {
			v.Caps[0].Limit, v.Prizes[0].Stock = draws, 1_000_000
			v.Caps = append(v.Caps, v.Caps[0])
			v.Caps[1].ID, v.Caps[1].Attribute = "l", 0
		}))
		draw := func(n int) Result {
			d := x.request(userName(n), "k", x.passes(1, "SH"))
			d.HasBy = 3
			d.By[1-slot] = x.keys.Attribute("level", &Value{Type: TypeInt, Int: int64(n)})
			d.By[slot] = x.keys.Attribute("region", &Value{Type: TypeText, Text: []byte("SH")})
			return x.one(func(b *Batch) { b.AddDraw(&d) })
		}
		for n := range draws {
			x.wantCode("draw", draw(n), problem.OK)
		}
		if r := draw(draws); r.Code != problem.Capped || r.Used != draws {
			t.Errorf("slot %d: after %d draws the cap stands at %d: %v", slot, draws, r.Used, r.Code)
		}
	}
}

// The forms of what a gated campaign adds are on disk and in the log.
func TestGoldenGate(t *testing.T) {
	x := newTable(t)
	v := gated(func(v *Version) {
		v.Audience.TicketKeys, v.Audience.Valuable, v.Audience.ListedOnly = []uint64{7, 9}, []int16{0}, true
	})
	x.mustPublish(v)
	var w writer
	w.section(versionAudience, func(w *writer) { w.audience(v) })
	golden(t, "gate-version", w.b)
	x.list("friend", func(c *PutList) { c.List = ListAllow })
	d := x.request("friend", "k", x.passes(1, "SH"))
	var b Batch
	b.AddDraw(&d)
	b.AddList(&PutList{Namespace: 1, Campaign: 1, List: ListDeny, Actor: "op", Entries: []ListEntry{
		{User: d.User, UserID: d.UserID, Treatment: Restrict, ExpiresAt: start + 5, Reason: []byte("bot")},
	}})
	golden(t, "gate-commands", b.Commands())
	x.apply(&b)
	golden(t, "gate-records", x.out.Records)
	for _, r := range x.out.Results {
		x.wantCode("golden", r, problem.OK)
	}
	got, err := nextForm(w.b)
	if err != nil || !bytes.Equal(got, w.b) {
		t.Errorf("the section does not come back: %v", err)
	}
}

// nextForm decodes an audience section and encodes it again.
func nextForm(section []byte) ([]byte, error) {
	v := gated()
	r := reader{b: section}
	r.sections(false, v.versionSection)
	if err := r.done(); err != nil {
		return nil, err
	}
	var w writer
	w.section(versionAudience, func(w *writer) { w.audience(v) })
	return w.b, nil
}
