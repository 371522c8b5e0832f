package control

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

const (
	// maxHistory is how many records an explanation of a hold looks through for what became of it.
	maxHistory = 500_000
	// refusalBefore is how many entries before the answer a refused hold's record is looked for, and refusalRecords how many records.
	refusalBefore  = 1000
	refusalRecords = 100_000
)

// explainHold answers GET /admin/v1/holds/{id}:explain: what became of a hold or a take, step by step, by which entry.
func (p *Plane) explainHold(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	kind := engine.IDHold
	h, ok := p.Engine.ParseHoldID(kind, []byte(x.params.id))
	if !ok {
		kind = engine.IDTake
		h, ok = p.Engine.ParseHoldID(kind, []byte(x.params.id))
	}
	if !ok || h.At.Index > p.Engine.AppliedIndex() {
		return refusal(problem.HoldNotFound, "")
	}
	v, found := p.Engine.Hold(x.grant.Namespace, h)
	if !found || v.Taken != (kind == engine.IDTake) {
		return refusal(problem.HoldNotFound, "There is no such hold, or it has been forgotten: a few days after its end.")
	}
	t := holdHistory{exchange: x, view: v, e: explanation{Of: "hold", ID: x.params.id, Steps: []step{}}}
	if v.Taken {
		t.e.Of = "take"
	}
	if refused := t.read(); refused != nil {
		return refused
	}
	t.end()
	return x.answer(http.StatusOK, &t.e)
}

// holdHistory is a hold or take that is explained.
type holdHistory struct {
	*exchange
	view    engine.HoldView
	e       explanation
	record  engine.Record
	scanned int
	fault   error
}

// read goes through the records from the one that made it, up to where nothing can be told of it any more.
func (t *holdHistory) read() *render.Problem {
	last := t.view.ResolvedAt + 999
	switch t.view.State {
	case engine.StateExpired:
		last = t.view.Deadline
	case engine.StateHeld:
		last = 1<<63 - 1
	}
	at := t.view.Ref.At
	err := t.plane.Records.Scan(uint64(at.Index), at.Ordinal, func(index uint64, _ []byte, ordinal uint16, encoded []byte) bool {
		if t.scanned++; t.scanned > maxHistory {
			return false
		}
		if _, t.fault = engine.DecodeRecord(encoded, &t.record); t.fault != nil || t.record.At > last {
			return false
		}
		t.tell(engine.Location{Index: engine.LogIndex(index), Ordinal: ordinal})
		return true
	})
	if err == nil {
		err = t.fault
	}
	if err != nil {
		return t.broken("the records of a hold cannot be read", err)
	}
	return nil
}

// tell adds a step, if the record is about it.
func (t *holdHistory) tell(at engine.Location) {
	r := &t.record
	m, _ := r.Moves()
	first := at == t.view.Ref.At
	if !first && (r.Namespace != t.grant.Namespace.Ref() || m.Home != t.view.Ref.Home || r.HoldLocation() != t.view.Ref.At) {
		return
	}
	var name, says string
	switch {
	case first:
		name, says = t.made(&m)
	case r.Kind == engine.RecordExtend:
		name, says = "extended", "until "+instant(engine.UnixMilli(r.Total))
	case r.Kind == engine.RecordRelease:
		name, says = "released", t.units(&m)
	case r.Kind == engine.RecordHoldVoid:
		name, says = "voided", "by the fault of "+engine.VoidFault(r.Flags).String()+": "+t.units(&m)
	case r.Kind == engine.RecordConfirm:
		name, says = "confirmed", t.units(&m)
		if r.Flags&engine.ConfirmedPart != 0 {
			says += ", a part; the rest came back"
		}
		if r.Flags&engine.ConfirmedLate != 0 {
			says += ", after the deadline, with free units for those that had gone back"
		}
	default:
		return
	}
	if len(r.Actor) > 0 {
		says += ", by " + string(r.Actor)
	}
	if len(r.Reason) > 0 && !first {
		says += ": " + string(r.Reason)
	}
	facts := map[string]any{"at": instant(r.At), "index": at.Index, "ordinal": at.Ordinal}
	for _, x := range m.Items[:m.Count] {
		facts["pool "+t.pool(x.Pool)] = map[string]any{"units": x.Units, "seq": x.Seq, "available": x.Available}
	}
	t.e.Steps = append(t.e.Steps, step{Rung: name, Verdict: "decided", Says: says, Facts: facts})
}

// made tells of the record that made it.
func (t *holdHistory) made(m *engine.HoldMoves) (name, says string) {
	r := &t.record
	t.e.At, t.e.User = stamp(r.At), string(r.Name)
	switch r.Kind {
	case engine.RecordTake:
		name, says = "taken", t.units(m)
	case engine.RecordDraw:
		t.e.User = string(r.User)
		name, says = "won", "by a draw: "+t.units(m)+", until "+instant(m.Deadline)
	default:
		name, says = "held", t.units(m)+", until "+instant(engine.UnixMilli(r.Total))+", at most until "+instant(engine.UnixMilli(r.Delta))
	}
	if len(r.Reason) > 0 {
		says += ", for " + string(r.Reason)
	}
	return name, says
}

// end says how it stands, and what no record tells: that it has expired.
func (t *holdHistory) end() {
	v := &t.view
	switch v.State {
	case engine.StateExpired:
		t.e.Steps = append(t.e.Steps, step{
			Rung: "expired", Verdict: "decided", Says: "nobody confirmed or released it before " + instant(v.Deadline) + "; its units came back in that second, or up to return_jitter later",
		})
		t.e.Summary = "Expired at " + instant(v.Deadline) + "."
	case engine.StateHeld:
		t.e.Summary = "Held until " + instant(v.Deadline) + "."
	default:
		t.e.Summary = strings.ToUpper(v.State.String()[:1]) + v.State.String()[1:] + " at " + instant(v.ResolvedAt) + "."
	}
	if t.scanned > maxHistory {
		t.e.Summary += fmt.Sprintf(" Steps behind the next %d records of the log were not looked for.", maxHistory)
	}
}

func (t *holdHistory) units(m *engine.HoldMoves) string { return unitsOf(t.exchange, m) }

func (t *holdHistory) pool(ref engine.PoolRef) string { return poolName(t.exchange, ref) }

// unitsOf names units of pools: "2 of seats, 1 of parking".
func unitsOf(x *exchange, m *engine.HoldMoves) string {
	var parts []string
	for _, item := range m.Items[:m.Count] {
		parts = append(parts, units(item.Units)+" of "+poolName(x, item.Pool))
	}
	return strings.Join(parts, ", ")
}

func poolName(x *exchange, ref engine.PoolRef) string {
	if p, ok := x.grant.Namespace.PoolByRef(ref); ok {
		return p.ID()
	}
	return "pool " + itoa(int(ref))
}

// refusedHold finds the record of a hold or take that was refused with a code, for somebody whose key begins so, shortly before the
// answer was given: the request id names the owner by 16 bits only, so a namesake's may be meant where two are refused at once.
func (x *exchange) refusedHold(code problem.Code, cap uint8, user uint16, index engine.LogIndex) (says string, facts map[string]any) {
	keyer, n := x.grant.Namespace.Keyer(), 0
	var r engine.Record
	_ = x.plane.Records.Scan(uint64(max(index, refusalBefore)-refusalBefore), 0, func(at uint64, _ []byte, _ uint16, encoded []byte) bool {
		if n++; n > refusalRecords || engine.LogIndex(at) > index {
			return false
		}
		if _, err := engine.DecodeRecord(encoded, &r); err != nil || r.Namespace != x.grant.Namespace.Ref() {
			return err == nil
		}
		first, refused := r.HoldRefusal()
		if !refused || first.Code != code || first.Cap != cap {
			return true
		}
		if key := keyer.User(r.Name); uint16(key[0])<<8|uint16(key[1]) != user {
			return true
		}
		m, _ := r.Moves()
		says = fmt.Sprintf("%s asked for %s, and pool %s refused it", r.Name, unitsOf(x, &m), poolName(x, first.Pool))
		facts = map[string]any{"index": at, "owner": string(r.Name), "asked": unitsOf(x, &m), "pool": poolName(x, first.Pool)}
		switch {
		case code == problem.Capped:
			says += fmt.Sprintf(": %s, %d of %d", engine.HoldCap(first.Cap), first.Used, first.Limit)
			facts["used"], facts["limit"] = first.Used, first.Limit
		case code == problem.InsufficientStock:
			facts["may_return"] = first.MayReturn
			for _, item := range m.Items[:m.Count] {
				facts["available in "+poolName(x, item.Pool)] = item.Available
			}
		}
		return true // a later one is nearer to the answer
	})
	return says, facts
}
