package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/drawd/drawd/bench/proxy"
)

// crew is a cluster of daemons of our own, under certificates of an authority of its own.
type crew struct {
	env   *Environment
	dir   string
	nodes []*mate
	net   *netns         // nil: everything on loopback
	links *proxy.Network // between nodes; nil: they dial each other
}

// mate is one node of a crew.
type mate struct {
	*daemon
	id, raft string
	dialed   string // by the others: raft, or the proxy in front of it
	control  *control
	founding []string // flags of the first start
}

// status is what a node says of itself.
type status struct {
	Node    string `json:"node"`
	Ready   bool   `json:"ready"`
	Leader  bool   `json:"leader"`
	Term    uint64 `json:"term"`
	Applied uint64 `json:"applied"`
	Last    uint64 `json:"last"`
	Running string `json:"running_hash"`
}

// newCrew founds a cluster of n nodes and returns when all of them are ready. With space each node lives in a network
// namespace of its own.
func newCrew(ctx context.Context, env *Environment, n int, space bool) (_ *crew, err error) {
	return newCrewOver(ctx, env, n, space, nil)
}

// newCrewOver is newCrew with the nodes' connections to each other over proxies, which takes namespaces: they tell the nodes
// apart by their addresses.
func newCrewOver(ctx context.Context, env *Environment, n int, space bool, links *proxy.Network) (_ *crew, err error) {
	c := &crew{env: env, links: links}
	if c.dir, err = os.MkdirTemp(env.Dir, "drawd-crew-"); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove(env.Keep))
		}
	}()
	if space {
		if c.net, err = newNetns(n); err != nil {
			return nil, err
		}
	}
	if err := c.program("cluster", "ca", "create", "--out", filepath.Join(c.dir, "pki")); err != nil {
		return nil, err
	}
	var join []string
	for i := range n {
		m, err := c.prepare(i)
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, m)
		join = append(join, m.dialed)
	}
	for _, m := range c.nodes {
		m.founding = []string{"--bootstrap-expect", fmt.Sprint(n), "--join", strings.Join(join, ",")}
	}
	if err := c.startAll(ctx, c.nodes); err != nil {
		return nil, err
	}
	return c, c.makeKey(ctx)
}

// makeKey makes the key with which the bench speaks to nodes in namespaces. On loopback none is needed.
func (c *crew) makeKey(ctx context.Context) error {
	if c.net == nil {
		return nil
	}
	command := append(append([]string{"netns", "exec", c.net.names[0]}, c.env.Daemon[:len(c.env.Daemon)-1]...),
		"key", "create", "--name", "bench", "--scope", "admin,draw,read", "--admin-url", "http://127.0.0.1:7071", "-o", "json")
	var stderr strings.Builder
	make := exec.CommandContext(ctx, "ip", command...)
	make.Stderr = &stderr
	text, err := make.Output()
	var key struct {
		Secret string `json:"secret"`
	}
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err != nil || key.Secret == "" {
		return fmt.Errorf("bench: make a key: %v: %s%s", err, text, stderr.String())
	}
	for _, m := range c.nodes { // a node looks for new keys once in a while
		m.control.key = key.Secret
		for _, err := m.status(ctx); err != nil; _, err = m.status(ctx) {
			if e := pause(ctx, 20*time.Millisecond); e != nil {
				return errors.Join(e, err)
			}
		}
	}
	return nil
}

// program runs a command of the program under test.
func (c *crew) program(args ...string) error {
	command := append(append([]string{}, c.env.Daemon[:len(c.env.Daemon)-1]...), args...)
	if text, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("bench: %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return nil
}

// prepare gives a node addresses and a certificate.
func (c *crew) prepare(i int) (m *mate, err error) {
	m = &mate{id: fmt.Sprintf("n%d", i+1), daemon: &daemon{command: c.env.Daemon}}
	m.dir = filepath.Join(c.dir, m.id)
	m.logs = filepath.Join(c.dir, m.id+".log")
	host := "127.0.0.1"
	if c.net == nil {
		for _, a := range []*string{&m.api, &m.admin, &m.raft} {
			if *a, err = freeAddress(c.taken(m)...); err != nil {
				return nil, err
			}
		}
	} else {
		host = c.net.address(i)
		m.api, m.admin, m.raft = net.JoinHostPort(host, "7070"), net.JoinHostPort(host, "7071"), net.JoinHostPort(host, "7072")
		m.command = append([]string{"ip", "netns", "exec", c.net.names[i]}, m.command...)
		// Nobody else reaches a namespace. Loopback is served, too: a cluster without keys serves nothing else, and the first one
		// must be made.
		m.extra = []string{"--insecure", "--api", "0.0.0.0:7070", "--admin", "0.0.0.0:7071"}
	}
	pki, hosts := filepath.Join(c.dir, "pki"), host
	if m.dialed = m.raft; c.links != nil {
		if m.dialed, err = c.front(m); err != nil {
			return nil, err
		}
		hosts += "," + c.net.outside()
		m.extra = append(m.extra, "--raft-advertise", m.dialed)
	}
	if err := c.program("cluster", "ca", "issue", "--ca", pki, "--node-id", m.id, "--host", hosts, "--out", pki); err != nil {
		return nil, err
	}
	m.extra = append(m.extra, "--node-id", m.id, "--raft", m.raft, "--log-level", "info",
		"--peer-cert", filepath.Join(pki, m.id+".crt"), "--peer-key", filepath.Join(pki, m.id+".key"), "--peer-ca", filepath.Join(pki, "ca.crt"))
	m.control = newControl("http://"+m.api, "http://"+m.admin, "")
	m.control.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return m, os.MkdirAll(m.dir, 0o700)
}

// taken returns the addresses of all nodes so far, and of one more.
func (c *crew) taken(next *mate) (all []string) {
	for _, m := range append(c.nodes[:len(c.nodes):len(c.nodes)], next) {
		all = append(all, m.api, m.admin, m.raft)
	}
	return all
}

// front puts a proxy in front of a node and returns its address.
func (c *crew) front(m *mate) (string, error) {
	return c.links.Front(m.id, net.JoinHostPort(c.net.outside(), "0"),
		func() (net.Conn, error) { return net.DialTimeout("tcp", m.raft, 2*time.Second) },
		func(from net.Addr) string {
			for i := range c.net.names {
				if tcp, ok := from.(*net.TCPAddr); ok && tcp.IP.String() == c.net.address(i) {
					return fmt.Sprintf("n%d", i+1)
				}
			}
			return ""
		})
}

// startAll starts nodes beside each other and returns when all are ready.
func (c *crew) startAll(ctx context.Context, nodes []*mate) error {
	patient, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, m := range nodes {
		wg.Go(func() {
			args := m.extra
			if m.founding != nil {
				m.extra = append(append([]string{}, args...), m.founding...)
			}
			errs[i] = m.startMate(patient)
			m.extra, m.founding = args, nil
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// startMate starts a node's process and returns when it serves: it has heard of a leader then, and has what was answered before.
func (m *mate) startMate(ctx context.Context) error {
	c, err := m.launch()
	if err != nil {
		return err
	}
	var last error
	for {
		if _, err = m.status(ctx); err == nil || strings.Contains(c.last.String(), `"msg":"ready"`) {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if c.gone() {
			return fmt.Errorf("bench: %s ended before it served (%v): %s", m.id, c.err, lastWords(c.last.String()))
		}
		if e := pause(ctx, 5*time.Millisecond); e != nil {
			return fmt.Errorf("bench: %s does not serve: %w: %s", m.id, errors.Join(e, last), lastWords(c.last.String()))
		}
	}
}

// words is the end of what the node's process said.
func (m *mate) words() string {
	if c := m.current(); c != nil {
		return c.last.String()
	}
	return ""
}

// status asks a node where it stands.
func (m *mate) status(ctx context.Context) (s status, err error) {
	text, err := m.control.do(ctx, http.MethodGet, m.control.admin+"/admin/v1/cluster", nil, nil)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("bench: status of %s: %w", m.id, err)
	}
	return s, nil
}

// leader waits until one node leads and is ready, and returns it. Among several that believe so the newest term holds.
func (c *crew) leader(ctx context.Context) (*mate, error) {
	const patience = 30 * time.Second
	for begin := time.Now(); time.Since(begin) < patience; {
		var best *mate
		var term uint64
		for _, m := range c.nodes {
			if d := m.current(); d == nil || d.gone() {
				continue
			}
			short, cancel := context.WithTimeout(ctx, time.Second)
			s, err := m.status(short)
			cancel()
			if err == nil && s.Leader && s.Ready && s.Term >= term {
				best, term = m, s.Term
			}
		}
		if best != nil || ctx.Err() != nil {
			return best, ctx.Err()
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("bench: nobody leads after %v", patience)
}

// alike waits until all nodes have applied the same entries. It returns what they say when they do not come to that, or when
// their running hashes differ at one entry.
func (c *crew) alike(ctx context.Context) (fault string, err error) {
	const patience = 60 * time.Second
	for begin := time.Now(); ; {
		var said []string
		at, same, known := status{}, true, 0
		for _, m := range c.nodes {
			if d := m.current(); d != nil && d.gone() {
				return m.id + " ended by itself: " + lastWords(m.words()), nil
			}
			s, err := m.status(ctx)
			if err != nil {
				said = append(said, m.id+": "+err.Error())
				continue
			}
			said = append(said, fmt.Sprintf("%s: entry %d, hash %s", m.id, s.Applied, s.Running))
			if known++; known > 1 {
				same = same && s.Applied == at.Applied
				if s.Applied == at.Applied && s.Running != at.Running {
					return "the nodes differ: " + strings.Join(said, "; "), nil
				}
			}
			at = s
		}
		if known == len(c.nodes) && same {
			return "", nil
		}
		if time.Since(begin) > patience {
			return fmt.Sprintf("the nodes do not come to the same entry within %v: %s", patience, strings.Join(said, "; ")), nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// followers returns all nodes but one, in an order by chance.
func (c *crew) followers(leader *mate, rng *rand.Rand) (others []*mate) {
	for _, i := range rng.Perm(len(c.nodes)) {
		if c.nodes[i] != leader {
			others = append(others, c.nodes[i])
		}
	}
	return others
}

// signal sends a signal to the node's process.
func (m *mate) signal(s syscall.Signal) {
	if c := m.current(); c != nil {
		_ = c.cmd.Process.Signal(s) // it may have ended by itself, which the round finds out
	}
}

// remove ends what runs and removes what was made.
func (c *crew) remove(keep bool) error {
	for _, m := range c.nodes {
		m.signal(syscall.SIGCONT)
		m.kill()
	}
	var err error
	if c.links != nil {
		err = c.links.Close()
	}
	if c.net != nil {
		err = errors.Join(err, c.net.remove())
	}
	if keep {
		return err
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
