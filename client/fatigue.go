package client

import (
	"context"
	"time"
)

// HitRequest counts against a fatigue cap, once for its key.
type HitRequest struct {
	Cap      string `json:"-"`
	User     string `json:"-"`
	Key      Key    `json:"-"`
	Quantity int64  `json:"quantity,omitempty"` // 0 for one. A cooldown counts a request once
}

// Fatigue is where a user stands with a fatigue cap.
type Fatigue struct {
	Cap      string     `json:"cap"`
	User     string     `json:"user"`
	Used     int64      `json:"used"`
	Limit    int64      `json:"limit"`
	Left     int64      `json:"left"`
	ResetsAt *time.Time `json:"resets_at"` // nil for never
	Replayed bool       `json:"-"`         // it was counted before, under this key
}

// Hit counts against a fatigue cap of the namespace's policy, if all of it fits; else a *Denial that is ErrCapped.
func (c *Client) Hit(ctx context.Context, r HitRequest) (*Fatigue, error) {
	path, err := pathOf("hit", "/v1/fatigue/", r.Cap, "/users/", r.User, ":hit")
	if err != nil {
		return nil, err
	}
	out := new(Fatigue)
	done, err := c.postKeyed(ctx, call{op: "hit " + r.Cap + "/" + r.User, path: path, key: r.Key}, r, out)
	if err != nil {
		return nil, err
	}
	out.Replayed = done.replayed()
	return out, nil
}

// Fatigue looks where a user stands with a fatigue cap. It changes nothing.
func (c *Client) Fatigue(ctx context.Context, fatigueCap, user string) (*Fatigue, error) {
	path, err := pathOf("fatigue", "/v1/fatigue/", fatigueCap, "/users/", user)
	if err != nil {
		return nil, err
	}
	return fetch[Fatigue](ctx, c, false, "fatigue "+fatigueCap+"/"+user, path, "")
}
