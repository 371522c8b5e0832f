package client

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// LookUpKey returns the first answer under a key, or an error that is ErrKeyUnknown: nothing was decided under it so far.
// It is answered in log order, so that it is true of every send whose answer came before.
func (c *Client) LookUpKey(ctx context.Context, campaign, user string, key Key) (*Drawn, error) {
	return c.keyCall(ctx, call{op: "look up key", method: http.MethodGet, repeat: reads}, campaign, user, key, "")
}

// AbandonKey lets go of a key safely. It returns the first answer if the draw happened. Else the key is fenced for ever, and the
// error is ErrKeyAbandoned: no late copy of a request can draw any more, so that points can be given back.
func (c *Client) AbandonKey(ctx context.Context, campaign, user string, key Key) (*Drawn, error) {
	return c.keyCall(ctx, call{op: "abandon key", method: http.MethodPost, repeat: natural}, campaign, user, key, ":abandon")
}

func (c *Client) keyCall(ctx context.Context, k call, campaign, user string, key Key, suffix string) (*Drawn, error) {
	path, err := pathOf(k.op, "/v1/campaigns/", campaign, "/users/", user)
	if err != nil {
		return nil, err
	}
	if err := key.inPath(); err != nil {
		return nil, err
	}
	k.op += " " + campaign + "/" + user
	k.path = path + "/keys/" + string(key) + suffix
	a, err := c.do(ctx, &k)
	if err != nil {
		return nil, err
	}
	return readDrawn(&k, a)
}

// inPath refuses a key that cannot stand in a path.
func (k Key) inPath() error {
	if err := k.check(); err != nil {
		return fmt.Errorf("drawd: look up key: %w", err)
	}
	if strings.ContainsAny(string(k), "/%?#\"<>\\^`{|}") || strings.HasSuffix(string(k), ":abandon") {
		return fmt.Errorf("drawd: look up key: %w: %q cannot stand in a path", ErrIdempotencyKeyInvalid, k)
	}
	return nil
}
