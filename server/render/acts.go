package render

import "github.com/drawd/drawd/engine"

// approvalStates by engine.ApprovalRequested and so on.
var approvalStates = [...]string{"", "requested", "glass_broken", "given", "done", "rejected", "fell_due"}

// rights by what a switch's record says, the strongest first.
var rights = [...]struct {
	flag uint32
	name string
}{{engine.SwitchGlass, "break_glass"}, {engine.SwitchApproved, "approval"}, {engine.SwitchUndone, "undo"}}

// appendFeedAct appends what the record of an operator's act says besides.
func appendFeedAct(dst []byte, r *engine.Record) []byte {
	switch r.Kind {
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
	}
	return dst
}
