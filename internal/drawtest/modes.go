package drawtest

import (
	"math/big"

	"github.com/drawd/drawd/engine"
)

// million is a factor of one, in millionths.
const million = 1_000_000

// choose takes the word of a sub-draw and the prize that it names.
func (r *Reference) choose(c *campaign, who *subject, d *engine.Draw, rec *engine.Record) {
	v := c.live()
	switch v.Mode.Kind {
	case engine.ModeDeck:
		r.deal(c, d, rec)
		return
	case engine.ModePace:
		rec.Before, rec.Cards = r.drawn(c), uint64(v.Denominator)
		step := max(1, v.Mode.Entries/1000) // the stock is looked at a thousand times
		if c.paced == nil || rec.Before%step == 0 {
			c.paced = r.pace(c, rec.Before)
		}
		rec.Word, rec.Natural = pick(v.Denominator, c.paced, c.seed, d.User, rec.DrawNumber, d.Digest)
		return
	}
	rec.Word, rec.Natural = pick(v.Denominator, r.odds(c, who, d.Channel), c.seed, d.User, rec.DrawNumber, d.Digest)
}

// drawn counts the campaign's draws under a mode.
func (r *Reference) drawn(c *campaign) (n uint64) {
	for _, e := range r.events {
		if e.campaign == c && e.moded {
			n++
		}
	}
	return n
}

// winsLeft returns how many wins of a prize are in stock.
func (c *campaign) winsLeft(prize int) uint64 {
	p := &c.live().Prizes[prize]
	return uint64(c.stock[p.ID].available) / uint64(p.Units)
}

// deal takes one of the cards that are left: as many as draws are still expected, and at least the wins in stock.
func (r *Reference) deal(c *campaign, d *engine.Draw, rec *engine.Record) {
	v := c.live()
	var cards []int
	for i := range v.Prizes {
		for range c.winsLeft(i) {
			cards = append(cards, i)
		}
	}
	rec.Before = r.drawn(c)
	rec.Cards = max(toCome(v, rec.Before), uint64(len(cards)))
	rec.Word = word(c.seed, d.User, rec.DrawNumber, d.Digest, 0)
	value := new(big.Int).Mul(new(big.Int).SetUint64(rec.Word), new(big.Int).SetUint64(rec.Cards))
	value.Rsh(value, 64) // a word is thrown away once in 2^54 times: never here
	rec.Natural = engine.NoPrize
	if at := value.Uint64(); at < uint64(len(cards)) {
		rec.Natural = cards[at]
	}
}

// toCome is how many draws are still expected; one when there were more than that.
func toCome(v *engine.Version, drawn uint64) uint64 {
	if drawn >= v.Mode.Entries {
		return 1
	}
	return v.Mode.Entries - drawn
}

// pace returns the weights with which the stock lasts for the expected draws: min(w × boost, D × left / to come) of finite
// prizes, together at most D, and what is left of D for the unlimited ones.
func (r *Reference) pace(c *campaign, drawn uint64) []uint32 {
	v := c.live()
	n := func(x uint64) *big.Int { return new(big.Int).SetUint64(x) }
	share := func(a, b, of *big.Int) *big.Int { // a × b / of, rounded down
		return new(big.Int).Quo(new(big.Int).Mul(a, b), of)
	}
	d, finite, unlimited := n(uint64(v.Denominator)), n(0), n(0)
	weights := make([]*big.Int, len(v.Prizes))
	for i := range v.Prizes {
		w := n(uint64(v.Prizes[i].Weight))
		if c.stock[v.Prizes[i].ID].unlimited {
			weights[i] = w
			unlimited.Add(unlimited, w)
			continue
		}
		weights[i] = share(w, n(uint64(v.Mode.MaxBoost)), n(million))
		if even := share(d, n(c.winsLeft(i)), n(toCome(v, drawn))); even.Cmp(weights[i]) < 0 {
			weights[i] = even
		}
		finite.Add(finite, weights[i])
	}
	rest := n(0)
	if finite.Cmp(d) < 0 {
		rest.Sub(d, finite)
	}
	out := make([]uint32, len(weights))
	for i, w := range weights {
		switch isUnlimited := c.stock[v.Prizes[i].ID].unlimited; {
		case isUnlimited && unlimited.Cmp(rest) > 0:
			w = share(w, rest, unlimited)
		case !isUnlimited && finite.Cmp(d) > 0:
			w = share(w, d, finite)
		}
		out[i] = uint32(w.Uint64())
	}
	return out
}

// givable reports whether somebody could get a win of a prize now, whoever he is.
func (r *Reference) givable(c *campaign, prize int) bool {
	b := r.booksOf(c, prize)
	return !c.off[c.live().Prizes[prize].ID] && b != nil && b.has(c.live().Prizes[prize].Units) && !r.outForAll(c, prize)
}

// outForAll reports whether stock or budget keep a prize from everybody. What is to be released yet is not out.
func (r *Reference) outForAll(c *campaign, prize int) bool {
	p := &c.live().Prizes[prize]
	b := r.booksOf(c, prize)
	if b == nil || b.hopeless(p.Units) {
		return true
	}
	if !pays(p) || !b.has(p.Units) {
		return false
	}
	_, ok := r.span(c, nil, p)
	return !ok
}

// share returns who gets the draw that hit a prize whose weight goes to the others while it is out.
func (r *Reference) share(c *campaign, d *engine.Draw, rec *engine.Record, prize int, cause engine.Cause) int {
	weights := r.odds(c, nil, d.Channel)
	if cause != engine.CauseSoldOut && cause != engine.CauseBudget || weights[prize] == 0 || !r.outForAll(c, prize) {
		return engine.NoPrize // his own caps do not share, nor a release or a switch
	}
	n := func(x uint32) *big.Int { return big.NewInt(int64(x)) }
	takes := func(i int) bool { return c.live().Prizes[i].Kind != engine.KindThanks && r.givable(c, i) }
	total := n(0)
	for i := range weights {
		if takes(i) {
			total.Add(total, n(weights[i]))
		}
	}
	raised := make([]*big.Int, len(weights))
	for i := range raised {
		raised[i] = n(0)
	}
	value := big.NewInt(further(c, d, rec.DrawNumber, 2, int64(weights[prize])))
	for _, b := range c.live().Boosts { // in file order: each as far as the others let it
		if c.off[c.live().Prizes[b.Prize].ID] || !r.outForAll(c, int(b.Prize)) {
			continue
		}
		for i := range weights {
			if !takes(i) || weights[i] == 0 {
				continue
			}
			got := new(big.Int).Quo(new(big.Int).Mul(n(weights[b.Prize]), n(weights[i])), total)
			room := new(big.Int).Quo(new(big.Int).Mul(n(weights[i]), n(b.Max)), n(million))
			room.Sub(room, n(weights[i])).Sub(room, raised[i])
			if room.Sign() < 0 {
				room.SetInt64(0)
			}
			if got.Cmp(room) > 0 {
				got = room
			}
			raised[i].Add(raised[i], got)
			if int(b.Prize) != prize {
				continue
			}
			if value.Cmp(got) < 0 {
				return i
			}
			value.Sub(value, got)
		}
	}
	return engine.NoPrize
}
