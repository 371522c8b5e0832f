package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/internal/pages"
)

// A draw looks at few places of tables that are far larger than the caches. The applier knows the draws that follow in the
// entry, so it asks for their memory ahead, in three steps, each of which looks at what the one before asked for: which
// page, which slot of the page, the row. Far enough apart to hide an access to memory, near enough that the lines are still
// in the first-level cache when they are needed.
const (
	touchDirectory = 36
	touchPage      = 24
	touchRow       = 12
	touchRing      = 64 // a power of two, not below touchDirectory and touchCampaign

	// With many campaigns, what is known of one is not in the caches either: two steps come before the others.
	touchCampaign = 48 // the campaign
	touchTable    = 42 // its tables and its plan
	manyCampaigns = 16
)

// touches are the draws between the steps, by their number in the entry, modulo touchRing.
type touches struct {
	rest      []byte // commands that were not taken apart
	count     int    // commands of the entry
	parsed    int    // how many were taken apart
	table     int    // how many have taken the step between, with many campaigns
	directory int    // how many commands have taken the first step
	page      int    // the second
	row       int    // the third
	many      bool   // campaigns
	ring      [touchRing]touched
	distant   [touchRing]distant
}

type touched struct {
	op        op
	body      []byte
	draw      bool // anything else needs no memory ahead
	paged     bool // the second step was taken
	user, key pages.Ahead
}

func (a *touches) begin(commands []byte, count int, many bool) {
	a.rest, a.count, a.many = commands, count, many
	a.parsed, a.table, a.directory, a.page, a.row = 0, 0, 0, 0, 0
}

// next returns the command that is decided now, the n-th, which the first step has taken apart.
func (a *touches) next(n int) (o op, body []byte, err error) {
	if n < a.parsed {
		x := &a.ring[n&(touchRing-1)]
		return x.op, x.body, nil
	}
	o, body, a.rest, err = nextCommand(a.rest) // says what is wrong with it
	return o, body, err
}

// distant is what a draw before the first step needs, with many campaigns.
type distant struct {
	campaign  *Campaign
	user, key *Key
	shard     int
}

// touchAhead takes the steps that are due before command n is decided. Only the applier does this: he alone moves pages.
func (t *tx) touchAhead(n int) {
	a := &t.ahead
	if a.many {
		t.touchMany(n)
	}
	for !a.many && a.directory < min(n+touchDirectory, a.count) && t.touch(&a.ring[a.directory&(touchRing-1)], nil) {
		a.directory++
	}
	still := t.still()
	for ; a.page < min(n+touchPage, a.directory); a.page++ {
		x := &a.ring[a.page&(touchRing-1)]
		if x.paged = x.draw && still; x.paged {
			x.user.Tags()
			x.key.Tags()
		}
	}
	for ; a.row < min(n+touchRow, a.page); a.row++ {
		if x := &a.ring[a.row&(touchRing-1)]; x.paged && still {
			x.user.Row()
			x.key.Row()
			if a.many {
				a.distant[a.row&(touchRing-1)].campaign.warmPlan()
			}
		}
	}
}

// touchMany takes the steps that come first when there are many campaigns, and the first of the others.
func (t *tx) touchMany(n int) {
	a := &t.ahead
	for i := a.parsed; i < min(n+touchCampaign, a.count) && t.touch(&a.ring[i&(touchRing-1)], &a.distant[i&(touchRing-1)]); i++ {
	}
	still := t.still()
	for ; a.table < min(n+touchTable, a.parsed); a.table++ {
		x, far := &a.ring[a.table&(touchRing-1)], &a.distant[a.table&(touchRing-1)]
		if x.draw = x.draw && still && far.campaign.keys != nil; x.draw {
			pages.WarmAll(far.campaign.tables[ScopeUser].block[far.shard : far.shard+1])
			pages.WarmAll(far.campaign.keys.block[far.shard : far.shard+1])
			far.campaign.plan.Load().warm()
			k := far.campaign.control.Load()
			pages.Warm(k, k)
		}
	}
	for ; a.directory < min(n+touchDirectory, a.table); a.directory++ {
		x, far := &a.ring[a.directory&(touchRing-1)], &a.distant[a.directory&(touchRing-1)]
		if x.draw = x.draw && still && far.campaign.keys != nil; x.draw {
			x.user.Directory(&far.campaign.tables[ScopeUser].block[far.shard], (*pages.Key)(far.user))
			x.key.Directory(&far.campaign.keys.block[far.shard], (*pages.Key)(far.key))
		}
	}
}

// warm asks for what a draw reads of a campaign.
func (c *Campaign) warm() {
	pages.Warm(c, &c.seed)
	pages.Warm(&c.control, &c.tables)
	pages.Warm(&c.keys, &c.burn)
}

func (p *plan) warm() {
	pages.Warm(p, &p.prizes)
	pages.Warm(&p.amounts, &p.pity)
	pages.Warm(&p.channels, &p.chances)
}

// warmPlan asks for what a draw of the campaign reads besides rows.
func (c *Campaign) warmPlan() {
	p := c.plan.Load()
	pages.Warm(&p.version.Number, &p.version.StartsAt)
	pages.Warm(&p.version.Sessions, &p.version.Sessions)
	pages.WarmAll(p.whole.sums)
	pages.WarmAll(p.whole.ordinals)
	pages.WarmAll(p.draws)
	pages.WarmAll(p.wins)
	pages.WarmAll(p.ofUser)
}

// forget lets go what the ring points to: the state may be replaced before the next entry.
func (a *touches) forget() {
	clear(a.ring[:min(a.parsed, touchRing)])
	if a.many {
		clear(a.distant[:min(a.parsed, touchRing)])
	}
}

// still reports whether nobody moves pages now. Once a table was widened, readers do too, unless they are locked out: see
// rowTable.widen.
func (t *tx) still() bool { return t.bulk || !t.world.widened }

// touch takes the first step for the next command: it takes it apart. It reports false when it cannot: that is said when
// the command is due.
func (t *tx) touch(x *touched, far *distant) bool {
	a := &t.ahead
	o, body, rest, err := nextCommand(a.rest)
	if err != nil {
		return false
	}
	a.rest = rest
	a.parsed++
	x.op, x.body, x.draw = o, body, false
	if o != opDraw || len(body) < drawFixed {
		return true
	}
	c := t.world.campaign(CampaignRef(binary.LittleEndian.Uint32(body)))
	if c == nil || !t.still() {
		return true
	}
	user, digest := (*Key)(body[8:24]), (*Key)(body[24:40])
	shard := t.world.shardOf(user)
	if far != nil {
		x.draw, *far = true, distant{c, user, digest, shard}
		c.warm()
		return true
	}
	if c.keys == nil {
		return true
	}
	x.draw = true
	x.user.Directory(&c.tables[ScopeUser].block[shard], (*pages.Key)(user))
	x.key.Directory(&c.keys.block[shard], (*pages.Key)(digest))
	return true
}
