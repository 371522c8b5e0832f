package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
)

// DocumentPrefix stands before a key's id in the name of its document.
const DocumentPrefix = engine.KeyDocument

// Bounds of a key.
const (
	MaxKeyNameBytes = 128
	MaxKeyCampaigns = 256
	MaxKeyPrefixes  = 64
	MaxKeySources   = 64
	MaxKeys         = 4096 // of one namespace
)

// documentFormat is the version of the stored form. Append-only: a node refuses a key of a newer format.
const documentFormat = 1

const secretPrefix = "dk_"

// secretBytes is the length of a secret: the prefix and 32 random bytes in base32 without padding.
const secretBytes = len(secretPrefix) + (32*8+4)/5

var secretEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Key is an API key as it is stored: everything but the secret. It is immutable once it is in a Gate.
type Key struct {
	ID        string
	Namespace string // the namespace whose document it is
	Name      string // for people
	Person    string // whose key it is; by default its id, as if each key were somebody else's
	Scopes    Scope
	Campaigns []string       // the only campaigns it may touch, or with "*" at its end those that begin so; empty for all
	Sources   []string       // of chances: the only ones it may grant from; empty for all
	MaxAmount uint32         // of chances in one grant; 0 for no bound
	CIDR      []netip.Prefix // the only addresses it may come from; empty for all
	ExpiresAt time.Time      // zero for never
	CreatedAt time.Time
	Rate      Rate
	Hash      [sha256.Size]byte // of the secret

	limiter *limiter
	actor   string
}

// NewSecret makes the id and the secret of a new key from crypto/rand. The secret is shown once and never stored.
func NewSecret() (id, secret string, hash [sha256.Size]byte) {
	var raw [32]byte
	rand.Read(raw[:]) // never fails: the process ends when the system has no randomness
	secret = secretPrefix + secretEncoding.EncodeToString(raw[:])
	var name [8]byte
	rand.Read(name[:])
	return hex.EncodeToString(name[:]), secret, sha256.Sum256([]byte(secret))
}

// ParseKeyID reports whether id has the form that NewSecret gives.
func ParseKeyID(id string) bool {
	if len(id) != 16 {
		return false
	}
	return strings.Trim(id, "0123456789abcdef") == ""
}

// Actor is how the key is named in records.
func (k *Key) Actor() string { return k.actor }

// Holder is what the log must know of a key to decide approvals: nil for one whose making needs none. Keys that pay out need
// a second person as admins' do, and approve nothing; nor do keys that are limited to campaigns.
func (k *Key) Holder() *engine.Holder {
	if k.Scopes&(ScopeAdmin|ScopePayout) == 0 {
		return nil
	}
	h := &engine.Holder{Actor: actorPrefix + k.ID, Person: k.Person, Approves: k.Scopes&ScopeAdmin != 0 && len(k.Campaigns) == 0}
	if !k.ExpiresAt.IsZero() {
		h.Until = engine.UnixMilli(k.ExpiresAt.UnixMilli())
	}
	return h
}

// actorPrefix stands before a key's id where records name who acted.
const actorPrefix = "key:"

// AllowsCampaign reports whether the key may touch the campaign.
func (k *Key) AllowsCampaign(id []byte) bool {
	if len(k.Campaigns) == 0 {
		return true
	}
	for _, c := range k.Campaigns {
		if c == string(id) {
			return true
		}
		if n := len(c) - len(anyEnd); n > 0 && c[n:] == anyEnd && len(id) >= n && string(id[:n]) == c[:n] {
			return true
		}
	}
	return false
}

// anyEnd, at the end of a key's campaign, stands for any end of an id. Ids cannot hold it, so a node that does not know it lets such a
// key touch nothing.
const anyEnd = "*"

// ValidCampaign reports whether text can stand among a key's campaigns: an id, or the beginning of ids with "*" behind it.
func ValidCampaign(text string) bool { return names.ID(strings.TrimSuffix(text, anyEnd)) }

// AllowsGrant reports whether the asker may grant so many chances from the source, or take back what it granted.
func (g *Grant) AllowsGrant(source string, amount uint32) bool {
	if g.Key == nil {
		return true
	}
	return (g.Key.MaxAmount == 0 || amount <= g.Key.MaxAmount) && (len(g.Key.Sources) == 0 || slices.Contains(g.Key.Sources, source))
}

func (k *Key) expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// storedKey is the document of a key. Field names are on disk.
type storedKey struct {
	Format    int      `json:"format"`
	Name      string   `json:"name"`
	Person    string   `json:"person,omitempty"`
	Scopes    []string `json:"scopes"`
	Campaigns []string `json:"campaigns,omitempty"`
	Sources   []string `json:"sources,omitempty"`
	MaxAmount uint32   `json:"max_amount,omitempty"`
	CIDR      []string `json:"cidr,omitempty"`
	ExpiresMS int64    `json:"expires_ms,omitempty"`
	CreatedMS int64    `json:"created_ms"`
	Rate      *Rate    `json:"rate,omitempty"`
	Hash      string   `json:"sha256"`
}

// Encode returns the body of the key's document.
func (k *Key) Encode() []byte {
	s := storedKey{
		Format: documentFormat, Name: k.Name, Scopes: k.Scopes.Names(), Campaigns: k.Campaigns,
		Sources: k.Sources, MaxAmount: k.MaxAmount, CreatedMS: k.CreatedAt.UnixMilli(), Hash: hex.EncodeToString(k.Hash[:]),
	}
	for _, p := range k.CIDR {
		s.CIDR = append(s.CIDR, p.String())
	}
	if k.Person != k.ID {
		s.Person = k.Person
	}
	if !k.ExpiresAt.IsZero() {
		s.ExpiresMS = k.ExpiresAt.UnixMilli()
	}
	if k.Rate != (Rate{}) {
		s.Rate = &k.Rate
	}
	body, err := json.Marshal(&s)
	if err != nil {
		panic("BUG: access: a key cannot be encoded: " + err.Error())
	}
	return body
}

// DecodeKey parses the document "key/<id>" of a namespace.
func DecodeKey(namespace, id string, body []byte) (*Key, error) {
	var s storedKey
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("access: key %s: %w", id, err)
	}
	if s.Format != documentFormat {
		return nil, fmt.Errorf("access: key %s has format %d, this version of drawd reads %d", id, s.Format, documentFormat)
	}
	k := &Key{ID: id, Namespace: namespace, Name: s.Name, Person: s.Person, Campaigns: s.Campaigns, actor: actorPrefix + id}
	if k.Person == "" {
		k.Person = id
	}
	k.Sources, k.MaxAmount = s.Sources, s.MaxAmount
	for _, name := range s.Scopes {
		scope, ok := ParseScope(name)
		if !ok {
			return nil, fmt.Errorf("access: key %s has the unknown scope %q", id, name)
		}
		k.Scopes |= scope
	}
	for _, text := range s.CIDR {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("access: key %s: %w", id, err)
		}
		k.CIDR = append(k.CIDR, p)
	}
	hash, err := hex.DecodeString(s.Hash)
	if err != nil || len(hash) != len(k.Hash) {
		return nil, fmt.Errorf("access: key %s has no SHA-256", id)
	}
	k.Hash = [sha256.Size]byte(hash)
	k.CreatedAt = time.UnixMilli(s.CreatedMS).UTC()
	if s.ExpiresMS != 0 {
		k.ExpiresAt = time.UnixMilli(s.ExpiresMS).UTC()
	}
	if s.Rate != nil {
		k.Rate = *s.Rate
	}
	return k, nil
}

// allowsPeer reports whether the key may be used from the address.
func (k *Key) allowsPeer(peer netip.Addr) bool {
	if len(k.CIDR) == 0 {
		return true
	}
	peer = peer.Unmap().WithZone("")
	return slices.ContainsFunc(k.CIDR, func(p netip.Prefix) bool { return p.Contains(peer) })
}
