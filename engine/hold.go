package engine

// HoldState is where a hold or a take stands. Numbers are on disk.
type HoldState uint8

// The states. All but StateHeld are ends; only a void leaves StateConfirmed and StateTaken.
const (
	StateHeld HoldState = 1 + iota
	StateConfirmed
	StateReleased
	StateExpired
	StateVoided
	StateTaken // units taken at once
	holdStates
)

var holdStateNames = [holdStates]string{"", "held", "confirmed", "released", "expired", "voided", "taken"}

// String returns the wire name of s.
func (s HoldState) String() string {
	if s < holdStates {
		return holdStateNames[s]
	}
	return "unknown"
}

// ParseHoldState returns the state with the wire name s.
func ParseHoldState(s string) (HoldState, bool) {
	for i := StateHeld; i < holdStates; i++ {
		if holdStateNames[i] == s {
			return i, true
		}
	}
	return 0, false
}

// HoldRef names a hold or a take: where its record stands, and which shard has its row: the first ten bits of its owner's
// key. Public ids are made from it: Engine.AppendHoldID.
type HoldRef struct {
	At   Location
	Home uint16
}

// RefOf returns the ref of the hold or take whose record stands at l.
func RefOf(l Location, owner *Key) HoldRef {
	return HoldRef{l, uint16(owner[0])<<2 | uint16(owner[1])>>6}
}

// Item is units of one pool.
type Item struct {
	Pool  PoolRef
	Units Quantity // 1 to MaxHoldUnits, of all items of a hold together
}

// Hold sets units aside for an owner until its deadline: all items or none. It is remembered under its key, also when it is
// refused.
type Hold struct {
	Namespace NamespaceRef
	Owner     Key    // Keyer.User of OwnerID
	OwnerID   []byte // as the caller sent it; recorded
	Digest    Key    // Keyer.Hold
	Ref       []byte // the host's, for instance an order id; recorded
	TTL       int64  // ms; 0: the shortest of its pools
	Items     []Item // 1 to MaxHoldItems; units of one pool are added up
	Actor     string
}

// Take takes units for an owner at once. It is remembered under its key, also when it is refused.
type Take struct {
	Namespace NamespaceRef
	Pool      PoolRef
	Units     Quantity
	Owner     Key
	OwnerID   []byte
	Digest    Key // Keyer.Take
	Ref       []byte
	Actor     string
}

// ConfirmHold makes a hold's units the owner's: all, or the part that Items names, and the rest comes back. Repeating it
// changes nothing.
type ConfirmHold struct {
	Namespace NamespaceRef
	Hold      HoldRef
	Items     []Item // none: all
	// Reacquire says that a hold that has expired takes free units instead, or is gone.
	Reacquire bool
	Actor     string
}

// ReleaseHold gives a hold's units back. Repeating it changes nothing.
type ReleaseHold struct {
	Namespace NamespaceRef
	Hold      HoldRef
	Actor     string
	Reason    string
}

// ExtendHold moves a hold's deadline: to a time, or to so long from now. It never comes nearer, and ends at the longest that the
// hold's pools allow.
type ExtendHold struct {
	Namespace NamespaceRef
	Hold      HoldRef
	Until     UnixMilli // 0: by TTL
	TTL       int64     // ms; 0 with Until 0: the shortest of its pools
	Actor     string
}

// VoidHold takes a confirmed hold back, once. By the fault of the system or of the user its units are available again, by
// abuse they are withdrawn; what the owner has is less only by a fault of the system.
type VoidHold struct {
	Namespace NamespaceRef
	Hold      HoldRef
	Fault     VoidFault
	Actor     string
	Reason    string
}

// VoidTake is VoidHold for a take.
type VoidTake struct {
	Namespace NamespaceRef
	Take      HoldRef
	Fault     VoidFault
	Actor     string
	Reason    string
}

// HoldCap says which bound of an owner refused a hold or take: Result.Cap of Capped. Numbers are on disk.
type HoldCap uint8

// The bounds of an owner.
const (
	HoldCapOpen        HoldCap = 1 + iota // open holds: MaxOpenHolds
	HoldCapCooldown                       // Result.ResetsAt says until when
	HoldCapUnconfirmed                    // holds that ended without being confirmed
	HoldCapLimit                          // limit_per_owner
	holdCaps
)

var holdCapNames = [holdCaps]string{"", "open_holds", "cooldown", "max_unconfirmed", "limit_per_owner"}

// String returns the wire name of c.
func (c HoldCap) String() string {
	if c < holdCaps {
		return holdCapNames[c]
	}
	return "unknown"
}
