package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine/campaignfile"
)

//go:embed demo.yaml
var demoFile string

// devStop is how long a node that is thrown away may take to stop.
const devStop = 500 * time.Millisecond

func (a *app) devCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run a node to play with: demo campaign, temporary data, loopback only",
		Long: `Everything in one process, with a campaign already published and a first draw already made. The data is in a
temporary directory and is deleted when it ends.

With --cluster 3 it is a cluster of three processes with certificates of their own, to be killed as one likes: whichever is
gone is started again after a while.`,
		Example: "  drawd dev\n  drawd dev --cluster 3\n  drawd dev --api 127.0.0.1:8080 --admin 127.0.0.1:8081",
		Args:    cobra.NoArgs,
	}
	api := c.Flags().String("api", defaultAPI, "loopback address of the data plane")
	admin := c.Flags().String("admin", defaultAdmin, "loopback address of the control plane")
	resp := c.Flags().String("resp", "", "loopback address of the RESP front, for clients of Redis; empty for none")
	cluster := c.Flags().Int("cluster", 1, "how many nodes: 1, 3 or 5; the others' ports are 10, 20 … above those of the first")
	c.RunE = func(c *cobra.Command, _ []string) error {
		err := errors.Join(loopback("api", *api), loopback("admin", *admin))
		if *resp != "" {
			err = errors.Join(err, loopback("resp", *resp))
		}
		if err != nil {
			return usage(err)
		}
		switch *cluster {
		case 1:
		case 3, 5:
			if *resp != "" {
				return usage(errors.New("--resp is for one node"))
			}
			return a.devCluster(c.Context(), *cluster, *api, *admin)
		default:
			return usage(fmt.Errorf("--cluster is %d: it must be 1, 3 or 5", *cluster))
		}
		return a.dev(c.Context(), serveOptions{API: *api, Admin: *admin, RESP: *resp, NodeID: "dev", LogLevel: "warn"})
	}
	return c
}

// loopback refuses addresses that others could reach: a dev node has no keys.
func loopback(flag, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--%s is %q: it must be like %s", flag, addr, defaultAPI)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--%s is %q: dev serves loopback only, because it has no keys; use serve for the rest", flag, addr)
}

// dev runs a node until it is told to stop, and throws it away.
func (a *app) dev(ctx context.Context, o serveOptions) (err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "drawd-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.Data = dir
	n, err := startNode(ctx, o, a.logger(o.LogLevel))
	if err != nil {
		return err
	}
	first, err := firstDraw(ctx, n.adminURL(), n.apiURL())
	if err != nil {
		return errors.Join(fmt.Errorf("the first draw: %w", err), n.stop(devStop))
	}
	if err := a.welcome(n, dir, first, time.Since(began)); err != nil {
		return errors.Join(err, n.stop(devStop))
	}
	select {
	case <-a.signals:
		fmt.Fprintf(a.stdout, "\nDeleting %s.\n", dir)
	case err = <-n.failed():
	}
	if stopped := n.stop(devStop); stopped != nil && !errors.Is(stopped, context.DeadlineExceeded) {
		err = errors.Join(err, stopped) // what took too long is thrown away anyway
	}
	return err
}

// firstDraw publishes the demo campaign and draws once, both over HTTP like everybody else.
func firstDraw(ctx context.Context, adminURL, apiURL string) (string, error) {
	now := time.Now().UTC()
	src := strings.NewReplacer("STARTS_AT", now.Add(-time.Hour).Format(time.RFC3339), "ENDS_AT", now.AddDate(1, 0, 0).Format(time.RFC3339)).Replace(demoFile)
	file, faults := campaignfile.Parse([]byte(src))
	if len(faults) > 0 {
		return "", faults[0]
	}
	control := &client{base: adminURL, flag: "admin", timeout: 5 * time.Second}
	if _, err := publish(ctx, control, &campaignSource{"the demo campaign", []byte(src), file}, "", "", false); err != nil {
		return "", err
	}
	data := &client{base: apiURL, flag: "api", timeout: 5 * time.Second}
	answer, err := data.do(ctx, call{method: http.MethodPost, path: "/v1/campaigns/demo/draws",
		body: map[string]any{"user": "u1"}, header: map[string]string{"Idempotency-Key": "first"}})
	if err != nil {
		return "", err
	}
	var d drawAnswer
	if err := decode(answer.body, &d); err != nil {
		return "", err
	}
	return d.String(), nil
}

// welcome says what there is, what to try and what will be lost.
func (a *app) welcome(n *node, dir, first string, took time.Duration) error {
	resp := ""
	if n.respAddr() != "" {
		host, port, _ := net.SplitHostPort(n.respAddr())
		resp = fmt.Sprintf("\n  RESP front      redis-cli -h %s -p %s DRAW demo u3 k1", host, port)
	}
	text := fmt.Sprintf(`first draw  %s

  data plane      %[2]s
  control plane   %[3]s
  the campaign    %[2]s/v1/campaigns/demo
  its stock       %[2]s/v1/campaigns/demo/stock
  every record    %[3]s/admin/v1/records
  health          %[3]s/readyz?verbose
  metrics         %[3]s/metrics%[6]s
  key             none needed: without keys, this machine is served and no other

Draw again (the same key gives the same answer, another key another draw):

  curl -s %[2]s/v1/campaigns/demo/draws -H 'Idempotency-Key: k1' -H 'Content-Type: application/json' -d '{"user":"u2"}'

Ready in %[4]s. At Ctrl-C %[5]s is deleted: the campaign, every draw, every key.
Use "drawd serve --data DIR" to keep them.
`, first, n.apiURL(), n.adminURL(), took.Round(time.Millisecond), dir, resp)
	_, err := io.WriteString(a.stdout, text)
	return err
}
