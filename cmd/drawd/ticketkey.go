package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) ticketKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Create, list and revoke the keys that sign tickets",
		Example: `  drawd ticket key create --name "shop front"
  drawd ticket key list
  drawd ticket key revoke 0123456789abcdef`,
	}
	c.AddCommand(a.ticketKeyCreateCommand(), a.ticketKeyListCommand(), a.ticketKeyRevokeCommand())
	return c
}

func (a *app) ticketKeyCreateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "create --name NAME",
		Short:   "Create a ticket key; its secret is shown once",
		Example: `  drawd ticket key create --name "shop front" --campaign flash-sale --expires 720h`,
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	name := f.String("name", "", "who signs with it (needed)")
	campaigns := f.StringSlice("campaign", nil, "the only campaigns it may sign for")
	expires := f.Duration("expires", 0, "how long it works; default for ever")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *name == "" {
			return usage(errors.New("a ticket key needs --name"))
		}
		body := map[string]any{"name": *name}
		if len(*campaigns) > 0 {
			body["campaigns"] = *campaigns
		}
		if *expires != 0 {
			body["expires_at"] = time.Now().Add(*expires).UTC().Format("2006-01-02T15:04:05.000Z")
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/ticket-keys", body: body})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var key keyInfo
			if err := decode(answer.body, &key); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "created ticket key %s (%s)\nsecret %s\nIt is not shown again, and stored nowhere.\n", key.ID, key.Name, key.Secret)
			return err
		})
	}
	return c
}

func (a *app) ticketKeyListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the ticket keys, without their secrets",
		Example: "  drawd ticket key list -o json",
		Args:    cobra.NoArgs,
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodGet, path: "/admin/v1/ticket-keys?limit=1000"})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var page struct {
				Items []keyInfo `json:"items"`
			}
			if err := decode(answer.body, &page); err != nil {
				return err
			}
			rows := [][]string{{"ID", "NAME", "CAMPAIGNS", "EXPIRES"}}
			for _, key := range page.Items {
				rows = append(rows, []string{key.ID, key.Name, all(key.Campaigns), never(key.ExpiresAt)})
			}
			return table(w, rows...)
		})
	}
	return c
}

func (a *app) ticketKeyRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a ticket key; its tickets are refused at once",
		Example: "  drawd ticket key revoke 0123456789abcdef",
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
		if _, err := k.do(ctx, call{method: http.MethodDelete, path: "/admin/v1/ticket-keys/" + id}); err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.stdout, "revoked", id)
		return err
	}
	return c
}

func (a *app) listCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "Deny and allow lists of users",
		Long:  `A denied user is blocked, or restricted: he plays on without valuable prizes. An allowed user is not asked for the audience's rule.`,
		Example: `  drawd list put deny u1 --reason "bot farm" --treatment restricted
  drawd list put allow u2 --campaign flash-sale --reason staff
  drawd list remove deny u1 --reason "was no bot"
  drawd list show deny u1
  drawd list import deny -f users.ndjson`,
	}
	c.AddCommand(a.listChangeCommand("put", "Put a user on a list", http.MethodPut), a.listChangeCommand("remove", "Take a user off a list", http.MethodDelete),
		a.listChangeCommand("show", "Show how a user stands on a list", http.MethodGet), a.listImportCommand())
	return c
}

// listPath is where a list stands.
func listPath(campaign, list string) (string, error) {
	if list != "deny" && list != "allow" {
		return "", usage(fmt.Errorf("the lists are deny and allow, not %q", list))
	}
	if campaign == "" {
		return "/admin/v1/lists/" + list, nil
	}
	id, err := validPart("the campaign", campaign)
	return "/admin/v1/campaigns/" + id + "/lists/" + list, err
}

func (a *app) listChangeCommand(verb, short, method string) *cobra.Command {
	c := &cobra.Command{
		Use:     verb + " deny|allow USER",
		Short:   short,
		Example: `  drawd list ` + verb + ` deny u1` + map[bool]string{true: ` --reason "bot farm"`}[method != http.MethodGet],
		Args:    cobra.ExactArgs(2),
	}
	f := c.Flags()
	campaign := f.String("campaign", "", "the campaign's own list instead of the namespace's")
	reason, treatment, expires := "", "", time.Duration(0)
	if method != http.MethodGet {
		f.StringVar(&reason, "reason", "", "why; it is recorded (needed)")
	}
	if method == http.MethodPut {
		f.StringVar(&treatment, "treatment", "", "blocked or restricted, of the deny list; default blocked")
		f.DurationVar(&expires, "expires", 0, "after which time he is off again; default never")
	}
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := listPath(*campaign, args[0])
		if err != nil {
			return err
		}
		user, err := validPart("the user", args[1])
		if err != nil {
			return err
		}
		request := call{method: method, path: path + "/" + url.PathEscape(user)}
		if method != http.MethodGet {
			body := map[string]any{"reason": reason}
			if treatment != "" {
				body["treatment"] = treatment
			}
			if expires != 0 {
				body["expires_at"] = time.Now().Add(expires).UTC().Format("2006-01-02T15:04:05.000Z")
			}
			request.body = body
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, request)
		if err != nil {
			return err
		}
		_, err = a.stdout.Write(answer.body)
		return err
	}
	return c
}

func (a *app) listImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import deny|allow -f FILE",
		Short: "Put many users on a list, one a line",
		Long: `Each line is a JSON object: {"user":"u1","reason":"bot farm"}, with treatment and expires_at as for a single user. If it is
interrupted, run it again: what is done changes nothing.`,
		Example: "  drawd list import deny -f users.ndjson",
		Args:    cobra.ExactArgs(1),
	}
	file := c.Flags().StringP("file", "f", "", "file of lines (needed); - for standard input")
	campaign := c.Flags().String("campaign", "", "the campaign's own list instead of the namespace's")
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := listPath(*campaign, args[0])
		if err != nil {
			return err
		}
		in, err := openLines(*file)
		if err != nil {
			return err
		}
		defer in.Close()
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		return eachPart(in, partLines, func(p part) error {
			answer, err := a.sendPart(ctx, k, path+":import", p.body)
			if err != nil {
				return fmt.Errorf("lines %d to %d: %w\n  Run it again: what is done changes nothing", p.first, p.last, err)
			}
			_, err = a.stdout.Write(answer.body)
			return err
		})
	}
	return c
}
