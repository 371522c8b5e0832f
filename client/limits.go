package client

import "time"

// Bounds of the server that this package keeps before it sends (docs/openapi.yaml).
const (
	// MaxBatch is how many draws a batch may hold, sub-draws counted.
	MaxBatch = 1000

	maxKey        = 64        // bytes of an idempotency key
	maxName       = 128       // bytes of a name in a path
	maxBatchBytes = 900 << 10 // of a batch's body: below the server's default of 1 MiB
	maxAnswer     = 64 << 20  // bytes of an answer that are read: ten thousand records are less
)

// Defaults of Options.
const (
	DefaultAttempts       = 6
	DefaultTimeout        = 30 * time.Second
	DefaultAttemptTimeout = 5 * time.Second
	DefaultBackoffBase    = 25 * time.Millisecond
	DefaultBackoffMax     = 2 * time.Second
	DefaultMaxConnections = 512
)

// maxRetryAfter bounds what a Retry-After can ask for: the contract says at most 60 s.
const maxRetryAfter = 60 * time.Second
