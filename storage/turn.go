package storage

// turn is a lock that is held over I/O: whoever waits for it waits on a channel. In the simulation an operation of a disk takes
// simulated time, which stands still while somebody waits for a mutex.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }
