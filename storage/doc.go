// Package storage keeps drawd's bytes on disk: the raft log, and everything that replaying it can rebuild. It is the only importer
// of Pebble and knows nothing of draws: it stores bytes under indexes, ordinals and page numbers.
//
// # The data directory
//
//	FORMAT      one line: version of the format, "creating" or "ready". Synced before anything else exists
//	LOCK        locked while a process has the directory open
//	WATERMARK   two slots of 64 bytes that prove, apart from log/, how far the log once was
//	log/        Pebble: the raft log and the stable values (vote, term). Every write is synced
//	state/      Pebble: record blobs, win index, checkpoint. Synced by Sync and by a checkpoint's Commit
//	state/incoming/  the tables of a checkpoint that is being written; removed at Open
//
// Integers in keys are big endian, so that keys sort as numbers; in values little endian, unless said otherwise. Layouts stand
// beside their code: format.go, watermark.go, logrecord.go, blob.go, checkpoint.go, manifest.go; testdata/ has golden bytes.
//
//	log/    0x01 ‖ index u64                            log record: chain, appendedAt, previous chain, index, term, type, data, extensions
//	        0x02 ‖ name                                 stable value: xxh3-64 of key and value, value
//	        0x03                                        number of the newest stable write u64, its xxh3-64
//	state/  0x01 ‖ index u64 ‖ first ordinal u16        chunk of a record blob: checksum, counts, head (first chunk), ends, records
//	        0x02 ‖ page u64                             page: checksum, generation, data
//	        0x03                                        manifest of the checkpoint, with the number of pages and the sum of their checksums
//	        0x03 ‖ 0x01                                 blob mark: the last blob at or below the checkpoint's index, its xxh3-64
//	        0x04 ‖ campaign u32 ‖ prize u16 ‖ index u64 ordinals of the wins of that entry, u16 big endian each
//	        0x05                                        ranges of entries whose records are not here
//
// A changed layout is a new FormatVersion. A directory of a newer one is refused with *FormatError.
//
// # Durability
//
//	Log.Append, SetStable      durable on return; one batch, all of it or nothing
//	Log.TruncateTail, Rebase   durable on return; the watermark is lowered durably before
//	Log.TruncateHead           not synced: records that come back after a power cut do no harm
//	watermark                  at most 250 ms behind Append, durable at the last record when the log is idle or closed
//	State.PutBlob              in this process's memory until Sync or Commit: a SIGKILL loses it, and replay writes it again
//	State.PutBlobs             the same; what it brought counts as missing again if it is lost
//	State.Sync                 everything that State wrote before is durable on return
//	CheckpointWriter.Commit    everything that State wrote before, the pages and the manifest are durable on return; a power cut at
//	                           any point leaves the older or the newer checkpoint
//
// A failed write or sync of the log, and a failed background job of a database, end the process (Options.OnFatal, then os.Exit):
// a sync is never tried again, as the kernel may have dropped the pages that it failed to write. Pebble itself calls Fatalf for a
// failed commit; our logger's Fatalf really ends the process.
//
// # What is proven at the start, and what is not
//
// Open and Log.Verify give *DamagedError, with what to do, when what is on disk is not what was written. Pebble's own checksums
// are not enough: where a WAL ends, a damaged record looks like an unfinished write and is dropped in silence, with everything after it.
// So each log record carries the hash of the one before and of itself; the watermark, in another file, says up to where the
// chain once was synced; stable writes are counted, in the database and in the watermark; and the newest record blob, written
// only after its entry was synced, must not be beyond the log. LoadPages proves every page and that none is missing. The blob mark
// of the checkpoint proves that the state database has not lost the newest of its tables or the end of its WAL.
//
// What is left: damage to the last block of the newest WAL that takes only what was written in the last 250 ms before the process
// ended, less if the node lived on; and a whole data directory replaced by an older copy of itself, which only peers can know. A
// damaged slot of the watermark takes the one before it: alone it loses nothing. AppendedAt of a log record, and win rows,
// are covered by Pebble's block checksums only; neither decides anything.
//
// The chain uses xxh3-128: integrity against rot, not against an adversary who writes to the disk.
//
// # Threads and locks
//
// Log: any number of readers; writers exclude each other. Lock order: write, watermark.token, mu. The first two are held over I/O
// on purpose: they are turns to write, not guards of fields; mu never is. One goroutine, from Verify to Close, writes the watermark.
//
// State: PutBlob by one goroutine, one checkpoint or LoadPages (on all processors) at a time by another, PutBlobs by a third, any number of readers. A reader sees a blob
// with all its rows or not at all, and sees it before it is synced. Iterators of Scan and Wins hold back compactions: page.
//
// # A checkpoint from another node
//
// It replaces all pages, and with its manifest comes, in the same ingestion, the range of entries whose records this node does
// not have, as it never applied them: Lacks. Then the log is deleted: Rebase. A power cut between the two leaves a log that ends
// before the checkpoint, or that has another term at its index; Verify deletes it. Reads of records in the range give a
// *MissingError, until PutBlobs has brought them from elsewhere (blobcopy.go), from the front of the range to its end.
//
// # Choices
//
// Two databases: the log syncs every write and holds it shortly, the state never syncs and holds it for years; separate, a
// compaction of the state cannot stall the log.
//
// A ring of recent records (64 MiB) instead of a cache: raft reads each record again right after it is written, on leader and
// followers. It is filled after the sync, never before, and holds what Append was given: data must not be pooled until it has left.
//
// Checkpoint by ingestion. Measured on 2 cores with 3 checkpoints of 50,000 pages (200 MB) one after the other, and a blob of 256
// records put every millisecond beside them: pages in batches of 256 KiB through the WAL made PutBlob wait 26 ms at p99 and 72 to 124
// ms at worst, as the log writer's buffers fill at the disk's pace; sorted tables that are ingested, 0.13 ms and 4 ms (without any
// checkpoint: 0.10 ms and 11 ms, on a shared machine). The ingestion itself, which commits have to wait for, takes 2 to 5 ms, its part under the
// commit lock a sync of Pebble's manifest. It is atomic, so pages need no generation in their keys, older versions
// need no deletion, and an unfinished checkpoint is some files in a directory. Pages must come in ascending order.
//
// # What it does not do
//
// It does not decode records, pages or log data, send anything to peers, or delete old blobs. Of a blob head it knows where the
// running hash stands, to hold the last of fetched blobs against the checkpoint. The form of streams is in package frames.
package storage
