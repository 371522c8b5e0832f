package engine

import (
	"crypto/cipher"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine/internal/pages"
)

// Options of an Engine; zero values mean the documented default.
type Options struct {
	// Shards is the number of lock shards, a power of two up to MaxShards; default DefaultShards. It is local tuning
	// and never changes a result.
	Shards int
	// ClusterKey unseals the campaigns' seeds. It is made at bootstrap and kept in a file beside the data.
	ClusterKey [32]byte
	// Alloc returns zeroed memory for table pages, a multiple of PageSize up to 1 MiB; default make. It may return
	// huge-page memory.
	Alloc func(bytes int) []byte
	// Level is the newest feature level that this engine takes for its own; default NewestLevel. A lower one makes it an
	// older build, for tests of versions beside each other.
	Level uint32

	since map[op]uint32 // tests: operations of a later level
	amid  func()        // tests: called amid a change of what draws see without a lock (Campaign.change)
}

// Validate reports what is wrong with o.
func (o *Options) Validate() error {
	if o.Shards < 0 || o.Shards > MaxShards || o.Shards&(o.Shards-1) != 0 {
		return fmt.Errorf("engine: Shards is %d: it must be a power of two up to %d, or 0 for %d", o.Shards, MaxShards, DefaultShards)
	}
	return nil
}

// PageSize is the size of a table page.
const PageSize = pages.PageSize

// Engine is the state machine. See the package comment for threads and locks.
type Engine struct {
	options Options
	sealer  cipher.AEAD // of seeds
	codes   *CodeSealer
	world   atomic.Pointer[world]
	ids     atomic.Pointer[ids]
	step    tx // of the goroutine that applies
	// capturing is held from Capture to its Commit or Abort.
	capturing atomic.Bool
}

// world is the whole state. Loading a snapshot builds another world beside and swaps it in.
type world struct {
	engine *Engine
	shards []shard
	shift  uint // a key's shard is its first ten bits >> shift

	widened     bool // some table was widened: set under every shard's lock
	initialized atomic.Bool
	clusterID   [16]byte
	idKey       [16]byte
	level       atomic.Uint32 // feature level: behaviour changes of Apply go behind it
	forms       int           // bytes of all versions, live, older and to come; every shard is locked when it changes

	namespaces atomic.Pointer[[]*Namespace] // by ref - 1; replaced, never changed
	campaigns  atomic.Pointer[[]*Campaign]  // by ref - 1; replaced, never changed
	documents  documents

	due     atomic.Int64 // when settle has something to do next; maxTime for never
	returns atomic.Int64 // when settleStock has something to do next; units of pools come back
	packs   atomic.Int64 // when packKeys has
	packing keyPacking   // every shard is locked
	turns   atomic.Int64 // when it next changes what can be won: at or after due
	glass   atomic.Int64 // when a request that broke the glass next happens by itself: at or after turns

	minutes atomic.Int64 // of the agendas of all pools
	pools   int          // of all namespaces; every shard is locked when it changes

	_ [128]byte // what follows is written by every command, what stands before is read by every command
	// clock is the leaf of the lock order. As a library it also gives out positions.
	clock struct {
		sync.Mutex
		index   LogIndex
		now     UnixMilli
		running [16]byte // hash over all entries and their results (D8)
	}
	logTime atomic.Int64  // clock.now, for readers
	applied atomic.Uint64 // index of the last entry whose effects are all visible
	_       [128]byte
}

// shard is one lock and the pages under it.
type shard struct {
	mu struct {
		sync.Mutex
		arena *pages.Arena
	}
	_ [112]byte // keeps neighbours' locks off one cache line pair
}

const maxTime = UnixMilli(1<<63 - 1)

// New returns an empty engine.
func New(o Options) (*Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Shards == 0 {
		o.Shards = DefaultShards
	}
	if o.Level == 0 {
		o.Level = NewestLevel
	}
	e := &Engine{options: o, sealer: newSealer(o.ClusterKey), codes: NewCodeSealer(o.ClusterKey)}
	e.world.Store(e.newWorld())
	e.ids.Store(newIDs([16]byte{}))
	return e, nil
}

func (e *Engine) newWorld() *world {
	w := &world{engine: e, shards: make([]shard, e.options.Shards)}
	w.level.Store(1)
	for s := e.options.Shards; s < MaxShards; s <<= 1 {
		w.shift++
	}
	for i := range w.shards {
		w.shards[i].mu.arena = pages.NewArena(e.options.Alloc)
	}
	w.namespaces.Store(new([]*Namespace))
	w.campaigns.Store(new([]*Campaign))
	w.due.Store(int64(maxTime))
	w.turns.Store(int64(maxTime))
	w.glass.Store(int64(maxTime))
	w.returns.Store(int64(maxTime))
	w.packs.Store(int64(maxTime))
	return w
}

// shardOf returns the shard of a key, from its first ten bits.
func (w *world) shardOf(k *Key) int { return (int(k[0])<<2 | int(k[1])>>6) >> w.shift }

// lockAll takes every shard, ascending: what a change of campaigns, policies or namespaces needs.
func (w *world) lockAll() {
	for i := range w.shards {
		w.shards[i].mu.Lock()
	}
}

func (w *world) unlockAll() {
	for i := range w.shards {
		w.shards[i].mu.Unlock()
	}
}

// Initialized reports whether an Init was applied.
func (e *Engine) Initialized() bool { return e.world.Load().initialized.Load() }

// ClusterID returns the cluster's id, made at bootstrap.
func (e *Engine) ClusterID() [16]byte { return e.world.Load().clusterID }

// AppliedIndex returns the index of the last entry whose effects are all visible.
func (e *Engine) AppliedIndex() LogIndex { return LogIndex(e.world.Load().applied.Load()) }

// LogTime returns the engine's time: that of the last entry.
func (e *Engine) LogTime() UnixMilli { return UnixMilli(e.world.Load().logTime.Load()) }

// RunningHash returns the hash over all entries and their results so far.
func (e *Engine) RunningHash() [16]byte {
	w := e.world.Load()
	w.clock.Lock()
	defer w.clock.Unlock()
	return w.clock.running
}

// Level returns the feature level.
func (e *Engine) Level() uint32 { return e.world.Load().level.Load() }

// NextDue returns the next log time at which something becomes due without a command: a start, an end, keys that may
// be forgotten or packed, units of a pool that come back. The leader proposes a tick then.
func (e *Engine) NextDue() (UnixMilli, bool) {
	w := e.world.Load()
	due := UnixMilli(min(w.due.Load(), w.returns.Load(), w.packs.Load()))
	return due, due != maxTime
}

// settle does what has become due at now, and finds the next due time. Every shard is locked.
func (w *world) settle(now UnixMilli) {
	next, turns, glass := maxTime, maxTime, maxTime
	for _, n := range *w.namespaces.Load() {
		next, glass = min(next, n.acts.forget(now), n.turnKeys(now)), min(glass, n.acts.countdown())
		if len(n.pending) > 0 {
			turns = min(turns, n.pending[0].at)
		}
	}
	for _, c := range *w.campaigns.Load() {
		if c.lowCodes() {
			next = now
		}
		if turns = min(turns, c.turn(now)); c.burn.waits() {
			turns = now
		}
		next = min(next, c.mark(now))
	}
	turns = min(turns, glass)
	w.glass.Store(int64(glass))
	w.turns.Store(int64(turns))
	w.due.Store(int64(min(next, turns)))
	w.findPacks(now)
}

// CampaignByRef returns a campaign by its number.
func (e *Engine) CampaignByRef(r CampaignRef) (*Campaign, bool) {
	c := e.world.Load().campaign(r)
	return c, c != nil
}

func (w *world) campaign(r CampaignRef) *Campaign {
	all := *w.campaigns.Load()
	if r == 0 || int(r) > len(all) {
		return nil
	}
	return all[r-1]
}

func (w *world) namespace(r NamespaceRef) *Namespace {
	all := *w.namespaces.Load()
	if r == 0 || int(r) > len(all) {
		return nil
	}
	return all[r-1]
}
