package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/drawd/drawd/engine"
)

// Limits of one run.
const (
	// MaxRequests bounds the requests of one run, because the journal keeps a row of each.
	MaxRequests = 1 << 26
	// MaxConnections bounds the connections of one run.
	MaxConnections = 1 << 14
	// MinVerdictDraws is the least number of logged draws on which a verdict stands.
	MinVerdictDraws = 100_000
)

// Environment says where a scenario runs. It is embedded in every options struct.
type Environment struct {
	// Daemon is the command that serves: the flags --data DIR --api ADDR --admin ADDR are appended.
	// Default: the running binary with "serve".
	Daemon []string
	// Check is the command that checks a data directory offline: --data DIR is appended.
	// Default: the running binary with "check".
	Check []string
	// Empty is the command that runs [ServeEmpty]: the flags --listen ADDR --body BYTES are appended.
	// Default: the running binary with "bench empty".
	Empty []string
	// Dir is where temporary data directories are made. Default: os.TempDir().
	Dir string
	// Keep leaves the data directories in place and names them.
	Keep bool
	// Commit names the measured build. Default: the revision in the binary's build information.
	Commit string
	// Progress receives a line a second while the scenario runs. Default: nothing is written.
	Progress io.Writer
	// Terminal says that Progress is a terminal, so that a line may be written over the one before.
	Terminal bool
}

// DrawOptions are what every scenario of unary draws with a verdict takes. Zero values mean the default given with each field.
type DrawOptions struct {
	Environment

	// Self starts a daemon of its own in a temporary directory. Otherwise URL and AdminURL name a running one; the
	// built-in campaign is ended there when the run is over, unless Keep is set.
	Self     bool
	URL      string      // data plane, for instance "http://127.0.0.1:7070"
	AdminURL string      // control plane, for instance "http://127.0.0.1:7071"
	Trust    *tls.Config // whose certificates are believed at https addresses; nil for the system's
	Key      string      // API key with the scopes draw, read and admin, for campaigns bench-* at least; empty for none

	// Campaign is the campaign file, YAML or JSON (recognised by its first byte). Default: a built-in campaign that
	// suits the scenario.
	Campaign []byte
	// Compile turns a campaign file into its compiled form, from which the judge takes the rules. Required.
	Compile func(file []byte) (*engine.Version, error)

	Seed        uint64 // of arrivals, users and kill moments. Default 1
	Connections int    // Default 512
	Loops       int    // load loops, each a thread. Default: one for each four processors
	SampleByID  int    // acknowledged draws that are read again by id. Default 20 000
	// Replays is how many acknowledged draws are asked for again with the same key. Default: all of them.
	Replays   int
	MinLogged int           // logged draws below which the verdict does not stand. Default MinVerdictDraws
	Drain     time.Duration // how long to wait for late answers after the last arrival. Default 30 s

	// Agents send the load in place of this process, each an equal share: host:port of each `drawd bench agent`. They and this
	// process know AgentToken. Connections is the number over all of them, Loops that of each.
	Agents     []string
	AgentToken string
}

// FlashOptions describe a crowd. Zero values mean the default given with each field.
type FlashOptions struct {
	DrawOptions
	Users    int           // users in the crowd. Default 100 000
	Duration time.Duration // of crowd and tail together. Default 10 s
	Over     time.Duration // Δ: the crowd comes within this time of T0. Default: as short as the generator allows
	TailRate int           // arrivals a second after the crowd. Default: a fifth of the crowd's peak
	Kill9    int           // how often the daemon is killed during the crowd, or the leader of the cluster (once); needs Self
	Cluster  int           // nodes of a cluster of our own, in place of one daemon; needs Self. Default 0: no cluster
}

// CalibrateOptions describe a calibration.
type CalibrateOptions struct {
	Environment
	Seconds     int // of each timed step. Default 2
	Connections int // Default 256
	BodyBytes   int // the empty handler's answer. Default 320, the size of a draw
}

// FiguresOptions describe the run that makes the table of performance figures.
type FiguresOptions struct {
	Environment
	Compile     func(file []byte) (*engine.Version, error) // required
	Scenario    string                                     // under which it is reported. Default "figures"
	Only        []string                                   // ids ("P1", "P9"). Default: all
	Pairs       int                                        // A B pairs of each figure. Default 5
	Seconds     int                                        // of each half of a pair. Default 5
	Connections int                                        // requests in flight. Default 256
	BatchDraws  int                                        // draws in a batch request. Default 256
	BatchConns  int                                        // batch requests in flight. Default 16
	Users       int                                        // distinct users of the draw figures. Default 1 000 000
	P9Users     int                                        // users in the restart figure. Default 1 000 000
	Seed        uint64                                     // Default 1
	// OpenLibrary opens drawd in this process, in memory for "". Without it the row of two goroutines says so.
	OpenLibrary func(dir string) (Library, error)
}

// CrashLoopOptions describe a loop of SIGKILLs under load.
type CrashLoopOptions struct {
	Environment
	Compile     func(file []byte) (*engine.Version, error) // required
	Kills       int                                        // Default 200
	PerDir      int                                        // kills before a fresh data directory is taken. Default 25
	MinLoad     time.Duration                              // shortest load before a kill. Default 20 ms
	MaxLoad     time.Duration                              // longest load before a kill. Default 400 ms
	Connections int                                        // Default 64
	Users       int                                        // Default 20 000
	Seed        uint64                                     // Default 1
	Out         string
}

// DiskOptions describe the fault matrix of a node's disk.
type DiskOptions struct {
	Environment
	Compile     func(file []byte) (*engine.Version, error) // required
	Only        []string                                   // DiskFiles, DiskPeers, DiskFsync, DiskVolume. Default: all
	Positions   int                                        // bytes flipped in each part of each file. Default 3
	Load        time.Duration                              // before each stop or kill. Default 250 ms
	Connections int                                        // Default 32
	Users       int                                        // Default 5 000
	Seed        uint64                                     // of places, users and keys. Default 1
	Rows        string                                     // file for the rows as JSON; empty for none
	Ledger      string                                     // reliability ledger that gets a row; empty for none
}

// NemesisOptions describe the breaking of a cluster.
type NemesisOptions struct {
	Environment
	Compile     func(file []byte) (*engine.Version, error) // required
	Nodes       int                                        // Default 3
	Rounds      int                                        // a fault each. Default 20
	PerCluster  int                                        // rounds before a fresh cluster is founded. Default 40
	Faults      []string                                   // FaultKill, FaultPause, FaultNetwork; FaultLink in place of the last; FaultPoint. Default: the first three
	Loopback    bool                                       // no namespaces: no network faults
	MinLoad     time.Duration                              // shortest load before a fault, and after it. Default 50 ms
	MaxLoad     time.Duration                              // longest load before a fault. Default 300 ms
	LongHold    time.Duration                              // how long each seventh pause or cut lasts. Default: as long as the others, up to 2.5 s
	Connections int                                        // to each node. Default 8
	Users       int                                        // Default 5 000
	Seed        uint64                                     // Default 1
	Ledger      string                                     // reliability ledger that gets a row; empty for none
}

// FailoverOptions describe kills of a cluster's leader under a steady load.
type FailoverOptions struct {
	Environment
	Compile     func(file []byte) (*engine.Version, error) // required
	Kills       int                                        // Default 50
	Rate        int                                        // draws a second, over the three nodes. Default 2 000
	Connections int                                        // to each node. Default 16
	Users       int                                        // Default 20 000
	Seed        uint64                                     // Default 1
	Ledger      string                                     // reliability ledger that gets a row; empty for none
}

// EmptyOptions describe the empty handler.
type EmptyOptions struct {
	Listen string // Default "127.0.0.1:0"
	Body   int    // bytes of each answer. Default 320
}

// check adds the faults of o.
func (o *DrawOptions) check(f *faults) {
	f.check(o.Compile != nil, "Compile must be set: the judge takes the rules from the compiled campaign")
	f.check(o.Self || o.URL != "" && o.AdminURL != "", "either Self, or URL and AdminURL, must be given")
	f.check(!o.Self || o.URL == "" && o.AdminURL == "", "Self excludes URL and AdminURL")
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("Loops", o.Loops, 0, 64)
	f.within("SampleByID", o.SampleByID, 0, MaxRequests)
	f.within("Replays", o.Replays, 0, MaxRequests)
	f.within("MinLogged", o.MinLogged, 0, MaxRequests)
	f.check(o.Drain >= 0, "Drain must not be negative")
	o.checkAgents(f)
}

// fill completes the defaults that do not depend on measurements.
func (o *DrawOptions) fill() error {
	orDefault(&o.Seed, 1)
	orDefault(&o.Connections, 512)
	orDefault(&o.Loops, defaultLoops())
	orDefault(&o.SampleByID, 20_000)
	orDefault(&o.Replays, MaxRequests)
	orDefault(&o.MinLogged, MinVerdictDraws)
	orDefault(&o.Drain, 30*time.Second)
	return o.Environment.fill()
}

// Validate reports every fault of o at once.
func (o *FlashOptions) Validate() error {
	var f faults
	o.DrawOptions.check(&f)
	f.check(o.Kill9 == 0 || o.Self, "Kill9 needs Self: only a daemon of our own is killed")
	f.check(o.Kill9 == 0 || len(o.Agents) == 0, "Kill9 excludes Agents: the first draw after a kill is looked for by the generator here")
	f.within("Users", o.Users, 0, MaxRequests/2)
	f.within("Kill9", o.Kill9, 0, 1000)
	f.check(o.Cluster == 0 || o.Self && (o.Cluster == 3 || o.Cluster == 5), "Cluster must be 3 or 5, and needs Self")
	f.check(o.Cluster == 0 || o.Kill9 <= 1, "Kill9 is at most 1 in a cluster: the next leader may be the node that everybody asks")
	f.within("TailRate", o.TailRate, 0, 10_000_000)
	f.check(o.Duration >= 0 && o.Duration <= 24*time.Hour, "Duration must be between 0 and 24h")
	f.check(o.Over >= 0 && (o.Duration == 0 || o.Over <= o.Duration), "Over must be between 0 and Duration")
	return f.err("flash")
}

// Validate reports every fault of o at once.
func (o *CalibrateOptions) Validate() error {
	var f faults
	f.within("Seconds", o.Seconds, 0, 600)
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("BodyBytes", o.BodyBytes, 0, 1<<20)
	return f.err("calibrate")
}

// Validate reports every fault of o at once.
func (o *FiguresOptions) Validate() error {
	var f faults
	f.check(o.Compile != nil, "Compile must be set")
	f.within("Pairs", o.Pairs, 0, 100)
	f.within("Seconds", o.Seconds, 0, 600)
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("BatchDraws", o.BatchDraws, 0, engine.MaxBatchDraws)
	f.within("BatchConns", o.BatchConns, 0, MaxConnections)
	f.within("Users", o.Users, 0, 100_000_000)
	f.within("P9Users", o.P9Users, 0, 100_000_000)
	for _, id := range o.Only {
		f.check(figureKnown(id), fmt.Sprintf("Only names %q, which is no figure", id))
	}
	return f.err("figures")
}

// Validate reports every fault of o at once.
func (o *CrashLoopOptions) Validate() error {
	var f faults
	f.check(o.Compile != nil, "Compile must be set")
	f.within("Kills", o.Kills, 0, 100_000)
	f.within("PerDir", o.PerDir, 0, 1000)
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("Users", o.Users, 0, 10_000_000)
	f.check(o.MinLoad >= 0 && o.MaxLoad >= 0, "MinLoad and MaxLoad must not be negative")
	f.check(o.MaxLoad == 0 || o.MinLoad <= o.MaxLoad, "MinLoad must not be longer than MaxLoad")
	return f.err("crashloop")
}

// Validate reports every fault of o at once.
func (o *DiskOptions) Validate() error {
	var f faults
	f.check(o.Compile != nil, "Compile must be set")
	for _, part := range o.Only {
		f.check(slices.Contains(diskParts[:], part), fmt.Sprintf("Only names %q; the parts are %v", part, diskParts))
	}
	f.within("Positions", o.Positions, 0, 1000)
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("Users", o.Users, 0, 10_000_000)
	f.check(o.Load >= 0 && o.Load <= time.Minute, "Load must be between 0 and 1m")
	return f.err("disk")
}

// Validate reports every fault of o at once.
func (o *NemesisOptions) Validate() error {
	var f faults
	f.check(o.Compile != nil, "Compile must be set")
	f.check(o.Nodes == 0 || o.Nodes >= 3 && o.Nodes <= 7, "Nodes must be between 3 and 7")
	for _, kind := range o.Faults {
		f.check(slices.Contains(faultKinds[:], kind), fmt.Sprintf("Faults names %q; there are %v", kind, faultKinds))
	}
	f.check(!slices.Contains(o.Faults, FaultLink) || !slices.Contains(o.Faults, FaultNetwork), "Faults names network and link: routes do not cut what goes over a proxy")
	f.check(!slices.Contains(o.Faults, FaultLink) || !o.Loopback, "Faults names link, which needs namespaces, and Loopback is set")
	f.check(o.LongHold >= 0 && o.LongHold <= time.Minute, "LongHold must be at most a minute")
	f.within("Rounds", o.Rounds, 0, 100_000)
	f.within("PerCluster", o.PerCluster, 0, 200)
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("Users", o.Users, 0, 10_000_000)
	f.check(o.MinLoad >= 0 && o.MaxLoad >= 0 && (o.MaxLoad == 0 || o.MinLoad <= o.MaxLoad), "MinLoad and MaxLoad must not be negative, and MinLoad not the longer one")
	return f.err("nemesis")
}

// Validate reports every fault of o at once.
func (o *FailoverOptions) Validate() error {
	var f faults
	f.check(o.Compile != nil, "Compile must be set")
	f.within("Kills", o.Kills, 0, 200)
	f.within("Rate", o.Rate, 0, 1_000_000)
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("Users", o.Users, 0, 10_000_000)
	return f.err("failover")
}

// Validate reports every fault of o at once.
func (o *EmptyOptions) Validate() error {
	var f faults
	f.within("Body", o.Body, 0, 1<<20)
	return f.err("empty")
}

// faults collects what is wrong with an options struct.
type faults []error

func (f *faults) check(ok bool, complaint string) {
	if !ok {
		*f = append(*f, errors.New(complaint))
	}
}

func (f *faults) within(name string, v, low, high int) {
	if v < low || v > high {
		*f = append(*f, fmt.Errorf("%s is %d; it must be between %d and %d", name, v, low, high))
	}
}

func (f faults) err(scenario string) error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("bench %s: %w", scenario, errors.Join(f...))
}

// orDefault replaces a zero value.
func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
