package drawd

import (
	"fmt"
	"iter"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Outcome is what was drawn. It is a value: it does not change, and it holds on to nothing of the DB but the version.
type Outcome struct {
	Campaign string
	Version  int
	User     string
	Key      string // the idempotency key of the request; empty when the outcome was read from the records
	Replayed bool   // this was drawn earlier, under the same key
	Seq      uint64 // counts the draws and stock changes of the campaign
	At       time.Time
	Number   int // counts this user's draws in this campaign

	Won   bool
	Prize Prize // of a win
	Extra Prize // what a pity gave on top; zero for nothing
	// Cause says why the prize that the word named was not given: "sold_out", "user_prize_cap", …
	Cause string
	// Landed is the prize on which a wheel stops: the one that was won, or the thanks that a miss has for a name.
	Landed string
	Slot   int // where the wheel of the draw's channel stops; -1 for nowhere

	// Chances are what the user has left, where they cost something.
	Chances int
	// Rest are the sub-draws after the first, of a request with Times.
	Rest []Outcome

	db       *DB
	version  *engine.Version
	location engine.Location
	used     [engine.MaxCaps]uint32
}

// Prize is what was won.
type Prize struct {
	ID     string
	Kind   engine.PrizeKind
	Units  int    // of stock, that the win took
	Amount int64  // minor units of cash or points, or the number of chances; 0 for none
	Code   string // of a prize that hands out codes
	Title  string // JSON object by language; empty for none
	Left   int64  // units available after the win; engine.Unlimited
}

// ID returns the public id of the draw, as the daemon names it.
func (o *Outcome) ID() string {
	if o.db == nil {
		return ""
	}
	return string(o.db.engine.AppendID(make([]byte, 0, 32), engine.IDDraw, o.location))
}

// Cursor returns where the draw's record stands: Records from there on begins with it.
func (o *Outcome) Cursor() Cursor { return Cursor{o.location} }

// Remaining returns what is left of one of the user's own caps after the draw; false for a cap that the version does not have.
func (o *Outcome) Remaining(cap string) (int, bool) {
	for id, left := range o.Caps() {
		if id == cap {
			return left, true
		}
	}
	return 0, false
}

// Caps returns what is left of the user's own caps after the draw, in the file's order.
func (o *Outcome) Caps() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		n := 0
		for i := range capsOf(o.version) {
			c := &o.version.Caps[i]
			if c.Scope != engine.ScopeUser {
				continue
			}
			if !yield(c.ID, int(c.Limit-min(c.Limit, o.used[n]))) {
				return
			}
			n++
		}
	}
}

func capsOf(v *engine.Version) []engine.Cap {
	if v == nil {
		return nil
	}
	return v.Caps
}

// outcome turns a result into an outcome or a denial.
func (c *Campaign) outcome(k *call, q *DrawRequest, r *engine.Result) (Outcome, error) {
	records, n := []byte(nil), int(r.Records)
	switch {
	case r.Code != problem.OK:
		return Outcome{}, c.db.denied(r, c.ID(), q.User, q.Key)
	case r.Replayed:
		// Times is part of what a key stands for, so a replay has as many; whoever only looks a key up learns it from the record.
		first, err := c.db.log.records(k.records[:0], r.At, 1)
		if err != nil {
			return Outcome{}, &Error{Code: problem.Internal, Detail: "drawn before", Campaign: c.ID(), User: q.User, Key: q.Key, cause: err}
		}
		if _, err := engine.DecodeRecord(first, &k.record); err != nil {
			return Outcome{}, err
		}
		n = int(k.record.Times)
		if records, err = c.db.log.records(first[:0], r.At, n); err != nil {
			return Outcome{}, err
		}
		k.records = records
	default:
		records = k.batch.Records[r.Offset : r.Offset+r.Length]
	}
	var out Outcome
	for i := range n {
		at := engine.Location{Index: r.At.Index, Ordinal: r.At.Ordinal + uint16(i)}
		size, err := engine.DecodeRecord(records, &k.record)
		if err != nil {
			return Outcome{}, fmt.Errorf("drawd: a record of campaign %s: %w", c.ID(), err)
		}
		records = records[size:]
		part := &out
		if i > 0 {
			out.Rest = append(out.Rest, Outcome{})
			part = &out.Rest[i-1]
		}
		if err := c.tell(part, at, &k.record); err != nil {
			return Outcome{}, err
		}
		part.User, part.Key, part.Replayed = q.User, q.Key, r.Replayed
	}
	return out, nil
}

// tell fills an outcome in from its record.
func (c *Campaign) tell(o *Outcome, at engine.Location, r *engine.Record) error {
	v := c.c.VersionNumber(r.Version)
	if r.Kind != engine.RecordDraw || v == nil || r.Prize >= len(v.Prizes) || len(r.Used) > len(o.used) {
		return fmt.Errorf("drawd: the record at index %d, ordinal %d is not a draw of campaign %s", at.Index, at.Ordinal, c.ID())
	}
	o.Campaign, o.Version, o.Seq, o.At, o.Number = c.ID(), int(r.Version), r.Seq, timeOf(r.At), int(r.DrawNumber)
	o.db, o.version, o.location, o.Cause = c.db, v, at, r.Cause.String()
	copy(o.used[:], r.Used)
	if r.Prize != engine.NoPrize {
		o.Won = true
		c.prize(&o.Prize, r, r.Prize, r.Amount, false)
		o.Prize.Left = int64(r.StockAfter)
	}
	stop := landed(v, r)
	if o.Slot = slotOf(v, r, stop); stop != engine.NoPrize {
		o.Landed = v.Prizes[stop].ID
	}
	if len(r.Sections) == 0 {
		return nil
	}
	if m, ok := r.Pity(); ok && m.Extra != engine.NoPrize && m.Extra < len(v.Prizes) {
		c.prize(&o.Extra, r, m.Extra, r.ExtraAmount.Amount, true)
	}
	if m, ok := r.Chances(); ok {
		o.Chances = int(m.Remaining)
	}
	return nil
}

func (c *Campaign) prize(p *Prize, r *engine.Record, i int, amount int64, extra bool) {
	v := c.c.VersionNumber(r.Version)
	from := &v.Prizes[i]
	if amount == 0 {
		amount = from.Amount
	}
	*p = Prize{ID: from.ID, Kind: from.Kind, Units: int(from.Units), Amount: amount, Title: string(from.Title)}
	k, ok := v.CodesOf(i)
	if !ok {
		return
	}
	if p.Code = k.Shared; p.Code != "" {
		return
	}
	sealed, second := r.Codes()
	if extra {
		sealed = second
	}
	if code, ok := c.db.engine.OpenCode(c.ID(), from.ID, sealed); ok {
		p.Code = string(code)
	}
}
