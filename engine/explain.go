package engine

import "github.com/drawd/drawd/engine/problem"

// What explains a decision or a denial afterwards. Nothing here decides.

// number returns a place's number in l: the same for the owner's life.
func (l *layout) number(id string) uint8 {
	for i := range l.places {
		if l.places[i].ID == id {
			return uint8(i)
		}
	}
	panic("BUG: a cap without a place: " + id)
}

// CapPlace returns what a denial's request id keeps of its cap: of Capped the cap's number for the life of its campaign or
// namespace, which later versions do not change, with AggregateBit for a namespace's; of any other code Result.Cap.
func (e *Engine) CapPlace(r *Result) uint8 {
	c := e.world.Load().campaign(r.Campaign)
	if r.Code != problem.Capped || c == nil {
		return r.Cap
	}
	places, bit := c.plan.Load().places, uint8(0)
	if r.Cap&AggregateBit != 0 {
		places, bit = c.namespace.rules.Load().places, AggregateBit
	}
	if i := int(r.Cap &^ AggregateBit); i < len(places) {
		return places[i] | bit
	}
	return r.Cap
}

// CapAt returns the name of the cap at a place of CapPlace, as in CapName; empty for none. It takes a lock.
func (c *Campaign) CapAt(place uint8) string {
	mu := &c.world.shards[0].mu // whoever changes a layout holds every shard
	mu.Lock()
	defer mu.Unlock()
	l, prefix := &c.layout, ""
	if place&AggregateBit != 0 {
		l, prefix = &c.namespace.layout, "ns/"
	}
	if place&(AggregateBit|attributeBit) == attributeBit {
		return c.attributes.capAt(int(place &^ attributeBit))
	}
	i := int(place &^ AggregateBit)
	if i >= len(l.places) || l.places[i].Counts == countReserved {
		return ""
	}
	return prefix + l.places[i].ID
}

// Rework makes a recorded draw's word again from the campaign's seed, which stays inside, and scales it to the denominator
// of the version that the record names: the same word and the value that picked the natural prize.
func (c *Campaign) Rework(r *Record) (word, value uint64) {
	v := c.VersionNumber(r.Version)
	if v == nil || r.Kind != RecordDraw {
		return 0, 0
	}
	user := c.namespace.keyer.User(r.User)
	in := newWordInput(&c.seed, &user, r.DrawNumber, &r.Digest)
	return in.scale(new(wordHasher).first(&in), v.Denominator)
}
