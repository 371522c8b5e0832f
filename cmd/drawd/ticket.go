package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/server/ticket"
)

// secretVariable holds a ticket key's secret: flags can be read by everybody on the machine.
const secretVariable = "DRAWD_TICKET_SECRET"

func (a *app) ticketCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ticket",
		Short: "Keys of tickets; sign and verify tickets by hand",
		Long: `A ticket lets an untrusted front draw for one user, once, with attributes that it cannot choose: docs/tickets.md. Servers sign
tickets themselves; sign and verify need no daemon. The key's secret is taken from ` + secretVariable + `.`,
		Example: `  drawd ticket sign --key 00000000000000a1 --campaign double11 --user u1 --nonce order-77 --valid 10m --attribute level=3
  drawd ticket verify dt1.00000000000000a1.campaign=…`,
	}
	c.AddCommand(a.ticketKeyCommand(), a.ticketSignCommand(), a.ticketVerifyCommand())
	return c
}

// ticketSecret returns the secret of the environment.
func ticketSecret() (ticket.Secret, error) {
	text := os.Getenv(secretVariable)
	if text == "" {
		return ticket.Secret{}, usage(errors.New(secretVariable + " is not set: it holds the secret that was shown when the key was created"))
	}
	return ticket.NewSecret(text), nil
}

func (a *app) ticketSignCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "sign --key ID --campaign ID --user USER --nonce NONCE",
		Short:   "Print a signed ticket",
		Example: `  drawd ticket sign --key 00000000000000a1 --campaign double11 --user u1 --nonce order-77 --valid 10m`,
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	key := f.String("key", "", "id of the key (needed)")
	campaign := f.String("campaign", "", "the campaign (needed)")
	user := f.String("user", "", "who may draw (needed)")
	nonce := f.String("nonce", "", "the draw's idempotency key (needed)")
	channel := f.String("channel", "", "where he may draw; needed where the front has no API key and the campaign has channels")
	from := f.String("not-before", "", "when it begins, RFC 3339; default now")
	until := f.String("expires-at", "", "when it ends, RFC 3339; default by --valid")
	valid := f.Duration("valid", 10*time.Minute, "how long it is good for")
	times := f.Int("times", 1, "how many sub-draws it is good for, 1 to 10")
	attributes := f.StringArray("attribute", nil, "NAME=VALUE; may be given several times")
	c.RunE = func(*cobra.Command, []string) error {
		claims := ticket.Claims{Campaign: *campaign, User: *user, Nonce: *nonce, Channel: *channel, Times: *times, Attributes: map[string]string{}}
		var ok bool
		if claims.Key, ok = ticket.ParseID(*key); !ok {
			return usage(errors.New("--key must be the id of a ticket key: 16 hexadecimal digits"))
		}
		for _, text := range *attributes {
			name, value, found := strings.Cut(text, "=")
			if _, twice := claims.Attributes[name]; !found || twice {
				return usage(fmt.Errorf("--attribute %q must be NAME=VALUE, each name once", text))
			}
			claims.Attributes[name] = value
		}
		begin, err := instantOr(*from, time.Now())
		if err != nil {
			return usage(fmt.Errorf("--not-before: %w", err))
		}
		end, err := instantOr(*until, begin.Add(*valid))
		if err != nil {
			return usage(fmt.Errorf("--expires-at: %w", err))
		}
		claims.NotBefore, claims.ExpiresAt = begin.Unix(), end.Unix()
		secret, err := ticketSecret()
		if err != nil {
			return err
		}
		text, err := ticket.Sign(&claims, &secret)
		if err != nil {
			return failure(exitInvalid, err)
		}
		_, err = fmt.Fprintln(a.stdout, text)
		return err
	}
	return c
}

// instantOr parses a time in RFC 3339; an empty one is the default.
func instantOr(text string, standard time.Time) (time.Time, error) {
	if text == "" {
		return standard, nil
	}
	return time.Parse(time.RFC3339, text)
}

func (a *app) ticketVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "verify TICKET",
		Short:   "Check a ticket's signature and print what it says",
		Long:    `Ends with 5 when the ticket does not bear the signature, and with 7 when it is no ticket. Whether it is in time, the log decides.`,
		Example: `  drawd ticket verify dt1.00000000000000a1.campaign=double11…`,
		Args:    cobra.ExactArgs(1),
	}
	a.outputFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		secret, err := ticketSecret()
		if err != nil {
			return err
		}
		var t ticket.Ticket
		if t.Open([]byte(args[0])) != ticket.OK {
			return failure(exitInvalid, errors.New("this is no ticket: docs/tickets.md has the form"))
		}
		if !t.Signed(&secret) {
			return failure(exitAuth, errors.New("the ticket does not bear the signature of this secret"))
		}
		if _, reason := t.Read(nil); reason != ticket.OK {
			return failure(exitInvalid, errors.New("the ticket is signed, and its fields are not those of a ticket"))
		}
		return a.showTicket(a.stdout, &t)
	}
	return c
}

func (a *app) showTicket(w io.Writer, t *ticket.Ticket) error {
	begin, end := time.Unix(t.NotBefore, 0).UTC().Format(time.RFC3339), time.Unix(t.ExpiresAt, 0).UTC().Format(time.RFC3339)
	attributes := map[string]string{}
	rows := [][]string{
		{"key", ticket.FormatID(t.Key)}, {"campaign", string(t.Campaign)}, {"user", string(t.User)}, {"nonce", string(t.Nonce)},
		{"not before", begin}, {"expires at", end}, {"times", fmt.Sprint(t.Times)},
	}
	if t.Channel != nil {
		rows = append(rows, []string{"channel", string(t.Channel)})
	}
	for _, x := range t.Attributes[:t.Count] {
		attributes[string(x.Name)] = string(x.Value)
		rows = append(rows, []string{string(x.Name), fmt.Sprintf("%q", x.Value)})
	}
	if a.output == "json" {
		told := map[string]any{
			"key": ticket.FormatID(t.Key), "campaign": string(t.Campaign), "user": string(t.User), "nonce": string(t.Nonce),
			"not_before": begin, "expires_at": end, "times": t.Times, "attributes": attributes,
		}
		if t.Channel != nil {
			told["channel"] = string(t.Channel)
		}
		return writeJSON(w, told)
	}
	return table(w, rows...)
}
