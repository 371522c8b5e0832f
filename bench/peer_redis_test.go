package bench

import (
	"strings"
	"testing"
)

func TestRESPLoadIsAValidCommand(t *testing.T) {
	l := newRESPLoad("flash", 1000, 2)
	l.sent = 41
	text := string(l.AppendRequest(nil, 0, false))
	one, two, _ := strings.Cut(text, "*4\r\n$4\r\nDRAW\r\n$5\r\nflash\r\n$9\r\nu")
	if one != "" || strings.Count(two, "*4\r\n") != 1 || l.sent != 43 || l.replies() != 2 {
		t.Fatalf("%q", text)
	}
	keys := map[string]bool{}
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "*4\r\n"), "*4\r\n") {
		fields := strings.Split(strings.TrimSuffix(part, "\r\n"), "\r\n")
		if len(fields) != 8 || fields[4] != "$9" || len(fields[5]) != 9 || fields[6] != "$21" || len(fields[7]) != 21 {
			t.Fatalf("%q", fields)
		}
		keys[fields[7]] = true
	}
	if len(keys) != 2 {
		t.Errorf("keys %v", keys)
	}
	p := &redisPeer{script: strings.Repeat("a", 40), mode: redisModes[3]}
	w := newRedisLoad(p, 1000, 1)
	if text := string(w.AppendRequest(nil, 0, false)); !strings.HasPrefix(text, "*6\r\n$7\r\nEVALSHA\r\n$40\r\n") || !strings.HasSuffix(text, "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n") || w.replies() != 2 {
		t.Errorf("%q", text)
	}
}
