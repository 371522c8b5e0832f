package bench

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/load"
)

//go:embed peers/redis/draw.lua
var redisDraw []byte

// redisMode is one way to run Redis.
type redisMode struct {
	id, name, note string
	flags          []string
	replica        bool // with one replica, and WAIT 1 behind each draw
}

// redisModes go from the fastest to the safest.
var redisModes = []redisMode{
	{"redis.no", "Redis, Lua, no AOF", "a crash loses everything", []string{"--appendonly", "no"}, false},
	{"redis.everysec", "Redis, Lua, AOF everysec", "a crash loses up to two seconds", []string{"--appendonly", "yes", "--appendfsync", "everysec"}, false},
	{"redis.always", "Redis, Lua, AOF always", "durable before the answer, as drawd", []string{"--appendonly", "yes", "--appendfsync", "always"}, false},
	{"redis.wait", "Redis, Lua, AOF always, WAIT 1", "the answer waits for one replica; no consensus, a failover may lose it", []string{"--appendonly", "yes", "--appendfsync", "always"}, true},
}

// redisAlways is the mode that promises what drawd does.
const redisAlways = 2

// redisPeer is a Redis of our own, with a replica where its mode wants one.
type redisPeer struct {
	mode      redisMode
	dir       string
	addr      string
	processes []*child
	script    string // SHA-1 of draw.lua, as EVALSHA wants it
}

var errNotInstalled = errors.New("not installed")

// startRedis starts a Redis on loopback in a temporary directory and loads the script and the stock.
func startRedis(ctx context.Context, env *Environment, mode redisMode) (p *redisPeer, err error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server is %w: apt-get install redis-server", errNotInstalled)
	}
	p = &redisPeer{mode: mode}
	if p.dir, err = os.MkdirTemp(env.Dir, "drawd-bench-redis-"); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	if p.addr, err = p.serve(ctx, binary, "primary", mode.flags); err != nil {
		return nil, err
	}
	if mode.replica {
		host, port, _ := net.SplitHostPort(p.addr)
		if _, err = p.serve(ctx, binary, "replica", append([]string{"--replicaof", host + " " + port}, mode.flags...)); err != nil {
			return nil, err
		}
	}
	return p, p.prepare(ctx)
}

// serve starts one process and waits until it answers.
func (p *redisPeer) serve(ctx context.Context, binary, name string, flags []string) (string, error) {
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(addr)
	dir := filepath.Join(p.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no"}, flags...)
	c, err := startChild(nil, []string{binary}, args...)
	if err != nil {
		return "", err
	}
	p.processes = append(p.processes, c)
	for begin := time.Now(); ; {
		if _, err := redisAsk(addr, "PING"); err == nil {
			return addr, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-c.ended:
			return "", fmt.Errorf("bench: redis-server ended before it was ready: %s", c.last)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(begin) > 20*time.Second {
			return "", fmt.Errorf("bench: redis-server is not ready after 20 s: %s", c.last)
		}
	}
}

// prepare loads the script and gives every prize a stock that lasts; with a replica it waits for that.
func (p *redisPeer) prepare(ctx context.Context) (err error) {
	if p.script, err = redisAsk(p.addr, "SCRIPT", "LOAD", string(redisDraw)); err != nil {
		return err
	}
	for prize := 1; prize <= 8; prize++ {
		if _, err := redisAsk(p.addr, "HSET", "peer:stock", strconv.Itoa(prize), "1000000000"); err != nil {
			return err
		}
	}
	for begin := time.Now(); p.mode.replica; {
		n, err := redisAsk(p.addr, "WAIT", "1", "100")
		if err == nil && n == "1" {
			return nil
		}
		if ctx.Err() != nil || time.Since(begin) > 20*time.Second {
			return fmt.Errorf("bench: the replica of Redis did not come up: %s %w", n, errors.Join(err, ctx.Err()))
		}
	}
	return nil
}

// CPU returns the processor time of all of the peer's processes.
func (p *redisPeer) CPU() (sum time.Duration) {
	for _, c := range p.processes {
		sum += c.CPU()
	}
	return sum
}

// stop ends the processes and removes their data.
func (p *redisPeer) stop() error {
	for _, c := range p.processes {
		c.kill()
	}
	return os.RemoveAll(p.dir)
}

// redisAsk sends one command over a connection of its own and returns a reply of one line or one bulk.
func redisAsk(addr string, args ...string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", fmt.Errorf("bench: redis: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", fmt.Errorf("bench: redis: %w", err)
	}
	if _, err := c.Write(appendCommand(nil, args...)); err != nil {
		return "", fmt.Errorf("bench: redis: %w", err)
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("bench: redis: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case line == "":
		return "", fmt.Errorf("bench: redis: an empty reply to %s", args[0])
	case line[0] == '-':
		return "", fmt.Errorf("bench: redis: %s: %s", args[0], line[1:])
	case line[0] == '$':
		if line, err = r.ReadString('\n'); err != nil {
			return "", fmt.Errorf("bench: redis: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	return line[1:], nil
}

// appendCommand appends a command in RESP.
func appendCommand(dst []byte, args ...string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, a := range args {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(a), a)
	}
	return dst
}

// respLoad sends draws in RESP, some in a request (pipelined), each with a key of its own.
type respLoad struct {
	request []byte // of one draw; users and keys are patched
	users   uint32
	draws   int // in a request
	userAt  int
	keyAt   int
	behind  []byte // behind the draws of a request: WAIT
	nonce   string // the beginning of its keys
	sent    uint32
	heard   heard  // by the number of the request
	odd     []byte // an answer that was no draw
}

// newRESPLoad sends DRAW to drawd.
func newRESPLoad(campaign string, users uint32, draws int) *respLoad {
	l := &respLoad{users: users, draws: draws}
	l.lay("DRAW", campaign)
	return l
}

// newRedisLoad sends EVALSHA to Redis.
func newRedisLoad(p *redisPeer, users uint32, draws int) *respLoad {
	l := &respLoad{users: users, draws: draws}
	l.lay("EVALSHA", p.script, "1", "peer")
	if p.mode.replica {
		l.behind = appendCommand(nil, "WAIT", "1", "0")
	}
	return l
}

// lay writes the command with room for user and key at its end.
func (l *respLoad) lay(args ...string) {
	l.nonce = keyNonce()
	user, key := "u"+zeros(userDigits), l.nonce+zeros(keyDigits)
	l.request = appendCommand(nil, append(args, user, key)...)
	l.keyAt = len(l.request) - 2 - keyDigits
	l.userAt = l.keyAt - len(l.nonce) - len(fmt.Sprintf("\r\n$%d\r\n", len(key))) - userDigits
}

// replies is how many replies a request gets.
func (l *respLoad) replies() int {
	if l.behind != nil {
		return l.draws + 1
	}
	return l.draws
}

// AppendRequest implements load.Workload.
func (l *respLoad) AppendRequest(dst []byte, id uint32, _ bool) []byte {
	l.heard.sent(id, uint64(l.sent)/uint64(l.draws))
	for range l.draws {
		n := l.sent
		l.sent++
		at := len(dst)
		dst = append(dst, l.request...)
		putDigits(dst[at+l.userAt:at+l.userAt+userDigits], uint32(scattered(uint64(n), l.users)))
		putDigits(dst[at+l.keyAt:at+l.keyAt+keyDigits], n)
	}
	return append(dst, l.behind...)
}

// Answer implements load.Workload.
func (l *respLoad) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	class := classOf(a.Status)
	if class == load.Decided {
		l.heard.decided(id)
	} else if l.odd == nil {
		l.odd = append([]byte{}, a.Body[:min(len(a.Body), 300)]...)
	}
	return class, load.Done
}

// acknowledged implements remembering.
func (l *respLoad) acknowledged() []uint64 { return []uint64{l.heard.count * uint64(l.draws)} }

// some implements remembering: a draw of each of so many requests.
func (l *respLoad) some(n int, seed uint64) []drawn {
	var all []drawn
	for _, k := range l.heard.pick(n, seed) {
		n := uint32(k)*uint32(l.draws) + uint32(k)%uint32(l.draws)
		all = append(all, drawn{0, uint32(scattered(uint64(n), l.users)), fmt.Sprintf("%s%0*d", l.nonce, keyDigits, n)})
	}
	return all
}

// Lost implements load.Workload.
func (l *respLoad) Lost(uint32, int) time.Duration { return load.Done }
