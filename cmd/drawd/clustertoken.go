package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) clusterTokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Tokens that let a node into the cluster, once each",
		Example: `  drawd cluster token create
  DRAWD_JOIN_TOKEN=dj_… drawd serve --data DIR --node-id n4 --raft 10.0.0.4:7072 --peer-cert … --join 10.0.0.1:7072`,
	}
	c.AddCommand(a.tokenCreateCommand(), a.tokenListCommand(), a.tokenDeleteCommand())
	return c
}

// tokenInfo is a join token as the daemon tells it.
type tokenInfo struct {
	ID        string `json:"id"`
	Secret    string `json:"secret"`
	Node      string `json:"node"`
	Edge      bool   `json:"edge"`
	ExpiresAt string `json:"expires_at"`
	UsedBy    string `json:"used_by"`
}

func (a *app) tokenCreateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "create",
		Short:   "Make a token; it is shown once",
		Example: "  drawd cluster token create --life 10m\n  drawd cluster token create --node n4",
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	node := f.String("node", "", "the only node that it lets in; default any")
	edge := f.Bool("edge", false, "it lets an edge in, which never votes")
	life := f.Duration("life", time.Hour, "how long it is good for, 1m to 168h")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		body := map[string]any{"edge": *edge, "life_ms": life.Milliseconds()}
		if *node != "" {
			body["node"] = *node
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/cluster/tokens", body: body})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var t tokenInfo
			if err := decode(answer.body, &t); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s\nGood for one node until %s. It is not shown again: DRAWD_JOIN_TOKEN=%s drawd serve … --join …\n", t.Secret, t.ExpiresAt, t.Secret)
			return err
		})
	}
	return c
}

func (a *app) tokenListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the tokens that have not expired", Example: "  drawd cluster token list", Args: cobra.NoArgs}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodGet, path: "/admin/v1/cluster/tokens"})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var page struct {
				Items []tokenInfo `json:"items"`
			}
			if err := decode(answer.body, &page); err != nil {
				return err
			}
			rows := [][]string{{"ID", "FOR", "EDGE", "EXPIRES", "USED BY"}}
			for _, t := range page.Items {
				node := t.Node
				if node == "" {
					node = "any"
				}
				rows = append(rows, []string{t.ID, node, fmt.Sprint(t.Edge), t.ExpiresAt, orDash(t.UsedBy)})
			}
			return table(w, rows...)
		})
	}
	return c
}

func (a *app) tokenDeleteCommand() *cobra.Command {
	c := &cobra.Command{Use: "delete ID", Short: "Take a token back", Example: "  drawd cluster token delete 0123456789abcdef", Args: cobra.ExactArgs(1)}
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := validPart("the token", args[0])
		if err != nil {
			return err
		}
		if id == "" {
			return usage(errors.New("name the token"))
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		if _, err := k.do(ctx, call{method: http.MethodDelete, path: "/admin/v1/cluster/tokens/" + id}); err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.stdout, "deleted", id)
		return err
	}
	return c
}
