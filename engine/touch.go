package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/internal/pages"
)

// A draw looks at few places of tables that are far larger than the caches. The applier knows the draws that follow in the
// entry, so it asks for their memory ahead, in two steps: touchFar draws ahead for what says where the rows are, touchNear
// draws ahead, when that has come, for the rows. Far enough to hide an access to memory, near enough that the lines are
// still in the first-level cache when they are needed.
const (
	touchFar  = 24
	touchNear = 12
)

// touches are the draws between the two steps, by their number in the entry, modulo touchFar.
type touches struct {
	rest []byte // commands beyond the first step
	far  int    // how many commands have taken it
	near int    // how many have taken the second
	ring [touchFar]touched
}

type touched struct {
	users, keys  *pages.Table // nil for anything but a draw
	user, digest *pages.Key
}

// touchAhead takes the steps that are due before command n is decided. Only the applier does this: he alone moves pages.
func (t *tx) touchAhead(n int) {
	a := &t.ahead
	for a.far < n+touchFar && len(a.rest) > 0 {
		a.rest = t.touch(a.rest, &a.ring[a.far%touchFar])
		a.far++
	}
	for a.near < min(n+touchNear, a.far) {
		if x := &a.ring[a.near%touchFar]; x.users != nil && t.still() {
			x.users.TouchRow(x.user)
			x.keys.TouchRow(x.digest)
		}
		a.near++
	}
}

// still reports whether nobody moves pages now. Once a table was widened, readers do too, unless they are locked out: see
// rowTable.widen.
func (t *tx) still() bool { return t.bulk || !t.world.widened }

// touch takes the first step for the next command, skips it and returns the rest.
func (t *tx) touch(commands []byte, x *touched) []byte {
	x.users = nil
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
	x.user, x.digest = (*pages.Key)(body[8:24]), (*pages.Key)(body[24:40])
	shard := t.world.shardOf((*Key)(x.user))
	x.users, x.keys = c.tables[ScopeUser].parts[shard], c.keys.parts[shard]
	x.users.Touch(x.user)
	x.keys.Touch(x.digest)
	return rest
}
