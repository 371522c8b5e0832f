package drawd

import (
	"context"
	"net/netip"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// HelpRequest says that one user helped another: an invite of the owner's, an assist of the helper's.
type HelpRequest struct {
	Owner, Helper string
	Key           string // idempotency key of the helper's; empty lets the DB make one
	Event         string // the host's name for it, recorded: at most 64 visible ASCII characters

	// What else is known of the helper, for caps that count by it.
	Device     string
	IP         netip.Addr
	Attributes []Attribute
}

// Help is what passed between two users.
type Help struct {
	Owner, Helper, Key, Event string
	Replayed                  bool // it was counted earlier, under the same key
	At                        time.Time
	// OwnerChances and HelperChances are what the campaign's file grants for it.
	OwnerChances, HelperChances int
}

// Help counts a help for both users in one step, once for the request's key, and grants what the campaign's file says. ErrCapped and
// ErrBlocked say in Error.Of whose cap or block it is. A campaign without caps on assists or invites takes no helps: ErrConflict.
func (c *Campaign) Help(ctx context.Context, q HelpRequest) (Help, error) {
	if q.Key == "" {
		key, err := c.db.keyFor()
		if err != nil {
			return Help{}, err
		}
		q.Key = key
	}
	k := c.db.begin()
	defer c.db.end(k)
	h, err := c.helpOf(k, &q)
	if err != nil {
		return Help{}, err
	}
	if c.db.log.peeks() {
		r, ok := c.db.engine.PeekHelp(h, c.db.now())
		if ok && r.Code != problem.OK {
			return Help{}, c.helpDenied(&q, &r)
		}
	}
	k.batch.AddHelp(h)
	if err := c.db.decide(ctx, k, c.ID(), q.Helper, q.Key); err != nil {
		return Help{}, err
	}
	r := &k.batch.Results[0]
	if r.Code != problem.OK {
		return Help{}, c.helpDenied(&q, r)
	}
	if err := c.db.load(k, r); err != nil {
		return Help{}, err
	}
	n, ok := k.record.Help()
	if !ok {
		return Help{}, &Error{Code: problem.Internal, Detail: "BUG: the record of a help is of something else", User: q.Helper, Key: q.Key}
	}
	return Help{
		Owner: q.Owner, Helper: q.Helper, Key: q.Key, Event: string(n.Event), Replayed: r.Replayed, At: timeOf(k.record.At),
		OwnerChances: int(n.OwnerGranted), HelperChances: int(n.HelperGranted),
	}, nil
}

// helpOf checks a request and makes the command. Its slices are k's.
func (c *Campaign) helpOf(k *call, q *HelpRequest) (*engine.Help, error) {
	for _, user := range [...]string{q.Owner, q.Helper} {
		if err := c.db.checkUser(user); err != nil {
			return nil, err
		}
	}
	switch {
	case q.Owner == q.Helper:
		return nil, invalid("Owner and Helper are the same: nobody helps himself")
	case !names.Key(q.Key):
		return nil, invalid("Key must be 1 to %d visible ASCII characters", engine.MaxIdempotencyKeyBytes)
	case q.Event != "" && !names.Key(q.Event):
		return nil, invalid("Event must be at most %d visible ASCII characters", engine.MaxEventBytes)
	case q.Device != "" && !names.Subject(q.Device):
		return nil, invalid("Device must be at most %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	}
	keyer := &c.db.keyer
	k.user, k.key, k.text = append(k.user[:0], q.Helper...), append(k.key[:0], q.Key...), append(k.text[:0], q.Owner...)
	helper := keyer.User(k.user)
	h := &engine.Help{
		Campaign: c.c.Ref(), Owner: keyer.User(k.text), OwnerID: k.text, Helper: helper, HelperID: k.user, Event: []byte(q.Event),
		Digest: keyer.Digest(engine.DigestHelp, c.c.Ref(), helper, k.key),
	}
	if q.Device != "" {
		h.Device, h.HasDevice = keyer.Device([]byte(q.Device)), true
	}
	if q.IP.IsValid() {
		h.IP, h.HasIP = keyer.IP(q.IP), true
	}
	version, slots := c.c.Gate()
	if version.Audience == nil {
		return h, nil
	}
	if err := c.values(k, version.Audience, q.Attributes); err != nil {
		return nil, err
	}
	h.By, h.HasBy = c.attributeKeys(k, version.Audience, slots)
	return h, nil
}

func (c *Campaign) helpDenied(q *HelpRequest, r *engine.Result) error {
	err := c.db.denied(r, c.ID(), q.Helper, q.Key)
	if e, ok := err.(*Error); ok && (r.Code == problem.Capped || r.Code == problem.Blocked || r.Code == problem.ChancesFull) {
		if e.Of = "helper"; r.Value == engine.HelpOwner {
			e.Of = "owner"
		}
	}
	return said(err, map[problem.Code]string{problem.Conflict: "the campaign takes no helps: it has neither caps that count assists or invites nor helps"})
}
