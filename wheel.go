package drawd

import "github.com/drawd/drawd/engine"

// landed returns the prize on which a wheel stops: that which was won, or the thanks to which the word of a miss, or the
// fallbacks of the prize that it named, led; engine.NoPrize for neither.
func landed(v *engine.Version, r *engine.Record) int {
	if r.Prize != engine.NoPrize {
		return r.Prize
	}
	at := r.Natural
	for range engine.MaxFallbackHops + 1 {
		if at < 0 || at >= len(v.Prizes) {
			break
		}
		p := &v.Prizes[at]
		if p.Kind == engine.KindThanks {
			return at
		}
		if p.Unavailable != engine.OnFallback {
			break
		}
		at = int(p.Fallback)
	}
	return engine.NoPrize
}

// slotOf returns where the wheel of the draw's channel stops, -1 for nowhere.
func slotOf(v *engine.Version, r *engine.Record, landed int) int {
	if len(v.Channels) == 0 {
		if landed == engine.NoPrize {
			return -1
		}
		return int(v.Prizes[landed].Slot)
	}
	c := v.Channel(r.Channel)
	if c == nil {
		return -1
	}
	slot := c.SlotOf(landed, r.Word)
	if slot < 0 && r.Prize == engine.NoPrize {
		slot = c.SlotOf(engine.NoPrize, r.Word)
	}
	return int(slot)
}
