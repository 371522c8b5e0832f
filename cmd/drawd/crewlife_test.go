package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
	c.refuseStrangers()
	for id := range c.nodes {
		c.nodes[id].signal(syscall.SIGTERM)
	}
	for id := range c.nodes {
		if code := c.nodes[id].exit(); code != 0 {
			t.Errorf("%s ends with %d", id, code)
		}
	}
}

// refuseStrangers comes without a certificate, and with one of another authority and a good token: neither is let as far as a
// byte of a message (F17).
func (c *crew) refuseStrangers() {
	c.t.Helper()
	raw, err := net.Dial("tcp", c.raft["n1"])
	if err != nil {
		c.t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write(bytes.Repeat([]byte{1}, 64)); err != nil {
		c.t.Fatal(err)
	}
	runs(c.t, 0, "cluster", "ca", "create", "--out", c.path("other"))
	runs(c.t, 0, "cluster", "ca", "issue", "--ca", c.path("other"), "--node-id", "n5", "--host", "127.0.0.1", "--out", c.path("other"))
	var trusts []byte // it trusts n1, so that it is n1 that refuses
	for _, authority := range []string{"pki", "other"} {
		b, err := os.ReadFile(c.path(authority, "ca.crt"))
		if err != nil {
			c.t.Fatal(err)
		}
		trusts = append(trusts, b...)
	}
	if err := os.WriteFile(c.path("both.crt"), trusts, 0o600); err != nil {
		c.t.Fatal(err)
	}
	d := launch(c.t, c.path("n5"), "--node-id", "n5", "--raft", "127.0.0.1:0", "--peer-cert", c.path("other", "n5.crt"), "--peer-key", c.path("other", "n5.key"),
		"--peer-ca", c.path("both.crt"), "--join", c.joins("n1"), "--join-token", c.token("n1"))
	defer d.kill()
	for deadline := time.Now().Add(patience); ; {
		answer, err := http.Get(c.nodes["n1"].admin + "/metrics")
		if err != nil {
			c.t.Fatal(err)
		}
		page, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		none := regexp.MustCompile(`drawd_peer_refused_total\{why="(certificate|protocol)"\} 0\n`).FindAll(page, -1)
		if err == nil && len(none) == 0 {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the strangers were not refused: %s", none)
		}
	}
	out, _ := c.nodes["n1"].client(0, "cluster", "status")
	if strings.Contains(out, "n5") {
		c.t.Errorf("a node of another authority came in:\n%s", out)
	}
}

// TestRollingRestart: three nodes are stopped and started again, one after the other, while a program draws through the client
// with no settings but where the nodes are. No call fails, and nothing is drawn twice.
func TestRollingRestart(t *testing.T) {
	c := newCrew(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	all := callersOf(t, ctx, c, 8)
	for _, id := range c.founded {
		all.more(200)
		c.nodes[id].signal(syscall.SIGTERM)
		if code := c.nodes[id].exit(); code != 0 {
			t.Errorf("%s ends with %d", id, code)
		}
		c.start(id)
	}
	all.more(200)
	all.end()
	t.Logf("%d draws through three restarts, the longest took %v", all.answered.Load(), time.Duration(all.longest.Load()).Round(time.Millisecond))
	checkNothingTwice(t, ctx, all.client, all.all)
	c.alike()
	c.stop()
	for _, id := range c.founded {
		out, _ := runs(t, 0, "check", "--data", c.path(id))
		want(t, out, "clean\n")
	}
}

// stop ends all nodes in order.
func (c *crew) stop() {
	c.t.Helper()
	for _, d := range c.nodes {
		d.signal(syscall.SIGTERM)
	}
	for id, d := range c.nodes {
		if code := d.exit(); code != 0 {
			c.t.Errorf("%s ends with %d", id, code)
		}
	}
}

// token returns the secret of a new token.
func (c *crew) token(by string, flags ...string) string {
	c.t.Helper()
	out, _ := c.nodes[by].client(0, append([]string{"cluster", "token", "create", "-o", "json"}, flags...)...)
	var made tokenInfo
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		c.t.Fatal(err)
	}
	return made.Secret
}

// promote makes a node a voter as soon as it may be one.
func (c *crew) promote(by, node string) {
	c.t.Helper()
	var out []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var err error
		if out, err = drawd("cluster", "promote", node, "--reason", "caught up", "--admin-url", c.nodes[by].admin).CombinedOutput(); err == nil {
			return
		}
	}
	c.t.Fatalf("%s cannot be promoted: %s", node, out)
}

// A disk dies: its node cannot come back as what it was, and another one takes its place, with every answer that was given.
// Beside it an edge joins, which serves and never votes.
func TestLostDiskAndEdge(t *testing.T) {
	c := newCrew(t, 3)
	c.nodes["n1"].client(0, "campaign", "publish", "-f", flashSale)
	bodies := map[string]string{}
	for i := range 20 {
		user := fmt.Sprint("u", i)
		bodies[user] = c.drawSomewhere(user)
	}
	c.nodes["n2"].kill()
	if err := os.RemoveAll(c.path("n2")); err != nil {
		t.Fatal(err)
	}
	c.drawAt("n1", "between") // n2 may have led: from here on somebody else does, and n1 knows him
	lost := c.begin("n2", "--bootstrap-expect", "3", "--join", c.joins("n1", "n2", "n3"))
	if code := lost.exit(); code != exitConflict {
		t.Fatalf("a node that lost its disk ends with %d", code)
	}
	lost = c.begin("n2", "--join", c.joins("n1", "n3"), "--join-token", c.token("n1"))
	if code := lost.exit(); code != exitConflict {
		t.Fatalf("with a token it ends with %d", code)
	}
	delete(c.nodes, "n2")

	c.nodes["n3"].client(0, "cluster", "remove", "n2", "--reason", "its disk is dead")
	_, refused := c.nodes["n1"].client(exitConflict, "cluster", "add", "n2", "--reason", "the same again")
	want(t, refused, "was removed, and an id is used once")
	c.prepare("n4")
	c.start("n4", "--join", c.joins("n1", "n3"), "--join-token", c.token("n3"))
	c.promote("n1", "n4")
	c.prepare("e1")
	c.start("e1", "--join", c.joins("n1", "n3"), "--edge", "--join-token", c.token("n3", "--edge"))
	_, refused = c.nodes["n1"].client(exitConflict, "cluster", "promote", "e1", "--reason", "no")
	want(t, refused, "An edge never votes")
	out, _ := c.nodes["e1"].client(0, "cluster", "status")
	want(t, out, "e1 (this)  edge", "n4 ")

	// The edge and the new node answer for what was drawn before them, with the same bytes; and they draw.
	for _, id := range []string{"e1", "n4"} {
		for user, body := range bodies {
			if again := c.drawAt(id, user); again != body {
				t.Fatalf("%s answers\n%s\nit was\n%s", id, again, body)
			}
		}
		c.drawAt(id, "from-"+id)
	}
	// With the leader gone the three voters that are left are two, and go on.
	leader := c.leader()
	c.nodes[leader].kill()
	c.drawAt("e1", "after")
	if c.view("e1").Leader {
		t.Error("the edge leads")
	}
	c.alike()
}

// drawAt draws at one node, which may take a moment to find the leader.
func (c *crew) drawAt(id, user string) string {
	c.t.Helper()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		status, body, err := draw(c.nodes[id].api, user)
		if err == nil && status == 200 {
			return body
		}
		last = fmt.Sprint(status, " ", body, " ", errors.Join(err))
	}
	c.t.Fatalf("%s does not draw for %s: %s", id, user, last)
	return ""
}

// A node that ran alone becomes the first of several, with everything it has answered; and its certificate is renewed while it
// runs.
func TestOneBecomesTwo(t *testing.T) {
	c := &crew{t: t, dir: t.TempDir(), raft: map[string]string{}, api: map[string]string{}, nodes: map[string]*daemon{}}
	runs(t, 0, "cluster", "ca", "create", "--out", c.path("pki"))
	alone := serve(t, c.path("n1"), "--node-id", "n1")
	alone.client(0, "campaign", "publish", "-f", flashSale)
	_, before, err := draw(alone.api, "u1")
	if err != nil {
		t.Fatal(err)
	}
	_, refused := alone.client(exitConflict, "cluster", "token", "create")
	want(t, refused, "This node runs alone: start it with --raft")
	alone.signal(syscall.SIGTERM)
	alone.exit()
	c.prepare("n1")
	c.prepare("n2")
	c.start("n1")
	c.start("n2", "--join", c.joins("n1"), "--join-token", c.token("n1", "--node", "n2"))
	if after := c.drawAt("n2", "u1"); after != before {
		t.Errorf("n2 answers\n%s\nn1 answered alone\n%s", after, before)
	}
	c.promote("n1", "n2")

	runs(t, 0, "cluster", "ca", "issue", "--ca", c.path("pki"), "--node-id", "n1", "--host", "127.0.0.1", "--out", c.path("new"))
	for _, name := range []string{"n1.crt", "n1.key"} {
		if err := os.Rename(c.path("new", name), c.path("pki", name)); err != nil {
			t.Fatal(err)
		}
	}
	c.nodes["n1"].signal(syscall.SIGHUP)
	c.nodes["n1"].event("the certificates between nodes were read")
	c.drawAt("n1", "u2")
	c.alike()
	c.newcomerKnowsTheKeys()
	c.stop()
}

// newcomerKnowsTheKeys joins a node to a cluster that has API keys: from its first answer on it asks for one.
func (c *crew) newcomerKnowsTheKeys() {
	c.t.Helper()
	out, _ := c.nodes["n1"].client(0, "key", "create", "--name", "ops", "--scope", "admin", "-o", "json")
	var key keyInfo
	if err := json.Unmarshal([]byte(out), &key); err != nil {
		c.t.Fatal(err)
	}
	c.prepare("n3")
	d := c.begin("n3", "--join", c.joins("n1"), "--join-token", c.token("n1", "--api-key", key.Secret))
	for deadline := time.Now().Add(patience); ; {
		answer, err := http.Get("http://" + c.api["n3"] + "/v1/campaigns/flash-sale")
		if err == nil {
			_ = answer.Body.Close()
		}
		switch {
		case err != nil || answer.StatusCode == http.StatusServiceUnavailable: // starting
		case answer.StatusCode == http.StatusUnauthorized:
			d.ready()
			return
		default:
			c.t.Fatalf("without a key the newcomer answers %s", answer.Status)
		}
		if time.Now().After(deadline) {
			c.t.Fatal("the newcomer does not come up")
		}
	}
}
