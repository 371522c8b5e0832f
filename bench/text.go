package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// grid is an aligned table. The first columns are flush left, the others flush right.
type grid struct {
	rows [][]string
	left int // columns that are flush left; 0 for one
}

func (g *grid) row(cells ...string) { g.rows = append(g.rows, cells) }

// write writes the table, each line indented by two spaces.
func (g *grid) write(w io.Writer) error {
	var widths []int
	for _, cells := range g.rows {
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var text, b strings.Builder
	for _, cells := range g.rows {
		b.WriteString("  ")
		for i, c := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i > 0 {
				b.WriteString("  ")
			}
			if i < max(g.left, 1) {
				b.WriteString(c + pad)
			} else {
				b.WriteString(pad + c)
			}
		}
		line := strings.TrimRight(b.String(), " ")
		b.Reset()
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// page collects what a report writes and remembers the first error.
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *page) grid(g *grid) {
	if p.err == nil {
		p.err = g.write(p.w)
	}
}

// count writes an integer with its thousands apart.
func count[T int | int64 | uint64 | uint32](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
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

// microsText writes microseconds with three digits and a unit.
func microsText(us int64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%d µs", us)
	case us < 10_000:
		return fmt.Sprintf("%.2f ms", float64(us)/1e3)
	case us < 100_000:
		return fmt.Sprintf("%.1f ms", float64(us)/1e3)
	case us < 1_000_000:
		return fmt.Sprintf("%.0f ms", float64(us)/1e3)
	}
	return fmt.Sprintf("%.2f s", float64(us)/1e6)
}

// spanText writes a duration with a unit that suits it.
func spanText(d time.Duration) string {
	if d < 10*time.Second {
		return microsText(d.Microseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func bytesText(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
