package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/internal/freeport"
)

// crew is a cluster of real processes.
type crew struct {
	t       testing.TB
	dir     string
	ports   *freeport.Ports
	raft    map[string]string // node id → address
	api     map[string]string
	nodes   map[string]*daemon
	founded []string
	build   map[string]string // the programs of nodes that are another build
}

// newCrew founds a cluster of nodes n1 … nN, under certificates.
func newCrew(t testing.TB, n int) *crew { return newCrewOf(t, n, nil) }

// newCrewOf is newCrew with nodes of other builds.
func newCrewOf(t testing.TB, n int, build map[string]string) *crew {
	t.Helper()
	c := &crew{t: t, dir: t.TempDir(), raft: map[string]string{}, api: map[string]string{}, nodes: map[string]*daemon{}, build: build}
	runs(t, 0, "cluster", "ca", "create", "--out", c.path("pki"))
	for i := range n {
		c.founded = append(c.founded, fmt.Sprint("n", i+1))
	}
	for _, id := range c.founded {
		c.prepare(id)
	}
	for _, id := range c.founded {
		c.begin(id, "--bootstrap-expect", fmt.Sprint(n), "--join", c.joins(c.founded...))
	}
	for _, id := range c.founded { // one is ready when all are there
		c.nodes[id].ready()
	}
	return c
}

func (c *crew) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// prepare gives a node an address and a certificate.
func (c *crew) prepare(id string) {
	c.t.Helper()
	if c.ports == nil {
		c.ports = claimed(c.t)
	}
	for _, of := range []map[string]string{c.raft, c.api} {
		free, err := c.ports.Free()
		if err != nil {
			c.t.Fatal(err)
		}
		of[id] = free
	}
	runs(c.t, 0, "cluster", "ca", "issue", "--ca", c.path("pki"), "--node-id", id, "--host", "127.0.0.1", "--out", c.path("pki"))
}

// claimed returns ports that nobody else gets while the test runs.
func claimed(t testing.TB) *freeport.Ports {
	t.Helper()
	p, err := freeport.Claim()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func (c *crew) joins(ids ...string) string {
	var all []string
	for _, id := range ids {
		all = append(all, c.raft[id])
	}
	return strings.Join(all, ",")
}

// begin starts a node's process and does not wait for it.
func (c *crew) begin(id string, flags ...string) *daemon {
	c.t.Helper()
	path := c.build[id]
	if path == "" {
		path = os.Args[0]
	}
	d := launchAs(c.t, path, c.path(id), append([]string{"--node-id", id, "--raft", c.raft[id], "--api", c.api[id],
		"--peer-cert", c.path("pki", id+".crt"), "--peer-key", c.path("pki", id+".key"), "--peer-ca", c.path("pki", "ca.crt")}, flags...)...)
	c.nodes[id] = d
	return d
}

// start starts a node again, which needs no more than its address and certificates.
func (c *crew) start(id string, flags ...string) *daemon {
	c.t.Helper()
	d := c.begin(id, flags...)
	d.ready()
	return d
}

// view is what a node says of itself.
type view struct {
	Cluster, Node string
	Ready, Leader bool
	Term, Applied uint64
	RunningHash   string `json:"running_hash"`
	Level         uint32
}

func (c *crew) view(id string) (v view) {
	c.t.Helper()
	out, _ := c.nodes[id].client(0, "cluster", "status", "-o", "json")
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		c.t.Fatal(err)
	}
	return v
}

// leader waits until one of the running nodes leads.
func (c *crew) leader() string {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		for id, d := range c.nodes {
			select {
			case <-d.exited:
				continue
			default:
			}
			if c.view(id).Leader {
				return id
			}
		}
	}
	c.t.Fatal("nobody leads")
	return ""
}

// alike waits until all running nodes have applied the same entries, and fails when their hashes differ.
func (c *crew) alike() {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		hashes := map[uint64]map[string]bool{}
		n := 0
		for id, d := range c.nodes {
			select {
			case <-d.exited:
				continue
			default:
			}
			v := c.view(id)
			if hashes[v.Applied] == nil {
				hashes[v.Applied] = map[string]bool{}
			}
			hashes[v.Applied][v.RunningHash] = true
			n++
		}
		for index, seen := range hashes {
			if len(seen) > 1 {
				c.t.Fatalf("the nodes differ at entry %d: %v", index, seen)
			}
		}
		if len(hashes) == 1 {
			return
		}
	}
	c.t.Fatal("the nodes do not come to the same entry")
}

// drawSomewhere draws at whichever node takes it.
func (c *crew) drawSomewhere(user string) string {
	c.t.Helper()
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		for _, d := range c.nodes {
			select {
			case <-d.exited:
				continue
			default:
			}
			status, body, err := draw(d.api, user)
			if err == nil && status == http.StatusOK {
				return body
			}
			last = fmt.Sprint(status, " ", body, err)
		}
	}
	c.t.Fatalf("no node draws for %s: %s", user, last)
	return ""
}
