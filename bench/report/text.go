package report

import (
	"fmt"
	"strconv"
	"strings"
)

// count writes an integer with its thousands apart.
func count(v any) string {
	digits := fmt.Sprint(v)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "−", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// stock writes a number of units; below 0 there is no bound.
func stock(n int64) string {
	if n < 0 {
		return "unlimited"
	}
	return count(n)
}

// micros writes microseconds with three digits and a unit.
func micros(us int64) string { return measure(float64(us), "us") }

// measure writes a value with its unit.
func measure(v float64, unit string) string {
	switch unit {
	case "us":
		switch {
		case v < 1000:
			return digits(v) + " µs"
		case v < 1e6:
			return digits(v/1e3) + " ms"
		}
		return digits(v/1e6) + " s"
	case "per_second":
		return whole(v) + "/s"
	case "seconds":
		return digits(v) + " s"
	case "share":
		return digits(v)
	case "count":
		return whole(v)
	case "bytes":
		return whole(v) + " B"
	}
	return digits(v) + " " + unit
}

// limit writes a limit or a value of a condition.
func limit(v float64, unit string) string {
	if unit == "share" {
		return digits(100*v) + " %"
	}
	return measure(v, unit)
}

// digits writes three significant digits, and no zeros behind them.
func digits(v float64) string {
	if v >= 100 || v <= -100 {
		return whole(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func whole(v float64) string { return count(int64(v + 0.5)) }

func percent(share float64) string { return digits(100*share) + " %" }
