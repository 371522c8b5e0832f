package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLong runs worlds with ascending seeds until SIM_HOURS hours are simulated, or for as long as SIM_FOR says; without
// either, none. SIM_SEED is the first seed, SIM_NODES how many nodes a world has (3; "any" takes turns), SIM_NEMESES the names
// of those that act, with commas. SIM_LEDGER names the ledger that gets a row, SIM_COMMIT what it says was run.
func TestLong(t *testing.T) {
	hours, _ := strconv.ParseFloat(os.Getenv("SIM_HOURS"), 64)
	limit, err := time.ParseDuration(os.Getenv("SIM_FOR"))
	if hours == 0 && err != nil {
		t.Log("neither SIM_HOURS nor SIM_FOR is set")
		return
	}
	seed := rand.Uint64() >> 1
	if s := os.Getenv("SIM_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	debug.SetGCPercent(400)
	began, first := time.Now(), seed
	total := new(Report)
	for ; total.Simulated.Hours() < hours || time.Since(began) < limit; seed++ {
		letGo()
		r := Run(t, longOptions(t, seed))
		total.Add(r)
		if len(r.Faults) > 0 {
			fail(t, r)
			break
		}
	}
	real := time.Since(began)
	t.Logf("seeds from %d on: %s\n%.0f × real time (%v)", first, total, total.Simulated.Seconds()/real.Seconds(), real.Round(time.Second))
	if path := os.Getenv("SIM_LEDGER"); path != "" {
		found := "none: 0 lost, 0 changed, 0 twice"
		if len(total.Faults) > 0 {
			found = fmt.Sprintf("seed %d: %s", total.Seed, total.Faults[0].Rule)
		}
		row := fmt.Sprintf("| %s | %s | `make sim`, seeds from %d on | %s; %v real, %.0f × | %s |", time.Now().UTC().Format(time.DateOnly), os.Getenv("SIM_COMMIT"),
			first, strings.ReplaceAll(total.String(), "\n", " "), real.Round(time.Second), total.Simulated.Seconds()/real.Seconds(), found)
		if err := appendRow(path, row); err != nil {
			t.Error(err)
		}
	}
}

// daysEvery: in one world of so many days pass, at the cost of several others.
const daysEvery = 16

func longOptions(t *testing.T, seed uint64) Options {
	o := Options{Seed: seed, Think: 2500 * time.Millisecond}
	switch s := os.Getenv("SIM_NODES"); s {
	case "":
	case "any":
		o.Nodes = []int{3, 3, 5, 3, 1}[seed%5]
	default:
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		o.Nodes = n
	}
	if seed%daysEvery == 0 {
		o.Days = 5
	}
	if s := os.Getenv("SIM_NEMESES"); s != "" {
		o.Nemeses = strings.Split(s, ",")
	}
	return o
}

// letGo frees what earlier worlds left. The pools of an HTTP server (sync.Pool) hold it, and with it a whole process of a world, until
// the second collection after their last use: with a collector that waits for the heap to have grown by its own size or more, each
// collection would find all of that still held, and the heap would grow without end.
func letGo() {
	runtime.GC()
	runtime.GC()
}

// fail tells of a world's faults, and leaves its trace in a file.
func fail(t *testing.T, r *Report) {
	t.Helper()
	for _, f := range r.Faults {
		t.Errorf("seed %d: %.3000s", r.Seed, f.String())
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("drawd-sim-%d.trace", r.Seed))
	file, err := os.Create(path)
	if err == nil {
		err = r.Trace.Write(file)
		_ = file.Close()
	}
	t.Logf("the last events are in %s (%v)", path, err)
}

// String tells what happened, in the order of names.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f simulated hours in %d worlds: %d partitions, %d power cuts, %d of them of whole clusters at once; ",
		r.Simulated.Hours(), r.Worlds, r.Counts["partitions"], r.Counts["power cuts"], r.Counts["whole-cluster power cuts"])
	fmt.Fprintf(&b, "%d commands in the logs, %d answers acknowledged, %d refused without effect, %d unknown (%d of those in the log), %d reads; ",
		r.Commands, r.Decided, r.Refused, r.Unknown, r.Resolved, r.Reads)
	fmt.Fprintf(&b, "%d operations in %d histories judged by porcupine; lost %d\n", r.Sampled, r.Samples, len(r.Faults))
	names := slices.Sorted(maps.Keys(r.Counts))
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, r.Counts[name])
	}
	return b.String() + strings.Join(names, ", ")
}

// appendRow puts a row behind the last one of the first table of a document.
func appendRow(path, row string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	last := -1
	for i, line := range lines {
		if strings.HasPrefix(line, "|") {
			last = i
		} else if last >= 0 {
			break
		}
	}
	if last < 0 {
		return fmt.Errorf("%s has no table", path)
	}
	return os.WriteFile(path, []byte(strings.Join(slices.Insert(lines, last+1, row), "\n")), 0o644)
}
