package render

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine"
)

// appendAudit appends what a draw's record tells about who drew, for the feed. Digests tell nothing to whoever does not
// know what went in.
func appendAudit(dst []byte, r *engine.Record) []byte {
	a, ok := r.Audit()
	if !ok {
		return dst
	}
	dst = append(dst, `,"audience":{`...)
	start := len(dst)
	if a.Stamped {
		dst = appendHex64(append(dst, `"attributes":`...), a.Attributes)
		if a.Ticket != 0 {
			dst = appendHex64(append(dst, `,"ticket_key":`...), a.Ticket)
		}
	}
	if a.Listed {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = appendHex64(append(dst, `"lists":`...), a.Lists)
		dst = appendBool(append(dst, `,"allowed":`...), a.Allowed)
		dst = appendBool(append(dst, `,"restricted":`...), a.Restricted)
	}
	return append(dst, '}')
}

func appendHex64(dst []byte, n uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return appendHex(dst, b[:])
}

// appendFeedList appends what the record of a change of a list says besides user, actor and reason.
func appendFeedList(dst []byte, r *engine.Record) []byte {
	list := engine.ListKind(r.Flags & 0xFF)
	if list != engine.ListDeny && list != engine.ListAllow {
		return dst
	}
	dst = AppendString(append(dst, `,"list":`...), list.String())
	switch {
	case r.Flags&engine.ListRemoved != 0:
		return append(dst, `,"deleted":true`...)
	case r.Flags&engine.ListRestricted != 0:
		dst = append(dst, `,"treatment":"restricted"`...)
	case list == engine.ListDeny:
		dst = append(dst, `,"treatment":"blocked"`...)
	}
	if r.Delta == 0 {
		return dst
	}
	return AppendTime(append(dst, `,"expires_at":`...), engine.UnixMilli(r.Delta))
}

// appendGates appends who may draw, for the page: what is written there is what decides.
func appendGates(dst []byte, a *engine.Audience) []byte {
	if a == nil || a.Rule == "" && !a.Tickets && !a.ListedOnly {
		return dst
	}
	dst = append(dst, `,"audience":{"ticket":`...)
	switch {
	case a.TicketRequired:
		dst = append(dst, `"required"`...)
	case a.Tickets:
		dst = append(dst, `"optional"`...)
	default:
		dst = append(dst, `"none"`...)
	}
	if a.Rule != "" {
		dst = AppendString(append(dst, `,"rule":`...), a.Rule)
	}
	return append(appendBool(append(dst, `,"listed_only":`...), a.ListedOnly), '}')
}

// appendValuable marks a prize, an object that was just closed, that users who are restricted cannot win: where a version
// marks none, all are such.
func appendValuable(dst []byte, v *engine.Version, prize int) []byte {
	if v.Audience == nil || len(v.Audience.Valuable) == 0 || !v.Spares(prize) {
		return dst
	}
	return append(dst[:len(dst)-1], `,"valuable":true}`...)
}
