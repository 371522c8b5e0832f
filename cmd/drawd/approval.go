package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) approvalCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "approval",
		Short: "List, approve or reject what waits for another person",
		Long: `Where the policy asks for approvals, some things need a second person: a switch on again, a version that takes something
from users, fewer approvals, a key with the scope admin. The digest covers exactly what will be done. Approvals count persons:
who asked cannot approve with any of his keys. He withdraws what he asked for by rejecting it.`,
		Example: `  drawd approval list
  drawd approval approve aabcd… --digest 0123…
  drawd approval reject aabcd… --reason "not yet"`,
	}
	c.AddCommand(a.approvalListCommand(), a.approvalAnswerCommand("approve", "Approve what another person asked for"), a.approvalAnswerCommand("reject", "Reject what somebody asked for"))
	return c
}

func (a *app) approvalListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List what waits, with the digests to approve it by",
		Example: "  drawd approval list\n  drawd approval list -o json",
		Args:    cobra.NoArgs,
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		items := []approvalInfo{}
		if err := k.everyPage(ctx, "/admin/v1/approvals", func(body []byte) (string, error) {
			var page struct {
				Items      []approvalInfo
				NextCursor string `json:"next_cursor"`
			}
			err := decode(body, &page)
			items = append(items, page.Items...)
			return page.NextCursor, err
		}); err != nil {
			return err
		}
		if a.output == "json" {
			return writeJSON(a.stdout, map[string]any{"items": items})
		}
		for i := range items {
			if err := items[i].describe(a.stdout); err != nil {
				return err
			}
		}
		if len(items) == 0 {
			_, err := fmt.Fprintln(a.stdout, "nothing waits for approval")
			return err
		}
		return nil
	}
	return c
}

func (a *app) approvalAnswerCommand(verb, short string) *cobra.Command {
	c := &cobra.Command{Use: verb + " ID --digest HEX", Short: short, Args: cobra.ExactArgs(1)}
	c.Example = "  drawd approval approve aabcd… --digest 0123…"
	digest := new(string)
	if verb == "approve" {
		digest = c.Flags().String("digest", "", "the digest of the request, as \"drawd approval list\" shows it (needed)")
	} else {
		c.Use, c.Example = "reject ID --reason TEXT", "  drawd approval reject aabcd… --reason \"not yet\""
	}
	reason := c.Flags().String("reason", "", "why; kept in the records")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := validPart("the request", args[0])
		if err != nil {
			return err
		}
		body := map[string]any{}
		switch {
		case verb == "approve" && *digest == "":
			return usage(errors.New("approve needs --digest: look at the request with \"drawd approval list\""))
		case verb == "reject" && *reason == "":
			return usage(errors.New("reject needs --reason: it stands in the records"))
		case verb == "approve":
			body["digest"] = *digest
		}
		if *reason != "" {
			body["reason"] = *reason
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/approvals/" + id + ":" + verb, body: body})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var done struct{ Approval, State, At string }
			if err := decode(answer.body, &done); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s: %s at %s\n", done.Approval, done.State, done.At)
			return err
		})
	}
	return c
}
