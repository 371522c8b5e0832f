package drawtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
)

// Command is one command with the stamp of its entry. Exactly one of the pointers is set; none means a tick.
type Command struct {
	Stamp   engine.UnixMilli
	Draw    *engine.Draw
	Publish *engine.Publish
	Seed    [16]byte // of a publish, in the clear
	Control *engine.Control
	Adjust  *engine.Adjust
	Policy  *engine.PutPolicy
	Abandon *engine.Abandon
	Switch  *engine.SetSwitch
	Grant   *engine.Grant
	Revoke  *engine.Revoke
	List    *engine.PutList
	Void    *VoidDraw
	Award   *engine.Award
	Import  *engine.ImportCodes
	// PublishAt is of a version that waits, Withdraw takes it back.
	PublishAt *PublishAt
	Withdraw  *engine.Withdraw
	Stock     *Stock
	Raffle    *Raffle
	Raise     *engine.Raise
}

// AddTo encodes the command into b. What names a record, which only an Applier knows, is a tick here.
func (c *Command) AddTo(b *engine.Batch) {
	switch {
	case c.Draw != nil:
		b.AddDraw(c.Draw)
	case c.Publish != nil:
		b.AddPublish(c.Publish)
	case c.Control != nil:
		b.AddControl(c.Control)
	case c.Adjust != nil:
		b.AddAdjust(c.Adjust)
	case c.Policy != nil:
		b.AddPolicy(c.Policy)
	case c.Abandon != nil:
		b.AddAbandon(c.Abandon)
	case c.Switch != nil:
		b.AddSwitch(c.Switch)
	case c.List != nil:
		b.AddList(c.List)
	case c.Grant != nil:
		b.AddGrant(c.Grant)
	case c.Revoke != nil:
		b.AddRevoke(c.Revoke)
	case c.Award != nil:
		b.AddAward(c.Award)
	case c.Import != nil:
		b.AddImport(c.Import)
	case c.Stock != nil:
		c.Stock.addTo(b)
	case c.Raffle != nil:
		c.Raffle.addTo(b)
	case c.PublishAt != nil:
		b.AddPublishAt(&c.PublishAt.Publish, c.PublishAt.At)
	case c.Withdraw != nil:
		b.AddWithdraw(c.Withdraw)
	case c.Raise != nil:
		b.AddRaise(c.Raise)
	default:
		b.AddTick()
	}
}

// campaign returns the campaign that the command is about; 0 when it is about none, or one by its id.
func (c *Command) campaign() engine.CampaignRef {
	switch {
	case c.Draw != nil:
		return c.Draw.Campaign
	case c.Control != nil:
		return c.Control.Campaign
	case c.Adjust != nil:
		return c.Adjust.Campaign
	case c.Abandon != nil:
		return c.Abandon.Campaign
	case c.Grant != nil:
		return c.Grant.Campaign
	case c.Revoke != nil:
		return c.Revoke.Campaign
	case c.Void != nil:
		return c.Void.Campaign
	case c.Award != nil:
		return c.Award.Campaign
	case c.Import != nil:
		return c.Import.Campaign
	case c.Raffle != nil:
		return c.Raffle.campaign()
	}
	return 0
}

// String returns the command as a line of a script.
func (c *Command) String() string {
	at := time.UnixMilli(int64(c.Stamp)).UTC().Format("2006-01-02 15:04:05.000")
	switch {
	case c.Draw != nil:
		return at + " " + drawLine(c.Draw)
	case c.Publish != nil:
		return fmt.Sprintf("%s publish expect=%d\n", at, c.Publish.Expect) + versionLines(c.Publish.Version)
	case c.Control != nil:
		return fmt.Sprintf("%s %s campaign %d extend=%v", at, c.Control.Action, c.Control.Campaign, c.Control.ExtendByPause)
	case c.Adjust != nil:
		return fmt.Sprintf("%s adjust campaign %d %s by %+d key=%x", at, c.Adjust.Campaign, c.Adjust.Prize, c.Adjust.Delta, c.Adjust.Digest[:4])
	case c.Policy != nil:
		return at + " policy " + policyLine(c.Policy)
	case c.Abandon != nil:
		return fmt.Sprintf("%s abandon campaign %d %s key=%x", at, c.Abandon.Campaign, c.Abandon.UserID, c.Abandon.Digest[:4])
	}
	switch {
	case c.Grant != nil:
		g := c.Grant
		return fmt.Sprintf("%s grant campaign %d purse %q %s %s/%s %d occurred=%d begins=%d ends=%d (from now) priority=%d", at, g.Campaign, g.Purse,
			g.UserID, g.Source, g.Event, g.Amount, since(g.OccurredAt, c.Stamp), since(g.EffectiveAt, c.Stamp), since(g.ExpiresAt, c.Stamp), g.Priority)
	case c.Revoke != nil:
		v := c.Revoke
		return fmt.Sprintf("%s revoke campaign %d purse %q %s %s/%s", at, v.Campaign, v.Purse, v.UserID, v.Source, v.Event)
	case c.List != nil:
		return fmt.Sprintf("%s %s list of campaign %d remove=%v: %+v", at, c.List.List, c.List.Campaign, c.List.Remove, c.List.Entries)
	case c.Void != nil:
		v := c.Void
		return fmt.Sprintf("%s void campaign %d key=%x part=%d: %s", at, v.Campaign, v.Digest[:4], v.Part, v.Fault)
	case c.Import != nil:
		return fmt.Sprintf("%s import campaign %d %s: %d codes", at, c.Import.Campaign, c.Import.Prize, len(c.Import.Codes))
	case c.Stock != nil:
		return at + " " + c.Stock.String()
	case c.Raffle != nil:
		return at + " " + c.Raffle.String()
	case c.PublishAt != nil:
		return fmt.Sprintf("%s publish at %d (from now) expect=%d\n%s", at, c.PublishAt.At-c.Stamp, c.PublishAt.Expect, versionLines(c.PublishAt.Version))
	case c.Withdraw != nil:
		return at + " withdraw " + c.Withdraw.Campaign
	case c.Award != nil:
		a := c.Award
		return fmt.Sprintf("%s award campaign %d %s to %s ticket=%s key=%x by %s", at, a.Campaign, a.Prize, a.UserID, a.Ticket, a.Digest[:4], a.Actor)
	case c.Switch != nil:
		return fmt.Sprintf("%s switch %+v on=%v", at, c.Switch.Scope, c.Switch.On)
	case c.Raise != nil:
		return fmt.Sprintf("%s raise to level %d", at, c.Raise.Level)
	}
	return at + " tick"
}

// since returns an instant as ms from another; 0 stays 0.
func since(t, from engine.UnixMilli) engine.UnixMilli {
	if t == 0 {
		return 0
	}
	return t - from
}

func drawLine(d *engine.Draw) string {
	var s strings.Builder
	fmt.Fprintf(&s, "draw campaign %d %s key=%x times=%d listed=%v", d.Campaign, d.UserID, d.Digest[:4], d.Times, d.Listed)
	if d.HasDevice {
		fmt.Fprintf(&s, " device=%x", d.Device[:1])
	}
	if d.HasIP {
		fmt.Fprintf(&s, " ip=%x", d.IP[:1])
	}
	if len(d.Channel) > 0 {
		fmt.Fprintf(&s, " channel=%s", d.Channel)
	}
	if d.ExpectVersion > 0 || d.MaxPrice > 0 {
		fmt.Fprintf(&s, " expect version=%d price=%d", d.ExpectVersion, d.MaxPrice)
	}
	if d.Stamp.Version != 0 || d.Ticket.Key != 0 {
		fmt.Fprintf(&s, " stamp=%+v ticket=%+v", d.Stamp, d.Ticket)
	}
	for slot := range d.By {
		if d.HasBy&(1<<slot) != 0 {
			fmt.Fprintf(&s, " by%d=%x", slot, d.By[slot][:2])
		}
	}
	return s.String()
}

func versionLines(v *engine.Version) string {
	var s strings.Builder
	fmt.Fprintf(&s, "    %s from %s to %s, denominator %d, exhausted=%d userExhausted=%d guaranteed=%v, zone", v.Campaign,
		time.UnixMilli(int64(v.StartsAt)).UTC().Format(time.DateTime), time.UnixMilli(int64(v.EndsAt)).UTC().Format(time.DateTime),
		v.Denominator, v.Exhausted, v.UserExhausted, v.Guaranteed)
	for _, t := range v.Transitions {
		fmt.Fprintf(&s, " %d:%+d", t.At, t.OffsetSeconds)
	}
	for i := range v.Prizes {
		p := &v.Prizes[i]
		fmt.Fprintf(&s, "\n    prize %s weight=%d stock=%d units=%d", p.ID, p.Weight, p.Stock, p.Units)
		if p.Unavailable == engine.OnFallback {
			fmt.Fprintf(&s, " fallback=%s", v.Prizes[p.Fallback].ID)
		}
	}
	if v.Mode.Kind != engine.ModeWeighted {
		fmt.Fprintf(&s, "\n    mode %+v", v.Mode)
	}
	if len(v.Boosts) > 0 {
		fmt.Fprintf(&s, "\n    boosts %+v", v.Boosts)
	}
	for i := range v.Pity {
		fmt.Fprintf(&s, "\n    pity %+v", v.Pity[i])
	}
	for i := range v.Sessions {
		x := &v.Sessions[i]
		fmt.Fprintf(&s, "\n    session %s from %s to %s, unsold=%d: %+v", x.ID, time.UnixMilli(int64(x.StartsAt)).UTC().Format("01-02 15:04:05.000"),
			time.UnixMilli(int64(x.EndsAt)).UTC().Format("01-02 15:04:05.000"), x.Unsold, v.Sets[x.Set])
	}
	for i, x := range v.Releases {
		fmt.Fprintf(&s, "\n    release %s by schedule %d", v.Prizes[x.Prize].ID, x.Schedule)
		if x.Schedule == int16(i) {
			fmt.Fprintf(&s, " %+v", v.Schedules[x.Schedule])
		}
	}
	for i := range v.Channels {
		fmt.Fprintf(&s, "\n    channel %+v", v.Channels[i])
	}
	if v.Audience != nil {
		fmt.Fprintf(&s, "\n    audience %+v", *v.Audience)
	}
	if v.Chances != nil {
		fmt.Fprintf(&s, "\n    chances %+v", *v.Chances)
	}
	for i := range v.Amounts {
		fmt.Fprintf(&s, "\n    amount %+v", v.Amounts[i])
	}
	for i := range v.Codes {
		fmt.Fprintf(&s, "\n    codes %+v", v.Codes[i])
	}
	if v.Guard != nil {
		fmt.Fprintf(&s, "\n    guard %+v", *v.Guard)
	}
	if v.Budget != (engine.Budget{}) {
		fmt.Fprintf(&s, "\n    budget %+v", v.Budget)
	}
	for i := range v.Caps {
		k := &v.Caps[i]
		fmt.Fprintf(&s, "\n    cap %s", capLine(k.ID, k.Counts, k.Scope, k.Window, k.Limit))
		if k.Prize >= 0 {
			fmt.Fprintf(&s, " prize=%s", v.Prizes[k.Prize].ID)
		}
		if k.DenyWhenReached {
			s.WriteString(" deny")
		}
	}
	return s.String()
}

func capLine(id string, counts engine.Counts, scope engine.Scope, w engine.Window, limit uint32) string {
	kind := [...]string{"campaign", "hour", "day", "week", "month", "rolling", "cooldown", "session"}[w.Kind]
	return fmt.Sprintf("%s: %s per %s, %s/%d ms, limit %d", id, [...]string{"draws", "wins", "amount"}[counts], scope, kind, w.Duration, limit)
}

func policyLine(p *engine.PutPolicy) string {
	var s strings.Builder
	fmt.Fprintf(&s, "expect=%d max_users=%d max_keys=%d award_limit=%d zone", p.Expect, p.Policy.MaxUsers, p.Policy.MaxKeys, p.Policy.AwardLimit)
	for _, t := range p.Policy.Transitions {
		fmt.Fprintf(&s, " %d:%+d", t.At, t.OffsetSeconds)
	}
	if len(p.Policy.Purses) > 0 {
		fmt.Fprintf(&s, "\n    purses %+v", p.Policy.Purses)
	}
	for i := range p.Policy.AggregateCaps {
		a := &p.Policy.AggregateCaps[i]
		fmt.Fprintf(&s, "\n    aggregate cap %s", capLine(a.ID, a.Counts, a.Scope, a.Window, a.Limit))
	}
	return s.String()
}
