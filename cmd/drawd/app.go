package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// app is what every command gets from the process: nothing below it touches os.Args, os.Stdout or the environment.
type app struct {
	environ        map[string]string
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        chan os.Signal // SIGINT and SIGTERM, in order

	output string // -o of client commands: text or json
	unsaid error  // a wrong command line that cobra would answer with help
}

// run executes one command line and returns its exit code.
func run(args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{environ: make(map[string]string), stdin: stdin, stdout: stdout, stderr: stderr, signals: make(chan os.Signal, 2)}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		a.environ[name] = value
	}
	signal.Notify(a.signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(a.signals)

	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(context.Background())
	if err == nil {
		err = a.unsaid
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "drawd:", err)
	}
	code := exitCode(err)
	if code == exitUsage && command != nil {
		fmt.Fprintf(stderr, "See %s --help\n", command.CommandPath())
	}
	return code
}

// rootCommand builds the command tree.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "drawd",
		Short: "drawd decides who wins what, never gives out one unit too many, and can show why.",
		Example: `  drawd dev                                              # a node to play with, thrown away at Ctrl-C
  drawd serve --data /var/lib/drawd                      # a node that keeps what it decides
  drawd campaign publish -f examples/flash-sale.yaml     # put a campaign live
  drawd draw flash-sale --user u1                        # make one draw
  drawd bench flash --self                               # a flash crowd, with a verdict`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		a.devCommand(), a.serveCommand(), a.campaignCommand(), a.drawCommand(), a.chancesCommand(), a.explainCommand(), a.raffleCommand(), a.voidCommand(), a.awardCommand(), a.poolCommand(), a.holdCommand(), a.switchCommand(), a.approvalCommand(), a.keyCommand(), a.ticketCommand(), a.listCommand(), a.clusterCommand(),
		a.checkCommand(), a.backupCommand(), a.benchCommand(), a.configCommand(), a.versionCommand(),
	)
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	root.InitDefaultCompletionCmd()
	a.shape(root)
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if rest := c.Flags().Args(); c.HasSubCommands() && len(rest) > 0 {
			a.unsaid = unknownCommand(c, rest[0])
			return
		}
		help(c, args)
	})
	return root
}

func unknownCommand(c *cobra.Command, name string) error {
	return usage(fmt.Errorf("%s has no command %q; it has %s", c.CommandPath(), name, commandNames(c)))
}

// helpTemplate begins with examples: they are what people came for.
const helpTemplate = `{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if .Runnable}}{{.UseLine}}{{else}}{{.CommandPath}} COMMAND{{end}}
{{if .HasAvailableSubCommands}}
Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}`

// shape gives every command the same help and the same answer to a wrong command line.
func (a *app) shape(c *cobra.Command) {
	c.SetHelpTemplate(helpTemplate)
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	c.DisableFlagsInUseLine = true
	c.Flags().SortFlags = false
	switch {
	case c.HasSubCommands() && c.RunE == nil:
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownCommand(c, args[0])
		}
	case c.Args != nil:
		check := c.Args
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage(fmt.Errorf("%w; usage: %s", err, c.UseLine()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		a.shape(sub)
	}
}

func commandNames(c *cobra.Command) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return strings.Join(names, ", ")
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM, for commands that have nothing to tidy up.
func (a *app) interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		select {
		case <-a.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// readFile reads a file, or standard input for "-".
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.stdin)
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, failure(exitNotFound, err)
	}
	return b, err
}
