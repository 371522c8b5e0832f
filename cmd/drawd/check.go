package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/hugepage"
	"github.com/drawd/drawd/storage"
)

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check --data DIR",
		Short: "Prove a stopped node's data: log, checkpoint, records and books",
		Long: `Reads everything: the log's chain and watermark, the checkpoint, every record. It decides the log again from the
checkpoint on and compares, recounts every prize from the records and holds the count against the books, and checks
the engine's invariants. The daemon must be stopped. Exit code 0: clean; 1: not, with what to do about it.`,
		Example: "  drawd check --data /var/lib/drawd\n  drawd check --data /var/lib/drawd -o json",
		Args:    cobra.NoArgs,
	}
	dir := c.Flags().String("data", "", "data directory (needed)")
	skip := c.Flags().String("skip-entry", "", "INDEX:HASH of an entry that was left out with serve --skip-entry")
	a.outputFlag(c)
	c.RunE = func(*cobra.Command, []string) error {
		if *dir == "" {
			return usage(errors.New("name the data directory with --data"))
		}
		index, _, err := parseSkip(*skip)
		if err != nil {
			return usage(err)
		}
		return a.check(*dir, index)
	}
	return c
}

// audit is one check of one data directory.
type audit struct {
	store    *storage.Store
	engine   *engine.Engine
	skip     uint64
	manifest storage.Manifest
	tally    *tally
	progress func(format string, args ...any)

	Dir      string       `json:"data"`
	Clean    bool         `json:"clean"`
	Faults   []string     `json:"faults"`
	First    uint64       `json:"log_first"`
	Last     uint64       `json:"log_last"`
	LogBytes int64        `json:"log_bytes"`
	Point    uint64       `json:"checkpoint"`
	Replayed int          `json:"entries_replayed"`
	Compared int          `json:"blobs_compared"`
	Missing  int          `json:"blobs_missing"` // of the tail: the next start writes them again
	Draws    uint64       `json:"draws"`
	Others   uint64       `json:"other_records"`
	Running  string       `json:"running_hash"`
	Prizes   []prizeCount `json:"prizes"`
}

// prizeCount is the recount of one prize.
type prizeCount struct {
	Campaign string          `json:"campaign"`
	Prize    string          `json:"prize"`
	Total    engine.Quantity `json:"total"` // -1 for unlimited
	Issued   engine.Quantity `json:"issued"`
	Counted  engine.Quantity `json:"counted"` // units, from the records
	Wins     uint64          `json:"wins"`
}

// remedyCheck is what an operator does about a fault that no error explains.
const remedyCheck = "Do not start a node on this data: keep the directory for analysis, then restore a backup or, in a cluster, replace the node"

// check checks a data directory and reports.
func (a *app) check(dir string, skip uint64) error {
	x := &audit{Dir: dir, skip: skip, Faults: []string{}, Prizes: []prizeCount{}, progress: a.progressLine()}
	if err := x.open(); err != nil {
		return err
	}
	defer x.store.Close() // everything was only read
	for _, step := range []func() error{x.load, x.verifyLog, x.recount, x.replay, x.compareBooks, x.invariants} {
		if err := step(); errors.Is(err, engine.ErrNewerLevel) { // not damage
			return fmt.Errorf("%s was written by a newer drawd: check it with that one: %w", dir, err)
		} else if err != nil {
			x.fault("%v", err)
			break // what follows stands on this step
		}
	}
	x.Clean = len(x.Faults) == 0
	if err := x.report(a); err != nil {
		return err
	}
	if !x.Clean {
		return said(exitFailed)
	}
	return nil
}

func (x *audit) fault(format string, args ...any) {
	const most = 50 // a damage often shows in every record after it
	if len(x.Faults) < most {
		x.Faults = append(x.Faults, fmt.Sprintf(format, args...))
	}
}

// open opens what must be there already: checking creates nothing.
func (x *audit) open() error {
	for _, part := range []string{"log", "state", storage.ClusterKeyName} {
		if _, err := os.Stat(filepath.Join(x.Dir, part)); errors.Is(err, fs.ErrNotExist) {
			return failure(exitNotFound, fmt.Errorf("%s is no data directory of drawd: it has no %s", x.Dir, part))
		}
	}
	key, err := storage.ReadClusterKey(x.Dir)
	if err != nil {
		return err
	}
	x.store, err = storage.Open(storage.Options{Dir: x.Dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	x.engine, err = engine.New(engine.Options{ClusterKey: key, Alloc: new(hugepage.Allocator).Alloc})
	return err
}

// load rebuilds the engine from the checkpoint.
func (x *audit) load() error {
	x.tally = newTally(x.engine)
	m, ok := x.store.State().Manifest()
	if !ok {
		return nil
	}
	x.manifest, x.Point = m, m.Index
	l := x.engine.Loader()
	if err := x.store.State().LoadPages(func(page uint64, data []byte) error { return l.Page(engine.PageID(page), data) }); err != nil {
		return fmt.Errorf("the checkpoint at log index %d: %w", m.Index, err)
	}
	if err := l.Finish(m.Meta); err != nil {
		return fmt.Errorf("the checkpoint at log index %d: %w. %s", m.Index, err, remedyCheck)
	}
	if hash := x.engine.RunningHash(); hash != m.Running {
		return fmt.Errorf("the checkpoint at log index %d: its pages give the running hash %x, its manifest says %x. %s", m.Index, hash, m.Running, remedyCheck)
	}
	return nil
}

func (x *audit) verifyLog() error {
	log := x.store.Log()
	x.First, x.Last = log.First(), log.Last()
	err := log.Verify(x.manifest.Base())
	x.LogBytes = log.Bytes()
	return err
}

// recount reads every record up to the checkpoint.
func (x *audit) recount() error {
	if x.Point == 0 {
		return nil
	}
	var fault error
	err := x.store.State().Scan(0, 0, func(index uint64, _ []byte, ordinal uint16, record []byte) bool {
		if index > x.Point {
			return false // the replay counts the rest
		}
		if _, fault = x.tally.add(engine.Location{Index: engine.LogIndex(index), Ordinal: ordinal}, record); fault != nil {
			return false
		}
		x.progress("recounting: %d records", x.tally.draws+x.tally.others)
		return true
	})
	if err := errors.Join(fault, err); err != nil {
		return fmt.Errorf("the records: %w", err)
	}
	return x.compareWinIndex()
}

// logCommand is the type of log records that carry commands for the engine; the others are raft's own.
const logCommand = 0

// replay decides the log again from the checkpoint on and compares with the records that are stored.
func (x *audit) replay() error {
	var record storage.LogRecord
	var out engine.Outcome
	for index := max(x.Point+1, x.First); index <= x.Last && x.Last > 0; index++ {
		if err := x.store.Log().Get(index, &record); err != nil {
			return fmt.Errorf("log entry %d: %w", index, err)
		}
		if record.Type != logCommand || index == x.skip {
			continue
		}
		if err := x.engine.Apply(engine.LogIndex(index), record.Data, &out); err != nil {
			return fmt.Errorf("log entry %d cannot be applied: %w. Start the drawd that wrote it, or a newer one", index, err)
		}
		x.Replayed++
		if err := x.compareBlob(index, &out); err != nil {
			return err
		}
		at := engine.Location{Index: engine.LogIndex(index)}
		for rest := out.Records; len(rest) > 0; at.Ordinal++ {
			n, err := x.tally.add(at, rest)
			if err != nil {
				return fmt.Errorf("the records of log entry %d: %w", index, err)
			}
			rest = rest[n:]
		}
		x.progress("replaying: log entry %d of %d", index, x.Last)
	}
	return nil
}

// compareBlob holds the outcome of an entry against what is stored of it.
func (x *audit) compareBlob(index uint64, out *engine.Outcome) error {
	head, ok, err := x.store.State().Head(index)
	if err != nil {
		return fmt.Errorf("the records of log entry %d: %w", index, err)
	}
	if !ok {
		if len(out.Offsets) > 0 {
			x.Missing++
		}
		return nil
	}
	x.Compared++
	same := string(head) == string(out.Head[:])
	if same && len(out.Offsets) > 0 {
		stored, err := x.store.State().Records(nil, index, 0, len(out.Offsets))
		if err != nil {
			return fmt.Errorf("the records of log entry %d: %w", index, err)
		}
		same = string(stored) == string(out.Records)
	}
	if !same {
		return fmt.Errorf("replaying log entry %d gives other records than are stored: this node has diverged. %s", index, remedyCheck)
	}
	return nil
}

// compareBooks holds the recount against the engine's books.
func (x *audit) compareBooks() error {
	x.Draws, x.Others = x.tally.draws, x.tally.others
	x.Running = fmt.Sprintf("%x", x.engine.RunningHash())
	for _, fault := range x.tally.faults {
		x.fault("%s", fault)
	}
	for _, n := range x.engine.Namespaces() {
		x.comparePools(n)
		for _, c := range n.Campaigns() {
			seq, books := c.Stock()
			counted := x.tally.of(c.Ref())
			if counted.seq != seq {
				x.fault("campaign %s: its records end at seq %d, its books at %d", c.ID(), counted.seq, seq)
			}
			if by := c.FencedBy(); by != "" {
				x.fault("campaign %s is fenced: %s", c.ID(), by)
			}
			for i := range books {
				p := &books[i]
				row := prizeCount{c.ID(), p.CellID(), p.Total, p.Issued, counted.units[p.CellID()], counted.wins[p.CellID()]}
				x.Prizes = append(x.Prizes, row)
				if row.Issued != row.Counted {
					x.fault("campaign %s, prize %s: the books say %d units were given out, the records %d", row.Campaign, row.Prize, row.Issued, row.Counted)
				}
				if row.Total != engine.Unlimited && row.Counted > row.Total {
					x.fault("campaign %s, prize %s: %d units were given out of %d", row.Campaign, row.Prize, row.Counted, row.Total)
				}
			}
		}
	}
	return nil
}

func (x *audit) invariants() error {
	if err := x.engine.CheckInvariants(); err != nil {
		return fmt.Errorf("the engine's invariants: %w", err)
	}
	return nil
}

// compareWinIndex holds the index of wins against the records up to the checkpoint.
func (x *audit) compareWinIndex() error {
	for _, n := range x.engine.Namespaces() {
		for _, c := range n.Campaigns() {
			_, books := c.Stock()
			for i := range books {
				number, ok := c.PrizeNumber(books[i].CellID())
				if !ok {
					continue
				}
				var rows uint64
				err := x.store.State().Wins(uint32(c.Ref()), number, 0, 0, func(index uint64, _ uint16) bool {
					if index > x.Point {
						return false
					}
					rows++
					return true
				})
				if err != nil {
					return fmt.Errorf("the index of wins: %w", err)
				}
				if wins := x.tally.of(c.Ref()).wins[books[i].CellID()]; rows != wins {
					x.fault("campaign %s, prize %s: the index of wins has %d rows, the records have %d wins", c.ID(), books[i].ID, rows, wins)
				}
			}
		}
	}
	return nil
}
