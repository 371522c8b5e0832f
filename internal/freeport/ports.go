package freeport

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
)

const (
	spanPorts = 100 // of one claim, the port that stands for it included
	spans     = 100
	// apart is how many ports below the kernel's are left alone: load tests choose theirs from those.
	apart = 10_000
	// usualLow is where the kernel's own choice begins on Linux, where nothing else is said; elsewhere it begins higher.
	usualLow = 32768
)

// Ports are the free ports of one claim. They are for one goroutine.
type Ports struct {
	claim      net.Listener
	next, last int
}

// Claim claims a span of ports until Close, or until the process ends.
func Claim() (*Ports, error) {
	lowest := kernelLow() - apart - spans*spanPorts
	var last error
	for i := range spans {
		first := lowest + (os.Getpid()+i)%spans*spanPorts
		claim, err := net.Listen("tcp", address(first))
		if err == nil {
			return &Ports{claim: claim, next: first + 1, last: first + spanPorts - 1}, nil
		}
		last = err
	}
	return nil, errors.Join(errors.New("freeport: no span of ports is free"), last)
}

// Free returns an address that nobody listens on, and that it has not returned before.
func (p *Ports) Free() (string, error) {
	for ; p.next <= p.last; p.next++ {
		if ln, err := net.Listen("tcp", address(p.next)); err == nil {
			p.next++
			return ln.Addr().String(), ln.Close()
		}
	}
	return "", errors.New("freeport: the claimed ports are used up")
}

// Close gives the claim back. Who listens on its ports may go on.
func (p *Ports) Close() error { return p.claim.Close() }

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// kernelLow returns the lowest port that the kernel chooses by itself.
func kernelLow() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usualLow
	}
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return usualLow
	}
	if low, err := strconv.Atoi(fields[0]); err == nil && low > apart+spans*spanPorts+1024 {
		return low
	}
	return usualLow
}
