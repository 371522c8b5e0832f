package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// outcomeByPeers says that the others told a node that its disk is not what it was, and that it takes no part.
const outcomeByPeers = "kept out by the others"

// peers is the part of the matrix about what one node alone cannot tell: a node of three gets its directory as it was before, or
// loses the end of its log before its watermark was raised. The others draw on. After each row the node gets its true disk back.
func (m *diskMatrix) peers(ctx context.Context) (err error) {
	n := &nemesis{
		o:   NemesisOptions{Environment: m.o.Environment, Compile: m.o.Compile, Nodes: 3, PerCluster: 2*m.o.Positions + 2, Users: m.o.Users, Seed: m.o.Seed, Connections: 8, MinLoad: 50 * time.Millisecond, MaxLoad: m.o.Load},
		say: m.say, rng: m.rng, report: &NemesisReport{Faults: m.report.Faults, Injected: map[string]int{}},
	}
	n.o.Dir = m.home
	if n.crew, err = newCrew(ctx, &n.o.Environment, n.o.Nodes, false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.crew.remove(m.o.Keep || err != nil)) }()
	if n.disk, err = os.Create(filepath.Join(n.crew.dir, "journal")); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer n.disk.Close()
	if err := n.publish(ctx); err != nil {
		return err
	}
	for i := range 2 * m.o.Positions {
		x := &peerRow{matrix: m, crew: n, row: DiskRow{Part: DiskPeers, Target: "log/WAL of one node of three, killed under load", Fault: "flipped byte in the last block"}, harm: m.flipTail}
		if i%2 == 1 {
			x.row.Fault, x.harm = "cut in the last block", m.cutTail
		}
		if err := x.run(ctx, false); err != nil {
			return err
		}
	}
	for _, leads := range []bool{false, true} {
		x := &peerRow{matrix: m, crew: n, row: DiskRow{Part: DiskPeers, Target: "directory of one node of three", Fault: "an older copy of all of it"}, back: true}
		if leads {
			x.row.Target = "directory of the leader of three"
		}
		if err := x.run(ctx, leads); err != nil {
			return err
		}
	}
	return n.verdict(ctx)
}

// peerRow is one row.
type peerRow struct {
	matrix *diskMatrix
	crew   *nemesis
	row    DiskRow
	mate   *mate
	back   bool                              // an older copy is put back; else harm is done
	harm   func(data string) (string, error) // says what exactly
	had    uint64                            // end of its log before it was killed, a moment before
	data   string                            // its directory
}

// run draws while the node is killed, harmed and looked at, and compares all nodes once it has its own disk again.
func (x *peerRow) run(ctx context.Context, leads bool) error {
	n := x.crew
	leader, err := n.crew.leader(ctx)
	if err != nil {
		return err
	}
	if x.mate = leader; !leads {
		x.mate = n.crew.followers(leader, n.rng)[0]
	}
	x.data = filepath.Join(x.mate.dir, "data")
	first := n.next
	if err := n.loadThrough(ctx, &injection{name: x.row.Fault, run: x.inject}); err != nil {
		return err
	}
	if err := errors.Join(n.persist(first), n.compare(ctx, x.row.Fault, first)); err != nil {
		return err
	}
	x.row.Acked = n.report.Acknowledged
	x.matrix.add(x.row)
	return ctx.Err()
}

func (x *peerRow) inject(ctx context.Context) error {
	older, truth := x.data+".older", x.data+".truth"
	if x.back {
		x.kill()
		if err := firstError(copyTree(x.data, older), x.crew.crew.startAll(ctx, []*mate{x.mate})); err != nil {
			return err
		}
		if err := pause(ctx, 700*time.Millisecond); err != nil { // draws, and a ping to everybody
			return err
		}
	}
	s, err := x.mate.status(ctx)
	if err == nil {
		err = pause(ctx, 5*time.Millisecond) // what it had then is acknowledged
	}
	if err != nil {
		return err
	}
	x.had = s.Last
	x.kill()
	if err := copyTree(x.data, truth); err != nil {
		return err
	}
	x.row.Injected = "the directory as it was before another kill"
	if x.back {
		err = firstError(os.RemoveAll(x.data), os.Rename(older, x.data))
	} else {
		x.row.Injected, err = x.harm(x.data)
	}
	if err != nil {
		return err
	}
	if err := x.look(ctx); err != nil {
		return err
	}
	if x.row.Observed == outcomeNone { // it has gone on with that disk: what was true before is an older copy now
		return os.RemoveAll(truth)
	}
	x.kill()
	return firstError(os.RemoveAll(x.data), os.Rename(truth, x.data), x.crew.crew.startAll(ctx, []*mate{x.mate}))
}

func (x *peerRow) kill() {
	x.mate.ending()
	x.mate.signal(syscall.SIGKILL)
	x.mate.kill()
}

// look starts the node on what is left of its disk.
func (x *peerRow) look(ctx context.Context) error {
	last, said, err := x.check(ctx)
	if err != nil {
		return err
	}
	lost := said == "clean" && last < x.had
	x.row.Check, x.row.Expected = said, append([]string{outcomeByPeers}, anyButSilence...)
	if lost {
		x.row.Expected = []string{outcomeByPeers}
	}
	c, err := x.mate.launch()
	if err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	x.row.Observed, x.row.Message = outcomeHung, ""
	for patient.Err() == nil {
		words, kept := x.mate.keptOut(patient)
		switch _, err := x.mate.status(patient); {
		case c.gone():
			x.row.ended(c, outcomeRefused)
			return ctx.Err()
		case kept:
			x.row.Observed, x.row.Message = outcomeByPeers, words
			return ctx.Err()
		case err == nil && lost:
			x.row.Observed, x.row.Lost = outcomeSilent, x.had-last
			x.row.LostHow = fmt.Sprintf("its log had ended at %d, ends at %d, and it takes part", x.had, last)
			return ctx.Err()
		case err == nil:
			x.row.Observed = outcomeNone
			return ctx.Err()
		}
		_ = pause(patient, 20*time.Millisecond)
	}
	return ctx.Err()
}

// check returns where the log ends that is left, by `drawd check` on a copy: opening a database changes its files.
func (x *peerRow) check(ctx context.Context) (last uint64, said string, err error) {
	copied := x.data + ".check"
	if err := copyTree(x.data, copied); err != nil {
		return 0, "", err
	}
	command := append(append([]string{}, x.matrix.o.Check...), "--data", copied, "-o", "json")
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	said = "clean"
	if err != nil {
		said = "not clean"
	}
	var found struct {
		Last uint64 `json:"log_last"`
	}
	if err == nil {
		err = json.Unmarshal(text, &found)
	} else if ctx.Err() == nil {
		err = nil
	}
	return found.Last, said, errors.Join(err, os.RemoveAll(copied))
}

// keptOut asks a node that does not serve yet why.
func (m *mate) keptOut(ctx context.Context) (words string, kept bool) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.api+"/readyz", nil)
	if err != nil {
		return "", false
	}
	answer, err := m.control.client.Do(q)
	if err != nil {
		return "", false
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 1<<14))
	at := strings.Index(string(b), "is older than what node")
	if err != nil || at < 0 {
		return "", false
	}
	said, _, _ := strings.Cut(string(b[at:]), ". ")
	return strings.ReplaceAll(said, `\"`, `"`), true
}

// tailOf returns the newest write-ahead log of a raft log, and the block that it ends in.
func tailOf(data string) (*dataFile, zone, error) {
	all, err := dataFiles(data)
	if err != nil {
		return nil, zone{}, err
	}
	at := slices.IndexFunc(all, func(f dataFile) bool { return f.kind == "log/WAL" && !f.old })
	if at < 0 || all[at].size == 0 {
		return nil, zone{}, errors.New("bench: the data directory has no write-ahead log that could be damaged")
	}
	return &all[at], all[at].zones()[0], nil
}

func (m *diskMatrix) flipTail(data string) (string, error) {
	f, z, err := tailOf(data)
	if err != nil {
		return "", err
	}
	x := flip(f, z.from+m.rng.Int64N(z.to-z.from), byte(1)<<m.rng.IntN(8))
	return x.words, x.do(data)
}

func (m *diskMatrix) cutTail(data string) (string, error) {
	f, z, err := tailOf(data)
	if err != nil {
		return "", err
	}
	x := cut(f, z.from+m.rng.Int64N(z.to-z.from))
	return x.words, x.do(data)
}
