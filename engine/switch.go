package engine

import (
	"slices"

	"github.com/drawd/drawd/engine/problem"
)

// Switches stop draws. Off is one person's act and in force from its position in the log: no draw behind it wins in the
// scope. On again is the act of two people when the namespace's policy asks for approvals (approval.go), but for the
// actor's own mistake: he may undo it within UndoWindow if nobody else touched the switch.
//
// Off, a global, namespace or campaign switch denies draws (killed). A prize switch makes the prize's weight an ordinary
// miss that consumes, so that nobody learns that he hit it; for exhaustion the prize counts as out. A payout switch leaves
// draws alone: prizes of its kind are won and claimed, and no delivery of one begins. A delivery that has begun is told as it
// ended. Nobody breaks the glass of a payout switch.
//
// A switch that is on has no state. Global switches are kept with the oldest namespace, whose policy they follow.

// SwitchKind is how far a switch reaches. Numbers are on disk.
type SwitchKind uint8

// The kinds of switch.
const (
	SwitchGlobal SwitchKind = 1 + iota
	SwitchNamespace
	SwitchCampaign
	SwitchPrize
	SwitchPayout // of a kind of prize, in a namespace: no delivery of an award of it begins
)

// String returns the wire name of k.
func (k SwitchKind) String() string {
	if k < SwitchGlobal || k > SwitchPayout {
		return "unknown"
	}
	return [...]string{"global", "namespace", "campaign", "prize", "payout"}[k-1]
}

// Times of switches and approvals, in log time.
const (
	UndoWindow      = 10 * 60 * 1000   // ms in which an actor may undo his own switch-off
	BreakGlassDelay = 15 * 60 * 1000   // ms from breaking the glass to what it asked for
	ApprovalLife    = 24 * 3600 * 1000 // ms for which a request for approval stands
)

// SwitchScope names one switch.
type SwitchScope struct {
	Kind     SwitchKind
	Campaign CampaignRef // of SwitchCampaign and SwitchPrize
	Prize    string      // of SwitchPrize: the prize's id; of SwitchPayout the kind of prize
}

// SetSwitch turns a switch off or on. Repeating it succeeds and changes nothing.
type SetSwitch struct {
	Namespace  NamespaceRef // whose policy it follows; of SwitchGlobal the oldest one
	Scope      SwitchScope
	On         bool
	BreakGlass bool // on without a second person, after BreakGlassDelay
	Actor      string
	Reason     string
}

// switchedOff is a switch that is off.
type switchedOff struct {
	kind      SwitchKind
	prize     string // of SwitchPrize: the prize's id; of SwitchPayout the kind
	contested bool
	at        UnixMilli
	actor     string
	reason    string
}

// Switch flags of a record.
const (
	SwitchTurnedOn = 1 << iota
	SwitchUndone   // by its own actor, in time
	SwitchApproved // by another person
	SwitchGlass    // by breaking the glass
)

// place returns where the scope's switches are kept, and which of them it is; -1 for one that is on.
func (t *tx) place(c *SetSwitch) (off *[]switchedOff, a *Campaign, at int, code problem.Code) {
	n := t.world.namespace(c.Namespace)
	switch {
	case n == nil:
		return nil, nil, 0, problem.NamespaceNotFound
	case c.Scope.Kind == SwitchGlobal && c.Namespace != 1:
		return nil, nil, 0, problem.InvalidField
	case c.Scope.Kind == SwitchPayout && (c.BreakGlass || !paysOut(c.Scope.Prize)):
		return nil, nil, 0, problem.InvalidField
	}
	off = &n.acts.off
	if c.Scope.ofCampaign() {
		a = t.world.campaign(c.Scope.Campaign)
		if a == nil || a.namespace != n {
			return nil, nil, 0, problem.CampaignNotFound
		}
		off = &a.off
	}
	at = slices.IndexFunc(*off, func(s switchedOff) bool { return s.kind == c.Scope.Kind && s.prize == c.Scope.Prize })
	if c.Scope.Kind == SwitchPrize && at < 0 && a.Version().prize(c.Scope.Prize) < 0 {
		return nil, a, 0, problem.PrizeNotFound
	}
	return off, a, at, problem.OK
}

// ofCampaign reports whether the switch is kept with a campaign.
func (s *SwitchScope) ofCampaign() bool { return s.Kind == SwitchCampaign || s.Kind == SwitchPrize }

// paysOut reports whether there are deliveries of a kind of prize.
func paysOut(kind string) bool {
	k, known := ParsePrizeKind(kind)
	return known && k != KindThanks && k != KindChance
}

// applySwitch turns a switch off or on, or asks for the approval that on needs.
func (t *tx) applySwitch(c *SetSwitch, body []byte) Result {
	off, a, at, code := t.place(c)
	if code != problem.OK {
		return refuse(code)
	}
	n := t.world.namespace(c.Namespace)
	r := Result{}
	if a != nil {
		r.Campaign = a.ref
	}
	flags := uint32(0)
	switch {
	case !c.On && at < 0:
		*off = append(*off, switchedOff{kind: c.Scope.Kind, prize: c.Scope.Prize, at: t.now, actor: c.Actor, reason: c.Reason})
	case !c.On && (*off)[at].actor == c.Actor:
		r.AlreadyLive = true
		return r
	case !c.On: // somebody else wants it off too: nobody undoes that alone
		(*off)[at].contested = true
	case at < 0:
		r.AlreadyLive = true
		return r
	default:
		var ok bool
		if flags, ok = t.mayTurnOn(c, &(*off)[at], n); !ok {
			return t.ask(n, opSwitch, body, "switch on "+c.Scope.text(t.world), c.Actor, c.Reason, c.BreakGlass, r)
		}
		*off = slices.Delete(*off, at, at+1)
	}
	n.acts.drop("switch on " + c.Scope.text(t.world))
	t.world.throw(a, c.Scope, c.On)
	return t.note(Record{
		Kind: RecordSwitch, Campaign: r.Campaign, Namespace: n.ref, Version: versionOf(a), Name: []byte(c.Scope.text(t.world)),
		Actor: []byte(c.Actor), Reason: []byte(c.Reason), Flags: flags,
	}, r)
}

// mayTurnOn reports whether a switch may go on now, and by which right.
func (t *tx) mayTurnOn(c *SetSwitch, s *switchedOff, n *Namespace) (flags uint32, ok bool) {
	switch {
	case t.approved == byPeople:
		return SwitchTurnedOn | SwitchApproved, true
	case t.approved == byGlass:
		return SwitchTurnedOn | SwitchGlass, true
	case s.actor == c.Actor && !s.contested && t.now < s.at+UndoWindow:
		return SwitchTurnedOn | SwitchUndone, true
	case n.Policy().Approvals == 0:
		return SwitchTurnedOn, true
	}
	return 0, false
}

func versionOf(c *Campaign) uint32 {
	if c == nil {
		return 0
	}
	return c.Version().Number
}

// throw brings a switch into force. Every shard is locked.
func (w *world) throw(c *Campaign, s SwitchScope, on bool) {
	switch s.Kind {
	case SwitchPrize:
		c.mu.Lock() // for readers of the books
		c.books.throw(s.Prize, !on)
		c.recount()
		c.mu.Unlock()
	case SwitchCampaign:
		c.rekill()
	case SwitchPayout:
	default:
		for _, c := range *w.campaigns.Load() {
			c.rekill()
		}
	}
}

// rekill finds anew which switch denies the campaign's draws. Every shard is locked.
func (c *Campaign) rekill() {
	k := *c.control.Load()
	k.killed = 0
	if all := *c.world.namespaces.Load(); isOff(all[0].acts.off, SwitchGlobal) {
		k.killed = SwitchGlobal
	} else if isOff(c.namespace.acts.off, SwitchNamespace) {
		k.killed = SwitchNamespace
	} else if isOff(c.off, SwitchCampaign) {
		k.killed = SwitchCampaign
	}
	if k.killed != c.control.Load().killed {
		c.control.Store(&k)
		c.epoch.Add(1)
	}
}

func isOff(off []switchedOff, kind SwitchKind) bool {
	return slices.ContainsFunc(off, func(s switchedOff) bool { return s.kind == kind })
}

// text names the scope as people and paths do: "global", "namespace", "campaign/flash", "prize/flash/phone", "payout/cash".
func (s SwitchScope) text(w *world) string {
	switch {
	case s.Kind == SwitchPayout:
		return s.Kind.String() + "/" + s.Prize
	case !s.ofCampaign():
		return s.Kind.String()
	}
	text := s.Kind.String() + "/" + w.campaign(s.Campaign).id
	if s.Kind == SwitchPrize {
		text += "/" + s.Prize
	}
	return text
}

// AddSwitch appends a change of a switch.
func (b *Batch) AddSwitch(c *SetSwitch) {
	w, start := b.begin(opSwitch)
	w.u32(uint32(c.Namespace))
	w.u8(uint8(c.Scope.Kind))
	w.u32(uint32(c.Scope.Campaign))
	w.str(c.Scope.Prize)
	w.flag(c.On)
	w.flag(c.BreakGlass)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) setSwitch() SetSwitch {
	c := SetSwitch{Namespace: NamespaceRef(r.u32())}
	c.Scope = SwitchScope{SwitchKind(r.enum(uint8(SwitchPayout) + 1)), CampaignRef(r.u32()), r.str(MaxIDBytes)}
	c.On, c.BreakGlass = r.flag(), r.flag()
	c.Actor, c.Reason = r.str(MaxActorBytes), r.str(MaxReasonBytes)
	r.fail = r.fail || c.Scope.Kind < SwitchGlobal
	return c
}

// switches writes the switches that are off.
func (w *writer) switches(off []switchedOff) {
	w.u32(uint32(len(off)))
	for i := range off {
		s := &off[i]
		w.u8(uint8(s.kind))
		w.str(s.prize)
		w.flag(s.contested)
		w.i64(int64(s.at))
		w.str(s.actor)
		w.str(s.reason)
	}
}

func (r *reader) switches(ofCampaign bool) (off []switchedOff) {
	for range r.count(MaxPrizesEver + 1) {
		s := switchedOff{
			kind: SwitchKind(r.enum(uint8(SwitchPayout) + 1)), prize: r.str(MaxIDBytes), contested: r.flag(),
			at: UnixMilli(r.i64()), actor: r.str(MaxActorBytes), reason: r.str(MaxReasonBytes),
		}
		scope := SwitchScope{Kind: s.kind}
		if r.fail || s.kind < SwitchGlobal || scope.ofCampaign() != ofCampaign || (s.kind >= SwitchPrize) != (s.prize != "") {
			r.fail = true
			return nil
		}
		off = append(off, s)
	}
	return off
}

// Switch is a switch that is off.
type Switch struct {
	Scope  string // as in SwitchScope: "prize/flash/phone"
	At     UnixMilli
	Actor  string
	Reason string
	// UndoUntil is until when the actor may turn it on again alone; 0 for not at all.
	UndoUntil UnixMilli
}

// Switches returns the switches that are off and reach into n: the global one, n's own, those of its campaigns by id and
// of their prizes. It takes a lock.
func (n *Namespace) Switches() []Switch {
	mu := &n.world.shards[0].mu // whoever moves a switch holds every shard
	mu.Lock()
	defer mu.Unlock()
	var all []Switch
	if first := (*n.world.namespaces.Load())[0]; first != n {
		for i := range first.acts.off {
			if s := &first.acts.off[i]; s.kind == SwitchGlobal {
				all = append(all, s.view(s.kind.String()))
			}
		}
	}
	for i := range n.acts.off {
		s := &n.acts.off[i]
		scope := SwitchScope{Kind: s.kind, Prize: s.prize}
		all = append(all, s.view(scope.text(n.world)))
	}
	for _, c := range n.Campaigns() {
		for i := range c.off {
			s := &c.off[i]
			scope := SwitchScope{Kind: s.kind, Campaign: c.ref, Prize: s.prize}
			all = append(all, s.view(scope.text(n.world)))
		}
	}
	return all
}

func (s *switchedOff) view(scope string) Switch {
	v := Switch{Scope: scope, At: s.at, Actor: s.actor, Reason: s.reason}
	if !s.contested {
		v.UndoUntil = s.at + UndoWindow
	}
	return v
}

// applyAct decides a command of what operators do while a campaign runs. Every shard is locked.
func (t *tx) applyAct(o op, r *reader) (res Result, err error) {
	body := r.b
	switch o {
	case opSwitch:
		c := r.setSwitch()
		if err = r.done(); err == nil {
			res = t.applySwitch(&c, body)
		}
	case opApprove:
		c := r.approve()
		if err = r.done(); err == nil {
			res = t.applyApprove(&c)
		}
	case opImport:
		c := r.importCodes()
		if err = r.done(); err == nil {
			res = t.applyImport(&c)
		}
	case opAward:
		c := r.award()
		if err = r.done(); err == nil {
			res = t.applyAward(&c)
		}
	case opVoid:
		c := r.void()
		draw := r.drawIn(c.Draw)
		if err = r.done(); err == nil {
			res = t.applyVoid(&c, &draw)
		}
	}
	return res, err
}
