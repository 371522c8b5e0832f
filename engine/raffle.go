package engine

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sort"

	"github.com/drawd/drawd/engine/problem"
)

// Raffle draws winners from a list, without replacement, in one step. It belongs to a campaign and hangs on its seed:
//
//	list digest = SHA-256 of the entrants in ascending order of their bytes, each followed by a newline
//	raffle seed = SHA-256(0x10 ‖ the campaign's seed ‖ raffle id ‖ 0x00 ‖ list digest)
//	place       = by SHA-256(raffle seed ‖ entrant), the smallest first
//
// So every entrant has the same chance, neither the order in which the list was imported nor anybody's clock can change
// the places, and nobody can know them while he still can change the list. Once the raffle is drawn its seed is public:
// with the list anybody can make the places again. It tells nothing about the campaign's seed.
//
// The first places win, those behind are alternates. An absentee loses his place, and everybody behind him moves up: no
// winner who is there is ever drawn again.
//
// A Raffle is never changed once somebody can see it: changes make another one.
type Raffle struct {
	ID       string
	Entrants []string // ascending, none twice

	// Once it is drawn.
	Drawn      bool
	DrawnAt    UnixMilli
	Winners    uint32 // how many are drawn
	Alternates uint32
	Prize      string   // whose units the winners take; empty for none
	Units      uint32   // of stock that each winner took
	Absent     []string // ascending
}

// AddEntrants puts users on a raffle's list, and makes the raffle. Those that are on it already stay: repeating it changes
// nothing.
type AddEntrants struct {
	Campaign CampaignRef
	Raffle   string
	Users    []string
	Actor    string
}

// DrawRaffle draws a raffle, once. Repeating it with the same numbers changes nothing.
type DrawRaffle struct {
	Campaign   CampaignRef
	Raffle     string
	Winners    uint32
	Alternates uint32
	Prize      string // empty for none
	Actor      string
	Reason     string
}

// RedrawRaffle strikes absentees off a raffle that is drawn: those behind them move up. Repeating it changes nothing.
type RedrawRaffle struct {
	Campaign CampaignRef
	Raffle   string
	Absent   []string // each of them a winner or an alternate until now
	Actor    string
	Reason   string
}

// Records of raffles: Name is the raffle.
const (
	RecordEntrants RecordKind = 35 + iota // Delta is how many came, Total how many there are
	RecordRaffle                          // Delta is how many win, Total how many entrants there are
	RecordRedraw                          // Delta is how many are absent now, Total how many win
	recordRafflesEnd
)

// Raffles returns the campaign's raffles in the order in which they were made. They must not be changed.
func (c *Campaign) Raffles() []*Raffle { return *c.raffles.Load() }

// Raffle returns a raffle of the campaign, nil when there is none of that id.
func (c *Campaign) Raffle(id string) *Raffle {
	for _, f := range c.Raffles() {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// Digest returns the list digest.
func (f *Raffle) Digest() (digest [32]byte) {
	h := sha256.New()
	for _, u := range f.Entrants {
		h.Write([]byte(u))
		h.Write([]byte{'\n'})
	}
	h.Sum(digest[:0])
	return digest
}

const domainRaffle = 0x10

// RaffleSeed returns what the places of a raffle hang on. It is secret until the raffle is drawn.
func (c *Campaign) RaffleSeed(f *Raffle) [32]byte {
	digest := f.Digest()
	h := sha256.New()
	h.Write([]byte{domainRaffle})
	h.Write(c.seed[:])
	h.Write([]byte(f.ID))
	h.Write([]byte{0})
	h.Write(digest[:])
	return [32]byte(h.Sum(nil))
}

// RafflePlaces returns the entrants in the order of their places.
func RafflePlaces(seed [32]byte, entrants []string) []string {
	type score struct {
		hash [32]byte
		user string
	}
	all := make([]score, len(entrants))
	buf := append(make([]byte, 0, len(seed)+MaxUserBytes), seed[:]...)
	for i, u := range entrants {
		all[i] = score{sha256.Sum256(append(buf, u...)), u}
	}
	slices.SortFunc(all, func(a, b score) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	places := make([]string, len(all))
	for i := range all {
		places[i] = all[i].user
	}
	return places
}

// Results returns who wins and who would, in the order of their places. A raffle that is not drawn has none.
func (c *Campaign) Results(f *Raffle) (winners, alternates []string) {
	if !f.Drawn {
		return nil, nil
	}
	there := f.there(RafflePlaces(c.RaffleSeed(f), f.Entrants))
	won := min(int(f.Winners), len(there))
	return there[:won], there[won:min(won+int(f.Alternates), len(there))]
}

// there leaves the absentees out.
func (f *Raffle) there(places []string) []string {
	return slices.DeleteFunc(places, func(u string) bool {
		_, absent := slices.BinarySearch(f.Absent, u)
		return absent
	})
}

// unfilled returns how many winners are missing because nobody is left who could move up.
func (f *Raffle) unfilled() int {
	return max(0, int(f.Winners)-(len(f.Entrants)-len(f.Absent)))
}

// keepRaffle puts a raffle in place of the one with its id, or behind all others.
func (c *Campaign) keepRaffle(f *Raffle) {
	all := slices.Clone(*c.raffles.Load())
	if at := slices.IndexFunc(all, func(o *Raffle) bool { return o.ID == f.ID }); at >= 0 {
		all[at] = f
	} else {
		all = append(all, f)
	}
	c.raffles.Store(&all)
}

// stopped reports why nothing may be drawn in the campaign.
func (c *Campaign) stopped() problem.Code {
	switch k := c.control.Load(); {
	case k.fenced != "":
		return problem.CampaignFenced
	case k.killed != 0:
		return problem.Killed
	}
	return problem.OK
}

// entrants counts the entrants of all raffles in the cluster.
func (w *world) entrants() (n int) {
	for _, c := range *w.campaigns.Load() {
		for _, f := range c.Raffles() {
			n += len(f.Entrants)
		}
	}
	return n
}

func (t *tx) applyEntrants(c *AddEntrants) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	old := a.Raffle(c.Raffle)
	if old == nil {
		old = &Raffle{ID: c.Raffle}
		if len(a.Raffles()) >= MaxRaffles {
			return Result{Code: problem.Capacity, Campaign: a.ref}
		}
	}
	next := *old
	next.Entrants = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(old.Entrants), c.Users...))))
	added := len(next.Entrants) - len(old.Entrants)
	r := Result{Campaign: a.ref, Value: uint64(len(next.Entrants))}
	switch {
	case added == 0:
		r.AlreadyLive = true
		return r
	case old.Drawn:
		return Result{Code: problem.Conflict, Campaign: a.ref}
	case len(next.Entrants) > MaxEntrants || t.world.entrants()+added > MaxEntrantsEver:
		return Result{Code: problem.Capacity, Campaign: a.ref}
	}
	a.keepRaffle(&next)
	return t.note(Record{
		Kind: RecordEntrants, Campaign: a.ref, Version: a.Version().Number, Name: []byte(c.Raffle), Actor: []byte(c.Actor),
		Delta: int64(added), Total: Quantity(len(next.Entrants)),
	}, r)
}

func (t *tx) applyRaffle(c *DrawRaffle) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	a.mu.Lock() // for readers of the books
	defer a.mu.Unlock()
	refuse := func(code problem.Code) Result { return Result{Code: code, Campaign: a.ref} }
	old := a.Raffle(c.Raffle)
	switch {
	case old == nil:
		return refuse(problem.NotFound)
	case old.Drawn && old.Winners == c.Winners && old.Alternates == c.Alternates && old.Prize == c.Prize:
		return Result{Campaign: a.ref, AlreadyLive: true}
	case old.Drawn || c.Winners < 1 || uint64(c.Winners)+uint64(c.Alternates) > uint64(len(old.Entrants)):
		return refuse(problem.Conflict)
	}
	if code := a.stopped(); code != problem.OK {
		return refuse(code)
	}
	if c.Prize != "" {
		if broken := a.unbalanced(); broken != "" {
			return t.fence(a, broken)
		}
		if code := a.award(c.Prize, int(c.Winners)); code != problem.OK {
			return refuse(code)
		}
	}
	next := *old
	next.Drawn, next.DrawnAt, next.Winners, next.Alternates, next.Prize = true, t.now, c.Winners, c.Alternates, c.Prize
	if v := a.Version(); c.Prize != "" {
		next.Units = v.Prizes[v.prize(c.Prize)].Units
	}
	a.keepRaffle(&next)
	a.mu.seq++
	return t.note(Record{
		Kind: RecordRaffle, Campaign: a.ref, Version: a.Version().Number, Seq: a.mu.seq, Name: []byte(c.Raffle),
		Actor: []byte(c.Actor), Reason: []byte(c.Reason), Delta: int64(c.Winners), Total: Quantity(len(next.Entrants)),
	}, Result{Campaign: a.ref})
}

// award takes the units of so many wins of a prize out of its stock, or gives them back: wins is negative then. The
// campaign is locked and its books are balanced.
func (c *Campaign) award(prize string, wins int) problem.Code {
	v := c.Version()
	i, at := v.prize(prize), c.cell(prize)
	if i < 0 || at < 0 || !c.books[at].Live || !v.raffled(i) {
		return problem.PrizeNotFound
	}
	cell := &c.books[at]
	units := Quantity(wins) * Quantity(v.Prizes[i].Units)
	switch {
	case cell.Off && wins > 0:
		return problem.Killed
	case !cell.has(units):
		return problem.InsufficientStock
	}
	cell.issue(units)
	c.recount()
	return problem.OK
}

func (t *tx) applyRedraw(c *RedrawRaffle) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	a.mu.Lock() // for readers of the books
	defer a.mu.Unlock()
	old := a.Raffle(c.Raffle)
	if old == nil || !old.Drawn {
		return Result{Code: problem.NotFound, Campaign: a.ref}
	}
	if code := a.stopped(); code != problem.OK {
		return Result{Code: code, Campaign: a.ref}
	}
	winners, alternates := a.Results(old)
	drawn := append(slices.Clone(winners), alternates...)
	sort.Strings(drawn)
	next := *old
	next.Absent = slices.Clone(old.Absent)
	for _, u := range c.Absent {
		if _, known := slices.BinarySearch(next.Absent, u); known {
			continue
		}
		if _, found := slices.BinarySearch(drawn, u); !found {
			return Result{Code: problem.Conflict, Campaign: a.ref}
		}
		at, _ := slices.BinarySearch(next.Absent, u)
		next.Absent = slices.Insert(next.Absent, at, u)
	}
	if len(next.Absent) == len(old.Absent) {
		return Result{Campaign: a.ref, AlreadyLive: true}
	}
	if back := next.unfilled() - old.unfilled(); back > 0 && old.Prize != "" {
		if broken := a.unbalanced(); broken != "" {
			return t.fence(a, broken)
		}
		a.giveBack(old.Prize, Quantity(back)*Quantity(old.Units))
	}
	a.keepRaffle(&next)
	a.mu.seq++
	return t.note(Record{
		Kind: RecordRedraw, Campaign: a.ref, Version: a.Version().Number, Seq: a.mu.seq, Name: []byte(c.Raffle),
		Actor: []byte(c.Actor), Reason: []byte(c.Reason), Delta: int64(len(next.Absent)), Total: Quantity(next.Winners),
	}, Result{Campaign: a.ref})
}

// raffled reports whether a raffle can give a prize: its units are all there is to give. Amounts, chances and unique codes
// are handed out by draws only.
func (v *Version) raffled(prize int) bool {
	kind := v.Prizes[prize].Kind
	return kind != KindThanks && kind != KindChance && !kind.paysAmount() && !v.unique(prize) && !v.pooled(prize)
}

// giveBack returns the units of places that nobody is left for: what the raffle took, whatever a win counts now. Those of
// a prize that was dropped since, or that hands out codes now and has none for them, are withdrawn.
func (c *Campaign) giveBack(prize string, units Quantity) {
	at := c.cell(prize)
	if at < 0 || c.books[at].Issued < units {
		return
	}
	v, cell := c.Version(), &c.books[at]
	cell.issue(-units)
	if i := v.prize(prize); !cell.Unlimited && (!cell.Live || i < 0 || v.unique(i)) {
		cell.Available -= units
		cell.Withdrawn += units
	}
	c.recount()
}
