package drawd

import (
	"context"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// GrantRequest gives a user chances for an event of the host's. Source and Event are its idempotency key.
type GrantRequest struct {
	User   string
	Source string // one that the campaign's file declares
	Event  string // 1 to 64 visible ASCII characters
	Amount int    // 1 to 100 000 000 chances
	// OccurredAt is when the event happened, zero for now; an event that is more than a day old gives nothing.
	OccurredAt time.Time
	// EffectiveAt and ExpiresAt bound when the chances can be spent: zero for at once, and for what the source says.
	EffectiveAt, ExpiresAt time.Time
	Reason                 string
}

// Granted is what a grant gave.
type Granted struct {
	Chances int    // that it gave; fewer than were asked for where Reason says why
	Reason  string // "daily_limit", "late_event", "ended", "expired", or nothing
	Left    int    // chances that the user has now
	Already bool   // it was granted before
}

// The texts of what is wrong with a grant.
var grantFaults = [...]string{
	engine.FaultSource:    "the campaign has no such source",
	engine.FaultOccurred:  "OccurredAt is more than 5 s ahead of log time",
	engine.FaultEffective: "the chances would end before they begin",
	engine.FaultExpires:   "ExpiresAt is beyond what can be kept",
}

// Grant gives a user chances, once for the source and event. What a daily limit or the time cuts is no error: see Granted.
func (c *Campaign) Grant(ctx context.Context, q GrantRequest) (Granted, error) {
	if err := c.db.checkUser(q.User); err != nil {
		return Granted{}, err
	}
	if err := checkEvent(q.User, q.Source, q.Event, q.Reason); err != nil {
		return Granted{}, err
	}
	if q.Amount < 1 || q.Amount > engine.MaxGrant {
		return Granted{}, invalid("Amount is %d: it must be 1 to %d", q.Amount, engine.MaxGrant)
	}
	k := c.db.begin()
	defer c.db.end(k)
	k.user = append(k.user[:0], q.User...)
	k.batch.AddGrant(&engine.Grant{
		Campaign: c.c.Ref(), User: c.db.keyer.User(k.user), UserID: k.user, Source: q.Source, Event: q.Event, Amount: uint32(q.Amount),
		OccurredAt: instant(q.OccurredAt), EffectiveAt: instant(q.EffectiveAt), ExpiresAt: instant(q.ExpiresAt),
		Priority: engine.SourcePriority, Actor: c.db.options.Actor, Reason: q.Reason,
	})
	r, err := c.chances(ctx, k, q.User, q.Event)
	if err != nil {
		return Granted{}, err
	}
	return Granted{Chances: int(r.Value), Reason: engine.GrantReason(r.Cap).String(), Left: int(r.Limit), Already: r.AlreadyLive}, nil
}

// Revoke takes back what a grant gave. What was spent already becomes debt, which the user's next grants pay. expiresAt is when
// the grant's chances end or ended, zero for the campaign's end.
func (c *Campaign) Revoke(ctx context.Context, user, source, event string, expiresAt time.Time, reason string) (taken, debt int, err error) {
	if err := checkEvent(user, source, event, reason); err != nil {
		return 0, 0, err
	}
	k := c.db.begin()
	defer c.db.end(k)
	k.user = append(k.user[:0], user...)
	k.batch.AddRevoke(&engine.Revoke{
		Campaign: c.c.Ref(), User: c.db.keyer.User(k.user), UserID: k.user, Source: source, Event: event, ExpiresAt: instant(expiresAt),
		Actor: c.db.options.Actor, Reason: reason,
	})
	r, err := c.chances(ctx, k, user, event)
	if err != nil {
		return 0, 0, err
	}
	return int(r.Value), int(r.Used), nil
}

func checkEvent(user, source, event, reason string) error {
	switch {
	case !names.Subject(user):
		return invalid("User must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	case source == "" || len(source) > engine.MaxIDBytes || strings.ContainsRune(source, 0):
		return invalid("Source must be 1 to %d bytes", engine.MaxIDBytes)
	case !names.Key(event):
		return invalid("Event must be 1 to %d visible ASCII characters", engine.MaxEventBytes)
	case len(reason) > engine.MaxReasonBytes:
		return invalid("the reason has %d bytes; at most %d are kept", len(reason), engine.MaxReasonBytes)
	}
	return nil
}

// chances decides a grant or a revocation.
func (c *Campaign) chances(ctx context.Context, k *call, user, event string) (*engine.Result, error) {
	if err := c.db.decide(ctx, k, c.ID(), user, event); err != nil {
		return nil, err
	}
	r := &k.batch.Results[0]
	if r.Code == problem.OK {
		return r, nil
	}
	e := &Error{Code: r.Code, Campaign: c.ID(), User: user, Key: event}
	if i := int(r.Cap); r.Code == problem.InvalidField && i < len(grantFaults) {
		e.Detail = grantFaults[i]
	}
	return nil, e
}
