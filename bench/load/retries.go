package load

import "time"

// retry is a request that waits to be sent again.
type retry struct {
	at      time.Duration // when
	due     time.Duration // when it was first due: latency counts from there
	id      uint32
	attempt int
}

// retries is a binary heap, the earliest first.
type retries []retry

func (h *retries) push(r retry) {
	*h = append(*h, r)
	a := *h
	for i := len(a) - 1; i > 0; {
		up := (i - 1) / 2
		if a[up].at <= a[i].at {
			break
		}
		a[up], a[i] = a[i], a[up]
		i = up
	}
}

func (h *retries) pop() retry {
	a := *h
	first, last := a[0], len(a)-1
	a[0] = a[last]
	a = a[:last]
	*h = a
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return first
		}
		if down+1 < last && a[down+1].at < a[down].at {
			down++
		}
		if a[i].at <= a[down].at {
			return first
		}
		a[i], a[down] = a[down], a[i]
		i = down
	}
}
