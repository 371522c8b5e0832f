package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a process under test.
type child struct {
	cmd   *exec.Cmd
	last  *tail         // the end of what it wrote to its standard error
	ended chan struct{} // closed when it has been waited for
	err   error         // of the wait, once ended
}

// startChild starts a command. Its standard output goes to out, if there is one.
func startChild(out *os.File, command []string, args ...string) (*child, error) {
	cmd := exec.Command(command[0], append(append([]string{}, command[1:]...), args...)...)
	if out != nil {
		cmd.Stdout = out
	}
	return startCommand(cmd)
}

// startCommand starts a command and keeps the end of what it writes to its standard error.
func startCommand(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, last: &tail{}, ended: make(chan struct{})}
	c.cmd.Stderr = c.last
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", strings.Join(cmd.Args, " "), err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// kill ends the process with SIGKILL and waits for it.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended by itself: the wait tells
	<-c.ended
}

// terminate asks the process to end and waits, at most for d; then it is killed.
func (c *child) terminate(d time.Duration) error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("bench: %w", err)
	}
	select {
	case <-c.ended:
	case <-time.After(d):
		c.kill()
		return fmt.Errorf("bench: the daemon did not end within %v of SIGTERM", d)
	}
	if c.err != nil {
		return fmt.Errorf("bench: the daemon ended with %w: %s", c.err, c.last)
	}
	return nil
}

// gone reports whether the process has ended.
func (c *child) gone() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// CPU returns the processor time that the process has used, user and system together.
func (c *child) CPU() time.Duration {
	if c.gone() {
		return c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()
	}
	return processCPU(c.cmd.Process.Pid)
}

// processCPU reads utime + stime of a process.
func processCPU(pid int) time.Duration {
	_, used, _ := processTimes(pid)
	return used
}

// processTimes reads the parent of a process, the time that it has used and that of its children that it has waited for.
// The kernel counts in ticks of 10 ms.
func processTimes(pid int) (parent int, used, reaped time.Duration) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, 0
	}
	// The command's name, in parentheses, may hold anything: fields are counted from behind it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return 0, 0, 0
	}
	const tick = 10 * time.Millisecond
	number := func(i int) time.Duration {
		n, _ := strconv.ParseInt(fields[i], 10, 64) // the kernel writes numbers
		return time.Duration(n)
	}
	return int(number(1)), (number(11) + number(12)) * tick, (number(13) + number(14)) * tick
}

// residentBytes reads how much memory a process has in core.
func residentBytes(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// daemon is a drawd of our own: a data directory, two addresses, and the process that has them at the moment.
type daemon struct {
	command    []string
	extra      []string // flags behind those that every daemon gets
	dir        string
	api, admin string
	resp       string // address of the RESP front; empty for none
	logs       string // file that gets everything the processes say; empty for none
	mu         struct {
		sync.Mutex
		child   *child
		killing bool          // its end is our doing
		cpu     time.Duration // of the processes before
	}
}

// newDaemon picks addresses and makes a data directory. Nothing runs yet.
func newDaemon(env *Environment) (*daemon, error) {
	dir, err := os.MkdirTemp(env.Dir, "drawd-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	d := &daemon{command: env.Daemon, dir: dir}
	if d.api, err = freeAddress(); err == nil {
		d.admin, err = freeAddress(d.api)
	}
	return d, err
}

// freePorts is how many ports are chosen from.
const freePorts = 10_000

// freeAddress returns a loopback address that nobody listens on. It lies below the ports that the kernel gives to
// clients: while the daemon is down, a client's own port could otherwise be the daemon's, and the client would be
// connected with itself. It is none of those taken: they were chosen before, and nobody listens on them yet.
func freeAddress(taken ...string) (string, error) {
	low := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			if n, err := strconv.Atoi(fields[0]); err == nil && n > 12000 {
				low = n
			}
		}
	}
	last := errors.New("all are taken")
	for range 200 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(low-1-int(nonce()%freePorts)))
		if slices.Contains(taken, addr) {
			continue
		}
		ln, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, ln.Close()
		}
		last = err
	}
	return "", fmt.Errorf("bench: no free port: %w", last)
}

// launch starts the process.
func (d *daemon) launch() (*child, error) {
	c, err := startChild(nil, d.command, append([]string{"--data", filepath.Join(d.dir, "data"), "--api", d.api, "--admin", d.admin}, d.extra...)...)
	if err != nil {
		return nil, err
	}
	if d.logs != "" {
		if err := c.last.keep(d.logs); err != nil {
			c.kill()
			return nil, err
		}
	}
	d.mu.Lock()
	d.mu.child = c
	d.mu.Unlock()
	return c, nil
}

// start starts the process and waits until it is ready; it returns how long that took.
func (d *daemon) start(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	c, err := d.launch()
	if err != nil {
		return 0, err
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if ready(ctx, client, "http://"+d.api) {
			return time.Since(begin), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-c.ended:
			return 0, fmt.Errorf("bench: the daemon ended before it was ready (%v): %s", c.err, c.last)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(begin) > 10*time.Minute {
			return 0, fmt.Errorf("bench: the daemon is not ready after 10 minutes: %s", c.last)
		}
	}
}

func ready(ctx context.Context, client *http.Client, base string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// current returns the process that serves now.
func (d *daemon) current() *child {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.child
}

// kill ends the daemon with SIGKILL.
func (d *daemon) kill() {
	c := d.ending()
	if c == nil {
		return
	}
	c.kill()
	d.ended(c)
}

// ending notes that the current process ends by our doing.
func (d *daemon) ending() *child {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.killing = d.mu.child != nil
	return d.mu.child
}

// ended forgets a process that has ended, but for the time that it used.
func (d *daemon) ended(c *child) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.cpu += c.CPU()
	d.mu.child, d.mu.killing = nil, false
}

// stop ends the daemon in the orderly way.
func (d *daemon) stop() error {
	c := d.ending()
	if c == nil {
		return nil
	}
	err := c.terminate(30 * time.Second)
	d.ended(c)
	return err
}

// CPU returns the processor time of all of the daemon's lives.
func (d *daemon) CPU() time.Duration {
	d.mu.Lock()
	c, sum := d.mu.child, d.mu.cpu
	d.mu.Unlock()
	if c != nil {
		sum += c.CPU()
	}
	return sum
}

// watch waits until done is closed or the daemon ends without having been killed by us; it reports the latter.
func (d *daemon) watch(done <-chan struct{}) bool {
	for {
		select {
		case <-done:
			return false
		case <-time.After(50 * time.Millisecond):
		}
		d.mu.Lock()
		dead := d.mu.child != nil && d.mu.child.gone() && !d.mu.killing
		d.mu.Unlock()
		if dead {
			return true
		}
	}
}

// remove kills what still runs and removes the data.
func (d *daemon) remove(keep bool) error {
	d.kill()
	if keep {
		return nil
	}
	return os.RemoveAll(d.dir)
}

// empty is the empty handler's process.
type empty struct {
	*child
	addr string
}

func startEmpty(env *Environment, body int) (*empty, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer r.Close()
	c, err := startChild(w, env.Empty, "--listen", "127.0.0.1:0", "--body", strconv.Itoa(body))
	w.Close()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	addr, found := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err != nil || !found {
		c.kill()
		return nil, fmt.Errorf("bench: the empty handler did not start (%q): %s", line, c.last)
	}
	return &empty{c, addr}, nil
}

// tail keeps the end of what is written to it, and all of it in a file if there is one.
type tail struct {
	mu struct {
		sync.Mutex
		buf  []byte
		file *os.File
	}
}

// keep appends to a file from now on, beginning with what was kept so far. The file is closed with the bench.
func (t *tail) keep(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.file = f
	_, err = f.Write(t.mu.buf)
	return err
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.buf = append(t.mu.buf, b...)
	if t.mu.file != nil {
		_, _ = t.mu.file.Write(b) // it is for people
	}
	if n := len(t.mu.buf) - tailBytes; n > 0 {
		t.mu.buf = t.mu.buf[:copy(t.mu.buf, t.mu.buf[n:])]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.mu.buf))
}
