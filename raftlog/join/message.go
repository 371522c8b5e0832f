package join

import (
	"encoding/json"
	"fmt"

	"github.com/drawd/drawd/engine/problem"
)

// format is the version of everything that nodes say here. A node refuses a newer one; fields may be added without a new one.
const format = 1

// Bounds of what is said.
const (
	MaxFounders  = 7
	maxAddresses = 64
	maxAddress   = 255
	maxNode      = 63
	maxDisk      = 32
)

// Seat is a node, where it is reached, and which data directory it is on.
type Seat struct {
	Node    string `json:"node"`
	Address string `json:"address"`
	// Disk is made by chance for each empty data directory. A node that lost its disk, and with it what it voted, has
	// another one, so that it is not taken for the node that it was.
	Disk string `json:"disk"`
}

// The wishes of a hello.
const (
	wantFound = "found"
	wantJoin  = "join"
)

// hello is the question of peer.CallHello. Its JSON is on the wire.
type hello struct {
	Format int    `json:"format"`
	Want   string `json:"want"`
	Seat
	Expect   int    `json:"expect,omitempty"`   // founders
	Promised []Seat `json:"promised,omitempty"` // in the order of ids
	Token    string `json:"token,omitempty"`
	Edge     bool   `json:"edge,omitempty"` // never to vote
}

// welcome is the answer.
type welcome struct {
	Format int `json:"format"`
	Seat
	Expect   int    `json:"expect,omitempty"`
	Promised []Seat `json:"promised,omitempty"` // of a founder
	Running  bool   `json:"running,omitempty"`  // it has a log
	Key      []byte `json:"key,omitempty"`      // the cluster's, for whom it may have it
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: join: a message cannot be encoded: " + err.Error())
	}
	return b
}

// decodeHello reads a question. proven is who the line says it comes from, "" when it proves nothing.
func decodeHello(proven string, body []byte) (*hello, error) {
	h := new(hello)
	if err := json.Unmarshal(body, h); err != nil {
		return nil, problem.New(problem.BadJSON, "the question cannot be read")
	}
	if err := checkMessage(h.Format, h.Seat, h.Promised); err != nil {
		return nil, err
	}
	if proven != "" && proven != h.Node {
		return nil, problem.New(problem.Forbidden, fmt.Sprintf("the certificate is node %q's, and the question says that it is %q", proven, h.Node))
	}
	return h, nil
}

func decodeWelcome(body []byte) (*welcome, error) {
	w := new(welcome)
	if err := json.Unmarshal(body, w); err != nil {
		return nil, fmt.Errorf("join: the answer cannot be read: %w", err)
	}
	if err := checkMessage(w.Format, w.Seat, w.Promised); err != nil {
		return nil, err
	}
	if len(w.Key) != 0 && len(w.Key) != keyBytes {
		return nil, fmt.Errorf("join: %s gave a key of %d bytes", w.Node, len(w.Key))
	}
	return w, nil
}

// keyBytes is the size of a cluster key.
const keyBytes = 32

func checkMessage(version int, from Seat, promised []Seat) error {
	switch {
	case version != format:
		return problem.New(problem.Conflict, fmt.Sprintf("another version of drawd speaks format %d, this one %d", version, format))
	case from.Node == "" || len(from.Node) > maxNode || from.Address == "" || len(from.Address) > maxAddress || len(from.Disk) > maxDisk:
		return problem.New(problem.InvalidField, "a node must say who it is and where")
	case len(promised) > MaxFounders:
		return problem.New(problem.InvalidField, "too many founders")
	}
	return nil
}
