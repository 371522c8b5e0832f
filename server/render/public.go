package render

import "github.com/drawd/drawd/engine/problem"

// Public is a refusal as a player may see it: a few words that tell what he can do, and nothing of stock, odds, caps,
// releases or switches. Several codes share one, with one status, so that they cannot be told apart.
type Public struct {
	Name   string // the "public_code" member
	Title  string
	Status int // 0: the code's own
}

// The public codes. Names are contract.
var publics = [...]Public{
	{"not_open", "Not open at the moment.", 409},
	{"over", "It is over.", 409},
	{"not_allowed", "Not for you.", 403},
	{"limit_reached", "No more draws for now.", 409},
	{"try_again", "Please try again.", 0},
	{"bad_request", "The request is not valid.", 0},
}

const (
	publicNotOpen = iota
	publicOver
	publicNotAllowed
	publicLimit
	publicTryAgain
	publicBad
)

// PublicOf returns what a player may see of a code.
func PublicOf(c problem.Code) *Public {
	switch c {
	case problem.NotStarted, problem.Paused, problem.Killed, problem.CampaignFenced, problem.CampaignNotFound:
		return &publics[publicNotOpen]
	case problem.Ended, problem.Exhausted, problem.NothingLeftForUser:
		return &publics[publicOver]
	case problem.NotEligible, problem.TicketInvalid, problem.Blocked, problem.Unauthenticated, problem.Forbidden:
		return &publics[publicNotAllowed]
	case problem.Capped, problem.NoChances:
		return &publics[publicLimit]
	}
	if info := c.Info(); info.Status >= 500 || info.Status == 429 || info.Status == 408 {
		return &publics[publicTryAgain]
	}
	return &publics[publicBad]
}

// PublicNames returns every public code: what the documentation is held against.
func PublicNames() (names []string) {
	for _, p := range publics {
		names = append(names, p.Name)
	}
	return names
}

// RetryAfter reports whether the answer says when to try again.
func (p *Public) RetryAfter() bool { return p == &publics[publicTryAgain] }

// AppendPublic appends p as a player may see it. Faults of what was sent are told; facts of the campaign are not.
func AppendPublic(dst []byte, p *Problem) []byte {
	info, public := p.Code.Info(), PublicOf(p.Code)
	status := public.Status
	if status == 0 {
		status = info.Status
	}
	dst = append(append(append(dst, `{"type":"`+typePrefix...), public.Name...), `","title":`...)
	dst = AppendString(dst, public.Title)
	dst = appendUint(append(dst, `,"status":`...), uint64(status))
	dst = AppendString(append(dst, `,"detail":`...), public.Title)
	dst = append(append(dst, `,"public_code":"`...), public.Name...)
	dst = append(append(dst, `","effect":"`...), p.Effect().String()...)
	dst = appendBool(append(dst, `","retryable":`...), public == &publics[publicTryAgain])
	dst = append(append(dst, `,"request_id":"`...), p.RequestID...)
	dst = append(dst, '"')
	if public == &publics[publicBad] && len(p.Errors) > 0 {
		dst = appendErrors(dst, p.Errors)
	}
	return append(dst, '}')
}
