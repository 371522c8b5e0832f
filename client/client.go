package client

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Client calls the data plane of a drawd, and its control plane through [Client.Admin]. Make it with [New], once for a program.
type Client struct {
	options Options
	http    *http.Client
	data    *nodes
	control *nodes
	header  http.Header                            // of every request
	jitter  func(most time.Duration) time.Duration // a random time in [0, most]
}

// New returns a client. It connects when it is first used, so that a program can start before drawd does.
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	c := &Client{options: o, http: o.httpClient(), data: newNodes(o.URLs), control: newNodes(o.AdminURLs), header: http.Header{}}
	c.jitter = func(most time.Duration) time.Duration { return rand.N(most + 1) }
	if o.APIKey != "" {
		c.header.Set("Authorization", "Bearer "+o.APIKey)
	}
	if o.Namespace != "" {
		c.header.Set("Drawd-Namespace", o.Namespace)
	}
	return c, nil
}

// Close closes idle connections. Calls that run go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }
