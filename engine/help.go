package engine

import (
	"fmt"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
	"github.com/zeebo/xxh3"
)

// Help says that one user helped another: an invite of the owner's, an assist of the helper's, counted in one step. It is
// remembered under the helper's idempotency key.
type Help struct {
	Campaign CampaignRef
	Owner    Key // Keyer.User of OwnerID
	OwnerID  []byte
	Helper   Key // Keyer.User of HelperID
	HelperID []byte
	Digest   Key    // Keyer.Digest of the idempotency key, for the helper
	Event    []byte // of the host's; recorded; may be empty

	// What else is known of the helper, for the caps that count by it.
	Device    Key // Keyer.Device, when HasDevice
	IP        Key // Keyer.IP, when HasIP
	HasDevice bool
	HasIP     bool
	By        [MaxAttributeScopes]Key // by the slot of the attribute (Campaign.Gate); HasBy has a bit for each
	HasBy     uint8
}

// HelpOwner is Result.Value of a refusal that is about the owner; 0 is about the helper.
const HelpOwner = 1

// Helps is what a help gives, of a version's own chances. The zero HelpGrant gives nothing.
type Helps struct{ Owner, Helper HelpGrant }

// HelpGrant is chances that a help grants one of the two.
type HelpGrant struct {
	Source string // one of the version's
	Amount uint32 // 0 for none
}

func (c Counts) ofHelps() bool { return c == CountAssists || c == CountInvites }

// takesHelps reports whether users can help each other in this version.
func (v *Version) takesHelps() bool {
	if v.Helps != nil {
		return true
	}
	for i := range v.Caps {
		if v.Caps[i].Counts.ofHelps() {
			return true
		}
	}
	return false
}

func (v *Version) validateHelps() error {
	for i := range v.Caps {
		c := &v.Caps[i]
		switch {
		case !c.Counts.ofHelps():
		case c.Prize >= 0 || c.DenyWhenReached:
			return invalid("prize or denial of cap " + c.ID + ": it counts helps")
		case c.Counts == CountInvites && c.Scope != ScopeUser:
			return invalid("scope of cap " + c.ID + ": of the owner only his id is known")
		}
	}
	if v.Helps == nil {
		return nil
	}
	for _, g := range [...]HelpGrant{v.Helps.Owner, v.Helps.Helper} {
		known := false
		for i := 0; v.Chances != nil && i < len(v.Chances.Sources); i++ {
			known = known || v.Chances.Sources[i].ID == g.Source
		}
		if (g.Amount == 0) != (g.Source == "") || g.Amount > MaxOwnGrant || g.Amount > 0 && (!known || v.Chances.Mode != ChancesGranted) {
			return invalid("chances of a help: their source must be one that grants chances of the campaign's own")
		}
	}
	return nil
}

func (w *writer) helps(h *Helps) {
	if h == nil {
		return
	}
	for _, g := range [...]HelpGrant{h.Owner, h.Helper} {
		w.str(g.Source)
		w.u32(g.Amount)
	}
}

func (r *reader) helps() *Helps {
	return &Helps{HelpGrant{r.str(MaxSourceBytes), r.u32()}, HelpGrant{r.str(MaxSourceBytes), r.u32()}}
}

// placeHelps is where a user's row keeps the places of his last helps: as an owner, then as a helper.
const (
	placeHelps = "help/last"
	helpsBytes = 2 * locationBytes
)

// helpPlan is what a help needs of a version.
type helpPlan struct {
	last    int       // offset of placeHelps
	invites []counter // of the owner's row
	assists []counter // of the helper's subjects
	rows    scopeSet  // whose rows of the helper's those need
	grants  [2]helpGrant
}

// helpGrant is a HelpGrant with its source; amount 0 for none.
type helpGrant struct {
	amount uint32
	source sourcePlan
}

// compileHelps resolves what the version says of helps to its places, which have been claimed. caps are all its caps.
func (p *plan) compileHelps(c *Campaign) {
	v := p.version
	if !v.takesHelps() {
		return
	}
	h := &helpPlan{last: c.layout.find(placeHelps).at(), rows: setOf(ScopeUser)}
	for i := range v.Caps {
		switch k := c.counter(v, i); v.Caps[i].Counts {
		case CountInvites:
			h.invites = append(h.invites, k)
		case CountAssists:
			h.assists = append(h.assists, k)
			h.rows |= setOf(k.scope)
		}
	}
	if v.Helps != nil {
		for side, g := range [...]HelpGrant{v.Helps.Owner, v.Helps.Helper} {
			for i := 0; g.Amount > 0 && i < len(p.chances.sources); i++ {
				if s := p.chances.sources[i]; s.ID == g.Source {
					h.grants[side] = helpGrant{g.Amount, s}
				}
			}
		}
	}
	p.helps = h
}

// AddHelp appends a help.
func (b *Batch) AddHelp(h *Help) {
	w, start := b.begin(opHelp)
	w.u32(uint32(h.Campaign))
	w.raw(h.Owner[:])
	w.raw(h.Helper[:])
	w.raw(h.Digest[:])
	w.bytes(h.OwnerID)
	w.bytes(h.HelperID)
	w.bytes(h.Event)
	w.flag(h.HasDevice)
	if h.HasDevice {
		w.raw(h.Device[:])
	}
	w.flag(h.HasIP)
	if h.HasIP {
		w.raw(h.IP[:])
	}
	w.u8(h.HasBy)
	for slot := range h.By {
		if h.HasBy&(1<<slot) != 0 {
			w.raw(h.By[slot][:])
		}
	}
	b.end(w, start)
}

// parseHelp decodes the body of a help into h, which then aliases body.
func parseHelp(body []byte, h *Help) error {
	r := reader{b: body}
	h.Campaign, h.Owner, h.Helper, h.Digest = CampaignRef(r.u32()), r.key(), r.key(), r.key()
	h.OwnerID, h.HelperID, h.Event = r.bytes(MaxUserBytes), r.bytes(MaxUserBytes), r.bytes(MaxEventBytes)
	if h.HasDevice = r.flag(); h.HasDevice {
		h.Device = r.key()
	}
	if h.HasIP = r.flag(); h.HasIP {
		h.IP = r.key()
	}
	h.HasBy = r.enum(1 << MaxAttributeScopes)
	for slot := range h.By {
		if h.HasBy&(1<<slot) != 0 {
			h.By[slot] = r.key()
		}
	}
	if r.done() != nil || len(h.OwnerID) == 0 || len(h.HelperID) == 0 || h.Digest[0] != h.Helper[0] || (h.Digest[1]^h.Helper[1])&0xC0 != 0 {
		return fmt.Errorf("%w: help", ErrDamagedEntry)
	}
	return nil
}

// fingerprint tells helps under one key apart: by the owner and the event.
func (h *Help) fingerprint() uint32 {
	f := xxh3.Hash(h.OwnerID) ^ xxh3.Hash(h.Event)*3
	f *= 0x9E3779B97F4A7C15
	return uint32(f >> 32)
}

// asDraw makes d the helper's: whose locks and subjects those of a draw would be.
func (h *Help) asDraw(d *Draw) {
	*d = Draw{
		Campaign: h.Campaign, User: h.Helper, UserID: h.HelperID, Digest: h.Digest, Device: h.Device, IP: h.IP, Times: 1,
		HasDevice: h.HasDevice, HasIP: h.HasIP, Eligibility: Eligibility{By: h.By, HasBy: h.HasBy},
	}
}

// applyHelp decides a help. It takes the shards of both users and of what the helper's caps count by, ascending; then, like
// a draw, the campaign's lock.
func (t *tx) applyHelp(body []byte) error {
	h := &t.helping
	if err := parseHelp(body, h); err != nil {
		return err
	}
	t.result = Result{}
	c := t.world.campaign(h.Campaign)
	if c == nil {
		t.refuse(problem.CampaignNotFound)
		return nil
	}
	h.asDraw(&t.draw)
	for again := true; again; {
		t.lockShards(&t.draw, &h.Owner)
		again = t.help(h, c)
		t.unlockShards()
		if again {
			t.catchUp()
		}
	}
	return nil
}

// help is the ladder of a help, in the order of a draw's: idempotency, campaign, who they are, caps, chances. Nothing is
// written before the last check is passed. As a library it reports true, having done nothing, when what is in force has to be
// brought to the help's time first.
func (t *tx) help(h *Help, c *Campaign) (late bool) {
	t.result = Result{Campaign: c.ref}
	print := h.fingerprint()
	spot, known := c.seen(&h.Digest, print, &t.result)
	if known {
		return false
	}
	for {
		epoch := c.epoch.Load()
		if t.late() {
			return true
		}
		if t.unhelpful(h, c, sight{logTime: t.now, now: t.now}) != problem.OK {
			return false
		}
		t.lockCampaign(c)
		stale := c.epoch.Load() != epoch
		if !stale {
			stale = t.claimRows(c.namespace, t.rules, t.newcomers(), 1)
		}
		if !stale && t.result.Code == problem.OK {
			t.countHelp(h, c, keyRow{t.at, print}, spot)
		}
		t.unlockCampaign(c)
		if !stale {
			return false
		}
	}
}

// newcomers counts the rows of users that a help adds.
func (t *tx) newcomers() (n uint64) {
	if t.campaign[ScopeUser].data == nil {
		n++
	}
	if t.owner.data == nil {
		n++
	}
	return n
}

// unhelpful takes every rung that refuses a help without consuming anything, finds the rows and prepares the moment. The
// audience rule and tickets are about who draws: they are not asked here.
func (t *tx) unhelpful(h *Help, c *Campaign, s sight) problem.Code {
	t.plan, t.rules = c.plan.Load(), c.namespace.rules.Load()
	if code := t.closed(c, s); code != problem.OK {
		return code
	}
	if len(t.plan.version.Sessions) > 0 {
		if code, unsure := t.betweenSessions(s); code != problem.OK || unsure {
			return code
		}
	}
	p := t.plan.helps
	if p == nil {
		return t.refuse(problem.Conflict)
	}
	if h.Owner == h.Helper {
		return t.refuse(problem.InvalidField)
	}
	for side, user := range [...]Key{HelpOwner: h.Owner, 0: h.Helper} {
		if t.standing(&Draw{User: user}, c, s).blocked {
			t.result.Value = uint64(side)
			return t.refuse(problem.Blocked)
		}
	}
	if without := p.rows &^ t.draw.scopes(); without != 0 {
		t.result.Cap = uint8(without.first())
		return t.refuse(problem.ScopeValueMissing)
	}
	t.own.set(&t.plan.zone, s.now)
	if len(t.plan.version.Sessions) > 0 {
		t.own.setSession(t.plan)
	}
	for left := t.mine &^ p.rows; left != 0; left &= left - 1 {
		t.campaign[left.first()] = subject{}
	}
	for left := p.rows; left != 0; left &= left - 1 {
		s := left.first()
		t.campaign[s].find(t.world, c.rowsOf(s), t.draw.subject(s))
	}
	t.mine = p.rows
	t.owner.find(t.world, c.tables[ScopeUser], &h.Owner)
	if code := t.cappedHelp(p, s); code != problem.OK || s.margin > 0 {
		return code // a reader: what can be booked the log knows
	}
	return t.grantable(h, c, p)
}

// cappedHelp refuses a help that does not fit under a cap of either side.
func (t *tx) cappedHelp(p *helpPlan, s sight) problem.Code {
	code := problem.OK
	for i := range p.invites {
		code = t.weigh(code, &p.invites[i], t.owner.data, &t.own, 1, s)
	}
	for i := range p.assists {
		k := &p.assists[i]
		code = t.weigh(code, k, t.campaign[k.scope].data, &t.own, 1, s)
	}
	if code != problem.OK && t.plan.version.Caps[t.result.Cap].Counts == CountInvites {
		t.result.Value = HelpOwner
	}
	return code
}

// countHelp does all of a help. It cannot refuse any more.
func (t *tx) countHelp(h *Help, c *Campaign, k keyRow, spot pages.Spot) {
	p := t.plan.helps
	t.openHelp(h)
	helper := t.campaign[ScopeUser].data
	for i := range p.invites {
		p.invites[i].add(t.owner.data, &t.own, 1)
	}
	for i := range p.assists {
		a := &p.assists[i]
		a.add(t.campaign[a.scope].data, &t.own, 1)
	}
	n := helpNote{event: h.Event}
	n.last[0], n.last[1] = getLocation(t.owner.data[p.last:]), getLocation(helper[p.last+locationBytes:])
	putLocation(t.owner.data[p.last:], t.at)
	putLocation(helper[p.last+locationBytes:], t.at)
	for i, user := range [...]*Key{&h.Owner, &h.Helper} {
		if p.grants[i].amount > 0 {
			n.granted[i] = t.grantHelp(c, user, &p.grants[i])
		}
	}
	for i := range p.invites {
		n.add(p.invites[i].index, p.invites[i].used(t.owner.data, &t.own))
	}
	for i := range p.assists {
		if a := &p.assists[i]; a.scope == ScopeUser {
			n.add(a.index, a.used(helper, &t.own))
		}
	}
	t.more = n.append(t.more[:0])
	c.put(&h.Digest, spot, k)
	at, start := t.at, len(t.out.records)
	t.keep(&Record{
		Kind: RecordHelp, Campaign: c.ref, Version: t.plan.version.Number, Name: h.OwnerID, Actor: h.HelperID, Sections: t.more,
	})
	r := &t.result
	r.At, r.Records, r.Offset, r.Length = at, 1, uint32(start), uint32(len(t.out.records)-start)
}

// openHelp makes every row of the help writable, and adds those that do not exist yet. Two rows of one table may lie in one
// page, and adding one moves others: so the rows are found again.
func (t *tx) openHelp(h *Help) {
	added := t.owner.open()
	for left := t.mine; left != 0; left &= left - 1 {
		if t.campaign[left.first()].open() {
			added = true
		}
	}
	if !added {
		return
	}
	t.owner.again()
	for left := t.mine; left != 0; left &= left - 1 {
		t.campaign[left.first()].again()
	}
}

// again finds a row that is there, and keeps it writable.
func (s *subject) again() {
	s.row, _ = s.part.Find((*pages.Key)(s.key))
	s.data = s.part.Mutable(s.row)
}

// PeekHelp is Peek for helps.
func (e *Engine) PeekHelp(h *Help, now UnixMilli) (r Result, ok bool) {
	w := e.world.Load()
	c := w.campaign(h.Campaign)
	if c == nil {
		return refuse(problem.CampaignNotFound), true
	}
	t := steps.Get().(*tx)
	defer steps.Put(t)
	t.world, t.bulk = w, false
	h.asDraw(&t.draw)
	t.lockShards(&t.draw, &h.Owner)
	defer t.unlockShards()
	t.result = Result{Campaign: c.ref}
	if _, known := c.seen(&h.Digest, h.fingerprint(), &t.result); known {
		return t.result, true
	}
	s := w.sight(now)
	if c.unsettled(s) {
		return t.result, false
	}
	t.now = s.logTime
	t.unhelpful(h, c, s)
	return t.result, t.result.Code != problem.OK
}

// LastHelps returns where a user's last helps stand in which he was the owner, and in which he was the helper. It takes a lock.
func (e *Engine) LastHelps(c *Campaign, user Key) (owned, helped Location) {
	w := c.world
	mu := &w.shards[w.shardOf(&user)].mu
	mu.Lock()
	defer mu.Unlock()
	p := c.layout.find(placeHelps)
	var s subject
	if s.find(w, c.tables[ScopeUser], &user); s.data == nil || p == nil {
		return owned, helped
	}
	return getLocation(s.data[p.at():]), getLocation(s.data[p.at()+locationBytes:])
}

// hasHelped reports whether the row was made for a help, before any draw.
func (c *Campaign) hasHelped(row []byte) bool {
	p := c.layout.find(placeHelps)
	return p != nil && !(getLocation(row[p.at():]).IsZero() && getLocation(row[p.at()+locationBytes:]).IsZero())
}
