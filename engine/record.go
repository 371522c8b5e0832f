package engine

// RecordKind says what a record tells. Numbers are on disk.
type RecordKind uint8

// The kinds of record.
const (
	RecordDraw RecordKind = 1 + iota
	RecordAdjust
	RecordPublish
	RecordControl
	RecordPolicy
	RecordDocument
	RecordAbandon
	RecordFence
)

// Of chances.
const (
	RecordGrant  RecordKind = 20 // Name is the user, Delta what was granted, Total what was asked for
	RecordRevoke RecordKind = 21 // Delta is what was taken back, Total what had been granted
)

// RecordPending is the kind of record of a publish at a time to come: Name is the campaign, Delta the time in ms. Flags say
// that it was withdrawn, or refused when its time came.
const RecordPending RecordKind = 30

// RecordList is the kind of record of a change of a list of users.
const RecordList RecordKind = 40

// The kinds of record of what operators do while a campaign runs.
const (
	RecordSwitch RecordKind = 50 + iota
	RecordApproval
	RecordVoid      // Name is the books that units came back to, Total how many, Delta the draw: VoidLocation
	RecordAward     // Name is the books, Total the units, Delta the prize's index; see Award
	RecordCodes     // Name is the prize, Delta the codes that were added, Total the units after that; with CodesLow the codes left
	RecordDefensive // Name is the campaign, Delta the version that it was set against; with DefensiveDropped it was taken away
	RecordDelivery  // Name is the prize, Delta the draw (VoidLocation), Flags the AwardState that it has now
	RecordThaw      // Name is the user
	recordActsEnd
)

// DefensiveDropped is a flag of a RecordDefensive. PublishDefensive is one of a RecordPublish: the defensive version was
// switched on.
const (
	DefensiveDropped = 1 << iota
	PublishDefensive
)

// The kinds of record of pools and holds. Name of those of holds and takes is the owner where a command names him, Reason
// the host's reference; what was moved is in Record.Moves.
const (
	RecordPool        RecordKind = 85 + iota // Name is the pool, Delta its policy's revision, Total its total
	RecordPoolAdjust                         // Name is the pool, Delta the units, Total the total after it
	RecordTake                               // Flags say why not: Record.HoldRefusal
	RecordHold                               // Delta is the latest deadline that it can be extended to, Total the deadline, ms; Flags as of a take
	RecordConfirm                            // Delta is the hold: Record.HoldLocation; Flags: ConfirmedPart, ConfirmedLate
	RecordRelease                            // Delta is the hold
	RecordExtend                             // Delta is the hold, Total the deadline, ms
	RecordHoldVoid                           // Delta is the hold or take, Flags the fault
	RecordPoolReturn                         // units of expired holds, and those that were spread, came back: Name is the pool, Delta the units, Total what is available
	RecordPoolLow                            // Name is the pool, Total what is available
	RecordPoolSoldOut                        // nothing is available
	RecordPoolFence                          // Name is the pool, Reason the rule that its books broke
	recordHoldsEnd
)

// Of fatigue.
const (
	RecordHit  RecordKind = 80 // Name is the user, Delta how many, Total what the cap counts after them; see Hit
	RecordHelp RecordKind = 81 // Name is the owner, Actor the helper; see Help
)

// other reports whether k is a kind of record but a draw's.
func (k RecordKind) other() bool {
	return k > RecordDraw && k <= RecordFence || k == RecordGrant || k == RecordRevoke || k == RecordPending || k == RecordList || k >= RecordEntrants && k < recordRafflesEnd || k >= RecordSwitch && k < recordActsEnd ||
		k >= RecordPool && k < recordHoldsEnd || k == RecordHit || k == RecordHelp
}

// Cause says why a draw did not give the prize that its word named. Numbers are on disk.
type Cause uint8

// The causes.
const (
	CauseNone Cause = iota
	CauseSoldOut
	CauseNotReleased
	CauseBudget
	CauseSwitchedOff
	CauseRestricted
	CauseUserPrizeCap
	CauseWinCap
	CauseAmountCap
	CauseChancesClosed // of a prize of chances: the campaign that they are for is over
)

var causes = [...]string{"", "sold_out", "not_released", "budget", "switched_off", "restricted", "user_prize_cap", "win_cap", "amount_cap", "chances_closed"}

// String returns the wire name of c; empty for CauseNone.
func (c Cause) String() string { return causes[c] }

// NoPrize is the ordinal of the miss.
const NoPrize = -1

// CurrentRenderer is the renderer that a draw is recorded with today (architecture.md, Disk: renderers are append-only).
const CurrentRenderer = 1

// AmountPaid is the amount of a win, minor units, and the span that it was taken from; zero for none.
type AmountPaid struct{ Amount, AmountLeast, AmountMost int64 }

// Record is what is kept of one thing that happened, decoded. The byte slices alias the encoded record.
type Record struct {
	Kind     RecordKind
	Renderer uint8
	Campaign CampaignRef // 0 for what concerns no campaign
	Version  uint32      // the version in force; of RecordPublish the new one
	Seq      uint64      // of the campaign; 0 where none was given
	At       UnixMilli   // log time

	// Of a draw.
	User       []byte
	Channel    []byte
	Digest     Key    // the idempotency key in its scope, hashed; with the user's key, DrawNumber and the seed it gives Word again
	DrawNumber uint32 // counts this user's draws in this campaign, from 1
	Word       uint64 // the random number that decided
	Natural    int    // prize ordinal (index into the version's prizes) named by the word; NoPrize for the miss
	Prize      int    // what was given; NoPrize for a miss
	Cause      Cause
	Part       uint8    // 0-based number of this sub-draw
	Times      uint8    // how many sub-draws the request had
	Listed     bool     // the request named "times": it is answered with a list
	Used       []uint32 // counters after the draw, of the version's caps with ScopeUser in file order (saturated)
	StockAfter Quantity // available units of the prize after the draw; Unlimited
	Previous   Location // the user's previous draw in this campaign
	PrevWin    Location // the user's previous win in this campaign
	Session    uint16   // 1-based number in Version.Sessions; 0 for none
	Sections   []byte   // what only some campaigns record, encoded (section.go); the fields below are decoded from it

	// Decoded from Sections.
	AmountPaid             // what Prize pays, where that was decided in the draw; else it is its Prize.Amount
	Before      uint64     // of a campaign with a mode: draws before this one
	Cards       uint64     // and what the word was scaled to: the cards left, or the denominator
	ExtraAmount AmountPaid // the same of a prize on top, which a pity gave

	// Of everything else.
	Name   []byte // prize id (adjust), document name, action (control), scope (switch), subject (approval), namespace (policy), rule (fence)
	Actor  []byte
	Reason []byte
	Delta  int64 // adjust: units; document and policy: the new revision; approval: the request's number
	// Total, of an adjustment: the prize's total after it, so that a replay is answered like the first time.
	Total Quantity
	// Namespace, of what concerns no campaign: whose it is.
	Namespace NamespaceRef
	Flags     uint32 // document: 1 when it was deleted; switch: SwitchTurnedOn …; approval: ApprovalRequested …
}
