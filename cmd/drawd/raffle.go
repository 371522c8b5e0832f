package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine"
)

func (a *app) raffleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "raffle",
		Short: "Draw winners from a list",
		Long: `A raffle draws winners and alternates from a list of entrants, once, from the campaign's seed. Whoever is absent is redrawn:
those behind him move up. With the list and the published seed anybody can make the places again ("raffle check").`,
		Example: `  drawd raffle import annual-party tv -f guests.ndjson
  drawd raffle draw annual-party tv --winners 3 --alternates 5 --reason "annual party"
  drawd raffle redraw annual-party tv --absent u7,u9 --reason "went home"
  drawd raffle show annual-party tv -o json > tv.json
  drawd raffle check -f tv.json --list guests.ndjson`,
	}
	c.AddCommand(a.raffleImportCommand(), a.raffleDrawCommand(), a.raffleRedrawCommand(), a.raffleShowCommand(), a.raffleCheckCommand())
	return c
}

// rafflePath returns the path of a raffle.
func rafflePath(args []string) (string, error) {
	campaign, err := validPart("the campaign", args[0])
	if err != nil {
		return "", err
	}
	id, err := validPart("the raffle", args[1])
	return "/admin/v1/campaigns/" + campaign + "/raffles/" + id, err
}

// raffleReply is a raffle as the daemon shows it.
type raffleReply struct {
	Campaign, Raffle            string
	Entrants                    int
	ListDigest                  string `json:"list_digest"`
	Drawn                       bool
	Prize, Seed                 string
	Winners, Alternates, Absent []string
	Unfilled                    int
}

func (a *app) sendRaffle(c *cobra.Command, k *client, request call) error {
	ctx, cancel := a.interruptible(c.Context())
	defer cancel()
	answer, err := k.do(ctx, request)
	if err != nil {
		return err
	}
	return a.answer(answer.body, func(w io.Writer) error {
		var r raffleReply
		if err := decode(answer.body, &r); err != nil {
			return err
		}
		return r.describe(w)
	})
}

func (r *raffleReply) describe(w io.Writer) error {
	if !r.Drawn {
		_, err := fmt.Fprintf(w, "%s of %s: %d entrants, not drawn yet\n", r.Raffle, r.Campaign, r.Entrants)
		return err
	}
	rows := [][]string{{"PLACE", "USER", ""}}
	for i, u := range append(slices.Clone(r.Winners), r.Alternates...) {
		what := "wins " + r.Prize
		if i >= len(r.Winners) {
			what = "alternate"
		}
		rows = append(rows, []string{fmt.Sprint(i + 1), u, strings.TrimSpace(what)})
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	if len(r.Absent) > 0 {
		fmt.Fprintf(w, "\nabsent: %s\n", strings.Join(r.Absent, ", "))
	}
	if r.Unfilled > 0 {
		fmt.Fprintf(w, "\nnobody is left for %d more winners\n", r.Unfilled)
	}
	_, err := fmt.Fprintf(w, "\n%d entrants, list digest %s\nseed %s\n", r.Entrants, r.ListDigest, r.Seed)
	return err
}

// raffleLines bounds one part of an import: so many ids of any length are less than the daemon takes in one request.
const raffleLines = engine.MaxEntrantsBytes / (1 + engine.MaxUserBytes)

func (a *app) raffleImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "import CAMPAIGN RAFFLE -f FILE",
		Short:   "Put users on a raffle's list, one a line",
		Long:    `Each line is {"user":"u1"}. If it is interrupted, run it again: nobody is on the list twice.`,
		Example: "  drawd raffle import annual-party tv -f guests.ndjson",
		Args:    cobra.ExactArgs(2),
	}
	file := c.Flags().StringP("file", "f", "", "file of lines (needed); - for standard input")
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := rafflePath(args)
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
		added, entrants, err := a.importEntrants(ctx, k, path+"/entrants", in)
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "%d came, %d are on the list\n", added, entrants)
		}
		return err
	}
	return c
}

// importEntrants sends the lines in parts.
func (a *app) importEntrants(ctx context.Context, k *client, path string, in io.Reader) (added, entrants int, err error) {
	err = eachPart(in, raffleLines, func(p part) error {
		answer, err := a.sendPart(ctx, k, path, p.body)
		if err != nil {
			return fmt.Errorf("lines %d to %d: %w\n  Run it again: nobody is on the list twice", p.first, p.last, err)
		}
		var r struct{ Added, Entrants int }
		if err := decode(answer.body, &r); err != nil {
			return err
		}
		added, entrants = added+r.Added, r.Entrants
		return nil
	})
	return added, entrants, err
}

func (a *app) raffleDrawCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "draw CAMPAIGN RAFFLE --winners N --reason TEXT",
		Short:   "Draw the winners, once",
		Long:    "The same command again gives the same answer. With --prize the winners' units are taken from its stock.",
		Example: `  drawd raffle draw annual-party tv --winners 3 --alternates 5 --prize tv --reason "annual party"`,
		Args:    cobra.ExactArgs(2),
	}
	winners := c.Flags().Uint32("winners", 0, "how many win (needed)")
	alternates := c.Flags().Uint32("alternates", 0, "how many more are drawn, for absentees")
	prize := c.Flags().String("prize", "", "prize of the campaign whose units they take")
	reason := c.Flags().String("reason", "", "why; kept in the records (needed)")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := rafflePath(args)
		if err != nil {
			return err
		}
		if *winners == 0 || *reason == "" {
			return usage(errors.New("draw needs --winners and --reason"))
		}
		body := map[string]any{"winners": *winners, "alternates": *alternates, "reason": *reason}
		if *prize != "" {
			body["prize"] = *prize
		}
		return a.sendRaffle(c, k, call{method: http.MethodPost, path: path + ":draw", body: body})
	}
	return c
}

func (a *app) raffleRedrawCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "redraw CAMPAIGN RAFFLE --absent USER,USER --reason TEXT",
		Short:   "Draw again for absentees",
		Long:    "Those behind an absentee move up; winners who are there stay.",
		Example: `  drawd raffle redraw annual-party tv --absent u7 --reason "went home"`,
		Args:    cobra.ExactArgs(2),
	}
	absent := c.Flags().StringSlice("absent", nil, "who is not there (needed)")
	reason := c.Flags().String("reason", "", "why; kept in the records (needed)")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := rafflePath(args)
		if err != nil {
			return err
		}
		if len(*absent) == 0 || *reason == "" {
			return usage(errors.New("redraw needs --absent and --reason"))
		}
		return a.sendRaffle(c, k, call{method: http.MethodPost, path: path + ":redraw", body: map[string]any{"absent": *absent, "reason": *reason}})
	}
	return c
}

func (a *app) raffleShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show CAMPAIGN RAFFLE", Short: "Show a raffle and its winners", Example: "  drawd raffle show annual-party tv -o json > tv.json",
		Args: cobra.ExactArgs(2),
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := rafflePath(args)
		if err != nil {
			return err
		}
		return a.sendRaffle(c, k, call{method: http.MethodGet, path: path})
	}
	return c
}

func (a *app) raffleCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "check -f RAFFLE.json --list FILE",
		Short:   "Make the places again, offline",
		Long:    "Needs no daemon: only the raffle as it was published, and the list. Fails when the list or a place is another.",
		Example: "  drawd raffle check -f tv.json --list guests.ndjson",
		Args:    cobra.NoArgs,
	}
	file := c.Flags().StringP("file", "f", "", `the raffle, as "raffle show -o json" printed it (needed)`)
	listed := c.Flags().String("list", "", "the list, one {\"user\":…} a line (needed)")
	c.RunE = func(*cobra.Command, []string) error {
		if *file == "" || *listed == "" {
			return usage(errors.New("check needs -f and --list"))
		}
		published, err := os.ReadFile(*file)
		if err != nil {
			return usage(err)
		}
		list, err := openLines(*listed)
		if err != nil {
			return err
		}
		defer list.Close()
		var r raffleReply
		if err := json.Unmarshal(published, &r); err != nil {
			return failure(exitInvalid, fmt.Errorf("%s: %w", *file, err))
		}
		if err := r.check(list); err != nil {
			return failure(exitInvalid, err)
		}
		_, err = fmt.Fprintf(a.stdout, "%s of %s is right: %d entrants, %d winners, %d alternates\n", r.Raffle, r.Campaign, r.Entrants, len(r.Winners), len(r.Alternates))
		return err
	}
	return c
}

// check makes the places of a published raffle again.
func (r *raffleReply) check(list io.Reader) error {
	var users []string
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		var line struct{ User string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.User == "" {
			return fmt.Errorf("line %d of the list is not like {\"user\":\"u1\"}", len(users)+1)
		}
		users = append(users, line.User)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	slices.Sort(users)
	f := engine.Raffle{Entrants: slices.Compact(users)}
	if digest := f.Digest(); hex.EncodeToString(digest[:]) != r.ListDigest {
		return fmt.Errorf("it is another list: its digest is %x, the raffle's %s", digest, r.ListDigest)
	}
	seed, err := hex.DecodeString(r.Seed)
	if err != nil || len(seed) != 32 || !r.Drawn {
		return errors.New("the raffle is not drawn, or its seed is damaged")
	}
	places := slices.DeleteFunc(engine.RafflePlaces([32]byte(seed), f.Entrants), func(u string) bool { return slices.Contains(r.Absent, u) })
	for i, u := range append(slices.Clone(r.Winners), r.Alternates...) {
		if i >= len(places) || places[i] != u {
			return fmt.Errorf("place %d is not %s's", i+1, u)
		}
	}
	return nil
}
