package drawd

import (
	"context"
	"fmt"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// Campaign is a published campaign of an open DB.
type Campaign struct {
	db *DB
	c  *engine.Campaign
}

// Campaign returns the campaign with an id; false when none was published under it.
func (db *DB) Campaign(id string) (*Campaign, bool) {
	c, ok := db.namespace.Campaign([]byte(id))
	return &Campaign{db, c}, ok
}

// Campaigns returns all campaigns, by id.
func (db *DB) Campaigns() []*Campaign {
	from := db.namespace.Campaigns()
	all := make([]*Campaign, len(from))
	for i, c := range from {
		all[i] = &Campaign{db, c}
	}
	return all
}

// Publish makes a campaign file, YAML or JSON, live as a version: as a new campaign or, when its id is known, as the next
// version of that one. Publishing the live form again does nothing. A file with faults is ErrInvalidCampaign, with all of them
// in Error.Faults; so is a version that takes something from users, which PublishForced publishes.
func (db *DB) Publish(ctx context.Context, file []byte) (*Campaign, error) {
	return db.publish(ctx, file, "", false)
}

// PublishForced is Publish for a version that takes something from users. The reason is on the campaign's record.
func (db *DB) PublishForced(ctx context.Context, file []byte, reason string) (*Campaign, error) {
	if reason == "" || len(reason) > engine.MaxReasonBytes-len(engine.ForcedPrefix) {
		return nil, invalid("publishing by force needs a reason of at most %d bytes", engine.MaxReasonBytes-len(engine.ForcedPrefix))
	}
	return db.publish(ctx, file, engine.ForcedPrefix+reason, true)
}

func (db *DB) publish(ctx context.Context, file []byte, reason string, forced bool) (*Campaign, error) {
	p, err := db.publication(file, reason, forced)
	if err != nil {
		return nil, err
	}
	c := db.begin()
	defer db.end(c)
	c.batch.AddPublish(p)
	if _, err := db.one(ctx, c, p.Version.Campaign, "", ""); err != nil {
		return nil, err
	}
	published, ok := db.Campaign(p.Version.Campaign)
	if !ok {
		return nil, &Error{Code: problem.Internal, Campaign: p.Version.Campaign, Detail: "BUG: a published campaign is not there"}
	}
	return published, nil
}

// publication makes the command that publishes a file.
func (db *DB) publication(file []byte, reason string, forced bool) (*engine.Publish, error) {
	f, faults := campaignfile.Parse(file)
	if len(faults) > 0 {
		return nil, faulty(problem.InvalidCampaign, faults)
	}
	id := f.Version.Campaign
	live, known := db.namespace.Campaign([]byte(id))
	faults = append(f.Unstated(knownPrizes(live, known)), f.Masked()...)
	compared := uint32(engine.NoVersion) // the decision is held to it: somebody else may publish meanwhile
	if known {
		v := live.Version()
		if compared = v.Number; !forced {
			faults = append(faults, campaignfile.Favourable(v, f.Version)...)
		}
	}
	if len(faults) > 0 {
		return nil, faulty(problem.InvalidCampaign, f.Locate(faults))
	}
	for _, p := range db.namespace.Pending() {
		if p.Campaign == id { // it was compared with what is live now
			return nil, &Error{Code: problem.Conflict, Campaign: id, Detail: "a version of it is to become live already: withdraw it first"}
		}
	}
	// The engine says the same when it decides, in a code; here are the words.
	if code, err := db.namespace.CheckPublish(f.Version, max(db.now(), db.engine.LogTime())); code != problem.OK {
		return nil, &Error{Code: code, Campaign: id, Detail: err.Error()}
	}
	var seed [16]byte
	var nonce [12]byte
	for _, b := range [][]byte{seed[:], nonce[:], f.Version.Salt[:]} {
		if err := db.read(b); err != nil {
			return nil, err
		}
	}
	return &engine.Publish{
		Namespace: db.namespace.Ref(), Version: f.Version, SealedSeed: engine.SealSeed(db.key, nonce, seed),
		Actor: db.options.Actor, Reason: reason, Expect: compared,
	}, nil
}

// PublishAt leaves a campaign file with the DB, which publishes it at a time to come; a campaign has at most one such version. What
// it takes from users now is ErrInvalidCampaign, as of Publish.
func (db *DB) PublishAt(ctx context.Context, file []byte, at time.Time) error {
	p, err := db.publication(file, "", false)
	if err != nil {
		return err
	}
	c := db.begin()
	defer db.end(c)
	c.batch.AddPublishAt(p, instant(at))
	_, err = db.one(ctx, c, p.Version.Campaign, "", "")
	return said(err, map[problem.Code]string{
		problem.InvalidField: "the time must be in the future, and before the campaign ends",
		problem.Conflict:     "a version of it is to become live already: withdraw it first",
	})
}

// Withdraw takes back what PublishAt left; ErrNotFound when there is nothing.
func (db *DB) Withdraw(ctx context.Context, campaign, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	c := db.begin()
	defer db.end(c)
	c.batch.AddWithdraw(&engine.Withdraw{Namespace: db.namespace.Ref(), Campaign: campaign, Actor: db.options.Actor, Reason: reason})
	_, err := db.one(ctx, c, campaign, "", "")
	return said(err, map[problem.Code]string{problem.NotFound: "nothing of this campaign is to become live"})
}

// Pending returns what is to become live, in the order of time. It must not be changed.
func (db *DB) Pending() []engine.Pending { return db.namespace.Pending() }

// knownPrizes tells which prize ids a campaign has ever had.
func knownPrizes(c *engine.Campaign, found bool) func(string) bool {
	known := map[string]bool{}
	if found {
		_, prizes := c.Stock()
		for i := range prizes {
			known[prizes[i].CellID()] = true
		}
	}
	return func(id string) bool { return known[id] }
}

// one decides a batch of one command and returns its result.
func (db *DB) one(ctx context.Context, c *call, campaign, user, key string) (*engine.Result, error) {
	if err := db.decide(ctx, c, campaign, user, key); err != nil {
		return nil, err
	}
	r := &c.batch.Results[0]
	if r.Code != problem.OK {
		return nil, db.denied(r, campaign, user, key)
	}
	if r.Pending {
		return nil, &Error{Code: problem.Conflict, Campaign: campaign, Detail: fmt.Sprintf("it waits for approval, as request %d: the namespace's policy asks for approvals, which the daemon takes", r.Value)}
	}
	return r, nil
}

// SetPolicy replaces the policy, as a file like the daemon's: caps above all campaigns, purses, bounds.
func (db *DB) SetPolicy(ctx context.Context, file []byte) error {
	policy, faults := campaignfile.ParsePolicy(file)
	if policy == nil {
		return faulty(problem.InvalidField, faults)
	}
	if policy.Approvals > 0 {
		return invalid("approvals are taken by the daemon: a library has one actor")
	}
	if err := db.namespace.CheckPolicy(policy); err != nil {
		return invalid("%v", err)
	}
	c := db.begin()
	defer db.end(c)
	c.batch.AddPolicy(&engine.PutPolicy{Namespace: db.namespace.Ref(), Expect: engine.AnyRevision, Policy: policy, Actor: db.options.Actor})
	_, err := db.one(ctx, c, "", "", "")
	return err
}

// ID returns the campaign's id.
func (c *Campaign) ID() string { return c.c.ID() }

// Version returns the number of the live version, from 1.
func (c *Campaign) Version() int { return int(c.c.Version().Number) }

// Status returns where the campaign stands now.
func (c *Campaign) Status() engine.Status { return c.c.Status(max(c.db.now(), c.db.engine.LogTime())) }

// EndsAt returns when it ends, pauses added, or when it was ended.
func (c *Campaign) EndsAt() time.Time { return timeOf(c.c.EndsAt()) }

// Stock returns the books of every prize in one cut, those of the live version first, in the file's order.
func (c *Campaign) Stock() []engine.PrizeStock {
	_, prizes := c.c.Stock()
	return prizes
}

// Pause stops draws until Resume. Pausing a paused campaign does nothing.
func (c *Campaign) Pause(ctx context.Context, reason string) error {
	return c.control(ctx, engine.ActionPause, false, reason)
}

// Resume ends a pause. With extend the campaign's end moves by the pause's length.
func (c *Campaign) Resume(ctx context.Context, extend bool, reason string) error {
	return c.control(ctx, engine.ActionResume, extend, reason)
}

// End ends the campaign for good.
func (c *Campaign) End(ctx context.Context, reason string) error {
	return c.control(ctx, engine.ActionEnd, false, reason)
}

func (c *Campaign) control(ctx context.Context, a engine.Action, extend bool, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	k := c.db.begin()
	defer c.db.end(k)
	k.batch.AddControl(&engine.Control{Campaign: c.c.Ref(), Action: a, ExtendByPause: extend, Actor: c.db.options.Actor, Reason: reason})
	_, err := c.db.one(ctx, k, c.ID(), "", "")
	return err
}

// Adjust changes a prize's stock by a delta, once for its key, and returns the new total. The units of a session's own are
// those of "<session>/<prize>".
func (c *Campaign) Adjust(ctx context.Context, prize string, delta int64, key, reason string) (total int64, err error) {
	switch {
	case !names.Key(key):
		return 0, invalid("an adjustment needs a key of 1 to %d visible ASCII characters", engine.MaxIdempotencyKeyBytes)
	case len(prize) > 2*engine.MaxIDBytes+1:
		return 0, &Error{Code: problem.PrizeNotFound, Campaign: c.ID()}
	case delta == 0 || delta > engine.MaxStock || delta < -engine.MaxStock:
		return 0, invalid("an adjustment is by 1 to %d units, either way", int64(engine.MaxStock))
	case len(reason) > engine.MaxReasonBytes:
		return 0, invalid("the reason has %d bytes; at most %d are kept", len(reason), engine.MaxReasonBytes)
	}
	k := c.db.begin()
	defer c.db.end(k)
	actor := c.db.keyer.User([]byte(c.db.options.Actor))
	k.batch.AddAdjust(&engine.Adjust{
		Campaign: c.c.Ref(), Prize: prize, Delta: engine.Quantity(delta), Actor: c.db.options.Actor, Reason: reason,
		Digest: c.db.keyer.Digest(engine.DigestAdjust, c.c.Ref(), actor, []byte(key)),
	})
	r, err := c.db.one(ctx, k, c.ID(), "", key)
	if err != nil {
		return 0, err
	}
	return int64(r.Value), nil
}
