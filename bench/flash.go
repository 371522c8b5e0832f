package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/drawd/drawd/bench/runfile"
)

// Flash runs a crowd against a daemon and judges the result.
//
// The report is not nil whenever the crowd ran to its end, also beside an error. The error is a *VerdictError (exit 21) when drawd
// was wrong or did not come back after a kill, a *ThresholdError (exit 20) when the run proves too little (an INVALID run, or too few logged draws), and
// any other error (exit 1) when the run could not be made.
func Flash(ctx context.Context, o FlashOptions) (*DrawReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Users, 100_000)
	orDefault(&o.Duration, 10*time.Second)
	if err := o.DrawOptions.fill(); err != nil {
		return nil, err
	}
	return runDraws(ctx, &drawRun{scenario: "flash", o: o.DrawOptions, nodes: o.Cluster, makePlan: o.plan})
}

// plan decides who comes when.
func (o *FlashOptions) plan(r *drawRun) (*plan, error) {
	over, stretched := fitCrowd(o.Users, o.Over, o.Duration, r.generator)
	peak := crowdPeak * float64(o.Users) / over.Seconds()
	tail := float64(o.TailRate)
	if tail == 0 {
		tail = min(peak/5, r.generator*comfortableShare)
	}
	stretched = stretched || over > o.Duration
	c := planCrowd(o.Users, over, o.Duration, tail, o.Seed)
	p := &plan{due: c.due, user: c.user, campaign: func(now time.Time) *campaignFile {
		return flashCampaign(o.Users, sellOutAfter(o.Users, len(c.due), o.MinLogged), now)
	}}
	p.text = append(p.text, fmt.Sprintf("crowd     %s users within %s of T0, peak %s (%s of the %s that this generator can send); then %s until %s; seed %d",
		count(c.users), spanText(c.over), count(int64(c.peak))+"/s", percent(c.peak/r.generator), count(int64(r.generator))+"/s",
		count(int64(c.tail))+"/s", spanText(c.span), o.Seed))
	if stretched {
		p.text = append(p.text, fmt.Sprintf("          Δ was stretched: the crowd's peak stays below %s of what the generator can send", percent(peakShare)))
		p.notes = append(p.notes, "the crowd was stretched, so that its peak stays below what the generator can send")
	}
	p.options = []runfile.Option{
		{Name: "users", Value: strconv.Itoa(c.users)}, {Name: "over", Value: c.over.String()}, {Name: "duration", Value: c.span.String()},
		{Name: "peak-per-second", Value: strconv.Itoa(int(c.peak))}, {Name: "tail-rate", Value: strconv.Itoa(int(c.tail))}, {Name: "kill9", Value: strconv.Itoa(o.Kill9)},
	}
	if o.Cluster > 0 {
		p.options = append(p.options, runfile.Option{Name: "cluster", Value: strconv.Itoa(o.Cluster)})
		p.text = append(p.text, fmt.Sprintf("cluster   %d nodes on this machine under mutual TLS; all requests go to %s, which does not lead at the start", o.Cluster, r.mate.id))
	}
	if o.Kill9 > 0 {
		k := &killer{choose: r.whoIsKilled, watch: r.watch, say: r.say, moments: killMoments(o.Kill9, c.over, o.Seed)}
		p.meanwhile, r.restarts = k.run, func() []Restart { return k.restarts }
	}
	return p, nil
}

// sellOutAfter returns the number of draws after which the built-in campaign is to be sold out: when four fifths of the
// crowd have drawn, but not before there are enough for a verdict. If that many hardly come, it does not sell out.
func sellOutAfter(users, arrivals, needed int) int {
	draws := max(users*4/5, needed*5/4)
	if draws > arrivals*9/10 {
		return 2 * arrivals
	}
	return draws
}
