package engine

import "slices"

// since says from when on each aggregate cap of a policy counts, by its index: a cap that was added while people drew has not
// counted what they drew before, so a void has nothing to give back to it. 0, or no entry, is from the first draw on.
type since []UnixMilli

// at returns since when the cap of an index counts.
func (s since) at(index uint8) UnixMilli {
	if int(index) < len(s) {
		return s[index]
	}
	return 0
}

// next returns it for a policy that comes into force now: caps that stay in force go on.
func (r *rules) next(p *NamespacePolicy, now UnixMilli, drawn bool) (s since) {
	for i := range p.AggregateCaps {
		begins := UnixMilli(0)
		if at := slices.IndexFunc(r.policy.AggregateCaps, func(a AggregateCap) bool { return a.ID == p.AggregateCaps[i].ID }); at >= 0 {
			begins = r.since.at(uint8(at))
		} else if drawn {
			begins = now
		}
		s = append(s, begins)
	}
	return s
}

// since is the section of a namespace's state: u8 index, i64 ms of the caps that have not counted every draw.
func (w *writer) since(s since) {
	for i, at := range s {
		if at != 0 {
			w.u8(uint8(i))
			w.i64(int64(at))
		}
	}
}

func (r *reader) since(caps int) since {
	s := make(since, caps)
	for last := -1; len(r.b) > 0 && !r.fail; {
		i, at := int(r.u8()), UnixMilli(r.i64())
		if i <= last || i >= caps || at == 0 {
			r.fail = true
			return nil
		}
		s[i], last = at, i
	}
	return s
}
