// Package pages keeps the rows of one lock shard in pointer-free hash tables made of 4 KiB pages.
//
// # Purpose
//
// The page is the unit of everything: of growth (a full page gives rows to one beside it, or two become three), of
// dirtiness, of copy-on-write while a checkpoint reads, of checksum and of checkpoint. An Arena holds the pages of all tables of one shard; a
// page's number is its index there and stays the same for as long as the page lives.
//
// A Table is an extendible hash table whose pages cover ranges of hashes: a directory of page numbers indexed by the
// leading bits of the key's hash, in which each page has some entries in a row.
// Rows have a fixed size, are appended densely and are never deleted one by one; a table goes as a whole (Drop). Rows
// may become wider at their end (Widen); pages follow lazily.
//
// # Page format, version 2 (little endian; written out, append-only)
//
//	 0  u16  magic 0x7044 ("Dp"); an all-zero page is a free one
//	 2  u8   format version
//	 3  u8   key bytes stored per row, 8..16
//	 4  u32  table id
//	 8  u64  XXH3-64 of the page with this field zero; written when the page leaves the arena, not kept in memory
//	16  u32  first spread(hash) that belongs here
//	20  u16  payload bytes per row
//	22  u8   zero
//	23  u8   1 on an overflow page
//	24  u32  last spread(hash) that belongs here
//	28  u32  the page's own number: a page stored under a wrong name is found out
//	32  for each group of 8 slots (the last one may have fewer)
//	    u8   occupied slots, one bit each
//	    8 B  tags: the last stored key byte of each slot's row
//	…   zero
//	…   slots, the last one ends with the page: key bytes without the tag, then the payload; all zero when empty
//
// In version 1 a page had all hashes with a prefix: at 16 its bits, left aligned, at 22 how many, at 24 zero. Such pages
// are read, and written as version 2.
//
// # Packed pages, format version 3
//
// Rows that do not change any more can be packed (Packer): sorted by bytes 2 to 9 of their key, without empty slots, in the
// bits that they need. Keys are of 10 bytes, payloads of up to three integers (columns); bytes 0 and 1 of the key are a column
// too, the first.
//
//	 0  u16  magic; u8 3; u8 key bytes, 10; u32 table id; u64 checksum: as above
//	16  u64  base: bytes 2 to 9 of the first row's key, big endian
//	24  u16  rows
//	26  u8   shift: a row is in bucket (key - base) >> shift, below 32
//	27  u8   columns, up to 4
//	28  u32  the page's own number
//	32  for each column 16 bytes: u8 bytes of a value, u8 named values, u8 bits of a field, u8 zero, u16 offset of its fields,
//	    u16 zero, u64 min
//	96  u16  the first row of each of the 32 buckets
//	160 fields of shift bits, one a row: (key - base) without its bucket; then for each column its named values, if any, and a
//	    field a row: the value - min, or, with named values, the number of one of those. Fields begin at a byte, lowest bit first
//
// A table has its packed pages beside the others, in their own directory: the first key of each. Find does not look there,
// Recall does. A row comes there with others of its range, in a step that writes all packed pages in the way again, so that
// they are full; rows stay there until the table goes.
//
// # Growth
//
// A page that is full shares with one of its two neighbours in the order of hashes. If one has room enough, the border
// between the two moves to where both have as many rows; if not, a new page between the two takes a third of the rows of
// both. Rows thus move among two or three pages, and pages are 0.77 to 0.82 full on average, where splitting in halves
// gives 0.69. A border lies where two directory entries meet: there are six to twelve for each page.
//
// Rows that stay keep their slots. Those that found no place in their home group are looked at, as a search would end at
// the room that others left.
//
// # Inside a page
//
// A page is an open-addressed table of its own. Key bytes 5 and 6, scaled to the number of slots, give the slot where a
// row begins to look for a place: that slot, else the next one of its group, else one of the next group, cyclically. A
// search compares the eight tags of a group at once and ends at a group that is not full (rows are never deleted). Pages
// are filled to the last slot.
//
// Why not rows appended densely behind an array of tags: a search looks at all tags then, and the row can be anywhere,
// so that Touch cannot load it. Measured in cache, 200 rows a page: 39 ns a Find, against 16 now. Find, Insert and
// Mutable do not read the page header: headers of all pages compete for the same few sets of the processor's caches.
//
// # Depth is bounded
//
// A page whose rows agree in all bits cannot be divided, and a directory doubles for the narrowest page. Keys are keyed
// hashes, so this takes somebody who knows the key; still it must end neither in a panic that every replica repeats
// nor in a directory of gigabytes. A directory therefore doubles only while its entries are told apart by at most six more
// bits than an even table of so many pages needs to tell its pages apart (and at most 30); beyond, a page gets overflow
// pages: lookups there are slow, results the same, memory linear. The directory thus never exceeds 512 bytes per page.
//
// # Threads
//
// No locks, goroutines or clocks of its own: whoever owns the shard holds its lock for every call, reading calls
// included, as Find may rewrite a page that still has an older width. A capture is read by another goroutine, which
// takes the shard's lock for each NextCapture.
//
// # Durability
//
// None. The owner writes what a capture hands out. LoadPage and Rows trust nothing: damaged pages give an error
// wrapping ErrDamaged.
//
// # What it does not do
//
// No deletion or expiry of rows, no iteration order, no I/O.
package pages
