package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/examples"
)

func (a *app) newCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "new CAMPAIGN --template NAME",
		Short: "Write a campaign file to begin with",
		Long: `Writes a campaign file to standard output: a template with its explanations, or a copy of a campaign that is live.
Templates: ` + strings.Join(examples.Templates(), ", ") + ".",
		Example: `  drawd campaign new spring-sale --template flash-sale --starts-at 2027-03-01T10:00:00+08:00 --ends-at 2027-03-01T12:00:00+08:00 > spring-sale.yaml
  drawd campaign new spring-2 --clone spring-sale > spring-2.json`,
		Args: cobra.ExactArgs(1),
	}
	template := c.Flags().String("template", "", "template to begin with")
	clone := c.Flags().String("clone", "", "live campaign to copy")
	starts := c.Flags().String("starts-at", "", "start, like 2027-03-01T10:00:00+08:00")
	ends := c.Flags().String("ends-at", "", "end")
	k := a.adminClient(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := validPart("the campaign", args[0])
		if err != nil {
			return err
		}
		fields := map[string]string{"campaign": id, "starts_at": *starts, "ends_at": *ends}
		var source []byte
		switch {
		case (*template == "") == (*clone == ""):
			return usage(errors.New("name a template with --template, or a campaign with --clone"))
		case *template != "":
			var known bool
			if source, known = examples.Template(*template); !known {
				return usage(fmt.Errorf("there is no template %q; there are %s", *template, strings.Join(examples.Templates(), ", ")))
			}
			source = fillTemplate(source, fields)
		default:
			ctx, cancel := a.interruptible(c.Context())
			defer cancel()
			live, err := liveFile(ctx, k, *clone)
			if err != nil {
				return err
			}
			if source, err = fillClone(live, fields); err != nil {
				return err
			}
		}
		if _, faults := campaignfile.Parse(source); len(faults) > 0 {
			return a.showFaults("the new campaign", source, faults)
		}
		_, err = a.stdout.Write(source)
		return err
	}
	return c
}

// fillTemplate replaces fields of the top level in YAML, each in its line, so that the explanations stay where they are.
func fillTemplate(source []byte, fields map[string]string) []byte {
	for name, value := range fields { // order: each has a line of its own
		if value != "" {
			line := regexp.MustCompile(`(?m)^` + name + `:.*$`)
			source = line.ReplaceAllLiteral(source, []byte(name+": "+value))
		}
	}
	return source
}

// fillClone replaces fields of the top level in a canonical file, and writes it for people.
func fillClone(source []byte, fields map[string]string) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	var file map[string]any
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("the live version cannot be read: %w", err)
	}
	for name, value := range fields { // order: each is one member
		if value != "" {
			file[name] = value
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(file)
	return b.Bytes(), err
}
