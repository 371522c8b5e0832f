package drawtest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// open reports whether a hold stands.
func (h *hold) open(now engine.UnixMilli) bool {
	return h.state == engine.StateHeld && now < h.deadline
}

func (h *hold) of(p *pool) *piece {
	for _, x := range h.items {
		if x.pool == p {
			return x
		}
	}
	return nil
}

// ownerUse is what an owner has of a pool, and for how long he cools down.
func (r *Reference) ownerUse(owner engine.Key, p *pool) (u engine.OwnerUse) {
	for _, h := range r.holds {
		x := h.of(p)
		if h.owner != owner || x == nil {
			continue
		}
		u.Issued += x.counted
		switch {
		case h.open(r.now):
			u.Held += x.units
		case !h.taken && !x.kept:
			u.Unconfirmed++
		}
		expired := h.cooled || h.state == engine.StateHeld && !h.open(r.now)
		if until := h.deadline + wholeSeconds(p.policy.Cooldown); expired && p.policy.Cooldown > 0 && until > r.now {
			u.CooldownUntil = max(u.CooldownUntil, until)
		}
	}
	return u
}

func (r *Reference) openHolds(owner engine.Key) (n int) {
	for _, h := range r.holds {
		if h.owner == owner && h.open(r.now) {
			n++
		}
	}
	return n
}

// hold decides a hold or a take: the checks of docs/adr/0022, one after the other. A decision about stock is remembered, also
// when it is a refusal.
func (r *Reference) hold(c *engine.Hold, taken bool) Decided {
	print := fmt.Sprint(c.Items)
	if k := r.stockKeys[c.Digest]; k != nil && !r.holdGone(k.made) {
		if k.print != print {
			return refuse(0, problem.IdempotencyMismatch)
		}
		if k.code != problem.OK {
			r.reach("refused hold again")
		}
		return Decided{Result: engine.Result{Code: k.code, Replayed: true, At: k.at}}
	}
	var order []*piece // in the request's order, each pool once
	for _, item := range c.Items {
		p := r.poolOf(item.Pool)
		if p == nil {
			return Decided{Result: engine.Result{Code: problem.PoolNotFound, Pool: item.Pool}}
		}
		at := slices.IndexFunc(order, func(x *piece) bool { return x.pool == p })
		if at < 0 {
			at = len(order)
			order = append(order, &piece{pool: p})
		} else {
			r.reach("demand of one pool summed")
		}
		order[at].units += item.Units
	}
	shortest, longest := engine.MaxHoldLife, engine.MaxHoldLife
	for _, x := range order {
		ttl, most := lasts(&x.pool.policy)
		shortest, longest = min(shortest, int(ttl)), min(longest, int(most))
	}
	ttl := c.TTL
	if !taken && ttl != 0 && (ttl < engine.MinHoldTTL || ttl > int64(longest)) {
		return refuse(0, problem.InvalidField)
	}
	if ttl == 0 {
		ttl = int64(min(shortest, longest))
	}
	for _, kind := range []engine.SwitchKind{engine.SwitchGlobal, engine.SwitchNamespace} {
		if r.killed[kind] {
			return Decided{Result: engine.Result{Code: problem.Killed, Cap: uint8(kind)}}
		}
	}
	refused := r.holdRefusal(c, order, taken)
	if r.stockKeyCount() >= r.maxKeys() || refused.Code == problem.OK && !r.roomForOwner(c.Owner, order) {
		return refuse(0, problem.Capacity)
	}
	h := &hold{at: r.here(0), made: r.now, owner: c.Owner, taken: taken, items: slices.Clone(order), state: engine.StateHeld}
	slices.SortFunc(h.items, func(a, b *piece) int { return int(a.pool.ref) - int(b.pool.ref) })
	k := &stockKey{at: h.at, made: r.now, print: print, code: refused.Code}
	r.stockKeys[c.Digest] = k
	rec := engine.Record{Kind: engine.RecordHold, Namespace: 1, At: r.now, Name: c.OwnerID, Actor: []byte(c.Actor), Reason: c.Ref}
	if taken {
		rec.Kind = engine.RecordTake
	}
	if refused.Code != problem.OK {
		r.reach("hold refused: " + refused.Code.String())
		refused.Records = 1
		out := Decided{Result: refused, Records: []engine.Record{rec}, Refused: &refused}
		out.Result.At = h.at
		out.Moves = r.moved(h, func(x *piece) (units, back engine.Quantity) { return x.units, 0 })
		return out
	}
	k.hold = h
	return r.makeHold(h, c, rec, engine.UnixMilli(ttl), engine.UnixMilli(longest))
}

// lasts returns how long a hold lasts that does not say, and how long it may, in ms.
func lasts(p *engine.PoolPolicy) (ttl, most int64) {
	if ttl = p.HoldTTL; ttl == 0 {
		ttl = 120_000
	}
	if most = p.MaxHold; most == 0 {
		most = min(10*ttl, 24*3600*1000)
	}
	return ttl, most
}

// makeHold takes the units of a hold or take.
func (r *Reference) makeHold(h *hold, c *engine.Hold, rec engine.Record, ttl, longest engine.UnixMilli) Decided {
	out := Decided{Result: engine.Result{At: h.at, Records: 1, State: engine.StateHeld}}
	h.deadline, h.latest = seconds(r.now+ttl), seconds(r.now+longest)
	was := map[*piece]engine.Quantity{}
	for _, x := range h.items {
		was[x] = r.available(x.pool)
	}
	r.holds = append(r.holds, h)
	for _, x := range h.items {
		x.pool.seq++
		if h.taken {
			x.issued, x.counted = x.units, x.units
			out.Result.Value += uint64(x.units)
			continue
		}
		x.putOff = putOff(x.pool, &c.Digest)
		x.away, x.until = x.units, h.deadline+x.putOff
	}
	if h.taken {
		h.state, h.resolved = engine.StateTaken, r.now/1000*1000
		out.Result.State = engine.StateTaken
		r.reach("take")
	} else {
		out.Result.Value = uint64(h.deadline)
		rec.Delta, rec.Total = int64(h.latest), engine.Quantity(h.deadline)
		r.reach("hold")
	}
	out.Records = []engine.Record{rec}
	out.Moves = r.moved(h, func(x *piece) (units, back engine.Quantity) { return x.units, 0 })
	for _, x := range h.items {
		r.tell(x.pool, was[x])
	}
	return out
}

// putOff returns how much later than others the units of a hold come back. The decision says only that it comes from the key: how,
// is as in the engine.
func putOff(p *pool, digest *engine.Key) engine.UnixMilli {
	if p.policy.ReturnJitter == 0 {
		return 0
	}
	mix := (binary.LittleEndian.Uint64(digest[8:]) ^ uint64(p.ref)) * 0x9E3779B97F4A7C15
	return engine.UnixMilli((mix>>32)%uint64(wholeSeconds(p.policy.ReturnJitter)/1000+1)) * 1000
}

// moved is what a command moved in each pool, with what is there now.
func (r *Reference) moved(h *hold, of func(x *piece) (units, back engine.Quantity)) *engine.HoldMoves {
	m := &engine.HoldMoves{Home: engine.RefOf(h.at, &h.owner).Home}
	for _, x := range h.items {
		units, back := of(x)
		m.Items[m.Count] = engine.HoldMove{Pool: x.pool.ref, Units: units, Back: back, Seq: x.pool.seq, Available: r.available(x.pool)}
		m.Count++
	}
	return m
}

// holdRefusal says what a hold or take is refused for: times, the owner's bounds, stock, pools in the request's order.
func (r *Reference) holdRefusal(c *engine.Hold, order []*piece, taken bool) engine.Result {
	out := engine.Result{Now: r.now}
	for _, x := range order {
		switch p := x.pool; {
		case r.now < p.policy.OpensAt:
			out.Code, out.ResetsAt, out.Pool = problem.NotStarted, p.policy.OpensAt, p.ref
			return out
		case p.policy.ClosesAt != 0 && r.now >= p.policy.ClosesAt:
			out.Code, out.Pool = problem.Ended, p.ref
			return out
		}
	}
	if n := r.openHolds(c.Owner); !taken && n >= 16 {
		out.Code, out.Cap, out.Used, out.Limit, out.Pool = problem.Capped, uint8(engine.HoldCapOpen), uint32(n), 16, order[0].pool.ref
		r.reach("too many open holds")
		return out
	}
	for _, x := range order {
		p, u := x.pool, r.ownerUse(c.Owner, x.pool)
		switch has := u.Held + u.Issued; {
		case u.CooldownUntil > r.now:
			out.Cap, out.ResetsAt = uint8(engine.HoldCapCooldown), u.CooldownUntil
			r.reach("owner cools down")
		case p.policy.MaxUnconfirmed > 0 && u.Unconfirmed >= p.policy.MaxUnconfirmed:
			out.Cap, out.Used, out.Limit = uint8(engine.HoldCapUnconfirmed), uint32(u.Unconfirmed), uint32(p.policy.MaxUnconfirmed)
			r.reach("too many unconfirmed")
		case p.policy.LimitPerOwner > 0 && has+x.units > p.policy.LimitPerOwner:
			out.Cap, out.Used, out.Limit = uint8(engine.HoldCapLimit), uint32(has), uint32(p.policy.LimitPerOwner)
			r.reach("limit per owner")
		default:
			continue
		}
		out.Code, out.Pool = problem.Capped, p.ref
		return out
	}
	for _, x := range order {
		if r.available(x.pool) < x.units {
			out.Code, out.Pool, out.MayReturn = problem.InsufficientStock, x.pool.ref, r.held(x.pool, r.now) > 0
			return out
		}
	}
	return out
}

// endedHold is the answer to what cannot be done to a hold any more: how it ended.
func (r *Reference) endedHold(h *hold) engine.Result {
	out := engine.Result{Code: problem.HoldFinished, State: h.state, Now: r.now}
	if h.state == engine.StateHeld {
		out.State = engine.StateExpired
	}
	return out
}

// wanted returns what a confirmation asks for of each item; ok is false when the hold has no such units.
func (h *hold) wanted(items []engine.Item) (want map[*piece]engine.Quantity, ok bool) {
	want = map[*piece]engine.Quantity{}
	if len(items) == 0 {
		for _, x := range h.items {
			want[x] = x.units
		}
		return want, true
	}
	sum := engine.Quantity(0)
	for _, item := range items {
		at := slices.IndexFunc(h.items, func(x *piece) bool { return x.pool.ref == item.Pool })
		if at < 0 || item.Units < 0 {
			return nil, false
		}
		want[h.items[at]] += item.Units
		sum += item.Units
	}
	return want, sum > 0
}

// confirm makes a hold's units the owner's: all, or a part.
func (r *Reference) confirm(h *hold, c *engine.ConfirmHold) Decided {
	want, ok := h.wanted(c.Items)
	if !ok {
		return refuse(0, problem.InvalidField)
	}
	switch h.state {
	case engine.StateHeld:
	case engine.StateConfirmed:
		return h.confirmedBefore(want, len(c.Items) == 0)
	default:
		return Decided{Result: r.endedHold(h)}
	}
	for x, n := range want {
		if n > x.units {
			return refuse(0, problem.InvalidField)
		}
	}
	late := !h.open(r.now)
	if late {
		if out := r.tooLate(h, want, c.Reacquire); out.Code != problem.OK {
			return Decided{Result: out}
		}
		r.reach("confirmed late")
		h.cooled = true // it expired once
	}
	return r.keep(h, c, want, late)
}

// confirmedBefore answers a confirmation of what is confirmed.
func (h *hold) confirmedBefore(want map[*piece]engine.Quantity, all bool) Decided {
	out := engine.Result{AlreadyLive: true, State: engine.StateConfirmed}
	same := !all || !h.part
	for _, x := range h.items {
		same = same && want[x] == x.units
		out.Value += uint64(x.units)
	}
	if !same {
		out = engine.Result{Code: problem.HoldFinished, State: engine.StateConfirmed}
	}
	return Decided{Result: out}
}

// tooLate refuses to confirm a hold that has expired, unless its units are still away or others are free.
func (r *Reference) tooLate(h *hold, want map[*piece]engine.Quantity, reacquire bool) engine.Result {
	if !reacquire {
		return engine.Result{Code: problem.HoldExpired, State: engine.StateExpired, Now: r.now}
	}
	for _, x := range h.items {
		if r.now >= h.deadline+24*hour || x.until <= r.now && r.available(x.pool) < want[x] {
			r.reach("gone")
			return engine.Result{Code: problem.Gone, State: engine.StateExpired, Pool: x.pool.ref, Now: r.now}
		}
	}
	for _, x := range h.items {
		u, limit := r.ownerUse(h.owner, x.pool), x.pool.policy.LimitPerOwner
		if has := u.Held + u.Issued; limit > 0 && want[x] > 0 && has+want[x] > limit {
			return engine.Result{
				Code: problem.Capped, Cap: uint8(engine.HoldCapLimit), Used: uint32(has), Limit: uint32(limit), Pool: x.pool.ref,
				State: engine.StateExpired, Now: r.now,
			}
		}
	}
	return engine.Result{}
}

// keep carries a confirmation out: what is not confirmed comes back, unless it has already.
func (r *Reference) keep(h *hold, c *engine.ConfirmHold, want map[*piece]engine.Quantity, late bool) Decided {
	rec := engine.Record{Kind: engine.RecordConfirm, Namespace: 1, At: r.now, Actor: []byte(c.Actor), Delta: packed(h.at)}
	out := Decided{Result: engine.Result{At: r.here(0), Records: 1, State: engine.StateConfirmed}}
	was, back := map[*piece]engine.Quantity{}, map[*piece]engine.Quantity{}
	h.state, h.resolved = engine.StateConfirmed, r.now/1000*1000
	for _, x := range h.items {
		h.part = h.part || want[x] != x.units
		was[x] = r.available(x.pool)
		away := x.until > r.now
		rest := x.units - want[x]
		x.issued, x.counted, x.kept = want[x], want[x], want[x] > 0
		out.Result.Value += uint64(want[x])
		x.units = want[x]
		x.pool.seq++
		if !away {
			continue
		}
		x.away = 0
		if back[x] = rest; rest > 0 {
			r.giveBack(h, x, rest, late)
		}
	}
	if late {
		rec.Flags |= engine.ConfirmedLate
	}
	if h.part {
		rec.Flags |= engine.ConfirmedPart
		r.reach("confirmed in part")
	}
	r.reach("confirmed")
	out.Records = []engine.Record{rec}
	out.Moves = r.moved(h, func(x *piece) (units, b engine.Quantity) { return want[x], back[x] })
	for _, x := range h.items {
		r.tell(x.pool, was[x])
	}
	return out
}

// giveBack gives units back: at once, or as much later as the hold's are. What a hold that expired has under way stays so.
func (r *Reference) giveBack(h *hold, x *piece, n engine.Quantity, late bool) {
	switch {
	case late:
		x.away = n
	case x.putOff == 0:
		r.rise(x.pool)
	default:
		x.away, x.until = n, seconds(r.now)+x.putOff
	}
}

func packed(l engine.Location) int64 { return int64(l.Index)<<16 | int64(l.Ordinal) }

// releaseHold gives a hold's units back.
func (r *Reference) releaseHold(h *hold, c *engine.ReleaseHold) Decided {
	switch {
	case h.state == engine.StateReleased:
		return Decided{Result: engine.Result{AlreadyLive: true, State: engine.StateReleased}}
	case !h.open(r.now):
		return Decided{Result: r.endedHold(h)}
	}
	r.reach("released")
	h.state, h.resolved = engine.StateReleased, r.now/1000*1000
	for _, x := range h.items {
		x.pool.seq++
		x.away = 0
		r.giveBack(h, x, x.units, false)
	}
	return Decided{
		Result: engine.Result{At: r.here(0), Records: 1, State: engine.StateReleased},
		Records: []engine.Record{{
			Kind: engine.RecordRelease, Namespace: 1, At: r.now, Actor: []byte(c.Actor), Reason: []byte(c.Reason), Delta: packed(h.at),
		}},
		Moves: r.moved(h, func(x *piece) (units, back engine.Quantity) { return x.units, x.units }),
	}
}

// extend moves a hold's deadline: never nearer, and no further than its pools allow.
func (r *Reference) extend(h *hold, c *engine.ExtendHold) Decided {
	if !h.open(r.now) {
		out := r.endedHold(h)
		if out.State == engine.StateExpired {
			out.Code = problem.HoldExpired
		}
		return Decided{Result: out}
	}
	until := seconds(c.Until)
	if c.Until == 0 {
		ttl := c.TTL
		if ttl == 0 {
			ttl = engine.MaxHoldLife
			for _, x := range h.items {
				usual, most := lasts(&x.pool.policy)
				ttl = min(ttl, usual, most)
			}
		}
		until = seconds(r.now + engine.UnixMilli(ttl))
	}
	if until = min(until, h.latest); until <= h.deadline {
		return Decided{Result: engine.Result{AlreadyLive: true, State: engine.StateHeld, Value: uint64(h.deadline)}}
	}
	r.reach("extended")
	h.deadline = until
	for _, x := range h.items {
		x.pool.seq++
		x.until = until + x.putOff
	}
	return Decided{
		Result: engine.Result{At: r.here(0), Records: 1, State: engine.StateHeld, Value: uint64(until)},
		Records: []engine.Record{{
			Kind: engine.RecordExtend, Namespace: 1, At: r.now, Actor: []byte(c.Actor), Delta: packed(h.at), Total: engine.Quantity(until),
		}},
		Moves: r.moved(h, func(x *piece) (units, back engine.Quantity) { return x.units, 0 }),
	}
}

// voidUnits takes confirmed or taken units back, once.
func (r *Reference) voidUnits(h *hold, c *engine.VoidHold) Decided {
	switch {
	case h.state == engine.StateVoided && h.fault == c.Fault:
		return Decided{Result: engine.Result{AlreadyLive: true, State: h.state, Value: uint64(c.Fault)}}
	case h.state == engine.StateVoided:
		return Decided{Result: engine.Result{Code: problem.Conflict, State: h.state, Value: uint64(h.fault)}}
	case h.open(r.now):
		return Decided{Result: engine.Result{Code: problem.Conflict, State: h.state}} // there is nothing to take back yet
	case h.state != engine.StateConfirmed && h.state != engine.StateTaken:
		return Decided{Result: r.endedHold(h)}
	}
	r.reach("hold voided")
	h.state, h.resolved, h.fault = engine.StateVoided, r.now/1000*1000, c.Fault
	for _, x := range h.items {
		x.pool.seq++
		x.issued = 0
		if c.Fault == engine.VoidAbuse {
			x.pool.withdrawn += x.units
		} else {
			r.rise(x.pool)
		}
		if c.Fault == engine.VoidSystem {
			x.counted = 0
		}
	}
	return Decided{
		Result: engine.Result{At: r.here(0), Records: 1, State: engine.StateVoided, Value: uint64(c.Fault)},
		Records: []engine.Record{{
			Kind: engine.RecordHoldVoid, Namespace: 1, At: r.now, Actor: []byte(c.Actor), Reason: []byte(c.Reason), Delta: packed(h.at),
			Flags: uint32(c.Fault),
		}},
		Moves: r.moved(h, func(x *piece) (units, back engine.Quantity) { return x.units, 0 }),
	}
}
