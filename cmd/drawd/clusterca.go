package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/raftlog/peer/mtls"
)

// The names of the files that `cluster ca` writes.
const (
	authorityCertificate = "ca.crt"
	authorityKey         = "ca.key"
)

func (a *app) clusterCACommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ca",
		Short: "Make the authority and the certificates of the line between nodes",
		Long: `Nodes speak mutual TLS with each other, under an authority that belongs to this cluster alone. Whoever has ` + authorityKey + `
can be any node: keep it where you keep keys, not on a node. These commands need no daemon.`,
		Example: `  drawd cluster ca create --out pki
  drawd cluster ca issue --ca pki --node-id n1 --host 10.0.0.1 --out pki`,
	}
	c.AddCommand(a.createCACommand(), a.issueCommand())
	return c
}

func (a *app) createCACommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "create --out DIR",
		Short:   "Make a new authority: " + authorityCertificate + " for all nodes, " + authorityKey + " for a safe place",
		Example: "  drawd cluster ca create --out pki",
		Args:    cobra.NoArgs,
	}
	out := c.Flags().String("out", "", "directory for the two files; made when it is missing (needed)")
	days := c.Flags().Uint32("days", uint32(mtls.AuthorityLife/(24*time.Hour)), "how long it is good for")
	c.RunE = func(*cobra.Command, []string) error {
		if *out == "" || *days == 0 {
			return usage(errors.New("name a directory with --out, and at least one day with --days"))
		}
		_, certificate, key, err := mtls.NewAuthority(time.Now(), time.Duration(*days)*24*time.Hour)
		if err != nil {
			return err
		}
		if err := writePair(*out, authorityCertificate, certificate, authorityKey, key); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s  for every node: --peer-ca\n%s  signs nodes: keep it apart\n", filepath.Join(*out, authorityCertificate), filepath.Join(*out, authorityKey))
		return err
	}
	return c
}

func (a *app) issueCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "issue --ca DIR --node-id ID --host HOST --out DIR",
		Short: "Make a node's key and certificate",
		Long: `The certificate names the node and the hosts at which other nodes dial it. To renew one, issue it into another directory
and put the files in the place of the old ones: a running node reads them by itself within 30 s, or at SIGHUP.`,
		Example: `  drawd cluster ca issue --ca pki --node-id n1 --host 10.0.0.1 --out pki
  drawd cluster ca issue --ca pki --node-id n2 --host n2.example --host 10.0.0.2 --days 90 --out pki`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	ca := f.String("ca", "", "directory with "+authorityCertificate+" and "+authorityKey+" (needed)")
	id := f.String("node-id", "", "the node (needed)")
	hosts := f.StringSlice("host", nil, "name or address at which others dial it; several with commas (needed)")
	out := f.String("out", "", "directory for the files (needed)")
	days := f.Uint32("days", uint32(mtls.NodeLife/(24*time.Hour)), "how long it is good for")
	c.RunE = func(*cobra.Command, []string) error {
		if *ca == "" || *id == "" || len(*hosts) == 0 || *out == "" || *days == 0 {
			return usage(errors.New("issue needs --ca, --node-id, --host and --out"))
		}
		if !mtls.ValidID(*id) {
			return usage(fmt.Errorf("--node-id is %q: letters, digits, \".\", \"_\" and \"-\", at most %d", *id, mtls.MaxIDBytes))
		}
		authority, err := readAuthority(*ca)
		if err != nil {
			return err
		}
		certificate, key, err := authority.Issue(*id, *hosts, time.Now(), time.Duration(*days)*24*time.Hour)
		if err != nil {
			return err
		}
		if err := writePair(*out, *id+".crt", certificate, *id+".key", key); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s  --peer-cert\n%s  --peer-key\n", filepath.Join(*out, *id+".crt"), filepath.Join(*out, *id+".key"))
		return err
	}
	return c
}

func readAuthority(dir string) (*mtls.Authority, error) {
	certificate, err := os.ReadFile(filepath.Join(dir, authorityCertificate))
	if err != nil {
		return nil, failure(exitNotFound, fmt.Errorf("--ca: %w: make an authority with `drawd cluster ca create`", err))
	}
	key, err := os.ReadFile(filepath.Join(dir, authorityKey))
	if err != nil {
		return nil, failure(exitNotFound, fmt.Errorf("--ca: %w", err))
	}
	return mtls.ParseAuthority(certificate, key)
}

// writePair writes a certificate and its key, mode 0600. It overwrites nothing: a key that is gone cannot be had again.
func writePair(dir, certificateName string, certificate []byte, keyName string, key []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{keyName, key}, {certificateName, certificate}} {
		if err := writeNew(filepath.Join(dir, f.name), f.content); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return failure(exitConflict, fmt.Errorf("%s is there already: name another directory with --out", path))
	}
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, werr := file.Write(content)
	if err := errors.Join(werr, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
