package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"
)

func (a *app) clusterCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "cluster",
		Short:   "Look at the nodes, let them in and out",
		Example: "  drawd cluster status\n  drawd cluster token create\n  drawd cluster promote n4 --reason \"caught up\"\n  drawd cluster remove n2 --reason \"its disk is dead\"",
	}
	c.AddCommand(a.clusterStatusCommand(), a.clusterAddCommand(), a.clusterPromoteCommand(), a.clusterRemoveCommand(), a.clusterTransferCommand(),
		a.clusterDrainCommand(), a.acceptClockCommand(), a.clusterTokenCommand(), a.clusterCACommand())
	return c
}

func (a *app) clusterStatusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show where the node stands, and what keeps it from being ready",
		Example: "  drawd cluster status\n  drawd cluster status -o json",
		Args:    cobra.NoArgs,
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodGet, path: "/admin/v1/cluster"})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error { return describeCluster(w, answer.body) })
	}
	return c
}

func describeCluster(w io.Writer, body []byte) error {
	var s struct {
		Cluster, Node string
		Ready, Leader bool
		Term, Applied uint64
		Last          uint64
		Checkpoint    uint64
		LogBytes      int64  `json:"log_bytes"`
		LogTime       string `json:"log_time"`
		ClockAhead    int64  `json:"clock_ahead_ms"`
		Checks        []struct {
			Name    string
			OK      bool
			Message string
		}
		Members []memberInfo
	}
	if err := decode(body, &s); err != nil {
		return err
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	err := table(w,
		[]string{"cluster", s.Cluster}, []string{"node", s.Node}, []string{"ready", fmt.Sprint(s.Ready)}, []string{"leader", fmt.Sprint(s.Leader)},
		[]string{"term", number(s.Term)}, []string{"applied", number(s.Applied)}, []string{"last entry", number(s.Last)},
		[]string{"checkpoint", number(s.Checkpoint)}, []string{"log bytes", strconv.FormatInt(s.LogBytes, 10)},
		[]string{"log time", fmt.Sprintf("%s (clock %+d ms)", s.LogTime, s.ClockAhead)})
	if err != nil {
		return err
	}
	for _, check := range s.Checks {
		mark := "ok "
		if !check.OK {
			mark = "BAD"
		}
		if _, err := fmt.Fprintf(w, "%s %s %s\n", mark, check.Name, check.Message); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return describeMembers(w, s.Members)
}

func (a *app) acceptClockCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "accept-clock --reason TEXT",
		Short: "Take the node's clock as it is, after clock_skew",
		Long: `A node whose clock jumped answers 503 clock_skew until the clock agrees with the log again, or until a person has
looked at it and runs this. Log time never goes back: behind it, it waits.`,
		Example: "  date -u && drawd cluster accept-clock --reason \"the machine was suspended\"",
		Args:    cobra.NoArgs,
	}
	reason := c.Flags().String("reason", "", "what happened to the clock (needed)")
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *reason == "" {
			return usage(errors.New("accept-clock needs --reason: look at the clock first"))
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		if _, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/cluster:accept-clock", body: map[string]any{"reason": *reason}}); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.stdout, "the clock is accepted")
		return err
	}
	return c
}
