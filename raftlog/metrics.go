package raftlog

import (
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine/problem"
)

// metricSet holds what this package measures. Everything is counted per entry: a draw costs nothing here.
type metricSet struct {
	entries, commands   *metrics.Counter
	commandsPerEntry    *metrics.Histogram
	entryBytes          *metrics.Histogram
	queueWait           *metrics.Histogram // of the oldest command of an entry
	commit              *metrics.Histogram // from dispatch until the outcome was there
	full, old, slow     *metrics.Counter
	unknown, unlucky    *metrics.Counter
	unsound             *metrics.Counter
	crowded             *metrics.Counter
	appendLog           *metrics.Histogram
	apply, blob         *metrics.Histogram
	checkpoints, failed *metrics.Counter
	checkpoint, pause   *metrics.Histogram
	pingsFailed         *metrics.Counter
	strangers           *metrics.Counter
	settled             *metrics.Counter
	clocksUnheard       *metrics.Counter

	snapshotsSent, snapshotsTaken, snapshotsRefused *metrics.Counter
	snapshotBytes                                   *metrics.Counter
	blobsFetched, blobsGiven, blobMisses            *metrics.Counter
}

func newMetricSet(s *metrics.Set) *metricSet {
	return &metricSet{
		entries:          s.GetOrCreateCounter("drawd_proposer_entries_total"),
		commands:         s.GetOrCreateCounter("drawd_proposer_commands_total"),
		commandsPerEntry: s.GetOrCreateHistogram("drawd_proposer_commands_per_entry"),
		entryBytes:       s.GetOrCreateHistogram("drawd_proposer_entry_bytes"),
		queueWait:        s.GetOrCreateHistogram("drawd_proposer_queue_wait_seconds"),
		commit:           s.GetOrCreateHistogram("drawd_proposer_commit_seconds"),
		full:             s.GetOrCreateCounter(`drawd_proposer_refused_total{why="queue_full"}`),
		old:              s.GetOrCreateCounter(`drawd_proposer_refused_total{why="queue_old"}`),
		slow:             s.GetOrCreateCounter(`drawd_proposer_refused_total{why="queue_slow"}`),
		unlucky:          s.GetOrCreateCounter(`drawd_proposer_refused_total{why="other"}`),
		unsound:          s.GetOrCreateCounter(`drawd_proposer_refused_total{why="unsound"}`),
		crowded:          s.GetOrCreateCounter(`drawd_proposer_refused_total{why="state_full"}`),
		unknown:          s.GetOrCreateCounter("drawd_proposer_unknown_total"),
		appendLog:        s.GetOrCreateHistogram("drawd_raft_append_seconds"),
		apply:            s.GetOrCreateHistogram("drawd_raft_apply_seconds"),
		blob:             s.GetOrCreateHistogram("drawd_raft_blob_seconds"),
		checkpoints:      s.GetOrCreateCounter("drawd_raft_checkpoints_total"),
		failed:           s.GetOrCreateCounter("drawd_raft_checkpoints_failed_total"),
		checkpoint:       s.GetOrCreateHistogram("drawd_raft_checkpoint_seconds"),
		pause:            s.GetOrCreateHistogram("drawd_raft_checkpoint_pause_seconds"),
		pingsFailed:      s.GetOrCreateCounter("drawd_raft_pings_failed_total"),
		settled:          s.GetOrCreateCounter("drawd_raft_settled_total"),
		clocksUnheard:    s.GetOrCreateCounter("drawd_raft_clocks_unheard_total"),
		strangers:        s.GetOrCreateCounter("drawd_raft_strangers_total"),
		snapshotsSent:    s.GetOrCreateCounter("drawd_raft_snapshots_sent_total"),
		snapshotsTaken:   s.GetOrCreateCounter("drawd_raft_snapshots_taken_total"),
		snapshotsRefused: s.GetOrCreateCounter("drawd_raft_snapshots_refused_total"),
		blobsFetched:     s.GetOrCreateCounter("drawd_raft_blobs_fetched_bytes_total"),
		blobsGiven:       s.GetOrCreateCounter("drawd_raft_blobs_given_bytes_total"),
		blobMisses:       s.GetOrCreateCounter("drawd_raft_blob_misses_total"),
		snapshotBytes:    s.GetOrCreateCounter("drawd_raft_snapshot_bytes_total"),
	}
}

// gauges registers what is read when somebody asks.
func (n *Node) gauges(s *metrics.Set) {
	gauge := func(name string, f func() float64) { s.GetOrCreateGauge(name, f) }
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	gauge("drawd_proposer_queue_commands", func() float64 { c, _ := n.proposer.queue.size(); return float64(c) })
	gauge("drawd_proposer_queue_bytes", func() float64 { _, b := n.proposer.queue.size(); return float64(b) })
	gauge("drawd_raft_ready", func() float64 { return truth(n.gate.refusal.Load() == nil || n.forwards()) })
	gauge("drawd_raft_leader", func() float64 { return truth(n.leading.Load()) })
	gauge("drawd_raft_clock_skew", func() float64 { return truth(n.gate.why(reasonClock) != nil) })
	gauge("drawd_raft_state_full", func() float64 { return truth(n.full.Load() != nil) })
	gauge("drawd_raft_state_bytes_most", func() float64 { return float64(n.options.MaxStateBytes) })
	gauge("drawd_raft_applied_index", func() float64 { return float64(n.fsm.applied.Load()) })
	gauge("drawd_raft_last_index", func() float64 { return float64(n.log.disk.Last()) })
	gauge("drawd_raft_log_bytes", func() float64 { return float64(n.log.disk.Bytes()) })
	gauge("drawd_raft_log_bytes_since_checkpoint", func() float64 { return float64(n.fsm.sinceCheckpoint.Load()) })
	gauge("drawd_raft_members", func() float64 { return float64(len(n.Members())) })
	gauge("drawd_raft_feature_level", func() float64 { return float64(n.machine.Level()) })
	gauge("drawd_raft_clock_offset_seconds", func() float64 { return n.time.offset().Seconds() })
	gauge("drawd_raft_diverged", func() float64 { d, _, _ := n.judged.read(); return truth(d != "") })
	gauge("drawd_raft_rolled_back", func() float64 { return truth(n.rolledBack() != nil) })
	gauge("drawd_raft_wedged", func() float64 { _, w, _ := n.judged.read(); return truth(w != "") })
	gauge("drawd_raft_blobs_missing", func() float64 { return float64(missingEntries(n.state.Missing())) })
	gauge("drawd_raft_sync_age_seconds", func() float64 { return n.log.syncAge(n.options.Clock.Monotonic()).Seconds() })
}

func (m *metricSet) sent(f *flight, now time.Duration) {
	m.entries.Inc()
	m.commands.Add(f.commands)
	m.commandsPerEntry.Update(float64(f.commands))
	m.entryBytes.Update(float64(f.bytes))
	m.queueWait.Update((now - f.oldest).Seconds())
}

func (m *metricSet) landed(f *flight, now time.Duration) { m.commit.Update((now - f.sentAt).Seconds()) }

func (m *metricSet) refused(e *problem.Error) {
	switch {
	case e == says(queueFull):
		m.full.Inc()
	case e == says(queueOld):
		m.old.Inc()
	case e == says(queueSlow):
		m.slow.Inc()
	case e.Code == problem.UnknownOutcome:
		m.unknown.Inc()
	case e.Code == problem.Capacity: // counted by check
	default:
		m.unlucky.Inc()
	}
}
