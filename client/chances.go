package client

import (
	"context"
	"fmt"
	"time"
)

// GrantRequest gives a user chances for an event. Source and Event are the key: the same event grants once, for the life of the
// campaign or purse, so that sending it again is always safe.
type GrantRequest struct {
	Campaign string `json:"-"` // this or Purse
	Purse    string `json:"-"`
	User     string `json:"-"`

	Source      string     `json:"source"`
	Event       string     `json:"event"`
	Amount      int64      `json:"amount"`
	OccurredAt  *time.Time `json:"occurred_at,omitempty"`  // nil: now
	EffectiveAt *time.Time `json:"effective_at,omitempty"` // nil: at once
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`   // nil: as the source says
	Priority    *int       `json:"priority,omitempty"`     // nil: as the source says
	Reason      string     `json:"reason,omitempty"`
}

// Granted is what a grant did.
type Granted struct {
	Granted   int64  `json:"granted"`   // by this event
	Already   bool   `json:"already"`   // it was decided earlier
	Reason    string `json:"reason"`    // why less than asked for: "daily_limit", "late_event", "ended", "expired"
	DebtPaid  int64  `json:"debt_paid"` // of what was granted
	Remaining int64  `json:"remaining"` // the user's chances now
}

// RevokeRequest takes back what the grant of this source and event gave.
type RevokeRequest struct {
	Campaign string `json:"-"` // this or Purse
	Purse    string `json:"-"`
	User     string `json:"-"`

	Source string `json:"source"`
	Event  string `json:"event"`
	Reason string `json:"reason,omitempty"`
}

// Revoked is what a revocation did.
type Revoked struct {
	Revoked   int64 `json:"revoked"`
	Already   bool  `json:"already"`
	Debt      int64 `json:"debt"` // what was spent already: the next grants pay it
	Remaining int64 `json:"remaining"`
}

// ChanceUse is a user's chances: Granted = Consumed + Remaining + Expired + Revoked.
type ChanceUse struct {
	Mode      string      `json:"mode"` // "free", "granted", "purse"
	Purse     string      `json:"purse"`
	Price     int64       `json:"price"` // of a draw, now
	Remaining int64       `json:"remaining"`
	Spendable int64       `json:"spendable"` // now
	Granted   int64       `json:"granted"`
	Consumed  int64       `json:"consumed"`
	Expired   int64       `json:"expired"`
	Revoked   int64       `json:"revoked"`
	Debt      int64       `json:"debt"`
	Lots      []ChanceLot `json:"lots"` // in the order in which they are spent
}

// ChanceLot is chances that end together.
type ChanceLot struct {
	Remaining   int64      `json:"remaining"`
	EffectiveAt *time.Time `json:"effective_at"`
	ExpiresAt   *time.Time `json:"expires_at"` // nil: with the campaign; in a purse never
	Priority    int        `json:"priority"`
	Source      string     `json:"source"`
}

// Grant gives chances.
func (c *Client) Grant(ctx context.Context, r GrantRequest) (*Granted, error) {
	return chances[Granted](ctx, c, "grant", r.Campaign, r.Purse, r.User, "/chances", &r)
}

// Revoke takes a grant back. What was spent already becomes debt.
func (c *Client) Revoke(ctx context.Context, r RevokeRequest) (*Revoked, error) {
	return chances[Revoked](ctx, c, "revoke", r.Campaign, r.Purse, r.User, "/chances:revoke", &r)
}

func chances[T any](ctx context.Context, c *Client, op, campaign, purse, user, suffix string, in any) (*T, error) {
	if (campaign == "") == (purse == "") {
		return nil, fmt.Errorf("drawd: %s: %w: a campaign or a purse", op, ErrInvalidField)
	}
	owner, name := "/v1/campaigns/", campaign
	if purse != "" {
		owner, name = "/v1/purses/", purse
	}
	path, err := pathOf(op, owner, name, "/users/", user)
	if err != nil {
		return nil, err
	}
	out := new(T)
	if _, err := c.post(ctx, call{op: op + " " + name + "/" + user, path: path + suffix, repeat: natural}, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Purse reads a user's chances in a purse.
func (c *Client) Purse(ctx context.Context, purse, user string) (*ChanceUse, error) {
	path, err := pathOf("purse", "/v1/purses/", purse, "/users/", user)
	if err != nil {
		return nil, err
	}
	out, err := fetch[struct {
		Chances ChanceUse `json:"chances"`
	}](ctx, c, false, "purse "+purse+"/"+user, path, "")
	if err != nil {
		return nil, err
	}
	return &out.Chances, nil
}
