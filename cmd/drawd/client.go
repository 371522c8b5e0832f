package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
)

// Where a daemon is when nobody says otherwise.
const (
	defaultURL      = "http://127.0.0.1:7070"
	defaultAdminURL = "http://127.0.0.1:7071"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 8 << 20

// client calls one plane of a running daemon. Its flags say where that is and who calls.
type client struct {
	base      string
	flag      string // the flag that says where, for messages
	key       string
	namespace string
	authority string // file with the certificates to trust
	timeout   time.Duration
}

// adminClient gives a command the flags of the control plane.
func (a *app) adminClient(c *cobra.Command) *client {
	return a.clientFlags(c, &client{flag: "admin-url"}, defaultAdminURL, "the control plane")
}

// dataClient gives a command the flags of the data plane.
func (a *app) dataClient(c *cobra.Command) *client {
	return a.clientFlags(c, &client{flag: "url"}, defaultURL, "the data plane")
}

// clientFlags gives a command the flags of one plane. They have DRAWD_* names in the environment too.
func (a *app) clientFlags(c *cobra.Command, k *client, base, plane string) *client {
	f := c.Flags()
	f.StringVar(&k.base, k.flag, a.env(k.flag, base), "where "+plane+" is")
	if f.Lookup("api-key") == nil {
		f.StringVar(&k.key, "api-key", a.env("api-key", ""), "API key, dk_… (better in DRAWD_API_KEY: other users see command lines)")
		f.Lookup("api-key").DefValue = ""
		f.StringVar(&k.namespace, "namespace", a.env("namespace", ""), "namespace to work in; default the key's own")
		f.StringVar(&k.authority, "ca-cert", a.env("ca-cert", ""), "certificates to trust, PEM; default the system's")
		f.DurationVar(&k.timeout, "timeout", 10*time.Second, "how long to wait for an answer")
	}
	return k
}

// env returns the value of a flag in the environment.
func (a *app) env(flag, standard string) string {
	if v, ok := a.environ[envName(flag)]; ok {
		return v
	}
	return standard
}

// problemError is a refusal of the daemon.
type problemError struct {
	status    int
	Code      string      `json:"code"`
	Title     string      `json:"title"`
	Detail    string      `json:"detail"`
	Effect    string      `json:"effect"`
	Retryable bool        `json:"retryable"`
	RequestID string      `json:"request_id"`
	Errors    []wireFault `json:"errors"`
	Cap       string      `json:"cap"`
	ResetsAt  string      `json:"resets_at"`
}

type wireFault struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

// faults returns the faults in the form in which they are rendered.
func (e *problemError) faults() []campaignfile.Fault {
	var all []campaignfile.Fault
	for _, f := range e.Errors {
		all = append(all, campaignfile.Fault{Pointer: f.Pointer, Code: problem.InvalidField, Message: f.Message, Line: f.Line, Column: f.Column})
	}
	return all
}

func (e *problemError) Error() string {
	var b strings.Builder
	b.WriteString(e.Code)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	} else if e.Title != "" {
		b.WriteString(": " + e.Title)
	}
	if e.Cap != "" {
		b.WriteString(" Cap " + e.Cap + ".")
		if e.ResetsAt != "" {
			b.WriteString(" Resets at " + e.ResetsAt + ".")
		}
	}
	for _, f := range e.Errors {
		b.WriteString("\n  " + f.Pointer + ": " + f.Message)
	}
	if e.Effect != "none" && e.Effect != "" {
		b.WriteString("\n  effect: " + e.Effect)
	}
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		b.WriteString("\n  Give a key with --api-key or DRAWD_API_KEY.")
	}
	if e.RequestID != "" {
		b.WriteString("\n  request id: " + e.RequestID)
	}
	return b.String()
}

// reply is a good answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call is one request.
type call struct {
	method, path string
	body         any    // []byte is sent as it is; anything else as JSON
	contentType  string // of a []byte body
	header       map[string]string
}

// do sends a request and returns its answer. A refusal is a *problemError.
func (k *client) do(ctx context.Context, c call) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	request, err := k.request(ctx, c)
	if err != nil {
		return nil, err
	}
	answer, end, err := k.send(request)
	if err != nil {
		return nil, err
	}
	defer end()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", k.base, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, k.refused(answer, body)
	}
	return &reply{answer.StatusCode, answer.Header, body}, nil
}

// send sends a request. end must be called when its answer was read.
func (k *client) send(request *http.Request) (answer *http.Response, end func(), err error) {
	// No proxy: a daemon on this machine must not be asked for through somebody else's.
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext}
	if transport.TLSClientConfig, err = k.trust(); err != nil {
		return nil, nil, err
	}
	if answer, err = (&http.Client{Transport: transport}).Do(request); err != nil {
		transport.CloseIdleConnections()
		return nil, nil, k.unreachable(err)
	}
	return answer, func() {
		_ = answer.Body.Close()
		transport.CloseIdleConnections()
	}, nil
}

// refused is the error of an answer that is a refusal.
func (k *client) refused(answer *http.Response, body []byte) error {
	e := &problemError{status: answer.StatusCode}
	if json.Unmarshal(body, e) != nil || e.Code == "" {
		e.Code = fmt.Sprintf("%s answered %s, which is not drawd's way: check --%s", k.base, answer.Status, k.flag)
	}
	return e
}

// trust returns the certificates that a daemon's own must come from; nil for the system's.
func (k *client) trust() (*tls.Config, error) {
	if k.authority == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(k.authority)
	if err != nil {
		return nil, usage(fmt.Errorf("--ca-cert: %w", err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usage(fmt.Errorf("--ca-cert %s holds no certificate in PEM form", k.authority))
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

func (k *client) request(ctx context.Context, c call) (*http.Request, error) {
	base, err := url.Parse(k.base)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, usage(fmt.Errorf("--%s is %q: it must be like %s", k.flag, k.base, defaultURL))
	}
	body, raw := c.body.([]byte)
	if c.body != nil && !raw {
		if body, err = json.Marshal(c.body); err != nil {
			return nil, err
		}
		c.contentType = "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, c.method, strings.TrimSuffix(k.base, "/")+c.path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.contentType != "" {
		request.Header.Set("Content-Type", c.contentType)
	}
	if k.key != "" {
		request.Header.Set("Authorization", "Bearer "+k.key)
	}
	if k.namespace != "" {
		request.Header.Set("Drawd-Namespace", k.namespace)
	}
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	return request, nil
}

// unreachable says what to do when there is no answer.
func (k *client) unreachable(err error) error {
	var refused *net.OpError
	if errors.Is(err, context.Canceled) {
		return failure(exitInterrupted, fmt.Errorf("interrupted before %s answered", k.base))
	}
	if errors.As(err, &refused) && refused.Op == "dial" {
		return failure(exitUnavailable, fmt.Errorf("nobody answers at %s (%w): start drawd there, or say where it is with --%s", k.base, refused.Err, k.flag))
	}
	return failure(exitUnavailable, fmt.Errorf("no answer from %s: %w", k.base, err))
}
