package render

import "github.com/drawd/drawd/engine"

// approvalStates by engine.ApprovalRequested and so on.
var approvalStates = [...]string{"", "requested", "glass_broken", "given", "done", "rejected", "fell_due"}

// pendingStates by the flags of a version that is to become live.
var pendingStates = [...]string{"requested", "withdrawn", "refused", "refused"}

// rights by what a switch's record says, the strongest first.
var rights = [...]struct {
	flag uint32
	name string
}{{engine.SwitchGlass, "break_glass"}, {engine.SwitchApproved, "approval"}, {engine.SwitchUndone, "undo"}}

// appendFeedAct appends what the record of an operator's act says besides.
func appendFeedAct(dst []byte, ids IDs, r *engine.Record) []byte {
	switch r.Kind {
	case engine.RecordPublish:
		if r.Flags&engine.PublishDefensive != 0 {
			dst = append(dst, `,"defensive":true`...)
		}
	case engine.RecordDefensive:
		dst = appendInt(append(dst, `,"against":`...), r.Delta)
		if r.Flags&engine.DefensiveDropped != 0 {
			dst = append(dst, `,"deleted":true`...)
		}
	case engine.RecordPending:
		dst = AppendTime(append(dst, `,"due_at":`...), engine.UnixMilli(r.Delta))
		dst = AppendString(append(dst, `,"state":`...), pendingStates[r.Flags&(engine.PendingWithdrawn|engine.PendingRefused)])
	case engine.RecordSwitch:
		dst = appendBool(append(dst, `,"on":`...), r.Flags&engine.SwitchTurnedOn != 0)
		for _, right := range rights {
			if r.Flags&right.flag != 0 {
				return AppendString(append(dst, `,"by":`...), right.name)
			}
		}
	case engine.RecordApproval:
		if int(r.Flags) < len(approvalStates) {
			dst = AppendString(append(dst, `,"state":`...), approvalStates[r.Flags])
		}
		dst = appendInt(append(dst, `,"number":`...), r.Delta)
	case engine.RecordCodes:
		if r.Flags&engine.CodesLow != 0 {
			return appendInt(append(dst, `,"low":true,"left":`...), int64(r.Total))
		}
		dst = appendInt(append(dst, `,"delta":`...), r.Delta)
	case engine.RecordAward:
		n, _ := r.Award()
		dst = AppendString(append(dst, `,"user":`...), n.User)
		dst = AppendString(append(dst, `,"ticket":`...), n.Ticket)
		dst = AppendString(append(dst, `,"reason":`...), n.Reason)
		dst = appendInt(append(dst, `,"delta":`...), int64(r.Total))
	case engine.RecordDelivery:
		dst = append(ids.AppendID(append(dst, `,"draw":"`...), engine.IDDraw, r.VoidLocation()), '"')
		dst = AppendString(append(dst, `,"state":`...), engine.AwardState(r.Flags).String())
	case engine.RecordVoid:
		fault, refunds := engine.VoidFlags(r.Flags)
		dst = append(ids.AppendID(append(dst, `,"draw":"`...), engine.IDDraw, r.VoidLocation()), '"')
		dst = AppendString(append(dst, `,"fault":`...), fault.String())
		dst = appendInt(append(dst, `,"delta":`...), int64(r.Total))
		dst = append(dst, `,"refunded":[`...)
		for i, name := range Refunds(refunds) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, name)
		}
		dst = append(dst, ']')
	}
	return dst
}

// Refunds names what a void gave back.
func Refunds(flags uint32) (names []string) {
	for _, r := range [...]struct {
		flag uint32
		name string
	}{
		{engine.VoidStock, "stock"}, {engine.VoidMoney, "money"}, {engine.VoidChances, "chances"}, {engine.VoidCaps, "caps"}, {engine.VoidPity, "pity"},
		{engine.VoidEntry, "entry"}, {engine.VoidGrants, "grants"},
	} {
		if flags&r.flag != 0 {
			names = append(names, r.name)
		}
	}
	return names
}

// AppendVoided adds to a draw, which is a JSON object at the end of dst, that it was voided. Reads show it; replays of the
// first answer do not.
func AppendVoided(dst []byte, fault engine.VoidFault, at engine.UnixMilli) []byte {
	dst = AppendString(append(dst[:len(dst)-1], `,"award":{"state":"voided","fault":`...), fault.String())
	return append(AppendTime(append(dst, `,"at":`...), at), `}}`...)
}

// AppendAward appends where an award stands, as an object.
func AppendAward(dst []byte, a *engine.AwardView) []byte {
	dst = AppendString(append(dst, `{"state":`...), a.State.String())
	dst = AppendTime(append(dst, `,"at":`...), a.At)
	if a.ExpiresAt != 0 {
		dst = AppendTime(append(dst, `,"expires_at":`...), a.ExpiresAt)
	}
	if a.Frozen {
		dst = append(dst, `,"frozen":true`...)
	}
	return append(dst, '}')
}

// AppendStanding adds to a draw, which is a JSON object at the end of dst, where its award stands.
func AppendStanding(dst []byte, a *engine.AwardView) []byte {
	return append(AppendAward(append(dst[:len(dst)-1], `,"award":`...), a), '}')
}

// AppendMoved appends the answer to a claim.
func AppendMoved(dst []byte, draw []byte, a *engine.AwardView, already bool) []byte {
	dst = AppendString(append(dst, `{"draw":`...), draw)
	dst = AppendAward(append(dst, `,"award":`...), a)
	return append(appendBool(append(dst, `,"already":`...), already), '}')
}

// AwardRefused says in words why a move of an award was refused with a conflict.
func AwardRefused(r *engine.Result) string {
	switch state := engine.AwardState(r.Value); {
	case state == engine.AwardFinal:
		return "The win is final at once, or there was none: its prize has no award states."
	case r.Limited:
		return "The award is " + state.String() + ", and the user's unpaid awards are frozen: one of his draws was voided by the fault of abuse."
	default:
		return "The award is " + state.String() + "."
	}
}

// appendForced appends the versions that took something from users, for everybody to see; nothing when there are none.
func appendForced(dst []byte, all []engine.ForcedVersion) []byte {
	for i := range all {
		if i == 0 {
			dst = append(dst, `,"forced":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendUint(append(dst, `{"version":`...), uint64(all[i].Number))
		dst = AppendTime(append(dst, `,"at":`...), all[i].At)
		dst = append(AppendString(append(dst, `,"reason":`...), all[i].Reason), '}')
	}
	if len(all) > 0 {
		dst = append(dst, ']')
	}
	return dst
}
