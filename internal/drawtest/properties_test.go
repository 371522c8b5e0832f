package drawtest

import (
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// laws is what must be so after every command, whatever the command was and whoever computes it: no reference stands behind it.
type laws struct {
	t       *testing.T
	a       *Applier
	used    map[[3]string]uint32          // by campaign, user and cap
	version map[engine.CampaignRef]uint32 // live
	seq     map[engine.CampaignRef]uint64 // last
	checks  Reached
}

// TestLaws runs scripts and holds the engine to its laws: stock and chances that add up, caps and budgets that nothing moves past,
// pities that move by one or end, versions that follow each other, refusals that change nothing.
func TestLaws(t *testing.T) {
	checks := Reached{}
	for seed := range uint64(60) {
		script := Generate(rand.New(rand.NewPCG(seed, 4)), 400)
		l := &laws{t, start(t, 4, script[0].Stamp), map[[3]string]uint32{}, map[engine.CampaignRef]uint32{}, map[engine.CampaignRef]uint64{}, checks}
		for i := range script {
			l.command(&script[i], i)
			if t.Failed() {
				t.Fatalf("seed %d, command %d: %s", seed, i, &script[i])
			}
		}
	}
	for _, what := range []string{"stock", "chances", "cap", "pity", "budget", "version", "refusal"} {
		if checks[what] < 200 {
			t.Errorf("%s: looked at %d times", what, checks[what])
		}
	}
}

func (l *laws) command(c *Command, i int) {
	before := l.paidOut()
	out, err := l.a.Apply(c.Stamp, c)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, recs := range [][]engine.Record{l.a.aside, out[0].Records} {
		for j := range recs {
			l.record(&recs[j])
		}
	}
	if d := &out[0]; d.Result.Code != problem.OK && len(d.Records) == 0 && i%7 == 0 {
		l.nothingChanges(c)
	}
	l.budgets(before)
	l.stock()
	if c.Draw != nil {
		l.chances(c.Draw)
	}
}

// nothingChanges gives a command that was refused again: at the same time the state stays what it is.
func (l *laws) nothingChanges(c *Command) {
	at := l.a.Engine.LogTime()
	if _, err := l.a.Apply(at, &Command{}); err != nil {
		l.t.Fatal(err)
	}
	was := l.a.Engine.StateHash()
	out, err := l.a.Apply(at, c)
	if err != nil {
		l.t.Fatal(err)
	}
	for j := range out[0].Records { // of a hold that is refused now, and was not looked at before
		l.record(&out[0].Records[j])
	}
	if out[0].Result.Code != problem.OK && len(out[0].Records)+len(l.a.aside) == 0 {
		l.checks["refusal"]++
		if l.a.Engine.StateHash() != was {
			l.t.Errorf("refused with %s, and the state is another", out[0].Result.Code)
		}
	}
}

// record looks at what one record says of caps, pities and versions.
func (l *laws) record(rec *engine.Record) {
	c, ok := l.a.Engine.CampaignByRef(rec.Campaign)
	if !ok {
		return
	}
	if rec.Kind == engine.RecordPublish {
		l.checks["version"]++
		if rec.Version != l.version[rec.Campaign]+1 {
			l.t.Errorf("version %d after %d", rec.Version, l.version[rec.Campaign])
		}
		l.version[rec.Campaign] = rec.Version
	}
	if rec.Version != 0 && rec.Version != l.version[rec.Campaign] { // 0: of one that waits
		l.t.Errorf("a record of version %d while %d is live", rec.Version, l.version[rec.Campaign])
	}
	if rec.Seq != 0 {
		if rec.Seq != l.seq[rec.Campaign]+1 {
			l.t.Errorf("seq %d after %d", rec.Seq, l.seq[rec.Campaign])
		}
		l.seq[rec.Campaign] = rec.Seq
	}
	if rec.Kind == engine.RecordDraw {
		l.caps(c.VersionNumber(rec.Version), rec)
		l.pities(c.VersionNumber(rec.Version), rec)
	}
}

// caps: a draw moves no counter of its user past the limit in force.
func (l *laws) caps(v *engine.Version, rec *engine.Record) {
	n := 0
	for i := range v.Caps {
		k := &v.Caps[i]
		if k.Scope != engine.ScopeUser {
			continue
		}
		key := [3]string{v.Campaign, string(rec.User), k.ID}
		l.checks["cap"]++
		if used := rec.Used[n]; used > k.Limit && used > l.used[key] {
			l.t.Errorf("cap %s: moved from %d to %d, limit %d", k.ID, l.used[key], used, k.Limit)
		}
		l.used[key] = rec.Used[n]
		n++
	}
}

// pities: a counter goes on by one, stays where it is due, or begins again; what is due is given or is said to be unfunded, unless
// the draw wins by itself or the user may not have it.
func (l *laws) pities(v *engine.Version, rec *engine.Record) {
	m, some := rec.Pity()
	if !some {
		return
	}
	for i := range v.Pity {
		y, before, after := &v.Pity[i], uint32(m.Before[i]), uint32(m.After[i])
		l.checks["pity"]++
		switch {
		case after == 0 || after == before+1 && after <= mostOf(y):
		case after == before && before >= mostOf(y):
		default:
			l.t.Errorf("pity %s: from %d to %d", y.ID, before, after)
		}
		if m.Given == i && y.Within > 0 && before+1 < y.Within {
			l.t.Errorf("pity %s gave at draw %d of %d", y.ID, before+1, y.Within)
		}
		if m.Given == i && after != 0 {
			l.t.Errorf("pity %s gave and goes on at %d", y.ID, after)
		}
	}
}

// paidOut returns what every prize has paid.
func (l *laws) paidOut() map[[2]string]int64 {
	paid := map[[2]string]int64{}
	ns, _ := l.a.Engine.Namespace("default")
	for _, c := range ns.Campaigns() {
		_, stock := c.Stock()
		for _, s := range stock {
			if s.Money {
				paid[[2]string{c.ID(), s.ID}] = s.Paid
			}
		}
	}
	return paid
}

// budgets: nothing pays past a prize's budget that is in force.
func (l *laws) budgets(before map[[2]string]int64) {
	ns, _ := l.a.Engine.Namespace("default")
	for _, c := range ns.Campaigns() {
		_, stock := c.Stock()
		for _, s := range stock {
			if !s.Money {
				continue
			}
			l.checks["budget"]++
			if was := before[[2]string{c.ID(), s.ID}]; s.Budget > 0 && s.Paid > s.Budget && s.Paid > was {
				l.t.Errorf("prize %s paid %d of %d", s.ID, s.Paid, s.Budget)
			}
		}
	}
}

// stock: every cell adds up, and no part of it is below 0.
func (l *laws) stock() {
	ns, _ := l.a.Engine.Namespace("default")
	for _, c := range ns.Campaigns() {
		_, stock := c.Stock()
		for _, s := range stock {
			parts := []engine.Quantity{s.Unreleased, s.Available, s.Reserved, s.Held, s.Issued, s.Expired, s.Withdrawn}
			sum := engine.Quantity(0)
			for _, n := range parts {
				sum += n
				if n < 0 {
					l.t.Errorf("campaign %s: %+v", c.ID(), s)
				}
			}
			l.checks["stock"]++
			if s.Total != engine.Unlimited && sum != s.Total {
				l.t.Errorf("campaign %s: the parts of %+v sum to %d", c.ID(), s, sum)
			}
		}
	}
}

// chances: what was granted is somewhere.
func (l *laws) chances(d *engine.Draw) {
	c, ok := l.a.Engine.CampaignByRef(d.Campaign)
	if !ok {
		return
	}
	u := l.a.Engine.UserState(c, d.User, l.a.Engine.LogTime())
	if u.Chances == nil {
		return
	}
	l.checks["chances"]++
	if s := u.Chances.Sums; s.Granted != s.Consumed+s.Remaining+s.Expired+s.Revoked {
		l.t.Errorf("chances %+v", s)
	}
}
