package engine

import "fmt"

// reserve is a named slice of a prize's stock: what one pity has set aside. Its units stand in the cell's Reserved part,
// which is the sum of the slices. A reserve, like a cell, lives as long as the campaign: pity and prize ids find theirs
// again in every version.
type reserve struct {
	pity  string
	cell  int      // index into the campaign's books
	left  Quantity // what the pity can still give; 0 while no version states the reserve
	given Quantity // what it gave, in the campaign's life
}

// reserves of a campaign, in the order of their introduction.
type reserves []reserve

func (all reserves) find(pity string, cell int) int {
	for i := range all {
		if all[i].pity == pity && all[i].cell == cell {
			return i
		}
	}
	return -1
}

// sum returns what is reserved of a cell.
func (all reserves) sum(cell int) (units Quantity) {
	for i := range all {
		if all[i].cell == cell {
			units += all[i].left
		}
	}
	return units
}

// unbalancedReserve returns the cell whose reserved part is not the sum of its reserves, or nothing.
func (c *Campaign) unbalancedReserve() string {
	for i := range c.reserves {
		if r := &c.reserves[i]; r.left|r.given < 0 || c.reserves.sum(r.cell) != c.books[r.cell].Reserved {
			return "reserve of " + c.books[r.cell].ID
		}
	}
	return ""
}

// openReserves sets aside what the version states, and gives back what it states no more. A reserve counts what its pity
// gave: stating 600 after 500 adds a hundred to what is left, whatever that is.
func (x *publication) openReserves(v *Version) error {
	for i := range x.reserves { // give all back first, so that one pity can have what another lets go
		r := &x.reserves[i]
		x.books[r.cell].Available += r.left
		x.books[r.cell].Reserved -= r.left
		r.left = 0
	}
	for i := range v.Pity {
		for _, z := range v.Pity[i].List {
			if err := x.openReserve(v, v.Pity[i].ID, z); err != nil {
				return err
			}
		}
	}
	if len(x.reserves) > MaxReserves {
		return fmt.Errorf("more than %d reserves over the campaign's life", MaxReserves)
	}
	return nil
}

func (x *publication) openReserve(v *Version, pity string, z PityPrize) error {
	prize := v.Prizes[z.Prize].ID
	at := x.books.find(prize)
	if at < 0 {
		return fmt.Errorf("pity %q gives prize %q, which has no stock but that of sessions: give it a stock of its own", pity, prize)
	}
	c := &x.books[at]
	i := x.reserves.find(pity, at)
	if c.Unlimited {
		if z.Reserve != 0 {
			return fmt.Errorf("pity %q reserves units of prize %q, which is unlimited: remove the reserve", pity, prize)
		}
		return nil
	}
	if i < 0 {
		i = len(x.reserves)
		x.reserves = append(x.reserves, reserve{pity: pity, cell: at})
	}
	r := &x.reserves[i]
	switch more := z.Reserve - r.given; {
	case z.Reserve == 0:
		return fmt.Errorf("pity %q must reserve units of prize %q, which can run out", pity, prize)
	case more < 0:
		return fmt.Errorf("pity %q has given %d units of prize %q already: reserve at least so many", pity, r.given, prize)
	case more > c.Available:
		return fmt.Errorf("pity %q needs %d more units of prize %q, and %d are available: reserve less, or add stock with :adjust first", pity, more, prize, c.Available)
	default:
		c.Available -= more
		c.Reserved += more
		r.left = more
	}
	return nil
}

// placePity claims the counters of the version's pities: in the campaign's rows, or in the namespace's for what campaigns
// share.
func (x *publication) placePity(n *Namespace, v *Version, now UnixMilli) error {
	for i := range v.Pity {
		p := &v.Pity[i]
		if !p.Shared {
			x.layout.reserve(pityPlace(p.ID), ScopeUser, pityCounterBytes)
			continue
		}
		if x.shared == nil {
			grown := n.layout.clone()
			x.shared = &grown
		}
		x.shared.reserve(pityPlace(p.ID), ScopeUser, pityCounterBytes)
	}
	if x.shared != nil {
		if err := x.shared.fits(); err != nil {
			return err
		}
	}
	return n.samePity(v, now)
}

// samePity reports why a version cannot share a pity with the campaigns that have it: a row of cheap draws must not end
// in a dear one, nor a row of many people's draws in a prize for few.
func (n *Namespace) samePity(v *Version, now UnixMilli) error {
	for i := range v.Pity {
		p := &v.Pity[i]
		if !p.Shared {
			continue
		}
		for _, c := range n.Campaigns() {
			live, k := c.Version(), c.control.Load()
			over := now >= c.endsAt(k) && !k.paused
			if over || c.id == v.Campaign || !live.sharesPity(p.ID) {
				continue
			}
			if live.priceForm() != v.priceForm() {
				return fmt.Errorf("pity %q is shared with campaign %q, whose draws have another price", p.ID, c.id)
			}
			if live.audienceForm() != v.audienceForm() {
				return fmt.Errorf("pity %q is shared with campaign %q, which has another audience", p.ID, c.id)
			}
		}
	}
	return nil
}

func (v *Version) sharesPity(id string) bool {
	for i := range v.Pity {
		if v.Pity[i].ID == id && v.Pity[i].Shared {
			return true
		}
	}
	return false
}

// priceForm is what a draw costs, as a comparable value.
func (v *Version) priceForm() string {
	if v.Chances == nil {
		return fmt.Sprint(0, []PricePeriod(nil))
	}
	return fmt.Sprint(v.Chances.Price, v.Chances.Periods)
}

// audienceForm is who may draw, as a comparable value. Which prizes are kept from whom, and what caps count by, is not part
// of that.
func (v *Version) audienceForm() string {
	who := Audience{}
	if v.Audience != nil {
		who = *v.Audience
	}
	who.Valuable = nil
	var w writer
	w.audience(&Version{Audience: &who})
	return string(w.b)
}

func (w *writer) reserves(all reserves) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		r := &all[i]
		w.str(r.pity)
		w.u32(uint32(r.cell))
		w.i64(int64(r.left))
		w.i64(int64(r.given))
	}
}

func (r *reader) reserves() (all reserves) {
	for range r.count(MaxReserves) {
		x := reserve{pity: r.str(MaxIDBytes), cell: r.count(MaxPrizesEver), left: Quantity(r.i64()), given: Quantity(r.i64())}
		if x.left < 0 || x.given < 0 {
			r.fail = true
		}
		all = append(all, x)
	}
	return all
}

// missingPity reports what a restored campaign's version needs and the meta does not have.
func (c *Campaign) missingPity(v *Version) bool {
	for i := range c.reserves {
		if c.reserves[i].cell >= len(c.books) {
			return true
		}
	}
	for i := range v.Pity {
		p, l := &v.Pity[i], &c.layout
		if p.Shared {
			l = &c.namespace.layout
		}
		if l.find(pityPlace(p.ID)) == nil {
			return true
		}
		for _, z := range p.List {
			cell := c.books.find(v.Prizes[z.Prize].ID)
			if cell < 0 || !c.books[cell].Unlimited && c.reserves.find(p.ID, cell) < 0 {
				return true
			}
		}
	}
	return c.unbalancedReserve() != ""
}
