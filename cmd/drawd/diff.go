package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/odds"
)

func (a *app) diffCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Say what publishing a campaign file would change",
		Long: `Compares the file with the live version, or with another file. A change that takes something from users is marked:
publishing it must be forced. Where the odds change, what is really paid is compared too.`,
		Example: "  drawd campaign diff -f examples/flash-sale.yaml\n  drawd campaign diff -f next.yaml --against examples/flash-sale.yaml",
		Args:    cobra.NoArgs,
	}
	file := c.Flags().StringP("file", "f", "", "campaign file, YAML or JSON; - for standard input")
	against := c.Flags().String("against", "", "another file to compare with, instead of the live version")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		next, err := a.compile(*file)
		if err != nil {
			return err
		}
		live, err := a.other(c.Context(), k, next, *against)
		if err != nil {
			return err
		}
		changes := campaignfile.Changes(live, next.file.Version)
		if a.output == "json" {
			if changes == nil {
				changes = []campaignfile.Change{}
			}
			return writeJSON(a.stdout, map[string]any{"changes": changes})
		}
		return describeChanges(a.stdout, live, next.file.Version, changes)
	}
	return c
}

// other returns the version that a file is compared with: another file's, or the live one.
func (a *app) other(ctx context.Context, k *client, next *campaignSource, against string) (*engine.Version, error) {
	if against != "" {
		s, err := a.compile(against)
		if err != nil {
			return nil, err
		}
		return s.file.Version, nil
	}
	ctx, cancel := a.interruptible(ctx)
	defer cancel()
	source, err := liveFile(ctx, k, next.file.Version.Campaign)
	if err != nil {
		return nil, err
	}
	file, faults := campaignfile.Parse(source)
	if len(faults) > 0 {
		return nil, fmt.Errorf("the live version cannot be read (is the daemon newer?): %w", faults[0])
	}
	return file.Version, nil
}

// liveFile returns the canonical file of a campaign's live version.
func liveFile(ctx context.Context, k *client, campaign string) ([]byte, error) {
	answer, err := k.do(ctx, call{method: http.MethodGet, path: campaignPath(campaign)})
	if err != nil {
		return nil, err
	}
	var live struct{ Version int }
	if err := decode(answer.body, &live); err != nil {
		return nil, err
	}
	answer, err = k.do(ctx, call{method: http.MethodGet, path: fmt.Sprintf("%s/versions/%d", campaignPath(campaign), live.Version)})
	if err != nil {
		return nil, err
	}
	var version struct {
		File rawJSON `json:"file"`
	}
	if err := decode(answer.body, &version); err != nil {
		return nil, err
	}
	if len(version.File) == 0 {
		return nil, errors.New("the daemon's answer has no file")
	}
	return version.File, nil
}

// rawJSON is JSON as it came.
type rawJSON []byte

// UnmarshalJSON keeps a copy.
func (r *rawJSON) UnmarshalJSON(b []byte) error {
	*r = append((*r)[:0], b...)
	return nil
}

func describeChanges(w io.Writer, live, next *engine.Version, changes []campaignfile.Change) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "no change: publishing this would be already live")
		return err
	}
	takes := 0
	for _, c := range changes {
		mark := "  "
		if c.Takes {
			mark = "! "
			takes++
		}
		fmt.Fprintf(w, "%s%s\n", mark, c)
	}
	describePays(w, live, next)
	if takes > 0 {
		fmt.Fprintf(w, "\n%s (!) from users: publishing this needs --force and --reason\n", count(takes, "taking"))
	}
	return nil
}

// describePays compares what two versions really pay, where both are one place.
func describePays(w io.Writer, live, next *engine.Version) {
	before, after := campaignfile.Places(live), campaignfile.Places(next)
	if len(before) != 1 || len(after) != 1 {
		return
	}
	was, err := campaignfile.Pays(live, &before[0])
	if err != nil {
		return
	}
	becomes, err := campaignfile.Pays(next, &after[0])
	if err != nil {
		return
	}
	for i := range next.Prizes {
		for j := range live.Prizes {
			if next.Prizes[i].ID == live.Prizes[j].ID && was.Prizes[j].Cmp(becomes.Prizes[i]) != 0 {
				fmt.Fprintf(w, "  prize %s really pays %s, then %s\n", next.Prizes[i].ID,
					odds.Percent(was.Prizes[j], oddsDigits), odds.Percent(becomes.Prizes[i], oddsDigits))
			}
		}
	}
}
