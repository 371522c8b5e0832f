package names

import (
	"regexp"
	"strings"
	"testing"
)

// Each shape is the regular expression that the documentation gives for it, for every byte in every place and at both
// ends of its length.
func TestShapes(t *testing.T) {
	for _, tc := range []struct {
		name, pattern string
		valid         func(string) bool
		most          int
	}{
		{"ID", `^[a-z0-9][a-z0-9-]{0,62}$`, ID[string], 63},
		{"Pool", `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`, Pool[string], 63},
		{"Subject", `^[A-Za-z0-9._~:@=+-]{1,128}$`, Subject[string], 128},
		{"Channel", `^[A-Za-z0-9._~:@=+-]{1,32}$`, Channel[string], 32},
		{"Key", `^[\x21-\x7e]{1,64}$`, Key[string], 64},
		{"Reason", `^[^\x00-\x1f\x7f]{1,512}$`, Reason[string], 512},
	} {
		pattern := regexp.MustCompile(tc.pattern)
		try := func(s string) {
			if strings.ToValidUTF8(s, "") != s {
				return // a pattern reads characters; JSON and YAML hold nothing else
			}
			if got, want := tc.valid(s), pattern.MatchString(s); got != want {
				t.Errorf("%s(%q) is %v", tc.name, s, got)
			}
		}
		for c := range 128 {
			b := string(rune(c))
			try(b)
			try("a" + b)
			try(b + "a")
			try("a" + b + "a")
		}
		try("")
		try(strings.Repeat("a", tc.most))
		try(strings.Repeat("a", tc.most+1))
	}
	if Subject([]byte("u\xff")) || Key("ключ") || !Reason("потому что") {
		t.Error("bytes beyond ASCII are taken wrongly")
	}
}
