package freeport

import (
	"net"
	"strconv"
	"testing"
)

// Two claims have no port in common, no port comes twice, one that somebody uses is passed over, and all lie below those of the kernel and
// of load tests.
func TestPorts(t *testing.T) {
	busy := ""
	seen := map[string]bool{}
	for range 2 {
		p, err := Claim()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if busy == "" {
			taken, err := net.Listen("tcp", address(p.next))
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			busy = taken.Addr().String()
		}
		for range 10 {
			at, err := p.Free()
			if err != nil {
				t.Fatal(err)
			}
			_, port, err := net.SplitHostPort(at)
			if n, _ := strconv.Atoi(port); err != nil || n >= kernelLow()-apart || at == busy || seen[at] {
				t.Errorf("%s: busy is %s, before were %v", at, busy, seen)
			}
			seen[at] = true
		}
	}
}

// A claim ends.
func TestPortsAreUsedUp(t *testing.T) {
	p, err := Claim()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range spanPorts {
		if _, err = p.Free(); err != nil {
			return
		}
	}
	t.Error("a span has no end")
}
