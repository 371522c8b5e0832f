package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/raftlog/join"
	"github.com/drawd/drawd/raftlog/peer/mtls"
)

// peerOptions is what makes a node one of several.
type peerOptions struct {
	Raft      string // address that other nodes dial; empty for a node that runs alone
	Advertise string
	Cert      string
	Key       string
	CA        string
	Plain     bool
	Join      []string
	Expect    int
	Token     string
	Edge      bool
}

func (o *peerOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.Raft, "raft", "", "address at which the other nodes of a cluster reach this one; empty for a node that runs alone")
	f.StringVar(&o.Advertise, "raft-advertise", "", "what the other nodes dial, where that is not --raft itself")
	f.StringVar(&o.Cert, "peer-cert", "", "this node's certificate, PEM, from `drawd cluster ca issue`")
	f.StringVar(&o.Key, "peer-key", "", "its private key, PEM")
	f.StringVar(&o.CA, "peer-ca", "", "the authority that all nodes' certificates are from, PEM")
	f.BoolVar(&o.Plain, "peer-plain", false, "nodes of one machine speak without certificates: whoever reaches --raft is a node. Loopback only, to try things out")
	f.StringSliceVar(&o.Join, "join", nil, "--raft addresses of other nodes, with commas; this node's own may be among them. Not needed again once the node has data")
	f.IntVar(&o.Expect, "bootstrap-expect", 0, "found a cluster with so many nodes, all started with the same number; not needed again")
	f.StringVar(&o.Token, "join-token", "", "lets this node into a running cluster, from `drawd cluster token create` (better in DRAWD_JOIN_TOKEN)")
	f.BoolVar(&o.Edge, "edge", false, "join to answer HTTP only: the node has all data and never votes")
	for _, name := range []string{"peer-cert", "join-token"} { // pflag takes back quotes for the name of the value
		f.Lookup(name).Usage = strings.ReplaceAll(f.Lookup(name).Usage, "`", "\"")
	}
}

// faults returns everything that is wrong with o.
func (o *peerOptions) faults(node string) error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	if o.Raft == "" {
		fault(o.Advertise != "" || o.Cert != "" || o.Key != "" || o.CA != "" || o.Plain || len(o.Join) > 0 || o.Expect != 0 || o.Token != "" || o.Edge,
			"--raft-advertise, --peer-*, --join, --bootstrap-expect, --join-token and --edge are for a node of a cluster: name its address with --raft")
		return errors.Join(faults...)
	}
	for flag, address := range map[string]string{"raft": o.Raft, "raft-advertise": o.Advertise} {
		_, _, err := net.SplitHostPort(address)
		fault(address != "" && err != nil, "--%s is %q: it must be like 10.0.0.1:7072", flag, address)
	}
	for _, address := range o.Join {
		_, _, err := net.SplitHostPort(address)
		fault(err != nil, "--join has %q: it must be like 10.0.0.2:7072", address)
	}
	fault(!mtls.ValidID(node), "--node-id is %q: letters, digits, \".\", \"_\" and \"-\", at most %d", node, mtls.MaxIDBytes)
	certificates := o.Cert != "" || o.Key != "" || o.CA != ""
	fault(certificates && (o.Cert == "" || o.Key == "" || o.CA == ""), "--peer-cert, --peer-key and --peer-ca go together")
	fault(certificates && o.Plain, "--peer-plain is for nodes without certificates")
	fault(!certificates && !o.Plain, "nodes know each other by certificates: give --peer-cert, --peer-key and --peer-ca (`drawd cluster ca` makes them), or --peer-plain on loopback to try things out")
	fault(o.Plain && !certificates && loopback("raft", o.Raft) != nil, "--peer-plain with --raft %s: beyond loopback whoever reaches that address would be a node", o.Raft)
	fault(o.Expect < 0 || o.Expect > join.MaxFounders, "--bootstrap-expect is %d: it must be 1 to %d", o.Expect, join.MaxFounders)
	fault(o.Expect > 1 && len(o.Join) == 0, "--bootstrap-expect %d needs the addresses of the others in --join", o.Expect)
	fault(o.Expect > 0 && (o.Token != "" || o.Edge), "--bootstrap-expect founds a cluster; --join-token and --edge join one")
	fault((o.Token != "" || o.Edge) && len(o.Join) == 0, "--join-token and --edge need the address of a node of the cluster in --join")
	return errors.Join(faults...)
}
