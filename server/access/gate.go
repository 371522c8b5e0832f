package access

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Source is where keys stand. *engine.Engine is one.
type Source interface {
	DocumentsRevision() uint64 // moves with every change of any document
	Namespace(name string) (*engine.Namespace, bool)
	Namespaces() []*engine.Namespace
	Documents(ns engine.NamespaceRef, prefix string) []engine.Document
}

// DefaultNamespace is the namespace of a request that names none on a node without keys, and the home of operators' keys.
const DefaultNamespace = "default"

// DefaultRefreshEvery is how long a key that was changed on another node may still be taken as it was.
const DefaultRefreshEvery = 100 * time.Millisecond

// Options of a Gate; zero values mean the documented default.
type Options struct {
	Source       Source        // needed
	Logger       *slog.Logger  // default: slog.Default
	RefreshEvery time.Duration // default DefaultRefreshEvery
	// Settle waits until the source has everything that was acknowledged anywhere before the call; false when that cannot be
	// known. It is asked before something is said not to exist, and it must be bounded. Default: the source has it.
	Settle func() bool
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	if o.Source == nil {
		faults = append(faults, errors.New("access: Source is needed"))
	}
	if o.RefreshEvery < 0 {
		faults = append(faults, errors.New("access: RefreshEvery must not be negative"))
	}
	return errors.Join(faults...)
}

// Gate admits and refuses requests.
type Gate struct {
	source Source
	logger *slog.Logger
	every  time.Duration
	settle func() bool

	keys    atomic.Pointer[keyring]
	checked atomic.Int64 // UnixNano of the last look at the source

	mu struct {
		sync.Mutex
		complained map[keyName]uint64 // revision of each damaged key that was logged
	}
}

// keyring is all keys at one revision of the documents; immutable.
type keyring struct {
	revision uint64 // of the source's documents
	count    int    // documents, with those that cannot be read: they too say that keys are configured
	bySHA    map[[sha256.Size]byte]*Key
	byID     map[keyName]keyEntry
}

type keyName struct{ namespace, id string }

type keyEntry struct {
	revision uint64
	key      *Key // nil when it cannot be read
}

// New returns a Gate with the keys that the source has now.
func New(o Options) (*Gate, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	g := &Gate{source: o.Source, logger: o.Logger, every: o.RefreshEvery, settle: o.Settle}
	if g.logger == nil {
		g.logger = slog.Default()
	}
	if g.every == 0 {
		g.every = DefaultRefreshEvery
	}
	if g.settle == nil {
		g.settle = func() bool { return true }
	}
	g.mu.complained = make(map[keyName]uint64)
	g.keys.Store(&keyring{})
	g.Refresh()
	return g, nil
}

// HasKeys reports whether any key is configured, expired and unreadable ones included.
func (g *Gate) HasKeys() bool { return g.keys.Load().count > 0 }

// Strands reports whether nobody could change keys any more once k is there (added true) or gone: keys would be configured,
// so that keyless requests are refused, and none of those that are valid now would be an operator's.
func (g *Gate) Strands(k *Key, added bool, now time.Time) bool {
	ring := g.keys.Load()
	count, operators := 0, 0
	for name, e := range ring.byID {
		if name.namespace == k.Namespace && name.id == k.ID {
			continue
		}
		count++
		if e.key != nil && e.key.operator() && !e.key.expired(now) {
			operators++
		}
	}
	if added {
		count++
		if k.operator() && !k.expired(now) {
			operators++
		}
	}
	return count > 0 && operators == 0
}

// Check admits a request that needs any of the scopes (0: any key will do), or says why not. It allocates nothing when it
// admits.
func (g *Gate) Check(r *Request, need Scope) (Grant, Refusal) {
	ring := g.current(r.Now)
	if ring.count == 0 && r.Authorization == nil {
		if !r.direct() {
			return Grant{}, Refusal{Code: problem.ProxyWithoutKeys, detail: proxyDetail}
		}
		return g.enter(nil, r)
	}
	token, ok := bearer(r.Authorization)
	if !ok || len(token) != secretBytes {
		return Grant{}, Refusal{Code: problem.Unauthenticated}
	}
	sum := sha256.Sum256(token)
	k := ring.bySHA[sum]
	if k == nil {
		var refused Refusal
		if k, refused = g.unknown(&sum); k == nil {
			return Grant{}, refused
		}
	}
	if k.expired(r.Now) {
		return Grant{}, Refusal{Code: problem.Unauthenticated}
	}
	if !k.allowsPeer(r.Peer) {
		return Grant{}, Refusal{Code: problem.Forbidden, detail: "The key may not be used from this address."}
	}
	if k.limiter != nil {
		if wait, ok := k.limiter.take(r.Now); !ok {
			return Grant{}, Refusal{Code: problem.RateLimited, RetryAfter: retryAfter(wait)}
		}
	}
	if need != 0 && k.Scopes&need == 0 {
		return Grant{}, Refusal{Code: problem.Forbidden, Missing: need}
	}
	return g.enter(k, r)
}

// unknown looks again for a key that is not in the ring: it may have been made a moment ago, at another node.
func (g *Gate) unknown(sum *[sha256.Size]byte) (*Key, Refusal) {
	for settled := false; ; settled = true {
		g.refreshOld()
		if k := g.keys.Load().bySHA[*sum]; k != nil {
			return k, Refusal{}
		}
		if settled {
			return nil, Refusal{Code: problem.Unauthenticated}
		}
		if !g.settle() {
			return nil, unsettled
		}
	}
}

// unsettled is said of what is not known here where that may be this node's fault.
var unsettled = Refusal{Code: problem.NoLeader, detail: "This node does not know that, and cannot ask the leader whether it exists: ask again, or another node."}

// found finds something, or learns whether it exists: once for a request, however many things it asks for.
func found[T any](g *Grant, none problem.Code, look func() (T, bool)) (v T, refused Refusal) {
	v, ok := look()
	if !ok && !g.settled {
		if !g.gate.settle() {
			return v, unsettled
		}
		g.settled = true
		v, ok = look()
	}
	if !ok {
		refused = Refusal{Code: none}
	}
	return v, refused
}

// Campaign finds a campaign of the grant's namespace. One that is not known here may have been published a moment ago, at another
// node: it is not found only when everything acknowledged before is known here.
func (g *Grant) Campaign(id []byte) (*engine.Campaign, Refusal) {
	return found(g, problem.CampaignNotFound, func() (*engine.Campaign, bool) { return g.Namespace.Campaign(id) })
}

// Pool is the same for a pool.
func (g *Grant) Pool(id []byte) (*engine.Pool, Refusal) {
	return found(g, problem.PoolNotFound, func() (*engine.Pool, bool) { return g.Namespace.Pool(id) })
}

const proxyDetail = "No API key is configured, so only direct requests from this machine are served: no proxy headers, " +
	"no foreign Origin, a loopback Host. Create a key with `drawd key create` to serve others."

// enter finds the namespace in which an admitted request acts.
func (g *Gate) enter(k *Key, r *Request) (Grant, Refusal) {
	name := DefaultNamespace
	if k != nil {
		name = k.Namespace
	}
	if r.Namespace != nil && string(r.Namespace) != name {
		if k != nil && !k.operator() {
			return Grant{}, Refusal{Code: problem.Forbidden, detail: "The key may not choose another namespace."}
		}
		name = string(r.Namespace)
	}
	x := Grant{Key: k, gate: g}
	var refused Refusal
	if x.Namespace, refused = found(&x, problem.NamespaceNotFound, func() (*engine.Namespace, bool) { return g.source.Namespace(name) }); refused.Code != problem.OK {
		return Grant{}, refused
	}
	return x, Refusal{}
}

// Enter admits into a namespace whoever was admitted by something else than a key.
func (g *Gate) Enter(ns *engine.Namespace) Grant { return Grant{Namespace: ns, gate: g} }

// operator reports whether the key may choose any namespace and change the whole cluster.
func (k *Key) operator() bool {
	return k.Scopes&ScopeAdmin != 0 && k.Namespace == DefaultNamespace && len(k.Campaigns) == 0
}

// current returns the keyring, after a rebuild if the last look is RefreshEvery ago and documents changed since.
func (g *Gate) current(now time.Time) *keyring {
	at, last := now.UnixNano(), g.checked.Load()
	if ago := at - last; ago >= 0 && ago < int64(g.every) {
		return g.keys.Load()
	}
	// Whoever moves the time looks; the others go on with what there is.
	if g.checked.CompareAndSwap(last, at) && g.source.DocumentsRevision() != g.keys.Load().revision {
		g.Refresh()
	}
	return g.keys.Load()
}

// Refresh rebuilds the keyring from the source. Who changed a key calls it before he answers.
func (g *Gate) Refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refreshLocked()
}

// refreshOld is Refresh if documents changed since the last one. Strangers call it: however many there are, they rebuild once.
func (g *Gate) refreshOld() {
	old := func() bool { return g.source.DocumentsRevision() != g.keys.Load().revision }
	if !old() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if old() {
		g.refreshLocked()
	}
}

func (g *Gate) refreshLocked() {
	// The revision is read first: what changes while the documents are read is looked at again next time.
	old := g.keys.Load()
	ring := &keyring{
		revision: g.source.DocumentsRevision(), bySHA: make(map[[sha256.Size]byte]*Key, len(old.bySHA)), byID: make(map[keyName]keyEntry, len(old.byID)),
	}
	for _, ns := range g.source.Namespaces() {
		for _, d := range g.source.Documents(ns.Ref(), DocumentPrefix) {
			name := keyName{namespace: ns.Name(), id: strings.TrimPrefix(d.Name, DocumentPrefix)}
			ring.add(name, g.entryLocked(old, name, d))
		}
	}
	g.keys.Store(ring)
}

// entryLocked returns the entry of one document: the old one when the document is unchanged, so that its rate goes on.
func (g *Gate) entryLocked(old *keyring, name keyName, d engine.Document) keyEntry {
	was, known := old.byID[name]
	if known && was.revision == d.Revision {
		return was
	}
	k, err := DecodeKey(name.namespace, name.id, d.Body)
	if err != nil {
		if g.mu.complained[name] != d.Revision {
			g.mu.complained[name] = d.Revision
			g.logger.Error("a key cannot be read and is refused", "key", name.id, "namespace", name.namespace, "error", err)
		}
		return keyEntry{revision: d.Revision}
	}
	k.limiter = newLimiter(k.Rate)
	return keyEntry{revision: d.Revision, key: k}
}

func (r *keyring) add(name keyName, e keyEntry) {
	r.count++
	r.byID[name] = e
	if e.key == nil {
		return
	}
	r.bySHA[e.key.Hash] = e.key
}
