package runfile

import "time"

// SchemaVersion is the version of the document that this package writes.
const SchemaVersion = 1

// Run is one run of one scenario.
type Run struct {
	// 1 in this version of the document.
	SchemaVersion int `json:"schema_version"`
	// The scenario's name, as `drawd bench list` prints it.
	Scenario string `json:"scenario"`
	// When the run began, UTC.
	StartedAt time.Time `json:"started_at"`
	// From the first due time to the last answer; of scenarios with several parts, of all of them.
	WallSeconds float64 `json:"wall_seconds"`
	// What the run amounts to, by the worst of what happened.
	Result Result `json:"result"`
	// Why the generator or the machine, and not the server, may have made the figures. Such a run is INVALID.
	Invalid []string `json:"invalid,omitempty"`
	// Where it ran.
	Environment Environment `json:"environment"`
	// What was asked for, defaults filled in.
	Options []Option `json:"options"`
	// Whether drawd was right. Absent where nothing was judged.
	Verdict *Verdict `json:"verdict,omitempty"`
	// What was expected, and whether it came true.
	Expectations []Expectation `json:"expectations,omitempty"`
	// Histograms of the whole run.
	Latency []Latency `json:"latency,omitempty"`
	// How many requests ended how.
	Outcomes []Outcome `json:"outcomes,omitempty"`
	// Rates of the whole run.
	Rates []Rate `json:"rates,omitempty"`
	// One row for each second of load.
	Series []Second `json:"series,omitempty"`
	// Prizes as recounted from the records, in the order of the campaign file.
	Prizes []Prize `json:"prizes,omitempty"`
	// Ends of the daemon that the run caused, and what followed.
	Restarts []Restart `json:"restarts,omitempty"`
	// The machines that sent the load, where another one than this process did. Their histograms are merged above.
	Agents []Agent `json:"agents,omitempty"`
	// Rows of figures, with their samples.
	Figures []Figure `json:"figures,omitempty"`
	// What a reader must know beside the figures.
	Notes []string `json:"notes,omitempty"`
}

// Result is what a run amounts to.
type Result string

// The results, from good to bad. The exit code of the command stands beside each.
const (
	OK        Result = "ok"         // 0
	Missed    Result = "missed"     // 20: an expectation did not come true
	TooLittle Result = "too_little" // 20: too few logged draws for a verdict
	Invalid   Result = "invalid"    // 20: the generator made the figures
	Wrong     Result = "wrong"      // 21: drawd was wrong
)

// Environment is what every figure carries with it.
type Environment struct {
	// Revision of the measured build.
	Commit string `json:"commit"`
	// Version of Go that built it.
	Go string `json:"go"`
	// Model of the processor.
	CPU string `json:"cpu"`
	// Processors that the system shows.
	Cores int `json:"cores"`
	// Kernel and its release.
	Kernel string `json:"kernel"`
	// File system that the data is on.
	FileSystem string `json:"file_system"`
	// How long a synced append took, in the directory of the data, in the same run.
	Fsync []Fsync `json:"fsync,omitempty"`
	// What was asked of the server before it answered: "fsync before every answer", "none", "not known".
	Durability string `json:"durability"`
	// Nodes of the cluster; 0 where it is not known.
	Nodes int `json:"nodes"`
	// What was measured: "http", "http batch", "http batch binary", "resp", "library", "none".
	Target string `json:"target"`
	// The generator ran on the machine of the server, and took part of its processors.
	SharedMachine bool `json:"shared_machine"`
}

// Fsync is how long it takes to append so many bytes to a file and make them durable.
type Fsync struct {
	// Bytes of each append.
	Bytes int `json:"bytes"`
	// Appends that were timed.
	Count int `json:"count"`
	// Median.
	P50 int64 `json:"p50_us"`
	// 99th percentile.
	P99 int64 `json:"p99_us"`
	// Longest.
	Max int64 `json:"max_us"`
}

// Option is one setting of the run.
type Option struct {
	// Its name, as the flag without dashes.
	Name string `json:"name"`
	// Its value as text.
	Value string `json:"value"`
}

// Status is what a judge says.
type Status string

// The statuses.
const (
	Right    Status = "right"      // nothing was wrong, and enough was seen
	Unproven Status = "too_little" // nothing was wrong, and too little was seen
	Broken   Status = "wrong"      // a promise was broken
)

// Verdict is what the judge found in the records, the books and the answers.
type Verdict struct {
	// What it comes to.
	Status Status `json:"status"`
	// Draws in the records.
	Draws uint64 `json:"draws"`
	// Of them, wins.
	Wins uint64 `json:"wins"`
	// Users who drew.
	Users uint64 `json:"users"`
	// Logged draws below which the verdict does not stand.
	Needed uint64 `json:"needed"`
	// Draws that a client was answered with.
	Acknowledged uint64 `json:"acknowledged"`
	// Of them, in the records with the same id, user and outcome.
	Found uint64 `json:"found"`
	// Draws in the records that nobody was answered with.
	Extra uint64 `json:"extra"`
	// Acknowledged draws that were asked for again with their key.
	Replays uint64 `json:"replays"`
	// Of them, answered with the same bytes.
	ReplaysSame uint64 `json:"replays_same"`
	// Acknowledged draws that were read again by id.
	ByID uint64 `json:"by_id"`
	// Of them, with the same bytes.
	ByIDSame uint64 `json:"by_id_same"`
	// Broken promises, the first of each rule.
	Faults []Fault `json:"faults,omitempty"`
	// Broken promises by rule; absent when there is none.
	FaultCounts map[string]int `json:"fault_counts,omitempty"`
	// What could not be judged.
	NotJudged []string `json:"not_judged,omitempty"`
}

// Fault is one broken promise.
type Fault struct {
	// The rule, as package bench/oracle names it.
	Rule string `json:"rule"`
	// What was seen.
	Detail string `json:"detail"`
}

// Expectation is one condition of --expect.
type Expectation struct {
	// The condition as it was written.
	Expression string `json:"expression"`
	// The value that it was held against, in the metric's unit.
	Value float64 `json:"value"`
	// The limit, in the metric's unit.
	Limit float64 `json:"limit"`
	// The metric's unit: "us", "per_second", "count", "share" or a figure's own.
	Unit string `json:"unit"`
	// Whether it came true.
	Met bool `json:"met"`
	// Why there is no value, if there is none. Such a condition is not met.
	Missing string `json:"missing,omitempty"`
}

// Latency is one histogram of the run.
type Latency struct {
	// What was timed: "logged_due", "logged_service", "denied_due", "denied_service", "lag", or a scenario's own.
	Name string `json:"name"`
	// The same for people.
	Title string `json:"title"`
	Percentiles
}

// Outcome is a number of requests.
type Outcome struct {
	// "logged", "won", "missed", "denied", "denied.CODE", "shed.CODE", "lost", "rescued", "failed", "unknown".
	Name string `json:"name"`
	// How many.
	Count uint64 `json:"count"`
}

// Rate is how fast answers came.
type Rate struct {
	// "logged", "denied", "answered", "offered".
	Name string `json:"name"`
	// Over the whole run.
	Mean float64 `json:"mean_per_second"`
	// The best second.
	Peak float64 `json:"peak_per_second"`
}

// Second is what happened in one second of load, all load threads together.
type Second struct {
	// 0 for the first.
	At int `json:"second"`
	// Requests that became due.
	Offered uint64 `json:"offered"`
	// Requests that were written, those sent again included.
	Sent uint64 `json:"sent"`
	// Final answers: logged, denied, refused, failed.
	Answered uint64 `json:"answered"`
	// Of them, draws: durable before they were answered.
	Logged uint64 `json:"logged"`
	// Of the logged, wins.
	Won uint64 `json:"won"`
	// Refusals for good: no log.
	Denied uint64 `json:"denied"`
	// Refusals because of load, after which the request was sent again or given up.
	Refused uint64 `json:"refused"`
	// Answers that nobody expected, and connections that broke.
	Errors uint64 `json:"errors"`
	// Latency of the final answers of this second from their due time.
	P50 int64 `json:"p50_us"`
	P90 int64 `json:"p90_us"`
	P99 int64 `json:"p99_us"`
	// 99.9th percentile.
	P999 int64 `json:"p99_9_us"`
	Max  int64 `json:"max_us"`
	// Share of a processor that the busiest load thread used.
	Busy float64 `json:"busy"`
	// Requests due and not yet written at the end of the second.
	Waiting int `json:"waiting"`
	// Memory of the server's process at the end of the second, where it is known.
	Resident int64 `json:"resident_bytes,omitempty"`
	// Units of each prize that were left by the answers so far, in the order of prizes; -1 for an unlimited one.
	Left []int64 `json:"left,omitempty"`
}

// Prize is one prize as recounted.
type Prize struct {
	// Its id.
	ID string `json:"id"`
	// Its stock in units; -1 for an unlimited one.
	Total int64 `json:"total"`
	// Draws that won it.
	Wins int64 `json:"wins"`
	// Units that they took.
	Taken int64 `json:"taken"`
	// Units issued by the daemon's books.
	Issued int64 `json:"issued"`
	// Units given out beyond the stock. Above 0: oversold.
	Oversold int64 `json:"oversold"`
	// Draws whose word named it.
	Natural uint64 `json:"natural"`
	// Expected of them by the weights.
	Expected float64 `json:"expected"`
	// Their deviation in standard deviations.
	Sigma float64 `json:"sigma"`
}

// Restart is one end of the daemon and what followed.
type Restart struct {
	// Since the first second of load.
	AtSeconds float64 `json:"at_seconds"`
	// From the start of the new process until it was ready.
	ReadySeconds float64 `json:"ready_seconds"`
	// From the start of the new process until it answered a draw; 0 when none came.
	FirstDrawSeconds float64 `json:"first_draw_seconds"`
	// From the end until a draw was answered again; 0 when none came.
	GapSeconds float64 `json:"gap_seconds"`
}

// Agent is one machine that sent a share of the load.
type Agent struct {
	// Where the coordinator reached it.
	Address string `json:"address"`
	// Its name for itself.
	Host string `json:"host,omitempty"`
	// Revision of its build.
	Commit string `json:"commit"`
	// Processors that its system shows.
	Cores int `json:"cores"`
	// What its generator can send while an empty handler on its own machine answers.
	PerSecond float64 `json:"per_second"`
	// Requests of its share.
	Arrivals int `json:"arrivals"`
	// Requests that it wrote, those sent again included.
	Sent uint64 `json:"sent"`
	// How far its clock was ahead of the coordinator's before the run; the start was given to it by its own clock.
	ClockAhead int64 `json:"clock_ahead_us"`
	// How wrong that may be: half of the fastest round trip.
	ClockPlusMinus int64 `json:"clock_plus_minus_us"`
	// How much further ahead it was after the run.
	ClockDrift int64 `json:"clock_drift_us"`
	// Its own delay in sending.
	Lag Percentiles `json:"lag"`
	// The largest share of a processor that one of its load threads used in a second.
	Busiest float64 `json:"busiest"`
	// Why its part is not whole; such a run is INVALID.
	Lost string `json:"lost,omitempty"`
}

// Figure is one row of a table.
type Figure struct {
	// "P1" … "P13" for a figure of the table; a scenario's own otherwise.
	ID string `json:"id"`
	// What is measured, with its circumstances.
	Name string `json:"name"`
	// The goal in words.
	Goal string `json:"goal,omitempty"`
	// Its result in words, of a figure without samples.
	Text string `json:"text,omitempty"`
	// What a reader must know.
	Note string `json:"note,omitempty"`
	// What was measured.
	Measures []Measure `json:"measures,omitempty"`
}

// Measure is one quantity of a figure, with a sample for each repetition.
type Measure struct {
	// For instance "rate", "ratio", "cpu".
	Name string `json:"name"`
	// "per_second", "us", "share", "bytes", "seconds", "count".
	Unit string `json:"unit"`
	// Which way is better; empty where neither is.
	Better Direction `json:"better,omitempty"`
	// In the order in which they were taken.
	Samples []float64 `json:"samples"`
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
}

// Direction says which way a quantity is better.
type Direction string

// The directions.
const (
	Higher Direction = "higher"
	Lower  Direction = "lower"
)
