package bench

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// restart is P9: a daemon with many users, ended in both ways and started again.
func (f *figures) restart(ctx context.Context) ([]Figure, error) {
	users := f.o.P9Users
	campaign, err := f.publish(ctx, steadyCampaign(users, time.Now()))
	if err != nil {
		return nil, err
	}
	work := drawing(f, newBatchLoad(f.host, campaign, f.o.BatchDraws, 0, true), campaign)
	work.patient = true
	f.say.now("P9: %s users draw for the first time …", count(users))
	if err := f.fillUsers(ctx, work, users); err != nil {
		return nil, err
	}
	pause, checkpoints, err := f.awaitCheckpoint(ctx, campaign)
	if err != nil {
		return nil, err
	}
	resident := residentBytes(f.daemon.current().cmd.Process.Pid)
	name := func(what string) string { return fmt.Sprintf("%s, %s users", what, count(users)) }
	rows := []Figure{{ID: "P9", Name: name("apply pause by a checkpoint"), Goal: "≤ 2 ms", Note: "no checkpoint was written"}}
	if checkpoints > 0 {
		rows[0].Note = ""
		rows[0].Beside = fmt.Sprintf("the longest of %d", checkpoints)
		rows[0].Measures, rows[0].goals = []runfile.Measure{runfile.NewMeasure("pause", "us", runfile.Lower, []float64{pause * 1e6})}, []goal{{"pause", atMost, 2000}}
	}

	f.say.now("P9: orderly restart …")
	begin := time.Now()
	if err := f.daemon.stop(); err != nil {
		return nil, err
	}
	stopping := time.Since(begin)
	size := dirBytes(f.daemon.dir)
	clean, err := f.daemon.start(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, Figure{ID: "P9", Name: name("restart to ready after SIGTERM"), Goal: "≤ 5 s",
		Note: fmt.Sprintf("stop %s; %s on disk, in the page cache", spanText(stopping), bytesApprox(size))})
	rows[1].take("seconds", clean.Seconds(), 5)

	f.say.now("P9: restart after SIGKILL …")
	more := drawing(f, newBatchLoad(f.host, campaign, f.o.BatchDraws, uint32(users), true), campaign)
	if _, err := f.pump(ctx, more, 2*time.Second); err != nil {
		return nil, err
	}
	f.daemon.kill()
	killed, err := f.daemon.start(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows,
		Figure{ID: "P9", Name: name("restart to ready after SIGKILL"), Goal: "≤ 5 s", Note: "2 s of batches since the checkpoint"},
		Figure{ID: "P9", Name: "memory of the process", Goal: "reported", Text: bytesApprox(resident), Note: fmt.Sprintf("%.0f B a user, everything included", float64(resident)/float64(users))})
	rows[2].take("seconds", killed.Seconds(), 5)
	return rows, nil
}

// take gives the figure its only sample, and the most that it may be.
func (f *Figure) take(unit string, v, most float64) {
	f.Measures, f.goals = []runfile.Measure{runfile.NewMeasure(unit, unit, runfile.Lower, []float64{v})}, []goal{{unit, atMost, most}}
}

// fillUsers lets each user draw once.
func (f *figures) fillUsers(ctx context.Context, work *batchLoad, users int) error {
	requests := (users + f.o.BatchDraws - 1) / f.o.BatchDraws
	s, err := load.Run(ctx, load.Options{Addr: f.host, Connections: f.o.BatchConns}, load.Schedule{Requests: uint32(requests)}, func(int) load.Workload { return work })
	if err != nil {
		return err
	}
	if s.Answered[load.Decided] != uint64(requests) {
		return fmt.Errorf("bench: of %d batches %d were not decided (%d draws refused)", requests, uint64(requests)-s.Answered[load.Decided], work.refused)
	}
	return nil
}

// pump sends batches for a while and returns how many draws were decided.
func (f *figures) pump(ctx context.Context, work *batchLoad, span time.Duration) (uint64, error) {
	s, err := load.Run(ctx, load.Options{Addr: f.host, Connections: f.o.BatchConns}, load.Schedule{Requests: 1 << 31, For: span}, func(int) load.Workload { return work })
	if err != nil {
		return 0, err
	}
	return s.Answered[load.Decided] * uint64(f.o.BatchDraws), nil
}

// awaitCheckpoint keeps the daemon busy until it has written one more checkpoint, all users being there, and returns the
// longest pause of apply and how many there were. The pause is the upper end of a histogram's range: the true one is a
// little shorter.
func (f *figures) awaitCheckpoint(ctx context.Context, campaign string) (pause float64, checkpoints int, err error) {
	const patience = 90 * time.Second
	work := drawing(f, newBatchLoad(f.host, campaign, f.o.BatchDraws, uint32(f.o.P9Users), true), campaign)
	before := -1
	for begin := time.Now(); ; {
		text, err := f.ctl.do(ctx, "GET", f.ctl.admin+"/metrics", nil, nil)
		if err != nil {
			return 0, 0, err
		}
		pause, checkpoints = longestInHistogram(string(text), "drawd_raft_checkpoint_pause_seconds")
		if before < 0 {
			before = checkpoints
		}
		if checkpoints > before || time.Since(begin) > patience {
			return pause, checkpoints, nil
		}
		f.say.now("P9: waiting for a checkpoint under load …")
		if _, err := f.pump(ctx, work, 2*time.Second); err != nil {
			return 0, 0, err
		}
	}
}

// longestInHistogram returns the upper end of the highest range that holds anything, and the number of observations, of
// a histogram whose buckets are labelled with ranges ("vmrange").
func longestInHistogram(text, name string) (longest float64, n int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		rest, found := strings.CutPrefix(line, name+"_bucket{")
		if !found {
			continue
		}
		labels, value, found := strings.Cut(rest, "} ")
		if !found {
			continue
		}
		_, vmrange, found := strings.Cut(labels, `vmrange="`)
		if !found {
			continue
		}
		_, upper, found := strings.Cut(strings.TrimSuffix(vmrange, `"`), "...")
		if !found {
			continue
		}
		high, err1 := strconv.ParseFloat(upper, 64)
		hits, err2 := strconv.Atoi(value)
		if err1 != nil || err2 != nil || hits == 0 {
			continue
		}
		longest = max(longest, high)
		n += hits
	}
	return longest, n
}

// dirBytes adds up the files in dir.
func dirBytes(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil // what vanishes meanwhile does not count
	})
	return sum
}

func bytesApprox(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}
