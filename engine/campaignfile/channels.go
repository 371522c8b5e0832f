package campaignfile

import (
	"regexp"
	"slices"

	"github.com/drawd/drawd/engine"
)

// channelEntry is a channel as it is read.
type channelEntry struct {
	id     string
	stated bool // the file names its prizes
	prizes []setEntry
	miss   []int16

	at, idAt value
}

var channelPattern = regexp.MustCompile(`^[A-Za-z0-9._~:@=+-]{1,32}$`)

func (c *campaign) readChannel(_ int, v value) {
	e := channelEntry{at: v}
	c.object(v, []field{
		{name: "id", required: required, read: func(v value) {
			e.idAt = v
			if e.id, _ = c.text(v); e.id != "" && !channelPattern.MatchString(e.id) {
				c.fault(v, "must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxChannelBytes)
			}
		}},
		{name: "prizes", read: func(v value) {
			e.stated = true
			e.prizes = c.readSet(v, true)
		}},
		{name: "miss_slot", read: func(v value) { e.miss = c.readSlots(v, e.miss) }},
		{name: "miss_slots", read: func(v value) { e.miss = c.readSlots(v, e.miss) }},
	})
	c.channels = append(c.channels, e)
}

// readSlots reads one slot of a wheel, or a list of them.
func (r *reader) readSlots(v value, before []int16) []int16 {
	if len(before) > 0 {
		r.fault(v, "the slots are given already: write slot or slots")
		return before
	}
	if v.kind != kindList {
		if n, ok := r.integer(v, 0, maxSlot); ok {
			before = append(before, int16(n))
		}
		return before
	}
	r.list(v, engine.MaxSlots, func(_ int, v value) {
		n, ok := r.integer(v, 0, maxSlot)
		if ok && slices.Contains(before, int16(n)) {
			r.fault(v, "slot %d is named twice", n)
		} else if ok {
			before = append(before, int16(n))
		}
	})
	return before
}

// checkChannels finds the faults of the channels and compiles them into the version. It stands before the sessions, whose
// weights are held against the denominator in every channel.
func (c *campaign) checkChannels() {
	if len(c.faults) > 0 {
		return
	}
	for i := range c.channels {
		e := &c.channels[i]
		for j := range i {
			if c.channels[j].id == e.id {
				c.fault(e.idAt, "channel %q is already defined in line %d: ids must be unique", e.id, c.channels[j].idAt.at.line)
			}
		}
		c.version.Channels = append(c.version.Channels, c.compileChannel(e))
	}
	if c.sessions == nil && len(c.channels) > 0 {
		all := sessionEntry{at: c.prizesAt}
		c.checkSums(c.compileSet(&all), c.prizesAt)
	}
}

func (c *campaign) compileChannel(e *channelEntry) engine.Channel {
	out := engine.Channel{ID: e.id, All: !e.stated}
	taken := make(map[int16]string)
	layout := func(prize int, name string, slots []int16, at value) {
		for _, n := range slots {
			if other, again := taken[n]; again {
				c.fault(at, "slot %d is the slot of %s already", n, other)
			}
			taken[n] = name
			out.Slots = append(out.Slots, engine.Slot{Prize: int16(prize), Slot: n})
		}
	}
	layout(engine.NoPrize, "the miss", e.miss, e.at)
	for i := range e.prizes {
		p := &e.prizes[i]
		at := c.prize(p.id)
		if at < 0 {
			c.fault(p.at, "there is no prize %q in this file", p.id)
			continue
		}
		if slices.ContainsFunc(out.Prizes, func(o engine.ChannelPrize) bool { return int(o.Prize) == at }) {
			c.fault(p.at, "prize %q is named twice", p.id)
			continue
		}
		weight := uint32(engine.KeepWeight)
		if p.weighted {
			weight = uint32(p.weight)
		}
		out.Prizes = append(out.Prizes, engine.ChannelPrize{Prize: int16(at), Weight: weight})
		slots := p.slots
		if n := c.prizes[at].Slot; len(slots) == 0 && n >= 0 {
			slots = []int16{n}
		}
		layout(at, "prize "+p.id, slots, p.at)
	}
	if !e.stated { // the wheel is the one that the prizes name
		for i := range c.prizes {
			if p := &c.prizes[i]; p.Slot >= 0 {
				layout(i, "prize "+p.ID, []int16{p.Slot}, e.at)
			}
		}
	}
	for i := range e.prizes {
		z := c.prize(e.prizes[i].id)
		if z < 0 || c.prizes[z].Unavailable != engine.OnFallback {
			continue
		}
		if to := c.prize(c.prizes[z].fallback); !slices.ContainsFunc(out.Prizes, func(o engine.ChannelPrize) bool { return int(o.Prize) == to }) {
			c.fault(e.prizes[i].at, "falls back to prize %q, which is not in this channel: add it, with weight 0 if it is only that", c.prizes[z].fallback)
		}
	}
	if len(out.Slots) > engine.MaxSlots {
		c.fault(e.at, "has %d slots; at most %d are allowed", len(out.Slots), engine.MaxSlots)
	}
	slices.SortFunc(out.Prizes, func(a, b engine.ChannelPrize) int { return int(a.Prize) - int(b.Prize) })
	slices.SortFunc(out.Slots, func(a, b engine.Slot) int {
		if a.Prize != b.Prize {
			return int(a.Prize) - int(b.Prize)
		}
		return int(a.Slot) - int(b.Slot)
	})
	return out
}

// checkSums holds the weights of a set, in every channel, against the denominator.
func (c *campaign) checkSums(set engine.PrizeSet, at value) {
	if len(c.version.Channels) == 0 {
		var sum int64
		for _, p := range set {
			sum += int64(p.Weight)
		}
		c.checkSum(sum, at, "")
	}
	for i := range c.version.Channels {
		var sum int64
		for _, p := range set {
			weight, _ := c.version.Channels[i].WeightIn(p.Prize, p.Weight)
			sum += int64(weight)
		}
		c.checkSum(sum, at, " in channel "+c.version.Channels[i].ID)
	}
}
