package bench

import "context"

// Scenario is one entry of the list of scenarios.
type Scenario struct {
	Name  string
	Short string // what it shows, in a line
	// Expect is what is expected of a run unless somebody expects something else (--expect); empty for its verdict alone.
	Expect string
	// Table runs a scenario whose result is a table; nil for the others, which have options of their own.
	Table func(ctx context.Context, o TableOptions) (*TableReport, error)
}

// Scenarios returns all scenarios, in the order in which a reader wants them.
func Scenarios() []Scenario {
	return []Scenario{
		{"calibrate", "What this machine can do at all: fsync, loopback, an empty handler, the generator", "", nil},
		{"flash", "A flash crowd, then the tail, and a verdict from the records", "", nil},
		{"steady", "Draws at a steady rate: latency, and a verdict", "", nil},
		{"knee", "The highest rate at which p99 stays within a limit, by search, and the curve", "", Knee},
		{"soak", "A steady rate for long: what drifts (p99, memory), and a verdict", "", nil},
		{"overload", "More than the daemon can do, limited at its log: goodput, refusals, recovery, at 1, 2, 3 and 10 times", "times.3.of_peak>=0.9,times.3.p99_of_peak<=2", Overload},
		{"retry-storm", "The daemon stands still for a moment and every client asks again: with jitter and without", "recovery.recovery<=10s,errors==0,oversell==0", nil},
		{"slow-disk", "Each sync of the log takes long: latency grows by it, and nothing is refused or lost", "p99<=250ms,shed==0,errors==0,oversell==0", nil},
		{"tenants", "A tenant far above the quota of its key beside a quiet one", "quiet.p99<=20ms,quiet.refused==0,hot.goodput<=1100", Tenants},
		{"figures", "The table P1 to P13 with goals and peers (minutes)", "", nil},
		{"denials", "Refusals without the log (exhausted, capped, ended) beside an empty handler", "", nil},
		{"batch", "Batches of 1 to 1,000 draws, in JSON and in the binary form", "", Batch},
		{"ladder", "Capacity and latency from 1 to 1,024 requests in flight: how entries form", "", Ladder},
		{"durability", "What each guarantee costs: in memory, without a disk, on the disk; library and daemon", "", Durability},
		{"peers", "drawd beside an empty handler, Redis with a Lua script, Postgres with a transaction", "", Peers},
		{"scale", "What a draw costs as users, campaigns and prizes grow", "", Scale},
		{"model", "What a draw costs each node, and which nodes take a million a second", "", Model},
		{"memory", "What the process holds for a user and for a key", "", Memory},
		{"restart", "From SIGTERM and from SIGKILL to ready, with many users", "", nil},
		{"crashloop", "SIGKILL under load, again and again, with a verdict after each", "", nil},
		{"nemesis", "A cluster of processes under load: kills, pauses, cuts between nodes; all nodes compared after each", "", nil},
		{"failover", "The leader of three killed under load: how long until a draw is answered again", "", nil},
		{"disk", "A damaged, full, failing or slow disk, one fault at a time: nothing is lost in silence", "", nil},
	}
}
