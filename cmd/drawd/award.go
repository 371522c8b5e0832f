package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) awardCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "award",
		Short: "Deliver what was won, step by step",
		Long: `A prize whose campaign file says award is delivered in steps: a player claims his win over the data plane, whoever pays
begins the delivery and tells how it ended. A key with the scope payout may do that and nothing else.`,
		Example: `  drawd award begin duxhxa4mzups5toptykxdlfw6ci --reason "payout 4711"
  drawd award done duxhxa4mzups5toptykxdlfw6ci
  drawd award fail duxhxa4mzups5toptykxdlfw6ci --reason "no such account"
  drawd award thaw flash-sale u1 --reason "a mistake"`,
	}
	c.AddCommand(a.awardMoveCommand("begin", "deliver", "Begin the delivery of an award"), a.awardMoveCommand("done", "delivered", "Tell that a delivery has arrived"),
		a.awardMoveCommand("fail", "fail", "Tell that a delivery has failed"), a.awardThawCommand())
	return c
}

// awardMoveCommand is a move of an award. verb is the API's: where the command has another name, it knows that one too.
func (a *app) awardMoveCommand(name, verb, short string) *cobra.Command {
	c := &cobra.Command{
		Use:     name + " DRAW [--reason TEXT]",
		Short:   short,
		Example: fmt.Sprintf("  drawd award %s duxhxa4mzups5toptykxdlfw6ci --reason \"payout 4711\"", name),
		Args:    cobra.ExactArgs(1),
	}
	if verb != name {
		c.Aliases = []string{verb}
	}
	reason := c.Flags().String("reason", "", "why, or what the payout is known by elsewhere; kept in the records")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := validPart("the draw", args[0])
		if err != nil {
			return err
		}
		if verb == "fail" && *reason == "" {
			return usage(errors.New("fail needs --reason: it stands in the records"))
		}
		body := map[string]any{}
		if *reason != "" {
			body["reason"] = *reason
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/draws/" + id + ":" + verb, body: body})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var moved struct {
				Draw, Campaign, User string
				Award                struct{ State, At string }
			}
			if err := decode(answer.body, &moved); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s of %s in %s: %s since %s\n", moved.Draw, moved.User, moved.Campaign, moved.Award.State, moved.Award.At)
			return err
		})
	}
	return c
}

func (a *app) awardThawCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "thaw CAMPAIGN USER --reason TEXT",
		Short: "Let a user's awards go on that a void had frozen",
		Example: `  drawd award thaw flash-sale u1 --reason "a mistake"
  drawd award thaw flash-sale u1 --reason "appeal 12" -o json`,
		Args: cobra.ExactArgs(2),
	}
	reason := c.Flags().String("reason", "", "why; kept in the records (needed)")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *reason == "" {
			return usage(errors.New("thaw needs --reason: it stands in the records"))
		}
		campaign, err := validPart("the campaign", args[0])
		if err != nil {
			return err
		}
		user, err := validPart("the user", args[1])
		if err != nil {
			return err
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: campaignPath(campaign) + "/users/" + user + "/awards:thaw", body: map[string]any{"reason": *reason}})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "the awards of %s in %s are not frozen\n", user, campaign)
			return err
		})
	}
	return c
}
