package render

import "github.com/drawd/drawd/engine"

// AppendHelp appends one help, from its record alone: a replay must have the same bytes. v is the version that the record
// names.
func AppendHelp(dst []byte, ids IDs, campaign string, v *engine.Version, at engine.Location, r *engine.Record, n *engine.HelpNote) []byte {
	dst = append(ids.AppendID(append(dst, `{"help":"`...), engine.IDHelp, at), '"')
	dst = AppendString(append(dst, `,"campaign":`...), campaign)
	dst = appendUint(append(dst, `,"version":`...), uint64(r.Version))
	dst = AppendString(append(dst, `,"owner":`...), r.Name)
	dst = AppendString(append(dst, `,"helper":`...), r.Actor)
	if len(n.Event) > 0 {
		dst = AppendString(append(dst, `,"event":`...), n.Event)
	}
	dst = AppendTime(append(dst, `,"at":`...), r.At)
	if v.Helps != nil {
		dst = appendUint(append(dst, `,"granted":{"owner":`...), uint64(n.OwnerGranted))
		dst = append(appendUint(append(dst, `,"helper":`...), uint64(n.HelperGranted)), '}')
	}
	dst = appendHelpLeft(append(dst, `,"remaining":{"owner":{"caps":{`...), v, n, engine.CountInvites)
	dst = appendHelpLeft(append(dst, `}},"helper":{"caps":{`...), v, n, engine.CountAssists)
	return append(dst, `}}}}`...)
}

// appendHelpLeft appends what is left of the caps that count one side's helps, in file order.
func appendHelpLeft(dst []byte, v *engine.Version, n *engine.HelpNote, counts engine.Counts) []byte {
	told := 0
	for i := range v.Caps {
		c := &v.Caps[i]
		used, ok := n.Used(i)
		if c.Counts != counts || !ok {
			continue
		}
		if told > 0 {
			dst = append(dst, ',')
		}
		told++
		dst = appendUint(append(AppendString(dst, c.ID), ':'), uint64(left(c.Limit, used)))
	}
	return dst
}

// appendFeedHelp appends what a help was. The owner and the helper stand before it.
func appendFeedHelp(dst []byte, ids IDs, at engine.Location, r *engine.Record) []byte {
	n, ok := r.Help()
	if !ok {
		return dst
	}
	dst = append(ids.AppendID(append(dst, `,"help":"`...), engine.IDHelp, at), '"')
	dst = AppendString(append(dst, `,"owner":`...), r.Name)
	dst = AppendString(append(dst, `,"helper":`...), r.Actor)
	if len(n.Event) > 0 {
		dst = AppendString(append(dst, `,"event":`...), n.Event)
	}
	if n.OwnerGranted > 0 {
		dst = appendUint(append(dst, `,"owner_granted":`...), uint64(n.OwnerGranted))
	}
	if n.HelperGranted > 0 {
		dst = appendUint(append(dst, `,"helper_granted":`...), uint64(n.HelperGranted))
	}
	return dst
}
