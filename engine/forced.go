package engine

import (
	"strings"

	"github.com/drawd/drawd/engine/problem"
)

// A version that takes something from users is forced: its publisher says so and why, the campaign shows it to everybody
// for good, and where the policy asks for approvals another person must approve exactly this version. Whether a version
// takes something is found by whoever proposes it (package campaignfile, Favourable), and the log holds it to the version with
// which it was compared (Publish.Expect).

// ForcedPrefix begins the reason of a version that is forced, in its command and in its record.
const ForcedPrefix = "forced: "

// ForcedVersion is a version that took something from users.
type ForcedVersion struct {
	Number uint32
	At     UnixMilli
	Reason string // without the prefix
}

func (c *Publish) forced() bool { return strings.HasPrefix(c.Reason, ForcedPrefix) }

// needsEyes makes a forced version wait for approval where the policy asks for it; what cannot be published at that time
// is refused now.
func (t *tx) needsEyes(c *Publish, o op, body []byte, at UnixMilli) (r Result, waits bool) {
	n := t.world.namespace(c.Namespace)
	if n == nil || !c.forced() || n.Policy().Approvals == 0 || t.approved == byPeople {
		return r, false
	}
	if live := (*n.campaigns.Load())[c.Version.Campaign]; live != nil {
		r.Campaign = live.ref
	}
	_, code, _ := n.admit(c.Version, at)
	if number := n.liveNumber(c.Version.Campaign); code == problem.OK && !c.expects(number) {
		code, r.Value = problem.VersionConflict, number
	}
	if code != problem.OK {
		r.Code = code
		return r, true
	}
	return t.ask(n, o, body, forcedSubject(c.Version.Campaign), c.Actor, strings.TrimPrefix(c.Reason, ForcedPrefix), false, r), true
}

// applyNow publishes at once, or asks.
func (t *tx) applyNow(o op, r *reader) (res Result, err error) {
	body := r.b
	c, form, _ := r.publishing(o)
	if err = r.done(); err != nil {
		return res, err
	}
	res, waits := t.needsEyes(&c, o, body, t.now)
	if !waits {
		res = t.applyPublish(&c, form)
	}
	return res, nil
}

// liveNumber returns the number of a campaign's live version, 0 for none.
func (n *Namespace) liveNumber(campaign string) uint64 {
	if live := (*n.campaigns.Load())[campaign]; live != nil {
		return uint64(live.Version().Number)
	}
	return 0
}

// expects reports whether a publish was compared with the version that is live.
func (c *Publish) expects(live uint64) bool {
	return c.Expect == 0 || uint64(c.Expect) == live || c.Expect == NoVersion && live == 0
}

// expect reads Publish.Expect of a command that has one.
func (r *reader) expect() uint32 {
	v := r.u32()
	r.fail = r.fail || v == 0
	return v
}

func forcedSubject(campaign string) string { return "publish by force campaign/" + campaign }

// published notes a version that was forced, and drops what waits to be: it was compared with a version that is live no
// more. Every shard is locked.
func (t *tx) published(a *Campaign, c *Publish) {
	a.namespace.acts.drop(forcedSubject(a.id))
	a.namespace.acts.drop(defensiveSubject(a.id))
	if !c.forced() {
		return
	}
	all := a.Forced()
	all = append(all[:len(all):len(all)], ForcedVersion{c.Version.Number, t.now, strings.TrimPrefix(c.Reason, ForcedPrefix)})
	a.forced.Store(&all)
}

// Forced returns the versions that took something from users, oldest first. It must not be modified.
func (c *Campaign) Forced() []ForcedVersion {
	if all := c.forced.Load(); all != nil {
		return *all
	}
	return nil
}

func (w *writer) forcedVersions(all []ForcedVersion) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		w.u32(all[i].Number)
		w.i64(int64(all[i].At))
		w.str(all[i].Reason)
	}
}

func (r *reader) forcedVersions() (all []ForcedVersion) {
	for range r.count(MaxVersions) {
		all = append(all, ForcedVersion{r.u32(), UnixMilli(r.i64()), r.str(MaxReasonBytes)})
	}
	return all
}
