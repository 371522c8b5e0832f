package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed peers/postgres/schema.sql
var postgresSchema []byte

//go:embed peers/postgres/draw.sql
var postgresDraw []byte

const postgresClients = 32

// postgresPeer is a Postgres of our own, on loopback, in a temporary directory. Its load generator is pgbench, written in C
// and part of Postgres: a worse one would be unfair to it.
type postgresPeer struct {
	bin   string // folder of its programs
	dir   string
	port  string
	owner *syscall.Credential // it refuses to run as root
	child *child
}

// startPostgres makes a cluster, starts it and loads the schema. Answers are durable: fsync and synchronous_commit are on.
func startPostgres(ctx context.Context, env *Environment) (p *postgresPeer, err error) {
	p = &postgresPeer{}
	if p.bin, err = postgresPrograms(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp(env.Dir, "drawd-bench-postgres-"); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	if err = p.giveAway(); err != nil {
		return nil, err
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, p.port, _ = net.SplitHostPort(addr)
	if _, err = p.run(ctx, "initdb", "-D", p.data(), "-U", "bench", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"); err != nil {
		return nil, err
	}
	command := exec.Command(filepath.Join(p.bin, "postgres"), "-D", p.data(), "-p", p.port, "-k", "", "-c", "listen_addresses=127.0.0.1",
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB", "-c", "checkpoint_timeout=30min", "-c", "max_connections=64")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	command.Dir = p.dir
	if p.child, err = startCommand(command); err != nil {
		return nil, err
	}
	return p, p.prepare(ctx)
}

// postgresPrograms finds the folder of Debian's Postgres, or the one of a postgres on the path that has its tools beside it.
func postgresPrograms() (string, error) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	slices.Sort(folders)
	if at, err := exec.LookPath("postgres"); err == nil {
		folders = append([]string{filepath.Dir(at)}, folders...)
	}
	for _, folder := range slices.Backward(folders) {
		whole := true
		for _, program := range []string{"initdb", "postgres", "psql", "pgbench"} {
			if _, err := os.Stat(filepath.Join(folder, program)); err != nil {
				whole = false
			}
		}
		if whole {
			return folder, nil
		}
	}
	return "", fmt.Errorf("postgres with initdb, psql and pgbench is %w: apt-get install postgresql postgresql-contrib", errNotInstalled)
}

// giveAway hands the folder to a user who is not root, if we are.
func (p *postgresPeer) giveAway() error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("bench: user %s: %w", name, err)
		}
		p.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
		if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		return nil
	}
	return errors.New("bench: Postgres does not run as root, and there is no user postgres or nobody to run it as")
}

func (p *postgresPeer) data() string { return filepath.Join(p.dir, "data") }

// run runs one of Postgres' programs to its end.
func (p *postgresPeer) run(ctx context.Context, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(p.bin, program), args...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	command.Dir = p.dir
	text, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("bench: %s: %w: %.1000s", program, err, text)
	}
	return string(text), nil
}

// prepare waits until the server answers and loads the schema.
func (p *postgresPeer) prepare(ctx context.Context) error {
	for name, text := range map[string][]byte{"schema.sql": postgresSchema, "draw.sql": postgresDraw} {
		if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o644); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	begin := time.Now()
	for {
		_, err := p.run(ctx, "psql", append(p.where(), "-q", "-v", "ON_ERROR_STOP=1", "-c", "SELECT 1")...)
		if err == nil {
			break
		}
		if ctx.Err() != nil || p.child.gone() || time.Since(begin) > 30*time.Second {
			return fmt.Errorf("bench: Postgres did not come up: %w: %s", err, p.child.last)
		}
		time.Sleep(50 * time.Millisecond)
	}
	_, err := p.run(ctx, "psql", append(p.where(), "-q", "-v", "ON_ERROR_STOP=1", "-f", filepath.Join(p.dir, "schema.sql"))...)
	return err
}

func (p *postgresPeer) where() []string {
	return []string{"-h", "127.0.0.1", "-p", p.port, "-U", "bench", "postgres"}
}

var tpsLine = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// measure lets pgbench draw for span.
func (p *postgresPeer) measure(ctx context.Context, span time.Duration) (sample, error) {
	seconds := max(1, int((span+time.Second/2)/time.Second))
	before := processTreeCPU(p.child.cmd.Process.Pid)
	text, err := p.run(ctx, "pgbench", append([]string{"-n", "-M", "prepared", "-c", strconv.Itoa(postgresClients), "-j", "1", "-T", strconv.Itoa(seconds),
		"-f", filepath.Join(p.dir, "draw.sql")}, p.where()...)...)
	if err != nil {
		return sample{}, err
	}
	found := tpsLine.FindStringSubmatch(text)
	if found == nil {
		return sample{}, fmt.Errorf("bench: pgbench printed no rate: %.500s", text)
	}
	rate, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return sample{}, fmt.Errorf("bench: pgbench: %w", err)
	}
	if strings.Contains(text, "number of failed transactions:") && !strings.Contains(text, "number of failed transactions: 0 ") {
		return sample{}, fmt.Errorf("bench: pgbench: transactions failed: %.500s", text)
	}
	s := sample{rate: rate}
	if used := processTreeCPU(p.child.cmd.Process.Pid) - before; used > 0 && rate > 0 {
		s.cpu = float64(used.Microseconds()) / (rate * float64(seconds))
	}
	return s, nil
}

// stop ends the server and removes its data.
func (p *postgresPeer) stop() error {
	if p.child != nil {
		// SIGINT is Postgres' fast shutdown: it ends its own processes.
		_ = p.child.cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-p.child.ended:
		case <-time.After(10 * time.Second):
			p.child.kill()
		}
	}
	return os.RemoveAll(p.dir)
}

// processTreeCPU adds up the processor time of a process and of those that it started, with what ended children used.
func processTreeCPU(root int) (sum time.Duration) {
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well formed
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		parent, used, reaped := processTimes(pid)
		switch {
		case pid == root:
			sum += used + reaped
		case parent == root:
			sum += used
		}
	}
	return sum
}
