package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) voidCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "void DRAW --fault system|user|abuse --reason TEXT",
		Short: "Take a draw back, once",
		Long: `What is given back depends on whose fault it was. system: the stock, money, chances, the caps that the draw was counted by
while their window is open, the user's pity, and the entry of a deck. user: the stock and the money. abuse: nothing; the units
are withdrawn. Chances that the draw granted are revoked. The draw's record and its answer under its key stay.`,
		Example: `  drawd void duxhxa4mzups5toptykxdlfw6ci --fault system --reason "ticket 4711"`,
		Args:    cobra.ExactArgs(1),
	}
	fault := c.Flags().String("fault", "", "system, user or abuse (needed)")
	reason := c.Flags().String("reason", "", "why; kept in the records (needed)")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := validPart("the draw", args[0])
		if err != nil {
			return err
		}
		if *fault == "" || *reason == "" {
			return usage(errors.New("void needs --fault and --reason"))
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/admin/v1/draws/" + id + ":void", body: map[string]any{"fault": *fault, "reason": *reason}})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var done struct {
				Draw, Campaign, User, Fault, At string
				Already                         bool
				Refunded                        []string
			}
			if err := decode(answer.body, &done); err != nil {
				return err
			}
			back := "nothing given back"
			if len(done.Refunded) > 0 {
				back = "given back: " + strings.Join(done.Refunded, ", ")
			}
			if done.Already {
				back = "it was void already"
			}
			_, err := fmt.Fprintf(w, "%s of %s in %s: void since %s by the fault of %s, %s\n", done.Draw, done.User, done.Campaign, done.At, done.Fault, back)
			return err
		})
	}
	return c
}
