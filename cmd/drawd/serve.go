package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/dataplane"
)

// Where a daemon listens by default: on loopback, because nothing beyond may be served without keys and TLS.
const (
	defaultAPI   = "127.0.0.1:7070"
	defaultAdmin = "127.0.0.1:7071"
)

// serveOptions is the daemon's configuration.
type serveOptions struct {
	Data      string
	API       string
	Admin     string
	RESP      string
	NodeID    string
	TLSCert   string
	TLSKey    string
	Insecure  bool
	SkipEntry string
	LogLevel  string
	DrainTime time.Duration
	DrainWait time.Duration
	WithStdin bool

	AddressRate, UserRate uint32 // of requests that only a ticket admits

	StateMemory uint64 // MiB; 0 for a share of the machine's

	Slow  slowLog
	Peers peerOptions
}

// flags gives a command every setting of the daemon.
func (o *serveOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.String("config", "", "configuration file, YAML; flags and DRAWD_* win over it")
	f.StringVar(&o.Data, "data", "", "data directory; made when it is missing (needed)")
	f.StringVar(&o.API, "api", defaultAPI, "address of the data plane")
	f.StringVar(&o.Admin, "admin", defaultAdmin, "address of the control plane")
	f.StringVar(&o.RESP, "resp", "", "address of the RESP front, for clients of Redis; empty for none")
	f.StringVar(&o.NodeID, "node-id", "node-1", "this node's id; it must not change on a data directory")
	f.StringVar(&o.TLSCert, "tls-cert", "", "certificate chain, PEM; with --tls-key both planes speak TLS")
	f.StringVar(&o.TLSKey, "tls-key", "", "private key of --tls-cert, PEM")
	f.BoolVar(&o.Insecure, "insecure", false, "listen beyond loopback without TLS, behind a proxy or mesh that has it")
	f.StringVar(&o.SkipEntry, "skip-entry", "", "INDEX:HASH of one log entry to leave out, as the node that stopped on it said")
	f.Var(choice{&o.LogLevel, []string{"debug", "info", "warn", "error"}}, "log-level", "least level that is logged: debug, info, warn or error")
	f.DurationVar(&o.DrainTime, "drain-time", 20*time.Second, "how long a stop may take before the process ends anyway")
	f.DurationVar(&o.DrainWait, "drain-delay", 0, "how long a stop waits between not being ready any more and taking no more requests: longer than a load balancer looks away, at most 1m")
	f.BoolVar(&o.WithStdin, "stop-with-stdin", false, "stop, as at SIGTERM, when standard input ends: for a program that starts drawd and must not leave it behind")
	f.Uint32Var(&o.AddressRate, "ticket-address-rate", dataplane.DefaultAddressPerSecond, "requests a second from one address that only a ticket admits, twice as many at once; 0 for no limit, as behind a proxy")
	f.Uint32Var(&o.UserRate, "ticket-user-rate", dataplane.DefaultUserPerSecond, "the same for one user; 0 for no limit")
	f.Uint64Var(&o.StateMemory, "state-memory", 0, "MiB of memory that users and keys may take before new keys are refused (capacity); 0 for 60 % of the machine's or container's")
	o.Slow.flags(c)
	o.Peers.flags(c)
	o.LogLevel = "info"
}

// validate reports everything that is wrong with o.
func (o *serveOptions) validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(o.Data == "", "name the data directory with --data")
	fault((o.TLSCert == "") != (o.TLSKey == ""), "--tls-cert and --tls-key go together")
	fault(o.NodeID == "", "--node-id must not be empty")
	fault(o.DrainTime < time.Second, "--drain-time is %v: it must be at least 1s", o.DrainTime)
	fault(o.DrainWait < 0 || o.DrainWait > time.Minute || o.DrainWait >= o.DrainTime, "--drain-delay is %v: it must be less than --drain-time, %v, and at most 1m", o.DrainWait, o.DrainTime)
	for flag, rate := range map[string]uint32{"ticket-address-rate": o.AddressRate, "ticket-user-rate": o.UserRate} {
		fault(rate > access.MaxRatePerSecond, "--%s is %d: it must be at most %d", flag, rate, access.MaxRatePerSecond)
	}
	fault(o.StateMemory != 0 && (o.StateMemory < 16 || o.StateMemory > 1<<40), "--state-memory is %d MiB: it must be at least 16", o.StateMemory)
	fault(o.API == o.Admin && !strings.HasSuffix(o.API, ":0"), "--api and --admin are both %s: the two planes need an address each", o.API)
	for _, a := range []struct{ flag, addr string }{{"api", o.API}, {"admin", o.Admin}, {"resp", o.RESP}} {
		if a.addr == "" && a.flag == "resp" {
			continue
		}
		_, _, err := net.SplitHostPort(a.addr)
		fault(err != nil, "--%s is %q: it must be like %s", a.flag, a.addr, defaultAPI)
	}
	_, _, err := parseSkip(o.SkipEntry)
	return errors.Join(append(faults, err, o.Slow.faults(), o.Peers.faults(o.NodeID))...)
}

// rateOf is the rate of a flag: twice as many at once as a second brings.
func rateOf(perSecond uint32) access.Rate {
	if perSecond == 0 {
		return access.Rate{PerSecond: access.MaxRatePerSecond, Burst: access.MaxRateBurst}
	}
	return access.Rate{PerSecond: perSecond, Burst: 2 * perSecond}
}

// parseSkip reads INDEX:HASH.
func parseSkip(s string) (index uint64, hash string, err error) {
	if s == "" {
		return 0, "", nil
	}
	number, hash, _ := strings.Cut(s, ":")
	index, err = strconv.ParseUint(number, 10, 64)
	if err != nil || index == 0 || len(hash) != 16 || strings.Trim(hash, "0123456789abcdef") != "" {
		return 0, "", fmt.Errorf("--skip-entry is %q: it must be INDEX:HASH, as the node that stopped printed it", s)
	}
	return index, hash, nil
}

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run a node that keeps what it decides",
		Long: `Ready when GET /readyz answers 200. SIGTERM or Ctrl-C: not ready any more, decide what waits, write a checkpoint,
close. A second one ends the process at once; nothing that was answered is lost then either. SIGHUP: the certificates between
nodes are read again.

Every flag is also a key of the configuration file (tls_cert for --tls-cert) and a variable of the environment
(DRAWD_TLS_CERT). A flag wins over the environment, the environment over the file.

With --raft the node is one of several. The first ones found a cluster together, each started with the same --bootstrap-expect;
later ones join with --join-token. A node that has data needs neither again, only --raft and its certificates.`,
		Example: `  drawd serve --data /var/lib/drawd
  drawd serve --data /var/lib/drawd --api 10.0.0.5:7070 --tls-cert tls.crt --tls-key tls.key
  drawd serve --config /etc/drawd.yaml
  drawd serve --data /var/lib/drawd --node-id n1 --raft 10.0.0.1:7072 --peer-cert n1.crt --peer-key n1.key --peer-ca ca.crt \
              --join 10.0.0.2:7072,10.0.0.3:7072 --bootstrap-expect 3`,
		Args: cobra.NoArgs,
	}
	var o serveOptions
	o.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.settle(c); err != nil {
			return err
		}
		if err := o.validate(); err != nil {
			return usage(err)
		}
		return a.serve(c.Context(), o)
	}
	return c
}

// serve is the daemon's life: start, serve until told to stop, stop in order.
func (a *app) serve(ctx context.Context, o serveOptions) error {
	a.tuneMemory()
	logger := a.logger(o.LogLevel)
	if o.WithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, a.stdin)
			a.signals <- syscall.SIGTERM
		}()
	}
	began := time.Now()
	logger.Info("starting", "version", thisBuild().Version, "commit", thisBuild().Commit, "data", o.Data, "timer_slack", slackNow().String())

	starting, cancel := context.WithCancel(ctx)
	defer cancel()
	started := make(chan error, 1)
	var n *node
	go func() {
		var err error
		n, err = startNode(starting, o, logger)
		started <- err
	}()
	select {
	case err := <-started:
		if err != nil {
			return err
		}
	case <-a.signals:
		logger.Info("told to stop while starting")
		cancel()
		if err := <-started; err != nil {
			return nil //nolint:nilerr // stopping was asked for
		}
		return n.stop(o.DrainTime)
	}
	logger.Info("ready", "api", n.apiURL(), "admin", n.adminURL(), "resp", n.respAddr(), "took", time.Since(began).Round(time.Millisecond).String())

	hangups := make(chan os.Signal, 1) // a reload by the service manager, also where there is nothing to read again
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case s := <-a.signals:
			logger.Info("stopping", "signal", s.String())
			return a.stopOrLeave(n, o.DrainTime, logger)
		case <-hangups:
			n.peers.reload(logger)
		case err := <-n.failed():
			logger.Error("a listener failed", "error", err)
			return errors.Join(err, n.stop(o.DrainTime))
		}
	}
}

// stopOrLeave stops n in order; another signal, or more time than is allowed, ends it at once. Nothing acknowledged
// depends on the order: that is what the log is for.
func (a *app) stopOrLeave(n *node, within time.Duration, logger *slog.Logger) error {
	stopped := make(chan error, 1)
	go func() { stopped <- n.stop(within) }()
	select {
	case err := <-stopped:
		if err == nil {
			logger.Info("stopped")
		}
		return err
	case s := <-a.signals:
		return failure(exitInterrupted, fmt.Errorf("%v again: ending at once; the next start replays the log", s))
	}
}

// logger returns the daemon's logger: JSON, a line an event, to standard error.
func (a *app) logger(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		panic("BUG: a log level that was checked: " + err.Error())
	}
	return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: l}))
}

// skipOf returns the log's form of --skip-entry.
func skipOf(s string) raftlog.SkipEntry {
	index, hash, err := parseSkip(s)
	if err != nil {
		panic("BUG: --skip-entry was checked: " + err.Error())
	}
	return raftlog.SkipEntry{Index: index, Hash: hash}
}
