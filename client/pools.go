package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Pool is a pool's books: Total = Unreleased + Available + Reserved + Held + Issued + Expired + Withdrawn.
type Pool struct {
	ID         string     `json:"pool"`
	Seq        uint64     `json:"seq"`
	Epoch      uint64     `json:"epoch"` // of its stock: a return moves it
	Total      int64      `json:"total"`
	Unreleased int64      `json:"unreleased"`
	Available  int64      `json:"available"`
	Reserved   int64      `json:"reserved"`
	Held       int64      `json:"held"`
	Issued     int64      `json:"issued"`
	Expired    int64      `json:"expired"`
	Withdrawn  int64      `json:"withdrawn"`
	Open       bool       `json:"open"` // it gives units now
	OpensAt    *time.Time `json:"opens_at"`
	ClosesAt   *time.Time `json:"closes_at"`
	SoldOut    bool       `json:"sold_out"`
	MayReturn  bool       `json:"may_return"`
}

// Pool reads a pool's books.
func (c *Client) Pool(ctx context.Context, pool string) (*Pool, error) {
	path, err := pathOf("pool", "/v1/pools/", pool)
	if err != nil {
		return nil, err
	}
	return fetch[Pool](ctx, c, false, "pool "+pool, path, "")
}

// Interval is a duration that JSON writes like "2m".
type Interval time.Duration

// MarshalText writes the duration.
func (i Interval) MarshalText() ([]byte, error) { return []byte(time.Duration(i).String()), nil }

// UnmarshalText reads a duration.
func (i *Interval) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*i = Interval(d)
	return err
}

// PoolPolicy is what a pool allows. What is 0 or nil has the server's default, which mostly is no bound.
type PoolPolicy struct {
	OpensAt        *time.Time `json:"opens_at,omitempty"`
	ClosesAt       *time.Time `json:"closes_at,omitempty"`
	LimitPerOwner  int64      `json:"limit_per_owner,omitempty"` // what one owner holds and has, together
	HoldTTL        Interval   `json:"hold_ttl,omitempty"`        // of a hold that does not say; default 2 m
	MaxHold        Interval   `json:"max_hold,omitempty"`        // extensions included; default ten times HoldTTL
	Restock        string     `json:"restock,omitempty"`         // who changes the total: "machine", "one" (default), "two"
	ReturnJitter   Interval   `json:"return_jitter,omitempty"`   // units that come back are spread over so much time
	MaxUnconfirmed int        `json:"max_unconfirmed,omitempty"` // holds of one owner that ended so, over the pool's life
	Cooldown       Interval   `json:"cooldown,omitempty"`        // after a hold that expired
	LowStock       int64      `json:"low_stock,omitempty"`       // at which a record says that the pool is low
}

// PutPoolRequest makes a pool, or replaces the policy of one.
type PutPoolRequest struct {
	Pool string `json:"-"`
	ETag string `json:"-"` // of the policy that is replaced; "" for a new pool
	PoolPolicy
	Total  *int64 `json:"total,omitempty"` // of a new pool; later AdjustPool is the only change
	Reason string `json:"reason,omitempty"`
}

// PoolTerms is a pool's policy with its books.
type PoolTerms struct {
	Pool     string `json:"pool"`
	Revision uint64 `json:"revision"`
	PoolPolicy
	Total    int64     `json:"total"`
	Stock    Pool      `json:"stock"`
	ETag     string    `json:"-"`
	Approval *Approval `json:"-"` // what a change waits for; nothing else is filled in then
}

// PutPool makes a pool, or replaces the policy with r.ETag. It is not sent again after an unknown outcome: read the pool then.
func (a *Admin) PutPool(ctx context.Context, r PutPoolRequest) (*PoolTerms, error) {
	path, err := pathOf("put pool", "/admin/v1/pools/", r.Pool)
	if err != nil {
		return nil, err
	}
	k := call{op: "put pool " + r.Pool, admin: true, method: http.MethodPut, path: path, match: r.ETag, repeat: once}
	if r.ETag == "" {
		k.none = "*"
	}
	return a.terms(ctx, &k, r)
}

// PoolTerms reads a pool's policy and books.
func (a *Admin) PoolTerms(ctx context.Context, pool string) (*PoolTerms, error) {
	path, err := pathOf("pool terms", "/admin/v1/pools/", pool)
	if err != nil {
		return nil, err
	}
	return a.terms(ctx, &call{op: "pool terms " + pool, admin: true, method: http.MethodGet, path: path, repeat: reads}, nil)
}

func (a *Admin) terms(ctx context.Context, k *call, in any) (*PoolTerms, error) {
	if in != nil {
		if err := k.write(in); err != nil {
			return nil, err
		}
	}
	done, err := a.c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	out := &PoolTerms{ETag: done.header.Get("ETag")}
	if done.status == http.StatusAccepted {
		out.Approval = new(Approval)
		return out, k.read(done, out.Approval)
	}
	if err := k.read(done, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Pools goes through the namespace's pools, by id.
func (a *Admin) Pools(ctx context.Context) iter.Seq2[PoolTerms, error] {
	return pages[PoolTerms](ctx, a.c, true, "pools", "/admin/v1/pools", nil)
}

// AdjustPoolRequest changes a pool's total by a delta, once for its key.
type AdjustPoolRequest struct {
	Pool   string `json:"-"`
	Key    Key    `json:"-"`
	Delta  int64  `json:"delta"`
	Reason string `json:"reason"`
}

// PoolAdjusted is what an adjustment of a pool did.
type PoolAdjusted struct {
	Pool     string    `json:"pool"`
	Delta    int64     `json:"delta"`
	Total    int64     `json:"total"` // after it
	Seq      uint64    `json:"seq"`
	Replayed bool      `json:"-"`
	Approval *Approval `json:"-"` // what it waits for; nothing else is filled in then
}

// AdjustPool changes a pool's total.
func (a *Admin) AdjustPool(ctx context.Context, r AdjustPoolRequest) (*PoolAdjusted, error) {
	path, err := pathOf("adjust pool", "/admin/v1/pools/", r.Pool, ":adjust")
	if err != nil {
		return nil, err
	}
	k := call{op: "adjust pool " + r.Pool, admin: true, path: path, key: r.Key}
	done, err := a.c.postKeyed(ctx, k, r, nil)
	if err != nil {
		return nil, err
	}
	out := &PoolAdjusted{Replayed: done.replayed()}
	if done.status == http.StatusAccepted {
		out.Approval = new(Approval)
		return out, k.read(done, out.Approval)
	}
	return out, k.read(done, out)
}
