package drawd

import (
	"context"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// AwardRequest compensates a user with a prize: its units are taken from the stock, and no cap and no pity moves.
type AwardRequest struct {
	User   string
	Prize  string
	Ticket string // of the complaint: with the user it is the idempotency key; 1 to 64 visible ASCII characters
	Reason string
}

// Awarded is what a compensation gave.
type Awarded struct {
	Already bool // under the same ticket, earlier
	Seq     uint64
	At      time.Time
}

// Award gives a user a prize without a draw, once for his ticket. Where the policy bounds what one awards in a day, the library is one
// person.
func (c *Campaign) Award(ctx context.Context, q AwardRequest) (Awarded, error) {
	switch {
	case !names.Subject(q.User):
		return Awarded{}, invalid("User must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	case !names.Key(q.Ticket):
		return Awarded{}, invalid("Ticket must be 1 to %d visible ASCII characters", engine.MaxTicketBytes)
	case !names.ID(q.Prize):
		return Awarded{}, &Error{Code: problem.PrizeNotFound, Campaign: c.ID()}
	}
	if err := checkReason(q.Reason); err != nil {
		return Awarded{}, err
	}
	k := c.db.begin()
	defer c.db.end(k)
	k.user = append(k.user[:0], q.User...)
	user := c.db.keyer.User(k.user)
	k.batch.AddAward(&engine.Award{
		Campaign: c.c.Ref(), Prize: q.Prize, User: user, UserID: k.user, Ticket: q.Ticket, Actor: c.db.options.Actor, Reason: q.Reason,
		Digest: c.db.keyer.Digest(engine.DigestAward, c.c.Ref(), user, []byte(q.Ticket)),
	})
	r, err := c.db.one(ctx, k, c.ID(), q.User, q.Ticket)
	if err != nil {
		return Awarded{}, said(err, map[problem.Code]string{
			problem.Conflict:            "the prize cannot be awarded: it is no thing of its own, is paid out of a budget, or is beyond the policy's award_limit",
			problem.IdempotencyMismatch: "the user was compensated under this ticket with another prize",
			problem.Killed:              "the prize is switched off",
		})
	}
	if err := c.db.load(k, &engine.Result{Replayed: r.AlreadyLive, At: r.At, Offset: r.Offset, Length: r.Length}); err != nil {
		return Awarded{}, err
	}
	return Awarded{Already: r.AlreadyLive, Seq: k.record.Seq, At: timeOf(k.record.At)}, nil
}

// Delivery is where the award of a win stands: a win of a prize whose file says how it is delivered (deliver:).
type Delivery struct {
	Draw, Campaign, User string
	State                engine.AwardState // engine.AwardFinal of a win that has no states
	At                   time.Time         // of the move that led there
	ExpiresAt            time.Time         // of engine.AwardWon: when it expires unless it is claimed; zero for never
	Frozen               bool              // a void by abuse keeps the user's unpaid awards
	Already              bool              // it was there before the move
}

// Delivery returns where the award of a draw stands.
func (db *DB) Delivery(draw string) (Delivery, error) {
	k := db.begin()
	defer db.end(k)
	_, c, err := db.drawn(k, draw)
	if err != nil {
		return Delivery{}, err
	}
	return c.delivery(k, draw), nil
}

// MoveAward moves the award of a draw: engine.MoveClaim by the winner, then engine.MoveDeliver, engine.MoveDone or engine.MoveFail by who
// pays it out. Of a failure the reason says why, of the others what the payout is known by elsewhere. Repeating a move is Already; one
// that cannot be is ErrConflict.
func (db *DB) MoveAward(ctx context.Context, draw string, move engine.AwardMove, reason string) (Delivery, error) {
	if err := checkReason(reason); err != nil {
		return Delivery{}, err
	}
	if move > engine.MoveFail || move == engine.MoveFail && reason == "" {
		return Delivery{}, invalid("a move is one of four, and a failure has a reason")
	}
	k := db.begin()
	defer db.end(k)
	at, c, err := db.drawn(k, draw)
	if err != nil {
		return Delivery{}, err
	}
	k.batch.AddMoveAward(&engine.MoveAward{Campaign: c.c.Ref(), Draw: k.records, At: at, Move: move, Actor: db.options.Actor, Reason: reason})
	r, err := db.one(ctx, k, c.ID(), "", "")
	if err != nil {
		d := c.delivery(k, draw)
		return d, said(err, map[problem.Code]string{
			problem.Conflict: "the award is " + d.State.String() + ", and that move cannot follow",
			problem.Killed:   "payouts of this kind of prize are switched off: none is begun",
		})
	}
	d := c.delivery(k, draw)
	d.Already = r.AlreadyLive
	return d, nil
}

// delivery tells where the award of the draw in k stands.
func (c *Campaign) delivery(k *call, draw string) Delivery {
	a, _ := c.c.AwardOf(&k.record, max(c.db.now(), c.db.engine.LogTime()))
	d := Delivery{Draw: draw, Campaign: c.ID(), User: string(k.record.User), State: a.State, At: timeOf(a.At), Frozen: a.Frozen}
	if a.ExpiresAt != 0 {
		d.ExpiresAt = timeOf(a.ExpiresAt)
	}
	return d
}

// Thaw lets a user's awards go on that a void by abuse has frozen. changed is false when none were.
func (c *Campaign) Thaw(ctx context.Context, user, reason string) (changed bool, err error) {
	if !names.Subject(user) {
		return false, invalid("User must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	}
	if err := checkReason(reason); err != nil {
		return false, err
	}
	k := c.db.begin()
	defer c.db.end(k)
	k.user = append(k.user[:0], user...)
	k.batch.AddThaw(&engine.Thaw{Campaign: c.c.Ref(), User: c.db.keyer.User(k.user), UserID: k.user, Actor: c.db.options.Actor, Reason: reason})
	r, err := c.db.one(ctx, k, c.ID(), user, "")
	if err != nil {
		return false, err
	}
	return !r.AlreadyLive, nil
}

// drawn finds a draw by its id: its record, encoded in k.records and decoded in k.record.
func (db *DB) drawn(k *call, draw string) (at engine.Location, c *Campaign, err error) {
	missing := &Error{Code: problem.DrawNotFound}
	at, ok := db.engine.ParseID(engine.IDDraw, []byte(draw))
	if !ok || at.Index > db.engine.AppliedIndex() {
		return at, nil, missing
	}
	if k.records, err = db.log.records(k.records[:0], at, 1); err != nil {
		missing.cause = err
		return at, nil, missing
	}
	if _, err := engine.DecodeRecord(k.records, &k.record); err != nil {
		return at, nil, err
	}
	from, found := db.engine.CampaignByRef(k.record.Campaign)
	if k.record.Kind != engine.RecordDraw || !found || from.Namespace() != db.namespace {
		return at, nil, missing
	}
	return at, &Campaign{db, from}, nil
}
