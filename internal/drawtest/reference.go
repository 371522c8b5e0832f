package drawtest

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Reference is the naive engine.
type Reference struct {
	now   engine.UnixMilli
	index engine.LogIndex

	policies  map[engine.NamespaceRef]*engine.NamespacePolicy
	campaigns []*campaign // campaign n stands at n-1
	keys      map[engine.Key]*answer
	events    []*event       // every sub-draw there ever was, in order
	rows      map[row]uint32 // draws in a row without a win of a pity's group
	killed    map[engine.SwitchKind]bool
	offAt     map[string]engine.UnixMilli // when a switch was turned off
	wallets   map[holder]*wallet
	grants    map[grantKey]*granted
	sources   map[account][]string // declared ones, by number
	lists     map[*campaign]bool   // whether there ever were any; nil is the namespace's
	entries   map[listing]*listed
	awarded   map[awardDay]int64
	since     map[string]engine.UnixMilli // when aggregate caps came into force, -never: before anybody drew
	reached   Reached
	pools     []*pool
	holds     []*hold
	stockKeys map[engine.Key]*stockKey
	stocked   engine.UnixMilli // up to when units have come back
	waiting   []*waits         // versions to become live, by time
	aside     []engine.Record  // that the command in hand did not ask for
	before    int              // records of the commands before it, in its entry
	requests  int              // commands so far
	level     uint32           // the feature level; none of them changes what is decided
	library   bool             // draws and grants leave what is due to others
}

// NewReference returns a reference as it is after the Init entry, which has index 1.
func NewReference(at engine.UnixMilli) *Reference {
	return &Reference{
		now: at, index: 1,
		policies:  map[engine.NamespaceRef]*engine.NamespacePolicy{1: {}},
		keys:      map[engine.Key]*answer{},
		rows:      map[row]uint32{},
		killed:    map[engine.SwitchKind]bool{},
		offAt:     map[string]engine.UnixMilli{},
		wallets:   map[holder]*wallet{},
		grants:    map[grantKey]*granted{},
		sources:   map[account][]string{},
		lists:     map[*campaign]bool{},
		entries:   map[listing]*listed{},
		awarded:   map[awardDay]int64{},
		reached:   Reached{},
		stockKeys: map[engine.Key]*stockKey{},
	}
}

// campaign is everything about one campaign but its draws.
type campaign struct {
	ref       engine.CampaignRef
	namespace engine.NamespaceRef
	id        string
	seed      [16]byte
	versions  []*engine.Version // version n stands at n-1
	seq       uint64
	stock     map[string]*books // every prize id there ever was
	reserves  map[setAside]*slice
	drips     map[string]*drip            // of cells whose prize has a release schedule
	closed    engine.UnixMilli            // end of the last session that was closed
	voided    map[uint64]engine.VoidFault // draws that were taken back, by seq
	off       map[string]bool             // prizes that are switched off
	killed    bool                        // the campaign is

	bounded     bool            // some version bounded what is paid: it counts since
	boundsUsers bool            // the same of what one user is paid
	dealt       map[*event]bool // events whose amount was dealt from a deck

	lots    uint8 // that grants may fill, since chances were granted here
	paced   []uint32
	slots   []string // attributes that caps counted by
	streaks bool     // some version had a milestone for days in a row: they are counted since

	boxes   []*codeBox
	raffles []*raffle
	burnt   []burnt // what the guard counted since it tripped

	paused    bool
	pausedAt  engine.UnixMilli // 0 when it is not, and was not when it was ended
	extension engine.UnixMilli // by pauses
	keysGone  bool             // 72 hours after the end
	ended     bool             // by hand, or because everything is given
	endedAt   engine.UnixMilli
}

func (c *campaign) live() *engine.Version { return c.versions[len(c.versions)-1] }

func (c *campaign) endsAt() engine.UnixMilli {
	if c.ended {
		return c.endedAt
	}
	return c.live().EndsAt + c.extension
}

// books are one prize's units.
type books struct {
	unlimited                    bool
	available, issued, withdrawn engine.Quantity
	unreleased                   engine.Quantity // held back by a schedule
	reserved                     engine.Quantity // set aside by pities
	expired                      engine.Quantity // with their session
	carried                      engine.Quantity // came from other sessions; below 0: went there
}

func (b *books) total() engine.Quantity {
	if b.unlimited {
		return engine.Unlimited
	}
	return b.unreleased + b.available + b.reserved + b.issued + b.expired + b.withdrawn
}

func (b *books) has(units uint32) bool { return b.unlimited || b.available >= engine.Quantity(units) }

// hopeless reports whether so many units are not there, and no release will change that.
func (b *books) hopeless(units uint32) bool {
	return !b.unlimited && b.available+b.unreleased < engine.Quantity(units)
}

func (b *books) give(units uint32) {
	b.issued += engine.Quantity(units)
	if !b.unlimited {
		b.available -= engine.Quantity(units)
	}
}

// event is one sub-draw, with all that a cap could ever ask about it.
type event struct {
	at        engine.UnixMilli
	location  engine.Location
	request   int // events of one request have the same number
	part      uint8
	campaign  *campaign
	user      engine.Key
	device    *engine.Key
	ip        *engine.Key
	by        [engine.MaxAttributeScopes]engine.Key // values of attributes
	hasBy     uint8
	session   engine.UnixMilli // start of the session it counts for
	draw      *engine.Draw
	number    uint32          // of the user's draws in the campaign
	wins      []winning       // none for a miss, two when a pity gives something on top
	caps      map[string]bool // ids of the campaign's caps in force then
	aggregate map[string]bool // ids of the namespace's
	moves     moves           // of chances
	moded     bool            // it was drawn under a mode
	streaks   bool            // the day counts for milestones
	seq       uint64
	version   *engine.Version
	given     []given
	codes     handed
	pity      engine.PityMoves
	freed     map[string]bool // caps that a void took it out of; of the namespace with ns/ before
}

// answer is what is remembered under an idempotency key.
type answer struct {
	campaign    *campaign
	abandoned   bool
	at          engine.Location
	records     uint8
	fingerprint any
	total       uint64 // of an adjust
}

// Decided is what became of one command: the result and its records, in the engine's own words. Result.Offset and
// Result.Length are not filled.
type Decided struct {
	Result  engine.Result
	Records []engine.Record
	Pity    []engine.PityMoves // of each record
	Chances []moves            // of each record
	Audit   []*engine.Audit    // of each record
	Grant   *engine.GrantNote  // of the record of a grant or revocation
	Codes   []handed           // of each record
	Moves   *engine.HoldMoves  // of the record of a command on holds
	Refused *engine.Result     // why a hold or take was refused, as its record tells
	Aside   []engine.Record    // what else the entry recorded: what was due, before; a guard, behind
}

// Apply decides one command alone in its entry.
func (r *Reference) Apply(c *Command) Decided {
	return r.Entry(r.index+1, c.Stamp, c)[0]
}

// Entry decides the commands of one entry. What was due before comes first, once, and stands with the first of them.
func (r *Reference) Entry(index engine.LogIndex, stamp engine.UnixMilli, commands ...*Command) []Decided {
	r.index = index
	r.now = max(r.now, stamp)
	r.aside, r.before = nil, 0
	patient := r.library && (commands[0].Draw != nil || commands[0].Grant != nil || commands[0].Revoke != nil)
	if !patient {
		r.returnStock(r.stocked)
		r.stocked = r.now
	}
	r.publishDue()
	if !patient {
		r.noteLow()
	}
	decided := make([]Decided, len(commands))
	for i, c := range commands {
		r.requests++
		r.pass()
		decided[i] = r.decide(c)
		r.pass() // a resume or an end may end a campaign long ago
		decided[i].Aside = r.aside
		r.before += len(r.aside) + len(decided[i].Records)
		r.aside = nil
	}
	return decided
}

func (r *Reference) decide(c *Command) Decided {
	switch {
	case c.Draw != nil:
		return r.draw(c.Draw)
	case c.Publish != nil:
		return r.publish(c.Publish, c.Seed)
	case c.Control != nil:
		return r.control(c.Control)
	case c.Adjust != nil:
		return r.adjust(c.Adjust)
	case c.Policy != nil:
		return r.policy(c.Policy)
	case c.Abandon != nil:
		return r.abandon(c.Abandon)
	case c.Switch != nil:
		return r.turn(c.Switch)
	case c.List != nil:
		return r.list(c.List)
	case c.Grant != nil:
		return r.grant(c.Grant)
	case c.Revoke != nil:
		return r.revoke(c.Revoke)
	case c.Void != nil:
		return r.void(c.Void)
	case c.Award != nil:
		return r.compensate(c.Award)
	case c.Import != nil:
		return r.importCodes(c.Import)
	case c.PublishAt != nil:
		return r.publishAt(c.PublishAt, c.Seed)
	case c.Withdraw != nil:
		return r.withdraw(c.Withdraw)
	case c.Stock != nil:
		return r.stock(c.Stock)
	case c.Raffle != nil:
		return r.raffle(c.Raffle)
	case c.Raise != nil:
		return r.raise(c.Raise)
	}
	return Decided{} // a tick: only time goes on
}

// raise puts a feature level in force, which never falls.
func (r *Reference) raise(c *engine.Raise) Decided {
	stays := c.Level <= r.level
	r.level = max(r.level, c.Level)
	return Decided{Result: engine.Result{AlreadyLive: stays, Value: uint64(r.level)}}
}

// pass does what time alone does.
func (r *Reference) pass() {
	for _, c := range r.campaigns {
		r.turnTo(c)
	}
	r.forget()
}

// forget drops the keys of campaigns that ended more than 72 hours ago. One that is paused may still be extended.
func (r *Reference) forget() {
	for _, c := range r.campaigns {
		if c.keysGone || !r.forgotten(c) {
			continue
		}
		c.keysGone = true
		for digest, a := range r.keys {
			if a.campaign == c {
				delete(r.keys, digest)
			}
		}
		for key := range r.grants {
			if key.campaign == c {
				delete(r.grants, key)
			}
		}
	}
}

func (r *Reference) forgotten(c *campaign) bool {
	return r.over(c) && r.now >= c.endsAt()+engine.KeyRetention
}

func (r *Reference) campaign(ref engine.CampaignRef) *campaign {
	if ref == 0 || int(ref) > len(r.campaigns) {
		return nil
	}
	return r.campaigns[ref-1]
}

// here is where a record of the command in hand stands: behind what was due, and behind the commands before it.
func (r *Reference) here(ordinal int) engine.Location {
	return engine.Location{Index: r.index, Ordinal: uint16(r.before + len(r.aside) + ordinal)}
}

func refuse(c engine.CampaignRef, code problem.Code) Decided {
	return Decided{Result: engine.Result{Code: code, Campaign: c}}
}

// status is where a campaign stands now.
func (r *Reference) status(c *campaign) engine.Status {
	switch {
	case r.now < c.live().StartsAt && !c.ended:
		return engine.StatusScheduled
	case r.now >= c.endsAt():
		return engine.StatusEnded
	case c.paused:
		return engine.StatusPaused
	}
	return engine.StatusRunning
}

// shown is the status that operators see: a campaign that was paused over its end can be resumed, so it is paused.
func (r *Reference) shown(c *campaign) engine.Status {
	if c.paused && !c.ended {
		return engine.StatusPaused
	}
	if s := r.status(c); s == engine.StatusEnded || r.killedBy(c) == 0 {
		return s
	}
	return engine.StatusKilled
}

// nextChange returns the next instant at which a campaign starts or ends without a command; 0 when there is none.
func (r *Reference) nextChange() (next engine.UnixMilli) {
	for _, w := range r.waiting[:min(1, len(r.waiting))] {
		next = w.At
	}
	for _, h := range r.holds {
		for _, x := range h.items {
			if x.away > 0 && x.until > r.now && (next == 0 || x.until < next) {
				next = x.until
			}
		}
	}
	for _, c := range r.campaigns {
		edges := []engine.UnixMilli{c.live().StartsAt, c.endsAt()}
		for i := range c.live().Sessions {
			edges = append(edges, c.live().Sessions[i].StartsAt, c.sessionEnd(&c.live().Sessions[i]))
		}
		edges = append(edges, r.nextRelease(c))
		for _, t := range edges {
			if t > r.now && t != never && !c.ended && (next == 0 || t < next) {
				next = t
			}
		}
	}
	return next
}
