package engine

// Boost says that the weight of a prize that is out goes to the other prizes, each in proportion to its own weight.
type Boost struct {
	Prize int16  // index into Version.Prizes, whose Unavailable is OnRedistribute; ascending
	Max   uint32 // no other prize's weight is multiplied by more than this, in millionths; what is above is the miss
}

func (v *Version) validateBoosts() error {
	last := int16(-1)
	for _, b := range v.Boosts {
		if b.Prize <= last || int(b.Prize) >= len(v.Prizes) || v.Prizes[b.Prize].Unavailable != OnRedistribute ||
			v.Prizes[b.Prize].Weight == 0 || b.Max <= FullPPM {
			return invalid("redistribution")
		}
		last = b.Prize
	}
	n := 0
	for i := range v.Prizes {
		if v.Prizes[i].Unavailable == OnRedistribute {
			n++
		}
	}
	if n != len(v.Boosts) {
		return invalid("redistribution")
	}
	return nil
}

func (w *writer) boosts(all []Boost) {
	for _, b := range all {
		w.u16(uint16(b.Prize))
		w.u32(b.Max)
	}
}

func (r *reader) boosts() (all []Boost) {
	for len(r.b) > 0 && !r.fail && len(all) < MaxPrizes {
		all = append(all, Boost{int16(r.u16()), r.u32()})
	}
	return all
}

// shareTable is how the weights of the prizes that are out are shared among those that are not. It follows from the books,
// the money and the plan alone, so it is no state: it is made when somebody hits a prize that is out, and again when an
// availability bit has changed since.
type shareTable struct {
	plan *plan
	set  *set
	out  [(MaxPrizes + 63) / 64]uint64 // a bit for each prize of the plan that cannot be given to anybody
	// off has a bit for each of those that keep their weight: a switch or a release is what they are out for.
	off [(MaxPrizes + 63) / 64]uint64
	// sums are, of each prize of the plan that is out and shares, prefix sums of what the prizes of the set get of it.
	sums [][]uint32
}

// share returns who gets the draw that hit a prize that is not given for the cause why. Only what keeps the prize from
// everybody shares its weight: a user's own caps do not, nor a release or a switch.
func (t *tx) share(c *Campaign, at int, why Cause) int {
	weight := t.set.weight(at)
	if why != CauseSoldOut && why != CauseBudget || weight == 0 || t.offered(c, at) {
		return NoPrize
	}
	in := newWordInput(&c.seed, &t.draw.User, drawsOf(t.campaign[ScopeUser].data)+1, &t.draw.Digest)
	return t.shareFor(c, at, in.further(purposeShare, uint64(weight)))
}

// shareFor returns the prize that a value below the weight of the one that is out falls to, or NoPrize.
func (t *tx) shareFor(c *Campaign, at int, value uint64) int {
	var out, off [(MaxPrizes + 63) / 64]uint64
	for i := range t.plan.prizes {
		if t.offered(c, i) {
			continue
		}
		out[i/64] |= 1 << (i % 64)
		if t.keeps(c, i) {
			off[i/64] |= 1 << (i % 64)
		}
	}
	s := &c.shares
	if s.plan != t.plan || s.set != t.set || s.out != out || s.off != off {
		*s = shareTable{plan: t.plan, set: t.set, out: out, off: off}
		s.build()
	}
	if k := pick(s.sums[at], value); k != NoPrize {
		return int(s.set.ordinals[k])
	}
	return NoPrize
}

// offered reports whether somebody could get a win of the prize now: there is stock, and money under every bound but
// one user's.
func (t *tx) offered(c *Campaign, prize int) bool {
	p := &t.plan.prizes[prize]
	if p.absent { // it may have no units outside its session
		return false
	}
	if cell := &c.books[p.cell]; cell.Off || !cell.has(p.units) {
		return false
	}
	return t.plan.money == nil || t.affords(c, prize)
}

// keeps reports whether a prize that is out keeps its weight: nobody gets a share of what is switched off or held back.
func (t *tx) keeps(c *Campaign, prize int) bool {
	p := &t.plan.prizes[prize]
	if p.absent {
		return true
	}
	cell := &c.books[p.cell]
	return cell.Off || !cell.has(p.units) && !cell.hopeless(p.units)
}

func (s *shareTable) isOut(prize int) bool { return s.out[prize/64]>>(prize%64)&1 != 0 }

// build computes the shares, prizes that are out one after the other in file order: each gives its weight to those that
// are not, in proportion to theirs, as far as its own bound lets their weights rise. Everything rounds down, and what
// nobody gets is the miss.
func (s *shareTable) build() {
	weights, total := s.set.weights(), uint64(0)
	for k, j := range s.set.ordinals {
		if s.takes(int(j)) {
			total += uint64(weights[k])
		}
	}
	raised := make([]uint64, len(s.set.ordinals)) // what each prize of the set got so far
	s.sums = make([][]uint32, len(s.plan.prizes))
	for _, b := range s.plan.version.Boosts {
		if !s.isOut(int(b.Prize)) || s.off[b.Prize/64]>>(b.Prize%64)&1 != 0 {
			continue
		}
		sum := uint64(0)
		sums := make([]uint32, len(raised))
		for k, j := range s.set.ordinals {
			if w := uint64(weights[k]); s.takes(int(j)) {
				room := mulDiv(w, uint64(b.Max), FullPPM) - w
				got := min(mulDiv(uint64(s.set.weight(int(b.Prize))), w, total), room-min(room, raised[k]))
				raised[k] += got
				sum += got
			}
			sums[k] = uint32(sum)
		}
		s.sums[b.Prize] = sums
	}
}

// takes reports whether a prize takes part in what others leave. A thanks prize is a miss with a name, and takes none.
func (s *shareTable) takes(prize int) bool {
	return !s.isOut(prize) && !s.plan.prizes[prize].thanks
}

// weight returns the weight of a prize in the set, 0 for one that is not in it.
func (s *set) weight(prize int) uint32 {
	last := uint32(0)
	for k, i := range s.ordinals {
		if int(i) == prize {
			return s.sums[k] - last
		}
		last = s.sums[k]
	}
	return 0
}
