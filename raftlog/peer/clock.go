package peer

import "time"

// from returns the instant at which something must be done that may take d. Connections want instants; nothing else in
// this package reads the clock.
func from(d time.Duration) time.Time { return time.Now().Add(d) }

// past is before every instant: as a deadline it ends whatever a connection waits for.
func past() time.Time { return time.Unix(1, 0) }

// left returns the time until an instant.
func left(until time.Time) time.Duration { return time.Until(until) }
