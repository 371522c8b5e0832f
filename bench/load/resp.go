package load

import (
	"bytes"
	"errors"
)

// maxDepth bounds arrays in arrays.
const maxDepth = 8

var errNotRESP = errors.New("load: the answer is not RESP2")

// parseReplies looks for so many whole RESP2 replies at the start of b. size is 0 when more bytes are needed. The status is
// that of HTTP for the worst of them: 200, 409 for an error reply, 503 for one that says that it may pass.
func parseReplies(b []byte, replies int, a *Answer) (size int, err error) {
	status := 200
	for range replies {
		if size < len(b) && b[size] == '-' {
			status = max(status, errorStatus(b[size+1:]))
		}
		n, err := replySize(b[size:], maxDepth)
		if n == 0 || err != nil {
			return 0, err
		}
		size += n
	}
	a.Status, a.Head, a.Body = status, nil, b[:size]
	return size, nil
}

// errorStatus sorts an error reply by its first word.
func errorStatus(text []byte) int {
	for _, passing := range []string{"OVERLOADED", "NO_LEADER", "RATE_LIMITED", "LOADING", "BUSY", "UNKNOWN_OUTCOME"} {
		if bytes.HasPrefix(text, []byte(passing)) {
			return 503
		}
	}
	return 409
}

// replySize returns the size of the reply at the start of b; 0 when it is not whole.
func replySize(b []byte, depth int) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(b) > 64<<10 {
			return 0, errNotRESP
		}
		return 0, nil
	}
	if end < 2 || b[end-1] != '\r' {
		return 0, errNotRESP
	}
	switch b[0] {
	case '+', '-', ':':
		return end + 1, nil
	case '$', '*':
	default:
		return 0, errNotRESP
	}
	n, ok := replyCount(b[1 : end-1])
	if !ok {
		return 0, errNotRESP
	}
	size := end + 1
	if n < 0 {
		return size, nil // null
	}
	if b[0] == '$' {
		if size += n + 2; size > len(b) {
			return 0, nil
		}
		return size, nil
	}
	if depth == 0 {
		return 0, errNotRESP
	}
	for range n {
		part, err := replySize(b[size:], depth-1)
		if part == 0 || err != nil {
			return 0, err
		}
		size += part
	}
	return size, nil
}

// replyCount reads the length of a bulk or an array: -1 for null.
func replyCount(text []byte) (int, bool) {
	if string(text) == "-1" {
		return -1, true
	}
	n := 0
	for _, d := range text {
		if d < '0' || d > '9' {
			return 0, false
		}
		if n = n*10 + int(d-'0'); n > maxAnswer {
			return 0, false
		}
	}
	return n, len(text) > 0
}
