package drawd

import (
	"regexp"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// User is what a campaign knows of one user, in one cut.
type User struct {
	Draws   int
	Caps    []engine.CapUse // of the user's own: those above all campaigns, then the campaign's
	Pity    []engine.PityUse
	Chances *engine.ChanceUse // nil for a campaign without
	// Denied is the *Error that would refuse a draw now; nil when he can draw, as far as it depends on him alone.
	Denied error
}

// User returns what the campaign knows of a user. Asking changes nothing.
func (c *Campaign) User(user string) (User, error) {
	if !names.Subject(user) {
		return User{}, invalid("User must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	}
	s := c.db.engine.UserState(c.c, c.db.keyer.User([]byte(user)), max(c.db.now(), c.db.engine.LogTime()))
	u := User{Draws: int(s.Draws), Caps: s.Caps, Pity: s.Pity, Chances: s.Chances}
	if s.CanDraw.Code != problem.OK {
		u.Denied = c.db.denied(&s.CanDraw, c.ID(), user, "")
	}
	return u, nil
}

// checkUser refuses who cannot be a user, or whom the policy does not allow.
func (db *DB) checkUser(user string) *Error {
	switch {
	case !names.Subject(user):
		return invalid("User must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	case !db.users.allow(db.namespace.Policy(), user):
		return invalid("the policy (user_pattern) does not allow this User")
	}
	return nil
}

// userPattern is the pattern of the policy in force, compiled once for each policy.
type userPattern struct {
	last atomic.Pointer[compiledPattern]
}

type compiledPattern struct {
	policy  *engine.NamespacePolicy
	pattern *regexp.Regexp // nil for none
}

func (u *userPattern) allow(p *engine.NamespacePolicy, user string) bool {
	last := u.last.Load()
	if last == nil || last.policy != p {
		last = &compiledPattern{p, campaignfile.UserPattern(p)}
		u.last.Store(last)
	}
	return last.pattern == nil || last.pattern.MatchString(user)
}
