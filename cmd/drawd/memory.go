package main

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// tuneMemory sets the collector for a process whose heap is mostly tables without pointers: collecting is cheap, but
// letting the heap double before it is not. GOGC and GOMEMLIMIT of the environment win.
func (a *app) tuneMemory() {
	if _, set := a.environ["GOGC"]; !set {
		debug.SetGCPercent(daemonGCPercent)
	}
	if _, set := a.environ["GOMEMLIMIT"]; !set {
		if total := memoryTotal(); total > 0 {
			debug.SetMemoryLimit(total / 10 * 9)
		}
	}
}

// daemonGCPercent lets garbage grow to half of the live heap. A draw makes none; publishing, listing and checkpoints do.
const daemonGCPercent = 50

// memoryTotal returns the bytes that this process may use: the control group's limit or the machine's memory, 0 when
// neither can be read.
func memoryTotal() int64 {
	total := int64(math.MaxInt64)
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err == nil {
			total = n
		}
	}
	f, err := os.Open("/proc/meminfo")
	if err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "MemTotal:" {
				if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
					total = min(total, kib<<10)
				}
			}
		}
	}
	if total == math.MaxInt64 {
		return 0
	}
	return total
}

// stateShare of the memory, in percent, is what users and keys may take unless --state-memory says otherwise: the rest is for the
// caches of the disk, requests, and the pages that a checkpoint under way keeps as they were.
const stateShare = 60

// stateMemory returns the bytes that the state may take: what --state-memory says in MiB, 0 for a share of the memory. It is 0, for
// no bound, where nobody knows how much memory there is.
func stateMemory(mib uint64) uint64 {
	if mib == 0 {
		return uint64(memoryTotal()) / 100 * stateShare
	}
	return mib << 20
}
