package check

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Bounds of one sample: what porcupine decides in milliseconds (research: 8 clients, 1,000 operations, 2 ms).
const (
	maxSample     = 1000
	sampleTimeout = 20 * time.Second
)

// step is one operation on one counter: how it moves it, and what it says about it before. A step is legal where
// least ≤ the counter ≤ most.
type step struct {
	move        int64
	least, most int64
}

// counter is the model of every sample: a number that operations move and bound. What each operation needs of it is in
// its own step, so that one model serves prizes, pools and users.
var counter = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		n, s := state.(int64), input.(step)
		return n >= s.least && n <= s.most, n + s.move
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}

const (
	lowest  = math.MinInt64
	highest = math.MaxInt64
)

// op is one operation of a client, its retries folded in: from the first attempt that may have decided it to the first
// answer that told of it.
type op struct {
	attempt *Attempt // that told the outcome, or whose outcome the log has
	call    uint64
	end     uint64 // math.MaxInt64 for never
	answer  answer
}

// operations folds the attempts of each key. A denial is of its own attempt alone: an earlier one that decided would have
// been told again.
func (j *judge) operations() []op {
	began := map[string]uint64{} // the first attempt of a key
	ended := map[string]uint64{} // the first answer that told the outcome
	for _, a := range j.Attempts {
		if a.Key == "" || a.Outcome == None {
			continue
		}
		if first, known := began[a.Key]; !known || a.Invoked < first {
			began[a.Key] = a.Invoked
		}
		if a.Outcome == Decided && a.Result.Code == problem.OK {
			if first, known := ended[a.Key]; !known || a.Returned < first {
				ended[a.Key] = a.Returned
			}
		}
	}
	var all []op
	for _, a := range j.Attempts {
		w, known := j.told[a]
		o := op{a, a.Invoked, math.MaxInt64, w}
		if a.Outcome == Decided {
			o.end = a.Returned
		}
		switch {
		case a.Read != nil && a.Outcome == Decided:
		case !known || w.result.Replayed, w.result.Code != problem.OK && a.Outcome != Decided:
			continue
		case w.result.Code == problem.OK && a.Key != "":
			o.call = began[a.Key]
			if end, told := ended[a.Key]; told {
				o.end = end
			}
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(x, y op) int { return compare(x.call, y.call) })
	return all
}

// samples gives porcupine the operations on each prize with a stock, on each pool, and of each user under a cap for life.
func (j *judge) samples() {
	if len(j.verdict.Faults) > 0 {
		return // the answers that are sampled come from a replay that ended early
	}
	parts := map[string][]porcupine.Operation{}
	opening := map[string]int64{}
	for _, o := range j.operations() {
		for name, s := range j.steps(&o, opening) {
			parts[name] = append(parts[name], o.operation(s))
		}
	}
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		j.sample(name, quiet(parts[name]), opening[name])
	}
}

// operation is one step of an operation as porcupine wants it.
func (o *op) operation(s step) porcupine.Operation {
	return porcupine.Operation{ClientId: o.attempt.Client, Input: s, Call: int64(o.call), Return: int64(o.end)}
}

// quiet returns the operations up to a moment at which none was under way, at most maxSample of them.
func quiet(all []porcupine.Operation) []porcupine.Operation {
	cut, last := 0, int64(0)
	for i, o := range all[:min(len(all), maxSample+1)] {
		if o.Call > last {
			cut = i
		}
		last = max(last, o.Return)
	}
	if len(all) <= maxSample {
		return all
	}
	return all[:cut]
}

func (j *judge) sample(name string, ops []porcupine.Operation, opening int64) {
	if len(ops) < 2 {
		return
	}
	m := counter
	m.Init = func() any { return opening }
	j.verdict.Samples++
	j.verdict.Sampled += len(ops)
	switch porcupine.CheckOperationsTimeout(m, separate(ops), sampleTimeout) {
	case porcupine.Illegal:
		j.verdict.fault("linear", "no order explains the %d operations on %s", len(ops), name)
	case porcupine.Unknown:
		j.verdict.fault("linear", "%d operations on %s were not decided in %v", len(ops), name, sampleTimeout)
	}
}

// separate gives each operation a client of its own where one client's overlap: those whose end nobody saw.
func separate(ops []porcupine.Operation) []porcupine.Operation {
	next := 1000
	for i := range ops {
		if ops[i].Return == math.MaxInt64 {
			ops[i].ClientId = next
			next++
		}
	}
	return ops
}

// steps returns what an operation does to which counters. Counters that begin with something are noted in opening: those
// operations happen before everything else.
func (j *judge) steps(o *op, opening map[string]int64) map[string]step {
	w := &o.answer.result
	switch c := o.attempt.Command; {
	case o.attempt.Read != nil:
		return readSteps(o.attempt.Read)
	case c.Draw != nil:
		return j.drawSteps(o)
	case w.Code == problem.OK && c.Publish != nil:
		for i := range c.Publish.Version.Prizes {
			if p := &c.Publish.Version.Prizes[i]; p.Stock >= 0 {
				opening[prizeName(w.Campaign, p.ID)] = int64(p.Stock)
			}
		}
	case w.Code == problem.OK && c.Adjust != nil:
		return map[string]step{prizeName(c.Adjust.Campaign, c.Adjust.Prize): {int64(c.Adjust.Delta), lowest, highest}}
	case c.Stock == nil:
	case w.Code == problem.OK && c.Stock.Pool != nil && c.Stock.Pool.Total >= 0:
		opening[poolName(w.Pool)] = int64(c.Stock.Pool.Total)
	case w.Code == problem.OK && c.Stock.Adjust != nil:
		return map[string]step{poolName(c.Stock.Adjust.Pool): {int64(c.Stock.Adjust.Delta), lowest, highest}}
	case c.Stock.Take != nil && w.Code == problem.OK:
		n := int64(c.Stock.Take.Units)
		return map[string]step{poolName(c.Stock.Take.Pool): {-n, n, highest}}
	case c.Stock.Take != nil && w.Code == problem.InsufficientStock:
		return map[string]step{poolName(c.Stock.Take.Pool): {0, lowest, int64(c.Stock.Take.Units) - 1}}
	}
	return nil
}

func prizeName(c engine.CampaignRef, id string) string {
	return fmt.Sprintf("prize %s of campaign %d", id, c)
}
func poolName(p engine.PoolRef) string { return fmt.Sprintf("pool %d", p) }

func readSteps(b *Books) map[string]step {
	all := map[string]step{}
	for i := range b.Prizes {
		if p := &b.Prizes[i]; p.Total != engine.Unlimited {
			all[prizeName(b.Campaign, p.ID)] = step{0, int64(p.Available), int64(p.Available)}
		}
	}
	return all
}

// drawSteps returns what one draw says about the prize that it was given, about the one that its word named and that was
// out, and about its user's cap for the campaign's life.
func (j *judge) drawSteps(o *op) map[string]step {
	w, d := &o.answer.result, o.attempt.Command.Draw
	v := j.version(w.Campaign)
	if v == nil {
		return nil
	}
	all := map[string]step{}
	if life := lifeCap(v); life >= 0 {
		user := fmt.Sprintf("user %s in campaign %d", d.UserID, w.Campaign)
		limit, n := int64(v.Caps[life].Limit), int64(d.Times)
		switch {
		case w.Code == problem.OK:
			all[user] = step{n, 0, limit - n}
		case w.Code == problem.Capped && int(w.Cap) == life:
			all[user] = step{0, limit - n + 1, limit}
		}
	}
	if w.Code == problem.OK {
		prizeSteps(o, v, all)
	}
	return all
}

// prizeSteps adds what the records of a draw say about prizes.
func prizeSteps(o *op, v *engine.Version, all map[string]step) {
	stocked := func(i int) bool { return i >= 0 && i < len(v.Prizes) && v.Prizes[i].Stock != engine.Unlimited }
	for rest := o.answer.records; len(rest) > 0; {
		var rec engine.Record
		n, err := engine.DecodeRecord(rest, &rec)
		if err != nil {
			return
		}
		rest = rest[n:]
		if stocked(rec.Natural) && rec.Prize != rec.Natural && rec.Cause == engine.CauseSoldOut && rec.Times == 1 {
			all[prizeName(rec.Campaign, v.Prizes[rec.Natural].ID)] = step{0, lowest, int64(v.Prizes[rec.Natural].Units) - 1}
		}
		if stocked(rec.Prize) {
			name, units := prizeName(rec.Campaign, v.Prizes[rec.Prize].ID), int64(v.Prizes[rec.Prize].Units)
			s := all[name]
			all[name] = step{s.move - units, s.least + units, highest}
		}
	}
}

// version returns the first version of a campaign: prizes and caps keep their places in the histories that are judged.
func (j *judge) version(c engine.CampaignRef) *engine.Version {
	if j.versions == nil {
		j.versions = map[engine.CampaignRef]*engine.Version{}
		for a, w := range j.told {
			if p := a.Command.Publish; p != nil && w.result.Code == problem.OK && w.result.Value == 1 {
				j.versions[w.result.Campaign] = p.Version
			}
		}
	}
	return j.versions[c]
}

// lifeCap returns the cap on a user's draws over the whole campaign, -1 for none.
func lifeCap(v *engine.Version) int {
	return slices.IndexFunc(v.Caps, func(k engine.Cap) bool {
		return k.Counts == engine.CountDraws && k.Scope == engine.ScopeUser && k.Window.Kind == engine.WindowCampaign && k.Prize < 0
	})
}
