package render

import (
	"github.com/drawd/drawd/engine"
)

// chancesBit marks the outcome of a sub-draw in binary form that tells the chances left.
const chancesBit = 0x80

// countedChances returns what a draw did to the user's chances, of a campaign that counts them.
func countedChances(r *engine.Record) (m engine.ChanceMoves, counted bool) {
	m, ok := r.Chances()
	return m, ok && m.Mode != engine.ChancesFree
}

// appendLeft1 appends the chances left after a draw, before the caps.
func appendLeft1(dst []byte, r *engine.Record) []byte {
	if m, counted := countedChances(r); counted {
		dst = appendUint(append(dst, `"chances":`...), uint64(m.Remaining))
		dst = append(dst, ',')
	}
	return dst
}

// appendChanceUse appends a user's chances as he sees them.
func appendChanceUse(dst []byte, u *engine.ChanceUse) []byte {
	dst = AppendString(append(dst, `{"mode":`...), u.Mode.String())
	if u.Purse != "" {
		dst = AppendString(append(dst, `,"purse":`...), u.Purse)
	}
	if u.Price > 0 {
		dst = appendUint(append(dst, `,"price":`...), uint64(u.Price))
	}
	if u.Mode == engine.ChancesFree {
		return append(dst, '}')
	}
	dst = appendUint(append(dst, `,"remaining":`...), u.Remaining)
	dst = appendUint(append(dst, `,"spendable":`...), u.Spendable)
	dst = appendChanceSums(append(dst, ','), &u.Sums)
	dst = append(dst, `,"lots":[`...)
	for i := range u.Lots {
		if i > 0 {
			dst = append(dst, ',')
		}
		l := &u.Lots[i]
		dst = appendUint(append(dst, `{"remaining":`...), uint64(l.Remaining))
		if l.BeginsAt > 0 {
			dst = AppendTime(append(dst, `,"effective_at":`...), l.BeginsAt)
		}
		dst = appendTimeOrNull(append(dst, `,"expires_at":`...), l.ExpiresAt)
		dst = appendUint(append(dst, `,"priority":`...), uint64(l.Priority))
		if l.Source != "" {
			dst = AppendString(append(dst, `,"source":`...), l.Source)
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// appendChanceSums appends the conserved sum but for what remains.
func appendChanceSums(dst []byte, s *engine.ChanceSums) []byte {
	dst = appendUint(append(dst, `"granted":`...), s.Granted)
	dst = appendUint(append(dst, `,"consumed":`...), s.Consumed)
	dst = appendUint(append(dst, `,"expired":`...), s.Expired)
	dst = appendUint(append(dst, `,"revoked":`...), s.Revoked)
	return appendUint(append(dst, `,"debt":`...), s.Debt)
}

// AppendPurse appends a user's chances in a purse.
func AppendPurse(dst []byte, user []byte, u *engine.ChanceUse) []byte {
	dst = AppendString(append(dst, `{"purse":`...), u.Purse)
	dst = AppendString(append(dst, `,"user":`...), user)
	return append(appendChanceUse(append(dst, `,"chances":`...), u), '}')
}

// AppendGrant appends the answer to a grant.
func AppendGrant(dst []byte, r *engine.Result) []byte {
	dst = appendUint(append(dst, `{"granted":`...), r.Value)
	dst = appendBool(append(dst, `,"already":`...), r.AlreadyLive)
	if reason := engine.GrantReason(r.Cap); reason != engine.GrantedAll {
		dst = AppendString(append(dst, `,"reason":`...), reason.String())
	}
	if r.Used > 0 {
		dst = appendUint(append(dst, `,"debt_paid":`...), uint64(r.Used))
	}
	dst = appendUint(append(dst, `,"remaining":`...), uint64(r.Limit))
	return append(dst, '}')
}

// AppendRevocation appends the answer to a revocation.
func AppendRevocation(dst []byte, r *engine.Result) []byte {
	dst = appendUint(append(dst, `{"revoked":`...), r.Value)
	dst = appendBool(append(dst, `,"already":`...), r.AlreadyLive)
	if r.Used > 0 {
		dst = appendUint(append(dst, `,"debt":`...), uint64(r.Used))
	}
	dst = appendUint(append(dst, `,"remaining":`...), uint64(r.Limit))
	return append(dst, '}')
}

// appendFeedChances appends what a draw did to the user's chances.
func appendFeedChances(dst []byte, v *engine.Version, r *engine.Record) []byte {
	m, ok := r.Chances()
	if !ok || v == nil {
		return dst
	}
	dst = appendUint(append(dst, `,"chances":{"price":`...), uint64(m.Price))
	if m.Mode == engine.ChancesFree && m.Price > 0 {
		return append(dst, '}')
	}
	dst = appendUint(append(dst, `,"remaining":`...), uint64(m.Remaining))
	dst = append(dst, `,"spent":[`...)
	n, spent := m.Spent()
	for i := range n {
		source, chances := spent(i)
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNameOrNull(append(dst, `{"source":`...), v.ChanceSource(source))
		dst = append(appendUint(append(dst, `,"chances":`...), uint64(chances)), '}')
	}
	dst = append(dst, `],"granted":[`...)
	n, won := m.Won()
	for i := range n {
		milestone, chances := won(i)
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"milestone":`...)
		name := ""
		if v.Chances != nil && milestone >= 0 && milestone < len(v.Chances.Milestones) {
			name = v.Chances.Milestones[milestone].ID
		}
		dst = appendNameOrNull(dst, name)
		dst = append(appendUint(append(dst, `,"chances":`...), uint64(chances)), '}')
	}
	return append(dst, `]}`...)
}

func appendNameOrNull(dst []byte, name string) []byte {
	if name == "" {
		return append(dst, `null`...)
	}
	return AppendString(dst, name)
}

// appendFeedGrant appends what a grant or a revocation was.
func appendFeedGrant(dst []byte, r *engine.Record) []byte {
	n, ok := r.Grant()
	if !ok {
		return dst
	}
	dst = AppendString(append(dst, `,"source":`...), n.Source)
	dst = AppendString(append(dst, `,"event":`...), n.Event)
	if len(n.Purse) > 0 {
		dst = AppendString(append(dst, `,"purse":`...), n.Purse)
	}
	granted, asked := `,"granted":`, `,"asked":`
	if r.Kind == engine.RecordRevoke {
		granted, asked = `,"revoked":`, `,"granted":`
	}
	dst = appendInt(append(dst, granted...), r.Delta)
	dst = appendInt(append(dst, asked...), int64(r.Total))
	if n.Reason != engine.GrantedAll {
		dst = AppendString(append(dst, `,"cut":`...), n.Reason.String())
	}
	if n.Debt > 0 {
		dst = appendUint(append(dst, `,"debt":`...), uint64(n.Debt))
	}
	dst = appendUint(append(dst, `,"remaining":`...), uint64(n.Remaining))
	if n.OccurredAt > 0 {
		dst = AppendTime(append(dst, `,"occurred_at":`...), n.OccurredAt)
	}
	if n.BeginsAt > 0 {
		dst = AppendTime(append(dst, `,"effective_at":`...), n.BeginsAt)
	}
	if n.ExpiresAt > 0 {
		dst = AppendTime(append(dst, `,"expires_at":`...), n.ExpiresAt)
	}
	return dst
}

// appendPagePrices appends what a draw costs, for players; nothing where draws cost nothing.
func appendPagePrices(dst []byte, v *engine.Version) []byte {
	c := v.Chances
	if c == nil || c.Price == 0 {
		return dst
	}
	dst = AppendString(append(dst, `,"chances":{"mode":`...), c.Mode.String())
	dst = appendUint(append(dst, `,"price":`...), uint64(c.Price))
	dst = append(dst, `,"prices":[`...)
	for i, p := range c.Periods {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendTime(append(dst, `{"from":`...), p.From)
		dst = AppendTime(append(dst, `,"to":`...), p.To)
		dst = append(appendUint(append(dst, `,"price":`...), uint64(p.Price)), '}')
	}
	return append(dst, `]}`...)
}

// GrantFault is what is wrong with a grant that the engine refused with invalid_field.
func GrantFault(r *engine.Result) FieldError { return grantFaults[min(int(r.Cap), len(grantFaults)-1)] }

var grantFaults = [...]FieldError{
	{Code: "range", Message: "The grant is not valid."},
	engine.FaultSource:    {Pointer: "/source", Code: "unknown", Message: "The campaign or purse has no such source."},
	engine.FaultOccurred:  {Pointer: "/occurred_at", Code: "range", Message: "It is more than 5 seconds ahead of log time."},
	engine.FaultEffective: {Pointer: "/effective_at", Code: "range", Message: "It must be before the chances end."},
	engine.FaultExpires:   {Pointer: "/expires_at", Code: "range", Message: "It is beyond what can be kept."},
}
