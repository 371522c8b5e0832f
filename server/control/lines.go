package control

import (
	"bytes"
	"iter"
)

// lines yields the lines of a body that are not empty, without the space around them, and their numbers from 1.
func lines(body []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		n := 0
		for line := range bytes.Lines(body) {
			n++
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(n, line) {
				return
			}
		}
	}
}
