package engine

import (
	"crypto/sha256"

	"github.com/drawd/drawd/engine/names"
)

// versionForm is the number of the compiled form that this build writes.
const versionForm = 1

// appendForm appends what a version means: everything but its number, salt and hash. Two versions with the same form
// are the same campaign, so publishing the second is "already live".
func (w *writer) appendForm(v *Version) {
	w.u8(versionForm)
	w.str(v.Campaign)
	w.str(v.TimeZone)
	w.transitions(v.Transitions)
	w.i64(int64(v.StartsAt))
	w.i64(int64(v.EndsAt))
	w.u32(v.Denominator)
	w.flag(v.Guaranteed)
	w.u64(v.ExpectedUsers)
	w.u8(uint8(v.Exhausted))
	w.u8(uint8(v.UserExhausted))
	w.u32(uint32(len(v.Caps)))
	for i := range v.Caps {
		w.cap(&v.Caps[i])
	}
	w.u32(uint32(len(v.Prizes)))
	for i := range v.Prizes {
		w.prize(&v.Prizes[i])
	}
	w.bytes(v.Title)
	w.bytes(v.Document)
	w.versionSections(v)
}

// versionSections appends what only some versions have, each in a section of its own.
func (w *writer) versionSections(v *Version) {
	if v.Chances != nil {
		w.section(versionChances, func(w *writer) { w.chances(v.Chances) })
	}
	w.section(versionSessions, func(w *writer) { w.sessions(v) })
	w.section(versionRelease, func(w *writer) { w.schedules(v) })
	w.section(versionPity, func(w *writer) { w.pities(v.Pity) })
	w.section(versionMode, func(w *writer) { w.mode(&v.Mode) })
	w.section(versionAmounts, func(w *writer) { w.amounts(v) })
	w.section(versionWays, func(w *writer) { w.boosts(v.Boosts) })
	w.section(versionAudience, func(w *writer) { w.audience(v) })
	w.section(versionCodes, func(w *writer) { w.prizeCodes(v.Codes) })
	w.section(versionGuard, func(w *writer) { w.guard(v.Guard) })
	w.section(versionAwards, func(w *writer) { w.deliveries(v.Deliveries) })
	w.section(versionHelps, func(w *writer) { w.helps(v.Helps) })
	w.section(versionPools, func(w *writer) { w.poolPrizes(v.PoolPrizes) })
}

// versionSection reads one of them.
func (v *Version) versionSection(tag uint8, r *reader) bool {
	switch tag {
	case versionChances:
		v.Chances = r.chances()
	case versionSessions:
		return r.sessions(v)
	case versionRelease:
		return r.schedules(v)
	case versionPity:
		v.Pity = r.pities()
	case versionMode:
		v.Mode = r.mode()
	case versionWays:
		v.Boosts = r.boosts()
	case versionAmounts:
		r.amounts(v)
	case versionAudience:
		v.Audience = r.audience(v)
	case versionCodes:
		v.Codes = r.prizeCodes()
	case versionGuard:
		v.Guard = r.guard()
	case versionAwards:
		v.Deliveries = r.deliveries()
	case versionHelps:
		v.Helps = r.helps()
	case versionPools:
		v.PoolPrizes = r.poolPrizes()
	default:
		return false
	}
	return true
}

func (w *writer) transitions(ts []Transition) {
	w.u32(uint32(len(ts)))
	for _, t := range ts {
		w.i64(int64(t.At))
		w.u32(uint32(t.OffsetSeconds))
	}
}

func (w *writer) window(x Window) {
	w.u8(uint8(x.Kind))
	w.i64(x.Duration)
}

func (w *writer) cap(c *Cap) {
	w.str(c.ID)
	w.u8(uint8(c.Counts))
	w.u8(uint8(c.Scope))
	w.window(c.Window)
	w.u32(c.Limit)
	w.u16(uint16(c.Prize))
	w.flag(c.DenyWhenReached)
}

func (w *writer) prize(p *Prize) {
	w.str(p.ID)
	w.u8(uint8(p.Kind))
	w.u32(p.Weight)
	w.i64(int64(p.Stock))
	w.u32(p.Units)
	w.i64(p.Value)
	w.i64(p.Amount)
	w.u8(uint8(p.Unavailable))
	w.u16(uint16(p.Fallback))
	w.u16(uint16(p.Slot))
	w.flag(p.Unlisted)
	w.bytes(p.Title)
}

// versionHash is the public hash of a version: SHA-256(salt ‖ form).
func versionHash(v *Version, form []byte) [32]byte {
	h := sha256.New()
	h.Write(v.Salt[:])
	h.Write(form)
	return [32]byte(h.Sum(nil))
}

// form decodes a version's form. The result shares no memory with the input: versions live as long as the campaign.
func (r *reader) form() *Version {
	if r.u8() != versionForm {
		r.fail = true
	}
	v := &Version{
		Campaign: r.str(MaxIDBytes),
		TimeZone: r.str(MaxIDBytes),
	}
	v.Transitions = r.transitions()
	v.StartsAt = UnixMilli(r.i64())
	v.EndsAt = UnixMilli(r.i64())
	v.Denominator = r.u32()
	v.Guaranteed = r.flag()
	v.ExpectedUsers = r.u64()
	v.Exhausted = Policy(r.enum(3))
	v.UserExhausted = Policy(r.enum(2))
	if n := r.count(MaxCaps); n > 0 {
		v.Caps = make([]Cap, n)
	}
	for i := range v.Caps {
		r.cap(&v.Caps[i])
	}
	if n := r.count(MaxPrizes); n > 0 {
		v.Prizes = make([]Prize, n)
	}
	for i := range v.Prizes {
		r.prize(&v.Prizes[i])
	}
	v.Title = clone(r.bytes(MaxVersionBytes))
	v.Document = clone(r.bytes(MaxVersionBytes))
	r.sections(false, v.versionSection)
	return v
}

func (r *reader) transitions() []Transition {
	n := r.count(MaxTransitions)
	if n == 0 || r.fail {
		return nil
	}
	ts := make([]Transition, n)
	for i := range ts {
		ts[i] = Transition{UnixMilli(r.i64()), int32(r.u32())}
		if i > 0 && ts[i].At <= ts[i-1].At || ts[i].OffsetSeconds < -86400 || ts[i].OffsetSeconds > 86400 {
			r.fail = true
		}
	}
	return ts
}

func (r *reader) window() Window {
	return Window{WindowKind(r.enum(uint8(WindowSession) + 1)), r.i64()}
}

func (r *reader) cap(c *Cap) {
	c.ID = r.str(MaxIDBytes)
	c.Counts = Counts(r.enum(uint8(countKinds)))
	c.Scope = Scope(r.enum(scopes + 1))
	c.Window = r.window()
	c.Limit = r.u32()
	c.Prize = int16(r.u16())
	c.DenyWhenReached = r.flag()
}

func (r *reader) prize(p *Prize) {
	p.ID = r.str(MaxIDBytes)
	p.Kind = PrizeKind(r.enum(uint8(len(prizeKinds))))
	p.Weight = r.u32()
	p.Stock = Quantity(r.i64())
	p.Units = r.u32()
	p.Value = r.i64()
	p.Amount = r.i64()
	p.Unavailable = Unavailable(r.enum(uint8(OnRedistribute) + 1))
	p.Fallback = int16(r.u16())
	p.Slot = int16(r.u16())
	p.Unlisted = r.flag()
	p.Title = clone(r.bytes(MaxVersionBytes))
}

func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

// Validate reports the first rule that v breaks, for whatever reaches the engine past the campaign file's compiler.
// The compiler explains every fault to people; this keeps the state machine total.
func (v *Version) Validate() error {
	switch {
	case !names.ID(v.Campaign):
		return invalid("campaign id")
	case v.StartsAt < 0 || v.StartsAt >= v.EndsAt || int64(v.EndsAt-v.StartsAt) > MaxCampaignSpan || v.EndsAt >= 1<<47:
		return invalid("start and end")
	case v.Denominator < MinDenominator || v.Denominator > MaxDenominator:
		return invalid("denominator")
	case len(v.Prizes) == 0 || len(v.Prizes) > MaxPrizes:
		return invalid("number of prizes")
	case len(v.Caps) > MaxCaps || len(v.Transitions) > MaxTransitions:
		return invalid("number of caps or transitions")
	}
	for i := range v.Prizes {
		if err := v.validatePrize(i); err != nil {
			return err
		}
	}
	if err := v.validateSessions(); err != nil {
		return err
	}
	if err := v.validateCodes(); err != nil {
		return err
	}
	if err := v.validateReleases(); err != nil {
		return err
	}
	if err := v.validateMoney(); err != nil {
		return err
	}
	if err := v.validateMode(); err != nil {
		return err
	}
	if err := v.validateGuard(); err != nil {
		return err
	}
	if err := v.validateDeliveries(); err != nil {
		return err
	}
	if err := v.validateBoosts(); err != nil {
		return err
	}
	for i := range v.Caps {
		c := &v.Caps[i]
		if int(c.Prize) >= len(v.Prizes) || c.Prize >= 0 && c.Counts == CountDraws || c.Prize < -1 {
			return invalid("prize of cap " + c.ID)
		}
		for j := range i {
			if v.Caps[j].ID == c.ID {
				return invalid("cap id twice: " + c.ID)
			}
		}
		if err := validateCounter(c.ID, c.Counts, c.Window, c.Limit); err != nil {
			return err
		}
		if c.Window.Kind == WindowSession && len(v.Sessions) == 0 {
			return invalid("window of cap " + c.ID + ": there are no sessions")
		}
	}
	if err := v.validateChances(); err != nil {
		return err
	}
	if err := v.validateHelps(); err != nil {
		return err
	}
	if err := v.validatePity(); err != nil {
		return err
	}
	return v.Audience.validate(v)
}

func (v *Version) validatePrize(i int) error {
	p := &v.Prizes[i]
	switch {
	case !names.ID(p.ID):
		return invalid("prize id")
	case p.Stock < StockUnstated || p.Stock > MaxStock || p.Units < 1 || p.Units > MaxUnits:
		return invalid("stock or units of prize " + p.ID)
	case p.Kind == KindThanks && p.Stock >= 0:
		return invalid("a thanks prize has no stock: " + p.ID)
	case (p.Unavailable == OnFallback) != (p.Fallback >= 0) || int(p.Fallback) >= len(v.Prizes) || p.Fallback < -1:
		return invalid("fallback of prize " + p.ID)
	}
	for j := range i {
		if v.Prizes[j].ID == p.ID {
			return invalid("prize id twice: " + p.ID)
		}
	}
	hops, at := 0, i
	for v.Prizes[at].Unavailable == OnFallback {
		at = int(v.Prizes[at].Fallback)
		if hops++; hops > MaxFallbackHops || at < 0 || at >= len(v.Prizes) {
			return invalid("fallback chain of prize " + p.ID)
		}
	}
	return nil
}

func validateCounter(id string, counts Counts, w Window, limit uint32) error {
	switch {
	case !names.ID(id):
		return invalid("cap id")
	case limit < 1 || limit > MaxCapLimit:
		return invalid("limit of cap " + id)
	case counts == CountAmount && (w.Kind == WindowRolling || w.Kind == WindowCooldown):
		return invalid("window of a cap on amounts: " + id) // such places keep moments, not sums
	case w.Kind == WindowRolling && (limit > MaxRollingLimit || w.Duration < 1 || w.Duration > MaxRollingWindow):
		return invalid("rolling window of cap " + id)
	case w.Kind == WindowCooldown && (limit != 1 || w.Duration < 1 || w.Duration > MaxCooldown):
		return invalid("cooldown of cap " + id)
	case w.Kind != WindowRolling && w.Kind != WindowCooldown && w.Duration != 0:
		return invalid("duration of cap " + id)
	}
	return nil
}

// invalidError is a version, policy or command that breaks a rule of the engine.
type invalidError struct{ what string }

func (e *invalidError) Error() string { return "engine: invalid " + e.what }

func invalid(what string) error { return &invalidError{what} }
