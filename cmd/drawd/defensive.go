package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

// defensiveCommand sets, shows or takes away the version that one person may switch to when a campaign burns.
func (a *app) defensiveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "defensive [CAMPAIGN] [-f FILE --reason TEXT | --delete --reason TEXT]",
		Short: "Set the version to switch to when a campaign burns",
		Long: `A defensive version is checked now, and approved now where the policy asks for that, so that one person
(drawd campaign defend) or the campaign's guard can make it live later. It fits the version that is live now: behind another
one it must be set again. Without -f it is shown.`,
		Example: `  drawd campaign defensive -f meagre.yaml --reason "too much is given"
  drawd campaign defensive flash-sale
  drawd campaign defensive flash-sale --delete --reason "not needed"`,
		Args: cobra.MaximumNArgs(1),
	}
	file := c.Flags().StringP("file", "f", "", "campaign file, YAML or JSON; - for standard input")
	reason := c.Flags().String("reason", "", "why; shown to everybody once it is live")
	drop := c.Flags().Bool("delete", false, "take the one that stands away")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if (*file != "" || *drop) && *reason == "" {
			return usage(errors.New("say why with --reason"))
		}
		ask := call{method: http.MethodGet}
		var source *campaignSource
		var id string
		var err error
		switch {
		case *file != "" && len(args) == 0 && !*drop:
			if source, err = a.compile(*file); err != nil {
				return err
			}
			id = source.file.Version.Campaign
			ask = call{method: http.MethodPut, body: source.src, contentType: source.contentType()}
		case *drop:
			ask = call{method: http.MethodDelete, body: map[string]any{"reason": *reason}}
			fallthrough
		default:
			if id, err = a.named(args, *file); err != nil {
				return err
			}
		}
		if ask.path = campaignPath(id) + "/defensive"; source != nil {
			ask.path += "?reason=" + url.QueryEscape(*reason)
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, ask)
		if err != nil && source != nil {
			return a.serverFaults(source, err)
		} else if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error { return describeDefensive(w, answer) })
	}
	return c
}

func describeDefensive(w io.Writer, answer *reply) error {
	if answer.status == http.StatusAccepted {
		return describeSwitch(w, answer) // it waits for another person
	}
	var d struct {
		Campaign, Status, At, Actor, Reason, Refusal string
		Against                                      int `json:"against_version"`
		Fits                                         bool
	}
	if err := decode(answer.body, &d); err != nil {
		return err
	}
	if d.Status != "" {
		_, err := fmt.Fprintf(w, "%s has no defensive version since %s\n", d.Campaign, d.At)
		return err
	}
	fmt.Fprintf(w, "%s: a defensive version is set against version %d, since %s by %s: %s\n", d.Campaign, d.Against, d.At, d.Actor, d.Reason)
	if d.Fits {
		_, err := fmt.Fprintf(w, "to switch it on: drawd campaign defend %s --reason TEXT\n", d.Campaign)
		return err
	}
	_, err := fmt.Fprintf(w, "it does not fit any more (%s): set it again\n", d.Refusal)
	return err
}

func (a *app) defendCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "defend CAMPAIGN --reason TEXT",
		Short:   "Switch to the defensive version, at once and alone",
		Example: `  drawd campaign defend flash-sale --reason "a link was leaked"`,
		Args:    cobra.MaximumNArgs(1),
	}
	file := c.Flags().StringP("file", "f", "", "campaign file that names the campaign")
	why := c.Flags().String("reason", "", "why; kept in the records (needed)")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := a.named(args, *file)
		if err != nil {
			return err
		}
		if *why == "" {
			return usage(errors.New("defend needs --reason: it stands in the records"))
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: campaignPath(id) + ":defend", body: map[string]any{"reason": *why}})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error { return describePublished(w, answer) })
	}
	return c
}
