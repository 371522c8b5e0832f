package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// stopped returns a data directory with draws in it, of a daemon that was stopped in order, or killed.
func stopped(t *testing.T, how syscall.Signal) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	d := serve(t, dir)
	d.client(0, "campaign", "publish", "-f", flashSale)
	for _, user := range []string{"u1", "u2", "u3"} {
		if status, body, err := draw(d.api, user); err != nil || status != 200 {
			t.Fatal(status, body, err)
		}
	}
	d.proven()
	d.signal(how)
	d.exit()
	return dir
}

// proven waits until the watermark proves every entry: it follows the log at most 250 ms behind.
func (d *daemon) proven() {
	d.t.Helper()
	status, _ := d.client(0, "cluster", "status", "-o", "json")
	var cluster struct{ Last uint64 }
	if err := json.Unmarshal([]byte(status), &cluster); err != nil {
		d.t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		answer, err := http.Get(d.admin + "/metrics")
		if err != nil {
			d.t.Fatal(err)
		}
		b, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			d.t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?m)^drawd_storage_watermark_index ([0-9]+)$`).FindSubmatch(b); m != nil && string(m[1]) == strconv.FormatUint(cluster.Last, 10) {
			return
		}
	}
	d.t.Fatalf("the watermark does not reach entry %d", cluster.Last)
}

func TestCheckReportsForPipes(t *testing.T) {
	dir := stopped(t, syscall.SIGTERM)
	out, _ := runs(t, 0, "check", "--data", dir, "-o", "json")
	var report struct {
		Clean      bool
		Draws      int
		Checkpoint int `json:"checkpoint"`
		Faults     []string
		Prizes     []struct{ Counted, Issued int }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Clean || report.Draws != 3 || report.Checkpoint == 0 || len(report.Faults) != 0 || report.Prizes[0].Counted != 3 || report.Prizes[0].Issued != 3 {
		t.Errorf("got %s", out)
	}
}

// One flipped byte in the log of a killed node is found, and said what to do about.
func TestCheckFindsAFlippedByte(t *testing.T) {
	dir := stopped(t, syscall.SIGKILL)
	files, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no log files: %v", err)
	}
	flipped := false
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(b), "flash-sale"); i >= 0 {
			b[i] ^= 1
			flipped = true
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !flipped {
		t.Fatal("the log does not hold the campaign in the clear: flip something else")
	}
	cmd := drawd("check", "--data", dir)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	want(t, string(out), "damaged", "replace the node")
}

// Without its key a data directory is refused, not given another one.
func TestLostClusterKeyIsNotReplaced(t *testing.T) {
	dir := stopped(t, syscall.SIGTERM)
	key := filepath.Join(dir, storage.ClusterKeyName)
	if err := os.Rename(key, key+".lost"); err != nil {
		t.Fatal(err)
	}
	_, refused := runs(t, exitFailed, "serve", "--data", dir, "--api", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	want(t, refused, "has data but no cluster.key: restore that file")
	runs(t, exitNotFound, "check", "--data", dir)
	if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, refused = runs(t, exitFailed, "check", "--data", dir)
	want(t, refused, "has 5 bytes, a cluster key has 32")
}

// recorder is an engine whose records a test can show to a tally in its own way.
type recorder struct {
	t        *testing.T
	engine   *engine.Engine
	campaign *engine.Campaign
	batch    engine.Batch
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	src, err := os.ReadFile(flashSale)
	if err != nil {
		t.Fatal(err)
	}
	file, faults := campaignfile.Parse(src)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	file.Version.ExpectedUsers = 0
	e, err := engine.New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, engine: e}
	r.batch.AddInit(&engine.Init{Namespace: engine.NewNamespace{Name: "default"}})
	r.decide(file.Version.StartsAt)
	ns, _ := e.Namespace("default")
	r.batch.AddPublish(&engine.Publish{Namespace: ns.Ref(), Version: file.Version, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{})})
	r.decide(file.Version.StartsAt)
	r.campaign, _ = ns.Campaign([]byte("flash-sale"))
	return r
}

func (r *recorder) decide(at engine.UnixMilli) (engine.Location, []byte) {
	r.t.Helper()
	if err := r.engine.Decide(&r.batch, at); err != nil {
		r.t.Fatal(err)
	}
	result := r.batch.Results[0]
	if result.Code != problem.OK {
		r.t.Fatal(result.Code)
	}
	records := append([]byte(nil), r.batch.Records...)
	r.batch.Reset()
	return result.At, records
}

func (r *recorder) draw(user string) (engine.Location, []byte) {
	keyer := r.campaign.Namespace().Keyer()
	key := keyer.User([]byte(user))
	r.batch.AddDraw(&engine.Draw{Campaign: r.campaign.Ref(), User: key, UserID: []byte(user), Times: 1,
		Digest: keyer.Digest(engine.DigestDraw, r.campaign.Ref(), key, []byte("k"))})
	return r.decide(r.engine.LogTime() + 1)
}

// The recount notices a record that is missing, told twice, or of another place.
func TestTallyFindsWhatDoesNotAddUp(t *testing.T) {
	r := newRecorder(t)
	first, a := r.draw("u1")
	second, b := r.draw("u2")
	add := func(x *tally, at engine.Location, record []byte) {
		t.Helper()
		if n, err := x.add(at, record); err != nil || n != len(record) {
			t.Fatal(n, err)
		}
	}
	good := newTally(r.engine)
	add(good, first, a)
	add(good, second, b)
	if c := good.of(r.campaign.Ref()); len(good.faults) > 0 || c.seq != 2 || c.wins["phone"] != 2 || c.units["phone"] != 2 {
		t.Errorf("right records give %v %+v", good.faults, c)
	}
	for name, tell := range map[string]func(x *tally){
		"seq 2 follows 0":   func(x *tally) { add(x, second, b) },
		"seq 1 follows 1":   func(x *tally) { add(x, first, a); add(x, first, a) },
		"belongs to record": func(x *tally) { add(x, second, a) },
	} {
		x := newTally(r.engine)
		tell(x)
		if len(x.faults) == 0 || !strings.Contains(strings.Join(x.faults, "\n"), name) {
			t.Errorf("want a fault %q, got %q", name, x.faults)
		}
	}
	if _, err := newTally(r.engine).add(first, a[:len(a)-1]); err == nil {
		t.Error("half a record was counted")
	}
}

func TestPercentIsExact(t *testing.T) {
	for _, tc := range []struct {
		part, whole int64
		want        string
	}{{50, 1_000_000, "0.005 %"}, {1, 3, "33.333333333 %"}, {1_000_000, 1_000_000, "100 %"}, {0, 7, "0 %"}, {1, 1_000_000_000, "0.0000001 %"}} {
		if got := percent(tc.part, tc.whole); got != tc.want {
			t.Errorf("%d of %d is %s, want %s", tc.part, tc.whole, got, tc.want)
		}
	}
}
