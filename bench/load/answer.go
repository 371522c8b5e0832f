package load

import (
	"bytes"
	"errors"
)

// maxAnswer bounds one answer: a full batch of draws in JSON stays far below it.
const maxAnswer = 16 << 20

var (
	errNotHTTP   = errors.New("load: the answer is not HTTP/1.1 with a Content-Length")
	errTooLarge  = errors.New("load: the answer is larger than 16 MiB")
	endOfHead    = []byte("\r\n\r\n")
	lengthHeader = []byte("\r\nContent-Length: ")
	closeHeader  = []byte("\r\nConnection: close")
)

// parseAnswer looks for one whole answer at the start of b. size is 0 when more bytes are needed.
func parseAnswer(b []byte, a *Answer) (size int, err error) {
	head := bytes.Index(b, endOfHead)
	if head < 0 {
		if len(b) > 64<<10 {
			return 0, errNotHTTP
		}
		return 0, nil
	}
	if head < 12 || string(b[:9]) != "HTTP/1.1 " {
		return 0, errNotHTTP
	}
	at := bytes.Index(b[:head+2], lengthHeader)
	if at < 0 {
		return 0, errNotHTTP
	}
	length := 0
	for i := at + len(lengthHeader); i < head && b[i] != '\r'; i++ {
		d := b[i] - '0'
		if d > 9 {
			return 0, errNotHTTP
		}
		if length = length*10 + int(d); length > maxAnswer {
			return 0, errTooLarge
		}
	}
	body := head + len(endOfHead)
	if len(b) < body+length {
		return 0, nil
	}
	a.Status = int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
	a.Head, a.Body = b[:head], b[body:body+length]
	return body + length, nil
}

// Has reports whether the header line is in the head, written exactly so.
func (a *Answer) Has(line string) bool {
	for rest := a.Head; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
		if len(rest) >= len(line) && string(rest[:len(line)]) == line && (len(rest) == len(line) || rest[len(line)] == '\r') {
			return true
		}
	}
}
