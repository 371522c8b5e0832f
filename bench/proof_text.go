package bench

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/bench/oracle"
)

// writeProof writes a verdict with what it rests on.
func writeProof(p *page, proof *Proof, needed int) {
	v := proof.Verdict
	g := &grid{}
	g.row("prize", "stock", "wins", "units", "books", "natural", "expected", "deviation")
	for _, z := range v.Prizes {
		total := "unlimited"
		if z.Total >= 0 {
			total = count(z.Total)
		}
		g.row(z.ID, total, count(z.Wins), count(z.Taken), count(z.Issued), count(z.Natural), fmt.Sprintf("%.1f", z.Expected), fmt.Sprintf("%+.2f σ", z.Sigma))
	}
	p.grid(g)
	p.line("")
	p.line("compared")
	c := &grid{}
	c.row("records read from the feed", count(proof.FeedItems))
	c.row("draws, by users", count(v.Draws)+" by "+count(v.Users))
	c.row("acknowledged draws found in the feed (id, seq, user, prize)", count(v.Found)+" of "+count(v.Acknowledged))
	c.row("asked again with the same key: replayed, same bytes", count(proof.ReplaysSame)+" of "+count(proof.Replays))
	c.row("read again by id: same bytes", count(proof.ByIDSame)+" of "+count(proof.ByID))
	p.grid(c)
	for _, n := range v.NotJudged {
		p.line("  not judged: %s", n)
	}
	p.line("")
	switch {
	case !v.Right():
		p.line("VERDICT   WRONG: %s", faultSummary(v))
		for _, f := range v.Faults {
			p.line("  %-8s  %s", f.Rule, f.Detail)
		}
	case v.Draws < uint64(needed):
		p.line("VERDICT   nothing wrong was seen, but a verdict needs ≥ %s logged draws and there were %s: not a pass", count(needed), count(v.Draws))
	default:
		p.line("VERDICT   right: wins = stock taken ≤ stock, nobody above a cap, one outcome per key, seq dense, odds within 7 σ, no acknowledged draw lost or changed")
	}
}

func faultSummary(v *oracle.Verdict) string {
	var parts []string
	for rule, n := range v.FaultCounts {
		parts = append(parts, fmt.Sprintf("%s × %s", rule, count(n)))
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}
