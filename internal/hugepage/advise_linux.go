package hugepage

import "golang.org/x/sys/unix"

// advise asks for huge pages. A refusal costs speed, not correctness, so it is not reported.
func advise(slab []byte) { _ = unix.Madvise(slab, unix.MADV_HUGEPAGE) }
