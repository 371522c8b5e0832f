package engine

import "github.com/drawd/drawd/engine/problem"

// Restored is the first command after a backup was restored. What happened behind the backup is not in it, though people may
// have been told of it: so the cluster is another one from here on, and no campaign decides until somebody has looked, and
// resumes it.
type Restored struct {
	Cluster [16]byte // the new id, from crypto/rand, made when the backup was restored
	Reason  string   // of the pauses: which backup it was
}

// restorer is the actor of the pauses.
const restorer = "restore"

// AddRestored appends the command.
func (b *Batch) AddRestored(c *Restored) {
	w, start := b.begin(opRestored)
	w.raw(c.Cluster[:])
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) restored() Restored {
	return Restored{Cluster: r.key(), Reason: r.str(MaxReasonBytes)}
}

// applyRestored takes the new id, and pauses every campaign that is not over, each with the record of a pause: those are the audit.
// Campaigns that were paused stay so. Repeating it changes nothing.
func (t *tx) applyRestored(c *Restored) Result {
	w := t.world
	if !w.initialized.Load() {
		return refuse(problem.Conflict)
	}
	if w.clusterID == c.Cluster {
		return Result{AlreadyLive: true}
	}
	w.clusterID = c.Cluster
	paused := uint64(0)
	for _, a := range *w.campaigns.Load() {
		r := t.applyControl(&Control{Campaign: a.ref, Action: ActionPause, Actor: restorer, Reason: c.Reason})
		if r.Code == problem.OK && !r.AlreadyLive {
			paused++
		}
	}
	return Result{Value: paused}
}
