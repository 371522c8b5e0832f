package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
)

// openLines opens a file of lines; "-" is standard input.
func openLines(name string) (io.ReadCloser, error) {
	switch name {
	case "":
		return nil, usage(errors.New("say which file with -f"))
	case "-":
		return io.NopCloser(os.Stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usage(err)
	}
	return f, nil
}

// eachPart cuts lines into parts that fit into a request, and calls send with each; from is the number of its first line.
func eachPart(in io.Reader, send func(from int, part []byte) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, partBytes)
	var part bytes.Buffer
	from, n := 1, 0
	for lines.Scan() {
		n++
		if part.Len() > 0 && part.Len()+len(lines.Bytes())+1 > partBytes {
			if err := send(from, part.Bytes()); err != nil {
				return err
			}
			part.Reset()
			from = n
		}
		part.Write(lines.Bytes())
		part.WriteByte('\n')
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return send(from, part.Bytes())
}
