package storage

// segmentBytes is the size at which a segment is closed. 192 MiB of log make some 800 segments.
const segmentBytes = 256 << 10

// segment is a run of records and the bytes they take on disk.
type segment struct {
	first, last uint64
	bytes       int64
}

// sizes knows how many bytes the live records take, without a number per record: exact when a truncation falls between segments,
// prorated by count within one (so off by less than segmentBytes plus one record). It is not synchronised.
type sizes struct {
	segments []segment
	total    int64
}

// add counts the next record.
func (z *sizes) add(index uint64, bytes int64) {
	n := len(z.segments)
	if n == 0 || z.segments[n-1].bytes >= segmentBytes {
		z.segments = append(z.segments, segment{first: index, last: index})
		n++
	}
	s := &z.segments[n-1]
	s.last = index
	s.bytes += bytes
	z.total += bytes
}

// keep forgets all records outside [first, last].
func (z *sizes) keep(first, last uint64) {
	kept := z.segments[:0]
	z.total = 0
	for _, s := range z.segments {
		if s.last < first || s.first > last {
			continue
		}
		lo, hi := max(s.first, first), min(s.last, last)
		s.bytes = s.bytes * int64(hi-lo+1) / int64(s.last-s.first+1)
		s.first, s.last = lo, hi
		z.total += s.bytes
		kept = append(kept, s)
	}
	z.segments = kept
}

// tail returns the lowest index from which the records take at most the given bytes; beyond the last one when none fits.
func (z *sizes) tail(bytes int64) (index uint64) {
	for i := len(z.segments) - 1; i >= 0; i-- {
		s := z.segments[i]
		if s.bytes > bytes {
			fit := bytes * int64(s.last-s.first+1) / s.bytes
			return s.last + 1 - uint64(fit)
		}
		bytes -= s.bytes
		index = s.first
	}
	return index
}
