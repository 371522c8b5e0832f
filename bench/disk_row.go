package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// What became of a fault.
const (
	outcomeNone    = "no effect"        // the node runs and every acknowledged draw is there
	outcomeRefused = "refused to start" // with an error that says what is damaged
	outcomeStopped = "stopped"          // while it ran, with an exit code and a reason
	outcomeTold    = "told on reading"  // it runs; what cannot be read is answered with an error
	outcomeSheds   = "refused commands" // it runs and answers 503 until the cause is gone
	outcomeSilent  = "LOST IN SILENCE"  // it runs, and an acknowledged draw is gone or other than it was
	outcomeCrashed = "ended by a panic" // nothing is acknowledged after it, but an operator is told less than he should be
	outcomeHung    = "neither ready nor ended"
)

// startPatience is how long a daemon may take to be ready or to refuse.
const startPatience = 30 * time.Second

// DiskRow is one fault and what came of it.
type DiskRow struct {
	Part     string   `json:"part"`
	Target   string   `json:"target"`   // the kind of file, or what was traced
	Fault    string   `json:"fault"`    // the kind of damage
	Injected string   `json:"injected"` // exactly what was done
	Expected []string `json:"expected"` // outcomes that are right
	Observed string   `json:"observed"`
	Right    bool     `json:"right"`
	Alone    bool     `json:"alone,omitempty"`      // one node alone cannot tell: what was lost counts apart
	Exit     int      `json:"exit,omitempty"`       // of the daemon; 0 when it did not end
	After    float64  `json:"after_s,omitempty"`    // from the fault to the end of a running daemon
	Message  string   `json:"message,omitempty"`    // the last thing that the daemon said
	Check    string   `json:"check,omitempty"`      // what drawd check said about the same damage
	Acked    uint64   `json:"acknowledged"`         // draws that must be there
	Lost     uint64   `json:"lost,omitempty"`       // of them, gone or changed without an error
	LostHow  string   `json:"lost_how,omitempty"`   // the first of them
	Unread   uint64   `json:"unread,omitempty"`     // of them, answered with an error
	Then     string   `json:"afterwards,omitempty"` // what a start without the fault gave
}

// add closes a row.
func (m *diskMatrix) add(r DiskRow) {
	for _, e := range r.Expected {
		r.Right = r.Right || e == r.Observed
	}
	if r.Lost > 0 && !r.Alone {
		r.Right = false
	}
	m.report.Rows = append(m.report.Rows, r)
	m.report.Outcomes[r.Observed]++
	switch {
	case r.Lost > 0 && r.Alone:
		m.report.Undetectable++
	case r.Lost > 0:
		m.report.Silent++
	}
	if !r.Right {
		m.report.Faults.Add("disk", fmt.Sprintf("%s, %s (%s): %s; %s %s", r.Target, r.Fault, r.Injected, r.Observed, r.LostHow, r.Message))
		m.say.say("WRONG     %s, %s: %s %s", r.Target, r.Fault, r.Observed, r.LostHow)
		return
	}
	m.say.now("%4d rows   %s, %s: %s", len(m.report.Rows), r.Target, r.Fault, r.Observed)
}

// damage does something to a data directory. It is decided before, so that it is the same in every copy.
type damage struct {
	words string // what exactly
	do    func(data string) error
}

// atRest damages a copy of a stopped node's data and starts a daemon on it.
func (m *diskMatrix) atRest(ctx context.Context, template string, r DiskRow, p *prover, x damage) error {
	r.Injected = x.words
	// drawd check gets a copy of its own: opening a database changes its files.
	d := m.node("row")
	if err := m.remake(template, d, x); err != nil {
		return err
	}
	command := append(append([]string{}, m.o.Check...), "--data", filepath.Join(d.dir, "data"))
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if r.Check = "clean"; err != nil {
		r.Check = lastWords(string(text))
	}
	if err := m.remake(template, d, x); err != nil {
		return err
	}
	if err := m.startAndJudge(ctx, d, &r, p); err != nil {
		return err
	}
	m.add(r)
	return ctx.Err()
}

func (m *diskMatrix) remake(template string, d *daemon, x damage) error {
	if err := os.RemoveAll(d.dir); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := copyTree(m.node(template).dir, d.dir); err != nil {
		return err
	}
	if err := x.do(filepath.Join(d.dir, "data")); err != nil {
		return fmt.Errorf("bench: damage: %w", err)
	}
	return nil
}

// startAndJudge starts a daemon on damaged data, looks for every acknowledged draw, and ends it.
func (m *diskMatrix) startAndJudge(ctx context.Context, d *daemon, r *DiskRow, p *prover) error {
	r.Acked = uint64(len(p.acknowledged()))
	started, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	_, err := d.start(started)
	c := d.current()
	defer d.kill()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c != nil && c.gone():
		r.ended(c, outcomeRefused)
		return nil
	case err != nil && started.Err() == nil:
		return err // it could not even be started
	case err != nil:
		r.Observed, r.Message = outcomeHung, lastWords(c.last.String())
		return nil
	}
	if err := m.judge(ctx, r, p); err != nil {
		return err
	}
	if c.gone() {
		r.ended(c, outcomeStopped)
	}
	return nil
}

// ended notes how a daemon ended by itself.
func (r *DiskRow) ended(c *child, how string) {
	text := c.last.String()
	r.Observed, r.Message, r.Exit = how, lastWords(text), c.cmd.ProcessState.ExitCode()
	if strings.Contains(text, "goroutine ") || r.Exit <= 0 {
		r.Observed = outcomeCrashed
	}
}

// lastWords is the last line that is not from the log, or the last one at all.
func lastWords(text string) string {
	const most = 400
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	for _, l := range lines {
		if strings.HasPrefix(l, "drawd: ") || strings.HasPrefix(l, "FATAL: ") || strings.HasPrefix(l, "panic: ") || strings.HasPrefix(l, "fatal error: ") {
			last = strings.TrimPrefix(l, "drawd: ")
			break
		}
	}
	return last[:min(len(last), most)]
}

// judge asks a running daemon for every acknowledged draw with its key, for a part of them by id, and for the feed.
func (m *diskMatrix) judge(ctx context.Context, r *DiskRow, p *prover) error {
	r.Observed = outcomeNone
	lost := func(id uint32, how string) {
		if r.Lost++; r.Lost == 1 {
			r.LostHow = fmt.Sprintf("key %s: %s", p.template.key(id), how)
		}
	}
	for _, byID := range []bool{false, true} {
		ids := p.acknowledged()
		if byID {
			ids = p.sample(5_000, m.o.Seed)
		}
		work := &tolerant{sameBytes: &sameBytes{prover: p, changed: lost, ids: ids, byID: byID}}
		if _, err := p.run(ctx, len(ids), func() load.Workload { return work }); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		r.Unread += work.told
		if r.Message == "" {
			r.Message = work.words
		}
	}
	j := oracle.NewJudge(p.oracleCase())
	err := p.hear(ctx, j, &Proof{})
	switch v := j.Verdict(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		if r.Unread++; r.Message == "" {
			r.Message = lastWords(err.Error())
		}
	case !v.Right() && r.Lost == 0:
		r.Lost, r.LostHow = 1, v.Faults[0].Rule+": "+v.Faults[0].Detail
	}
	switch {
	case r.Lost > 0:
		r.Observed = outcomeSilent
	case r.Unread > 0:
		r.Observed = outcomeTold
	}
	return nil
}

// tolerant takes an error, or no answer at all, for what it is: the daemon says that it cannot answer. What is wrong is
// another answer.
type tolerant struct {
	*sameBytes
	told  uint64
	words string
}

// Answer implements load.Workload.
func (t *tolerant) Answer(i uint32, a *load.Answer) (load.Class, time.Duration) {
	if a.Status/100 != 5 || classOf(a.Status) == load.Refused && a.Attempt < maxAttempts {
		return t.sameBytes.Answer(i, a)
	}
	if t.told++; t.told == 1 {
		t.words = fmt.Sprintf("%d %s: %.300s", a.Status, problemCode(a.Body), a.Body)
	}
	return classOf(a.Status), load.Done
}

// Lost implements load.Workload.
func (t *tolerant) Lost(_ uint32, attempt int) time.Duration {
	if attempt < 5 {
		return 10 * time.Millisecond
	}
	t.told++
	return load.Done
}
