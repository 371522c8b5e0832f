package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Create, list and revoke API keys",
		Long: `Without any key a node serves loopback only. The first key must hold the scope admin: from then on every request needs
one. A key names a person: where the policy asks for approvals, who asked cannot approve with any of his keys, and keys with the
scope admin are created and revoked by two.`,
		Example: `  drawd key create --name ops --scope admin --person ann
  drawd key create --name front --scope draw --campaign flash-sale --cidr 10.0.0.0/8
  drawd key list
  drawd key revoke 0123456789abcdef`,
	}
	c.AddCommand(a.keyCreateCommand(), a.keyListCommand(), a.keyRevokeCommand())
	return c
}

// keyInfo is an API key as the daemon tells it.
type keyInfo struct {
	ID        string   `json:"id"`
	Secret    string   `json:"secret"`
	Name      string   `json:"name"`
	Person    string   `json:"person"`
	Namespace string   `json:"namespace"`
	Scopes    []string `json:"scopes"`
	Campaigns []string `json:"campaigns"`
	CIDR      []string `json:"cidr"`
	ExpiresAt string   `json:"expires_at"`
	CreatedAt string   `json:"created_at"`
}

func (a *app) keyCreateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "create --name NAME --scope SCOPE",
		Short: "Create a key; its secret is shown once",
		Example: `  drawd key create --name ops --scope admin --person ann
  drawd key create --name front --scope draw --campaign flash-sale --expires 720h --rate 5000
  drawd key create --name load --scope draw,read,admin --campaign 'bench-*' --expires 2h      # all that drawd bench --url needs`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	name := f.String("name", "", "what the key is for (needed)")
	person := f.String("person", "", "whose key it is: approvals count persons; default the key's id")
	scopes := f.StringSlice("scope", nil, "draw, chances, read, payout or admin; several with commas (needed)")
	campaigns := f.StringSlice("campaign", nil, "the only campaigns it may touch; 'bench-*' for those whose ids begin so")
	cidr := f.StringSlice("cidr", nil, "the only networks it may come from")
	sources := f.StringSlice("source", nil, "the only sources it may grant chances from")
	amount := f.Uint32("max-amount", 0, "the most chances in one grant")
	expires := f.Duration("expires", 0, "how long it works; default for ever")
	rate := f.Int("rate", 0, "requests a second on one node; default no limit")
	burst := f.Int("burst", 0, "requests at once; default the rate")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *name == "" || len(*scopes) == 0 {
			return usage(errors.New("a key needs --name and --scope"))
		}
		body := map[string]any{"name": *name, "scopes": *scopes}
		if *person != "" {
			body["person"] = *person
		}
		if len(*campaigns) > 0 {
			body["campaigns"] = *campaigns
		}
		if len(*cidr) > 0 {
			body["cidr"] = *cidr
		}
		if len(*sources) > 0 {
			body["sources"] = *sources
		}
		if *amount > 0 {
			body["max_amount"] = *amount
		}
		if *expires != 0 {
			body["expires_at"] = time.Now().Add(*expires).UTC().Format("2006-01-02T15:04:05.000Z")
		}
		if *rate != 0 || *burst != 0 {
			limits := map[string]int{"per_second": *rate}
			if *burst != 0 {
				limits["burst"] = *burst
			}
			body["rate"] = limits
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/keys", body: body})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error { return describeKey(w, answer) })
	}
	return c
}

// describeKey tells of a new key, with its secret, or of what waits for whom.
func describeKey(w io.Writer, answer *reply) error {
	if answer.status == http.StatusAccepted {
		return describeAsked(w, answer)
	}
	var key keyInfo
	if err := decode(answer.body, &key); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "created key %s (%s)\nsecret %s\nIt is not shown again. Use it as: Authorization: Bearer %s\n", key.ID, key.Name, key.Secret, key.Secret)
	return err
}

func (a *app) keyListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the keys, without their secrets",
		Example: "  drawd key list\n  drawd key list -o json",
		Args:    cobra.NoArgs,
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		var keys []keyInfo
		for cursor := ""; ; {
			answer, err := k.do(ctx, call{method: http.MethodGet, path: "/admin/v1/keys?limit=1000&cursor=" + url.QueryEscape(cursor)})
			if err != nil {
				return err
			}
			var page struct {
				Items      []keyInfo `json:"items"`
				NextCursor string    `json:"next_cursor"`
			}
			if err := decode(answer.body, &page); err != nil {
				return err
			}
			keys = append(keys, page.Items...)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if a.output == "json" {
			return writeJSON(a.stdout, map[string]any{"items": append([]keyInfo{}, keys...)})
		}
		rows := [][]string{{"ID", "NAME", "PERSON", "SCOPES", "CAMPAIGNS", "NETWORKS", "EXPIRES"}}
		for _, key := range keys {
			rows = append(rows, []string{key.ID, key.Name, key.Person, strings.Join(key.Scopes, ","), all(key.Campaigns), all(key.CIDR), never(key.ExpiresAt)})
		}
		return table(a.stdout, rows...)
	}
	return c
}

func all(list []string) string {
	if len(list) == 0 {
		return "all"
	}
	return strings.Join(list, ",")
}

func never(s string) string {
	if s == "" {
		return "never"
	}
	return s
}

func (a *app) keyRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a key; it stops working at once",
		Example: "  drawd key revoke 0123456789abcdef",
		Args:    cobra.ExactArgs(1),
	}
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := validPart("the key", args[0])
		if err != nil {
			return err
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodDelete, path: "/admin/v1/keys/" + id})
		if err != nil {
			return err
		}
		if answer.status == http.StatusAccepted {
			return describeAsked(a.stdout, answer)
		}
		_, err = fmt.Fprintln(a.stdout, "revoked", id)
		return err
	}
	return c
}
