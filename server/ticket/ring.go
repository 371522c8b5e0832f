package ticket

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
)

// DocumentPrefix stands before a key's id in the name of its document.
const DocumentPrefix = "ticket-key/"

// Bounds of a key.
const (
	MaxKeys         = 64 // of one namespace
	MaxNameBytes    = 128
	MaxKeyCampaigns = 64
	documentFormat  = 1
)

// Key is a ticket key as it is stored. It is immutable once it is in a Ring.
type Key struct {
	ID        uint64
	Name      string   // for people
	Campaigns []string // the only campaigns that it may sign for; empty for all
	CreatedAt time.Time
	ExpiresAt time.Time // zero for never
	Salt      [16]byte

	Namespace string
	secret    Secret
}

// Signs reports whether the key may sign for a campaign at a time.
func (k *Key) Signs(campaign []byte, now time.Time) bool {
	if !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return false
	}
	return len(k.Campaigns) == 0 || slices.ContainsFunc(k.Campaigns, func(c string) bool { return c == string(campaign) })
}

// NewKey gives a key an id and a salt from crypto/rand.
func NewKey() *Key {
	k := &Key{}
	for k.ID == 0 {
		var b [8]byte
		rand.Read(b[:]) // never fails: the process ends when the system has no randomness
		for _, x := range b {
			k.ID = k.ID<<8 | uint64(x)
		}
	}
	rand.Read(k.Salt[:])
	return k
}

var secretEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Derive returns the text of the key's secret: HMAC-SHA-256 under the cluster key over the namespace, the id and the salt.
func (k *Key) Derive(clusterKey [32]byte, namespace string) string {
	h := hmac.New(sha256.New, clusterKey[:])
	fmt.Fprintf(h, "drawd ticket key 1\x00%s\x00%s\x00%x", namespace, FormatID(k.ID), k.Salt)
	return "dt_" + secretEncoding.EncodeToString(h.Sum(nil))
}

// stored is the document of a key. Field names are on disk.
type stored struct {
	Format    int      `json:"format"`
	Name      string   `json:"name"`
	Campaigns []string `json:"campaigns,omitempty"`
	CreatedMS int64    `json:"created_ms"`
	ExpiresMS int64    `json:"expires_ms,omitempty"`
	Salt      string   `json:"salt"`
}

// Encode returns the body of the key's document.
func (k *Key) Encode() []byte {
	s := stored{documentFormat, k.Name, k.Campaigns, k.CreatedAt.UnixMilli(), 0, hex.EncodeToString(k.Salt[:])}
	if !k.ExpiresAt.IsZero() {
		s.ExpiresMS = k.ExpiresAt.UnixMilli()
	}
	body, err := json.Marshal(&s)
	if err != nil {
		panic("BUG: ticket: a key cannot be encoded: " + err.Error())
	}
	return body
}

// DecodeKey reads the document "ticket-key/<id>".
func DecodeKey(id string, body []byte) (*Key, error) {
	var s stored
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("ticket: key %s: %w", id, err)
	}
	k := &Key{Name: s.Name, Campaigns: s.Campaigns, CreatedAt: time.UnixMilli(s.CreatedMS).UTC()}
	var ok bool
	salt, err := hex.DecodeString(s.Salt)
	if k.ID, ok = ParseID(id); !ok || s.Format != documentFormat || err != nil || len(salt) != len(k.Salt) {
		return nil, fmt.Errorf("ticket: key %s has format %d, or no salt or id; this version of drawd reads format %d", id, s.Format, documentFormat)
	}
	k.Salt = [16]byte(salt)
	if s.ExpiresMS != 0 {
		k.ExpiresAt = time.UnixMilli(s.ExpiresMS).UTC()
	}
	return k, nil
}

// Source is where keys stand. *engine.Engine is one.
type Source interface {
	DocumentsRevision() uint64 // moves with every change of any document
	Namespaces() []*engine.Namespace
	Documents(ns engine.NamespaceRef, prefix string) []engine.Document
}

// DefaultRefreshEvery is how long a key that was deleted on another node may still be taken.
const DefaultRefreshEvery = 100 * time.Millisecond

// Options of a Ring; zero values mean the documented default.
type Options struct {
	Source       Source // needed
	ClusterKey   [32]byte
	Logger       *slog.Logger  // default: slog.Default
	RefreshEvery time.Duration // default DefaultRefreshEvery
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var faults []error
	if o.Source == nil {
		faults = append(faults, errors.New("ticket: Source is needed"))
	}
	if o.RefreshEvery < 0 {
		faults = append(faults, errors.New("ticket: RefreshEvery must not be negative"))
	}
	return errors.Join(faults...)
}

// Ring is the ticket keys of all namespaces.
type Ring struct {
	options Options
	keys    atomic.Pointer[keys]
	checked atomic.Int64 // UnixNano of the last look at the source
	mu      sync.Mutex   // of whoever rebuilds
}

// keys are all keys at one revision of the documents; immutable.
type keys struct {
	revision uint64
	byID     map[uint64]*Key
}

// NewRing returns a Ring with the keys that the source has now.
func NewRing(o Options) (*Ring, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.RefreshEvery == 0 {
		o.RefreshEvery = DefaultRefreshEvery
	}
	r := &Ring{options: o}
	r.keys.Store(&keys{})
	r.Refresh()
	return r, nil
}

// Find returns a key and checks nothing but that it is there. It allocates nothing unless keys have changed.
func (r *Ring) Find(id uint64, now time.Time) *Key {
	at, last := now.UnixNano(), r.checked.Load()
	if ago := at - last; ago < 0 || ago >= int64(r.options.RefreshEvery) {
		// Whoever moves the time looks; the others go on with what there is.
		if r.checked.CompareAndSwap(last, at) && r.options.Source.DocumentsRevision() != r.keys.Load().revision {
			r.Refresh()
		}
	}
	return r.keys.Load().byID[id]
}

// Refresh rebuilds the ring from the source. Who changed a key calls it before he answers.
func (r *Ring) Refresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	// The revision is read first: what changes while the documents are read is looked at again next time.
	next := &keys{revision: r.options.Source.DocumentsRevision(), byID: map[uint64]*Key{}}
	for _, ns := range r.options.Source.Namespaces() {
		for _, d := range r.options.Source.Documents(ns.Ref(), DocumentPrefix) {
			id := strings.TrimPrefix(d.Name, DocumentPrefix)
			k, err := DecodeKey(id, d.Body)
			if err != nil {
				r.options.Logger.Error("a ticket key cannot be read, and its tickets are refused", "key", id, "namespace", ns.Name(), "error", err)
				continue
			}
			if _, taken := next.byID[k.ID]; taken {
				r.options.Logger.Error("a ticket key of two namespaces: it is the older one's", "key", id, "namespace", ns.Name())
				continue
			}
			k.Namespace, k.secret = ns.Name(), NewSecret(k.Derive(r.options.ClusterKey, ns.Name()))
			next.byID[k.ID] = k
		}
	}
	r.keys.Store(next)
}

// Check opens a ticket and checks its signature, and reads it. now is the node's clock: for keys that expire.
func (r *Ring) Check(text []byte, t *Ticket, arena []byte, now time.Time) (k *Key, out []byte, reason Reason) {
	if reason := t.Open(text); reason != OK {
		return nil, arena, reason
	}
	k = r.Find(t.Key, now)
	if k == nil {
		t.Signed(&Secret{}) // takes as long
		return nil, arena, Unsigned
	}
	if !t.Signed(&k.secret) {
		return nil, arena, Unsigned
	}
	if arena, reason = t.Read(arena); reason != OK {
		return nil, arena, reason
	}
	if !k.Signs(t.Campaign, now) {
		return nil, arena, Unsigned
	}
	return k, arena, OK
}
