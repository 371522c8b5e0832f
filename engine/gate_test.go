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

func (x *table) list(user string, edit func(c *PutList)) Result {
	x.Helper()
	c := PutList{Namespace: 1, List: ListDeny, Entries: []ListEntry{{User: x.keys.User([]byte(user)), UserID: []byte(user), Reason: []byte("bot")}}, Actor: "op"}
	if edit != nil {
		edit(&c)
	}
	return x.one(func(b *Batch) { b.AddList(&c) })
}

func TestLists(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated())
	ok := x.passes(1, "SH")
	r := x.list("bad", nil)
	rec := x.records(r)
	if r.Code != problem.OK || r.Value != 1 || len(rec) != 1 || rec[0].Kind != RecordList || string(rec[0].Name) != "bad" ||
		string(rec[0].Reason) != "bot" || string(rec[0].Actor) != "op" || rec[0].Flags != uint32(ListDeny) {
		t.Fatalf("put: %+v %+v", r, rec)
	}
	x.unchanged("the same again, and a blocked draw", func() {
		if r := x.list("bad", nil); !r.AlreadyLive || r.Records != 0 {
			t.Errorf("again: %+v", r)
		}
		x.wantCode("blocked", x.draw("bad", "k", ok), problem.Blocked)
		x.wantCode("not eligible comes first", x.draw("bad", "k", and(ok, func(d *Draw) { d.Stamp.Eligible = false })), problem.NotEligible)
		x.wantCode("no such campaign", x.list("bad", func(c *PutList) { c.Campaign = 9 }), problem.CampaignNotFound)
	})
	allow := func(c *PutList) { c.List, c.Campaign = ListAllow, 1 }
	x.list("bad", allow)
	x.wantCode("deny goes before allow", x.draw("bad", "k", ok), problem.Blocked)
	x.list("friend", allow)
	r = x.draw("friend", "k", and(ok, func(d *Draw) { d.Stamp.Eligible = false }))
	x.wantCode("allowed whatever the rule says", r, problem.OK)
	if audit, _ := x.records(r)[0].Audit(); !audit.Listed || !audit.Allowed || audit.Lists == 0 {
		t.Errorf("the record tells %+v", audit)
	}
	x.list("bad", func(c *PutList) { c.Remove = true })
	x.wantCode("taken off", x.draw("bad", "k", ok), problem.OK)
	entries := x.Namespaces()[0].Listed(nil, x.keys.User([]byte("bad")))
	if len(entries) != 0 {
		t.Errorf("still listed: %+v", entries)
	}
}

func TestListsExpireByLogTime(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) { v.Audience = &Audience{ListedOnly: true} }))
	x.list("u", func(c *PutList) { c.List, c.Entries[0].ExpiresAt = ListAllow, start+1000 })
	x.list("v", func(c *PutList) { c.List = ListAllow })
	x.list("v", func(c *PutList) { c.Entries[0].ExpiresAt = start + 1000 })
	x.now = start + 999
	x.wantCode("still allowed", x.draw("u", "1"), problem.OK)
	x.wantCode("still denied", x.draw("v", "1"), problem.Blocked)
	x.wantCode("on no list", x.draw("w", "1"), problem.NotEligible)
	d := x.request("v", "2")
	if _, ok := x.Peek(&d, start+999); ok {
		t.Error("a reader refuses although the entry ends within his margin")
	}
	x.now = start + 1000
	x.wantCode("no longer allowed", x.draw("u", "2"), problem.NotEligible)
	x.wantCode("no longer denied", x.draw("v", "2"), problem.OK)
}

// A restricted user plays on: valuable prizes become a miss with a cause, others are his.
func TestRestricted(t *testing.T) {
	for _, row := range []struct {
		valuable []int16
		want     Cause
	}{{nil, CauseRestricted}, {[]int16{0}, CauseRestricted}, {[]int16{1}, CauseNone}} {
		x := newTable(t)
		x.mustPublish(simple(func(v *Version) {
			v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: 1, Units: 1, Fallback: -1, Slot: -1})
			v.Audience = &Audience{Valuable: row.valuable}
		}))
		x.list("u", func(c *PutList) { c.Entries[0].Treatment = Restrict })
		r := x.draw("u", "k")
		rec := x.records(r)[0]
		if audit, _ := rec.Audit(); r.Code != problem.OK || rec.Cause != row.want || (rec.Prize == NoPrize) != (row.want != CauseNone) || !audit.Restricted {
			t.Errorf("valuable %v: %v, %+v, %+v", row.valuable, r.Code, rec, audit)
		}
	}
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

func TestRulePrograms(t *testing.T) {
	attributes := gated().Audience.Attributes
	a := &Audience{Attributes: attributes, Program: levelRule()}
	text := func(s string) Value { return Value{Type: TypeText, Text: []byte(s)} }
	for _, row := range []struct {
		values  Values
		ok      bool
		missing int
	}{
		{Values{{Type: TypeInt, Int: 2}, text("SH")}, true, -1},
		{Values{{Type: TypeInt, Int: 1}, text("SH")}, false, -1},
		{Values{{Type: TypeInt, Int: 2}, text("BJ")}, false, -1},
		{Values{{}, text("SH")}, false, 0},
		{Values{{}, text("BJ")}, false, -1}, // whatever the level is
		{Values{{Type: TypeInt, Int: 2}, {}}, false, 1},
		{Values{}, false, 0},
	} {
		if ok, missing := a.Eligible(&row.values); ok != row.ok || missing != row.missing {
			t.Errorf("%+v: %v, missing %d", row.values, ok, missing)
		}
	}
	for name, build := range map[string]func(p *Program){
		"nothing":               func(*Program) {},
		"a number":              func(p *Program) { p.Int(1) },
		"two results":           func(p *Program) { p.Bool(true); p.Bool(true) },
		"underflow":             func(p *Program) { p.Bool(true); p.Operator("&&") },
		"text is not a number":  func(p *Program) { p.Attribute(1); p.Int(1); p.Operator("==") },
		"no such attribute":     func(p *Program) { p.Attribute(3); p.Operator("!") },
		"product beyond 62 bit": func(p *Program) { p.Attribute(0); p.Attribute(0); p.Operator("*"); p.Int(1); p.Operator("<") },
		"too deep": func(p *Program) {
			for range ruleDepth + 1 {
				p.Bool(true)
			}
			for range ruleDepth {
				p.Operator("&&")
			}
		},
	} {
		var p Program
		if build(&p); checkProgram(p.w.b, attributes) {
			t.Errorf("%s is taken for a rule", name)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { a.Eligible(&Values{{Type: TypeInt, Int: 2}, {}}) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzProgram: a program that passes the check is evaluated without a panic; one that does not is never published.
func FuzzProgram(f *testing.F) {
	f.Add(levelRule(), int64(2), []byte("SH"))
	f.Add([]byte{ruleInInts, 255}, int64(0), []byte{})
	attributes := gated().Audience.Attributes
	f.Fuzz(func(t *testing.T, program []byte, n int64, text []byte) {
		a := &Audience{Attributes: attributes, Program: program}
		if !checkProgram(program, attributes) {
			return
		}
		n = min(max(n, -1<<53), 1<<53)
		for _, values := range []Values{{}, {{Type: TypeInt, Int: n}, {Type: TypeText, Text: text}, {Type: TypeBool, Int: n & 1}}} {
			ok, missing := a.Eligible(&values)
			if ok && missing >= 0 || values[0].Type != 0 && missing >= 0 {
				t.Fatalf("%v, missing %d", ok, missing)
			}
		}
	})
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

// A gated draw and its denials allocate nothing, on the log and before it.
func TestNoAllocationsPerGatedDraw(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated(func(v *Version) { v.Caps[0].Limit, v.Prizes[0].Stock = 1_000_000, 1_000_000 }))
	x.list("bad", nil)
	ok := x.passes(1, "SH")
	d := x.request("bad", "k", ok)
	if n := testing.AllocsPerRun(100, func() {
		if r, ok := x.Peek(&d, x.now); !ok || r.Code != problem.Blocked {
			t.Fatal(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations per Peek", n)
	}
	var b Batch
	n := 0
	var entries [][]byte
	for range 300 {
		b.Reset()
		n++
		d := x.request("u", userName(n), ok)
		b.AddDraw(&d)
		entries = append(entries, entryOf(&b, x.now))
	}
	next := 0
	apply := func() {
		x.index++
		if err := x.Apply(x.index, entries[next], &x.out); err != nil || x.out.Results[0].Code != problem.OK {
			t.Fatal(err, x.out.Results)
		}
		next++
	}
	for range 150 {
		apply()
	}
	if n := testing.AllocsPerRun(100, apply); n > 0.1 {
		t.Errorf("%v allocations per draw", n)
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
