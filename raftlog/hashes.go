package raftlog

import "sync"

// hashRing keeps running hashes that other nodes may have, too: the newest one, and the first after each multiple of
// hashStride. Nodes that are not equally far on meet at the latter; idle ones at the former. A nil ring keeps nothing: a
// node that runs alone has nobody to compare with.
type hashRing struct {
	mu struct {
		sync.Mutex
		newest  sample
		stride  uint64 // index / hashStride of the last entry
		strides [maxSamples - 1]sample
		next    int
	}
}

// begin sets the state that a checkpoint was loaded with.
func (h *hashRing) begin(index uint64, hash [16]byte) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.newest, h.mu.stride = sample{index, hash}, index/hashStride
	clear(h.mu.strides[:])
}

// add notes the running hash after an entry. FSM goroutine only.
func (h *hashRing) add(index uint64, hash [16]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.newest = sample{index, hash}
	if stride := index / hashStride; stride != h.mu.stride {
		h.mu.stride = stride
		h.mu.strides[h.mu.next] = h.mu.newest
		h.mu.next = (h.mu.next + 1) % len(h.mu.strides)
	}
}

// all returns what is kept.
func (h *hashRing) all() []sample {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]sample, 0, maxSamples)
	for _, s := range h.mu.strides {
		if s.index != 0 {
			all = append(all, s)
		}
	}
	if h.mu.newest.index != 0 {
		all = append(all, h.mu.newest)
	}
	return all
}
