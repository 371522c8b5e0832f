package engine

// Version is one published form of a campaign: immutable, numbered, compiled. A campaign file is compiled to it by
// package engine/campaignfile; everything that decides a draw is in here as an integer.
type Version struct {
	Campaign string // id, unique in its namespace
	Number   uint32 // from 1; given by the engine when the version is published

	TimeZone    string       // IANA name, for people; the engine uses Transitions
	Transitions []Transition // offsets of the zone, ascending; the first is in force from the beginning of time
	StartsAt    UnixMilli    // draws count in [StartsAt, EndsAt)
	EndsAt      UnixMilli

	Denominator   uint32 // odds are weight / Denominator
	Guaranteed    bool   // the weights sum to Denominator exactly
	ExpectedUsers uint64 // pages for so many users are allocated at publish; 0 for none

	Exhausted     Policy // what happens when every prize is out: Deny, Miss or End
	UserExhausted Policy // what happens when every prize is out for one user by his own caps: Deny or Miss

	Caps    []Cap
	Prizes  []Prize
	Chances *Chances // nil: free
	Pity    []Pity
	Helps   *Helps // nil: a help gives nothing

	Amounts  []Amount // of prizes whose amount is not simply the same every time, ascending by prize
	Budget   Budget
	Audience *Audience // nil: everybody may draw
	Mode     Mode
	Boosts   []Boost // of prizes that share their weight when they are out, ascending by prize
	Guard    *Guard  // nil: nothing stops the campaign but people

	Sets     []PrizeSet // what can be won in Sessions
	Sessions []Session  // by time; none: the campaign is one
	Channels []Channel  // none: any channel is taken, and all are alike

	Schedules []Schedule
	Codes     []PrizeCodes // what prizes hand out, ascending by prize
	Releases  []Release    // prizes that a schedule releases, ascending; the others are available from the start

	Deliveries []Delivery // prizes whose wins are delivered in steps, ascending; the others are final at once

	PoolPrizes []PoolPrize // prizes whose units come from a pool, ascending; the others have their own

	Title    []byte // JSON object {"en": …}, canonical
	Document []byte // the campaign file as canonical JSON: what was published, for people and for the next draft
	// Hash is SHA-256(salt ‖ compiled form): public at once, so that nobody can change the version later; the salt
	// is revealed after the end, so that nobody can guess the odds from it before.
	Hash [32]byte
	Salt [16]byte

	form []byte // what appendForm writes, kept once the version is installed
}

// Transition says that from At on the zone's local time is UTC + OffsetSeconds.
type Transition struct {
	At            UnixMilli
	OffsetSeconds int32
}

// Policy says what a draw does when there is nothing to win.
type Policy uint8

// The policies. The zero value is the documented default, Deny.
const (
	Deny Policy = iota // a denial: nothing is consumed
	Miss               // the draw goes on and misses
	End                // the campaign ends
)

// Prize is something that can be won.
type Prize struct {
	ID          string
	Kind        PrizeKind
	Weight      uint32
	Stock       Quantity // opening total of the version that introduces the id; Unlimited; StockUnstated later
	Units       uint32   // units of stock per win, ≥ 1
	Value       int64    // minor units, for figures
	Amount      int64    // what a cash, points or chance prize pays, minor units; 0 for none
	Unavailable Unavailable
	Fallback    int16  // index into Prizes, for OnFallback; else -1
	Slot        int16  // where a wheel stops; -1 for none
	Unlisted    bool   // not shown on the public page
	Title       []byte // JSON object, canonical
}

// Special values of Prize.Stock.
const (
	Unlimited     Quantity = -1 // never runs out; counts what was issued only
	StockUnstated Quantity = -2 // the file does not name a stock: keep the current one
)

// Unavailable is what happens when a prize is hit that cannot be given.
type Unavailable uint8

// The ways out of an unavailable prize.
const (
	OnMiss Unavailable = iota
	OnFallback
	OnRedistribute // its weight goes to the other prizes: see Version.Boosts
)

// PrizeKind says what kind of thing a prize is.
type PrizeKind uint8

// The kinds of prize. Numbers are on disk.
const (
	KindPhysical PrizeKind = iota
	KindCoupon
	KindCode
	KindCash
	KindPoints
	KindThanks
	KindVirtual
	KindChance // pays Amount chances
)

var prizeKinds = [...]string{"physical", "coupon", "code", "cash", "points", "thanks", "virtual", "chance"}

// String returns the wire name of k.
func (k PrizeKind) String() string {
	if int(k) < len(prizeKinds) {
		return prizeKinds[k]
	}
	return "unknown"
}

// ParsePrizeKind returns the kind with the wire name s.
func ParsePrizeKind(s string) (PrizeKind, bool) {
	for k, name := range prizeKinds {
		if name == s {
			return PrizeKind(k), true
		}
	}
	return 0, false
}

// Cap is a frequency cap: the rule. A user's counters against it are his fatigue.
type Cap struct {
	ID     string
	Counts Counts
	Scope  Scope
	Window Window
	Limit  uint32
	Prize  int16 // index into Prizes: counts wins or the amount of this prize only; -1 for any
	// Attribute, of ScopeAttribute, is an index into Audience.Attributes: the cap counts by the value of that attribute.
	Attribute uint8
	// DenyWhenReached, of a cap on wins or amounts: a draw is denied when the cap is reached before its first sub-draw. Without
	// it a win beyond the cap becomes a miss.
	DenyWhenReached bool
}

// Counts is what a cap counts.
type Counts uint8

// The things that caps count. Numbers are on disk.
const (
	CountDraws Counts = iota
	CountWins
	CountAmount  // minor units of cash; with Cap.Prize what that prize pays
	CountAssists // helps of the helper
	CountInvites // helps of the owner
	countKinds
)

// countReserved marks a place in a row that is a feature's own and not a cap's.
const countReserved Counts = 255

// Scope is whose counter a cap moves.
type Scope uint8

// The scopes. Numbers are on disk.
const (
	ScopeUser Scope = iota
	ScopeDevice
	ScopeIP
	scopes = 3 // those that have a place in every row array
	// ScopeAttribute is the first of the scopes of attributes: of Cap.Scope the only one, in results and counters one for
	// each attribute that the campaign's caps ever counted by.
	ScopeAttribute Scope = scopes
	subjects             = scopes + MaxAttributeScopes
)

// String returns the wire name of s.
func (s Scope) String() string {
	return [...]string{"user", "device", "ip", "attribute"}[min(s, ScopeAttribute)]
}

// WindowKind is a kind of window in which a cap counts.
type WindowKind uint8

// The kinds of window. Numbers are on disk.
const (
	WindowCampaign WindowKind = iota // for the campaign's life
	WindowHour                       // calendar windows, in the campaign's zone
	WindowDay
	WindowWeek // starts on Monday
	WindowMonth
	WindowRolling  // the last Duration ms, exact
	WindowCooldown // at most one within Duration ms; Limit is 1
	WindowSession  // the campaign's session
)

// Window is the time over which a cap counts.
type Window struct {
	Kind     WindowKind
	Duration int64 // ms, for WindowRolling and WindowCooldown
}

// AggregateCap is a cap of a namespace, counted over all its campaigns in the same step.
type AggregateCap struct {
	ID     string
	Counts Counts
	Scope  Scope
	Window Window
	Limit  uint32
}

// NamespacePolicy is what an operator sets for a whole namespace. It decides, so it is engine state and no document.
type NamespacePolicy struct {
	Revision      uint64 // moves by one with every change; 0 before the first
	TimeZone      string
	Transitions   []Transition
	AggregateCaps []AggregateCap
	MaxUsers      uint64 // 0 means DefaultMaxUsers
	MaxKeys       uint64 // 0 means DefaultMaxKeys
	Purses        []Purse
	FatigueCaps   []FatigueCap
	AwardLimit    int64  // value of what one operator may award in a day, minor units; 0 for no limit
	Approvals     uint8  // people besides the one who asks, for what one may not do alone; 0 to MaxApprovers
	Document      []byte // the policy as canonical JSON, with what the engine does not decide (user_pattern)
}
