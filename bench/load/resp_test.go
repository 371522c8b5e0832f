package load

import "testing"

func TestParseReplies(t *testing.T) {
	for _, row := range []struct {
		name, in string
		replies  int
		size     int
		status   int
		bad      bool
	}{
		{"simple", "+OK\r\n", 1, 5, 200, false},
		{"number and more", ":12\r\n+OK\r\n", 1, 5, 200, false},
		{"bulk", "$3\r\na\r\n\r\n", 1, 9, 200, false},
		{"null bulk and null array", "$-1\r\n*-1\r\n", 2, 10, 200, false},
		{"array in array", "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", 1, 19, 200, false},
		{"empty array", "*0\r\n", 1, 4, 200, false},
		{"an error of two", "+OK\r\n-CAPPED day\r\n", 2, 18, 409, false},
		{"one that passes", "-OVERLOADED later\r\n-CAPPED day\r\n", 2, 32, 503, false},
		{"one is missing", "+OK\r\n", 2, 0, 0, false},
		{"bulk cut off", "$3\r\nab", 1, 0, 0, false},
		{"array cut off", "*2\r\n:1\r\n", 1, 0, 0, false},
		{"nothing", "", 1, 0, 0, false},
		{"HTTP", "HTTP/1.1 200 OK\r\n", 1, 0, 0, true},
		{"bare line feed", "+OK\n", 1, 0, 0, true},
		{"no length", "$\r\n", 1, 0, 0, true},
		{"negative length", "$-2\r\n", 1, 0, 0, true},
		{"huge length", "$99999999999999999999\r\n", 1, 0, 0, true},
		{"too deep", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 1, 0, 0, true},
	} {
		var a Answer
		size, err := parseReplies([]byte(row.in), row.replies, &a)
		if (err != nil) != row.bad || size != row.size || a.Status != row.status || string(a.Body) != row.in[:size] {
			t.Errorf("%s: size %d status %d body %q error %v", row.name, size, a.Status, a.Body, err)
		}
	}
}
