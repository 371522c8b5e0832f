package drawtest

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// codeBox is the codes that a prize ever had, in the order of their import: the first taken are gone.
type codeBox struct {
	prize  string
	all    []engine.SealedCode
	taken  int
	low    bool // few are left, and that is noted or is to be
	toNote bool
}

func (b *codeBox) left() int { return len(b.all) - b.taken }

// codesOf returns what a version says of a prize's codes; nil for none.
func codesOf(v *engine.Version, prize string) *engine.PrizeCodes {
	for i := range v.Codes {
		if v.Prizes[v.Codes[i].Prize].ID == prize {
			return &v.Codes[i]
		}
	}
	return nil
}

// uniqueCodes reports whether a version hands out a code of its own with every win of a prize.
func uniqueCodes(v *engine.Version, prize string) bool {
	c := codesOf(v, prize)
	return c != nil && c.Shared == ""
}

// box returns the codes of a prize, nil where it never had any.
func (c *campaign) box(prize string) *codeBox {
	for _, b := range c.boxes {
		if b.prize == prize {
			return b
		}
	}
	return nil
}

// everyUnitHasACode reports whether the units of a version's prizes with codes have one each.
func (c *campaign) everyUnitHasACode(v *engine.Version) bool {
	for i := range v.Codes {
		id, left := v.Prizes[v.Codes[i].Prize].ID, 0
		if !uniqueCodes(v, id) {
			continue
		}
		if b := c.box(id); b != nil {
			left = b.left()
		}
		if b := c.stock[id]; b == nil || b.unlimited || b.available+b.unreleased+b.reserved > engine.Quantity(left) {
			return false
		}
	}
	return true
}

// openBoxes begins the boxes that a version needs.
func (c *campaign) openBoxes(v *engine.Version) {
	for i := range v.Codes {
		if id := v.Prizes[v.Codes[i].Prize].ID; uniqueCodes(v, id) && c.box(id) == nil {
			c.boxes = append(c.boxes, &codeBox{prize: id})
		}
	}
}

// takeCode hands out the next code with a win; nil for a prize without.
func (r *Reference) takeCode(c *campaign, prize string) []byte {
	k := codesOf(c.live(), prize)
	if k == nil || k.Shared != "" {
		return nil
	}
	b := c.box(prize)
	code := b.all[b.taken].Sealed
	b.taken++
	r.reach("code")
	if b.left() <= int(k.LowWater) && k.LowWater > 0 && !b.low {
		b.low, b.toNote = true, true // before the next command
	}
	return code
}

// noteLow notes prizes that have run low on codes.
func (r *Reference) noteLow() {
	for _, c := range r.campaigns {
		for _, b := range c.boxes {
			if !b.toNote {
				continue
			}
			b.toNote = false
			r.reach("codes low")
			r.aside = append(r.aside, engine.Record{
				Kind: engine.RecordCodes, Campaign: c.ref, Version: c.live().Number, At: r.now, Name: []byte(b.prize), Total: engine.Quantity(b.left()), Flags: engine.CodesLow,
			})
		}
	}
}

// importCodes adds codes and as many units; a code that the prize ever had is not added again.
func (r *Reference) importCodes(k *engine.ImportCodes) Decided {
	c := r.campaign(k.Campaign)
	switch {
	case c == nil:
		return refuse(0, problem.CampaignNotFound)
	case indexOf(c.live(), k.Prize) < 0:
		return refuse(c.ref, problem.PrizeNotFound)
	case !uniqueCodes(c.live(), k.Prize):
		return refuse(c.ref, problem.Conflict)
	case r.over(c):
		out := refuse(c.ref, problem.Ended)
		out.Result.Now = r.now
		return out
	}
	b, added := c.box(k.Prize), engine.Quantity(0)
next:
	for _, code := range k.Codes {
		for _, known := range b.all {
			if known.Print == code.Print {
				r.reach("code again")
				continue next
			}
		}
		b.all = append(b.all, code)
		added++
	}
	if added == 0 {
		return Decided{Result: engine.Result{Campaign: c.ref, AlreadyLive: true}}
	}
	r.reach("import")
	if b.left() > int(codesOf(c.live(), k.Prize).LowWater) {
		b.low, b.toNote = false, false
	}
	c.stock[k.Prize].available += added
	c.seq++
	return Decided{
		Result: engine.Result{Campaign: c.ref, At: r.here(0), Records: 1, Value: uint64(added)},
		Records: []engine.Record{{
			Kind: engine.RecordCodes, Campaign: c.ref, Version: c.live().Number, Seq: c.seq, At: r.now, Name: []byte(k.Prize),
			Actor: []byte(k.Actor), Reason: []byte(k.Reason), Delta: int64(added), Total: c.stock[k.Prize].total(),
		}},
	}
}

// handed is the codes of one sub-draw: of its prize, and of one on top.
type handed struct{ prize, extra []byte }
