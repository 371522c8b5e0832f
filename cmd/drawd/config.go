package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/failpoint"
	"github.com/drawd/drawd/internal/mutant"
)

// A daemon is configured by flags. Each flag is also a key of the configuration file (with _ for -) and a variable
// DRAWD_KEY of the environment; a flag wins over the environment, the environment over the file. What none of them
// knows is an error, because a setting that is silently ignored is found out on the busiest day.

// clientSettings are the flags of client commands that the environment may name.
var clientSettings = [...]string{"url", "admin-url", "api-key", "namespace", "ca-cert", "bench-token"}

func envName(flag string) string {
	return "DRAWD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
func keyName(flag string) string { return strings.ReplaceAll(flag, "-", "_") }
func flagName(key string) string { return strings.ReplaceAll(key, "_", "-") }

// settle fills the flags that the command line does not give from the environment and the configuration file.
func (a *app) settle(c *cobra.Command) error {
	flags := c.Flags()
	given := make(map[string]bool)
	flags.Visit(func(f *pflag.Flag) { given[f.Name] = true })
	if err := a.fromEnvironment(flags, given); err != nil {
		return err
	}
	name := flags.Lookup("config").Value.String()
	if name == "" {
		return nil
	}
	src, err := a.readFile(name)
	if err != nil {
		return usage(fmt.Errorf("--config: %w", err))
	}
	if faults := fromFile(src, flags, given); len(faults) > 0 {
		if err := campaignfile.Render(a.stderr, name, src, faults); err != nil {
			return err
		}
		return usage(fmt.Errorf("%s has %s", name, count(len(faults), "fault")))
	}
	return nil
}

// fromEnvironment sets the flags that DRAWD_* variables name, and reports all that are wrong.
func (a *app) fromEnvironment(flags *pflag.FlagSet, given map[string]bool) error {
	var names []string
	for name := range a.environ {
		if strings.HasPrefix(name, "DRAWD_") && !(mutant.Planted && name == "DRAWD_MUTANT") && !(failpoint.Built && name == failpoint.Variable) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var faults []error
	for _, name := range names {
		flag := flags.Lookup(flagName(strings.ToLower(strings.TrimPrefix(name, "DRAWD_"))))
		switch {
		case flag == nil || flag.Name == "help":
			if !slices.ContainsFunc(clientSettings[:], func(s string) bool { return envName(s) == name }) {
				faults = append(faults, fmt.Errorf("%s is not a setting; settings are %s", name, settings(flags, envName)))
			}
		case given[flag.Name]:
		default:
			if err := flag.Value.Set(a.environ[name]); err != nil {
				faults = append(faults, fmt.Errorf("%s is %q: %w", name, a.environ[name], err))
			}
			given[flag.Name] = true
		}
	}
	if len(faults) > 0 {
		return usage(errors.Join(faults...))
	}
	return nil
}

// settings lists the flags that may stand in the file or the environment.
func settings(flags *pflag.FlagSet, form func(string) string) string {
	var all []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			all = append(all, form(f.Name))
		}
	})
	return strings.Join(all, ", ")
}

// fromFile sets the flags that a configuration file names and that nothing else has given, and returns all faults.
func fromFile(src []byte, flags *pflag.FlagSet, given map[string]bool) []campaignfile.Fault {
	var faults []campaignfile.Fault
	fail := func(t *token.Token, format string, args ...any) {
		f := campaignfile.Fault{Code: problem.InvalidField, Message: fmt.Sprintf(format, args...)}
		if t != nil && t.Position != nil {
			f.Line, f.Column = t.Position.Line, t.Position.Column
		}
		faults = append(faults, f)
	}
	if len(bytes.TrimSpace(src)) == 0 {
		return nil
	}
	file, err := parser.ParseBytes(src, 0)
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax):
		fail(syntax.Token, "this is not valid YAML: %s", syntax.Message)
		return faults
	case err != nil:
		fail(nil, "this is not valid YAML: %v", err)
		return faults
	}
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
		case *ast.MappingNode:
			for _, v := range body.Values {
				setFromFile(v, flags, given, fail)
			}
		default:
			fail(body.GetToken(), "the file must be a mapping of settings, like data: /var/lib/drawd")
		}
	}
	return faults
}

func setFromFile(v *ast.MappingValueNode, flags *pflag.FlagSet, given map[string]bool, fail func(*token.Token, string, ...any)) {
	name := v.Key.GetToken().Value
	flag := flags.Lookup(flagName(name))
	if flag == nil || flag.Name == "help" || flag.Name == "config" || name != keyName(flag.Name) {
		fail(v.Key.GetToken(), "%q is not a setting; settings are %s", name, settings(flags, keyName))
		return
	}
	switch v.Value.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
	default:
		fail(v.Value.GetToken(), "%s must be one plain value", name)
		return
	}
	if given[flag.Name] {
		return
	}
	if err := flag.Value.Set(v.Value.GetToken().Value); err != nil {
		fail(v.Value.GetToken(), "%s: %v", name, err)
	}
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// shown is a setting's value for people; a secret is said to be there.
func shown(f *pflag.Flag) string {
	if f.Name == "join-token" && f.Value.String() != "" {
		return "(set)"
	}
	return f.Value.String()
}

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Look at the daemon's configuration"}
	check := &cobra.Command{
		Use:     "check --config FILE",
		Short:   "Show all faults of the configuration, or what it comes to",
		Example: "  drawd config check --config /etc/drawd.yaml\n  DRAWD_API=127.0.0.1:8080 drawd config check",
		Args:    cobra.NoArgs,
	}
	var o serveOptions
	o.flags(check)
	check.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.settle(c); err != nil {
			return err
		}
		if err := o.validate(); err != nil {
			return usage(err)
		}
		rows := [][]string{{"SETTING", "VALUE"}}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && f.Name != "config" && !f.Hidden {
				rows = append(rows, []string{keyName(f.Name), shown(f)})
			}
		})
		return table(a.stdout, rows...)
	}
	c.AddCommand(check)
	return c
}
