package client

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// Item is units of a pool.
type Item struct {
	Pool     string `json:"pool"`
	Quantity int64  `json:"quantity"` // 0 is sent as 1
}

// HoldRequest holds units of one pool or several, all or none, once for its key. A refusal is remembered under the key too, so that a
// late copy never takes stock.
type HoldRequest struct {
	Owner string
	Key   Key
	TTL   time.Duration // 0: as the pools say; 1 s to 24 h
	Ref   string        // your order's id, for finding holds again
	Items []Item        // 1 to 8
}

// Hold is units that are held, or were.
type Hold struct {
	ID        string     `json:"hold"`
	Owner     string     `json:"owner"`
	Ref       string     `json:"ref"`
	State     string     `json:"state"` // "held", "confirmed", "released", "expired", "voided"; "taken"
	Items     []Item     `json:"items"`
	Part      bool       `json:"part"` // only a part of it was confirmed; the rest went back
	At        time.Time  `json:"at"`
	ExpiresAt *time.Time `json:"expires_at"` // while it is held
	ExtendsTo *time.Time `json:"extends_to"` // the latest that an extension can give
	ExpiredAt *time.Time `json:"expired_at"`
	EndedAt   *time.Time `json:"ended_at"`
	Already   bool       `json:"already"` // it had ended so before
	Replayed  bool       `json:"-"`       // it was decided before, under this key
}

// TakeRequest takes units of one pool at once, once for its key.
type TakeRequest struct {
	Pool     string `json:"-"`
	Key      Key    `json:"-"`
	Owner    string `json:"owner"`
	Quantity int64  `json:"quantity,omitempty"` // 0 for one
	Ref      string `json:"ref,omitempty"`
}

// Take is units that were taken.
type Take struct {
	ID       string     `json:"take"`
	Pool     string     `json:"pool"`     // of the answer to Take
	Quantity int64      `json:"quantity"` // of the answer to Take
	Items    []Item     `json:"items"`    // of reads and of VoidTake
	Owner    string     `json:"owner"`
	Ref      string     `json:"ref"`
	State    string     `json:"state"` // of reads and of VoidTake: "taken", "voided"
	At       time.Time  `json:"at"`
	EndedAt  *time.Time `json:"ended_at"`
	Already  bool       `json:"already"` // it had been voided before
	Replayed bool       `json:"-"`       // it was decided before, under this key
}

// Take takes units, or returns a *Denial: ErrInsufficientStock (MayReturn: units are held), ErrCapped, ….
func (c *Client) Take(ctx context.Context, r TakeRequest) (*Take, error) {
	path, err := pathOf("take", "/v1/pools/", r.Pool, ":take")
	if err != nil {
		return nil, err
	}
	out := new(Take)
	done, err := c.postKeyed(ctx, call{op: "take " + r.Pool + "/" + r.Owner, path: path, key: r.Key}, r, out)
	if err != nil {
		return nil, err
	}
	out.Replayed = done.replayed()
	return out, nil
}

// Hold holds units, or returns a *Denial: ErrInsufficientStock (MayReturn: units are held), ErrCapped, ….
func (c *Client) Hold(ctx context.Context, r HoldRequest) (*Hold, error) {
	in := struct {
		Owner string `json:"owner"`
		TTL   int64  `json:"ttl_ms,omitempty"`
		Ref   string `json:"ref,omitempty"`
		Items []Item `json:"items"`
	}{r.Owner, r.TTL.Milliseconds(), r.Ref, atLeastOne(r.Items)}
	out := new(Hold)
	done, err := c.postKeyed(ctx, call{op: "hold of " + r.Owner, path: "/v1/holds", key: r.Key}, in, out)
	if err != nil {
		return nil, err
	}
	out.Replayed = done.replayed()
	return out, nil
}

// atLeastOne makes the default quantity plain, on a copy.
func atLeastOne(items []Item) []Item {
	all := append([]Item{}, items...)
	for i := range all {
		all[i].Quantity = max(all[i].Quantity, 1)
	}
	return all
}

// Confirm gives a hold's units out: all of them, or those of part; the rest goes back. Repeating it succeeds, Already. After the deadline
// it is ErrHoldExpired, and after another end ErrHoldFinished with the State. A pause, an end or a switch never refuses it.
func (c *Client) Confirm(ctx context.Context, hold string, part ...Item) (*Hold, error) {
	return c.confirm(ctx, hold, part, "")
}

// ConfirmLate is Confirm that takes free units when the hold has expired, or says ErrGone.
func (c *Client) ConfirmLate(ctx context.Context, hold string, part ...Item) (*Hold, error) {
	return c.confirm(ctx, hold, part, "reacquire")
}

func (c *Client) confirm(ctx context.Context, hold string, part []Item, late string) (*Hold, error) {
	in := struct {
		Items []Item `json:"items,omitempty"`
		Late  string `json:"late,omitempty"`
	}{atLeastOne(part), late}
	return resolve[Hold](ctx, c, "confirm", "/v1/holds/", hold, ":confirm", in)
}

// Release gives a hold's units back. Repeating it succeeds, Already.
func (c *Client) Release(ctx context.Context, hold, reason string) (*Hold, error) {
	return resolve[Hold](ctx, c, "release", "/v1/holds/", hold, ":release", reasonOnly{reason})
}

// Extend moves a hold's deadline to this moment; later than ExtendsTo it cannot be. Repeating it changes nothing.
func (c *Client) Extend(ctx context.Context, hold string, until time.Time) (*Hold, error) {
	in := struct {
		Until time.Time `json:"until"`
	}{until.UTC()}
	return resolve[Hold](ctx, c, "extend", "/v1/holds/", hold, ":extend", in)
}

// VoidHold takes a confirmed hold back, once, by the fault of "system", "user" or "abuse".
func (c *Client) VoidHold(ctx context.Context, hold, fault, reason string) (*Hold, error) {
	return resolve[Hold](ctx, c, "void", "/v1/holds/", hold, ":void", voiding{fault, reason})
}

// VoidTake takes a take back, once, by the fault of "system", "user" or "abuse".
func (c *Client) VoidTake(ctx context.Context, take, fault, reason string) (*Take, error) {
	return resolve[Take](ctx, c, "void", "/v1/takes/", take, ":void", voiding{fault, reason})
}

type reasonOnly struct {
	Reason string `json:"reason,omitempty"`
}

type voiding struct {
	Fault  string `json:"fault"`
	Reason string `json:"reason"`
}

// resolve ends a hold or a take.
func resolve[T any](ctx context.Context, c *Client, op, folder, id, verb string, in any) (*T, error) {
	path, err := pathOf(op, folder, id, verb)
	if err != nil {
		return nil, err
	}
	out := new(T)
	if _, err := c.post(ctx, call{op: op + " " + id, path: path, repeat: natural}, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetHold reads a hold.
func (c *Client) GetHold(ctx context.Context, hold string) (*Hold, error) {
	path, err := pathOf("get hold", "/v1/holds/", hold)
	if err != nil {
		return nil, err
	}
	return fetch[Hold](ctx, c, false, "get hold "+hold, path, "")
}

// GetTake reads a take.
func (c *Client) GetTake(ctx context.Context, take string) (*Take, error) {
	path, err := pathOf("get take", "/v1/takes/", take)
	if err != nil {
		return nil, err
	}
	return fetch[Take](ctx, c, false, "get take "+take, path, "")
}

// LookUpHold returns the first answer to an owner's hold under a key: the hold, the refusal that is remembered, or ErrKeyUnknown. It is
// answered in log order.
func (c *Client) LookUpHold(ctx context.Context, owner string, key Key) (*Hold, error) {
	return lookUp[Hold](ctx, c, owner, key, "")
}

// LookUpTake returns the first answer to an owner's take of a pool under a key, as LookUpHold does.
func (c *Client) LookUpTake(ctx context.Context, pool, owner string, key Key) (*Take, error) {
	return lookUp[Take](ctx, c, owner, key, "pool="+url.QueryEscape(pool))
}

func lookUp[T any](ctx context.Context, c *Client, owner string, key Key, query string) (*T, error) {
	path, err := pathOf("look up key", "/v1/owners/", owner)
	if err == nil {
		err = key.inPath()
	}
	if err != nil {
		return nil, err
	}
	return fetch[T](ctx, c, false, "look up key of "+owner, path+"/keys/"+string(key), query)
}

// HoldQuery chooses holds; what is empty does not choose. After a crash, Ref finds what became of an order.
type HoldQuery struct {
	Owner string
	Ref   string
	State string
	Pool  string
}

// Holds goes through the holds of a query.
func (c *Client) Holds(ctx context.Context, q HoldQuery) iter.Seq2[Hold, error] {
	query := url.Values{}
	for name, value := range map[string]string{"owner": q.Owner, "ref": q.Ref, "state": q.State, "pool": q.Pool} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return pages[Hold](ctx, c, false, "holds", "/v1/holds", query)
}
