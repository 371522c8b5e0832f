package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// netns is a bridge with one network namespace for each node of a crew. The bench itself stays outside and reaches all of them
// over the bridge, so that a cut between nodes is none between a client and a node.
type netns struct {
	bridge string
	subnet string   // of the bridge: its first three numbers, with a dot
	names  []string // of the namespaces
	made   []func() error
}

// noNetns says why there can be no namespaces here; empty when there can.
func noNetns() string {
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return "network namespaces need the command ip (package iproute2)"
	}
	name := fmt.Sprintf("drawd-probe-%04x", uint16(nonce()))
	if err := ip("netns", "add", name); err != nil {
		return err.Error()
	}
	if err := ip("netns", "del", name); err != nil {
		return err.Error()
	}
	return ""
}

// ip runs the command of that name.
func ip(args ...string) error {
	if text, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("bench: ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(text)))
	}
	return nil
}

// newNetns makes the bridge and n namespaces. What it made before a failure is taken down again.
func newNetns(n int) (_ *netns, err error) {
	id := uint16(nonce())
	// 10.177.0.0/16 is private; the third number is by chance, so that two runs do not meet.
	s := &netns{bridge: fmt.Sprintf("dw%04x", id), subnet: fmt.Sprintf("10.177.%d.", id%255)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove())
		}
	}()
	if err := ip("link", "add", s.bridge, "type", "bridge"); err != nil {
		return nil, err
	}
	s.made = append(s.made, func() error { return ip("link", "del", s.bridge) })
	if err := errors.Join(ip("addr", "add", s.outside()+"/24", "dev", s.bridge), ip("link", "set", s.bridge, "up")); err != nil {
		return nil, err
	}
	for i := range n {
		name, outside := fmt.Sprintf("%s-n%d", s.bridge, i+1), fmt.Sprintf("%sv%d", s.bridge, i+1)
		if err := ip("netns", "add", name); err != nil {
			return nil, err
		}
		s.names = append(s.names, name)
		s.made = append(s.made, func() error { return ip("netns", "del", name) })
		if err := firstError(
			ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name),
			ip("link", "set", outside, "master", s.bridge, "up"),
			ip("-n", name, "addr", "add", s.address(i)+"/24", "dev", "eth0"),
			ip("-n", name, "link", "set", "lo", "up"),
			ip("-n", name, "link", "set", "eth0", "up"),
		); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// address returns the address of node i.
func (s *netns) address(i int) string { return fmt.Sprintf("%s%d", s.subnet, i+1) }

// outside returns the address of the bench itself on the bridge.
func (s *netns) outside() string { return s.subnet + "254" }

// cut drops what node i sends to node j; the other direction stays.
func (s *netns) cut(i, j int) error {
	return ip("-n", s.names[i], "route", "replace", "blackhole", s.address(j)+"/32")
}

// heal lets node i send to node j again.
func (s *netns) heal(i, j int) error {
	return ip("-n", s.names[i], "route", "del", "blackhole", s.address(j)+"/32")
}

// link takes a node's only link down or up: nobody reaches it, clients neither.
func (s *netns) link(i int, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	return ip("link", "set", fmt.Sprintf("%sv%d", s.bridge, i+1), state)
}

// remove takes down what was made, in reverse. Links go with their namespaces.
func (s *netns) remove() error {
	var errs []error
	for i := len(s.made) - 1; i >= 0; i-- {
		errs = append(errs, s.made[i]())
	}
	s.made = nil
	return errors.Join(errs...)
}
