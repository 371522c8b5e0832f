package client

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Types of a campaign file.
const (
	TypeYAML = "application/yaml"
	TypeJSON = typeJSON
)

// Document is a campaign file or a policy, as bytes: what a newer server knows and this package does not is not lost on the way.
type Document struct {
	Body []byte
	Type string // TypeYAML or TypeJSON; "" for YAML
	ETag string // of what is replaced; "" where there is nothing yet
}

func (d *Document) put(op, path string) call {
	k := call{op: op, admin: true, method: http.MethodPut, path: path, body: d.Body, content: d.Type, match: d.ETag, repeat: once}
	if d.Type == "" {
		k.content = TypeYAML
	}
	if d.ETag == "" {
		k.none = "*"
	}
	return k
}

// Draft reads a campaign's draft as it was saved.
func (a *Admin) Draft(ctx context.Context, campaign string) (*Document, error) {
	path, err := pathOf("draft", "/admin/v1/campaigns/", campaign, "/draft")
	if err != nil {
		return nil, err
	}
	return a.document(ctx, "draft "+campaign, path)
}

func (a *Admin) document(ctx context.Context, op, path string) (*Document, error) {
	done, err := a.c.do(ctx, &call{op: op, admin: true, method: http.MethodGet, path: path, repeat: reads})
	if err != nil {
		return nil, err
	}
	return &Document{Body: done.body, Type: done.header.Get("Content-Type"), ETag: done.header.Get("ETag")}, nil
}

// PutDraft saves a campaign's draft in place of the one with d.ETag and returns the new ETag. ErrVersionConflict says that
// somebody else saved one meanwhile.
func (a *Admin) PutDraft(ctx context.Context, campaign string, d Document) (etag string, err error) {
	path, err := pathOf("put draft", "/admin/v1/campaigns/", campaign, "/draft")
	if err != nil {
		return "", err
	}
	k := d.put("put draft "+campaign, path)
	var out struct {
		ETag string `json:"etag"`
	}
	_, err = a.c.decode(ctx, &k, &out)
	return out.ETag, err
}

// Validation is what a campaign file would do.
type Validation struct {
	Warnings  []FieldError `json:"warnings"`
	Liability struct {
		MinorUnits int64    `json:"minor_units"` // the most that it can cost, of all prizes that something bounds
		Unbounded  []string `json:"unbounded"`
	} `json:"liability"`
	Odds []ValidatedOdds `json:"odds"`
}

// ValidatedOdds is what a draw pays in the long run, in parts per billion.
type ValidatedOdds struct {
	Sessions []string `json:"sessions"`
	Channel  string   `json:"channel"`
	Prizes   []struct {
		ID         string `json:"id"`
		WeightsPPB int64  `json:"weights_ppb"` // what the weights alone say
		PaysPPB    int64  `json:"pays_ppb"`    // what is really paid
	} `json:"prizes"`
	MissPPB int64 `json:"miss_ppb"`
}

// Validate lists every fault of a campaign file (a *Problem that is ErrInvalidCampaign, with Errors), and what it would pay.
// Without a body the saved draft is meant. Nothing is changed.
func (a *Admin) Validate(ctx context.Context, campaign string, d Document) (*Validation, error) {
	path, err := pathOf("validate", "/admin/v1/campaigns/", campaign, ":validate")
	if err != nil {
		return nil, err
	}
	k := call{op: "validate " + campaign, admin: true, method: http.MethodPost, path: path, repeat: reads}
	if len(d.Body) > 0 {
		k.body, k.content = d.Body, d.put("", "").content
	}
	out := new(Validation)
	if _, err := a.c.decode(ctx, &k, out); err != nil {
		return nil, err
	}
	return out, nil
}

// PublishRequest makes a draft the live version.
type PublishRequest struct {
	Campaign  string     `json:"-"`
	DraftETag string     `json:"draft_etag"`
	Reason    string     `json:"reason,omitempty"`
	Forced    bool       `json:"forced,omitempty"` // although users are worse off; needs Reason
	At        *time.Time `json:"at,omitempty"`     // live at this log time; nil: at once
}

// Published is what publishing did.
type Published struct {
	Campaign    string    `json:"campaign"`
	Version     uint32    `json:"version"` // 0 while it waits
	Hash        string    `json:"hash"`
	AlreadyLive bool      `json:"already_live"` // the live version has the identical form
	At          time.Time `json:"at"`
	Waits       bool      `json:"-"` // for its time, or for another person
	Approval    string    `json:"approval"`
}

// Publish makes a draft the live version. One that is forced, or is to become live later, is not sent again after an unknown outcome.
func (a *Admin) Publish(ctx context.Context, r PublishRequest) (*Published, error) {
	path, err := pathOf("publish", "/admin/v1/campaigns/", r.Campaign, ":publish")
	if err != nil {
		return nil, err
	}
	k := call{op: "publish " + r.Campaign, admin: true, path: path, repeat: natural}
	if r.Forced || r.At != nil {
		k.repeat = once
	}
	out := new(Published)
	done, err := a.c.post(ctx, k, r, out)
	if err != nil {
		return nil, err
	}
	out.Waits = done.status == http.StatusAccepted
	return out, nil
}

// Policy reads the namespace's policy.
func (a *Admin) Policy(ctx context.Context) (*Document, error) {
	return a.document(ctx, "policy", "/admin/v1/policy")
}

// PutPolicy replaces the policy with d.ETag; that of the defaults is `"0"`. It returns the new policy, or an Approval that a change
// waits for: fewer approvals need approval themselves.
func (a *Admin) PutPolicy(ctx context.Context, d Document) (*Document, *Approval, error) {
	k := d.put("put policy", "/admin/v1/policy")
	done, err := a.c.do(ctx, &k)
	if err != nil {
		return nil, nil, err
	}
	if done.status != http.StatusAccepted {
		return &Document{Body: done.body, Type: done.header.Get("Content-Type"), ETag: done.header.Get("ETag")}, nil, nil
	}
	waits := new(Approval)
	if err := k.read(done, waits); err != nil {
		return nil, nil, fmt.Errorf("approval: %w", err)
	}
	return nil, waits, nil
}
