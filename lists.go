package drawd

import (
	"context"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
)

// Listing says how users stand on a list.
type Listing struct {
	List      engine.ListKind  // engine.ListDeny or engine.ListAllow
	Treatment engine.Treatment // of engine.ListDeny: engine.Block refuses his draws, engine.Restrict lets him miss what is valuable
	Until     time.Time        // zero for ever
	Reason    string
}

// PutOnList puts users on a list of the DB's, for all campaigns, or changes how they stand there. changed is how many that concerned.
func (db *DB) PutOnList(ctx context.Context, l Listing, users ...string) (changed int, err error) {
	return db.list(ctx, 0, l, false, users)
}

// TakeOffList takes users off a list of the DB's.
func (db *DB) TakeOffList(ctx context.Context, kind engine.ListKind, reason string, users ...string) (changed int, err error) {
	return db.list(ctx, 0, Listing{List: kind, Reason: reason}, true, users)
}

// Listed returns how a user stands on the lists of the DB's, entries that have ended included.
func (db *DB) Listed(user string) []engine.Listed {
	return db.namespace.Listed(nil, db.keyer.User([]byte(user)))
}

// PutOnList is DB.PutOnList for the campaign's own lists. Deny goes before allow, wherever either stands.
func (c *Campaign) PutOnList(ctx context.Context, l Listing, users ...string) (changed int, err error) {
	return c.db.list(ctx, c.c.Ref(), l, false, users)
}

// TakeOffList takes users off one of the campaign's own lists.
func (c *Campaign) TakeOffList(ctx context.Context, kind engine.ListKind, reason string, users ...string) (changed int, err error) {
	return c.db.list(ctx, c.c.Ref(), Listing{List: kind, Reason: reason}, true, users)
}

// Listed returns how a user stands on the campaign's own lists.
func (c *Campaign) Listed(user string) []engine.Listed {
	return c.db.namespace.Listed(c.c, c.db.keyer.User([]byte(user)))
}

// list decides entries in parts. Each part is a command of its own: after an error those before it are done, and all may be repeated.
func (db *DB) list(ctx context.Context, campaign engine.CampaignRef, l Listing, remove bool, users []string) (changed int, err error) {
	if l.List != engine.ListDeny && l.List != engine.ListAllow || l.Treatment > engine.Restrict {
		return 0, invalid("a list is engine.ListDeny, with a treatment, or engine.ListAllow")
	}
	if err := checkReason(l.Reason); err != nil {
		return 0, err
	}
	for _, user := range users {
		if !names.Subject(user) {
			return 0, invalid("%q is no user", user)
		}
	}
	for len(users) > 0 {
		part := users[:min(len(users), engine.MaxListEntries)]
		users = users[len(part):]
		n, err := db.listPart(ctx, campaign, &l, remove, part)
		if changed += n; err != nil {
			return changed, err
		}
	}
	return changed, nil
}

func (db *DB) listPart(ctx context.Context, campaign engine.CampaignRef, l *Listing, remove bool, users []string) (changed int, err error) {
	put := engine.PutList{Namespace: db.namespace.Ref(), Campaign: campaign, List: l.List, Remove: remove, Actor: db.options.Actor}
	for _, user := range users {
		e := engine.ListEntry{User: db.keyer.User([]byte(user)), UserID: []byte(user), Reason: []byte(l.Reason)}
		if !remove {
			e.Treatment, e.ExpiresAt = l.Treatment, instant(l.Until)
		}
		put.Entries = append(put.Entries, e)
	}
	k := db.begin()
	defer db.end(k)
	k.batch.AddList(&put)
	r, err := db.one(ctx, k, "", "", "")
	if err != nil {
		return 0, err
	}
	return int(r.Value), nil
}
