package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options of a Client. Zero values mean the documented default.
type Options struct {
	// URLs of the data plane, "http://127.0.0.1:7070": one for each node. The first that answers is kept; another is tried
	// when it cannot be reached or has no leader.
	URLs []string
	// AdminURLs of the control plane; needed by Admin only.
	AdminURLs []string

	APIKey    string // "dk_…"; none for a node without keys on this machine
	Namespace string // to work in; default the key's own

	Attempts       int           // sends of one call; default DefaultAttempts
	Timeout        time.Duration // of a call whose context has no deadline; default DefaultTimeout
	AttemptTimeout time.Duration // of one send; default DefaultAttemptTimeout
	BackoffBase    time.Duration // longest first pause; it doubles with each; default DefaultBackoffBase
	BackoffMax     time.Duration // longest pause that nobody asked for; default DefaultBackoffMax

	MaxConnections int         // to one node; more callers wait; default DefaultMaxConnections
	TLS            *tls.Config // default: the system's certificates

	// HTTPClient sends instead of the built-in one, which uses no proxy. MaxConnections and TLS are its own business then. Its
	// Timeout and CheckRedirect are not used: deadlines are those of this package, and redirects are never followed.
	HTTPClient *http.Client
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("client: "+format, args...))
		}
	}
	fault(len(o.URLs)+len(o.AdminURLs) == 0, "Options.URLs is empty: where is drawd?")
	for _, list := range [][]string{o.URLs, o.AdminURLs} {
		for _, text := range list {
			if _, err := parseBase(text); err != nil {
				faults = append(faults, err)
			}
		}
	}
	fault(strings.ContainsAny(o.APIKey, " \r\n"), "Options.APIKey holds a space or a line break")
	fault(o.Namespace != "" && !plain(o.Namespace), "Options.Namespace %q is not a name", o.Namespace)
	fault(o.Attempts < 0, "Options.Attempts is %d", o.Attempts)
	fault(o.MaxConnections < 0, "Options.MaxConnections is %d", o.MaxConnections)
	fault(o.Timeout < 0 || o.AttemptTimeout < 0 || o.BackoffBase < 0 || o.BackoffMax < 0, "a duration in Options is negative")
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	set(&o.Attempts, DefaultAttempts)
	set(&o.Timeout, DefaultTimeout)
	set(&o.AttemptTimeout, DefaultAttemptTimeout)
	set(&o.BackoffBase, DefaultBackoffBase)
	set(&o.BackoffMax, DefaultBackoffMax)
	set(&o.MaxConnections, DefaultMaxConnections)
	return o
}

func set[T int | time.Duration](field *T, standard T) {
	if *field == 0 {
		*field = standard
	}
}

// parseBase reads the URL of a plane.
func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("client: %q is not like http://127.0.0.1:7070", text)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// httpClient returns what sends. Redirects are never followed: an API key goes only where the caller said.
func (o *Options) httpClient() *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if o.HTTPClient != nil {
		own := *o.HTTPClient
		own.CheckRedirect, own.Timeout = stay, 0
		return &own
	}
	return &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: 3 * time.Second,
		MaxIdleConns:        0, // as many as MaxConnections to each node
		MaxIdleConnsPerHost: o.MaxConnections,
		MaxConnsPerHost:     o.MaxConnections,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}}
}
