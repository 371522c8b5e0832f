package runfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Condition is one condition of --expect, for instance "p99<5ms": a metric, an operator, a limit.
type Condition struct {
	text     string
	metric   string
	operator string
	limit    float64
	unit     string // that the limit was given in: "us", "share", or ""
}

// operators, the longer before those that they begin with.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// limitUnits are what may follow a limit, the longer before those that they end with.
var limitUnits = []struct {
	suffix, unit string
	factor       float64
}{
	{"ns", "us", 1e-3}, {"us", "us", 1}, {"µs", "us", 1}, {"ms", "us", 1e3}, {"/s", "per_second", 1}, {"s", "us", 1e6},
	{"%", "share", 1e-2}, {"k", "", 1e3}, {"M", "", 1e6},
}

// ParseExpectations reads conditions separated by commas. It reports every fault at once.
func ParseExpectations(text string) ([]Condition, error) {
	var (
		all    []Condition
		faults []error
	)
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		c, err := parseCondition(part)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		all = append(all, c)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return all, nil
}

func parseCondition(text string) (Condition, error) {
	c := Condition{text: text}
	at := strings.IndexAny(text, "<>=!")
	if at <= 0 {
		return c, fmt.Errorf("expect %q: it must be METRIC OPERATOR LIMIT, like p99<5ms or oversell==0", text)
	}
	for _, op := range operators {
		if strings.HasPrefix(text[at:], op) {
			c.operator = op
			break
		}
	}
	if c.operator == "" {
		return c, fmt.Errorf("expect %q: the operator must be one of %s", text, strings.Join(operators, " "))
	}
	c.metric = strings.TrimSpace(text[:at])
	if !metricKnown(c.metric) {
		return c, fmt.Errorf("expect %q: %q is no metric; there are %s", text, c.metric, strings.Join(metricNames(), " "))
	}
	limit := strings.TrimSpace(text[at+len(c.operator):])
	factor := 1.0
	for _, u := range limitUnits {
		if number, found := strings.CutSuffix(limit, u.suffix); found {
			limit, c.unit, factor = strings.TrimSpace(number), u.unit, u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(limit, 64)
	if err != nil {
		return c, fmt.Errorf("expect %q: %q is no number, nor one with ns, us, ms, s, %%, k, M or /s behind it", text, limit)
	}
	c.limit = n * factor
	if isLatency(c.metric) && c.unit != "us" {
		return c, fmt.Errorf("expect %q: %s is a time: its limit needs ns, us, ms or s", text, c.metric)
	}
	return c, nil
}

// metricNames are the names that need no figure.
func metricNames() []string {
	var all []string
	for _, l := range latencyPrefixes {
		for _, m := range latencyMetrics {
			all = append(all, l.prefix+m.name)
		}
	}
	all = append(all, "offered/s", "answered/s", "logged/s", "denied/s")
	for _, c := range countMetrics {
		all = append(all, c.name)
	}
	return append(all, "P1.ratio … of a figure")
}

func metricKnown(name string) bool {
	if slices.Contains(metricNames(), name) {
		return true
	}
	// A figure's: its id, a dot, the measure. What begins like a percentile or a histogram is a slip of the pen.
	id, measure, found := strings.Cut(name, ".")
	if !found || measure == "" || id == "" || id[0] == 'p' {
		return false
	}
	return !slices.ContainsFunc(latencyPrefixes, func(l struct{ prefix, histogram string }) bool { return l.prefix == id+"." })
}

func isLatency(name string) bool {
	for _, l := range latencyPrefixes {
		for _, m := range latencyMetrics {
			if name == l.prefix+m.name {
				return true
			}
		}
	}
	return false
}

// Expect holds the conditions against the run and notes what came of it.
func (r *Run) Expect(conditions []Condition) {
	metrics := r.Metrics()
	for i := range conditions {
		r.Expectations = append(r.Expectations, r.hold(&conditions[i], metrics))
	}
}

func (r *Run) hold(c *Condition, metrics []Metric) Expectation {
	e := Expectation{Expression: c.text, Limit: c.limit}
	at := slices.IndexFunc(metrics, func(m Metric) bool { return m.Name == c.metric })
	if at < 0 {
		e.Missing = "this scenario does not measure " + c.metric
		return e
	}
	m := &metrics[at]
	e.Value, e.Unit = m.Value(), m.Unit
	if c.unit == "share" && m.Unit == "count" {
		answered := r.answered()
		if answered <= 0 {
			e.Missing = "nothing was answered, so there is no share of it"
			return e
		}
		e.Value, e.Unit = e.Value/answered, "share"
	} else if c.unit == "us" && m.Unit == "seconds" {
		e.Limit = c.limit / 1e6
	} else if c.unit != "" && c.unit != e.Unit {
		e.Missing = fmt.Sprintf("%s is measured in %s, the limit is in %s", c.metric, e.Unit, c.unit)
		return e
	}
	e.Met = holds(e.Value, c.operator, e.Limit)
	return e
}

// answered returns how many requests ended, one way or another.
func (r *Run) answered() (sum float64) {
	for _, name := range []string{"logged", "denied", "failed", "unknown"} {
		n, _ := r.outcome(name)
		sum += float64(n)
	}
	return sum
}

func holds(value float64, operator string, limit float64) bool {
	switch operator {
	case "<":
		return value < limit
	case "<=":
		return value <= limit
	case ">":
		return value > limit
	case ">=":
		return value >= limit
	case "==":
		return value == limit
	case "!=":
		return value != limit
	}
	panic("BUG: operator " + operator)
}
