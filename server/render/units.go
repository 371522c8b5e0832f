package render

import "github.com/drawd/drawd/engine"

// Pools tells pools by their numbers. *engine.Namespace does.
type Pools interface {
	PoolByRef(engine.PoolRef) (*engine.Pool, bool)
}

// HoldIDs makes the public ids of holds and takes. *engine.Engine does.
type HoldIDs interface {
	AppendHoldID(dst []byte, kind engine.IDKind, h engine.HoldRef) []byte
}

// Units renders holds and takes.
type Units struct {
	IDs   HoldIDs
	Pools Pools
}

// AppendHold appends a hold as it was decided, from its record alone: a replay has the same bytes.
func (u Units) AppendHold(dst []byte, at engine.Location, r *engine.Record, m *engine.HoldMoves) []byte {
	dst = append(dst, `{"hold":"`...)
	dst = u.IDs.AppendHoldID(dst, engine.IDHold, engine.HoldRef{At: at, Home: m.Home})
	dst = AppendString(append(dst, `","owner":`...), r.Name)
	dst = u.appendMoves(append(dst, `,"state":"held"`...), m)
	dst = AppendTime(append(dst, `,"at":`...), r.At)
	dst = AppendTime(append(dst, `,"expires_at":`...), engine.UnixMilli(r.Total))
	return append(appendRef(dst, r.Reason), '}')
}

// AppendTake appends a take as it was decided, from its record alone.
func (u Units) AppendTake(dst []byte, at engine.Location, r *engine.Record, m *engine.HoldMoves) []byte {
	dst = append(dst, `{"take":"`...)
	dst = u.IDs.AppendHoldID(dst, engine.IDTake, engine.HoldRef{At: at, Home: m.Home})
	dst = u.appendPool(append(dst, `",`...), m.Items[0].Pool)
	dst = appendInt(append(dst, `,"quantity":`...), int64(m.Items[0].Units))
	dst = AppendString(append(dst, `,"owner":`...), r.Name)
	dst = AppendTime(append(dst, `,"at":`...), r.At)
	return append(appendRef(dst, r.Reason), '}')
}

func appendRef(dst, ref []byte) []byte {
	if len(ref) == 0 {
		return dst
	}
	return AppendString(append(dst, `,"ref":`...), ref)
}

// appendMoves appends the items of a hold that was made.
func (u Units) appendMoves(dst []byte, m *engine.HoldMoves) []byte {
	dst = append(dst, `,"items":[`...)
	for i := range m.Count {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = u.appendPool(append(dst, '{'), m.Items[i].Pool)
		dst = append(appendInt(append(dst, `,"quantity":`...), int64(m.Items[i].Units)), '}')
	}
	return append(dst, ']')
}

func (u Units) appendPool(dst []byte, ref engine.PoolRef) []byte {
	id := ""
	if p, ok := u.Pools.PoolByRef(ref); ok {
		id = p.ID()
	}
	return append(append(append(dst, `"pool":"`...), id...), '"') // of letters that JSON does not escape
}

// AppendResolved appends how a hold or take ended; already says that it had ended so before.
func (u Units) AppendResolved(dst []byte, kind engine.IDKind, v *engine.HoldView, already bool) []byte {
	dst = append(u.appendHead(dst, kind, v), `,"already":`...)
	return append(appendBool(dst, already), '}')
}

// AppendView appends a hold or take as it is at log time. owner and ref are the record's.
func (u Units) AppendView(dst []byte, kind engine.IDKind, v *engine.HoldView, r *engine.Record) []byte {
	dst = u.appendHead(dst, kind, v)
	owner := r.Name
	if r.Kind == engine.RecordDraw { // a win that is a hold
		owner = r.User
	}
	dst = AppendString(append(dst, `,"owner":`...), owner)
	dst = AppendTime(append(dst, `,"at":`...), r.At)
	return append(appendRef(dst, r.Reason), '}')
}

// appendHead appends what is told of every hold: id, state, items, and when it ends or ended.
func (u Units) appendHead(dst []byte, kind engine.IDKind, v *engine.HoldView) []byte {
	name := `{"hold":"`
	if kind == engine.IDTake {
		name = `{"take":"`
	}
	dst = u.IDs.AppendHoldID(append(dst, name...), kind, v.Ref)
	dst = append(append(append(dst, `","state":"`...), v.State.String()...), `","items":[`...)
	for i, item := range v.Items[:v.Count] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = u.appendPool(append(dst, '{'), item.Pool)
		dst = append(appendInt(append(dst, `,"quantity":`...), int64(item.Units)), '}')
	}
	dst = append(dst, ']')
	switch v.State {
	case engine.StateHeld:
		dst = AppendTime(append(dst, `,"expires_at":`...), v.Deadline)
		if v.Latest > 0 { // 0: it has ended since it was extended
			dst = AppendTime(append(dst, `,"extends_to":`...), v.Latest)
		}
	case engine.StateExpired:
		dst = AppendTime(append(dst, `,"expired_at":`...), v.Deadline)
	default:
		dst = AppendTime(append(dst, `,"ended_at":`...), v.ResolvedAt)
	}
	if v.Part {
		dst = append(dst, `,"part":true`...)
	}
	return dst
}

// AppendPool appends a pool's books and whether it gives units at a time.
func AppendPool(dst []byte, p *engine.Pool, now engine.UnixMilli) []byte {
	terms, _ := p.Policy()
	s := p.Stock()
	dst = append(append(append(dst, `{"pool":"`...), p.ID()...), '"')
	dst = appendUint(append(dst, `,"seq":`...), s.Seq)
	dst = appendUint(append(dst, `,"epoch":`...), s.Epoch)
	for _, m := range [...]struct {
		name string
		n    engine.Quantity
	}{
		{"total", s.Total}, {"unreleased", s.Unreleased}, {"available", s.Available}, {"reserved", s.Reserved}, {"held", s.Held},
		{"issued", s.Issued}, {"expired", s.Expired}, {"withdrawn", s.Withdrawn},
	} {
		dst = append(append(append(dst, `,"`...), m.name...), `":`...)
		dst = appendInt(dst, int64(m.n))
	}
	open := s.Fenced == "" && now >= terms.OpensAt && (terms.ClosesAt == 0 || now < terms.ClosesAt)
	dst = appendBool(append(dst, `,"open":`...), open)
	if terms.OpensAt > 0 {
		dst = AppendTime(append(dst, `,"opens_at":`...), terms.OpensAt)
	}
	if terms.ClosesAt > 0 {
		dst = AppendTime(append(dst, `,"closes_at":`...), terms.ClosesAt)
	}
	dst = appendBool(append(dst, `,"sold_out":`...), s.Available == 0)
	dst = appendBool(append(dst, `,"may_return":`...), s.Held+s.Unreleased > 0)
	return append(dst, '}')
}
