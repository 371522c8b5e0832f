package check

import (
	"fmt"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/drawtest"
)

// Outcome is what an attempt was told.
type Outcome uint8

// The outcomes.
const (
	Unknown Outcome = iota // nothing, or that nobody knows
	Decided                // what the log decided, a denial too
	None                   // that it had no effect
)

// String returns the outcome as a word.
func (o Outcome) String() string { return [...]string{"unknown", "decided", "none"}[o] }

// Attempt is one call of a client. Attempts with one key are retries of one operation. The bytes of its command are its
// own: no two attempts of a history have the same.
type Attempt struct {
	Client   int
	Key      string            // of the operation; unique where there is no idempotency key
	Command  *drawtest.Command // nil for a read
	Bytes    []byte            // the encoded command
	Invoked  uint64            // ticks of one counter for all clients
	Returned uint64            // 0 for never
	Outcome  Outcome

	// Of a decided one.
	Index   engine.LogIndex // of the entry that decided
	Result  engine.Result   // with Offset and Length zero
	Records []byte          // its records: of the answer, or for a replayed one those that are stored
	Read    *Books          // of a read

	Answer *Answer // what came over HTTP; nil where the node was asked itself
}

// Answer is what a caller over HTTP got. Its attempt is Decided with a draw, None with a refusal that states no effect: such a
// one may stand in the log, as a denial.
type Answer struct {
	Status   int
	Body     []byte
	Replayed bool
	Retry    bool         // the request was marked as sent again
	Code     problem.Code // of a refusal
}

// Books is what a read saw of one campaign.
type Books struct {
	Campaign engine.CampaignRef
	Seq      uint64
	Prizes   []engine.PrizeStock
}

// Entry is one record of the log.
type Entry struct {
	Index   engine.LogIndex
	Command bool // else it is consensus' own
	Data    []byte
}

// History is everything that is judged.
type History struct {
	Attempts []*Attempt
	Log      []Entry // ascending
}

// Fault is one broken promise.
type Fault struct {
	Rule   string
	Detail string
}

func (f Fault) String() string { return f.Rule + ": " + f.Detail }

// Verdict is what a judge found, and how much he saw.
type Verdict struct {
	Faults   []Fault
	Entries  int // of commands
	Commands int
	Decided  int // attempts that were told an outcome
	Resolved int // attempts with an unknown outcome that the log has
	Reads    int
	Samples  int              // histories that porcupine judged
	Sampled  int              // operations in them
	Replay   *drawtest.Replay // the engine and the reference at the end of the log
}

// maxFaults bounds what is told: the first faults are those that matter.
const maxFaults = 20

func (v *Verdict) fault(rule, format string, args ...any) {
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, Fault{rule, fmt.Sprintf(format, args...)})
	}
}
