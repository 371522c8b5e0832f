package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crew is a cluster of real processes.
type crew struct {
	t       testing.TB
	dir     string
	raft    map[string]string // node id → address
	nodes   map[string]*daemon
	founded []string
}

// newCrew founds a cluster of nodes n1 … nN, under certificates.
func newCrew(t testing.TB, n int) *crew {
	t.Helper()
	c := &crew{t: t, dir: t.TempDir(), raft: map[string]string{}, nodes: map[string]*daemon{}}
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.raft[id] = ln.Addr().String()
	_ = ln.Close()
	runs(c.t, 0, "cluster", "ca", "issue", "--ca", c.path("pki"), "--node-id", id, "--host", "127.0.0.1", "--out", c.path("pki"))
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
	d := launch(c.t, c.path(id), append([]string{"--node-id", id, "--raft", c.raft[id],
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

// Three processes found a cluster, decide together, are killed one after the other and all at once, and come back without
// the flags they were founded with.
func TestClusterLife(t *testing.T) {
	c := newCrew(t, 3)
	leader := c.leader()
	c.nodes[leader].client(0, "campaign", "publish", "-f", flashSale)
	bodies := map[string]string{}
	for i := range 20 {
		user := fmt.Sprint("u", i)
		bodies[user] = c.drawSomewhere(user)
	}
	c.alike()
	c.nodes[leader].kill()
	bodies["orphan"] = c.drawSomewhere("orphan")
	c.start(leader)
	c.alike()
	for _, d := range c.nodes {
		d.kill()
	}
	for _, id := range c.founded {
		c.begin(id)
	}
	for _, id := range c.founded {
		c.nodes[id].ready()
	}
	for user, body := range bodies {
		if again := c.drawSomewhere(user); again != body {
			t.Fatalf("%s was answered\n%s\nand now\n%s", user, body, again)
		}
	}
	c.alike()
	// A stranger founds nothing beside them, and cannot come in.
	c.prepare("n4")
	d := c.begin("n4", "--bootstrap-expect", "2", "--join", c.joins("n1"))
	if code := d.exit(); code != exitConflict {
		t.Errorf("a founder beside a running cluster ends with %d", code)
	}
	d = c.begin("n4", "--join", c.joins("n1", "n2", "n3"), "--join-token", "dj_nonsense")
	if code := d.exit(); code != exitAuth {
		t.Errorf("a node without a token ends with %d", code)
	}
	delete(c.nodes, "n4")
	// One with another authority is no node at all.
	runs(t, 0, "cluster", "ca", "create", "--out", c.path("other"))
	runs(t, 0, "cluster", "ca", "issue", "--ca", c.path("other"), "--node-id", "n5", "--host", "127.0.0.1", "--out", c.path("other"))
	raw, err := net.Dial("tcp", c.raft["n1"])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write(bytes.Repeat([]byte{1}, 64)); err != nil {
		t.Fatal(err)
	}
	for id := range c.nodes {
		c.nodes[id].signal(15)
	}
	for id := range c.nodes {
		if code := c.nodes[id].exit(); code != 0 {
			t.Errorf("%s ends with %d", id, code)
		}
	}
}
