package bench

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// console tells a person how a run is getting on. On a terminal a line, or a picture of several lines, may replace the one
// before; elsewhere each line stays, and passing ones are not written more often than once a second.
type console struct {
	w        io.Writer
	terminal bool
	wide     func() int // columns of the terminal
	mu       struct {
		sync.Mutex
		open  bool // the cursor stands behind a line that may be replaced
		lines int  // of a picture above the cursor that may be replaced
		last  time.Time
	}
}

func newConsole(e *Environment) *console {
	c := &console{w: e.Progress, terminal: e.Terminal}
	if file, ok := e.Progress.(*os.File); ok {
		c.wide = func() int {
			columns, _, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return 0
			}
			return columns
		}
	}
	return c
}

// columns returns the width of the terminal; 0 where it is not known.
func (c *console) columns() int {
	if c.wide == nil {
		return 0
	}
	return c.wide()
}

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

// frame draws a picture that the next one replaces. It is for terminals only; no line may be wider than that.
func (c *console) frame(lines []string) {
	if c.w == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
	fmt.Fprint(c.w, strings.Join(lines, "\n")+"\n")
	c.mu.lines = len(lines)
}

// keep leaves a picture where it is.
func (c *console) keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.lines = 0
}

// clear takes away what may be replaced.
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
	if c.mu.lines > 0 {
		fmt.Fprintf(c.w, "\x1b[%dA\x1b[J", c.mu.lines)
		c.mu.lines = 0
	}
}
