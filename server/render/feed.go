package render

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine"
)

var feedKinds = [...]string{
	engine.RecordDraw:     "draw",
	engine.RecordAdjust:   "adjust",
	engine.RecordPublish:  "publish",
	engine.RecordControl:  "control",
	engine.RecordPolicy:   "policy",
	engine.RecordDocument: "document",
	engine.RecordAbandon:  "abandon",
	engine.RecordFence:    "fence",
	engine.RecordGrant:    "grant",
	engine.RecordRevoke:   "revoke",
	engine.RecordPending:  "pending",
	engine.RecordList:     "list",
	engine.RecordEntrants: "entrants",
	engine.RecordRaffle:   "raffle",
	engine.RecordRedraw:   "redraw",
	engine.RecordSwitch:   "switch",
	engine.RecordApproval: "approval",
	engine.RecordVoid:     "void",
	engine.RecordAward:    "award",
	engine.RecordCodes:    "codes",

	engine.RecordDefensive: "defensive",
	engine.RecordDelivery:  "delivery",
	engine.RecordThaw:      "thaw",

	engine.RecordHit:  "hit",
	engine.RecordHelp: "help",
}

// FeedKind returns the wire name of a kind of record; empty for one that this release does not know.
func FeedKind(k engine.RecordKind) string {
	if IsUnits(k) {
		return unitKinds[k-engine.RecordPool]
	}
	if int(k) < len(feedKinds) {
		return feedKinds[k]
	}
	return ""
}

// AppendFeedItem appends the record at the place as one item of the records feed. campaign is its campaign's id, empty
// for what concerns none. Of a draw version is the version that the record names; else it may be nil.
func AppendFeedItem(dst []byte, ids IDs, campaign string, version *engine.Version, at engine.Location, r *engine.Record) []byte {
	dst = append(append(append(dst, `{"kind":"`...), FeedKind(r.Kind)...), '"')
	if r.Kind == engine.RecordDraw {
		dst = append(dst, `,"draw":"`...)
		dst = append(ids.AppendID(dst, engine.IDDraw, at), '"')
	}
	if campaign != "" {
		dst = AppendString(append(dst, `,"campaign":`...), campaign)
	}
	if r.Version > 0 {
		dst = appendUint(append(dst, `,"version":`...), uint64(r.Version))
	}
	if r.Seq > 0 {
		dst = appendUint(append(dst, `,"seq":`...), r.Seq)
	}
	dst = AppendTime(append(dst, `,"at":`...), r.At)
	if r.Kind == engine.RecordDraw {
		dst = appendFeedDraw(dst, version, r)
	} else if r.Kind == engine.RecordHelp {
		dst = appendFeedHelp(dst, ids, at, r)
	} else {
		dst = appendFeedChange(dst, ids, r)
	}
	dst = appendUint(append(dst, `,"index":`...), uint64(at.Index))
	dst = appendUint(append(dst, `,"ordinal":`...), uint64(at.Ordinal))
	return append(dst, '}')
}

func appendFeedDraw(dst []byte, version *engine.Version, r *engine.Record) []byte {
	dst = AppendString(append(dst, `,"user":`...), r.User)
	if r.Prize == engine.NoPrize {
		dst = append(dst, `,"outcome":"miss"`...)
	} else {
		dst = append(dst, `,"outcome":"win"`...)
		dst = AppendString(append(dst, `,"prize":`...), prizeID(version, r.Prize))
		if amount := amountOf(version, r); amount > 0 {
			dst = appendInt(append(dst, `,"amount":`...), amount)
		}
	}
	if r.Cards > 0 {
		dst = appendUint(append(dst, `,"draws_before":`...), r.Before)
		dst = appendUint(append(dst, `,"scaled_to":`...), r.Cards)
	}
	if r.Natural != engine.NoPrize {
		dst = AppendString(append(dst, `,"natural":`...), prizeID(version, r.Natural))
	}
	if r.Cause != engine.CauseNone {
		dst = AppendString(append(dst, `,"cause":`...), r.Cause.String())
	}
	dst = appendUint(append(dst, `,"draw_number":`...), uint64(r.DrawNumber))
	var word [8]byte
	binary.BigEndian.PutUint64(word[:], r.Word)
	dst = appendHex(append(dst, `,"word":`...), word[:])
	dst = appendHex(append(dst, `,"key_digest":`...), r.Digest[:])
	dst = appendUint(append(dst, `,"part":`...), uint64(r.Part))
	dst = appendUint(append(dst, `,"times":`...), uint64(r.Times))
	dst = append(dst, `,"used":[`...)
	for i, used := range r.Used {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendUint(dst, uint64(used))
	}
	dst = append(dst, ']')
	if r.Prize != engine.NoPrize && r.StockAfter != engine.Unlimited {
		dst = appendInt(append(dst, `,"stock_after":`...), int64(r.StockAfter))
	}
	if m, ok := r.Pity(); ok {
		dst = appendMoves(dst, version, &m)
		if amount := r.ExtraAmount.Amount; amount > 0 {
			dst = appendInt(append(dst, `,"extra_amount":`...), amount)
		}
	}
	dst = appendFeedChances(dst, version, r)
	if id := sessionID(version, r); id != "" {
		dst = AppendString(append(dst, `,"session":`...), id)
	}
	if len(r.Channel) > 0 {
		dst = AppendString(append(dst, `,"channel":`...), r.Channel)
	}
	return appendAudit(dst, r)
}

// amountOf returns what a win pays, in minor units; 0 for nothing.
func amountOf(v *engine.Version, r *engine.Record) int64 {
	if r.Amount > 0 || v == nil || r.Prize < 0 || r.Prize >= len(v.Prizes) {
		return r.Amount
	}
	return v.Prizes[r.Prize].Amount
}

func prizeID(v *engine.Version, ordinal int) string {
	if v == nil || ordinal < 0 || ordinal >= len(v.Prizes) {
		return ""
	}
	return v.Prizes[ordinal].ID
}

// appendFeedChange appends what a record that is not a draw says. An abandoned key's record names its user.
func appendFeedChange(dst []byte, ids IDs, r *engine.Record) []byte {
	switch {
	case len(r.Name) == 0:
	case r.Kind == engine.RecordGrant || r.Kind == engine.RecordRevoke || r.Kind == engine.RecordAbandon || r.Kind == engine.RecordList || r.Kind == engine.RecordThaw || r.Kind == engine.RecordHit:
		dst = AppendString(append(dst, `,"user":`...), r.Name)
	default:
		dst = AppendString(append(dst, `,"name":`...), r.Name)
	}
	if len(r.Actor) > 0 {
		dst = AppendString(append(dst, `,"actor":`...), r.Actor)
	}
	if len(r.Reason) > 0 && r.Kind != engine.RecordAward {
		dst = AppendString(append(dst, `,"reason":`...), r.Reason)
	}
	if r.Kind == engine.RecordList {
		dst = appendFeedList(dst, r)
	}
	dst = appendFeedGrant(dst, r)
	dst = appendFeedHit(dst, r)
	switch r.Kind {
	case engine.RecordAdjust, engine.RecordPolicy, engine.RecordDocument, engine.RecordEntrants, engine.RecordRaffle, engine.RecordRedraw:
		dst = appendInt(append(dst, `,"delta":`...), r.Delta)
	}
	if r.Kind == engine.RecordDocument && r.Flags&1 != 0 {
		dst = append(dst, `,"deleted":true`...)
	}
	return appendFeedAct(dst, ids, r)
}
