// Package problem is the one table of the codes with which drawd refuses, and of what each of them promises.
//
// A code has a name (the "code" member of RFC 9457 problem details), an HTTP status, an effect and a retry rule. The
// engine, the log and the servers all name refusals by these codes, so that there is one mapping and not three.
// Numbers are written into the log and to disk: append only, never reuse one.
package problem

// Code names one refusal. The zero Code means "not refused".
type Code uint8

// Effect tells what a request did, as far as the answering node can know. It is always true.
type Effect uint8

// The effects of a request.
const (
	None    Effect = iota // the request changed nothing
	Unknown               // it may or may not have been decided; ask again with the same key
	Applied               // it was decided
)

// String returns the wire form of e.
func (e Effect) String() string {
	switch e {
	case None:
		return "none"
	case Unknown:
		return "unknown"
	}
	return "applied"
}

// The codes. The groups follow api.md, "Problems".
const (
	OK Code = 0

	BadJSON               Code = 1
	BadFraming            Code = 2
	IdempotencyKeyMissing Code = 3
	IdempotencyKeyInvalid Code = 4

	Unauthenticated   Code = 10
	Forbidden         Code = 11
	ProxyWithoutKeys  Code = 12
	NotEligible       Code = 13
	TicketInvalid     Code = 14
	Blocked           Code = 15
	NotFound          Code = 20
	CampaignNotFound  Code = 21
	DrawNotFound      Code = 22
	HoldNotFound      Code = 23
	PoolNotFound      Code = 24
	KeyUnknown        Code = 25
	NamespaceNotFound Code = 26
	PrizeNotFound     Code = 27

	MethodNotAllowed     Code = 30
	NotAcceptable        Code = 31
	RequestTimeout       Code = 32
	LengthRequired       Code = 33
	BodyTooLarge         Code = 34
	UnsupportedMediaType Code = 35
	HeadersTooLarge      Code = 36

	NotStarted         Code = 40
	Ended              Code = 41
	Paused             Code = 42
	Killed             Code = 43
	Capped             Code = 44
	Exhausted          Code = 45
	NothingLeftForUser Code = 46
	NoChances          Code = 47
	VersionChanged     Code = 48
	InsufficientStock  Code = 49
	HoldExpired        Code = 50
	HoldFinished       Code = 51
	Gone               Code = 52
	StockChanged       Code = 53
	KeyAbandoned       Code = 54
	Conflict           Code = 55
	ChancesFull        Code = 56

	VersionConflict      Code = 60
	PreconditionRequired Code = 61

	UnknownField        Code = 70
	InvalidField        Code = 71
	ScopeValueMissing   Code = 72
	InvalidCampaign     Code = 73
	IdempotencyMismatch Code = 74
	UnknownChannel      Code = 75

	RateLimited Code = 80

	Overloaded     Code = 90
	NoLeader       Code = 91
	StorageLow     Code = 92
	ClockSkew      Code = 93
	Capacity       Code = 94
	CampaignFenced Code = 95
	// RecordElsewhere: it was decided, and this node has not been given the record yet.
	RecordElsewhere Code = 96

	UnknownOutcome Code = 100
	Internal       Code = 101
)

// Info is what a code promises.
type Info struct {
	Name      string // the "code" member
	Title     string // a short sentence, the same for every occurrence
	Status    int    // HTTP status
	Effect    Effect
	Retryable bool // the same request may succeed later without being changed
}

var table = [...]Info{
	BadJSON:               {"bad_json", "The body is not valid JSON.", 400, None, false},
	BadFraming:            {"bad_framing", "The HTTP message is malformed.", 400, None, false},
	IdempotencyKeyMissing: {"idempotency_key_missing", "The Idempotency-Key header is missing.", 400, None, false},
	IdempotencyKeyInvalid: {"idempotency_key_invalid", "The Idempotency-Key must be 1 to 64 visible ASCII characters.", 400, None, false},

	Unauthenticated:   {"unauthenticated", "A valid API key is needed.", 401, None, false},
	Forbidden:         {"forbidden", "The API key does not allow this.", 403, None, false},
	ProxyWithoutKeys:  {"proxy_without_keys", "Without configured keys only direct loopback requests are served.", 403, None, false},
	NotEligible:       {"not_eligible", "The user is not in the audience.", 403, None, false},
	TicketInvalid:     {"ticket_invalid", "The ticket is not valid.", 403, None, false},
	Blocked:           {"blocked", "The user is blocked.", 403, None, false},
	NotFound:          {"not_found", "There is nothing here.", 404, None, false},
	CampaignNotFound:  {"campaign_not_found", "There is no such campaign.", 404, None, false},
	DrawNotFound:      {"draw_not_found", "There is no such draw.", 404, None, false},
	HoldNotFound:      {"hold_not_found", "There is no such hold.", 404, None, false},
	PoolNotFound:      {"pool_not_found", "There is no such pool.", 404, None, false},
	KeyUnknown:        {"key_unknown", "Nothing was decided under this key.", 404, None, false},
	NamespaceNotFound: {"namespace_not_found", "There is no such namespace.", 404, None, false},
	PrizeNotFound:     {"prize_not_found", "There is no such prize.", 404, None, false},

	MethodNotAllowed:     {"method_not_allowed", "The method is not allowed here.", 405, None, false},
	NotAcceptable:        {"not_acceptable", "The requested form is not available.", 406, None, false},
	RequestTimeout:       {"request_timeout", "The request did not arrive in time.", 408, None, true},
	LengthRequired:       {"length_required", "A Content-Length is needed; Transfer-Encoding is refused.", 411, None, false},
	BodyTooLarge:         {"body_too_large", "The body is too large.", 413, None, false},
	UnsupportedMediaType: {"unsupported_media_type", "The content type is not supported.", 415, None, false},
	HeadersTooLarge:      {"headers_too_large", "The headers are too many or too large.", 431, None, false},

	NotStarted:         {"not_started", "The campaign has not started.", 409, None, true},
	Ended:              {"ended", "The campaign has ended.", 409, None, false},
	Paused:             {"paused", "The campaign is paused.", 409, None, true},
	Killed:             {"killed", "This was switched off.", 409, None, true},
	Capped:             {"capped", "A cap is reached.", 409, None, true},
	Exhausted:          {"exhausted", "Nothing is left to win.", 409, None, true},
	NothingLeftForUser: {"nothing_left_for_user", "Nothing is left for this user to win.", 409, None, true},
	NoChances:          {"no_chances", "The user has no chance left.", 409, None, true},
	VersionChanged:     {"version_changed", "The campaign's version or price is not the expected one.", 409, None, false},
	InsufficientStock:  {"insufficient_stock", "There are not enough units.", 409, None, true},
	HoldExpired:        {"hold_expired", "The hold has expired.", 409, None, false},
	HoldFinished:       {"hold_finished", "The hold is already resolved.", 409, None, false},
	Gone:               {"gone", "The unit is gone.", 409, None, false},
	StockChanged:       {"stock_changed", "The stock differs from the file; change it with :adjust.", 409, None, false},
	KeyAbandoned:       {"key_abandoned", "This key was abandoned.", 409, None, false},
	ChancesFull:        {"chances_full", "The user has too many chances of different ends.", 409, None, true},
	Conflict:           {"conflict", "The state does not allow this.", 409, None, false},

	VersionConflict:      {"version_conflict", "The document was changed by somebody else.", 412, None, false},
	PreconditionRequired: {"precondition_required", "An If-Match header is needed.", 428, None, false},

	UnknownField:        {"unknown_field", "A field is not known.", 422, None, false},
	InvalidField:        {"invalid_field", "A field is not valid.", 422, None, false},
	ScopeValueMissing:   {"scope_value_missing", "A value that a cap needs is missing.", 422, None, false},
	InvalidCampaign:     {"invalid_campaign", "The campaign is not valid.", 422, None, false},
	IdempotencyMismatch: {"idempotency_mismatch", "The key was used with a different request.", 422, None, false},
	UnknownChannel:      {"unknown_channel", "The campaign's version does not know this channel.", 422, None, false},

	RateLimited: {"rate_limited", "Too many requests.", 429, None, true},

	Overloaded:     {"overloaded", "The queue is full.", 503, None, true},
	NoLeader:       {"no_leader", "There is no leader at the moment.", 503, None, true},
	StorageLow:     {"storage_low", "Storage is nearly full.", 503, None, true},
	ClockSkew:      {"clock_skew", "The clock cannot be trusted.", 503, None, true},
	Capacity:       {"capacity", "The namespace is at its configured capacity.", 503, None, true},
	CampaignFenced: {"campaign_fenced", "The campaign is fenced: its books do not balance.", 503, None, false},

	RecordElsewhere: {"record_elsewhere", "The record is not on this node yet.", 503, None, true},

	UnknownOutcome: {"unknown_outcome", "The outcome is not known; ask again with the same key.", 504, Unknown, true},
	Internal:       {"internal", "Something went wrong on our side.", 500, Unknown, true},
}

// Info returns what c promises. An unassigned code answers as [Internal].
func (c Code) Info() *Info {
	if int(c) < len(table) && table[c].Name != "" {
		return &table[c]
	}
	return &table[Internal]
}

// String returns the wire name of c, or "ok".
func (c Code) String() string {
	if c == OK {
		return "ok"
	}
	return c.Info().Name
}

// Codes returns every assigned code, ascending: for tests that hold documents against the table.
func Codes() []Code {
	var all []Code
	for c := range table {
		if table[c].Name != "" {
			all = append(all, Code(c))
		}
	}
	return all
}

// Error is a refusal as a Go error: what the log and the servers return when a request was not decided.
type Error struct {
	Code   Code
	Detail string // for a person: what happened, and which knob to turn
	// Undone says that nothing was done, where the code leaves that open. Sending it again does not help.
	Undone bool
}

// Effect tells what the request did.
func (e *Error) Effect() Effect {
	if e.Undone {
		return None
	}
	return e.Code.Info().Effect
}

// Error returns the code and the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code.String() + ": " + e.Code.Info().Title
	}
	return e.Code.String() + ": " + e.Detail
}

// Is makes errors.Is(err, &Error{Code: c}) compare codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// New returns an *Error.
func New(c Code, detail string) *Error { return &Error{Code: c, Detail: detail} }
