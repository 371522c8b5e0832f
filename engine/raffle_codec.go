package engine

import (
	"slices"

	"github.com/drawd/drawd/engine/names"
)

// The commands of raffles, and their section of a campaign's state.

// AddEntrants appends an import of entrants. MaxEntrantsBytes bounds their ids together.
func (b *Batch) AddEntrants(c *AddEntrants) {
	w, start := b.begin(opEntrants)
	w.u32(uint32(c.Campaign))
	w.str(c.Raffle)
	w.str(c.Actor)
	w.users(c.Users)
	b.end(w, start)
}

func (r *reader) addEntrants() AddEntrants {
	return AddEntrants{Campaign: CampaignRef(r.u32()), Raffle: r.raffleID(), Actor: r.str(MaxActorBytes), Users: r.users()}
}

// AddRaffle appends the drawing of a raffle.
func (b *Batch) AddRaffle(c *DrawRaffle) {
	w, start := b.begin(opRaffle)
	w.u32(uint32(c.Campaign))
	w.str(c.Raffle)
	w.u32(c.Winners)
	w.u32(c.Alternates)
	w.str(c.Prize)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) drawRaffle() DrawRaffle {
	return DrawRaffle{
		Campaign: CampaignRef(r.u32()), Raffle: r.raffleID(), Winners: r.u32(), Alternates: r.u32(), Prize: r.str(MaxIDBytes),
		Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes),
	}
}

// AddRedraw appends the striking of absentees.
func (b *Batch) AddRedraw(c *RedrawRaffle) {
	w, start := b.begin(opRedraw)
	w.u32(uint32(c.Campaign))
	w.str(c.Raffle)
	w.users(c.Absent)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) redrawRaffle() RedrawRaffle {
	return RedrawRaffle{
		Campaign: CampaignRef(r.u32()), Raffle: r.raffleID(), Absent: r.users(), Actor: r.str(MaxActorBytes),
		Reason: r.str(MaxReasonBytes),
	}
}

// applyRaffles decides a command of raffles. Every shard is locked.
func (t *tx) applyRaffles(o op, r *reader) (res Result, err error) {
	switch o {
	case opEntrants:
		c := r.addEntrants()
		if err = r.done(); err == nil {
			res = t.applyEntrants(&c)
		}
	case opRaffle:
		c := r.drawRaffle()
		if err = r.done(); err == nil {
			res = t.applyRaffle(&c)
		}
	case opRedraw:
		c := r.redrawRaffle()
		if err = r.done(); err == nil {
			res = t.applyRedraw(&c)
		}
	}
	return res, err
}

func (r *reader) raffleID() string {
	id := r.str(MaxIDBytes)
	r.fail = r.fail || !names.ID(id)
	return id
}

func (w *writer) users(all []string) {
	w.u32(uint32(len(all)))
	for _, u := range all {
		w.u8(uint8(len(u)))
		w.b = append(w.b, u...)
	}
}

// users reads at most MaxEntrants ids, none of them empty.
func (r *reader) users() (all []string) {
	for range r.count(MaxEntrants) {
		n := int(r.u8())
		if n < 1 || n > MaxUserBytes {
			r.fail = true
		}
		if all = append(all, string(r.take(n))); r.fail {
			return nil
		}
	}
	return all
}

// raffles appends the section campaignRaffles.
func (w *writer) raffles(all []*Raffle) {
	for _, f := range all {
		w.str(f.ID)
		w.users(f.Entrants)
		w.flag(f.Drawn)
		if f.Drawn {
			w.i64(int64(f.DrawnAt))
			w.u32(f.Winners)
			w.u32(f.Alternates)
			w.str(f.Prize)
			w.users(f.Absent)
		}
	}
}

// places appends the section campaignPlaces: nothing where every place is one unit.
func (w *writer) places(all []*Raffle) {
	if !slices.ContainsFunc(all, func(f *Raffle) bool { return f.Units > 1 }) {
		return
	}
	for _, f := range all {
		w.u32(f.Units)
	}
}

// readPlaces reads what places wrote into the raffles of the section before; without it, a place of a prize is one unit.
func (r *reader) readPlaces(all []*Raffle) {
	for _, f := range all {
		f.Units = r.u32()
		r.fail = r.fail || (f.Units > 0) != (f.Prize != "") || f.Units > MaxUnits
	}
}

func (r *reader) raffles() (all []*Raffle) {
	for len(r.b) > 0 && !r.fail && len(all) < MaxRaffles {
		f := &Raffle{ID: r.raffleID(), Entrants: r.users(), Drawn: r.flag()}
		if f.Drawn {
			f.DrawnAt, f.Winners, f.Alternates, f.Prize, f.Absent = UnixMilli(r.i64()), r.u32(), r.u32(), r.str(MaxIDBytes), r.users()
			if f.Prize != "" {
				f.Units = 1
			}
		}
		r.fail = r.fail || !strictlyAscending(f.Entrants) || !strictlyAscending(f.Absent) ||
			uint64(f.Winners)+uint64(f.Alternates) > uint64(len(f.Entrants))
		all = append(all, f)
	}
	return all
}

func strictlyAscending(all []string) bool {
	for i := 1; i < len(all); i++ {
		if all[i-1] >= all[i] {
			return false
		}
	}
	return true
}
