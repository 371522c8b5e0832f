package bench

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// console tells a person how a run is getting on. On a terminal a line may replace the one before; elsewhere each line
// stays, and nothing is written more often than once a second.
type console struct {
	w        io.Writer
	terminal bool
	mu       struct {
		sync.Mutex
		open bool // the cursor stands behind a line that may be replaced
		last time.Time
	}
}

func newConsole(e *Environment) *console { return &console{w: e.Progress, terminal: e.Terminal} }

// say writes a line that stays.
func (c *console) say(format string, args ...any) {
	if c.w == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
	fmt.Fprintf(c.w, format+"\n", args...)
}

// now writes a line that the next one replaces, on a terminal.
func (c *console) now(format string, args ...any) {
	if c.w == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.terminal {
		if time.Since(c.mu.last) < time.Second {
			return
		}
		c.mu.last = time.Now()
		fmt.Fprintf(c.w, format+"\n", args...)
		return
	}
	c.clearLocked()
	fmt.Fprintf(c.w, format, args...)
	c.mu.open = true
}

// clear takes away a line that may be replaced.
func (c *console) clear() {
	if c.w == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
}

func (c *console) clearLocked() {
	if c.mu.open {
		fmt.Fprint(c.w, "\r\x1b[K")
		c.mu.open = false
	}
}
