package engine

import (
	"encoding/binary"
	"math/bits"
)

// Mode says how a draw chooses its prize. The zero value is the documented default, by weights.
type Mode struct {
	Kind ModeKind
	// Entries is how many draws are expected over the campaign's life: of a deck the number of its cards, of pacing what
	// the stock is spread over. 0 with ModeWeighted.
	Entries  uint64
	MaxBoost uint32 // of ModePace: the most that a weight is multiplied by, in millionths, ≥ 1 000 000
}

// ModeKind is a kind of mode. Numbers are on disk.
type ModeKind uint8

// The modes.
const (
	ModeWeighted ModeKind = iota // by weight / denominator, every time the same
	// ModeDeck deals the stock like cards: draw number n of the campaign is one of the entries − n cards that are left,
	// and as many of them win as there are wins in stock. Everything is given out if as many draws happen.
	ModeDeck
	// ModePace raises and lowers the weight of finite prizes so that the stock lasts for the expected draws and no longer.
	ModePace
	modeKinds
)

// FullPPM is a factor of one, in millionths.
const FullPPM = 1_000_000

func (v *Version) validateMode() error {
	m := &v.Mode
	switch m.Kind {
	case ModeWeighted:
		if *m != (Mode{}) {
			return invalid("mode")
		}
		return nil
	case ModeDeck:
		if m.MaxBoost != 0 {
			return invalid("mode")
		}
	case ModePace:
		if m.MaxBoost < FullPPM || v.Guaranteed {
			return invalid("mode")
		}
	default:
		return invalid("mode")
	}
	if m.Entries < 1 || m.Entries > MaxEntries {
		return invalid("entries")
	}
	if len(v.Sessions) > 0 { // their sets would need counts of their own
		return invalid("mode: with sessions draws go by weights")
	}
	if len(v.Releases) > 0 { // what is not released yet would be dealt as a miss
		return invalid("mode: released prizes go by weights")
	}
	for i := range v.Channels {
		if !v.Channels[i].All {
			return invalid("mode: channels with prizes of their own go by weights")
		}
	}
	for i := range v.Pity {
		if len(v.Pity[i].Soft) > 0 {
			return invalid("mode: soft pity goes by weights")
		}
	}
	for i := range v.Prizes {
		p := &v.Prizes[i]
		if m.Kind == ModeDeck && (p.Weight != 0 || p.Stock == Unlimited || p.Kind == KindThanks || p.Unavailable == OnRedistribute) {
			return invalid("prize of a deck: " + p.ID)
		}
	}
	return nil
}

// weighted reports whether the weights must mean something.
func (v *Version) weighted() bool { return v.Mode.Kind != ModeDeck }

func (w *writer) mode(m *Mode) {
	if m.Kind == ModeWeighted {
		return
	}
	w.u8(uint8(m.Kind))
	w.u64(m.Entries)
	w.u32(m.MaxBoost)
}

func (r *reader) mode() Mode {
	m := Mode{ModeKind(r.enum(uint8(modeKinds))), r.u64(), r.u32()}
	r.fail = r.fail || m.Kind == ModeWeighted
	return m
}

// modePlan is a mode other than by weights, made ready for the ladder.
type modePlan struct {
	Mode
	step uint64 // pacing: the weights are computed anew whenever the number of draws is a multiple of it
}

// paceSteps is how often pacing looks at the stock over the expected draws.
const paceSteps = 1000

func compileMode(v *Version) *modePlan {
	if v.Mode.Kind == ModeWeighted {
		return nil
	}
	return &modePlan{Mode: v.Mode, step: max(1, v.Mode.Entries/paceSteps)}
}

// modeState is what a mode knows of the draws before. It is state from the first version with a mode on, under the
// campaign's lock.
type modeState struct {
	drawn uint64   // draws under a mode
	sums  []uint32 // pacing: prefix sums of the weights in force, of the prizes of the set; none before the first draw
}

func (m *modeState) clone() *modeState {
	if m == nil {
		return nil
	}
	return &modeState{m.drawn, append([]uint32(nil), m.sums...)}
}

func (w *writer) modeState(m *modeState) {
	if m == nil {
		return
	}
	w.u64(m.drawn)
	w.u32(uint32(len(m.sums)))
	for _, s := range m.sums {
		w.u32(s)
	}
}

func (r *reader) modeState() *modeState {
	m := &modeState{drawn: r.u64()}
	for range r.count(MaxPrizes) {
		m.sums = append(m.sums, r.u32())
	}
	return m
}

// openMode begins to count draws when the version has a mode. Pacing computes its weights anew at the first draw.
func (c *Campaign) openMode(v *Version) {
	if v.Mode.Kind != ModeWeighted && c.mode == nil {
		c.mode = new(modeState)
	}
	if c.mode != nil {
		c.mode.sums = nil
	}
}

// deal is rung 7 of a campaign with a mode: the word, and the prize that it names by what is left. It writes nothing.
// The campaign is locked.
func (t *tx) deal(c *Campaign, in *wordInput) (word uint64, natural int) {
	first := t.words.first(in)
	t.cards = uint64(t.plan.version.Denominator)
	if t.plan.mode.Kind == ModePace {
		word, value := in.scale(first, t.plan.version.Denominator)
		if at := pick(t.paced(c), value); at != NoPrize {
			return word, int(t.set.ordinals[at])
		}
		return word, NoPrize
	}
	t.cards = t.deck(c)
	return first, t.dealt(c, in.scaleWide(first, t.cards))
}

// deck returns how many cards are left: the entries to come, but never fewer than the wins in stock. There are more of
// those when somebody's caps kept him from what he was dealt: then every further draw wins until all is given.
func (t *tx) deck(c *Campaign) uint64 {
	cards := uint64(1) // nothing left to win and nobody expected: a miss has one card
	if e := t.plan.mode.Entries; e > c.mode.drawn {
		cards = e - c.mode.drawn
	}
	wins := uint64(0)
	for _, i := range t.set.ordinals {
		wins += c.cards(&t.plan.prizes[i])
	}
	return max(cards, wins)
}

// dealt returns the prize of a card.
func (t *tx) dealt(c *Campaign, card uint64) int {
	for _, i := range t.set.ordinals {
		n := c.cards(&t.plan.prizes[i])
		if card < n {
			return int(i)
		}
		card -= n
	}
	return NoPrize
}

// cards returns how many wins of a prize can be dealt.
func (c *Campaign) cards(p *prizePlan) uint64 {
	left := uint64(c.books[p.cell].Available)
	if p.units == 1 {
		return left
	}
	return left / uint64(p.units)
}

// paced returns the prefix sums that pacing has in force for the draw that comes next: those of the last step, or at a
// step new ones, in a buffer of the tx.
func (t *tx) paced(c *Campaign) []uint32 {
	if t.plan.mode.steady(c.mode) {
		return c.mode.sums
	}
	t.pace = t.plan.mode.weigh(t.pace[:0], t.plan, t.set, c)
	return t.pace
}

// steady reports whether the weights of the last step are still in force.
func (m *modePlan) steady(s *modeState) bool { return len(s.sums) > 0 && s.drawn%m.step != 0 }

// The section recordMode: how many draws came before under the mode, and what the word was scaled to, u64 each.
const modeBytes = 16

// advance counts a draw under a mode, puts the weights of a step in force, and appends both to what the record says.
func (t *tx) advance(c *Campaign) {
	t.more = append(t.more, recordMode, modeBytes)
	t.more = binary.LittleEndian.AppendUint64(t.more, c.mode.drawn)
	t.more = binary.LittleEndian.AppendUint64(t.more, t.cards)
	if t.plan.mode.Kind == ModePace && !t.plan.mode.steady(c.mode) {
		c.mode.sums = append(c.mode.sums[:0], t.pace...)
	}
	c.mode.drawn++
}

func (r *Record) readMode(b []byte) bool {
	if len(b) != modeBytes {
		return false
	}
	r.Before, r.Cards = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return r.Cards > 0
}

// weigh appends the prefix sums of paced weights. A finite prize gets min(weight × boost, denominator × left / draws to
// come), all of them together at most the denominator; unlimited prizes and the miss share the rest, the prizes at their
// own weights as long as there is room. Everything rounds down, so the miss gets what rounding leaves.
func (m *modePlan) weigh(sums []uint32, p *plan, s *set, c *Campaign) []uint32 {
	denominator := uint64(p.version.Denominator)
	toCome := uint64(1)
	if m.Entries > c.mode.drawn {
		toCome = m.Entries - c.mode.drawn
	}
	var weights [MaxPrizes]uint64
	finite, unlimited := uint64(0), uint64(0)
	for k, i := range s.ordinals {
		w := uint64(p.version.Prizes[i].Weight)
		if c.books[p.prizes[i].cell].Unlimited {
			weights[k], unlimited = w, unlimited+w
			continue
		}
		weights[k] = min(mulDiv(w, uint64(m.MaxBoost), FullPPM), mulDiv(denominator, c.cards(&p.prizes[i]), toCome))
		finite += weights[k]
	}
	rest := denominator - min(denominator, finite)
	sum := uint64(0)
	for k, i := range s.ordinals {
		switch {
		case c.books[p.prizes[i].cell].Unlimited:
			if unlimited > rest {
				weights[k] = mulDiv(weights[k], rest, unlimited)
			}
		case finite > denominator:
			weights[k] = mulDiv(weights[k], denominator, finite)
		}
		sum += weights[k]
		sums = append(sums, uint32(sum))
	}
	return sums
}

// mulDiv returns a × b / n in 128 bits, rounded down; the largest number where that is too large.
func mulDiv(a, b, n uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= n {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(hi, lo, n)
	return q
}
