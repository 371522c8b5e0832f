package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
)

func (a *app) campaignCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "campaign",
		Short: "Check, publish, look at and stop campaigns",
		Example: `  drawd campaign validate -f examples/flash-sale.yaml
  drawd campaign publish -f examples/flash-sale.yaml
  drawd campaign show flash-sale
  drawd campaign pause flash-sale --reason "wrong picture"`,
	}
	c.AddCommand(a.newCommand(), a.validateCommand(), a.diffCommand(), a.publishCommand(), a.showCommand(),
		a.defensiveCommand(), a.defendCommand(),
		a.controlCommand("pause", "Stop deciding draws for a while", "wrong picture"),
		a.controlCommand("resume", "Go on deciding draws", "picture replaced"),
		a.controlCommand("withdraw", "Take back a version that is to become live", "not yet"),
		a.controlCommand("end", "End a campaign for good", "called off"))
	return c
}

// campaignSource is a campaign file as it was read.
type campaignSource struct {
	name string
	src  []byte
	file *campaignfile.File
}

// contentType returns how the source is sent.
func (s *campaignSource) contentType() string {
	if trimmed := bytes.TrimLeft(s.src, " \t\r\n\ufeff"); len(trimmed) > 0 && trimmed[0] == '{' {
		return "application/json"
	}
	return "application/yaml"
}

// compile reads and checks a campaign file. Its faults are shown, and the error says only how many.
func (a *app) compile(name string) (*campaignSource, error) {
	if name == "" {
		return nil, usage(errors.New("name the campaign file with -f (- for standard input)"))
	}
	src, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	if name == "-" {
		name = "standard input"
	}
	file, faults := campaignfile.Parse(src)
	if len(faults) > 0 {
		return nil, a.showFaults(name, src, faults)
	}
	return &campaignSource{name, src, file}, nil
}

// showFaults prints faults with the lines they stand in.
func (a *app) showFaults(name string, src []byte, faults []campaignfile.Fault) error {
	if a.output == "json" {
		if err := writeJSON(a.stdout, map[string]any{"valid": false, "errors": faults}); err != nil {
			return err
		}
		return said(exitInvalid)
	}
	if err := campaignfile.Render(a.stderr, name, src, faults); err != nil {
		return err
	}
	return failure(exitInvalid, fmt.Errorf("%s has %s", name, count(len(faults), "fault")))
}

// serverFaults prints the faults that the daemon found in a source, or passes the error on.
func (a *app) serverFaults(s *campaignSource, err error) error {
	var refused *problemError
	if !errors.As(err, &refused) || len(refused.Errors) == 0 {
		return err
	}
	code := statusExit(refused.status)
	if shown := a.showFaults(s.name, s.src, s.file.Locate(refused.faults())); exitCode(shown) != exitInvalid || a.output == "json" {
		return said(code)
	}
	if refused.Code == "conflict" {
		return failure(code, errors.New("this takes something from users; --force --reason TEXT publishes it nevertheless"))
	}
	why := refused.Detail
	if why == "" {
		why = refused.Title
	}
	return failure(code, fmt.Errorf("%s: %s", refused.Code, why))
}

func (a *app) validateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "validate -f FILE | FILE...",
		Short: "List every fault of campaign files, with line and column",
		Long: `Checks each file by itself, without a daemon; a policy among them is known as one and checked too. With --admin-url,
DRAWD_ADMIN_URL or --live the daemon checks it too, against the version that is live.`,
		Example: "  drawd campaign validate -f examples/flash-sale.yaml\n  drawd campaign validate examples/*.yaml\n  drawd campaign validate -f examples/flash-sale.yaml --live",
		Args:    cobra.ArbitraryArgs,
	}
	file := c.Flags().StringP("file", "f", "", "campaign file, YAML or JSON; - for standard input")
	live := c.Flags().Bool("live", false, "ask the daemon too")
	gone := c.Flags().StringSlice("without", nil, "show what is paid when these prizes are sold out")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, files []string) error {
		if *file != "" || len(files) == 0 {
			files = append([]string{*file}, files...)
		}
		_, named := a.environ[envName("admin-url")]
		asked := k
		if !*live && !named && !c.Flags().Changed("admin-url") {
			asked = nil
		}
		var failed error
		for i, name := range files {
			if i > 0 && a.output != "json" {
				fmt.Fprintln(a.stdout)
			}
			if err := a.validate(c.Context(), asked, name, *gone); err != nil {
				if len(files) > 1 && err.Error() != "" {
					fmt.Fprintln(a.stderr, "drawd:", err)
					err = said(exitCode(err))
				}
				failed = err
			}
		}
		return failed
	}
	return c
}

// validate checks one file, and asks the daemon too unless k is nil.
func (a *app) validate(parent context.Context, k *client, name string, gone []string) error {
	if name != "" && name != "-" {
		src, err := a.readFile(name)
		if err != nil {
			return err
		}
		if policy, faults := campaignfile.ParsePolicy(src); policy != nil && len(faults) == 0 && len(src) > 0 {
			if a.output == "json" {
				return writeJSON(a.stdout, map[string]any{"valid": true, "policy": true})
			}
			_, err := fmt.Fprintf(a.stdout, "%s is valid: a namespace's policy, %d caps above all campaigns\n", name, len(policy.AggregateCaps))
			return err
		}
	}
	s, err := a.compile(name)
	if err != nil {
		return err
	}
	if k != nil {
		ctx, cancel := a.interruptible(parent)
		defer cancel()
		_, err := k.do(ctx, call{method: http.MethodPost, path: campaignPath(s.file.Version.Campaign) + ":validate", body: s.src, contentType: s.contentType()})
		if err != nil {
			return a.serverFaults(s, err)
		}
	}
	if a.output == "json" {
		warnings := s.file.Warnings
		if warnings == nil {
			warnings = []campaignfile.Fault{}
		}
		return writeJSON(a.stdout, map[string]any{"valid": true, "warnings": warnings, "odds": s.file.Odds(), "liability": campaignfile.Worst(s.file.Version)})
	}
	return describe(a.stdout, s, gone)
}

// describe says what a good file comes to: a person compares this with what he meant.
func describe(w io.Writer, s *campaignSource, gone []string) error {
	v := s.file.Version
	zone, err := time.LoadLocation(v.TimeZone)
	if err != nil {
		return err
	}
	local := func(at engine.UnixMilli) string {
		return time.UnixMilli(int64(at)).In(zone).Format("2006-01-02 15:04:05")
	}
	fmt.Fprintf(w, "%s is valid: campaign %s, %s to %s in %s\n\n", s.name, v.Campaign, local(v.StartsAt), local(v.EndsAt), v.TimeZone)
	soldOut, err := without(v, gone)
	if err != nil {
		return err
	}
	if err := describeOdds(w, v, soldOut); err != nil {
		return err
	}
	for _, f := range s.file.Warnings {
		if _, err := fmt.Fprintf(w, "\nwarning: %s:%s (%s)\n", s.name, f.Error(), f.Rule); err != nil {
			return err
		}
	}
	return nil
}

func stockText(n int64) string {
	switch n {
	case -1:
		return "unlimited"
	case -2:
		return "(as it is)"
	}
	return strconv.FormatInt(n, 10)
}

// percent writes part of whole with as many digits as it needs, exactly: "0.002 %".
func percent(part, whole int64) string {
	const digits = 9
	scaled := part * 100
	s := strconv.FormatInt(scaled/whole, 10)
	rest := scaled % whole
	if rest == 0 {
		return s + " %"
	}
	var b strings.Builder
	for range digits {
		rest *= 10
		b.WriteByte(byte('0' + rest/whole))
		if rest %= whole; rest == 0 {
			break
		}
	}
	return s + "." + b.String() + " %"
}

func (a *app) publishCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "publish -f FILE",
		Short: "Check a campaign file, save it as the draft and make it live",
		Long: `Publishing a form that is already live changes nothing. A change that takes something from users (lower odds, a
lower limit, an earlier end) is refused unless it is forced, with a reason.`,
		Example: `  drawd campaign publish -f examples/flash-sale.yaml
  drawd campaign publish -f examples/flash-sale.yaml --reason "limit was a typo" --force
  drawd campaign publish -f examples/flash-sale.yaml --at 2026-11-11T00:00:00+08:00`,
		Args: cobra.NoArgs,
	}
	file := c.Flags().StringP("file", "f", "", "campaign file, YAML or JSON; - for standard input")
	reason := c.Flags().String("reason", "", "why; kept in the records")
	force := c.Flags().Bool("force", false, "publish although users are worse off; needs --reason")
	at := c.Flags().String("at", "", "become live at this time, like 2026-11-11T00:00:00+08:00, and not at once")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *force && *reason == "" {
			return usage(errors.New("--force needs --reason: it stands in the records"))
		}
		s, err := a.compile(*file)
		if err != nil {
			return err
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := publish(ctx, k, s, *reason, *at, *force)
		if err != nil {
			return a.serverFaults(s, err)
		}
		return a.answer(answer.body, func(w io.Writer) error { return describePublished(w, answer) })
	}
	return c
}

// publish saves the draft in place of whatever it was and publishes exactly that.
func publish(ctx context.Context, k *client, s *campaignSource, reason, at string, force bool) (*reply, error) {
	path := campaignPath(s.file.Version.Campaign)
	condition := map[string]string{"If-None-Match": "*"}
	draft, err := k.do(ctx, call{method: http.MethodGet, path: path + "/draft"})
	var refused *problemError
	switch {
	case err == nil:
		condition = map[string]string{"If-Match": draft.header.Get("ETag")}
	case !errors.As(err, &refused) || refused.status != http.StatusNotFound:
		return nil, err
	}
	saved, err := k.do(ctx, call{method: http.MethodPut, path: path + "/draft", body: s.src, contentType: s.contentType(), header: condition})
	if err != nil {
		return nil, err
	}
	body := map[string]any{"draft_etag": saved.header.Get("ETag")}
	if reason != "" {
		body["reason"] = reason
	}
	if force {
		body["forced"] = true
	}
	if at != "" {
		body["at"] = at
	}
	return k.do(ctx, call{method: http.MethodPost, path: path + ":publish", body: body})
}

func describePublished(w io.Writer, answer *reply) error {
	if answer.status == http.StatusAccepted {
		return describeSwitch(w, answer) // it waits for another person
	}
	var p struct {
		Campaign    string `json:"campaign"`
		Version     int    `json:"version"`
		Hash        string `json:"hash"`
		AlreadyLive bool   `json:"already_live"`
		At          string `json:"at"`
	}
	if err := decode(answer.body, &p); err != nil {
		return err
	}
	if p.AlreadyLive {
		_, err := fmt.Fprintf(w, "already live: %s version %d\n", p.Campaign, p.Version)
		return err
	}
	if p.Version == 0 {
		_, err := fmt.Fprintf(w, "accepted: %s becomes live at %s, unless it is withdrawn (drawd campaign withdraw)\n", p.Campaign, p.At)
		return err
	}
	_, err := fmt.Fprintf(w, "published: %s version %d, live since %s\nhash %s\n", p.Campaign, p.Version, p.At, p.Hash)
	return err
}

func campaignPath(id string) string { return "/admin/v1/campaigns/" + id }

// named returns the campaign that an argument or -f names.
func (a *app) named(args []string, file string) (string, error) {
	switch {
	case len(args) == 1 && file == "":
		return validPart("the campaign", args[0])
	case len(args) == 0 && file != "":
		s, err := a.compile(file)
		if err != nil {
			return "", err
		}
		return s.file.Version.Campaign, nil
	}
	return "", usage(errors.New("name one campaign, by its id or with -f FILE"))
}

// validPart checks what becomes part of a path, where a stray character would ask for something else.
func validPart(what, s string) (string, error) {
	ok := s != "" && len(s) <= 128 && strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._~:@=+-", c)
	}) < 0
	if !ok {
		return "", usage(fmt.Errorf("%s %q has characters that no id has; allowed are letters, digits and ._~:@=+-", what, s))
	}
	return s, nil
}

func (a *app) showCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "show CAMPAIGN",
		Short:   "Show a campaign and its stock",
		Example: "  drawd campaign show flash-sale\n  drawd campaign show -f examples/flash-sale.yaml -o json",
		Args:    cobra.MaximumNArgs(1),
	}
	file := c.Flags().StringP("file", "f", "", "campaign file that names the campaign")
	k := a.adminClient(c)
	data := a.dataClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := a.named(args, *file)
		if err != nil {
			return err
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		campaign, err := k.do(ctx, call{method: http.MethodGet, path: campaignPath(id)})
		if err != nil {
			return err
		}
		data.key, data.namespace, data.authority, data.timeout = k.key, k.namespace, k.authority, k.timeout
		stock, err := data.do(ctx, call{method: http.MethodGet, path: "/v1/campaigns/" + id + "/stock"})
		if err != nil {
			return fmt.Errorf("the stock: %w", err)
		}
		if a.output == "json" {
			_, err := fmt.Fprintf(a.stdout, "{\"campaign\":%s,\"stock\":%s}\n", bytes.TrimSpace(campaign.body), bytes.TrimSpace(stock.body))
			return err
		}
		return describeCampaign(a.stdout, campaign.body, stock.body)
	}
	return c
}

func describeCampaign(w io.Writer, campaign, stock []byte) error {
	var c struct {
		Campaign  string `json:"campaign"`
		Status    string `json:"status"`
		Version   int    `json:"version"`
		Hash      string `json:"hash"`
		StartsAt  string `json:"starts_at"`
		EndsAt    string `json:"ends_at"`
		TimeZone  string `json:"time_zone"`
		Exhausted bool   `json:"exhausted"`
		FencedBy  string `json:"fenced_by"`
		Seq       uint64 `json:"seq"`
		Off       []struct{ Scope, At, Actor, Reason string }
	}
	var s struct {
		Prizes []struct {
			ID, Pool                     string
			Total                        *int64 `json:"total"`
			Available, Issued, Withdrawn int64
		} `json:"prizes"`
	}
	if err := errors.Join(decode(campaign, &c), decode(stock, &s)); err != nil {
		return err
	}
	status := c.Status
	if c.Exhausted {
		status += ", exhausted"
	}
	if c.FencedBy != "" {
		status += ": " + c.FencedBy
	}
	fmt.Fprintf(w, "%s: %s, version %d, seq %d\n%s to %s (%s)\nhash %s\n\n", c.Campaign, status, c.Version, c.Seq, c.StartsAt, c.EndsAt, c.TimeZone, c.Hash)
	for _, off := range c.Off {
		fmt.Fprintf(w, "OFF %s since %s, by %s: %s\n", off.Scope, off.At, off.Actor, off.Reason)
	}
	if len(c.Off) > 0 {
		fmt.Fprintln(w)
	}
	rows := [][]string{{"PRIZE", "TOTAL", "AVAILABLE", "ISSUED", "WITHDRAWN"}}
	for _, p := range s.Prizes {
		row := []string{p.ID, "unlimited", "", strconv.FormatInt(p.Issued, 10), ""}
		if p.Pool != "" {
			row[1] = "pool " + p.Pool
		}
		if p.Total != nil {
			row[1], row[2], row[4] = strconv.FormatInt(*p.Total, 10), strconv.FormatInt(p.Available, 10), strconv.FormatInt(p.Withdrawn, 10)
		}
		rows = append(rows, row)
	}
	return table(w, rows...)
}

// controlCommand is pause, resume or end.
func (a *app) controlCommand(verb, short, reason string) *cobra.Command {
	c := &cobra.Command{
		Use:     verb + " CAMPAIGN --reason TEXT",
		Short:   short,
		Example: fmt.Sprintf("  drawd campaign %s flash-sale --reason %q", verb, reason),
		Args:    cobra.MaximumNArgs(1),
	}
	file := c.Flags().StringP("file", "f", "", "campaign file that names the campaign")
	why := c.Flags().String("reason", "", "why; kept in the records (needed)")
	extend := new(bool)
	if verb == "resume" {
		extend = c.Flags().Bool("extend-by-pause", false, "move the end by the length of the pause")
	}
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := a.named(args, *file)
		if err != nil {
			return err
		}
		if *why == "" {
			return usage(fmt.Errorf("%s needs --reason: it stands in the records", verb))
		}
		body := map[string]any{"reason": *why}
		if *extend {
			body["extend_by_pause"] = true
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodPost, path: campaignPath(id) + ":" + verb, body: body})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error {
			var state struct{ Campaign, Status, At string }
			if err := decode(answer.body, &state); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s: %s since %s\n", state.Campaign, state.Status, state.At)
			return err
		})
	}
	return c
}
