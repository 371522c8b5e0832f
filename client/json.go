package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// decode sends a call and reads its JSON answer into out, which may be nil.
func (c *Client) decode(ctx context.Context, k *call, out any) (*answer, error) {
	a, err := c.do(ctx, k)
	if err != nil || out == nil || len(a.body) == 0 {
		return a, err
	}
	if err := k.read(a, out); err != nil {
		return nil, err
	}
	return a, nil
}

// read reads an answer into out.
func (k *call) read(a *answer, out any) error {
	if err := json.Unmarshal(a.body, out); err != nil {
		return k.unread(err)
	}
	return nil
}

// postKeyed sends a document under its key, which must be there, and reads the answer.
func (c *Client) postKeyed(ctx context.Context, k call, in, out any) (*answer, error) {
	if err := k.key.check(); err != nil {
		return nil, fmt.Errorf("drawd: %s: %w", k.op, err)
	}
	k.repeat = keyed
	return c.post(ctx, k, in, out)
}

// get reads a document.
func (c *Client) get(ctx context.Context, admin bool, op, path, query string, out any) error {
	_, err := c.decode(ctx, &call{op: op, admin: admin, method: http.MethodGet, path: path, query: query, repeat: reads}, out)
	return err
}

// write makes a document the call's body.
func (k *call) write(in any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("drawd: %s: %w: %w", k.op, ErrInvalidField, err)
	}
	k.body, k.content = text, typeJSON
	return nil
}

// post sends a document and reads the answer.
func (c *Client) post(ctx context.Context, k call, in, out any) (*answer, error) {
	if in != nil {
		if err := k.write(in); err != nil {
			return nil, err
		}
	}
	k.method = http.MethodPost
	return c.decode(ctx, &k, out)
}

// pathOf joins names and the fixed parts between them. A name that could change the path is refused, unsent.
func pathOf(op string, parts ...string) (string, error) {
	for i, part := range parts {
		if i%2 == 1 && !plain(part) {
			return "", fmt.Errorf("drawd: %s: %w: %q cannot be a name", op, ErrInvalidField, part)
		}
	}
	return strings.Join(parts, ""), nil
}
