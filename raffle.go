package drawd

import (
	"context"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// Raffle is a list of entrants of whom some win: everybody is in it or not, and it is drawn once.
type Raffle struct {
	ID       string
	Entrants int
	Digest   [32]byte // of the list

	Drawn   bool
	DrawnAt time.Time
	Prize   string // whose units the winners took; empty for none
	// Seed makes the places again, with the list. It is known once the raffle is drawn.
	Seed                        [32]byte
	Winners, Alternates, Absent []string // winners and alternates in the order of their places
	Unfilled                    int      // places for which nobody is left
}

// RaffleRequest draws a raffle.
type RaffleRequest struct {
	Raffle              string
	Winners, Alternates int
	Prize               string // whose units each winner takes; empty for none
	Reason              string
}

// Enter puts users on a raffle's list, and makes the raffle. Who is on it stays once. It returns how many there are.
func (c *Campaign) Enter(ctx context.Context, raffle string, users ...string) (entrants int, err error) {
	if !names.ID(raffle) {
		return 0, invalid("a raffle's id: [a-z0-9][a-z0-9-]{0,62}")
	}
	for _, user := range users {
		if err := c.db.checkUser(user); err != nil {
			return 0, err
		}
	}
	for len(users) > 0 {
		n, size := 0, 0
		for n < len(users) && size+1+len(users[n]) <= engine.MaxEntrantsBytes {
			size += 1 + len(users[n])
			n++
		}
		k := c.db.begin()
		k.batch.AddEntrants(&engine.AddEntrants{Campaign: c.c.Ref(), Raffle: raffle, Users: users[:n], Actor: c.db.options.Actor})
		r, err := c.db.one(ctx, k, c.ID(), "", "")
		if err == nil {
			entrants = int(r.Value)
		}
		c.db.end(k)
		if err != nil {
			return entrants, said(err, map[problem.Code]string{problem.Conflict: "the raffle is drawn: nobody can enter any more"})
		}
		users = users[n:]
	}
	return entrants, nil
}

// DrawRaffle draws a raffle, once: the same request again gives the same places.
func (c *Campaign) DrawRaffle(ctx context.Context, q RaffleRequest) (Raffle, error) {
	switch {
	case q.Winners < 1 || q.Winners > engine.MaxEntrants || q.Alternates < 0 || q.Alternates > engine.MaxEntrants:
		return Raffle{}, invalid("a raffle has 1 to %d winners, and at most so many alternates", engine.MaxEntrants)
	case q.Prize != "" && !names.ID(q.Prize):
		return Raffle{}, &Error{Code: problem.PrizeNotFound, Campaign: c.ID()}
	}
	return c.raffled(ctx, q.Raffle, q.Reason, func(b *engine.Batch) {
		b.AddRaffle(&engine.DrawRaffle{
			Campaign: c.c.Ref(), Raffle: q.Raffle, Winners: uint32(q.Winners), Alternates: uint32(q.Alternates), Prize: q.Prize,
			Actor: c.db.options.Actor, Reason: q.Reason,
		})
	}, "winners and alternates are more than the entrants, or it was drawn with other numbers")
}

// Redraw strikes absentees off a raffle that is drawn: those behind them move up, and no winner who is there is drawn again.
func (c *Campaign) Redraw(ctx context.Context, raffle, reason string, absent ...string) (Raffle, error) {
	return c.raffled(ctx, raffle, reason, func(b *engine.Batch) {
		b.AddRedraw(&engine.RedrawRaffle{Campaign: c.c.Ref(), Raffle: raffle, Absent: absent, Actor: c.db.options.Actor, Reason: reason})
	}, "somebody named here is neither a winner nor an alternate")
}

// raffled decides what becomes of a raffle, and tells how it stands then.
func (c *Campaign) raffled(ctx context.Context, raffle, reason string, add func(*engine.Batch), conflict string) (Raffle, error) {
	if err := checkReason(reason); err != nil {
		return Raffle{}, err
	}
	if c.c.Raffle(raffle) == nil {
		return Raffle{}, &Error{Code: problem.NotFound, Campaign: c.ID(), Detail: "the campaign has no raffle of this id"}
	}
	k := c.db.begin()
	defer c.db.end(k)
	add(&k.batch)
	if _, err := c.db.one(ctx, k, c.ID(), "", ""); err != nil {
		return Raffle{}, said(err, map[problem.Code]string{
			problem.Conflict:      conflict,
			problem.PrizeNotFound: "the live version has no prize of this id whose units a raffle can give",
			problem.NotFound:      "the raffle is not drawn yet",
		})
	}
	f, _ := c.Raffle(raffle)
	return f, nil
}

// Raffle returns how a raffle stands; false when there is none.
func (c *Campaign) Raffle(id string) (Raffle, bool) {
	f := c.c.Raffle(id)
	if f == nil {
		return Raffle{}, false
	}
	return c.raffleOf(f), true
}

// Raffles returns the campaign's raffles in the order in which they were made.
func (c *Campaign) Raffles() []Raffle {
	var all []Raffle
	for _, f := range c.c.Raffles() {
		all = append(all, c.raffleOf(f))
	}
	return all
}

func (c *Campaign) raffleOf(f *engine.Raffle) Raffle {
	r := Raffle{ID: f.ID, Entrants: len(f.Entrants), Digest: f.Digest(), Drawn: f.Drawn, Prize: f.Prize, Absent: f.Absent}
	if f.Drawn {
		r.DrawnAt, r.Seed = timeOf(f.DrawnAt), c.c.RaffleSeed(f)
		r.Winners, r.Alternates = c.c.Results(f)
		r.Unfilled = int(f.Winners) - len(r.Winners)
	}
	return r
}
