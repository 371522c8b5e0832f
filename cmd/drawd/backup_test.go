package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// drawn draws for a user under his own key and returns the body.
func drawn(t *testing.T, d *daemon, user string, status int) string {
	t.Helper()
	got, body, err := draw(d.api, user)
	if err != nil || got != status {
		t.Fatalf("%s: %d %s %v", user, got, body, err)
	}
	return string(body)
}

// A backup's life: written from a running node, proven, restored under a new id with every campaign paused; what was answered
// before it is answered again, byte for byte; draws go on once the campaign is resumed.
func TestBackupLife(t *testing.T) {
	dir := t.TempDir()
	data, file, again := filepath.Join(dir, "data"), filepath.Join(dir, "one.drawd"), filepath.Join(dir, "again")
	d := serve(t, data)
	d.client(0, "campaign", "publish", "-f", flashSale)
	first := map[string]string{}
	for _, user := range []string{"u1", "u2", "u3"} {
		first[user] = drawn(t, d, user, 200)
	}
	out, _ := d.client(0, "backup", "create", file, "-o", "json")
	var info struct {
		Cluster string
		Index   uint64
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil || len(info.Cluster) != 32 || info.Index == 0 {
		t.Fatalf("%s: %v", out, err)
	}
	d.client(exitConflict, "backup", "create", file)
	drawn(t, d, "u4", 200) // behind the backup
	key := filepath.Join(data, "cluster.key")
	runs(t, 0, "backup", "verify", file)
	runs(t, 0, "backup", "verify", file, "--cluster-key", key)
	runs(t, exitUsage, "backup", "restore", file, "--data", again)
	runs(t, exitConflict, "backup", "restore", file, "--data", data, "--cluster-key", key)

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.drawd")
	whole[len(whole)/2] ^= 4
	if err := os.WriteFile(bad, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	_, said := runs(t, exitFailed, "backup", "verify", bad)
	want(t, said, "bad.drawd is damaged")
	runs(t, exitFailed, "backup", "restore", bad, "--data", again, "--cluster-key", key)
	if _, err := os.Stat(again); err == nil {
		t.Error("a damaged backup left a data directory")
	}
	runs(t, exitNotFound, "backup", "verify", file+"x")

	runs(t, 0, "backup", "restore", file, "--data", again, "--cluster-key", key)
	d.signal(syscall.SIGTERM)
	d.exit()
	d = serve(t, again)
	status, _ := d.client(0, "cluster", "status", "-o", "json")
	if strings.Contains(status, info.Cluster) {
		t.Errorf("the restored cluster has the old id: %s", status)
	}
	for user, body := range first {
		if got := drawn(t, d, user, 200); got != body {
			t.Errorf("%s was told %s, is told %s", user, body, got)
		}
	}
	want(t, drawn(t, d, "u4", 409), "paused")
	d.client(0, "campaign", "resume", "flash-sale", "--reason", "compared with the orders")
	drawn(t, d, "u4", 200)
	d.signal(syscall.SIGTERM)
	d.exit()
	runs(t, 0, "check", "--data", again)

	// Of a stopped node, too; of one that was killed, only after it was stopped in order.
	stoppedFile := filepath.Join(dir, "two.drawd")
	runs(t, 0, "backup", "create", stoppedFile, "--data", again)
	runs(t, 0, "backup", "verify", stoppedFile, "--cluster-key", key)
	d = serve(t, again)
	drawn(t, d, "u5", 200)
	d.signal(syscall.SIGKILL)
	d.exit()
	_, said = runs(t, exitConflict, "backup", "create", filepath.Join(dir, "three.drawd"), "--data", again)
	want(t, said, "was not stopped in order")
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
