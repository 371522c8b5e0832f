package engine

// Signatures only, until the files that implement them stand. (Replaced within the hour.)

import (
	"errors"
	"github.com/drawd/drawd/engine/problem"
	"io"
	"net/netip"
	"sync/atomic"
)

var errStub = errors.New("engine: stub")

// Options of an Engine; zero values mean the documented default.
type Options struct {
	Shards     int      // lock shards, a power of two, default 64; never changes a result
	ClusterKey [32]byte // unseals the campaigns' seeds; made at bootstrap, kept in a file beside the data
	// Alloc returns zeroed memory for table pages (a multiple of 4 KiB); default make. May return huge-page memory.
	Alloc func(bytes int) []byte
}

type Engine struct{ applied atomic.Uint64 }

func New(o Options) (*Engine, error) { return nil, errStub }

// --- deciding ---

// Outcome is what applying one entry gave. It is reused: Apply resets it.
type Outcome struct {
	Index   LogIndex
	Time    UnixMilli
	Results []Result // one per command of the entry, in order. Offset counts from the start of Records.
	Head    [40]byte // blob head: version, count, index, time, running hash after this entry
	Offsets []uint32 // first byte of each record in Records
	Records []byte   // encoded records, in order; len(Offsets) of them
	Wins    []Win    // every win, in order: for the win index
}

// Win says that the record with this ordinal is a win of the prize.
type Win struct {
	Campaign CampaignRef
	Prize    uint16 // ordinal of the prize id in the campaign's life (stable over versions)
	Ordinal  uint16
}

// Apply decides one entry. Entries are applied in log order by one goroutine; readers may run beside it. An error means
// that the replica cannot go on (unknown operation, damaged entry): the process must end.
func (e *Engine) Apply(index LogIndex, entry []byte, out *Outcome) error { return errStub }

// Decide applies one batch without a log: the library's way. Any number of goroutines may call it. Engines are used
// either with Apply or with Decide, not both.
func (e *Engine) Decide(b *Batch, stamp UnixMilli) error { return errStub }

// --- entries: built by the proposer ---

// EntryHeaderSize is the size of what AppendEntryHeader appends.
const EntryHeaderSize = 32

// EntryHeader stands before the commands of an entry.
type EntryHeader struct {
	Stamp    UnixMilli // the leader's clock; the engine uses max(stamp, last)
	Count    uint32    // commands that follow
	Proposer uint64    // random per process: lets the proposer know its own entries again
	Sequence uint64    // of the proposer
}

func AppendEntryHeader(dst []byte, h *EntryHeader) []byte        { return dst }
func ParseEntryHeader(entry []byte) (EntryHeader, []byte, error) { return EntryHeader{}, nil, errStub }

func (b *Batch) AddDraw(d *Draw)              {}
func (b *Batch) AddTick()                     {}
func (b *Batch) AddInit(c *Init)              {}
func (b *Batch) AddNamespace(c *NewNamespace) {}
func (b *Batch) AddPublish(c *Publish)        {}
func (b *Batch) AddControl(c *Control)        {}
func (b *Batch) AddAdjust(c *Adjust)          {}
func (b *Batch) AddPolicy(c *PutPolicy)       {}
func (b *Batch) AddDocument(c *PutDocument)   {}
func (b *Batch) AddAbandon(c *Abandon)        {}

// SealSeed seals a campaign's seed under the cluster key with a random nonce (AES-256-GCM).
func SealSeed(clusterKey [32]byte, nonce [12]byte, seed [16]byte) []byte { return nil }

// --- reading: safe beside Apply and Decide ---

func (e *Engine) Initialized() bool      { return false } // an Init was applied
func (e *Engine) ClusterID() [16]byte    { return [16]byte{} }
func (e *Engine) AppliedIndex() LogIndex { return 0 }
func (e *Engine) LogTime() UnixMilli     { return 0 }
func (e *Engine) RunningHash() [16]byte  { return [16]byte{} }
func (e *Engine) StateHash() [16]byte    { return [16]byte{} } // O(rows): for checks, not for the hot path
func (e *Engine) CheckInvariants() error { return nil }        // O(rows)
// NextDue returns the next log time at which something becomes due without a command (a start, an end): the leader ticks then.
func (e *Engine) NextDue() (UnixMilli, bool) { return 0, false }

// Namespace is one tenant. Its methods are lock-free unless they say otherwise.
type Namespace struct{}

func (e *Engine) Namespace(name string) (*Namespace, bool) { return nil, false } // "default" exists after Init
func (e *Engine) Namespaces() []*Namespace                 { return nil }
func (n *Namespace) Ref() NamespaceRef                     { return 0 }
func (n *Namespace) Name() string                          { return "" }
func (n *Namespace) Keyer() Keyer                          { return Keyer{} }
func (n *Namespace) Policy() *NamespacePolicy              { return nil } // current; never nil, do not modify
func (n *Namespace) Users() uint64                         { return 0 }
func (n *Namespace) Keys() uint64                          { return 0 }
func (n *Namespace) Campaign(id []byte) (*Campaign, bool)  { return nil, false } // allocation-free
func (n *Namespace) Campaigns() []*Campaign                { return nil }        // by id

// Keyer derives keys of one namespace: SipHash-2-4-128 under the namespace's secret, domain separated.
type Keyer struct{ k0, k1 uint64 }

func (k Keyer) User(id []byte) Key     { return Key{} }
func (k Keyer) Device(id []byte) Key   { return Key{} }
func (k Keyer) IP(addr netip.Addr) Key { return Key{} } // v4-mapped is folded, IPv6 counts by /64
// Digest hashes an idempotency key in its scope (campaign, user or actor; op separates draws from adjusts).
func (k Keyer) Digest(op DigestOp, c CampaignRef, subject Key, key []byte) Key { return Key{} }

type DigestOp uint8

const (
	DigestDraw DigestOp = 1 + iota
	DigestAdjust
)

// Campaign is a published campaign. Its methods are lock-free unless they say otherwise.
type Campaign struct{}

// Status is where a campaign stands at a time.
type Status uint8

const (
	StatusScheduled Status = iota
	StatusRunning
	StatusPaused
	StatusEnded
	StatusFenced
)

func (s Status) String() string {
	return [...]string{"scheduled", "running", "paused", "ended", "fenced"}[s]
}

func (c *Campaign) Ref() CampaignRef                            { return 0 }
func (c *Campaign) ID() string                                  { return "" }
func (c *Campaign) Namespace() *Namespace                       { return nil }
func (c *Campaign) Version() *Version                           { return nil } // live version; do not modify
func (c *Campaign) VersionNumber(n uint32) *Version             { return nil } // any version, nil when there is none
func (c *Campaign) Versions() []*Version                        { return nil } // ascending
func (c *Campaign) Status(now UnixMilli) Status                 { return 0 }
func (c *Campaign) Exhausted() bool                             { return false }
func (c *Campaign) EndsAt() UnixMilli                           { return 0 }  // with pauses added, or when it was ended by hand
func (c *Campaign) FencedBy() string                            { return "" } // the broken rule
func (c *Campaign) Seq() uint64                                 { return 0 }
func (c *Campaign) SeedHash() [32]byte                          { return [32]byte{} } // salted hash of the seed: public from the start
func (e *Engine) CampaignByRef(r CampaignRef) (*Campaign, bool) { return nil, false }

// PrizeStock is one prize's books. Total = sum of the other parts; an Unlimited prize has Total Unlimited and counts Issued only.
type PrizeStock struct {
	ID                                                                       string
	Total, Unreleased, Available, Reserved, Held, Issued, Expired, Withdrawn Quantity
}

// Stock returns the campaign's books, one cut, prizes of the live version in file order, then dropped ones. Takes a lock.
func (c *Campaign) Stock() (seq uint64, prizes []PrizeStock) { return 0, nil }

// Peek looks for an answer to d in committed facts: an earlier decision under the same key (Replayed, or
// IdempotencyMismatch, KeyAbandoned), or a denial that stays true whatever the log holds after them. ok is false when
// only the log can tell. now is the caller's clock. It allocates nothing and takes the lock of one shard (or a few).
func (e *Engine) Peek(d *Draw, now UnixMilli) (r Result, ok bool) { return Result{}, false }

// CapUse is one cap as a user sees it.
type CapUse struct {
	ID       string // "ns/<id>" for an aggregate cap
	Counts   Counts
	Used     uint32
	Limit    uint32
	ResetsAt UnixMilli // 0 for never
}

// UserState is what a campaign knows about one user, one cut.
type UserState struct {
	Known    bool // has drawn
	Draws    uint32
	Caps     []CapUse // ScopeUser only: the namespace's aggregate caps, then the campaign's
	LastDraw Location
	LastWin  Location
	CanDraw  Result // Code OK, or the denial that a draw would get now
}

func (e *Engine) UserState(c *Campaign, user Key, now UnixMilli) UserState { return UserState{} }

// FindKey returns where the first answer to the key stands. code is KeyUnknown or KeyAbandoned when there is none.
func (e *Engine) FindKey(c *Campaign, user, digest Key) (Location, problem.Code) {
	return Location{}, 0
}

// CapName returns the name of the cap in a Capped result: "day", or "ns/<id>".
func (e *Engine) CapName(r *Result) string { return "" }

// Document is a control-plane document.
type Document struct {
	Name     string
	Revision uint64
	Body     []byte // do not modify
}

func (e *Engine) Document(ns NamespaceRef, name string) (Document, bool) { return Document{}, false }
func (e *Engine) Documents(ns NamespaceRef, prefix string) []Document    { return nil } // by name

// --- ids ---

// IDKind is the kind of a public id, and its first letter.
type IDKind byte

const (
	IDDraw    IDKind = 'd'
	IDRequest IDKind = 'r'
)

// AppendID appends the public id of what stands at l: the letter and 26 characters of base32.
func (e *Engine) AppendID(dst []byte, kind IDKind, l Location) []byte { return dst }

// ParseID returns the location in a public id; ok is false for anything AppendID did not make.
func (e *Engine) ParseID(kind IDKind, id []byte) (l Location, ok bool) { return Location{}, false }

// --- records ---

// DecodeRecord decodes the first record in b into r and returns its length.
func DecodeRecord(b []byte, r *Record) (int, error) { return 0, errStub }

// ParseHead parses a blob head.
func ParseHead(head []byte) (index LogIndex, at UnixMilli, running [16]byte, err error) {
	return 0, 0, [16]byte{}, errStub
}

// --- checkpoints and snapshots ---

// PageSize is the size of a table page.
const PageSize = 4096

// PageID names a page of a checkpoint; opaque.
type PageID uint64

// Capture is a cut of the state that is read out while entries go on being applied. One at a time.
type Capture struct{}

// Capture cuts the state as it is now: pages changed since the last committed capture (all, when full), and everything
// else as Meta. It is called between two Applies, by the goroutine that applies; it returns in well under 2 ms.
func (e *Engine) Capture(full bool) (*Capture, error) { return nil, errStub }

func (c *Capture) Index() LogIndex { return 0 }
func (c *Capture) Meta() []byte    { return nil } // sealed with its own checksum

// Next copies the next page into buf (PageSize). A freed page is all zero: delete it. Any goroutine, one at a time.
func (c *Capture) Next(buf []byte) (id PageID, ok bool) { return 0, false }

// Commit says that the cut is durable; Abort that it is not, and its pages must come again.
func (c *Capture) Commit() {}
func (c *Capture) Abort()  {}

// Loader rebuilds an engine from a checkpoint: all pages in any order, then Finish with the meta.
type Loader struct{}

func (e *Engine) Loader() *Loader                   { return nil }
func (l *Loader) Page(id PageID, page []byte) error { return errStub } // verifies the page's checksum
func (l *Loader) Finish(meta []byte) error          { return errStub } // e is unchanged when this fails

// WriteSnapshot writes a full snapshot stream; ReadSnapshot replaces the state by one, or returns an error and keeps the old.
func (e *Engine) WriteSnapshot(w io.Writer) error { return errStub }
func (e *Engine) ReadSnapshot(r io.Reader) error  { return errStub }
