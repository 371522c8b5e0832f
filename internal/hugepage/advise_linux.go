package hugepage

import "golang.org/x/sys/unix"

// advise asks for huge pages. A refusal costs speed, not correctness, so it is not reported.
func advise(slab []byte) { _ = unix.Madvise(slab, unix.MADV_HUGEPAGE) }

// populate asks for memory behind the slab now. Kernels before 5.14 refuse: then it comes when it is first used.
func populate(slab []byte) { _ = unix.Madvise(slab, unix.MADV_POPULATE_WRITE) }
