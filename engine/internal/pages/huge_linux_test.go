package pages

import "syscall"

// hugeAlloc returns an alloc that asks for huge pages, as a server's would: a random line of a large table then costs
// a cache miss and not a page walk too.
func hugeAlloc() func(int) []byte {
	const region = 64 << 20
	var free []byte
	return func(n int) []byte {
		if len(free) < n {
			b, err := syscall.Mmap(-1, 0, region, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err != nil {
				panic(err)
			}
			if err := syscall.Madvise(b, syscall.MADV_HUGEPAGE); err != nil {
				panic(err)
			}
			free = b
		}
		b := free[:n:n]
		free = free[n:]
		return b
	}
}
