package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func coded(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.Prizes[0].Kind, v.Prizes[0].Stock = KindCode, StockUnstated
		v.Codes = []PrizeCodes{{Prize: 0, LowWater: 2}}
	}}, edit...)...)
}

var testSealer = NewCodeSealer([32]byte{})

func sealedCodes(from, to int) (all []SealedCode) {
	for i := from; i < to; i++ {
		all = append(all, testSealer.Seal("c", "p", [12]byte{byte(i), 7}, []byte(fmt.Sprintf("CODE-%03d", i))))
	}
	return all
}

func (x *table) importCodes(codes []SealedCode) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddImport(&ImportCodes{Campaign: 1, Prize: "p", Codes: codes, Actor: "ann", Reason: "batch 1"})
	})
}

// codesOfDraw opens what the draw handed out.
func (x *table) codesOfDraw(r Result) (codes []string) {
	x.Helper()
	for _, rec := range x.records(r) {
		sealed, _ := rec.Codes()
		if sealed == nil {
			codes = append(codes, "")
			continue
		}
		code, ok := x.OpenCode("c", "p", sealed)
		if !ok {
			x.Fatal("a code does not open")
		}
		codes = append(codes, string(code))
	}
	return codes
}

// Every code is handed out once, in order, with the win; the stock is the codes.
func TestCodes(t *testing.T) {
	x := newTable(t)
	x.mustPublish(coded())
	x.wantCode("before the import", x.draw("u", "0"), problem.Exhausted)
	r := x.importCodes(sealedCodes(0, 5))
	if r.Code != problem.OK || r.Value != 5 {
		t.Fatalf("%+v", r)
	}
	if rec := x.records(r)[0]; rec.Kind != RecordCodes || rec.Delta != 5 || rec.Total != 5 || rec.Seq != 1 || string(rec.Name) != "p" {
		t.Errorf("%+v", rec)
	}
	x.unchanged("the same codes", func() {
		if r := x.importCodes(sealedCodes(0, 5)); !r.AlreadyLive || r.Value != 0 {
			t.Errorf("%+v", r)
		}
	})
	if r := x.importCodes(sealedCodes(3, 7)); r.Value != 2 {
		t.Errorf("some of them: %+v", r)
	}
	var got []string
	got = append(got, x.codesOfDraw(x.draw("u", "1", times(3)))...)
	x.reload()
	got = append(got, x.codesOfDraw(x.draw("u", "2", times(2)))...)
	// Few are left: noted once, before the next command.
	last := x.draw("u", "3", times(2))
	var low []Record
	for _, from := range x.out.Offsets {
		var rec Record
		if _, err := DecodeRecord(x.out.Records[from:], &rec); err != nil {
			t.Fatal(err)
		}
		if rec.Kind == RecordCodes {
			low = append(low, rec)
		}
	}
	if len(low) != 1 || low[0].Flags != CodesLow || low[0].Total != 2 || string(low[0].Name) != "p" {
		t.Errorf("low water: %+v", low)
	}
	got = append(got, x.codesOfDraw(last)...)
	for i, code := range got {
		if want := fmt.Sprintf("CODE-%03d", i); code != want {
			t.Errorf("win %d got %q, want %q", i, code, want)
		}
	}
	x.wantCode("when they are out", x.draw("u", "4"), problem.Exhausted)
	x.unchanged("a code that was handed out", func() { x.importCodes(sealedCodes(0, 7)) })
	c, _ := x.CampaignByRef(1)
	if imported, left, low, ok := c.CodeStock("p"); !ok || imported != 7 || left != 0 || !low {
		t.Errorf("%d of %d left, low %v", left, imported, low)
	}
	x.reload()
}

// A code that was handed out does not come back.
func TestVoidedCode(t *testing.T) {
	x := newTable(t)
	x.mustPublish(coded())
	x.importCodes(sealedCodes(0, 2))
	draw, at := x.encoded(x.draw("u", "1"))
	r := x.void(draw, at, VoidSystem)
	x.wantCode("void", r, problem.OK)
	if _, refunds := VoidFlags(x.records(r)[0].Flags); refunds&VoidStock != 0 {
		t.Error("a code that was handed out counts as given back")
	}
	c, _ := x.CampaignByRef(1)
	if _, stock := c.Stock(); stock[0].Withdrawn != 1 || stock[0].Available != 1 || stock[0].Issued != 0 {
		t.Errorf("%+v", stock)
	}
	if got := x.codesOfDraw(x.draw("u", "2")); got[0] != "CODE-001" {
		t.Errorf("%v", got)
	}
	x.wantCode("all", x.draw("u", "3"), problem.Exhausted)
}

func TestCodeRefusals(t *testing.T) {
	x := newTable(t)
	for what, edit := range map[string]func(v *Version){
		"a thing":            func(v *Version) { v.Prizes[0].Kind = KindPhysical },
		"two units":          func(v *Version) { v.Prizes[0].Units = 2 },
		"unlimited":          func(v *Version) { v.Prizes[0].Stock = Unlimited },
		"no such prize":      func(v *Version) { v.Codes[0].Prize = 1 },
		"twice":              func(v *Version) { v.Codes = append(v.Codes, v.Codes[0]) },
		"low water of one":   func(v *Version) { v.Codes[0].Shared = "X" },
		"stock without code": func(v *Version) { v.Prizes[0].Stock = 5 },
	} {
		x.unchanged(what, func() { x.wantCode(what, x.publish(coded(edit)), problem.InvalidCampaign) })
	}
	x.mustPublish(coded(func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: 5, Units: 1, Fallback: -1, Slot: -1})
	}))
	x.unchanged("what must not be", func() {
		x.wantCode("stock by hand", x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: 5, Digest: Key{1}}) }), problem.Conflict)
		x.wantCode("an award", x.award("p", "u", "T", "ann"), problem.Conflict)
		x.wantCode("codes for a thing", x.one(func(b *Batch) { b.AddImport(&ImportCodes{Campaign: 1, Prize: "q", Codes: sealedCodes(0, 1)}) }), problem.Conflict)
		x.wantCode("no prize", x.one(func(b *Batch) { b.AddImport(&ImportCodes{Campaign: 1, Prize: "x"}) }), problem.PrizeNotFound)
		x.wantCode("no campaign", x.one(func(b *Batch) { b.AddImport(&ImportCodes{Campaign: 9, Prize: "p"}) }), problem.CampaignNotFound)
		x.wantCode("codes for what has stock", x.publish(coded(func(v *Version) {
			v.Prizes = append(v.Prizes, Prize{ID: "q", Kind: KindCode, Stock: StockUnstated, Units: 1, Fallback: -1, Slot: -1})
			v.Codes = append(v.Codes, PrizeCodes{Prize: 1})
		})), problem.InvalidCampaign)
	})
	x.now += 31 * dayMilli
	x.one(func(b *Batch) { b.AddTick() })
	x.unchanged("after the end", func() { x.wantCode("import", x.importCodes(sealedCodes(0, 1)), problem.Ended) })
}

func TestCodeSealing(t *testing.T) {
	code := testSealer.Seal("c", "p", [12]byte{1}, []byte("SECRET"))
	if bytes.Contains(code.Sealed, []byte("SECRET")) {
		t.Error("in the clear")
	}
	again := testSealer.Seal("c", "p", [12]byte{2}, []byte("SECRET"))
	if again.Print != code.Print || bytes.Equal(again.Sealed, code.Sealed) {
		t.Error("equal codes have one print, and are sealed apart")
	}
	if other := testSealer.Seal("c", "q", [12]byte{1}, []byte("SECRET")); other.Print == code.Print {
		t.Error("prizes share a print")
	}
	for what, open := range map[string]func() ([]byte, bool){
		"another prize":   func() ([]byte, bool) { return testSealer.Open("c", "q", code.Sealed) },
		"another cluster": func() ([]byte, bool) { return NewCodeSealer([32]byte{1}).Open("c", "p", code.Sealed) },
		"a changed byte": func() ([]byte, bool) {
			b := bytes.Clone(code.Sealed)
			b[20] ^= 1
			return testSealer.Open("c", "p", b)
		},
		"half of it": func() ([]byte, bool) { return testSealer.Open("c", "p", code.Sealed[:20]) },
	} {
		if got, ok := open(); ok {
			t.Errorf("%s opens it: %s", what, got)
		}
	}
}
