package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/hugepage"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/storage"
)

func (a *app) backupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "backup",
		Short: "Write, prove and restore backups",
		Example: `  drawd backup create /backup/$(date +%F).drawd
  drawd backup verify /backup/2026-11-11.drawd
  drawd backup restore /backup/2026-11-11.drawd --data /var/lib/drawd --cluster-key cluster.key`,
	}
	c.AddCommand(a.backupCreateCommand(), a.backupVerifyCommand(), a.backupRestoreCommand())
	return c
}

func (a *app) backupCreateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "create FILE",
		Short: "Write a backup of a running node, or of a stopped one's data",
		Long: `Everything that the node has applied at this moment goes into the file: state, campaigns, keys, records. Draws go on. The
file counts only when the command succeeds: until then it is FILE.part. The cluster key is not in it: keep a copy of
cluster.key elsewhere.`,
		Example: "  drawd backup create today.drawd\n  drawd backup create today.drawd --data /var/lib/drawd    # the node is stopped",
		Args:    cobra.ExactArgs(1),
	}
	k := a.adminClient(c)
	dir := c.Flags().String("data", "", "data directory of a node that was stopped in order, instead of --admin-url")
	a.outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		return a.createBackup(args[0], func(w io.Writer) error {
			if *dir != "" {
				return a.backupStopped(*dir, w)
			}
			return k.download(ctx, "/admin/v1/cluster/backup", w)
		})
	}
	return c
}

// createBackup writes a backup beside the file, proves it, and gives it its name.
func (a *app) createBackup(path string, write func(io.Writer) error) error {
	if _, err := os.Stat(path); err == nil {
		return failure(exitConflict, fmt.Errorf("%s exists: give the backup another name", path))
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := writeProven(f, write)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return err
	}
	return a.tellBackup(info, "written")
}

// writeProven writes a backup into a file, syncs it and reads it back.
func writeProven(f *os.File, write func(io.Writer) error) (info raftlog.BackupInfo, err error) {
	if err := write(f); err != nil {
		return info, err
	}
	if err := f.Sync(); err != nil {
		return info, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return info, err
	}
	if info, err = raftlog.CheckBackup(f, nil); err != nil {
		err = fmt.Errorf("the backup came damaged or cut off: %w", err)
	}
	return info, err
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tellBackup says what a backup is of.
func (a *app) tellBackup(info raftlog.BackupInfo, what string) error {
	body, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return a.answer(body, func(w io.Writer) error {
		return table(w, []string{"backup", what}, []string{"cluster", info.Cluster}, []string{"node", info.Node},
			[]string{"created", info.CreatedAt.UTC().Format(time.RFC3339)}, []string{"last entry", strconv.FormatUint(info.Index, 10)}, []string{"by drawd", info.Build})
	})
}

// backupStopped writes a backup of a data directory that nobody has open.
func (a *app) backupStopped(dir string, w io.Writer) (err error) {
	x := audit{Dir: dir}
	if err := x.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.store.Close()) }()
	if err := errors.Join(x.load(), x.verifyLog()); err != nil {
		return err
	}
	var record storage.LogRecord
	for index := max(x.Point+1, x.First); index <= x.Last && x.Last > 0; index++ {
		if err := x.store.Log().Get(index, &record); err != nil {
			return err
		}
		if record.Type == logCommand {
			return failure(exitConflict, fmt.Errorf("%s was not stopped in order: entry %d is in the log and not in the checkpoint. Start the node and stop it with SIGTERM, or back up the running node", dir, index))
		}
	}
	if x.Point == 0 {
		return failure(exitConflict, fmt.Errorf("%s has no checkpoint yet: there is nothing to back up", dir))
	}
	id := x.engine.ClusterID()
	return raftlog.WriteBackup(w, x.store.State(), raftlog.BackupInfo{
		Cluster: hex.EncodeToString(id[:]), Node: "", Build: thisBuild().Version, CreatedAt: time.Now().UTC(), Level: x.engine.Level(),
	})
}

func (a *app) backupVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Prove that nothing of a backup is changed or missing",
		Long: `Reads the whole file and checks every sum in it. With --cluster-key the state is built as well, in memory, as a restore
would, and its books and invariants are checked. Exit code 0: it can be restored; 1: it cannot.`,
		Example: "  drawd backup verify today.drawd\n  drawd backup verify today.drawd --cluster-key cluster.key",
		Args:    cobra.ExactArgs(1),
	}
	keyFile := c.Flags().String("cluster-key", "", "copy of the cluster's cluster.key")
	a.outputFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		var e *engine.Engine
		if *keyFile != "" {
			key, err := readKeyFile(*keyFile)
			if err == nil {
				e, err = engine.New(engine.Options{ClusterKey: key, Alloc: new(hugepage.Allocator).Alloc})
			}
			if err != nil {
				return err
			}
		}
		info, err := checkBackupFile(args[0], e)
		if err != nil {
			return err
		}
		return a.tellBackup(info, "whole")
	}
	return c
}

func checkBackupFile(path string, e *engine.Engine) (info raftlog.BackupInfo, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return info, failure(exitNotFound, err)
	}
	if err != nil {
		return info, err
	}
	defer f.Close()
	if info, err = raftlog.CheckBackup(f, e); err != nil {
		err = fmt.Errorf("%s is damaged, or no backup: %w", path, err)
	}
	return info, err
}

// readKeyFile reads a copy of a cluster key.
func readKeyFile(path string) (key [32]byte, err error) {
	b, err := os.ReadFile(path)
	switch {
	case err != nil:
		return key, usage(fmt.Errorf("--cluster-key: %w", err))
	case len(b) != len(key):
		return key, usage(fmt.Errorf("--cluster-key %s has %d bytes, a cluster key has %d: it is the file cluster.key of any node", path, len(b), len(key)))
	}
	return [32]byte(b), nil
}

func (a *app) backupRestoreCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "restore FILE --data DIR --cluster-key FILE",
		Short: "Make a new data directory of a backup",
		Long: `The directory becomes a cluster of one node with a new id; others join it as new nodes. When it is started, every campaign
is paused, and decides nothing before somebody has looked and resumed it: what happened behind the backup is lost, though
people may have been told of it. docs/backup.md says what that means.`,
		Example: "  drawd backup verify today.drawd --cluster-key cluster.key\n  drawd backup restore today.drawd --data /var/lib/drawd --cluster-key cluster.key\n  drawd serve --data /var/lib/drawd\n  drawd campaign resume flash-sale --reason \"compared with the orders\"",
		Args:    cobra.ExactArgs(1),
	}
	o := restoring{}
	c.Flags().StringVar(&o.dir, "data", "", "data directory to make; it must not exist, or be empty (needed)")
	c.Flags().StringVar(&o.keyFile, "cluster-key", "", "copy of the cluster's cluster.key (needed)")
	c.Flags().StringVar(&o.node, "node-id", "node-1", "id of the node that will run on it; none that a node of a backed up cluster of several ever had")
	a.outputFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		if o.dir == "" || o.keyFile == "" || o.node == "" {
			return usage(errors.New("restore needs --data and --cluster-key: the key is in no backup"))
		}
		info, err := o.run(args[0])
		if err != nil {
			return err
		}
		return a.tellBackup(info, "restored into "+o.dir+": every campaign is paused until it is resumed")
	}
	return c
}

// restoring is one restore.
type restoring struct{ dir, keyFile, node string }

// run restores into a directory beside the one that is asked for, which gets its name when everything is on the disk.
func (o *restoring) run(path string) (info raftlog.BackupInfo, err error) {
	key, err := readKeyFile(o.keyFile)
	if err != nil {
		return info, err
	}
	switch names, err := os.ReadDir(o.dir); {
	case err == nil && len(names) > 0:
		return info, failure(exitConflict, fmt.Errorf("%s is not empty: a backup is restored into a new directory", o.dir))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return info, err
	}
	if info, err = checkBackupFile(path, nil); err != nil {
		return info, err
	}
	dir := filepath.Clean(o.dir)
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil { // of a restore that was interrupted
		return info, err
	}
	if err := o.fill(path, part, key); err != nil {
		return info, errors.Join(err, os.RemoveAll(part))
	}
	if err := os.Rename(part, dir); err != nil {
		return info, err
	}
	return info, syncDirectory(filepath.Dir(dir))
}

func (o *restoring) fill(path, dir string, key [32]byte) (err error) {
	r := raftlog.RestoreOptions{NodeID: o.node}
	if _, err := io.ReadFull(rand.Reader, r.Cluster[:]); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if r.Engine, err = engine.New(engine.Options{ClusterKey: key, Alloc: new(hugepage.Allocator).Alloc}); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	r.Reason = "restored from the backup " + filepath.Base(path)
	if len(r.Reason) > engine.MaxReasonBytes {
		r.Reason = "restored from a backup"
	}
	if _, err := storage.ClusterKey(dir, fixedKey(key)); err != nil {
		return err
	}
	store, err := storage.Open(storage.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = raftlog.Restore(f, store, r)
	if errors.Is(err, raftlog.ErrOldMember) {
		err = failure(exitConflict, fmt.Errorf("%w; give another --node-id", err))
	}
	return errors.Join(err, store.Close())
}

// fixedKey is the entropy out of which storage.ClusterKey makes a given key.
type fixedKey [32]byte

func (k fixedKey) Read(b []byte) (int, error) { return copy(b, k[:]), nil }

// download writes the body of an answer. It has no time limit: the daemon cuts a client off that stands still.
func (k *client) download(ctx context.Context, path string, w io.Writer) error {
	request, err := k.request(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	answer, end, err := k.send(request)
	if err != nil {
		return err
	}
	defer end()
	if answer.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		return errors.Join(k.refused(answer, body), err)
	}
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fmt.Errorf("read the answer of %s: %w", k.base, err)
	}
	return nil
}
