package oracle

import (
	"fmt"
	"math/bits"

	"github.com/drawd/drawd/engine"
)

// scale returns the prize that a word names. sure is false for the few words that scaling rejects, where a further word
// decides.
func (j *Judge) scale(word uint64) (prize int, sure bool) {
	value, low := bits.Mul64(word, uint64(j.Rules.Denominator))
	if low < j.surplus {
		return 0, false
	}
	for i, sum := range j.sums {
		if value < sum {
			return i, true
		}
	}
	return Miss, true
}

// countCaps moves the user's counters by one draw and compares them with limits and record.
func (j *Judge) countCaps(it *Item, user int32, prize int) {
	for _, i := range j.ofUser {
		k, f := &j.Rules.Caps[i], j.caps[i]
		counts := !k.Wins || prize >= 0 && (k.Prize < 0 || k.Prize == prize)
		if k.Window.Kind == engine.WindowCooldown && it.Part > 0 {
			counts = false // a request counts once
		}
		if !counts {
			continue
		}
		before := f.used(user, it.At, &j.cal)
		if before >= k.Limit {
			j.fault("cap", "user %s, cap %s: seq %d is number %d of %d allowed in its window", it.User, k.ID, it.Seq, before+1, k.Limit)
		}
		f.add(user, it.At, &j.cal)
	}
	if it.Times > 1 {
		return // caps on draws count all sub-draws before the first one is recorded
	}
	if len(it.Used) != len(j.ofUser) {
		j.fault("cap", "user %s, seq %d: the record carries %d counters, the version has %d", it.User, it.Seq, len(it.Used), len(j.ofUser))
		return
	}
	for n, i := range j.ofUser {
		if used := j.caps[i].used(user, it.At, &j.cal); used != it.Used[n] {
			j.fault("cap", "user %s, cap %s: seq %d recorded %d used, recounted %d", it.User, j.Rules.Caps[i].ID, it.Seq, it.Used[n], used)
		}
	}
}

// take gives out a prize.
func (j *Judge) take(it *Item, prize int) {
	s, units := &j.stock[prize], j.Rules.Prizes[prize].Units
	s.wins++
	s.taken += units
	if s.total == int64(engine.Unlimited) {
		return
	}
	s.left -= units
	if s.left < 0 {
		j.fault("stock", "prize %s: oversold by %d at seq %d (%d units)", j.Rules.Prizes[prize].ID, -s.left, it.Seq, s.total)
	}
	if !it.HasStockAfter || it.StockAfter != s.left {
		j.fault("stock", "prize %s, seq %d: %d left were recorded, recounted %d", j.Rules.Prizes[prize].ID, it.Seq, it.StockAfter, s.left)
	}
}

// adjust follows a change of stock by an operator.
func (j *Judge) adjust(it *Item) {
	prize := j.Rules.prize(it.Name)
	if prize < 0 {
		return
	}
	if s := &j.stock[prize]; s.total >= 0 {
		s.total += it.Delta
		s.left += it.Delta
	}
}

// meet compares a draw of the feed with what was answered under its seq.
func (j *Judge) meet(it *Item, user uint64, prize int) {
	for j.next < len(j.Answers) && j.Answers[j.next].Seq < it.Seq {
		j.missing(&j.Answers[j.next])
		j.next++
	}
	met := 0
	for ; j.next < len(j.Answers) && j.Answers[j.next].Seq == it.Seq; j.next++ {
		a := &j.Answers[j.next]
		if met++; met > 1 {
			j.fault("key", "%s and %s were answered with the same draw, seq %d", j.Name(j.Answers[j.next-1].Request), j.Name(a.Request), it.Seq)
		}
		if what := j.differs(it, a, user, prize); what != "" {
			j.fault("lost", "%s was answered with seq %d, which has another %s in the feed", j.Name(a.Request), it.Seq, what)
			continue
		}
		j.verdict.Found++
	}
	if met == 0 {
		j.verdict.Extra++
	}
}

func (j *Judge) differs(it *Item, a *Answer, user uint64, prize int) string {
	switch {
	case a.Draw != j.Hasher.Hash(it.Draw):
		return "id"
	case a.User != user:
		return "user"
	case int(a.Prize) != prize:
		return "outcome"
	}
	return ""
}

func (j *Judge) missing(a *Answer) {
	j.fault("lost", "%s was answered with seq %d, which is not in the feed", j.Name(a.Request), a.Seq)
}

func (j *Judge) prizeName(i int) string {
	if i < 0 {
		return "the miss"
	}
	return j.Rules.Prizes[i].ID
}

// fault adds a fault to the verdict. Beyond MaxFaults of one rule they are only counted.
func (j *Judge) fault(rule, format string, args ...any) {
	j.verdict.Add(rule, fmt.Sprintf(format, args...))
}
