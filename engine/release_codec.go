package engine

// schedules is the section of a version with its release schedules.
func (w *writer) schedules(v *Version) {
	if len(v.Releases) == 0 {
		return
	}
	w.u32(uint32(len(v.Schedules)))
	for i := range v.Schedules {
		s := &v.Schedules[i]
		w.flag(s.AvoidWholeHour)
		w.flag(s.Expire)
		w.u32(uint32(len(s.Windows)))
		for _, x := range s.Windows {
			w.i64(int64(x.StartsAt))
			w.i64(int64(x.EndsAt))
			w.u32(x.Weight)
		}
	}
	w.u32(uint32(len(v.Releases)))
	for _, r := range v.Releases {
		w.u16(uint16(r.Prize))
		w.u16(uint16(r.Schedule))
	}
}

func (r *reader) schedules(v *Version) bool {
	for range r.count(MaxSchedules) {
		s := Schedule{AvoidWholeHour: r.flag(), Expire: r.flag()}
		for range r.count(MaxReleaseWindows) {
			s.Windows = append(s.Windows, ReleaseWindow{UnixMilli(r.i64()), UnixMilli(r.i64()), r.u32()})
		}
		v.Schedules = append(v.Schedules, s)
	}
	for range r.count(MaxPrizes) {
		v.Releases = append(v.Releases, Release{int16(r.u16()), int16(r.u16())})
	}
	return true
}

// validateReleases reports the first rule that v's release schedules break.
func (v *Version) validateReleases() error {
	if len(v.Schedules) > MaxSchedules || len(v.Releases) > len(v.Prizes) || len(v.Schedules) > len(v.Releases) {
		return invalid("number of release schedules")
	}
	windows := 0
	for i := range v.Schedules {
		s := &v.Schedules[i]
		if windows += len(s.Windows); len(s.Windows) == 0 || windows > MaxReleaseWindows {
			return invalid("number of release windows")
		}
		end := v.StartsAt
		for _, w := range s.Windows {
			if w.StartsAt < end || w.EndsAt <= w.StartsAt || w.EndsAt > v.EndsAt || w.Weight < 1 || w.Weight > MaxDenominator {
				return invalid("release window")
			}
			end = w.EndsAt
		}
	}
	for i, r := range v.Releases {
		if r.Prize < 0 || int(r.Prize) >= len(v.Prizes) || i > 0 && v.Releases[i-1].Prize >= r.Prize || r.Schedule < 0 || int(r.Schedule) >= len(v.Schedules) {
			return invalid("prize of a release schedule")
		}
		if err := v.validateRelease(int(r.Prize), &v.Schedules[r.Schedule]); err != nil {
			return err
		}
	}
	return nil
}

func (v *Version) validateRelease(prize int, s *Schedule) error {
	p := &v.Prizes[prize]
	unlimited := v.HasOwnStock(prize) && p.Stock == Unlimited
	for _, set := range v.Sets {
		for _, z := range set {
			unlimited = unlimited || int(z.Prize) == prize && z.Stock == Unlimited
		}
	}
	switch {
	case unlimited:
		return invalid("release of prize " + p.ID + ": it is unlimited")
	case v.Guaranteed && p.Unavailable != OnFallback:
		return invalid("release of prize " + p.ID + ": in a guaranteed campaign it needs a fallback")
	}
	for i := range v.Pity {
		for _, z := range v.Pity[i].List {
			if int(z.Prize) == prize {
				return invalid("release of prize " + p.ID + ": pity reserves it")
			}
		}
	}
	for i := range v.Sessions {
		for _, z := range v.Sets[v.Sessions[i].Set] {
			if int(z.Prize) != prize || z.Stock <= 0 {
				continue
			}
			if lo, hi := s.within(v.Sessions[i].StartsAt, v.Sessions[i].EndsAt); lo == hi {
				return invalid("release of prize " + p.ID + ": no window is in session " + v.Sessions[i].ID)
			}
		}
	}
	return nil
}

// releases is the section of a campaign's state: what its schedules have done.
func (w *writer) releases(all releases) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		r := &all[i]
		w.u16(uint16(r.cell))
		w.i64(int64(r.quantity))
		w.i64(r.moved)
		w.i64(r.displaced)
		w.u8(uint8(len(r.makeups)))
		for _, m := range r.makeups {
			w.i64(int64(m.from))
			w.i64(int64(m.to))
			w.i64(m.wins)
		}
	}
}

// releases reads it. The books stand before it.
func (r *reader) releases(books books) (all releases) {
	for range r.count(MaxPrizesEver) {
		x := releaser{cell: int(r.u16()), quantity: Quantity(r.i64()), moved: r.i64(), displaced: r.i64(), window: -1, units: 1}
		for range min(int(r.u8()), maxMakeups+1) {
			x.makeups = append(x.makeups, makeup{from: UnixMilli(r.i64()), to: UnixMilli(r.i64()), wins: r.i64()})
		}
		if r.fail || x.cell >= len(books) || x.quantity < 0 || x.quantity > MaxStock || x.moved < 0 || len(x.makeups) > maxMakeups {
			r.fail = true
			return all
		}
		all = append(all, x)
	}
	return all
}

// releaseTurns is the section of a campaign's state that says which releases are not turned to where the campaign is.
func (w *writer) releaseTurns(all releases, turned UnixMilli) {
	for i := range all {
		if all[i].turned != turned {
			w.u16(uint16(i))
			w.i64(int64(all[i].turned))
		}
	}
}

// releaseTurns reads it. The releases stand before it.
func (r *reader) releaseTurns(all releases, turned UnixMilli) bool {
	for last := -1; len(r.b) > 0 && !r.fail; {
		i, at := int(r.u16()), UnixMilli(r.i64())
		if i <= last || i >= len(all) || at == turned {
			return false
		}
		all[i].turned, last = at, i
	}
	return true
}
