package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) switchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "switch",
		Short: "Stop draws or a prize at once, and allow them again",
		Long: `Off is one person's act and in force at once. On again needs another person where the policy asks for approvals; who
turned a switch off by mistake may undo it within 10 minutes. While a prize is off, who hits it misses, and learns nothing. While
payouts of a kind of prize are off, it is won and claimed, and no delivery of it begins.`,
		Example: `  drawd switch off prize flash-sale/phone --reason "wrong price"
  drawd switch off campaign flash-sale --reason "payments are down"
  drawd switch off payout cash --reason "the bank is down"
  drawd switch on prize flash-sale/phone --reason "price repaired"
  drawd switch list`,
	}
	c.AddCommand(a.switchTurnCommand("off", "Stop draws or a prize at once"), a.switchTurnCommand("on", "Allow them again"), a.switchListCommand())
	return c
}

// switchPath returns the path of a scope as it is said on the command line.
func switchPath(args []string) (string, error) {
	wrong := usage(errors.New(`say what: "global", "namespace", "campaign ID", "prize CAMPAIGN/PRIZE" or "payout KIND"`))
	parts := strings.Split(strings.Join(args, "/"), "/")
	want, known := map[string]int{"global": 1, "namespace": 1, "campaign": 2, "prize": 3, "payout": 2}[parts[0]]
	if !known || len(parts) != want {
		return "", wrong
	}
	for _, part := range parts[1:] {
		if _, err := validPart("the id", part); err != nil {
			return "", err
		}
	}
	return "/admin/v1/switches/" + strings.Join(parts, "/"), nil
}

func (a *app) switchTurnCommand(word, short string) *cobra.Command {
	c := &cobra.Command{
		Use:   word + " global|namespace|campaign ID|prize CAMPAIGN/PRIZE|payout KIND --reason TEXT",
		Short: short,
		Example: fmt.Sprintf("  drawd switch %s prize flash-sale/phone --reason \"wrong price\"\n", word) +
			fmt.Sprintf("  drawd switch %s namespace --reason \"payments are down\"", word),
		Args: cobra.RangeArgs(1, 2),
	}
	reason := c.Flags().String("reason", "", "why; kept in the records (needed)")
	glass := new(bool)
	if word == "on" {
		glass = c.Flags().Bool("break-glass", false, "nobody is there to approve: on by itself after 15 minutes, unless somebody rejects it")
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := switchPath(args)
		if err != nil {
			return err
		}
		if *reason == "" {
			return usage(fmt.Errorf("switch %s needs --reason: it stands in the records", word))
		}
		body := map[string]any{"on": word == "on", "reason": *reason}
		if *glass {
			body["break_glass"] = true
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPut, path: path, body: body})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error { return describeSwitch(w, answer) })
	}
	return c
}

// describeSwitch tells what became of a switch: done, or what waits for whom.
func describeSwitch(w io.Writer, answer *reply) error {
	if answer.status == http.StatusAccepted {
		return describeAsked(w, answer)
	}
	var done struct {
		Scope   string
		On      bool
		Changed bool
		At      string
	}
	if err := decode(answer.body, &done); err != nil {
		return err
	}
	state, already := "off", ""
	if done.On {
		state = "on"
	}
	if !done.Changed {
		already = " already"
	}
	_, err := fmt.Fprintf(w, "%s is%s %s since %s\n", done.Scope, already, state, done.At)
	return err
}

// approvalInfo is a request for approval as the daemon tells it.
type approvalInfo struct {
	Approval  string   `json:"approval"`
	Digest    string   `json:"digest"`
	Subject   string   `json:"subject"`
	Actor     string   `json:"actor"`
	Person    string   `json:"person"`
	Reason    string   `json:"reason"`
	ExpiresAt string   `json:"expires_at"`
	EffectAt  string   `json:"effect_at"`
	Approvers []string `json:"approvers"`
	Needed    int      `json:"needed"`
	Key       *keyInfo `json:"key,omitempty"`
}

// describe says what waits, until when, and what the other person must run.
func (i *approvalInfo) describe(w io.Writer) error {
	fmt.Fprintf(w, "waiting for approval: %s\n  asked by %s (%s): %s\n", i.Subject, i.Person, i.Actor, i.Reason)
	fmt.Fprintf(w, "  %d of %d approvals, expires at %s\n", len(i.Approvers), i.Needed, i.ExpiresAt)
	if i.Key != nil {
		fmt.Fprintf(w, "  secret %s\n  It is not shown again, and works once the key is approved.\n", i.Key.Secret)
	}
	if i.EffectAt != "" {
		fmt.Fprintf(w, "  the glass is broken: it happens by itself at %s\n  against it: drawd approval reject %s --reason TEXT\n", i.EffectAt, i.Approval)
	}
	_, err := fmt.Fprintf(w, "  another person: drawd approval approve %s --digest %s\n", i.Approval, i.Digest)
	return err
}

// describeAsked tells of an answer 202 what waits for whom.
func describeAsked(w io.Writer, answer *reply) error {
	var asked approvalInfo
	if err := decode(answer.body, &asked); err != nil {
		return err
	}
	return asked.describe(w)
}

// everyPage follows a list to its end; add takes the items of one page.
func (k *client) everyPage(ctx context.Context, path string, add func(page []byte) (cursor string, err error)) error {
	for cursor := ""; ; {
		answer, err := k.do(ctx, call{method: http.MethodGet, path: path + "?limit=1000&cursor=" + url.QueryEscape(cursor)})
		if err != nil {
			return err
		}
		if cursor, err = add(answer.body); err != nil || cursor == "" {
			return err
		}
	}
}

func (a *app) switchListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the switches that are off",
		Example: "  drawd switch list\n  drawd switch list -o json",
		Args:    cobra.NoArgs,
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		type item struct {
			Scope     string `json:"scope"`
			On        bool   `json:"on"`
			At        string `json:"at"`
			Actor     string `json:"actor"`
			Reason    string `json:"reason"`
			UndoUntil string `json:"undo_until,omitempty"`
		}
		items := []item{}
		if err := k.everyPage(ctx, "/admin/v1/switches", func(body []byte) (string, error) {
			var page struct {
				Items      []item
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
		if len(items) == 0 {
			_, err := fmt.Fprintln(a.stdout, "every switch is on")
			return err
		}
		rows := [][]string{{"OFF", "SINCE", "BY", "REASON"}}
		for _, s := range items {
			rows = append(rows, []string{s.Scope, s.At, s.Actor, s.Reason})
		}
		return table(a.stdout, rows...)
	}
	return c
}
