package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// outputFlag gives a command -o text|json.
func (a *app) outputFlag(c *cobra.Command) {
	a.output = "text"
	c.Flags().VarP(choice{&a.output, []string{"text", "json"}}, "output", "o", "text for people, json for pipes")
}

// choice is a flag that takes one of a few words.
type choice struct {
	value   *string
	allowed []string
}

func (c choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

func (c choice) Type() string { return "word" }

func (c choice) Set(s string) error {
	for _, word := range c.allowed {
		if s == word {
			*c.value = s
			return nil
		}
	}
	return fmt.Errorf("must be one of %v", c.allowed)
}

// table writes rows in columns. The first row is the head.
func table(w io.Writer, rows ...[]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		var line bytes.Buffer
		for i, cell := range row {
			if i > 0 {
				line.WriteByte('\t')
			}
			line.WriteString(cell)
		}
		line.WriteByte('\n')
		if _, err := t.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return t.Flush()
}

// answer writes a JSON answer: as it came for pipes, by text for people.
func (a *app) answer(body []byte, text func(w io.Writer) error) error {
	if a.output == "json" {
		_, err := fmt.Fprintf(a.stdout, "%s\n", bytes.TrimSpace(body))
		return err
	}
	return text(a.stdout)
}

// decode reads an answer of the daemon.
func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the daemon's answer cannot be read (is it another version?): %w", err)
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// when writes a time in ms for people.
func when(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }
