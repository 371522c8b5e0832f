package check

import (
	"slices"

	"github.com/drawd/drawd/engine"
)

// books counts units by records alone: what was there, what came, what was won.
type books struct {
	cells map[cell]*count
	seen  map[engine.CampaignRef][]state // books after each record with a seq, ascending
}

type cell struct {
	campaign engine.CampaignRef
	prize    int
}

type count struct{ won engine.Quantity }

// state is what draws and adjustments left of the prizes at a seq.
type state struct {
	seq   uint64
	prize int
	left  engine.Quantity
}

// add counts one record. StockAfter is what the engine says is left: it never rises by a win.
func (b *books) add(r *engine.Record, v *Verdict) {
	if b.cells == nil {
		b.cells, b.seen = map[cell]*count{}, map[engine.CampaignRef][]state{}
	}
	if r.Kind != engine.RecordDraw || r.Prize == engine.NoPrize || r.StockAfter == engine.Unlimited {
		return
	}
	at := cell{r.Campaign, r.Prize}
	c := b.cells[at]
	if c == nil {
		c = new(count)
		b.cells[at] = c
	}
	c.won++
	if r.StockAfter < 0 {
		v.fault("stock", "campaign %d, prize %d: %d units are left after seq %d", r.Campaign, r.Prize, r.StockAfter, r.Seq)
	}
	b.seen[r.Campaign] = append(b.seen[r.Campaign], state{r.Seq, r.Prize, r.StockAfter})
}

// stock holds the units that were won against those that were ever there.
func (j *judge) stock() {
	totals := j.totals()
	for at, c := range j.books.cells {
		v := j.version(at.campaign)
		if v == nil || at.prize >= len(v.Prizes) {
			continue
		}
		p := &v.Prizes[at.prize]
		if won := c.won * engine.Quantity(p.Units); p.Stock != engine.Unlimited && won > totals[at.campaign][p.ID] {
			j.verdict.fault("stock", "campaign %d: %d units of %s were won, %d were ever there", at.campaign, won, p.ID, totals[at.campaign][p.ID])
		}
	}
}

// reads holds what reads saw against the records: the books of a seq, and a seq that is neither older than what had ended
// when the read began, nor younger than what had begun when it ended.
func (j *judge) reads() {
	stocks := j.totals()
	for _, a := range j.Attempts {
		if a.Read == nil || a.Outcome != Decided {
			continue
		}
		j.verdict.Reads++
		j.read(a, stocks)
	}
}

// totals sums up what was ever there of each prize: opening stocks and adjustments that were decided.
func (j *judge) totals() map[engine.CampaignRef]map[string]engine.Quantity {
	all := map[engine.CampaignRef]map[string]engine.Quantity{}
	for a, told := range j.told {
		if told.result.Code != 0 || told.result.Replayed {
			continue
		}
		of := func(c engine.CampaignRef) map[string]engine.Quantity {
			if all[c] == nil {
				all[c] = map[string]engine.Quantity{}
			}
			return all[c]
		}
		switch c := a.Command; {
		case c.Publish != nil:
			for i := range c.Publish.Version.Prizes {
				if p := &c.Publish.Version.Prizes[i]; p.Stock > 0 {
					of(told.result.Campaign)[p.ID] += p.Stock
				}
			}
		case c.Adjust != nil:
			of(c.Adjust.Campaign)[c.Adjust.Prize] += c.Adjust.Delta
		}
	}
	return all
}

// read judges one read.
func (j *judge) read(a *Attempt, totals map[engine.CampaignRef]map[string]engine.Quantity) {
	states := j.books.seen[a.Read.Campaign]
	for i := range a.Read.Prizes {
		p := &a.Read.Prizes[i]
		if sum := p.Unreleased + p.Available + p.Reserved + p.Held + p.Issued + p.Expired + p.Withdrawn; p.Total != engine.Unlimited && sum != p.Total {
			j.verdict.fault("read", "%s: the parts of %s add up to %d, not %d", a, p.ID, sum, p.Total)
		}
		if most, known := totals[a.Read.Campaign][p.ID]; known && p.Issued > most {
			j.verdict.fault("stock", "%s: %d of %s are issued, %d were ever there", a, p.Issued, p.ID, most)
		}
	}
	// The newest record at or before the seq tells what was left of its prize.
	n, _ := slices.BinarySearchFunc(states, a.Read.Seq+1, func(s state, seq uint64) int { return compare(s.seq, seq) })
	if n > 0 && states[n-1].seq == a.Read.Seq && states[n-1].prize < len(a.Read.Prizes) {
		if s := states[n-1]; a.Read.Prizes[s.prize].Available != s.left {
			j.verdict.fault("read", "%s saw %d units of prize %d at seq %d, which left %d", a, a.Read.Prizes[s.prize].Available, s.prize, s.seq, s.left)
		}
	}
	if newest := j.seqs[a.Read.Campaign]; a.Read.Seq > newest {
		j.verdict.fault("read", "%s saw seq %d of %d", a, a.Read.Seq, newest)
	}
	j.fresh(a)
}

// fresh checks that a read saw everything that was acknowledged before it began.
func (j *judge) fresh(a *Attempt) {
	var rec engine.Record
	for _, other := range j.Attempts {
		if other.Outcome != Decided || other.Command == nil || other.Command.Draw == nil || other.Command.Draw.Campaign != a.Read.Campaign ||
			other.Returned >= a.Invoked || other.Result.Replayed || len(other.Records) == 0 {
			continue
		}
		if _, err := engine.DecodeRecord(other.Records, &rec); err == nil && rec.Seq > a.Read.Seq {
			j.verdict.fault("read", "%s saw seq %d, after %s was told seq %d", a, a.Read.Seq, other, rec.Seq)
			return
		}
	}
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
