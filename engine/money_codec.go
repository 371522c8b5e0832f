package engine

import (
	"encoding/binary"
	"fmt"
	"math"
)

// clone returns a copy that does not follow k.
func (k *money) clone() *money {
	if k == nil {
		return nil
	}
	c := *k
	c.prizes = append([]paid(nil), k.prizes...)
	for i := range c.prizes {
		c.prizes[i].dealt = append([]Card(nil), k.prizes[i].dealt...)
	}
	return &c
}

// money appends the section campaignAmounts.
func (w *writer) money(k *money) {
	if k == nil {
		return
	}
	w.i64(k.spent)
	w.u32(k.day)
	w.i64(k.today)
	w.u32(k.round)
	w.i64(k.inRound)
	w.u32(uint32(len(k.prizes)))
	for i := range k.prizes {
		p := &k.prizes[i]
		w.str(p.id)
		w.i64(p.sum)
		w.u32(uint32(len(p.dealt)))
		for _, c := range p.dealt {
			w.i64(c.Amount)
			w.u32(c.Count)
		}
	}
}

func (r *reader) money() *money {
	k := &money{spent: r.i64(), day: r.u32(), today: r.i64(), round: r.u32(), inRound: r.i64()}
	for range r.count(MaxPrizesEver) {
		p := paid{id: r.str(MaxIDBytes), sum: r.i64()}
		for range r.count(MaxPrizesEver) {
			p.dealt = append(p.dealt, Card{r.i64(), r.u32()})
			if r.fail {
				break
			}
		}
		k.prizes = append(k.prizes, p)
		if r.fail {
			break
		}
	}
	return k
}

// checkMoney reports why the money or the mode of a decoded campaign cannot belong to its live version.
func (c *campaignCut) checkMoney(live *Version) error {
	if c.money != nil {
		for i := range live.Prizes {
			if p := &live.Prizes[i]; p.Kind.paysAmount() && c.money.find(p.ID) < 0 {
				return fmt.Errorf("engine: meta: money of prize %q: %w", p.ID, errTruncated)
			}
		}
	}
	switch {
	case live.usesMoney() && c.money == nil,
		live.Mode.Kind != ModeWeighted && c.mode == nil,
		c.mode != nil && len(c.mode.sums) != 0 && len(c.mode.sums) != len(live.Prizes),
		live.Budget.User != 0 && c.layout.find(userBudgetPlace) == nil, c.damagedPlace():
		return fmt.Errorf("engine: meta: money without its place: %w", errTruncated)
	}
	return nil
}

// damagedPlace reports whether the place of a user's budget is not as large as every drawd made it.
func (c *campaignCut) damagedPlace() bool {
	p := c.layout.find(userBudgetPlace)
	return p != nil && (p.Scope != ScopeUser || p.Sizes[len(p.Sizes)-1] != userBudgetBytes)
}

// balanced reports whether what was paid adds up: no sum is negative, no part exceeds the whole, and a deck of amounts
// paid what it dealt.
func (k *money) balanced() bool {
	if k == nil {
		return true
	}
	total := int64(0)
	for i := range k.prizes {
		p, dealt := &k.prizes[i], int64(0)
		for _, c := range p.dealt {
			paid, ok := timesAmount(c.Amount, int64(c.Count))
			sum, fits := addAmounts(dealt, paid)
			if dealt = sum; !ok || !fits {
				return false
			}
		}
		if p.sum < dealt {
			return false
		}
		if sum, ok := addAmounts(total, p.sum); ok {
			total = sum
		} else {
			total = math.MaxInt64
		}
	}
	return k.spent >= 0 && k.spent <= total && k.today >= 0 && k.today <= k.spent && k.inRound >= 0 && k.inRound <= k.spent
}

// The section recordAmount: the amount of the prize and then, when that has one, of the prize that a pity gave on top.
// Of each the amount and the span that it was taken from, i64; all zeros for none.
const amountBytes = 24

// recordAmounts appends the section to t.more.
func (t *tx) recordAmounts() {
	all := [2]AmountPaid{t.record.AmountPaid, t.record.ExtraAmount}
	n := 1
	if all[1].Amount != 0 {
		n = 2
	}
	t.more = append(t.more, recordAmount, byte(n*amountBytes))
	for _, a := range all[:n] {
		for _, v := range [...]int64{a.Amount, a.AmountLeast, a.AmountMost} {
			t.more = binary.LittleEndian.AppendUint64(t.more, uint64(v))
		}
	}
}

func (r *Record) readAmounts(b []byte) bool {
	if len(b) != amountBytes && len(b) != 2*amountBytes {
		return false
	}
	r.AmountPaid = readAmount(b)
	if len(b) == amountBytes {
		return r.Amount > 0
	}
	r.ExtraAmount = readAmount(b[amountBytes:])
	return r.Amount >= 0 && r.ExtraAmount.Amount > 0
}

func readAmount(b []byte) AmountPaid {
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[i:])) }
	return AmountPaid{at(0), at(8), at(16)}
}
