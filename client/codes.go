package client

// Code is the "code" of a problem: a word of the contract that a program can compare. It is an error, so that
//
//	errors.Is(err, client.ErrCapped)
//
// tells why a call was refused. A newer server may have codes that are not listed here; compare with Code("…") then.
type Code string

// Error returns the code.
func (c Code) Error() string { return string(c) }

// The codes, in the order of the table of package engine/problem.
const (
	ErrBadJSON               Code = "bad_json"
	ErrBadFraming            Code = "bad_framing"
	ErrIdempotencyKeyMissing Code = "idempotency_key_missing" // also from this package, unsent
	ErrIdempotencyKeyInvalid Code = "idempotency_key_invalid" // also from this package, unsent

	ErrUnauthenticated   Code = "unauthenticated"
	ErrForbidden         Code = "forbidden"
	ErrProxyWithoutKeys  Code = "proxy_without_keys"
	ErrNotEligible       Code = "not_eligible"
	ErrTicketInvalid     Code = "ticket_invalid"
	ErrBlocked           Code = "blocked"
	ErrNotFound          Code = "not_found"
	ErrCampaignNotFound  Code = "campaign_not_found"
	ErrDrawNotFound      Code = "draw_not_found"
	ErrHoldNotFound      Code = "hold_not_found"
	ErrPoolNotFound      Code = "pool_not_found"
	ErrKeyUnknown        Code = "key_unknown"
	ErrNamespaceNotFound Code = "namespace_not_found"
	ErrPrizeNotFound     Code = "prize_not_found"

	ErrMethodNotAllowed     Code = "method_not_allowed"
	ErrNotAcceptable        Code = "not_acceptable"
	ErrRequestTimeout       Code = "request_timeout"
	ErrLengthRequired       Code = "length_required"
	ErrBodyTooLarge         Code = "body_too_large"
	ErrUnsupportedMediaType Code = "unsupported_media_type"
	ErrHeadersTooLarge      Code = "headers_too_large"

	ErrNotStarted         Code = "not_started"
	ErrEnded              Code = "ended"
	ErrPaused             Code = "paused"
	ErrKilled             Code = "killed"
	ErrCapped             Code = "capped"
	ErrExhausted          Code = "exhausted"
	ErrNothingLeftForUser Code = "nothing_left_for_user"
	ErrNoChances          Code = "no_chances"
	ErrVersionChanged     Code = "version_changed"
	ErrInsufficientStock  Code = "insufficient_stock"
	ErrHoldExpired        Code = "hold_expired"
	ErrHoldFinished       Code = "hold_finished"
	ErrGone               Code = "gone"
	ErrStockChanged       Code = "stock_changed"
	ErrKeyAbandoned       Code = "key_abandoned"
	ErrConflict           Code = "conflict"
	ErrChancesFull        Code = "chances_full"

	ErrVersionConflict      Code = "version_conflict"
	ErrPreconditionRequired Code = "precondition_required"

	ErrUnknownField        Code = "unknown_field"
	ErrInvalidField        Code = "invalid_field" // also from this package, unsent
	ErrScopeValueMissing   Code = "scope_value_missing"
	ErrInvalidCampaign     Code = "invalid_campaign"
	ErrIdempotencyMismatch Code = "idempotency_mismatch"
	ErrUnknownChannel      Code = "unknown_channel"

	ErrRateLimited Code = "rate_limited"

	ErrOverloaded     Code = "overloaded"
	ErrNoLeader       Code = "no_leader"
	ErrStorageLow     Code = "storage_low"
	ErrClockSkew      Code = "clock_skew"
	ErrCapacity       Code = "capacity"
	ErrCampaignFenced Code = "campaign_fenced"

	ErrRecordElsewhere Code = "record_elsewhere"

	ErrUnknownOutcome Code = "unknown_outcome" // also of every *Unanswered whose effect is unknown
	ErrInternal       Code = "internal"
)
