package engine

import (
	"encoding/binary"
	"slices"

	"github.com/drawd/drawd/engine/problem"
)

// Void takes a draw back, once, as a new entry with a record of its own; the draw's record, its answer under its key and
// its word stay what they were. What is given back depends on whose fault it was:
//
//   - system: it is as if the user had not drawn: the stock, what it paid out of budgets, the chances that it spent, the
//     caps that it was counted by while their window is open, his pity, and the entry of a deck or of pacing.
//   - user: the stock and what it paid.
//   - abuse: nothing. The units are withdrawn, the user's pity begins again at 0, and his unpaid awards are frozen.
//
// Chances that the draw granted, as its prize or by a milestone, are revoked whoever's fault it was; what was spent of them
// becomes debt.
//
// A void is never refused because the campaign is paused, switched off or over.
type Void struct {
	Campaign CampaignRef
	Draw     []byte   // the draw's encoded record, as it was stored
	At       Location // where that stands
	Fault    VoidFault
	Actor    string
	Reason   string
}

// VoidFault says whose fault it was. Numbers are on disk.
type VoidFault uint8

// The faults.
const (
	VoidSystem VoidFault = 1 + iota
	VoidUser
	VoidAbuse
)

var voidFaults = [...]string{"", "system", "user", "abuse"}

// String returns the wire name of f.
func (f VoidFault) String() string {
	if int(f) < len(voidFaults) {
		return voidFaults[f]
	}
	return "unknown"
}

// ParseVoidFault returns the fault with the wire name s.
func ParseVoidFault(s string) (VoidFault, bool) {
	for f := VoidSystem; f <= VoidAbuse; f++ {
		if voidFaults[f] == s {
			return f, true
		}
	}
	return 0, false
}

// What a void gave back: bits of its record's Flags, above the fault.
const (
	VoidStock = 1 << (8 + iota)
	VoidMoney
	VoidChances
	VoidCaps
	VoidPity
	VoidEntry     // of a deck or of pacing
	VoidGrants    // chances that the draw had granted were revoked: the one thing that a user loses
	voidFaultMask = 0xff
)

// VoidFlags takes the flags of a void's record apart.
func VoidFlags(flags uint32) (fault VoidFault, refunds uint32) {
	return VoidFault(flags & voidFaultMask), flags &^ voidFaultMask
}

// VoidLocation returns where the draw stands that a record of a void is about.
func (r *Record) VoidLocation() Location {
	return Location{Index: LogIndex(uint64(r.Delta) >> 16), Ordinal: uint16(r.Delta)}
}

// voided is a draw that was taken back.
type voided struct {
	seq   uint64 // of the draw
	at    UnixMilli
	fault VoidFault
}

// findVoid looks a draw up by its seq. Callers hold mu.
func (c *Campaign) findVoid(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(c.voids, seq, func(v voided, seq uint64) int {
		switch {
		case v.seq < seq:
			return -1
		case v.seq > seq:
			return 1
		}
		return 0
	})
}

// Voided reports whether the draw with this seq was taken back, when and by whose fault. It takes a lock.
func (c *Campaign) Voided(seq uint64) (fault VoidFault, at UnixMilli, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, found := c.findVoid(seq)
	if !found {
		return 0, 0, false
	}
	return c.voids[i].fault, c.voids[i].at, true
}

// voiding is a void that was checked and not yet carried out.
type voiding struct {
	campaign *Campaign
	command  *Void
	draw     Record
	version  *Version // that the draw was made under
	moves    PityMoves
	given    [2]givenBack // what the draw gave, and what a pity gave on top
	paid     bool         // its award was delivered: what has left does not come back
	refunds  uint32
}

// givenBack is one prize of a draw that is voided.
type givenBack struct {
	prize   int // index into the version's prizes; NoPrize for none
	cell    int
	units   Quantity
	paid    int64    // as the draw decided it
	reserve int      // of the pity that gave it, -1 for none
	pool    *Pool    // whose units they are; nil: the campaign's
	move    HoldMove // in the pool
}

// applyVoid takes a draw back. Every check comes before the first write.
func (t *tx) applyVoid(v *Void, draw *Record) Result {
	x := voiding{command: v, draw: *draw}
	c := t.world.campaign(v.Campaign)
	if c == nil {
		return refuse(problem.CampaignNotFound)
	}
	x.campaign = c
	if x.draw.Campaign != c.ref {
		return Result{Code: problem.DrawNotFound, Campaign: c.ref}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, found := c.findVoid(x.draw.Seq); found {
		r := Result{AlreadyLive: true, Campaign: c.ref, Value: uint64(c.voids[at].fault)}
		if c.voids[at].fault != v.Fault {
			r = Result{Code: problem.Conflict, Campaign: c.ref, Value: uint64(c.voids[at].fault)}
		}
		return r
	}
	if code := t.checkVoid(&x); code != problem.OK {
		return Result{Code: code, Campaign: c.ref}
	}
	if broken := c.unbalanced(); broken != "" {
		return t.fence(c, broken)
	}
	return t.carryVoid(&x)
}

// checkVoid finds what the draw gave, and the user's rows.
func (t *tx) checkVoid(x *voiding) problem.Code {
	c, d := x.campaign, &x.draw
	x.version = c.VersionNumber(d.Version)
	if x.version == nil || d.Seq == 0 || d.Seq > c.mu.seq || d.Prize >= len(x.version.Prizes) || int(d.Session) > len(x.version.Sessions) {
		return problem.DrawNotFound
	}
	if len(c.voids) >= MaxVoids {
		return problem.Capacity
	}
	x.moves, _ = d.Pity()
	prizes, paid := [...]int{d.Prize, x.moves.Extra}, [...]int64{d.Amount, d.ExtraAmount.Amount}
	for i, prize := range prizes {
		g := givenBack{prize: NoPrize, reserve: -1}
		if prize > NoPrize && prize < len(x.version.Prizes) {
			p := &x.version.Prizes[prize]
			g = givenBack{prize, c.books.find(x.version.CellID(prize, int(d.Session)-1)), Quantity(p.Units), paid[i], -1, c.poolGiving(x.version, prize), HoldMove{}}
			if g.cell < 0 || c.books[g.cell].Issued < g.units {
				return problem.DrawNotFound
			}
			byPity := x.moves.Count > 0 && x.moves.Given >= 0 && (x.moves.Extra == NoPrize || i == 1)
			if byPity && x.moves.Given < len(x.version.Pity) {
				g.reserve = c.reserves.find(x.version.Pity[x.moves.Given].ID, g.cell)
			}
		}
		x.given[i] = g
	}
	t.draw = Draw{Campaign: c.ref, User: c.namespace.keyer.User(d.User), UserID: d.User, Times: 1}
	d.subjects(&t.draw)
	t.plan, t.rules = c.plan.Load(), c.namespace.rules.Load()
	t.look(&t.draw, c, t.now)
	if t.campaign[ScopeUser].data == nil {
		return problem.DrawNotFound
	}
	if code := t.soundPools(x); code != problem.OK {
		return code
	}
	if !t.soundChances() {
		return problem.CampaignFenced
	}
	a := c.standing(x.version, d, &t.draw.User, t.now)
	if x.paid = a.State == AwardDelivered; a.State == AwardDelivering {
		return problem.Conflict // whether it arrives is not known yet
	}
	return problem.OK
}

// carryVoid does all of a void that was checked.
func (t *tx) carryVoid(x *voiding) Result {
	c, fault := x.campaign, x.command.Fault
	t.openFound()
	for i := range x.given {
		if g := &x.given[i]; g.pool != nil {
			t.takeBackPool(x, g)
		} else if g.prize != NoPrize {
			c.takeBack(x, g)
			if fault != VoidAbuse && g.paid != 0 && !x.gone(g) {
				t.unpay(x, g)
			}
		}
	}
	t.revokeWon(x)
	switch fault {
	case VoidSystem:
		t.refundChances(x)
		t.refundCaps(x)
		t.refundPity(x)
		c.refundEntry(x)
	case VoidAbuse:
		t.clearPity(x)
		c.freeze(&t.draw.User, 1)
	}
	at, _ := c.findVoid(x.draw.Seq)
	c.voids = slices.Insert(c.voids, at, voided{x.draw.Seq, t.now, fault})
	c.recount()
	return t.noteVoid(x)
}

// noteVoid writes a record for each prize that was taken back; of a miss one without.
func (t *tx) noteVoid(x *voiding) (r Result) {
	c, v := x.campaign, x.command
	start, at := len(t.out.records), t.at
	for i := range x.given {
		g := &x.given[i]
		if i > 0 && g.prize == NoPrize {
			break
		}
		rec := Record{
			Kind: RecordVoid, Campaign: c.ref, Version: c.Version().Number, Actor: []byte(v.Actor), Reason: []byte(v.Reason),
			Delta: int64(v.At.Index)<<16 | int64(v.At.Ordinal), Flags: uint32(v.Fault) | x.refunds,
		}
		if g.prize != NoPrize {
			rec.Name = []byte(c.books[g.cell].ID)
			if v.Fault != VoidAbuse && !x.gone(g) || !c.books[g.cell].Unlimited {
				rec.Total = g.units
			}
			g.note(x, &rec)
		}
		c.mu.seq++
		rec.Seq = c.mu.seq
		t.note(rec, Result{})
		r.Records++
	}
	r.Campaign, r.At, r.Offset, r.Length, r.Value = c.ref, at, uint32(start), uint32(len(t.out.records)-start), uint64(v.Fault)
	return r
}

// gone reports whether a prize of the draw has been delivered.
func (x *voiding) gone(g *givenBack) bool {
	_, in := x.version.DeliveryOf(g.prize)
	return in && x.paid
}

// takeBack moves the units of a prize: back to what is available, to the reserve that they came from, or out of the game.
func (c *Campaign) takeBack(x *voiding, g *givenBack) {
	cell, abuse := &c.books[g.cell], x.command.Fault == VoidAbuse
	if cell.Unlimited {
		if !abuse && !x.gone(g) {
			cell.Issued -= g.units
			x.refunds |= VoidStock
		}
		return
	}
	cell.Issued -= g.units
	// There is no code for the unit any more, or never was, or it was delivered.
	coded := x.version.unique(g.prize) || c.coded(cell.ID) || x.gone(g)
	if !abuse && !coded {
		x.refunds |= VoidStock
	}
	switch session := int(x.draw.Session) - 1; {
	case abuse || !cell.Live || coded:
		cell.Withdrawn += g.units
	case session >= 0 && session < len(x.version.Sessions) && cell.ID != x.version.Prizes[g.prize].ID && x.version.Sessions[session].EndsAt <= c.turned:
		cell.Expired += g.units // its session is over, and what was left has gone already
	case g.reserve >= 0 && c.reserving(g.reserve):
		c.reserves[g.reserve].left += g.units
		c.reserves[g.reserve].given -= g.units
		cell.Reserved += g.units
	default:
		cell.Available += g.units
	}
}

// reserving reports whether the live version states a reserve: only then may units be in it.
func (c *Campaign) reserving(reserve int) bool {
	p := c.plan.Load().pity
	if p == nil {
		return false
	}
	for i := range p.rules {
		for _, z := range p.rules[i].prizes {
			if z.reserve == reserve {
				return true
			}
		}
	}
	return false
}

// unpay gives back to the budgets what a draw paid out of them.
func (t *tx) unpay(x *voiding, g *givenBack) {
	c, p := x.campaign, &x.version.Prizes[g.prize]
	k := c.money
	if k == nil {
		return
	}
	i := slices.IndexFunc(k.prizes, func(z paid) bool { return z.id == p.ID })
	if i < 0 || k.prizes[i].sum < g.paid {
		return
	}
	x.refunds |= VoidMoney
	z := &k.prizes[i]
	z.sum -= g.paid
	a := x.version.amountOf(g.prize) // what was paid before there was a deck is no card of it
	if j := slices.IndexFunc(z.dealt, func(d Card) bool { return d.Amount == g.paid }); j >= 0 && a != nil && a.Split == SplitDeck {
		if z.dealt[j].Count--; z.dealt[j].Count == 0 {
			z.dealt = slices.Delete(z.dealt, j, j+1)
		}
	}
	if p.Kind != KindCash {
		return
	}
	then := t.momentOf(x)
	k.spent -= min(k.spent, g.paid)
	if k.day == then.windows[WindowDay] {
		k.today -= min(k.today, g.paid)
	}
	if k.round == then.windows[WindowSession] {
		k.inRound -= min(k.inRound, g.paid)
	}
	if m := t.plan.money; m != nil && m.user >= 0 && c.boundsUsers(x.draw.Version) {
		row := t.campaign[ScopeUser].data[m.user:]
		was := binary.LittleEndian.Uint64(row)
		binary.LittleEndian.PutUint64(row, was-min(was, uint64(g.paid)))
	}
}

// boundsUsers reports whether what a user is paid was counted under a version: from the first one with such a budget on.
func (c *Campaign) boundsUsers(version uint32) bool {
	return slices.ContainsFunc((*c.versions.Load())[:version], func(v *Version) bool { return v.Budget.User != 0 })
}

// momentOf returns the moment of the draw in the campaign's zone.
func (t *tx) momentOf(x *voiding) (m moment) {
	m.set(&t.plan.zone, x.draw.At)
	m.windows[WindowSession] = 1<<32 - 1
	if s := int(x.draw.Session) - 1; s >= 0 && s < len(x.version.Sessions) {
		m.windows[WindowSession] = sessionWindow(x.version.Sessions[s].StartsAt)
	}
	return m
}

// AddVoid appends a void.
func (b *Batch) AddVoid(c *Void) {
	w, start := b.begin(opVoid)
	w.u32(uint32(c.Campaign))
	w.bytes(c.Draw)
	w.u64(uint64(c.At.Index))
	w.u16(c.At.Ordinal)
	w.u8(uint8(c.Fault))
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) void() Void {
	return Void{
		Campaign: CampaignRef(r.u32()), Draw: r.bytes(maxDrawRecord), At: Location{LogIndex(r.u64()), r.u16()},
		Fault: r.fault(), Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes),
	}
}

func (r *reader) fault() VoidFault {
	f := VoidFault(r.enum(uint8(VoidAbuse) + 1))
	r.fail = r.fail || f < VoidSystem
	return f
}

// drawIn decodes the record of a draw that a command carries whole.
func (r *reader) drawIn(encoded []byte) (d Record) {
	n, err := DecodeRecord(encoded, &d)
	r.fail = r.fail || err != nil || n != len(encoded) || d.Kind != RecordDraw || d.Prize < NoPrize || d.Natural < NoPrize
	return d
}

// maxDrawRecord bounds an encoded record of a draw: its length is a u16.
const maxDrawRecord = 1<<16 - 1

func (w *writer) voids(all []voided) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		w.u64(all[i].seq)
		w.i64(int64(all[i].at))
		w.u8(uint8(all[i].fault))
	}
}

func (r *reader) voids() (all []voided) {
	for range r.count(MaxVoids) {
		v := voided{r.u64(), UnixMilli(r.i64()), VoidFault(r.u8())}
		if r.fail || v.fault < VoidSystem || v.fault > VoidAbuse || len(all) > 0 && v.seq <= all[len(all)-1].seq {
			r.fail = true
			return nil
		}
		all = append(all, v)
	}
	return all
}
