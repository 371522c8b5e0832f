package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) chancesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "chances",
		Short: "Grant chances and take them back",
		Long: `A grant is known by its source and event: the same event of a user grants once, however often it is sent. A purse of the
namespace is named purse/ID where a campaign could stand.`,
		Example: `  drawd chances grant resale-lottery --user u1 --source publish --event item-77
  drawd chances revoke resale-lottery --user u1 --source publish --event item-77 --reason "a fake"
  drawd chances import resale-lottery -f grants.ndjson
  drawd chances show resale-lottery`,
	}
	c.AddCommand(a.chancesGrantCommand(), a.chancesRevokeCommand(), a.chancesImportCommand(), a.chancesShowCommand())
	return c
}

// accountPath returns the path of a campaign or of purse/ID below a prefix.
func accountPath(prefix, name string) (string, error) {
	kind := "/campaigns/"
	if len(name) > 6 && name[:6] == "purse/" {
		kind, name = "/purses/", name[6:]
	}
	id, err := validPart("the campaign or purse", name)
	return prefix + kind + id, err
}

// eventFlags are the flags that name an event of a user.
type eventFlags struct{ user, source, event, reason *string }

func addEventFlags(c *cobra.Command) eventFlags {
	f := c.Flags()
	return eventFlags{
		f.String("user", "", "whose chances (needed)"), f.String("source", "", "source that the campaign or purse declares (needed)"),
		f.String("event", "", "the host's id of the event (needed)"), f.String("reason", "", "why; kept in the records"),
	}
}

// body returns the request's body, and the path of the user below the campaign or purse.
func (f *eventFlags) body(account string) (path string, body map[string]any, err error) {
	if *f.user == "" || *f.source == "" || *f.event == "" {
		return "", nil, usage(errors.New("say --user, --source and --event"))
	}
	user, err := validPart("the user", *f.user)
	if err != nil {
		return "", nil, err
	}
	if path, err = accountPath("/v1", account); err != nil {
		return "", nil, err
	}
	body = map[string]any{"source": *f.source, "event": *f.event}
	if *f.reason != "" {
		body["reason"] = *f.reason
	}
	return path + "/users/" + user + "/chances", body, nil
}

func (a *app) chancesGrantCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "grant CAMPAIGN --user USER --source SOURCE --event EVENT",
		Short:   "Grant chances for an event",
		Example: "  drawd chances grant resale-lottery --user u1 --source publish --event item-77\n  drawd chances grant purse/points --user u1 --source shop --event order-9 --amount 50",
		Args:    cobra.ExactArgs(1),
	}
	f := addEventFlags(c)
	amount := c.Flags().Uint32("amount", 1, "how many")
	occurred := c.Flags().String("occurred-at", "", "when the event happened, RFC 3339; default now")
	expires := c.Flags().String("expires-at", "", "when the chances end, RFC 3339; default as the source says")
	k := a.dataClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, body, err := f.body(args[0])
		if err != nil {
			return err
		}
		body["amount"] = *amount
		for name, value := range map[string]string{"occurred_at": *occurred, "expires_at": *expires} {
			if value != "" {
				body[name] = value
			}
		}
		return a.sendChances(c, k, path, body, func(w io.Writer, r *chancesReply) error {
			note := ""
			if r.Already {
				note = ", decided earlier"
			}
			if r.Reason != "" {
				note += ", " + r.Reason
			}
			_, err := fmt.Fprintf(w, "granted %d%s; %s has %d\n", r.Granted, note, *f.user, r.Remaining)
			return err
		})
	}
	return c
}

func (a *app) chancesRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "revoke CAMPAIGN --user USER --source SOURCE --event EVENT",
		Short:   "Take back what an event granted",
		Long:    "What was spent already becomes debt, which the user's next grants pay. What has ended is not owed.",
		Example: `  drawd chances revoke resale-lottery --user u1 --source publish --event item-77 --reason "a fake"`,
		Args:    cobra.ExactArgs(1),
	}
	f := addEventFlags(c)
	k := a.dataClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, body, err := f.body(args[0])
		if err != nil {
			return err
		}
		return a.sendChances(c, k, path+":revoke", body, func(w io.Writer, r *chancesReply) error {
			note := ""
			if r.Already {
				note = ", taken back earlier"
			}
			if r.Debt > 0 {
				note += fmt.Sprintf(", %d are owed", r.Debt)
			}
			_, err := fmt.Fprintf(w, "took back %d%s; %s has %d\n", r.Revoked, note, *f.user, r.Remaining)
			return err
		})
	}
	return c
}

// chancesReply is the answer to a grant or revocation.
type chancesReply struct {
	Granted, Revoked, Remaining, Debt uint64
	Already                           bool
	Reason                            string
}

func (a *app) sendChances(c *cobra.Command, k *client, path string, body map[string]any, describe func(io.Writer, *chancesReply) error) error {
	ctx, cancel := a.interruptible(c.Context())
	defer cancel()
	answer, err := k.do(ctx, call{method: http.MethodPost, path: path, body: body})
	if err != nil {
		return err
	}
	return a.answer(answer.body, func(w io.Writer) error {
		var r chancesReply
		if err := decode(answer.body, &r); err != nil {
			return err
		}
		return describe(w, &r)
	})
}

// importReport is what became of the lines, of one part or of all.
type importReport struct {
	Lines   int            `json:"lines"`
	Events  int            `json:"events"`
	Granted uint64         `json:"granted"`
	Already int            `json:"already"`
	Cut     map[string]int `json:"cut"`
	Refused map[string]int `json:"refused"`
	Errors  []importError  `json:"errors"`
}

type importError struct {
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Pointer string `json:"pointer,omitempty"`
	Message string `json:"message"`
}

// add adds the report of a part whose first line has the number from.
func (r *importReport) add(p *importReport, from int) {
	r.Lines, r.Events, r.Granted, r.Already = r.Lines+p.Lines, r.Events+p.Events, r.Granted+p.Granted, r.Already+p.Already
	for reason, n := range p.Cut {
		r.Cut[reason] += n
	}
	for code, n := range p.Refused {
		r.Refused[code] += n
	}
	for _, e := range p.Errors {
		if e.Line += from - 1; len(r.Errors) < 100 {
			r.Errors = append(r.Errors, e)
		}
	}
}

func (a *app) chancesImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import CAMPAIGN -f FILE",
		Short: "Grant chances to many users, one grant a line",
		Long: `Each line is a JSON object: {"user":"u1","source":"publish","event":"item-77","amount":1}, with occurred_at, effective_at,
expires_at, priority and reason as in a single grant. If it is interrupted, run it again: nothing is granted twice.`,
		Example: "  drawd chances import resale-lottery -f grants.ndjson\n  drawd chances import purse/points -f grants.ndjson -o json",
		Args:    cobra.ExactArgs(1),
	}
	file := c.Flags().StringP("file", "f", "", "file of lines (needed); - for standard input")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := accountPath("/admin/v1", args[0])
		if err != nil {
			return err
		}
		if *file == "" {
			return usage(errors.New("say which file with -f"))
		}
		in := io.Reader(os.Stdin)
		if *file != "-" {
			f, err := os.Open(*file)
			if err != nil {
				return usage(err)
			}
			defer f.Close()
			in = f
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		report, err := a.importChances(ctx, k, path+"/chances:grant", in)
		if err != nil {
			return err
		}
		return a.report(report)
	}
	return c
}

// importChances sends the lines in parts, and tells how far it is.
func (a *app) importChances(ctx context.Context, k *client, path string, in io.Reader) (*importReport, error) {
	all := &importReport{Cut: map[string]int{}, Refused: map[string]int{}, Errors: []importError{}}
	err := eachPart(in, partLines, func(p part) error {
		answer, err := a.sendPart(ctx, k, path, p.body)
		if err != nil {
			return fmt.Errorf("lines %d to %d: %w\n  Run it again: nothing is granted twice", p.first, p.last, err)
		}
		var r importReport
		if err := decode(answer.body, &r); err != nil {
			return err
		}
		all.add(&r, p.first)
		fmt.Fprintf(a.stderr, "line %d: %d chances for %d events, %d decided earlier\n", p.last, all.Granted, all.Events, all.Already)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// report prints what became of an import. Lines that were refused make it a failure.
func (a *app) report(r *importReport) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = a.answer(body, func(w io.Writer) error {
		rows := [][]string{{"LINES", "EVENTS", "CHANCES", "EARLIER", "REFUSED"}, {
			fmt.Sprint(r.Lines), fmt.Sprint(r.Events), fmt.Sprint(r.Granted), fmt.Sprint(r.Already), fmt.Sprint(total(r.Refused)),
		}}
		if err := table(w, rows...); err != nil {
			return err
		}
		for _, reason := range sortedNames(r.Cut) {
			fmt.Fprintf(w, "cut by %s: %d events\n", reason, r.Cut[reason])
		}
		for _, e := range r.Errors {
			fmt.Fprintf(w, "line %d: %s: %s %s\n", e.Line, e.Code, e.Pointer, e.Message)
		}
		return nil
	})
	if n := total(r.Refused); err == nil && n > 0 {
		return failure(exitInvalid, fmt.Errorf("%d of %d lines were refused", n, r.Lines))
	}
	return err
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func sortedNames(counts map[string]int) []string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (a *app) chancesShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "show CAMPAIGN",
		Short:   "The sums over all users",
		Example: "  drawd chances show resale-lottery\n  drawd chances show purse/points",
		Args:    cobra.ExactArgs(1),
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := accountPath("/admin/v1", args[0])
		if err != nil {
			return err
		}
		if path[:len("/admin/v1/campaigns")] == "/admin/v1/campaigns" {
			path += "/chances"
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodGet, path: path})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var s struct{ Granted, Consumed, Remaining, Expired, Revoked, Debt uint64 }
			if err := decode(answer.body, &s); err != nil {
				return err
			}
			return table(w, []string{"GRANTED", "CONSUMED", "REMAINING", "EXPIRED", "REVOKED", "DEBT"},
				[]string{fmt.Sprint(s.Granted), fmt.Sprint(s.Consumed), fmt.Sprint(s.Remaining), fmt.Sprint(s.Expired), fmt.Sprint(s.Revoked), fmt.Sprint(s.Debt)})
		})
	}
	return c
}
