package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Bounds of one part of an import: below what the daemon takes in one request.
const (
	partLines = 5000
	partBytes = 900 << 10
	// partTries is how often a part is sent when the daemon has no time for it, a second apart at first.
	partTries = 6
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

// part is some lines that fit into one request; first and last are their numbers, from 1.
type part struct {
	body        []byte
	first, last int
}

// eachPart cuts what in has into parts of at most most lines, and calls send with each.
func eachPart(in io.Reader, most int, send func(part) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, partBytes)
	var p bytes.Buffer
	first, n := 1, 0
	flush := func() error {
		if p.Len() == 0 {
			return nil
		}
		defer func() { p.Reset(); first = n + 1 }()
		return send(part{p.Bytes(), first, n})
	}
	for lines.Scan() {
		if n-first+1 >= most || p.Len()+len(lines.Bytes()) >= partBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		n++
		p.Write(lines.Bytes())
		p.WriteByte('\n')
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return flush()
}

// sendPart sends a part, and again while the daemon has no time for it.
func (a *app) sendPart(ctx context.Context, k *client, path string, part []byte) (answer *reply, err error) {
	for wait := time.Second; ; wait *= 2 {
		answer, err = k.do(ctx, call{method: http.MethodPost, path: path, body: part, contentType: "application/x-ndjson"})
		var refused *problemError
		if err == nil || !errors.As(err, &refused) || !refused.Retryable || wait >= time.Second<<partTries {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}
