package lint

// Module is the path of this module.
const Module = "github.com/drawd/drawd"

// layer says what the packages in and below a folder may import of ours. The longest matching folder decides.
// A folder may always import below itself, internal/invariant, internal/mutant and internal/failpoint.
type layer struct {
	dir string
	may []string // folders, with everything below them; a trailing "$" names that one package only
	why string
}

// everything, in layer.may, stands for all of ours.
const everything = "*"

var layers = []layer{
	{".", []string{"engine$", "engine/problem", "engine/names", "engine/campaignfile", "storage", "raftlog"}, "the library is the daemon's log and engine as a value: it serves nobody, so that a program that embeds it gets no server"},
	{"drawdtest", []string{".", "engine$", "engine/problem"}, "it is for the tests of programs that embed the library, and has no more than they have"},
	{"engine", []string{"engine"}, "the pure state machine knows nobody: it must run in the daemon, the library, the simulator and the verifier"},
	{"engine/problem", nil, "the table of codes is shared by all layers, so it stands on none"},
	{"engine/campaignfile", []string{"engine$", "engine/odds", "engine/problem"}, "it compiles a file into an engine.Version, and says what that will pay"},
	{"engine/odds", []string{"engine$"}, "it computes what a version pays; nothing is decided by it"},
	{"storage", nil, "bytes on disk: storage does not know what the bytes mean"},
	{"raftlog", []string{"engine$", "engine/problem", "storage"}, "replication joins the engine and the disk; it serves nobody in particular"},
	{"raftlog/peer", []string{"engine/problem"}, "it carries bytes between nodes and knows none of them; only refusals travel as what they are"},
	{"server", []string{"engine$", "engine/problem", "engine/names", "engine/campaignfile", "engine/odds"}, "HTTP sees the engine's types and small interfaces of its own, so that any log can stand behind it"},
	{"bench", []string{"engine$", "engine/problem", "internal/hugepage"}, "load comes from outside: what it knows about the server is the wire; the engine's own figures are taken with the daemon's memory"},
	{"sim", []string{"engine", "storage", "raftlog", "internal/drawtest", "internal/mutant", "client", "server"}, "whole clusters in simulated time, held against the reference engine"},
	{"client", []string{"engine/problem"}, "a caller's program must not pull in the server"},
	{"cmd", []string{everything}, "the one place where everything is wired"},
	{"examples", []string{".", "engine$", "engine/problem", "engine/campaignfile"}, "examples are what users write"},
	{"docs", nil, "documents hold tests of documents at most"},
	{"console", nil, "the console is served, it serves nobody"},
	{"deploy", nil, "files for operators"},
	{"internal/lint", nil, "rules must run when everything else is broken"},
	{"internal/drawtest", []string{"engine$", "engine/problem"}, "the reference engine must not borrow the code it checks"},
	{"internal/hugepage", nil, "memory for the engine's pages: the engine takes it as a function, and does not know it"},
	{"internal/freeport", nil, "ports of this machine stand below who listens on them"},
	{"internal/mutant", nil, "planted faults stand below what they break"},
	{"internal/failpoint", nil, "points at which a process may die stand below what has them"},
	{"internal/invariant", nil, "assertions stand below everything"},
}

// owner says which folders may import a library (a path prefix). Tests are held to it too.
type owner struct {
	library string
	dirs    []string
	why     string
}

var owners = []owner{
	{"github.com/cockroachdb/pebble", []string{"storage"}, "one package knows the database, so that an upgrade touches one folder"},
	{"github.com/hashicorp/raft", []string{"raftlog"}, "one package knows the consensus library and its traps"},
	{"github.com/hashicorp/go-hclog", []string{"raftlog"}, "it is raft's logger"},
	{"github.com/valyala/fasthttp", []string{"server", "bench"}, "the data plane and the load generator's client"},
	{"github.com/spf13", []string{"cmd"}, "flags live in the command only"},
	{"github.com/VictoriaMetrics/metrics", []string{"raftlog", "storage", "server", "cmd"}, "the engine and the embeddable client have no metrics"},
	{"github.com/expr-lang/expr", []string{"engine/campaignfile"}, "the parser of audience rules, so that an upgrade touches one folder"},
	{"github.com/goccy/go-yaml", []string{"engine/campaignfile", "cmd"}, "campaign files and the daemon's configuration"},
	{"github.com/HdrHistogram", []string{"bench"}, "latency is measured by the load generator"},
	{"github.com/getkin/kin-openapi", []string{"server", "docs", "cmd"}, "answers are held against docs/openapi.yaml, in tests"},
	{"golang.org/x/term", []string{"cmd", "bench"}, "terminals belong to the command line"},
}

// embeddable packages run inside other people's programs.
var embeddable = []string{".", "engine", "engine/problem", "raftlog", "raftlog/peer", "storage", "client"}

// heavy libraries must not reach an embeddable package but those named, not even through another library.
var heavy = []struct {
	library, why string
	but          []string
}{
	{"github.com/spf13", "a library has no command line", nil},
	{"go.opentelemetry.io", "the host chooses its tracing", nil},
	{"github.com/charmbracelet", "a library has no terminal", nil},
	{"charm.land", "a library has no terminal", nil},
	{"golang.org/x/term", "a library has no terminal", nil},
	{"github.com/valyala/fasthttp", "a library serves no HTTP", nil},
	{"github.com/valyala/fastjson", "a library serves no HTTP", nil},
	{"github.com/getkin/kin-openapi", "a library serves no HTTP", nil},
	{"github.com/goccy/go-yaml", "versions are compiled elsewhere", []string{"."}}, // ADR 0021: Publish takes the daemon's files
	{"github.com/twmb/franz-go", "sinks belong to the daemon", nil},
	{"github.com/nats-io", "sinks belong to the daemon", nil},
}

// pure packages decide draws: rules D1 to D5 of architecture.md hold in them.
var pure = []string{"engine", "engine/internal"}

// impure packages stand below a pure folder and are not part of the state machine.
var impure = []string{"engine/campaignfile", "engine/odds", "engine/problem"}

// pureImports are the only packages from outside that a pure package may import, each because what it gives depends on
// its arguments alone.
var pureImports = map[string]string{
	"bufio": "over a caller's stream", "bytes": "", "cmp": "", "errors": "", "fmt": "", "io": "", "slices": "", "sort": "", "strings": "", "strconv": "",
	"encoding/binary": "", "encoding/base32": "", "encoding/hex": "", "encoding/json": "canonical documents", "math/bits": "", "unicode/utf8": "what is text",
	"math":          "bounds of integer types; floats are found by type",
	"crypto/sha256": "words and version hashes", "crypto/hmac": "prints of codes", "crypto/aes": "ids", "crypto/cipher": "ids and sealed seeds",
	"crypto/subtle": "comparing tags", "encoding": "interfaces only", "hash": "interfaces only", "hash/crc32": "",
	"sync": "shard locks of the library", "sync/atomic": "readers beside the applier",
	"net/netip": "cap scopes by address", "unsafe": "page layout",
	"github.com/zeebo/xxh3": "chains and row hashes", "github.com/dchest/siphash": "keyed subject hashes",
	"github.com/cespare/xxhash/v2": "chains and row hashes",
}

// orderFree is how a range over a map is justified, on its line or the one above: "// order: sums commute".
const orderFree = "order:"

// clockRule says where the packages in and below a folder may read the wall clock. The longest matching folder decides.
type clockRule struct{ dir, file, why string }

var clocks = []clockRule{
	{"raftlog", "raftlog/clock.go", "time is stamped once, at the edge, by a clock that tests and the simulation replace"},
	{"raftlog/peer", "raftlog/peer/clock.go", "connections want their deadlines as instants"},
	{"storage", "storage/clock.go", "what is on disk must be a function of what was written"},
}

// Size limits. Median and p90 of the admired packages are far below.
const (
	maxFileLines     = 500
	maxFunctionLines = 70
)

// exception lets one file or function be longer. It is a ratchet: the number is today's, and a row that is no longer
// needed is a finding.
type exception struct {
	name  string // "dir/file.go" or "dir.Function", "dir.Type.Method"
	lines int
	why   string
}

var longFiles = []exception{}

var longFunctions = []exception{}

// badNames of packages tell nothing about what is inside.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "pkg"}

// mutableAllowed are types of package variables that hold no state that a second node in the process could see.
var mutableAllowed = map[string]string{
	"sync.Pool": "memory only: nothing put in is ever expected back",
	"embed.FS":  "files of the build: there is no way to write them",
	"*github.com/VictoriaMetrics/metrics.Set":       "metrics are declared once, statically",
	"*github.com/VictoriaMetrics/metrics.Counter":   "metrics are declared once, statically",
	"*github.com/VictoriaMetrics/metrics.Gauge":     "metrics are declared once, statically",
	"*github.com/VictoriaMetrics/metrics.Histogram": "metrics are declared once, statically",
	"*github.com/VictoriaMetrics/metrics.Summary":   "metrics are declared once, statically",
	"*regexp.Regexp":            "immutable after it is compiled",
	"*strings.Replacer":         "immutable after it is made",
	"*text/template.Template":   "parsed once, only executed",
	"*html/template.Template":   "parsed once, only executed",
	"*encoding/base32.Encoding": "immutable after it is made",
	"*encoding/base64.Encoding": "immutable after it is made",
	"*time.Location":            "immutable",
	"*hash/crc32.Table":         "immutable after it is made",
	"*math/big.Int":             "a constant too large for a const; never an operand's receiver",
	"*log/slog.Logger":          "a logger that discards",
}
