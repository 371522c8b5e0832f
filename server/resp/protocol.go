package resp

import (
	"bytes"
	"strconv"
)

// Bounds of one command. They hold before AUTH, so they bound what a stranger can make the server keep.
const (
	maxArgs    = 1024     // HOLD and DRAW are far below; a longer array is refused
	maxBulk    = 16 << 10 // bytes of one argument
	maxCommand = 64 << 10 // bytes of one command as it is sent
	maxInline  = 4 << 10  // bytes of a command without RESP framing, as typed into telnet
)

// protocolError ends a connection: where one command ends and the next begins is not known any more.
type protocolError string

func (e protocolError) Error() string { return "Protocol error: " + string(e) }

// Faults of framing, in the words that Redis has for them, where it has some.
const (
	errArrayLength = protocolError("invalid multibulk length")
	errBulkLength  = protocolError("invalid bulk length")
	errBulkType    = protocolError("expected '$'")
	errBulkEnd     = protocolError("expected CRLF after a bulk")
	errTooBig      = protocolError("too big command")
	errInline      = protocolError("too big inline request")
	errInlineByte  = protocolError("inline requests are visible ASCII and spaces")
)

// next takes one command off b. n is how many bytes it has; 0 says that it has not come whole. args is reused, and what it
// holds aliases b. A command without arguments is nothing: it is taken and not answered, as in Redis.
func next(b []byte, args [][]byte) (n int, _ [][]byte, err error) {
	args = args[:0]
	if len(b) == 0 {
		return 0, args, nil
	}
	if b[0] != '*' {
		return nextInline(b, args)
	}
	count, at, err := number(b, 0, maxArgs, errArrayLength)
	if at == 0 || err != nil {
		return 0, args, tooLong(b, err)
	}
	for range count {
		if at == len(b) {
			return 0, args, tooLong(b, nil)
		}
		if b[at] != '$' {
			return 0, args, errBulkType
		}
		size, from, err := number(b, at, maxBulk, errBulkLength)
		if from == 0 || err != nil {
			return 0, args, tooLong(b, err)
		}
		end := from + size
		switch {
		case end+2 > maxCommand:
			return 0, args, errTooBig
		case end+2 > len(b):
			return 0, args, nil
		case b[end] != '\r' || b[end+1] != '\n':
			return 0, args, errBulkEnd
		}
		args = append(args, b[from:end:end])
		at = end + 2
	}
	return at, args, nil
}

// tooLong is err, or the refusal of a command that is longer than any that would be taken.
func tooLong(b []byte, err error) error {
	if err == nil && len(b) >= maxCommand {
		return errTooBig
	}
	return err
}

// number reads the decimal after the type byte at b[at], and its CRLF. next is 0 when they have not come whole.
func number(b []byte, at, most int, fault error) (n, next int, err error) {
	for i := at + 1; i < len(b); i++ {
		c := b[i]
		switch {
		case c >= '0' && c <= '9':
			if n = n*10 + int(c-'0'); n > most || i > at+8 {
				return 0, 0, fault
			}
		case c != '\r' || i == at+1:
			return 0, 0, fault
		case i+1 == len(b):
			return 0, 0, nil
		case b[i+1] != '\n':
			return 0, 0, fault
		default:
			return n, i + 2, nil
		}
	}
	return 0, 0, nil
}

// nextInline takes a line of words, as a person types it. There are no quotes: no argument of a command needs them.
func nextInline(b []byte, args [][]byte) (n int, _ [][]byte, err error) {
	end := bytes.IndexByte(b, '\n')
	switch {
	case end > maxInline || end < 0 && len(b) > maxInline:
		return 0, args, errInline
	case end < 0:
		return 0, args, nil
	}
	line := bytes.TrimSuffix(b[:end], []byte{'\r'})
	for _, c := range line {
		if c < ' ' || c > '~' {
			return 0, args, errInlineByte
		}
	}
	for len(line) > 0 {
		var word []byte
		word, line, _ = bytes.Cut(line, []byte{' '})
		if len(word) > 0 {
			args = append(args, word[:len(word):len(word)])
		}
	}
	return end + 1, args, nil
}

// What replies are made of.

func appendArray(dst []byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, '*'), int64(n), 10), '\r', '\n')
}

func appendInt(dst []byte, n int64) []byte {
	return append(strconv.AppendInt(append(dst, ':'), n, 10), '\r', '\n')
}

func appendBulk[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(strconv.AppendInt(append(dst, '$'), int64(len(s)), 10), '\r', '\n')
	return append(append(dst, s...), '\r', '\n')
}

func appendNull(dst []byte) []byte { return append(dst, "$-1\r\n"...) }

func appendSimple(dst []byte, s string) []byte {
	return append(append(append(dst, '+'), s...), '\r', '\n')
}

// appendError appends an error reply. A line break in what it says would end it early, so there is none.
func appendError(dst []byte, code, message string) []byte {
	dst = append(append(append(dst, '-'), code...), ' ')
	for i := range len(message) {
		if c := message[i]; c == '\r' || c == '\n' {
			dst = append(dst, ' ')
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '\r', '\n')
}
