package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func (a *app) poolCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "pool",
		Short: "Make pools of stock, and change what they have",
		Long: `A pool is stock that is taken or held without a draw: docs/holds.md. Its total changes by deltas only. Where the pool's restock
says "two", another person approves.`,
		Example: `  drawd pool put seats --total 500 --limit-per-owner 4 --hold-ttl 2m
  drawd pool show seats
  drawd pool adjust seats --delta 100 --reason "second delivery"
  drawd pool list`,
	}
	c.AddCommand(a.poolPutCommand(), a.poolShowCommand(), a.poolListCommand(), a.poolAdjustCommand())
	return c
}

// poolInfo is a pool as the daemon tells it.
type poolInfo struct {
	Pool          string `json:"pool"`
	Revision      uint64 `json:"revision"`
	LimitPerOwner int64  `json:"limit_per_owner"`
	HoldTTL       string `json:"hold_ttl"`
	Restock       string `json:"restock"`
	Stock         struct {
		Total, Unreleased, Available, Held, Issued, Withdrawn int64
		Open                                                  bool
	} `json:"stock"`
}

var poolHead = []string{"POOL", "TOTAL", "AVAILABLE", "HELD", "ISSUED", "WITHDRAWN", "OPEN", "PER OWNER", "TTL", "RESTOCK"}

func (i *poolInfo) row() []string {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	s, limit := &i.Stock, "-"
	if i.LimitPerOwner > 0 {
		limit = n(i.LimitPerOwner)
	}
	return []string{i.Pool, n(s.Total), n(s.Available), n(s.Held), n(s.Issued), n(s.Withdrawn), strconv.FormatBool(s.Open), limit, i.HoldTTL, i.Restock}
}

// describePool tells of one pool, or of the request that waits for another person.
func describePool(w io.Writer, answer *reply) error {
	if answer.status == http.StatusAccepted {
		return describeAsked(w, answer)
	}
	var i poolInfo
	if err := decode(answer.body, &i); err != nil {
		return err
	}
	return table(w, poolHead, i.row())
}

func (a *app) poolPutCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "put POOL",
		Short: "Make a pool, or replace its policy",
		Example: `  drawd pool put seats --total 500 --limit-per-owner 4 --hold-ttl 2m
  drawd pool put seats --limit-per-owner 6 --restock two   # what is not said is back at its default`,
		Args: cobra.ExactArgs(1),
	}
	f := c.Flags()
	total := f.Int64("total", -1, "units of a new pool; later pool adjust")
	limit := f.Int64("limit-per-owner", 0, "what one owner holds and has, together")
	unconfirmed := f.Int64("max-unconfirmed", 0, "holds of one owner that may end without being confirmed")
	low := f.Int64("low-stock", 0, "at which the pool is recorded as low")
	texts := []struct {
		name  string
		value *string
	}{
		{"hold_ttl", f.String("hold-ttl", "", "how long a hold lasts that does not say, such as 2m")},
		{"max_hold", f.String("max-hold", "", "the longest that a hold lasts, extensions included")},
		{"return_jitter", f.String("return-jitter", "", "over which units that come back are spread")},
		{"cooldown", f.String("cooldown", "", "of an owner whose hold expired")},
		{"restock", f.String("restock", "", "machine, one or two")},
		{"opens_at", f.String("opens-at", "", "as in RFC 3339")},
		{"closes_at", f.String("closes-at", "", "as in RFC 3339")},
		{"reason", f.String("reason", "", "kept in the records")},
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := poolPath(args[0])
		if err != nil {
			return err
		}
		body := map[string]any{"limit_per_owner": *limit, "max_unconfirmed": *unconfirmed, "low_stock": *low}
		if *total >= 0 {
			body["total"] = *total
		}
		for _, x := range texts {
			if *x.value != "" {
				body[x.name] = *x.value
			}
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		header, err := poolCondition(ctx, k, path)
		if err != nil {
			return err
		}
		answer, err := k.do(ctx, call{method: http.MethodPut, path: path, body: body, header: header})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error { return describePool(w, answer) })
	}
	return c
}

// poolCondition returns what a change must name: the revision that is there, or that none is.
func poolCondition(ctx context.Context, k *client, path string) (map[string]string, error) {
	answer, err := k.do(ctx, call{method: http.MethodGet, path: path})
	var refused *problemError
	switch {
	case errors.As(err, &refused) && refused.Code == "pool_not_found":
		return map[string]string{"If-None-Match": "*"}, nil
	case err != nil:
		return nil, err
	}
	return map[string]string{"If-Match": answer.header.Get("ETag")}, nil
}

func poolPath(id string) (string, error) {
	id, err := validPart("the pool", id)
	return "/admin/v1/pools/" + id, err
}

func (a *app) poolShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show POOL", Short: "Show what a pool has", Example: "  drawd pool show seats\n  drawd pool show seats -o json", Args: cobra.ExactArgs(1)}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := poolPath(args[0])
		if err != nil {
			return err
		}
		return a.tell(c, k, call{method: http.MethodGet, path: path}, describePool)
	}
	return c
}

// tell makes one call and tells its answer.
func (a *app) tell(c *cobra.Command, k *client, request call, describe func(io.Writer, *reply) error) error {
	ctx, cancel := a.interruptible(c.Context())
	defer cancel()
	answer, err := k.do(ctx, request)
	if err != nil {
		return err
	}
	return a.answer(answer.body, func(w io.Writer) error { return describe(w, answer) })
}

func (a *app) poolListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the pools", Example: "  drawd pool list", Args: cobra.NoArgs}
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		rows := [][]string{poolHead}
		if err := k.everyPage(ctx, "/admin/v1/pools", func(body []byte) (string, error) {
			var page struct {
				Items      []poolInfo
				NextCursor string `json:"next_cursor"`
			}
			err := decode(body, &page)
			for i := range page.Items {
				rows = append(rows, page.Items[i].row())
			}
			return page.NextCursor, err
		}); err != nil {
			return err
		}
		return table(a.stdout, rows...)
	}
	return c
}

func (a *app) poolAdjustCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "adjust POOL --delta N --reason TEXT", Short: "Add units to a pool, or take available ones away",
		Example: "  drawd pool adjust seats --delta 100 --reason \"second delivery\"\n  drawd pool adjust seats --delta -3 --reason broken --key claim-7", Args: cobra.ExactArgs(1),
	}
	delta := c.Flags().Int64("delta", 0, "units, negative to take away (needed)")
	reason := c.Flags().String("reason", "", "why; kept in the records (needed)")
	key := c.Flags().String("key", "", "idempotency key; made up and shown when it is not given")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := poolPath(args[0])
		if err != nil {
			return err
		}
		if *delta == 0 || *reason == "" {
			return usage(errors.New("pool adjust needs --delta and --reason"))
		}
		if *key == "" {
			*key = rand.Text()
			fmt.Fprintf(a.stderr, "key %s\n", *key)
		}
		return a.tell(c, k, call{
			method: http.MethodPost, path: path + ":adjust", body: map[string]any{"delta": *delta, "reason": *reason}, header: map[string]string{"Idempotency-Key": *key},
		}, func(w io.Writer, answer *reply) error {
			if answer.status == http.StatusAccepted {
				return describeAsked(w, answer)
			}
			var done struct {
				Pool         string
				Delta, Total int64
			}
			if err := decode(answer.body, &done); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s: total %d (%+d)\n", done.Pool, done.Total, done.Delta)
			return err
		})
	}
	return c
}

func (a *app) holdCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "hold",
		Short: "Look at holds and takes, and release holds",
		Example: `  drawd hold list --ref order-4711
  drawd hold show habcd…
  drawd hold release habcd… --reason "the customer called"`,
	}
	c.AddCommand(a.holdShowCommand(), a.holdListCommand(), a.holdReleaseCommand())
	return c
}

// holdInfo is a hold or take as the daemon tells it.
type holdInfo struct {
	Hold, Take, State, Owner, Ref string
	Items                         []struct {
		Pool     string
		Quantity int64
	}
	ExpiresAt string `json:"expires_at"`
	ExpiredAt string `json:"expired_at"`
	EndedAt   string `json:"ended_at"`
}

var holdHead = []string{"ID", "STATE", "UNTIL/SINCE", "OWNER", "REF", "ITEMS"}

func (i *holdInfo) row() []string {
	items := ""
	for n, x := range i.Items {
		if n > 0 {
			items += " "
		}
		items += x.Pool + "=" + strconv.FormatInt(x.Quantity, 10)
	}
	return []string{i.Hold + i.Take, i.State, i.ExpiresAt + i.ExpiredAt + i.EndedAt, i.Owner, i.Ref, items}
}

func describeHold(w io.Writer, answer *reply) error {
	var i holdInfo
	if err := decode(answer.body, &i); err != nil {
		return err
	}
	return table(w, holdHead, i.row())
}

// holdPath returns the path of a hold, or of a take.
func holdPath(id string) (string, error) {
	id, err := validPart("the id", id)
	if err == nil && id[0] == 't' {
		return "/v1/takes/" + id, nil
	}
	return "/v1/holds/" + id, err
}

func (a *app) holdShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show ID", Short: "Show a hold or take", Example: "  drawd hold show habcd…", Args: cobra.ExactArgs(1)}
	k := a.dataClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := holdPath(args[0])
		if err != nil {
			return err
		}
		return a.tell(c, k, call{method: http.MethodGet, path: path}, describeHold)
	}
	return c
}

func (a *app) holdReleaseCommand() *cobra.Command {
	c := &cobra.Command{Use: "release ID", Short: "Give a hold's units back", Example: "  drawd hold release habcd… --reason \"the customer called\"", Args: cobra.ExactArgs(1)}
	reason := c.Flags().String("reason", "", "kept in the records")
	k := a.dataClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := holdPath(args[0])
		if err != nil {
			return err
		}
		body := map[string]any{}
		if *reason != "" {
			body["reason"] = *reason
		}
		return a.tell(c, k, call{method: http.MethodPost, path: path + ":release", body: body}, describeHold)
	}
	return c
}

func (a *app) holdListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List holds and takes, newest first", Example: "  drawd hold list --ref order-4711\n  drawd hold list --owner o1 --state held", Args: cobra.NoArgs}
	f := c.Flags()
	filters := []struct {
		name  string
		value *string
	}{
		{"owner", f.String("owner", "", "of one owner")}, {"ref", f.String("ref", "", "with the host's reference")},
		{"state", f.String("state", "", "held, confirmed, released, expired, voided or taken")}, {"pool", f.String("pool", "", "of one pool")},
	}
	limit := f.Int("limit", 100, "how many, at most 1000")
	k := a.dataClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := "?limit=" + strconv.Itoa(*limit)
		for _, x := range filters {
			if *x.value != "" {
				query += "&" + x.name + "=" + url.QueryEscape(*x.value)
			}
		}
		return a.tell(c, k, call{method: http.MethodGet, path: "/v1/holds" + query}, func(w io.Writer, answer *reply) error {
			var page struct{ Items []holdInfo }
			if err := decode(answer.body, &page); err != nil {
				return err
			}
			rows := [][]string{holdHead}
			for i := range page.Items {
				rows = append(rows, page.Items[i].row())
			}
			return table(w, rows...)
		})
	}
	return c
}
