package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// GetDraw reads a draw by its id.
func (c *Client) GetDraw(ctx context.Context, id string) (*Draw, error) {
	path, err := pathOf("get draw", "/v1/draws/", id)
	if err != nil {
		return nil, err
	}
	return fetch[Draw](ctx, c, false, "get draw "+id, path, "")
}

// fetch reads a document of a type.
func fetch[T any](ctx context.Context, c *Client, admin bool, op, path, query string) (*T, error) {
	out := new(T)
	if err := c.get(ctx, admin, op, path, query, out); err != nil {
		return nil, err
	}
	return out, nil
}

// User is where a user stands in a campaign.
type User struct {
	Campaign string     `json:"campaign"`
	User     string     `json:"user"`
	Draws    int64      `json:"draws"`
	Caps     []CapUse   `json:"caps"`    // per user: the namespace's, then the campaign's
	Chances  *ChanceUse `json:"chances"` // where draws cost something
	Pity     []PityUse  `json:"pity"`
	LastDraw string     `json:"last_draw"`
	LastWin  string     `json:"last_win"`
	CanDraw  bool       `json:"can_draw"`
	Denial   *WhyNot    `json:"denial"` // why he cannot
}

// CapUse is a user's counter against a cap.
type CapUse struct {
	ID       string     `json:"id"` // "ns/<id>" above all campaigns
	Counts   string     `json:"counts"`
	Used     int64      `json:"used"`
	Limit    int64      `json:"limit"`
	ResetsAt *time.Time `json:"resets_at"` // nil for never
}

// PityUse is a user's row of draws without luck.
type PityUse struct {
	ID              string `json:"id"`
	Counter         int64  `json:"counter"`
	GuaranteeWithin int64  `json:"guarantee_within"`
	Due             bool   `json:"due"`
}

// WhyNot is the denial that a draw would get now.
type WhyNot struct {
	Code      Code       `json:"code"`
	Title     string     `json:"title"`
	Cap       string     `json:"cap"`
	Used      int64      `json:"used"`
	Limit     int64      `json:"limit"`
	ResetsAt  *time.Time `json:"resets_at"`
	Allowed   int        `json:"allowed"`
	Remaining int64      `json:"remaining"`
	Price     int64      `json:"price"`
	StartsAt  time.Time  `json:"starts_at"`
	Now       time.Time  `json:"now"`
}

// User tells where a user stands, and whether he can draw now. It changes nothing.
func (c *Client) User(ctx context.Context, campaign, user string) (*User, error) {
	path, err := pathOf("user", "/v1/campaigns/", campaign, "/users/", user)
	if err != nil {
		return nil, err
	}
	return fetch[User](ctx, c, false, "user "+campaign+"/"+user, path, "")
}

// UserDraws goes through a user's draws, newest first; with wins, through his wins only. An error ends it.
func (c *Client) UserDraws(ctx context.Context, campaign, user string, wins bool) iter.Seq2[Draw, error] {
	const op = "user's draws"
	query := url.Values{}
	if wins {
		query.Set("outcome", "win")
	}
	return func(yield func(Draw, error) bool) {
		path, err := pathOf(op, "/v1/campaigns/", campaign, "/users/", user, "/draws")
		if err != nil {
			yield(Draw{}, err)
			return
		}
		pages[Draw](ctx, c, false, op+" "+campaign+"/"+user, path, query)(yield)
	}
}

// pages goes through a list that comes in pages.
func pages[T any](ctx context.Context, c *Client, admin bool, op, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		cursor := ""
		for {
			var page struct {
				Items      []T    `json:"items"`
				NextCursor string `json:"next_cursor"`
			}
			q := url.Values{}
			for name, values := range query {
				q[name] = values
			}
			if cursor != "" {
				q.Set("cursor", cursor)
			}
			if err := c.get(ctx, admin, op, path, q.Encode(), &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if cursor = page.NextCursor; cursor == "" {
				return
			}
		}
	}
}

// Stock is the books of a campaign's prizes: one cut.
type Stock struct {
	Campaign string       `json:"campaign"`
	Seq      uint64       `json:"seq"`
	Prizes   []PrizeStock `json:"prizes"`
}

// PrizeStock is the books of one prize: Total = Unreleased + Available + Reserved + Held + Issued + Expired + Withdrawn.
type PrizeStock struct {
	ID         string `json:"id"`
	Session    string `json:"session"` // whose own units these are
	Total      *int64 `json:"total"`   // nil for an unlimited prize, which counts Issued only
	Unreleased int64  `json:"unreleased"`
	Available  int64  `json:"available"`
	Reserved   int64  `json:"reserved"`
	Held       int64  `json:"held"`
	Issued     int64  `json:"issued"`
	Expired    int64  `json:"expired"`
	Withdrawn  int64  `json:"withdrawn"`
	Paid       *int64 `json:"paid"`   // minor units
	Budget     *int64 `json:"budget"` // minor units
}

// Stock reads the books of every prize of a campaign.
func (c *Client) Stock(ctx context.Context, campaign string) (*Stock, error) {
	path, err := pathOf("stock", "/v1/campaigns/", campaign, "/stock")
	if err != nil {
		return nil, err
	}
	return fetch[Stock](ctx, c, false, "stock "+campaign, path, "")
}

// CampaignPage is what a player may know of a campaign: the parts that every campaign has, and all of it in JSON.
type CampaignPage struct {
	Campaign string            `json:"campaign"`
	Version  uint32            `json:"version"`
	Hash     string            `json:"hash"`
	Title    map[string]string `json:"title"`
	TimeZone string            `json:"time_zone"`
	StartsAt time.Time         `json:"starts_at"`
	EndsAt   time.Time         `json:"ends_at"`
	Status   string            `json:"status"`
	Caps     []PageCap         `json:"caps"`
	Prizes   []PagePrize       `json:"prizes"`

	ETag      string `json:"-"` // for the next PageSince
	Unchanged bool   `json:"-"` // it is what it was; nothing else is filled in
	JSON      []byte `json:"-"` // as it was answered: sessions, channels, pity, odds, release, …
}

// PageCap is a cap as the player sees it.
type PageCap struct {
	ID       string `json:"id"`
	Counts   string `json:"counts"`
	Scope    string `json:"scope"`
	Window   string `json:"window"`
	WindowMs int64  `json:"window_ms"` // of rolling and cooldown
	Limit    int64  `json:"limit"`
	Prize    string `json:"prize"`
}

// PagePrize is a prize as the player sees it.
type PagePrize struct {
	ID      string            `json:"id"`
	Kind    string            `json:"kind"`
	Title   map[string]string `json:"title"`
	Amount  int64             `json:"amount"`
	Chances int64             `json:"chances"`
	Slot    *int              `json:"slot"`
}

// Page reads what a player may know of a campaign.
func (c *Client) Page(ctx context.Context, campaign string) (*CampaignPage, error) {
	return c.PageSince(ctx, campaign, "")
}

// PageSince reads a campaign's page unless it is still the one with this ETag.
func (c *Client) PageSince(ctx context.Context, campaign, etag string) (*CampaignPage, error) {
	path, err := pathOf("page", "/v1/campaigns/", campaign)
	if err != nil {
		return nil, err
	}
	p := &CampaignPage{}
	k := call{op: "page " + campaign, method: http.MethodGet, path: path, none: etag, repeat: reads}
	a, err := c.decode(ctx, &k, p)
	if err != nil {
		return nil, err
	}
	p.ETag, p.JSON, p.Unchanged = a.header.Get("ETag"), a.body, a.status == http.StatusNotModified
	return p, nil
}

// number writes a number for a query.
func number[T int | int64 | uint64](n T) string { return strconv.FormatInt(int64(n), 10) }
