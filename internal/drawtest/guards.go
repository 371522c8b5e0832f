package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// burnt is what one win gave, as far as a guard counts it.
type burnt struct {
	minute engine.UnixMilli
	cash   int64
}

// burn counts a win for the guard.
func (r *Reference) burn(c *campaign, p *engine.Prize, w *winning) {
	if c.live().Guard == nil {
		return
	}
	b := burnt{minute: r.now / minute}
	if p.Kind == engine.KindCash {
		b.cash = w.amount
	}
	c.burnt = append(c.burnt, b)
}

// guard pauses the campaign as an operator does when the request in hand has reached a limit (docs/adr/0020). What it says as its
// reason the design leaves open.
func (r *Reference) guard(c *campaign) {
	g := c.live().Guard
	if g == nil {
		return
	}
	wins, cash := uint64(0), int64(0)
	for _, b := range c.burnt {
		if b.minute == r.now/minute {
			wins++
			cash += b.cash
		}
	}
	reason := ""
	switch {
	case g.Wins != 0 && wins >= g.Wins:
		reason = fmt.Sprintf("wins: %d in a minute, limit %d", wins, g.Wins)
		r.reach("guard of wins")
	case g.Amount != 0 && cash >= g.Amount:
		reason = fmt.Sprintf("amount: %d in a minute, limit %d", cash, g.Amount)
		r.reach("guard of cash")
	default:
		return
	}
	c.burnt = nil // a resume counts anew
	if c.paused || r.now >= c.endsAt() {
		return
	}
	c.paused, c.pausedAt = true, r.now
	r.aside = append(r.aside, engine.Record{
		Kind: engine.RecordControl, Campaign: c.ref, Version: c.live().Number, At: r.now, Name: []byte("pause"), Actor: []byte("guard"), Reason: []byte(reason),
	})
}
