package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"
)

// Admin calls the control plane: Options.AdminURLs, with a key of the scope admin (or read, for what only reads).
type Admin struct{ c *Client }

// Admin returns the control plane of the client.
func (c *Client) Admin() *Admin { return &Admin{c} }

// CampaignState is a published campaign as it stands.
type CampaignState struct {
	Campaign  string            `json:"campaign"`
	Status    string            `json:"status"` // "scheduled", "running", "paused", "ended", "fenced", "killed"
	Version   uint32            `json:"version"`
	Hash      string            `json:"hash"`
	Seq       uint64            `json:"seq"`
	Title     map[string]string `json:"title"`
	TimeZone  string            `json:"time_zone"`
	StartsAt  time.Time         `json:"starts_at"`
	EndsAt    time.Time         `json:"ends_at"`
	Exhausted bool              `json:"exhausted"`
	FencedBy  string            `json:"fenced_by"`
}

// Campaign reads a published campaign.
func (a *Admin) Campaign(ctx context.Context, campaign string) (*CampaignState, error) {
	path, err := pathOf("campaign", "/admin/v1/campaigns/", campaign)
	if err != nil {
		return nil, err
	}
	return fetch[CampaignState](ctx, a.c, true, "campaign "+campaign, path, "")
}

// Campaigns goes through the published campaigns, by id.
func (a *Admin) Campaigns(ctx context.Context) iter.Seq2[CampaignState, error] {
	return pages[CampaignState](ctx, a.c, true, "campaigns", "/admin/v1/campaigns", nil)
}

// Controlled is what a pause, a resumption or an end did.
type Controlled struct {
	Campaign string    `json:"campaign"`
	Status   string    `json:"status"`
	At       time.Time `json:"at"`
}

// Pause stops deciding draws for a while. Repeating it changes nothing.
func (a *Admin) Pause(ctx context.Context, campaign, reason string) (*Controlled, error) {
	return a.control(ctx, campaign, "pause", reasonGiven{Reason: reason})
}

// Resume goes on deciding draws; with extend the end moves by the length of the pause. Repeating it changes nothing.
func (a *Admin) Resume(ctx context.Context, campaign, reason string, extend bool) (*Controlled, error) {
	return a.control(ctx, campaign, "resume", reasonGiven{reason, extend})
}

// End ends a campaign for good. Repeating it changes nothing.
func (a *Admin) End(ctx context.Context, campaign, reason string) (*Controlled, error) {
	return a.control(ctx, campaign, "end", reasonGiven{Reason: reason})
}

type reasonGiven struct {
	Reason        string `json:"reason"`
	ExtendByPause bool   `json:"extend_by_pause,omitempty"`
}

func (a *Admin) control(ctx context.Context, campaign, verb string, in reasonGiven) (*Controlled, error) {
	path, err := pathOf(verb, "/admin/v1/campaigns/", campaign)
	if err != nil {
		return nil, err
	}
	out := new(Controlled)
	if _, err := a.c.post(ctx, call{op: verb + " " + campaign, admin: true, path: path + ":" + verb, repeat: natural}, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// AdjustRequest changes a prize's stock by a delta, once for its key.
type AdjustRequest struct {
	Campaign string `json:"-"`
	Prize    string `json:"-"`
	Key      Key    `json:"-"`
	Delta    int64  `json:"delta"`
	Reason   string `json:"reason"`
	Session  string `json:"session,omitempty"` // whose own units are meant; "" for the prize's
}

// Adjusted is what an adjustment did.
type Adjusted struct {
	Campaign string `json:"campaign"`
	Prize    string `json:"prize"`
	Session  string `json:"session"`
	Total    int64  `json:"total"`
	Seq      uint64 `json:"seq"`
	Replayed bool   `json:"-"`
}

// Adjust changes a prize's stock.
func (a *Admin) Adjust(ctx context.Context, r AdjustRequest) (*Adjusted, error) {
	path, err := pathOf("adjust", "/admin/v1/campaigns/", r.Campaign, "/prizes/", r.Prize, ":adjust")
	if err != nil {
		return nil, err
	}
	out := new(Adjusted)
	done, err := a.c.postKeyed(ctx, call{op: "adjust " + r.Campaign + "/" + r.Prize, admin: true, path: path, key: r.Key}, r, out)
	if err != nil {
		return nil, err
	}
	out.Replayed = done.replayed()
	return out, nil
}

// APIKey is an API key without its secret.
type APIKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Person    string     `json:"person"`
	Namespace string     `json:"namespace"`
	Scopes    []string   `json:"scopes"`
	Campaigns []string   `json:"campaigns"`
	Sources   []string   `json:"sources"`
	MaxAmount int64      `json:"max_amount"`
	CIDR      []string   `json:"cidr"`
	ExpiresAt *time.Time `json:"expires_at"`
	CreatedAt time.Time  `json:"created_at"`
	Rate      *Rate      `json:"rate"`
}

// Rate bounds the requests of a key on one node.
type Rate struct {
	PerSecond int `json:"per_second"`
	Burst     int `json:"burst,omitempty"`
}

// NewAPIKey asks for an API key. Name and Scopes are needed.
type NewAPIKey struct {
	Name      string     `json:"name"`
	Person    string     `json:"person,omitempty"`
	Scopes    []string   `json:"scopes"`
	Campaigns []string   `json:"campaigns,omitempty"`
	Sources   []string   `json:"sources,omitempty"`
	MaxAmount int64      `json:"max_amount,omitempty"`
	CIDR      []string   `json:"cidr,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Rate      *Rate      `json:"rate,omitempty"`
}

// CreatedAPIKey is a new API key with its secret, which is told once.
type CreatedAPIKey struct {
	APIKey
	Secret   string    `json:"secret"` // "dk_…"
	Approval *Approval `json:"-"`      // what it waits for; nil when it works already
}

// Approval is a change that waits for another person.
type Approval struct {
	Approval  string         `json:"approval"`
	Digest    string         `json:"digest"` // of exactly the command that will be carried out
	Subject   string         `json:"subject"`
	Actor     string         `json:"actor"`
	Person    string         `json:"person"`
	Reason    string         `json:"reason"`
	At        time.Time      `json:"at"`
	ExpiresAt time.Time      `json:"expires_at"`
	Approvers []string       `json:"approvers"`
	Needed    int            `json:"needed"`
	Key       *CreatedAPIKey `json:"key"` // of the answer to CreateKey, once
}

// CreateKey creates an API key. It is not sent again after an unknown outcome: look through Keys then, and delete what is there.
func (a *Admin) CreateKey(ctx context.Context, r NewAPIKey) (*CreatedAPIKey, error) {
	var out struct {
		CreatedAPIKey
		Approval string         `json:"approval"`
		Key      *CreatedAPIKey `json:"key"`
	}
	k := call{op: "create key", admin: true, path: "/admin/v1/keys", repeat: once}
	done, err := a.c.post(ctx, k, r, &out)
	if err != nil || done.status != http.StatusAccepted {
		return &out.CreatedAPIKey, err
	}
	waits := new(Approval)
	if err := k.read(done, waits); err != nil || waits.Key == nil {
		return nil, k.unread(errors.Join(err, errors.New("an approval without its key")))
	}
	created := waits.Key
	created.Approval = waits
	return created, nil
}

// Keys goes through the namespace's API keys.
func (a *Admin) Keys(ctx context.Context) iter.Seq2[APIKey, error] {
	return pages[APIKey](ctx, a.c, true, "keys", "/admin/v1/keys", nil)
}

// DeleteKey revokes an API key.
func (a *Admin) DeleteKey(ctx context.Context, id string) error {
	path, err := pathOf("delete key", "/admin/v1/keys/", id)
	if err != nil {
		return err
	}
	_, err = a.c.do(ctx, &call{op: "delete key " + id, admin: true, method: http.MethodDelete, path: path, repeat: natural})
	if EffectOf(err) == EffectUnknown && errors.Is(err, ErrNotFound) {
		return nil // the first send had revoked it
	}
	return err
}
