package campaignfile

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/drawd/drawd/engine/problem"
)

// readSource turns YAML or JSON into a tree. With faults the root may be nil or incomplete.
func readSource(src []byte) (*node, []Fault) {
	var t tree
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")) // editors' byte order mark
	switch trimmed := bytes.TrimLeft(src, " \t\r\n"); {
	case len(src) > maxSource:
		t.fail("", problem.InvalidField, place{}, fmt.Sprintf("the file has %d bytes; at most %d are allowed", len(src), maxSource))
	case !utf8.Valid(src):
		t.fail("", problem.BadJSON, invalidAt(src), "this is not valid UTF-8: save the file as UTF-8")
	case len(trimmed) == 0:
		t.fail("", problem.InvalidField, place{}, "the file is empty")
	case trimmed[0] == '{':
		return t.readJSON(src), t.faults
	default:
		return t.readYAML(src), t.faults
	}
	return nil, t.faults
}

// placeAt returns the place of the byte at offset.
func placeAt(src []byte, offset int) place {
	offset = min(offset, len(src))
	line := 1 + bytes.Count(src[:offset], []byte("\n"))
	start := 1 + bytes.LastIndexByte(src[:offset], '\n')
	return place{line: line, column: 1 + utf8.RuneCount(src[start:offset])}
}

// invalidAt returns the place of the first byte that is not UTF-8.
func invalidAt(src []byte) place {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return placeAt(src, i)
		}
		i += n
	}
	return place{}
}
