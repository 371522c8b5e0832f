package campaignfile

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// maxShown bounds how much of a source line is shown on either side of a fault, in characters.
const maxShown = 100

// Render writes faults for a person: file, line and column, what is wrong, and the source line with a caret under it.
func Render(w io.Writer, name string, src []byte, faults []Fault) error {
	lines := strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
	var b strings.Builder
	for _, f := range faults {
		if f.Line == 0 {
			fmt.Fprintf(&b, "%s: %s\n", name, f.Error())
			continue
		}
		fmt.Fprintf(&b, "%s:%s\n", name, f.Error())
		if f.Line > len(lines) {
			continue
		}
		shown, caret := excerpt(strings.TrimSuffix(lines[f.Line-1], "\r"), f.Column)
		number := fmt.Sprintf("%5d", f.Line)
		fmt.Fprintf(&b, "%s | %s\n%s | %s^\n", number, shown, strings.Repeat(" ", len(number)), caret)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// excerpt returns the part of a line around a column and what stands before the caret under it.
func excerpt(line string, column int) (shown, caret string) {
	runes := []rune(line)
	at := min(max(column-1, 0), len(runes))
	from, to := max(0, at-maxShown), min(len(runes), at+maxShown)
	var b, c strings.Builder
	for i, r := range runes[from:to] {
		if unicode.IsControl(r) && r != '\t' {
			r = '\uFFFD' // a file must not steer the terminal
		}
		b.WriteRune(r)
		switch {
		case from+i >= at:
		case r == '\t':
			c.WriteRune('\t')
		default:
			c.WriteString(strings.Repeat(" ", cells(r)))
		}
	}
	return b.String(), c.String()
}

// cells is the width of r in a terminal: two for the East Asian scripts, else one.
func cells(r rune) int {
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFF60 {
		return 2
	}
	return 1
}
