package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) explainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain DRAW|HOLD|TAKE|REQUEST-ID|CAMPAIGN/USER",
		Short: "Say why a draw or a hold ended so, why a request was denied, or why a user cannot draw",
		Long: `A draw is known by its id (d…), a hold or take by its own (h…, t…), a denial by the request id on the player's screenshot (r…), a user by campaign and id.
Any node can tell, also after a restart. The word of a draw is made again from the seed, which nobody sees.`,
		Example: `  drawd explain duxhxa4mzups5toptykxdlfw6ci
  drawd explain rxdcqqaux6hkmqde5kkrgfim4ixmjpsg5uqtofga --user u1
  drawd explain flash-sale/u1`,
		Args: cobra.ExactArgs(1),
	}
	user := c.Flags().String("user", "", "of a request id: whose request it should have been")
	key := c.Flags().String("key", "", "of a draw: the idempotency key that it should have had")
	facts := c.Flags().Bool("facts", false, "with the numbers behind every sentence")
	k := a.adminClient(c)
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := explainPath(args[0], *user, *key)
		if err != nil {
			return err
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		answer, err := k.do(ctx, call{method: http.MethodGet, path: path})
		if err != nil {
			return err
		}
		return a.answer(answer.body, func(w io.Writer) error { return describeExplanation(w, answer.body, *facts) })
	}
	return c
}

// explainPath returns where the explanation of a thing is.
func explainPath(what, user, key string) (string, error) {
	campaign, who, isUser := strings.Cut(what, "/")
	for _, part := range []string{campaign, who} {
		if _, err := validPart("the id", part); err != nil && (isUser || part == campaign) {
			return "", err
		}
	}
	query := url.Values{}
	path := ""
	switch {
	case isUser:
		path = "/admin/v1/campaigns/" + campaign + "/users/" + who
	case strings.HasPrefix(what, "d"):
		path = "/admin/v1/draws/" + what
		if key != "" {
			query.Set("key", key)
		}
	case strings.HasPrefix(what, "h"), strings.HasPrefix(what, "t"):
		path = "/admin/v1/holds/" + what
	case strings.HasPrefix(what, "r"):
		path = "/admin/v1/requests/" + what
		if user != "" {
			query.Set("user", user)
		}
	default:
		return "", usage(errors.New("give the id of a draw (d…), of a hold (h…) or a take (t…), a request id (r…), or CAMPAIGN/USER"))
	}
	path += ":explain"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, nil
}

// explained is an explanation as the daemon tells it.
type explained struct {
	Of, ID, Campaign, User, At, Summary string
	Version                             uint32
	Steps                               []struct {
		Rung, Verdict, Says string
		Facts               map[string]any
	}
}

// describeExplanation writes an explanation as an operator reads it: the answer first, then rung by rung.
func describeExplanation(w io.Writer, body []byte, facts bool) error {
	var e explained
	if err := decode(body, &e); err != nil {
		return err
	}
	head := e.Of
	if e.ID != "" {
		head += " " + e.ID
	}
	if e.User != "" {
		head += " of " + e.User
	}
	if e.Campaign != "" {
		head += " in " + e.Campaign
	}
	if e.Version != 0 {
		head += fmt.Sprintf(" version %d", e.Version)
	}
	fmt.Fprintf(w, "%s\n%s, %s\n", e.Summary, head, e.At)
	marks := map[string]string{"passed": "ok", "denied": "NO", "decided": "=>", "not_reached": ".."}
	for i, s := range e.Steps {
		if _, err := fmt.Fprintf(w, "%3d %s %-12s %s\n", i+1, marks[s.Verdict], s.Rung, s.Says); err != nil {
			return err
		}
		if !facts {
			continue
		}
		names := make([]string, 0, len(s.Facts))
		for name := range s.Facts {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(w, "         %s: %s\n", name, factText(s.Facts[name]))
		}
	}
	return nil
}

// factText writes a fact on one line; numbers as they are.
func factText(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%.0f", v)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, factText(e))
		}
		return strings.Join(parts, "; ")
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			names[i] = name + " " + factText(v[name])
		}
		return strings.Join(names, ", ")
	}
	return fmt.Sprint(v)
}
