package join

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Bounds of tokens.
const (
	MaxTokens     = 64 // that are neither used nor expired
	MinTokenLife  = time.Minute
	MaxTokenLife  = 7 * 24 * time.Hour
	tokenIDBytes  = 8
	tokenPrefix   = "dj_"
	tokenDocument = "join-token/"
)

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Token lets one node in, once.
type Token struct {
	ID        string
	Node      string // the only node it lets in; empty for any
	Edge      bool   // it lets an edge in only
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedBy    string // empty while it is not used

	hash [sha256.Size]byte
}

// newToken makes the id and the secret of a token. The secret is shown once and never stored.
func newToken(entropy io.Reader) (t *Token, secret string, err error) {
	var raw [tokenIDBytes + 32]byte
	if _, err := io.ReadFull(entropy, raw[:]); err != nil {
		return nil, "", fmt.Errorf("join: make a token: %w", err)
	}
	secret = tokenPrefix + tokenEncoding.EncodeToString(raw[tokenIDBytes:])
	return &Token{ID: hex.EncodeToString(raw[:tokenIDBytes]), hash: sha256.Sum256([]byte(secret))}, secret, nil
}

// validTokenID reports whether id has the form that newToken gives.
func validTokenID(id string) bool {
	return len(id) == 2*tokenIDBytes && strings.Trim(id, "0123456789abcdef") == ""
}

// live reports whether the token may still let somebody in.
func (t *Token) live(now time.Time) bool { return t.UsedBy == "" && now.Before(t.ExpiresAt) }

// storedToken is the document of a token. Field names are on disk.
type storedToken struct {
	Format    int    `json:"format"`
	Hash      string `json:"sha256"`
	Node      string `json:"node,omitempty"`
	Edge      bool   `json:"edge,omitempty"`
	CreatedMS int64  `json:"created_ms"`
	ExpiresMS int64  `json:"expires_ms"`
	UsedBy    string `json:"used_by,omitempty"`
}

func (t *Token) encode() []byte {
	return encode(storedToken{
		Format: format, Hash: hex.EncodeToString(t.hash[:]), Node: t.Node, Edge: t.Edge,
		CreatedMS: t.CreatedAt.UnixMilli(), ExpiresMS: t.ExpiresAt.UnixMilli(), UsedBy: t.UsedBy,
	})
}

func decodeToken(id string, body []byte) (*Token, error) {
	var s storedToken
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("join: token %s: %w", id, err)
	}
	hash, err := hex.DecodeString(s.Hash)
	if s.Format != format || err != nil || len(hash) != sha256.Size {
		return nil, fmt.Errorf("join: token %s cannot be read by this version of drawd", id)
	}
	return &Token{
		ID: id, Node: s.Node, Edge: s.Edge, UsedBy: s.UsedBy, hash: [sha256.Size]byte(hash),
		CreatedAt: time.UnixMilli(s.CreatedMS).UTC(), ExpiresAt: time.UnixMilli(s.ExpiresMS).UTC(),
	}, nil
}

// memberDocument begins the name of what is remembered of a node.
const memberDocument = "member/"

// standing is what the cluster remembers of a node beside raft's list. Field names are on disk. A founder has none until it
// is removed.
type standing struct {
	Format    int    `json:"format"`
	Edge      bool   `json:"edge,omitempty"`
	Disk      string `json:"disk,omitempty"`       // of the data directory that was let in; empty while it is expected
	JoinedMS  int64  `json:"joined_ms,omitempty"`  // when it was let in
	RemovedMS int64  `json:"removed_ms,omitempty"` // when it was removed: it never comes back
}

func decodeStanding(node string, body []byte) (*standing, error) {
	s := new(standing)
	if err := json.Unmarshal(body, s); err != nil || s.Format != format {
		return nil, fmt.Errorf("join: what is remembered of node %s cannot be read by this version of drawd", node)
	}
	return s, nil
}
