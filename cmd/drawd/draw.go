package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) drawCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "draw CAMPAIGN --user USER",
		Short: "Make one draw and print it",
		Long: `The idempotency key is printed before the draw is sent. If no answer comes, ask again with the same --key: the
first outcome is given again, and nothing is drawn twice.`,
		Example: "  drawd draw flash-sale --user u1\n  drawd draw flash-sale --user u1 --key order-4711",
		Args:    cobra.ExactArgs(1),
	}
	user := c.Flags().String("user", "", "who draws (needed)")
	key := c.Flags().String("key", "", "idempotency key, 1 to 64 visible characters; default a new one")
	retry := c.Flags().Bool("retry", false, "the draw was sent before under this key, and no answer came")
	times := c.Flags().Int("times", 0, "draws in one step, 1 to 10")
	device := c.Flags().String("device", "", "device id, for caps by device")
	ip := c.Flags().String("ip", "", "address of the player, for caps by address")
	channel := c.Flags().String("channel", "", "where the player came from")
	k := a.dataClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		campaign, err := validPart("the campaign", args[0])
		if err != nil {
			return err
		}
		if *user == "" {
			return usage(errors.New("say who draws with --user"))
		}
		body := map[string]any{"user": *user}
		for name, value := range map[string]string{"device": *device, "ip": *ip, "channel": *channel} {
			if value != "" {
				body[name] = value
			}
		}
		if c.Flags().Changed("times") {
			body["times"] = *times
		}
		if *key == "" {
			*key = rand.Text()
		}
		header := map[string]string{"Idempotency-Key": *key}
		if *retry {
			header["Drawd-Retry"] = "1"
		}
		fmt.Fprintln(a.stderr, "key", *key)
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: "/v1/campaigns/" + campaign + "/draws", body: body, header: header})
		if err != nil {
			return unknownOutcome(err, *key)
		}
		replayed := answer.header.Get("Idempotent-Replayed") == "true"
		return a.answer(answer.body, func(w io.Writer) error { return describeDraws(w, answer.body, replayed) })
	}
	return c
}

// unknownOutcome adds what to do when a draw may have been decided.
func unknownOutcome(err error, key string) error {
	var refused *problemError
	if errors.As(err, &refused) && refused.Effect != "unknown" || exitCode(err) == exitUsage {
		return err
	}
	return failure(exitCode(err), fmt.Errorf("%w\nIt is not known whether the draw was decided. Ask again with --key %s --retry", err, key))
}

// drawAnswer is what is shown of a draw.
type drawAnswer struct {
	Draw     string `json:"draw"`
	Campaign string `json:"campaign"`
	User     string `json:"user"`
	At       string `json:"at"`
	Outcome  string `json:"outcome"`
	Prize    struct {
		ID     string `json:"id"`
		Amount int64  `json:"amount"`
	} `json:"prize"`
	Slot *int `json:"slot"`
}

func (d *drawAnswer) String() string {
	s := fmt.Sprintf("%s: a miss", d.User)
	if d.Outcome == "win" {
		s = fmt.Sprintf("%s: wins %s", d.User, d.Prize.ID)
		if d.Prize.Amount > 0 {
			s += fmt.Sprintf(" of %d", d.Prize.Amount)
		}
	}
	if d.Slot != nil {
		s += fmt.Sprintf(", slot %d", *d.Slot)
	}
	return fmt.Sprintf("%s  (draw %s at %s)", s, d.Draw, d.At)
}

func describeDraws(w io.Writer, body []byte, replayed bool) error {
	var all struct {
		Draws []drawAnswer `json:"draws"`
		drawAnswer
	}
	if err := decode(body, &all); err != nil {
		return err
	}
	if all.Draws == nil {
		all.Draws = []drawAnswer{all.drawAnswer}
	}
	for i := range all.Draws {
		line := all.Draws[i].String()
		if replayed {
			line += "  replayed"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
