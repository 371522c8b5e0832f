package mtls

import (
	"fmt"
	"net"
	"time"
)

// Plain is a stream without any protection: whoever reaches its address is a node. It is for nodes of one machine that
// belong to one person, and for tests.
type Plain struct {
	net.Listener
	address net.Addr
}

// ListenPlain opens an address. Anything but loopback is refused.
func ListenPlain(address, advertise string) (*Plain, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	p := &Plain{Listener: ln}
	if tcp, ok := ln.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		_ = ln.Close()
		return nil, fmt.Errorf("mtls: %s can be reached from other machines, and without certificates whoever reaches it is a node", address)
	}
	if p.address, err = advertised(ln.Addr(), advertise); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return p, nil
}

// Addr returns where other nodes dial this one.
func (p *Plain) Addr() net.Addr { return p.address }

// Dial connects to a node.
func (p *Plain) Dial(address string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", address, timeout)
}

// advertised returns what other nodes dial: want, or what was opened if that says where.
func advertised(opened net.Addr, want string) (net.Addr, error) {
	if want != "" {
		host, port, err := net.SplitHostPort(want)
		if err != nil || host == "" || port == "" || port == "0" {
			return nil, fmt.Errorf("mtls: %q is no address that others can dial", want)
		}
		return advertisedAddr(want), nil
	}
	if tcp, ok := opened.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return nil, fmt.Errorf("mtls: %s is every address of this machine: say which one other nodes dial", opened)
	}
	return opened, nil
}

// advertisedAddr may be a name, which a net.TCPAddr cannot.
type advertisedAddr string

// Network returns "tcp".
func (advertisedAddr) Network() string { return "tcp" }

// String returns host and port.
func (a advertisedAddr) String() string { return string(a) }
