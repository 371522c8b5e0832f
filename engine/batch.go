package engine

import "github.com/drawd/drawd/engine/problem"

// Result is what became of one command. It holds no pointers; what it says in words is made by the server.
type Result struct {
	Code     problem.Code // OK: decided
	Replayed bool         // decided earlier under the same idempotency key: At says where; the record there, how many
	Campaign CampaignRef

	// Of a decided command: where its records stand.
	At      Location
	Records uint8  // how many (a draw has one per sub-draw)
	Offset  uint32 // first byte of its records in Batch.Records; valid unless Replayed
	Length  uint32 // of all of them together

	// Of a denial.
	Cap      uint8     // of Capped: index into the version's caps; AggregateBit set: into the namespace's aggregate caps. Of a grant: its GrantReason; of one with InvalidField: the GrantFault
	Used     uint32    // of Capped; of NoChances: the chances that can be spent. Of a grant: the debt that it paid; of a revocation: what became debt
	Limit    uint32    // of Capped; of NoChances: the price of a draw. Of a grant or revocation: the chances left
	Allowed  uint8     // of Capped and NoChances: how many sub-draws would fit
	ResetsAt UnixMilli // of Capped: when the counter resets, 0 for never; of NotStarted: when the campaign starts
	Now      UnixMilli // of Capped, NotStarted, Ended: the time that was compared

	Value uint64 // publish: version number; adjust: the new total (of a replay the total of now; its record has the one of then); document, policy: the new revision (on VersionConflict the current one); namespace: its ref; grant: what it gave; revocation: what it took back; hold, extension: the deadline in ms; take, confirmation: the units that the owner has of it; pool: its revision
	// Limited says, of a Conflict, that an operator's daily value stands against it: Value is what he awarded today.
	Limited bool
	// Unvalued says, of a Conflict, that an operator's daily value is in force and the prize's value is not known.
	Unvalued bool
	// Pending says that the command waits for approval: Value is the request's number.
	Pending   bool
	Pool      PoolRef   // of a hold, take or confirmation that is refused: the pool that refuses it. Of a pool's making and adjustment: it
	State     HoldState // of HoldFinished and HoldExpired: how the hold ended. Of a resolution: how it ends
	MayReturn bool      // of InsufficientStock: units that are held or not released yet may come back
	// AlreadyLive says that nothing had to be done: the published form is the live one, the campaign already is paused, the
	// namespace exists.
	AlreadyLive bool
}

// AggregateBit marks Result.Cap as an index into the namespace's aggregate caps.
const AggregateBit = 0x80

// Batch carries commands into the log and their results out of it. A caller encodes commands into it, hands it to the
// log (or to Engine.Decide as a library), and reads the results when that returns. It may then be reset and used again.
// Commands of one batch stand next to each other in one entry, in order; they are not atomic together.
//
// A batch belongs to one goroutine at a time. After an error whose effect is unknown it must be dropped, not reused.
type Batch struct {
	commands []byte
	count    int

	Index   LogIndex  // the entry that decided
	Time    UnixMilli // its log time
	Results []Result  // one per command, in order
	Records []byte    // the encoded records of this batch's commands; see Result.Offset and DecodeRecord

	// Positions, as a library, are those that Decide took for this batch, ascending, whether or not it returned an error: a
	// keeper of records knows by them that nothing is missing. Through a log the one position is Index.
	Positions []Position
}

// Position is one place in the order of a library's decisions, and where its records begin in Batch.Records: they reach
// up to those of the next one. A position may have none.
type Position struct {
	Index LogIndex
	Start uint32
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	b.commands, b.count = b.commands[:0], 0
	b.Index, b.Time, b.Results, b.Records, b.Positions = 0, 0, b.Results[:0], b.Records[:0], b.Positions[:0]
}

// Len returns the number of commands in b.
func (b *Batch) Len() int { return b.count }

// Commands returns the encoded commands: what an entry carries.
func (b *Batch) Commands() []byte { return b.commands }

// Draw is one draw command.
type Draw struct {
	Campaign CampaignRef
	User     Key    // Keyer.User of UserID
	UserID   []byte // as the caller sent it; recorded
	Digest   Key    // Keyer.Digest of the idempotency key
	Device   Key    // Keyer.Device, when HasDevice
	IP       Key    // Keyer.IP, when HasIP
	Channel  []byte // empty for none

	Times         uint8 // 1 to MaxTimes
	Listed        bool  // the request named "times", so the answer is a list
	HasDevice     bool
	HasIP         bool
	ExpectVersion uint32 // 0 for any
	MaxPrice      uint32 // 0 for any
	Eligibility          // what only some draws carry
}

// Publish makes a version live. The first publish of a campaign creates it and fixes its seed.
type Publish struct {
	Namespace  NamespaceRef
	Version    *Version // Number and Hash are given by the engine; Salt by the caller, from crypto/rand
	SealedSeed []byte   // SealSeed of 16 bytes of crypto/rand; used at the first publish only
	Actor      string
	Reason     string
	// Expect is the number of the live version with which this one was compared, NoVersion for a campaign that is new; 0
	// compares nothing. Where another one is live, nothing is published: version_conflict, with its number as Value.
	Expect uint32
}

// NoVersion, as an expected version, means that none is live.
const NoVersion = 1<<32 - 1

// Action is what Control does to a campaign.
type Action uint8

// The actions. Numbers are in the log.
const (
	ActionPause Action = 1 + iota
	ActionResume
	ActionEnd
)

// String returns the wire name of a.
func (a Action) String() string {
	switch a {
	case ActionPause:
		return "pause"
	case ActionResume:
		return "resume"
	}
	return "end"
}

// Control pauses, resumes or ends a campaign. Repeating it succeeds and changes nothing.
type Control struct {
	Campaign      CampaignRef
	Action        Action
	ExtendByPause bool // resume: the end moves by the length of the pause
	Actor         string
	Reason        string
}

// Adjust changes the stock of one prize by a delta. It is remembered under its idempotency key.
type Adjust struct {
	Campaign CampaignRef
	Prize    string
	Delta    Quantity
	Digest   Key // Keyer.Digest of the actor's idempotency key
	Actor    string
	Reason   string
}

// PutPolicy replaces a namespace's policy.
type PutPolicy struct {
	Namespace NamespaceRef
	Expect    uint64 // the revision it replaces; AnyRevision for whatever it is
	Policy    *NamespacePolicy
	Actor     string
}

// PutDocument writes or deletes one small control-plane document. Documents never decide a draw.
type PutDocument struct {
	Namespace NamespaceRef
	Name      string // for instance "draft/double11", "key/3f…"
	Expect    uint64 // the revision it replaces, 0 for "must not exist"; AnyRevision for whatever it is
	Delete    bool
	Body      []byte
	Actor     string
}

// AnyRevision, as an expected revision, means "whatever is there".
const AnyRevision = 1<<64 - 1

// Abandon answers the first result of a draw's key if there is one, and otherwise fences the key for ever.
type Abandon struct {
	Campaign CampaignRef
	User     Key
	Digest   Key
	UserID   []byte
	Actor    string
}

// Init is the first command of a cluster's first entry. Everything in it comes from crypto/rand.
type Init struct {
	ClusterID [16]byte
	IDKey     [16]byte // AES key of the public ids
	Namespace NewNamespace
}

// NewNamespace creates a namespace. Repeating the name succeeds and returns the existing one.
type NewNamespace struct {
	Name   string
	Secret [16]byte // key of the namespace's Keyer, from crypto/rand
}
