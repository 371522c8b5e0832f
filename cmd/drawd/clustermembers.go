package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// memberInfo is a node as the daemon tells it.
type memberInfo struct {
	Node          string `json:"node"`
	Address       string `json:"address"`
	Role          string `json:"role"`
	Self          bool   `json:"self"`
	Leader        bool   `json:"leader"`
	Ready         bool   `json:"ready"`
	LastHeardMS   *int64 `json:"last_heard_ms"`
	API           string `json:"api"`
	Version       string `json:"version"`
	Applied       uint64 `json:"applied"`
	Lag           uint64 `json:"lag"`
	HashIndex     uint64 `json:"hash_index"`
	Hash          string `json:"hash"`
	ClockOffsetMS *int64 `json:"clock_offset_ms"`
	RTTUS         int64  `json:"rtt_us"`
	Level         uint32 `json:"level"`
	BlobsComplete bool   `json:"blobs_complete"`
	KeptOut       bool   `json:"kept_out"`
}

// silentAfter is how old a node's last word may be before it is shown as silent.
const silentAfter = 2 * time.Second

// describeMembers writes the nodes as a table.
func describeMembers(w io.Writer, all []memberInfo) error {
	rows := [][]string{{"NODE", "ROLE", "STATE", "APPLIED", "LAG", "HASH", "CLOCK", "RTT", "LEVEL", "VERSION", "RECORDS", "ADDRESS"}}
	for _, m := range all {
		name := m.Node
		if m.Self {
			name += " (this)"
		}
		if m.LastHeardMS == nil {
			state := "silent"
			if m.Role == "expected" {
				state = "-"
			}
			rows = append(rows, []string{name, m.Role, state, "-", "-", "-", "-", "-", "-", "-", "-", orDash(m.Address)})
			continue
		}
		state := "follows"
		switch {
		case time.Duration(*m.LastHeardMS)*time.Millisecond > silentAfter:
			state = "silent"
		case m.KeptOut:
			state = "kept out"
		case m.Leader:
			state = "leads"
		}
		hash, offset, records := "-", "-", "complete"
		if len(m.Hash) >= 8 {
			hash = fmt.Sprintf("%s@%d", m.Hash[:8], m.HashIndex)
		}
		if m.ClockOffsetMS != nil {
			offset = fmt.Sprintf("%+d ms", *m.ClockOffsetMS)
		}
		if !m.BlobsComplete {
			records = "copying"
		}
		rows = append(rows, []string{name, m.Role, state, fmt.Sprint(m.Applied), fmt.Sprint(m.Lag), hash, offset,
			(time.Duration(m.RTTUS) * time.Microsecond).Round(10 * time.Microsecond).String(), fmt.Sprint(m.Level), orDash(m.Version), records, orDash(m.Address)})
	}
	return table(w, rows...)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// memberCommand is a command that changes the nodes: it needs a reason and answers with them.
func (a *app) memberCommand(use, short, long, example string, args cobra.PositionalArgs, path func(args []string) (string, error), body func(c *cobra.Command, args []string) map[string]any) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: args}
	reason := c.Flags().String("reason", "", "why (needed)")
	k := a.adminClient(c)
	k.timeout = max(k.timeout, 20*time.Second)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *reason == "" {
			return usage(fmt.Errorf("%s needs --reason", c.Name()))
		}
		to, err := path(args)
		if err != nil {
			return err
		}
		sent := map[string]any{"reason": *reason}
		if body != nil {
			for name, value := range body(c, args) {
				sent[name] = value
			}
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: to, body: sent})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var page struct {
				Items []memberInfo `json:"items"`
			}
			if err := decode(answer.body, &page); err != nil {
				return err
			}
			return describeMembers(w, page.Items)
		})
	}
	return c
}

func (a *app) clusterAddCommand() *cobra.Command {
	c := a.memberCommand("add NODE --reason TEXT", "Let a node in by its id, without a token",
		`The node is started with --node-id NODE and --join; it comes in as a member without a vote, and is given all data while
draws go on. Then promote it. An id is used once: a node that lost its disk comes back under another one.`,
		"  drawd cluster add n4 --reason \"replaces n2\"\n  drawd cluster add e1 --edge --reason \"more HTTP\"", cobra.ExactArgs(1),
		func([]string) (string, error) { return "/admin/v1/cluster/members", nil },
		func(c *cobra.Command, args []string) map[string]any {
			edge, _ := c.Flags().GetBool("edge") // it is a flag of this command
			return map[string]any{"node": args[0], "edge": edge}
		})
	c.Flags().Bool("edge", false, "it answers HTTP and never votes")
	return c
}

// nodePath returns the path of a verb on a node.
func nodePath(verb string) func([]string) (string, error) {
	return func(args []string) (string, error) {
		node, err := validPart("the node", args[0])
		return "/admin/v1/cluster/members/" + node + ":" + verb, err
	}
}

func (a *app) clusterPromoteCommand() *cobra.Command {
	return a.memberCommand("promote NODE --reason TEXT", "Let a member vote, once it has caught up and has all records", "",
		"  drawd cluster promote n4 --reason \"caught up\"", cobra.ExactArgs(1), nodePath("promote"), nil)
}

func (a *app) clusterRemoveCommand() *cobra.Command {
	return a.memberCommand("remove NODE --reason TEXT", "Take a member out, for good",
		`Its id never comes back: start another node under another one. What is left must still be able to decide. A leader hands over
first.`,
		"  drawd cluster remove n2 --reason \"its disk is dead\"", cobra.ExactArgs(1), nodePath("remove"), nil)
}

func (a *app) clusterTransferCommand() *cobra.Command {
	return a.memberCommand("transfer --reason TEXT", "Hand the leadership to another node", "",
		"  drawd cluster transfer --reason \"this machine is to be updated\"", cobra.NoArgs,
		func([]string) (string, error) { return "/admin/v1/cluster:transfer", nil }, nil)
}

func (a *app) clusterDrainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "drain --reason TEXT",
		Short: "Make this node not ready and hand its leadership over, so that traffic goes elsewhere",
		Long: `The node goes on answering what still comes; load balancers that ask /readyz send no more. --off takes it back, as does a
restart.`,
		Example: "  drawd cluster drain --reason \"kernel update\"\n  drawd cluster drain --off --reason \"done\"",
		Args:    cobra.NoArgs,
	}
	reason := c.Flags().String("reason", "", "why (needed)")
	off := c.Flags().Bool("off", false, "take the node back into service")
	k := a.adminClient(c)
	k.timeout = max(k.timeout, 20*time.Second)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *reason == "" {
			return usage(errors.New("drain needs --reason"))
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/cluster:drain", body: map[string]any{"on": !*off, "reason": *reason}})
		if err != nil {
			return err
		}
		var done struct {
			HandedOver bool `json:"handed_over"`
		}
		if err := decode(answer.body, &done); err != nil {
			return err
		}
		text := "the node is drained"
		if *off {
			text = "the node is back in service"
		}
		if done.HandedOver {
			text += "; it has handed the leadership over"
		}
		_, err = fmt.Fprintln(a.stdout, text)
		return err
	}
	return c
}
