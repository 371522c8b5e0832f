package campaignfile

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// The canonical forms of sessions and channels. A calendar stays a calendar: its days are in the version.
type sessionDocument struct {
	ID       string             `json:"id,omitempty"`
	Every    string             `json:"every,omitempty"`
	Date     string             `json:"date,omitempty"`
	Title    map[string]string  `json:"title,omitempty"`
	StartsAt string             `json:"starts_at,omitempty"`
	EndsAt   string             `json:"ends_at,omitempty"`
	Closed   bool               `json:"closed,omitempty"`
	Opens    string             `json:"opens,omitempty"`
	Closes   string             `json:"closes,omitempty"`
	Unsold   string             `json:"unsold,omitempty"`
	Prizes   *[]setDocument     `json:"prizes,omitempty"`
	Override []*sessionDocument `json:"overrides,omitempty"`
}

type setDocument struct {
	ID     string  `json:"id"`
	Weight *int64  `json:"weight,omitempty"`
	Stock  any     `json:"stock,omitempty"`
	Slots  []int16 `json:"slots,omitempty"`
}

type channelDocument struct {
	ID        string         `json:"id"`
	Prizes    *[]setDocument `json:"prizes,omitempty"`
	MissSlots []int16        `json:"miss_slots,omitempty"`
}

func (c *campaign) sessionsForm() any {
	k := c.sessions.calendar
	if k == nil {
		all := []*sessionDocument{}
		for i := range c.sessions.list {
			s := &c.sessions.list[i]
			d := sessionForm(s)
			d.ID, d.StartsAt, d.EndsAt = s.id, formatInstant(s.from), formatInstant(s.to)
			all = append(all, d)
		}
		return all
	}
	d := sessionForm(&k.day)
	d.Every = "day"
	if k.opens != 0 {
		d.Opens = formatClock(k.opens)
	}
	if k.closes != minutesOfDay {
		d.Closes = formatClock(k.closes)
	}
	for i := range k.overrides {
		o := &k.overrides[i]
		x := sessionForm(&o.sessionEntry)
		x.Date, x.Closed = o.date.String(), o.closed
		if o.opens >= 0 {
			x.Opens = formatClock(o.opens)
		}
		if o.closes >= 0 {
			x.Closes = formatClock(o.closes)
		}
		if o.unsold == engine.UnsoldExpire {
			x.Unsold = unsoldNames[engine.UnsoldExpire] // here it may differ from the calendar's
		}
		d.Override = append(d.Override, x)
	}
	return d
}

func sessionForm(s *sessionEntry) *sessionDocument {
	d := &sessionDocument{Title: s.title}
	if s.unsold == engine.UnsoldCarry {
		d.Unsold = unsoldNames[engine.UnsoldCarry]
	}
	if s.stated {
		d.Prizes = setForm(s.prizes)
	}
	return d
}

func setForm(entries []setEntry) *[]setDocument {
	all := make([]setDocument, len(entries))
	for i := range entries {
		e := &entries[i]
		all[i] = setDocument{ID: e.id, Slots: e.slots}
		if e.weighted {
			all[i].Weight = &e.weight
		}
		if e.stocked {
			if all[i].Stock = any(e.stock); engine.Quantity(e.stock) == engine.Unlimited {
				all[i].Stock = "unlimited"
			}
		}
	}
	return &all
}

func (c *campaign) channelForms() (all []channelDocument) {
	for i := range c.channels {
		e := &c.channels[i]
		d := channelDocument{ID: e.id, MissSlots: e.miss}
		if e.stated {
			d.Prizes = setForm(e.prizes)
		}
		all = append(all, d)
	}
	return all
}

func formatClock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// sessionsSize bounds the bytes of the section of sessions and channels from above.
func sessionsSize(v *engine.Version) int {
	const perSession, perSetPrize, perChannel, perPrize, perSlot = 96, 14, 64, 6, 4
	size := 16
	for _, set := range v.Sets {
		size += 4 + len(set)*perSetPrize
	}
	for i := range v.Sessions {
		size += perSession + len(v.Sessions[i].Title)
	}
	for i := range v.Channels {
		size += perChannel + len(v.Channels[i].Prizes)*perPrize + len(v.Channels[i].Slots)*perSlot
	}
	return size
}
