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
	touchRing      = 64 // a power of two, not below touchDirectory
)

// touches are the draws between the steps, by their number in the entry, modulo touchRing.
type touches struct {
	rest      []byte // commands beyond the first step
	directory int    // how many commands have taken the first step
	page      int    // the second
	row       int    // the third
	ring      [touchRing]touched
}

type touched struct {
	draw      bool // anything else needs no memory ahead
	paged     bool // the second step was taken
	user, key pages.Ahead
}

// touchAhead takes the steps that are due before command n is decided. Only the applier does this: he alone moves pages.
func (t *tx) touchAhead(n int) {
	a := &t.ahead
	for a.directory < n+touchDirectory && len(a.rest) > 0 {
		a.rest = t.touch(a.rest, &a.ring[a.directory&(touchRing-1)])
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
		}
	}
}

// forget lets go what the ring points to: the state may be replaced before the next entry.
func (a *touches) forget() { clear(a.ring[:min(a.directory, touchRing)]) }

// still reports whether nobody moves pages now. Once a table was widened, readers do too, unless they are locked out: see
// rowTable.widen.
func (t *tx) still() bool { return t.bulk || !t.world.widened }

// touch takes the first step for the next command, skips it and returns the rest.
func (t *tx) touch(commands []byte, x *touched) []byte {
	x.draw = false
	o, body, rest, err := nextCommand(commands)
	if err != nil {
		return nil // applyAll reports it when it gets there
	}
	if o != opDraw || len(body) < drawFixed {
		return rest
	}
	c := t.world.campaign(CampaignRef(binary.LittleEndian.Uint32(body)))
	if c == nil || c.keys == nil || !t.still() {
		return rest
	}
	user, digest := (*Key)(body[8:24]), (*Key)(body[24:40])
	shard := t.world.shardOf(user)
	x.draw = true
	x.user.Directory(c.tables[ScopeUser].parts[shard], (*pages.Key)(user))
	x.key.Directory(c.keys.parts[shard], (*pages.Key)(digest))
	return rest
}
