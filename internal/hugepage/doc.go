// Package hugepage hands out memory for the engine's table pages that the kernel may back with huge pages.
//
// A draw looks at a few random cache lines of a table that is far larger than the translation caches cover with 4 KiB
// pages; on a virtual machine each such miss walks two page tables. Where transparent huge pages are set to "madvise"
// (the default of most distributions), memory gets them only when asked for.
//
// The slab after the one in use is made by a goroutine, with the kernel's zeroed memory already behind it: first use of
// memory otherwise costs the applier a tenth of its time while tables grow. At most one slab is ahead.
//
// The memory is the Go heap's own: slabs are collected once nothing of them is referenced. Safe for concurrent use.
package hugepage
