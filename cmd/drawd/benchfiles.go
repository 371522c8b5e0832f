package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/bench"
	"github.com/drawd/drawd/bench/report"
	"github.com/drawd/drawd/bench/runfile"
)

func (a *app) benchReportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "report RUN.json",
		Short:   "A page with plots from the document of a run",
		Example: "  drawd bench flash --self --out run.json\n  drawd bench report run.json -o report.html",
		Args:    cobra.ExactArgs(1),
	}
	to := c.Flags().StringP("output", "o", "", "file for the page; default the document's name with .html")
	c.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.readRun(args[0])
		if err != nil {
			return err
		}
		name := *to
		if name == "" {
			name = strings.TrimSuffix(args[0], ".json") + ".html"
		}
		return report.WriteFile(name, r)
	}
	return c
}

func (a *app) benchCompareCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "compare A.json[,A.json…] B.json[,B.json…]",
		Short: "Two sets of runs held against each other, with significance",
		Long: "Each run is one sample of each of its metrics; a figure with pairs brings its pairs as samples. Four samples a side are the least that can tell a difference,\n" +
			"with --paired six pairs: then the runs must have been made in turn (A1, B1, A2, B2 …), so that the machine's moods meet both.",
		Example: "  drawd bench compare before.json after.json\n  drawd bench compare a1.json,a2.json,a3.json,a4.json b1.json,b2.json,b3.json,b4.json",
		Args:    cobra.ExactArgs(2),
	}
	f := c.Flags()
	paired := f.Bool("paired", false, "the runs were made in turn: Wilcoxon's signed ranks instead of Mann–Whitney")
	all := f.Bool("all", false, "also metrics of which neither direction is better")
	fail := f.Bool("fail", false, "exit 20 when a metric is significantly worse in B")
	a.outputFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		var sides [2][]*runfile.Run
		for i, arg := range args {
			for name := range strings.SplitSeq(arg, ",") {
				r, err := a.readRun(name)
				if err != nil {
					return err
				}
				sides[i] = append(sides[i], r)
			}
		}
		comparison, err := runfile.Compare(sides[0], sides[1], *paired)
		if err != nil {
			return failure(exitInvalid, err)
		}
		if a.output == "json" {
			err = writeJSON(a.stdout, comparison)
		} else {
			err = bench.WriteComparison(a.stdout, comparison, *all)
		}
		return errors.Join(err, worse(comparison, *fail))
	}
	return c
}

// worse returns an error that names what is worse, if that is asked for.
func worse(c *runfile.Comparison, fail bool) error {
	var names []string
	for i := range c.Rows {
		if c.Rows[i].Says == runfile.IsWorse {
			names = append(names, c.Rows[i].Metric)
		}
	}
	if !fail || len(names) == 0 {
		return nil
	}
	return failure(exitThreshold, fmt.Errorf("worse in B: %s", strings.Join(names, ", ")))
}

// readRun reads the document of a run from a file, or from standard input for "-".
func (a *app) readRun(name string) (*runfile.Run, error) {
	text, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	r, err := runfile.Read(bytes.NewReader(text))
	if err != nil {
		return nil, failure(exitInvalid, fmt.Errorf("%s: %w", name, err))
	}
	return r, nil
}
