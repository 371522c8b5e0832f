package load

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// secondMeter collects what a loop does within the current second.
type secondMeter struct {
	at       int
	sent     uint64
	answered [Classes]uint64
	latency  *hdr.Histogram
	cpu      time.Duration // of the thread, at the beginning of the second
	began    time.Duration
}

// turn ends the second when it is over.
func (m *secondMeter) turn(l *loop, now time.Duration) {
	if now >= time.Duration(m.at+1)*time.Second {
		m.close(l, now)
	}
}

// close ends the second now.
func (m *secondMeter) close(l *loop, now time.Duration) {
	cpu := threadCPU()
	s := Second{
		Loop: l.number, At: m.at, Sent: m.sent, Answered: m.answered, Waiting: len(l.again),
		P50: m.latency.ValueAtQuantile(50), P99: m.latency.ValueAtQuantile(99), Max: m.latency.Max(),
	}
	if l.s.Arrivals != nil {
		for ; l.dueNext < l.count && l.s.Arrivals[l.dueNext] <= now; l.dueNext += uint64(l.o.Loops) {
			s.Due++
		}
		s.Waiting += int(l.dueNext-l.next) / l.o.Loops
	} else {
		s.Due = m.sent
	}
	l.stats.Due += s.Due
	s.Length = now - m.began
	if span := s.Length; span > 0 {
		s.Busy = float64(cpu-m.cpu) / float64(span)
		if span > 200*time.Millisecond {
			l.stats.Busiest = max(l.stats.Busiest, s.Busy)
		}
	}
	l.stats.Seconds = append(l.stats.Seconds, s)
	if l.o.OnSecond != nil {
		// The receiver keeps the histogram: it is merged and encoded elsewhere, not on this thread.
		s.Histogram, m.latency = m.latency, NewHistogram()
		l.o.OnSecond(s)
	} else {
		m.latency.Reset()
	}
	m.at, m.sent, m.answered, m.cpu, m.began = int(now/time.Second), 0, [Classes]uint64{}, cpu, now
}
