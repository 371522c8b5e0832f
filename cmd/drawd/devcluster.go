package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/drawd/drawd/internal/freeport"
	"github.com/drawd/drawd/raftlog/peer/mtls"
)

const (
	// comeBack is how long a node that was killed stays away: long enough to see what the others do.
	comeBack = 5 * time.Second
	// devReady is how long the nodes of a dev cluster may take to found it.
	devReady = 30 * time.Second
)

// devNode is one process of a dev cluster.
type devNode struct {
	id, dir, raft, api, admin string // api and admin: addresses to listen on, once it is ready URLs
	flags                     []string

	cmd   *exec.Cmd
	stdin io.Closer // the process ends with it
	ready chan map[string]string
	gone  chan error
	mu    struct {
		sync.Mutex
		last string // what it wrote last, for a message when it fails
	}
}

// devCluster runs nodes in processes of their own until it is told to stop, and throws them away.
func (a *app) devCluster(ctx context.Context, n int, api, admin string) (err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "drawd-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ports, err := freeport.Claim()
	if err != nil {
		return err
	}
	defer ports.Close()
	nodes, err := planDev(dir, n, api, admin, ports)
	if err != nil {
		return err
	}
	defer func() {
		for _, d := range nodes {
			d.kill()
		}
	}()
	for _, d := range nodes {
		if err := d.start(); err != nil {
			return err
		}
	}
	deadline := time.After(devReady)
	for _, d := range nodes {
		select {
		case <-a.signals:
			return nil
		case <-deadline:
			return fmt.Errorf("the nodes did not come together within %v; the log of each is in %s", devReady, dir)
		case why := <-d.gone:
			return fmt.Errorf("%s did not start: %s (%w)", d.id, d.said(), why)
		case at := <-d.ready:
			d.api, d.admin = at["api"], at["admin"]
			d.settle()
		}
	}
	leader, first, err := beginDev(ctx, nodes)
	if err != nil {
		return fmt.Errorf("the first draw: %w", err)
	}
	if err := a.welcomeCluster(nodes, leader, dir, first, time.Since(began)); err != nil {
		return err
	}
	return a.watchDev(nodes, dir)
}

// planDev makes the certificates and chooses the addresses.
func planDev(dir string, n int, api, admin string, ports *freeport.Ports) ([]*devNode, error) {
	authority, certificate, _, err := mtls.NewAuthority(time.Now(), 24*time.Hour)
	if err != nil {
		return nil, err
	}
	ca := filepath.Join(dir, authorityCertificate)
	if err := writeNew(ca, certificate); err != nil {
		return nil, err
	}
	var nodes []*devNode
	var joins []string
	for i := range n {
		d := &devNode{id: fmt.Sprint("n", i+1), dir: dir}
		if d.api, err = shifted(api, 10*i); err == nil {
			d.admin, err = shifted(admin, 10*i)
		}
		if err == nil {
			d.raft, err = ports.Free()
		}
		if err != nil {
			return nil, err
		}
		joins = append(joins, d.raft)
		certificate, key, err := authority.Issue(d.id, []string{"127.0.0.1"}, time.Now(), 23*time.Hour)
		if err == nil {
			err = writePair(dir, d.id+".crt", certificate, d.id+".key", key)
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, d)
	}
	for _, d := range nodes {
		d.flags = []string{"serve", "--data", filepath.Join(dir, d.id), "--node-id", d.id, "--api", d.api, "--admin", d.admin, "--raft", d.raft,
			"--peer-cert", filepath.Join(dir, d.id+".crt"), "--peer-key", filepath.Join(dir, d.id+".key"), "--peer-ca", ca,
			"--join", strings.Join(joins, ","), "--bootstrap-expect", strconv.Itoa(n), "--stop-with-stdin"}
	}
	return nodes, nil
}

// settle keeps the ports that the system chose: the node is found again where it was.
func (d *devNode) settle() {
	for i, flag := range d.flags {
		switch flag {
		case "--api":
			d.flags[i+1] = strings.TrimPrefix(d.api, "http://")
		case "--admin":
			d.flags[i+1] = strings.TrimPrefix(d.admin, "http://")
		}
	}
}

// shifted adds to an address's port, unless that is chosen by the system.
func shifted(address string, by int) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(port)
	if err != nil || n+by > 65535 {
		return "", usage(fmt.Errorf("%s: name a port below %d, so that the other nodes have one too", address, 65535-by))
	}
	if n != 0 {
		n += by
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

// start starts the node's process.
func (d *devNode) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d.cmd = exec.Command(self, d.flags...)
	for _, pair := range os.Environ() { // a daemon refuses settings that it does not know, and these are not meant for it
		if !strings.HasPrefix(pair, "DRAWD_") {
			d.cmd.Env = append(d.cmd.Env, pair)
		}
	}
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		return err
	}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(d.dir, d.id+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	d.ready, d.gone = make(chan map[string]string, 1), make(chan error, 1)
	go d.follow(stderr, log)
	return nil
}

// follow reads the node's log until its process is gone.
func (d *devNode) follow(stderr io.Reader, log *os.File) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		_, _ = log.Write(append(lines.Bytes(), '\n')) // it is for people who look; nothing depends on it
		var event map[string]string
		if json.Unmarshal(lines.Bytes(), &event) == nil && event["msg"] == "ready" {
			select {
			case d.ready <- event:
			default:
			}
		}
		d.mu.Lock()
		d.mu.last = lines.Text()
		d.mu.Unlock()
	}
	_ = log.Close()
	d.gone <- d.cmd.Wait()
}

func (d *devNode) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.TrimPrefix(d.mu.last, "drawd: ")
}

// kill ends the process at once: its data is thrown away anyway.
func (d *devNode) kill() {
	if d.cmd == nil || d.cmd.Process == nil {
		return
	}
	_ = d.cmd.Process.Kill() // it may be gone
	_ = d.stdin.Close()
}

// beginDev waits for a leader, publishes the demo campaign there and draws once.
func beginDev(ctx context.Context, nodes []*devNode) (leader *devNode, first string, err error) {
	ctx, cancel := context.WithTimeout(ctx, devReady)
	defer cancel()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for {
		for _, d := range nodes {
			if !d.leads(ctx) {
				continue
			}
			if first, err = firstDraw(ctx, d.admin, d.api); err == nil {
				return d, first, nil
			}
			if refused := new(problemError); !errors.As(err, &refused) || !refused.Retryable {
				return nil, "", err
			}
		}
		select {
		case <-ctx.Done():
			return nil, "", errors.Join(errors.New("no node leads"), err)
		case <-pace.C:
		}
	}
}

// leads asks the node whether it leads.
func (d *devNode) leads(ctx context.Context) bool {
	answer, err := (&client{base: d.admin, flag: "admin", timeout: time.Second}).do(ctx, call{method: http.MethodGet, path: "/admin/v1/cluster"})
	var s struct{ Ready, Leader bool }
	return err == nil && decode(answer.body, &s) == nil && s.Leader
}

// welcomeCluster says what there is, what to try and what will be lost.
func (a *app) welcomeCluster(nodes []*devNode, leader *devNode, dir, first string, took time.Duration) error {
	if _, err := fmt.Fprintf(a.stdout, "first draw  %s\n\n", first); err != nil {
		return err
	}
	rows := [][]string{{"NODE", "PID", "DATA PLANE", "CONTROL PLANE", ""}}
	for _, d := range nodes {
		role := ""
		if d == leader {
			role = "leads"
		}
		rows = append(rows, []string{d.id, strconv.Itoa(d.cmd.Process.Pid), d.api, d.admin, role})
	}
	if err := table(a.stdout, rows...); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, `
Draw at any node (the same key gives the same answer, wherever it is asked):

  curl -s %[1]s/v1/campaigns/demo/draws -H 'Idempotency-Key: k1' -H 'Content-Type: application/json' -d '{"user":"u2"}'

Look at the nodes, kill the one that leads, draw again, look again; it is started again after %[2]v:

  drawd cluster status --admin-url %[3]s
  kill -9 %[4]d

Ready in %[5]s. At Ctrl-C %[6]s is deleted: the campaign, every draw, every key.
Use "drawd serve --raft" to keep them.
`, other(nodes, leader).api, comeBack, other(nodes, leader).admin, leader.cmd.Process.Pid, took.Round(time.Millisecond), dir)
	return err
}

// other returns a node that does not lead: it is there when the leader is killed.
func other(nodes []*devNode, leader *devNode) *devNode {
	for _, d := range nodes {
		if d != leader {
			return d
		}
	}
	return leader
}

// watchDev starts nodes again that are gone, until it is told to stop.
func (a *app) watchDev(nodes []*devNode, dir string) error {
	type end struct {
		d   *devNode
		why error
	}
	ends, back := make(chan end), make(chan *devNode)
	stop := make(chan struct{})
	defer close(stop)
	watch := func(d *devNode) {
		gone := d.gone
		go func() {
			why := <-gone
			select {
			case ends <- end{d, why}:
			case <-stop:
			}
		}()
	}
	for _, d := range nodes {
		watch(d)
	}
	for {
		select {
		case <-a.signals:
			_, err := fmt.Fprintf(a.stdout, "\nDeleting %s.\n", dir)
			return err
		case e := <-ends:
			_, _ = fmt.Fprintf(a.stdout, "%s (pid %d) is gone: %v. It starts again in %v.\n", e.d.id, e.d.cmd.Process.Pid, e.why, comeBack)
			time.AfterFunc(comeBack, func() {
				select {
				case back <- e.d:
				case <-stop:
				}
			})
		case d := <-back:
			_ = d.stdin.Close()
			if err := d.start(); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(a.stdout, "%s starts again as pid %d.\n", d.id, d.cmd.Process.Pid)
			watch(d)
		}
	}
}
