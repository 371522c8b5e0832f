package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/runfile"
)

// Machine is what every figure carries with it.
type Machine struct {
	Commit     string    `json:"commit"`
	Go         string    `json:"go"`
	CPU        string    `json:"cpu"`
	Cores      int       `json:"cores"`
	Kernel     string    `json:"kernel"`
	FileSystem string    `json:"file_system"`
	At         time.Time `json:"at"`
	Fsync      []Fsync   `json:"fsync"` // in the directory of the run, in the same run
}

// Fsync is how long it takes to append some bytes to a file and make them durable.
type Fsync = runfile.Fsync

// lookAtMachine describes this machine. dir is where the data of the run is.
func lookAtMachine(env *Environment, dir string) Machine {
	m := Machine{
		Commit: env.Commit, Go: runtime.Version(), CPU: cpuModel(), Cores: runtime.NumCPU(),
		Kernel: kernelRelease(), FileSystem: fileSystem(dir), At: time.Now().UTC().Truncate(time.Second),
	}
	if m.Commit == "" {
		m.Commit = builtCommit()
	}
	return m
}

// document returns what a run's document says of the machine.
func (m *Machine) document() runfile.Environment {
	return runfile.Environment{
		Commit: m.Commit, Go: m.Go, CPU: m.CPU, Cores: m.Cores, Kernel: m.Kernel, FileSystem: m.FileSystem, Fsync: m.Fsync,
		Durability: durableAnswers, Nodes: 1, Target: "http", SharedMachine: true,
	}
}

// durableAnswers is what a daemon of our own does before each answer to a draw.
const durableAnswers = "fsync before every answer"

// String is the line that stands above every table.
func (m *Machine) String() string {
	return fmt.Sprintf("commit %s · %s · %d × %s · %s · %s · %s",
		m.Commit, m.Go, m.Cores, m.CPU, m.Kernel, m.FileSystem, m.At.Format("2006-01-02 15:04:05Z"))
}

// fsyncLine says how fast the disk was.
func (m *Machine) fsyncLine() string {
	parts := make([]string, 0, len(m.Fsync))
	for _, f := range m.Fsync {
		parts = append(parts, fmt.Sprintf("%s p50 %s p99 %s", bytesText(f.Bytes), microsText(f.P50), microsText(f.P99)))
	}
	return "fsync " + strings.Join(parts, " · ")
}

func builtCommit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			commit = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	return commit + dirty
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// measureFsync appends blocks to a file in dir and syncs each.
func measureFsync(dir string, size int, span time.Duration) (Fsync, error) {
	f := Fsync{Bytes: size}
	name := filepath.Join(dir, fmt.Sprintf("fsync-%d", size))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return f, fmt.Errorf("bench: fsync: %w", err)
	}
	defer os.Remove(name)
	defer file.Close()
	block := make([]byte, size)
	for i := range block {
		block[i] = byte(i*131 + i>>8)
	}
	var micros []int64
	for begin := time.Now(); len(micros) < 16 || time.Since(begin) < span; {
		if len(micros)*size > 256<<20 {
			break
		}
		start := time.Now()
		if _, err := file.Write(block); err != nil {
			return f, fmt.Errorf("bench: fsync: %w", err)
		}
		if err := file.Sync(); err != nil {
			return f, fmt.Errorf("bench: fsync: %w", err)
		}
		micros = append(micros, time.Since(start).Microseconds())
	}
	slices.Sort(micros)
	f.Count, f.P50, f.P99, f.Max = len(micros), quantile(micros, 0.50), quantile(micros, 0.99), micros[len(micros)-1]
	return f, nil
}

// measureDisk takes the three sizes that matter: a lone draw, a busy entry, a large one.
func (m *Machine) measureDisk(dir string, span time.Duration) error {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		f, err := measureFsync(dir, size, span)
		if err != nil {
			return err
		}
		m.Fsync = append(m.Fsync, f)
	}
	return nil
}

// quantile returns the nearest-rank quantile of ascending values.
func quantile(sorted []int64, q float64) int64 {
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank-1, 0), len(sorted)-1)]
}
