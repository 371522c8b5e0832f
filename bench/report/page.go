package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"strings"

	"github.com/drawd/drawd/bench/runfile"
)

//go:embed assets/uplot-1.6.32.min.js
var uplotScript string

//go:embed assets/uplot-1.6.32.min.css
var uplotStyle string

//go:embed assets/uplot-LICENSE
var uplotLicense string

//go:embed assets/page.js
var pageScript string

//go:embed assets/page.css
var pageStyle string

//go:embed assets/page.html
var pageText string

// pageData is what the template is filled with.
type pageData struct {
	Run      *runfile.Run
	Title    string
	Headline string // the result in one sentence
	Machine  string
	Tiles    []tile
	Document template.JS // the run's document
	Curves   template.JS // percentiles by histogram
	UPlot    template.JS
	License  string
	Script   template.JS
	Style    template.CSS
	Libstyle template.CSS
}

// tile is one figure at the top of the page.
type tile struct{ Name, Value, Note string }

// Write writes the page of a run.
func Write(w io.Writer, r *runfile.Run) error {
	document, err := json.Marshal(r) // escapes <, > and &, so that it cannot end its script element
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	all, err := curves(r)
	if err != nil {
		return err
	}
	curveText, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	page, err := template.New("page").Funcs(template.FuncMap{
		"count": count, "micros": micros, "measure": measure, "percent": percent, "join": strings.Join, "limit": limit, "stock": stock,
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	d := pageData{
		Run: r, Title: "drawd bench " + r.Scenario, Headline: headline(r), Machine: machine(&r.Environment), Tiles: tiles(r),
		Document: template.JS(document), Curves: template.JS(curveText), UPlot: template.JS(uplotScript), License: uplotLicense,
		Script: template.JS(pageScript), Style: template.CSS(pageStyle), Libstyle: template.CSS(uplotStyle),
	}
	if err := page.Execute(w, d); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// WriteFile writes the page of a run to a file.
func WriteFile(name string, r *runfile.Run) error {
	var b strings.Builder
	if err := Write(&b, r); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// headline says what the run amounts to.
func headline(r *runfile.Run) string {
	switch r.Result {
	case runfile.Wrong:
		return "drawd was wrong: a promise was broken, whatever the speed."
	case runfile.Invalid:
		return "INVALID: the generator, not the server, may have made these figures."
	case runfile.TooLittle:
		return "Nothing wrong was seen, but too few draws were logged for a verdict: not a pass."
	case runfile.Missed:
		return "An expectation did not come true."
	}
	if r.Verdict != nil {
		return "Right: wins are the stock taken, nobody is above a cap, one outcome for each key, no acknowledged draw was lost or changed."
	}
	return "Measured; this scenario ends in no verdict."
}

func machine(e *runfile.Environment) string {
	parts := []string{"commit " + e.Commit, e.Go, fmt.Sprintf("%d × %s", e.Cores, e.CPU), e.Kernel, e.FileSystem}
	for _, f := range e.Fsync {
		parts = append(parts, fmt.Sprintf("fsync of %d KiB p50 %s p99 %s", f.Bytes>>10, micros(f.P50), micros(f.P99)))
	}
	return strings.Join(parts, " · ")
}

// tiles are the figures that a reader looks for first.
func tiles(r *runfile.Run) []tile {
	var all []tile
	for i := range r.Rates {
		if x := &r.Rates[i]; x.Name == "logged" || x.Name == "denied" && x.Mean > 0 {
			all = append(all, tile{x.Name + " a second", count(int64(x.Mean + 0.5)), "best second " + count(int64(x.Peak+0.5))})
		}
	}
	for i := range r.Latency {
		if l := &r.Latency[i]; l.Name == "logged_due" {
			all = append(all, tile{"p50 from due", micros(l.P50), "p90 " + micros(l.P90)}, tile{"p99 from due", micros(l.P99), "p99.9 " + micros(l.P999) + ", longest " + micros(l.Max)})
		}
	}
	if r.Verdict != nil {
		var oversold int64
		for i := range r.Prizes {
			oversold += r.Prizes[i].Oversold
		}
		all = append(all, tile{"units oversold", count(oversold), count(int64(r.Verdict.Draws)) + " draws recounted"})
	}
	return all
}

// curve is one histogram read out for plotting.
type curve struct {
	Title  string       `json:"title"`
	Points [][2]float64 `json:"points"` // 1 / (1 − share), µs
}

// curves reads the histograms at shares that lie evenly on the plot's axis, as far as each has values for them.
func curves(r *runfile.Run) ([]curve, error) {
	all := []curve{}
	for i := range r.Latency {
		l := &r.Latency[i]
		if l.HDR == "" || l.Name == "lag" && len(r.Latency) > 1 {
			continue
		}
		h, err := l.Histogram()
		if err != nil {
			return nil, fmt.Errorf("report: %s: %w", l.Name, err)
		}
		c := curve{Title: l.Title}
		const steps = 24 // for each nine
		for n := 0; ; n++ {
			x := math.Pow(10, float64(n)/steps)
			if x > float64(l.Count) || x > 1e6 {
				break
			}
			c.Points = append(c.Points, [2]float64{x, float64(h.ValueAtQuantile(100 * (1 - 1/x)))})
		}
		all = append(all, c)
	}
	return all, nil
}
