package resp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	long := strings.Repeat("x", maxBulk)
	for _, tc := range []struct {
		in   string
		want string // the arguments, as %q; "…" when the command has not come whole
		left string
		err  error
	}{
		{"*1\r\n$4\r\nPING\r\n", `["PING"]`, "", nil},
		{"*2\r\n$4\r\nAUTH\r\n$0\r\n\r\n*1\r\n", `["AUTH" ""]`, "*1\r\n", nil},
		{"*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n", `["a" "\r\n"]`, "", nil},
		{"*0\r\n", `[]`, "", nil},
		{"PING\r\n", `["PING"]`, "", nil},
		{"  DRAW  c u k \nPING", `["DRAW" "c" "u" "k"]`, "PING", nil},
		{"\r\n", `[]`, "", nil},
		{"", "…", "", nil},
		{"*", "…", "", nil},
		{"*1", "…", "", nil},
		{"*1\r", "…", "", nil},
		{"*1\r\n", "…", "", nil},
		{"*1\r\n$4", "…", "", nil},
		{"*1\r\n$4\r\nPIN", "…", "", nil},
		{"*1\r\n$4\r\nPING\r", "…", "", nil},
		{"PING", "…", "", nil},
		{"*1025\r\n", "", "", errArrayLength},
		{"*1000000000000\r\n", "", "", errArrayLength},
		{"*-1\r\n", "", "", errArrayLength},
		{"*\r\n", "", "", errArrayLength},
		{"*1x\r\n", "", "", errArrayLength},
		{"*1\rx", "", "", errArrayLength},
		{"*000000001\r\n", "", "", errArrayLength},
		{"*1\r\n$9223372036854775807\r\nab\r\n", "", "", errBulkLength},
		{"*1\r\n$16385\r\n", "", "", errBulkLength},
		{"*1\r\n$-1\r\n", "", "", errBulkLength},
		{"*1\r\n:4\r\n", "", "", errBulkType},
		{"*1\r\n$4\r\nPINGXX", "", "", errBulkEnd},
		{"PI\x00NG\r\n", "", "", errInlineByte},
		{strings.Repeat("a", maxInline+1), "", "", errInline},
		{"*8\r\n" + strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", maxBulk, long), 3) + fmt.Sprintf("$%d\r\n", maxBulk), "", "", errTooBig},
	} {
		n, args, err := next([]byte(tc.in), nil)
		switch {
		case !errors.Is(err, tc.err) || tc.err == nil && err != nil:
			t.Errorf("%.40q: %v, want %v", tc.in, err, tc.err)
		case err != nil:
		case tc.want == "…":
			if n != 0 {
				t.Errorf("%.40q: taken before it was whole", tc.in)
			}
		case fmt.Sprintf("%q", args) != tc.want || tc.in[n:] != tc.left:
			t.Errorf("%.40q: %q and %q left, want %s and %q", tc.in, args, tc.in[n:], tc.want, tc.left)
		}
	}
}

// FuzzNext: whatever comes, nothing panics, what is taken lies inside the input and is within the bounds, and cutting the
// input anywhere gives the same commands.
func FuzzNext(f *testing.F) {
	f.Add([]byte("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\nPING\r\n"), 7)
	f.Add([]byte("*1\r\n$9223372036854775807\r\nab\r\n"), 3)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		all := func(b []byte) (told string, rest []byte) {
			var out bytes.Buffer
			for {
				n, args, err := next(b, nil)
				if err != nil {
					return out.String() + err.Error(), nil
				}
				if n == 0 {
					return out.String(), b
				}
				size := 0
				for _, a := range args {
					size += len(a)
				}
				if n > maxCommand || len(args) > max(maxArgs, maxInline) || size > n {
					t.Fatalf("%d bytes with %d arguments of %d bytes", n, len(args), size)
				}
				fmt.Fprintf(&out, "%q\n", args)
				b = b[n:]
			}
		}
		whole, _ := all(in)
		if cut < 0 || cut > len(in) {
			return
		}
		first, rest := all(in[:cut:cut])
		if rest == nil && strings.Contains(first, "Protocol error") {
			if !strings.HasPrefix(whole, strings.Split(first, "Protocol error")[0]) {
				t.Fatalf("%q and %q", whole, first)
			}
			return
		}
		second, _ := all(append(bytes.Clone(rest), in[cut:]...))
		if first+second != whole {
			t.Fatalf("cut at %d: %q, whole %q", cut, first+second, whole)
		}
	})
}
