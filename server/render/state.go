package render

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// User is what a campaign tells about one user.
type User struct {
	IDs      IDs
	Campaign string
	User     []byte
	State    *engine.UserState
	Cap      string // name of the cap of State.CanDraw, when that is capped
}

// AppendUser appends what a campaign tells about one user: his fatigue, and whether he can draw now.
func AppendUser(dst []byte, u *User) []byte {
	s := u.State
	dst = AppendString(append(dst, `{"campaign":`...), u.Campaign)
	dst = AppendString(append(dst, `,"user":`...), u.User)
	dst = appendUint(append(dst, `,"draws":`...), uint64(s.Draws))
	dst = append(dst, `,"caps":[`...)
	for i := range s.Caps {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &s.Caps[i]
		dst = AppendString(append(dst, `{"id":`...), c.ID)
		dst = AppendString(append(dst, `,"counts":`...), countsName(c.Counts))
		dst = appendUint(append(dst, `,"used":`...), uint64(c.Used))
		dst = appendUint(append(dst, `,"limit":`...), uint64(c.Limit))
		dst = appendTimeOrNull(append(dst, `,"resets_at":`...), c.ResetsAt)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if s.Chances != nil {
		dst = appendChanceUse(append(dst, `,"chances":`...), s.Chances)
	}
	dst = appendPityUse(dst, s.Pity)
	dst = appendPlace(dst, u.IDs, `,"last_draw":"`, s.LastDraw)
	dst = appendPlace(dst, u.IDs, `,"last_win":"`, s.LastWin)
	dst = appendBool(append(dst, `,"can_draw":`...), s.CanDraw.Code == problem.OK)
	if s.CanDraw.Code != problem.OK {
		dst = appendDenial(append(dst, `,"denial":`...), &s.CanDraw, u.Cap)
	}
	return append(dst, '}')
}

func appendPlace(dst []byte, ids IDs, member string, l engine.Location) []byte {
	if l.IsZero() {
		return dst
	}
	return append(ids.AppendID(append(dst, member...), engine.IDDraw, l), '"')
}

// appendDenial appends why a draw would be refused now: the members of the problem that it would get.
func appendDenial(dst []byte, r *engine.Result, cap string) []byte {
	var p Problem
	p.Denied(r, cap)
	info := p.Code.Info()
	dst = AppendString(append(dst, `{"code":`...), info.Name)
	dst = AppendString(append(dst, `,"title":`...), info.Title)
	return append(appendFacts(dst, &p), '}')
}

func countsName(c engine.Counts) string {
	switch c {
	case engine.CountWins:
		return "wins"
	case engine.CountAmount:
		return "amount"
	case engine.CountAssists:
		return "assists"
	case engine.CountInvites:
		return "invites"
	}
	return "draws"
}

// AppendStock appends a campaign's books. An unlimited prize has "total": null and counts what was issued only.
func AppendStock(dst []byte, campaign string, seq uint64, prizes []engine.PrizeStock) []byte {
	dst = AppendString(append(dst, `{"campaign":`...), campaign)
	dst = appendUint(append(dst, `,"seq":`...), seq)
	dst = append(dst, `,"prizes":[`...)
	for i := range prizes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendBooks(dst, &prizes[i])
	}
	return append(dst, `]}`...)
}

func appendBooks(dst []byte, p *engine.PrizeStock) []byte {
	dst = AppendString(append(dst, `{"id":`...), p.ID)
	if p.Session != "" {
		dst = AppendString(append(dst, `,"session":`...), p.Session)
	}
	if p.Pool != "" {
		dst = AppendString(append(dst, `,"pool":`...), p.Pool)
	}
	if p.Total == engine.Unlimited {
		dst = append(dst, `,"total":null,"issued":`...)
		return append(appendPaid(appendInt(dst, int64(p.Issued)), p), '}')
	}
	for _, part := range [...]struct {
		member string
		units  engine.Quantity
	}{
		{`,"total":`, p.Total},
		{`,"unreleased":`, p.Unreleased},
		{`,"available":`, p.Available},
		{`,"reserved":`, p.Reserved},
		{`,"held":`, p.Held},
		{`,"issued":`, p.Issued},
		{`,"expired":`, p.Expired},
		{`,"withdrawn":`, p.Withdrawn},
	} {
		dst = appendInt(append(dst, part.member...), int64(part.units))
	}
	return append(appendPaid(dst, p), '}')
}

// appendPaid appends what the wins of a prize paid, where the campaign keeps that.
func appendPaid(dst []byte, p *engine.PrizeStock) []byte {
	if !p.Money {
		return dst
	}
	dst = appendInt(append(dst, `,"paid":`...), p.Paid)
	if p.Budget > 0 {
		dst = appendInt(append(dst, `,"budget":`...), p.Budget)
	}
	return dst
}

// Page is what a player may know of a campaign.
type Page struct {
	Campaign string
	Version  *engine.Version
	Status   engine.Status
	EndsAt   engine.UnixMilli // with pauses added, or when it was ended
	Now      engine.UnixMilli

	ReleaseHash [32]byte
	Releases    []engine.ReleasedWindow // Windows; none for a campaign without release schedules
	Odds        []byte                  // AppendOdds; none for a campaign without release schedules
	SeedHash    [32]byte
	Forced      []engine.ForcedVersion // versions that took something from users
}

// AppendPage appends what a player may know of a campaign: titles, listed prizes, rules, times, version and hashes.
// Never stock, weights or instants; windows and effective odds where releases are scheduled.
func AppendPage(dst []byte, p *Page) []byte {
	v := p.Version
	dst = AppendString(append(dst, `{"campaign":`...), p.Campaign)
	dst = appendUint(append(dst, `,"version":`...), uint64(v.Number))
	dst = appendHex(append(dst, `,"hash":`...), v.Hash[:])
	dst = appendHex(append(dst, `,"seed_hash":`...), p.SeedHash[:])
	if len(v.Title) > 0 {
		dst = append(append(dst, `,"title":`...), v.Title...)
	}
	dst = AppendString(append(dst, `,"time_zone":`...), v.TimeZone)
	dst = AppendTime(append(dst, `,"starts_at":`...), v.StartsAt)
	dst = AppendTime(append(dst, `,"ends_at":`...), p.EndsAt)
	dst = AppendString(append(dst, `,"status":`...), p.Status.String())
	dst = append(dst, `,"caps":[`...)
	for i := range v.Caps {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendRule(dst, v, &v.Caps[i])
	}
	dst = append(dst, `],"prizes":[`...)
	n := 0
	for i := range v.Prizes {
		prize := &v.Prizes[i]
		if prize.Unlisted {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendListed(dst, prize)
		dst = appendValuable(dst, v, i)
		n++
	}
	dst = append(dst, ']')
	dst = appendForced(dst, p.Forced)
	dst = appendGates(dst, v.Audience)
	dst = appendPagePrices(dst, v)
	dst = appendPityRules(dst, v)
	dst = appendSessions(dst, p)
	dst = appendReleases(dst, p)
	if len(p.Odds) > 0 {
		dst = append(append(dst, `,"odds":`...), p.Odds...)
	}
	return append(dst, '}')
}

var windowNames = [...]string{
	engine.WindowCampaign: "campaign", engine.WindowHour: "hour", engine.WindowDay: "day", engine.WindowWeek: "week",
	engine.WindowMonth: "month", engine.WindowRolling: "rolling", engine.WindowCooldown: "cooldown", engine.WindowSession: "session",
}

// appendRule appends a cap. A cap on the wins of an unlisted prize does not name it.
func appendRule(dst []byte, v *engine.Version, c *engine.Cap) []byte {
	dst = AppendString(append(dst, `{"id":`...), c.ID)
	dst = AppendString(append(dst, `,"counts":`...), countsName(c.Counts))
	dst = AppendString(append(dst, `,"scope":`...), v.ScopeName(c))
	dst = AppendString(append(dst, `,"window":`...), windowNames[c.Window.Kind])
	if c.Window.Duration > 0 {
		dst = appendInt(append(dst, `,"window_ms":`...), c.Window.Duration)
	}
	dst = appendUint(append(dst, `,"limit":`...), uint64(c.Limit))
	if c.Prize >= 0 && int(c.Prize) < len(v.Prizes) && !v.Prizes[c.Prize].Unlisted {
		dst = AppendString(append(dst, `,"prize":`...), v.Prizes[c.Prize].ID)
	}
	return append(dst, '}')
}

func appendListed(dst []byte, p *engine.Prize) []byte {
	dst = AppendString(append(dst, `{"id":`...), p.ID)
	dst = AppendString(append(dst, `,"kind":`...), p.Kind.String())
	if len(p.Title) > 0 {
		dst = append(append(dst, `,"title":`...), p.Title...)
	}
	if p.Amount > 0 && p.Kind == engine.KindChance {
		dst = appendInt(append(dst, `,"chances":`...), p.Amount)
	} else if p.Amount > 0 {
		dst = appendInt(append(dst, `,"amount":`...), p.Amount)
	}
	if p.Slot >= 0 {
		dst = appendInt(append(dst, `,"slot":`...), int64(p.Slot))
	}
	return append(dst, '}')
}
