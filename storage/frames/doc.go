// Package frames is the form of what leaves a node as one long stream: a snapshot on its way to another node, a backup file.
//
//	magic 8 B, then frames, then the end frame
//
//	frame: 0 kind u8 · 1 form u8 = 1 · 2 zero u16 · 4 length of the payload u32
//	       8 xxh3-64 of the payload, seeded with that of bytes 0 to 7, seeded with the frame's number · 16 payload
//	end:   kind 255, payload: number of frames before it u64, XXH3-128 of everything before it
//
// Integers are little endian. The number in the seed makes a frame that is missing, repeated or in another one's place fail; the
// sum at the end makes a stream that was cut at a frame's border fail. So every changed, missing or added byte is found, and
// none is handed out before its frame was proven. What the whole stream says counts only after [Reader.Next] returned io.EOF.
//
// Both sides hold one frame in memory. The sums are against rot and faults of transport, not against an adversary.
//
// It does not know what payloads mean, and it does not compress.
package frames
