package runfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// HLog writes histograms of intervals in HdrHistogram's log format 1.3, which its own tools and plotters read. Values are
// microseconds; the column of the interval's maximum is in milliseconds, as the format's readers expect.
type HLog struct {
	w     *bufio.Writer
	start time.Time
}

// NewHLog begins a log of a run that started at start.
func NewHLog(w io.Writer, start time.Time) (*HLog, error) {
	l := &HLog{w: bufio.NewWriter(w), start: start}
	ms := start.UnixMilli()
	_, err := fmt.Fprintf(l.w, "#[Histogram log format version 1.3]\n#drawd bench: latency from the due time; values in microseconds, Interval_Max in milliseconds\n"+
		"#[StartTime: %d.%03d (seconds since epoch), %s]\n\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
		ms/1000, ms%1000, start.UTC().Format(time.RFC3339))
	if err != nil {
		return nil, fmt.Errorf("runfile: hlog: %w", err)
	}
	return l, nil
}

// Interval writes the histogram of one interval. tag must hold no comma, space or line break.
func (l *HLog) Interval(tag string, from, length time.Duration, h *hdr.Histogram) error {
	payload, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return fmt.Errorf("runfile: hlog: %w", err)
	}
	_, err = fmt.Fprintf(l.w, "Tag=%s,%.3f,%.3f,%.3f,%s\n", tag, from.Seconds(), length.Seconds(), float64(h.Max())/1e3, payload)
	if err != nil {
		return fmt.Errorf("runfile: hlog: %w", err)
	}
	return nil
}

// Flush writes out what is buffered.
func (l *HLog) Flush() error {
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("runfile: hlog: %w", err)
	}
	return nil
}

// SumOfHLog adds up the histograms of all intervals of a log.
func SumOfHLog(r io.Reader) (*hdr.Histogram, error) {
	var sum *hdr.Histogram
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1<<16), 16<<20)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' || line[0] == '"' {
			continue
		}
		h, err := hdr.Decode(line[bytes.LastIndexByte(line, ',')+1:])
		if err != nil {
			return nil, fmt.Errorf("runfile: hlog: %w", err)
		}
		if sum == nil {
			sum = h
		} else if dropped := sum.Merge(h); dropped > 0 {
			return nil, fmt.Errorf("runfile: hlog: %d values lie beyond the range of the first histogram", dropped)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("runfile: hlog: %w", err)
	}
	if sum == nil {
		return nil, errors.New("runfile: hlog: no interval")
	}
	return sum, nil
}
