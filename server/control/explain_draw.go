package control

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// explainDraw answers GET /admin/v1/draws/{id}:explain: why a draw ended as it did. With ?key= it also says whether that
// was the idempotency key.
func (p *Plane) explainDraw(x *exchange) *render.Problem {
	q, refused := x.query("key")
	if refused != nil {
		return refused
	}
	if refused := q.refusal(); refused != nil {
		return refused
	}
	d := draw{exchange: x, key: q.values.Get("key")}
	if refused := d.load(); refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, d.explain())
}

// draw is a recorded draw that is explained.
type draw struct {
	*exchange
	key      string // what the asker believes to be the idempotency key
	at       engine.Location
	encoded  []byte // the record as it is stored
	campaign *engine.Campaign
	version  *engine.Version
	record   engine.Record
}

// load finds the record of the draw that the path names. A draw that the asker may not see does not exist for him.
func (d *draw) load() *render.Problem {
	at, ok := d.plane.Engine.ParseID(engine.IDDraw, []byte(d.params.id))
	if !ok || at.Index > d.plane.Engine.AppliedIndex() {
		return refusal(problem.DrawNotFound, "")
	}
	encoded, err := d.plane.Records.Records(nil, uint64(at.Index), at.Ordinal, 1)
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return refusal(e.Code, e.Detail)
	}
	if err != nil {
		return refusal(problem.DrawNotFound, "") // an id that was sealed here and never given out
	}
	if _, err := engine.DecodeRecord(encoded, &d.record); err != nil {
		return d.broken("a record cannot be decoded", err)
	}
	if d.record.Kind != engine.RecordDraw {
		return refusal(problem.DrawNotFound, "")
	}
	c, found := d.plane.Engine.CampaignByRef(d.record.Campaign)
	if !found || c.Namespace() != d.grant.Namespace || !d.grant.AllowsCampaign([]byte(c.ID())) {
		return refusal(problem.DrawNotFound, "")
	}
	d.encoded = encoded
	d.at, d.campaign, d.version = at, c, c.VersionNumber(d.record.Version)
	if d.version == nil {
		return d.broken("a record names a version that is not known", errNotApplied)
	}
	return nil
}

func (d *draw) explain() *explanation {
	r := &d.record
	e := &explanation{
		Of: "draw", ID: d.params.id, Campaign: d.campaign.ID(), Version: r.Version, User: string(r.User), At: stamp(r.At),
		Steps:  climb(rungOutcome, "decided"),
		Record: render.AppendFeedItem(nil, d.plane.Engine, d.campaign.ID(), d.version, d.at, r),
	}
	d.sayIdempotency(&e.Steps[rungIdempotency])
	e.Steps[rungCampaign].Says = fmt.Sprintf("version %d was live, and %s is inside its time", r.Version, instant(r.At))
	if n := int(r.Session); n > 0 && n <= len(d.version.Sessions) {
		in := &d.version.Sessions[n-1]
		e.Steps[rungCampaign].Says += fmt.Sprintf(" and in session %s, from %s to %s", in.ID, instant(in.StartsAt), instant(in.EndsAt))
	}
	if len(d.version.Channels) > 0 {
		e.Steps[rungCampaign].Says += "; channel " + string(r.Channel)
	}
	e.Steps[rungEligibility].Says = "the user was eligible"
	d.sayCaps(&e.Steps[rungCaps])
	e.Steps[rungExhaustion].Says = "something was left to win"
	d.sayChances(&e.Steps[rungChances])
	d.sayWord(&e.Steps[rungWord])
	d.sayPity(&e.Steps[rungPity])
	d.sayAvailability(&e.Steps[rungAvailability])
	d.sayOutcome(&e.Steps[rungOutcome])
	e.Summary = d.summary()
	if fault, voided, void := d.campaign.Voided(r.Seq); void {
		e.Summary += " It was voided, by the fault of " + fault.String() + ", on " + instant(voided) + "."
	} else if a, ok := d.campaign.AwardOf(r, d.engineNow()); ok {
		e.Summary += " Its award is " + a.State.String() + " since " + instant(a.At) + "."
		if a.Frozen {
			e.Summary += " The user's unpaid awards are frozen."
		}
	}
	return e
}

func (d *draw) sayIdempotency(s *step) {
	r := &d.record
	s.Says = "the first request under its key"
	if r.Times > 1 {
		s.Says += fmt.Sprintf("; sub-draw %d of %d", r.Part+1, r.Times)
	}
	s.Facts = map[string]any{"key_digest": hex.EncodeToString(r.Digest[:])}
	if d.key == "" {
		return
	}
	keyer := d.campaign.Namespace().Keyer()
	again := keyer.Digest(engine.DigestDraw, r.Campaign, keyer.User(r.User), []byte(d.key))
	s.Facts["key_matches"] = again == r.Digest
	if again == r.Digest {
		s.Says += "; the key that you name gives the recorded digest"
	} else {
		s.Says += "; the key that you name is NOT the one of this draw"
	}
}

// sayCaps tells the user's counters before and after the request. A record holds those after.
func (d *draw) sayCaps(s *step) {
	r, n := &d.record, 0
	s.Says = "no cap of the user's own"
	counters := []map[string]any{}
	for i := range d.version.Caps {
		c := &d.version.Caps[i]
		if c.Scope != engine.ScopeUser || n >= len(r.Used) {
			continue
		}
		after, moved := r.Used[n], uint32(0)
		n++
		switch {
		case c.Counts == engine.CountDraws && c.Window.Kind == engine.WindowCooldown:
			moved = 1
		case c.Counts == engine.CountDraws:
			moved = uint32(r.Times)
		case c.Counts == engine.CountWins && r.Prize != engine.NoPrize && (c.Prize < 0 || int(c.Prize) == r.Prize):
			moved = 1
		}
		m := map[string]any{"cap": c.ID, "after": after, "limit": c.Limit}
		if c.Counts != engine.CountAmount {
			m["before"] = after - min(moved, after)
		}
		counters = append(counters, m)
		if s.Says = "all caps left room"; after > c.Limit {
			s.Says = "all caps left room at that time; a limit was lowered since"
		}
	}
	if n > 0 {
		s.Facts = map[string]any{"counters": counters}
	}
}

// sayWord makes the word again from the seed, which stays in the engine, and shows where it fell.
func (d *draw) sayWord(s *step) {
	r := &d.record
	word, value := d.campaign.Rework(r)
	s.Facts = map[string]any{
		"word": fmt.Sprintf("%016x", r.Word), "draw_number": r.DrawNumber, "recomputed": word == r.Word, "value": value,
		"denominator": d.version.Denominator,
	}
	natural := "the miss"
	if r.Natural != engine.NoPrize {
		p := &d.version.Prizes[r.Natural]
		natural = p.ID
		s.Facts["natural"], s.Facts["weight"] = p.ID, p.Weight
		for _, z := range d.set() {
			if int(z.Prize) == r.Natural {
				s.Facts["weight"] = z.Weight
			}
		}
	}
	s.Says = fmt.Sprintf("word %016x names %s", r.Word, natural)
	if from, to, ok := d.share(value); ok {
		s.Facts["from"], s.Facts["to"] = from, to
		s.Says = fmt.Sprintf("word %016x is %d of %d, and %d to %d is %s", r.Word, value, d.version.Denominator, from, to-1, natural)
	}
	if word == r.Word {
		s.Says += "; made again from the seed it is the same"
	} else {
		s.Says += "; made again from the seed it is ANOTHER ONE"
	}
}

// set returns the prizes and weights of the draw's session and channel.
func (d *draw) set() engine.PrizeSet {
	return d.version.SetIn(int(d.record.Session)-1, d.record.Channel)
}

// share returns the share of the denominator that the value fell into, by the weights of the draw's session and channel. ok
// is false where other weights were in force: of a soft pity.
func (d *draw) share(value uint64) (from, to uint64, ok bool) {
	natural := engine.NoPrize
	for _, p := range d.set() {
		to = from + uint64(p.Weight)
		if value < to {
			natural = int(p.Prize)
			break
		}
		from = to
	}
	if natural == engine.NoPrize {
		to = uint64(d.version.Denominator)
	}
	return from, to, natural == d.record.Natural && bits.Len64(to) < 64
}

func (d *draw) sayPity(s *step) {
	m, some := d.record.Pity()
	if !some {
		s.Says = "no pity in this campaign"
		return
	}
	s.Says = "not due"
	var rows []map[string]any
	for i := range m.Count {
		p := &d.version.Pity[i]
		row := map[string]any{"pity": p.ID, "before": m.Before[i], "after": m.After[i]}
		if p.Within > 0 {
			row["guarantee_within"] = p.Within
		}
		if m.Unfunded>>i&1 != 0 {
			row["unfunded"] = true
			s.Says = "pity " + p.ID + " was due, and its reserve was empty: the draw went on, the counter stays"
		}
		rows = append(rows, row)
	}
	s.Facts = map[string]any{"pities": rows}
	if m.Given < 0 {
		return
	}
	p := &d.version.Pity[m.Given]
	s.Verdict = "decided"
	given := d.record.Prize
	how := "instead of what the word named"
	if m.Extra != engine.NoPrize {
		given, how = m.Extra, "on top"
	}
	s.Says = fmt.Sprintf("draw %d in a row without a win of pity %s, which guarantees one within %d: gave %s %s",
		m.Before[m.Given]+1, p.ID, p.Within, d.prize(given), how)
}

func (d *draw) prize(ordinal int) string {
	if ordinal < 0 || ordinal >= len(d.version.Prizes) {
		return "nothing"
	}
	return d.version.Prizes[ordinal].ID
}

// causeWords say why a natural prize was not given.
var causeWords = map[engine.Cause]string{
	engine.CauseSoldOut:      "was sold out",
	engine.CauseNotReleased:  "was not released at that time",
	engine.CauseBudget:       "found no budget",
	engine.CauseSwitchedOff:  "was switched off, so its weight was an ordinary miss",
	engine.CauseRestricted:   "was restricted for this user",
	engine.CauseUserPrizeCap: "was capped for this user",
	engine.CauseWinCap:       "met a cap on wins",
	engine.CauseAmountCap:    "met a cap on amounts",
}

func (d *draw) sayAvailability(s *step) {
	r := &d.record
	switch {
	case r.Cause != engine.CauseNone:
		words := causeWords[r.Cause]
		if words == "" {
			words = "could not be given: " + r.Cause.String()
		}
		s.Says = d.prize(r.Natural) + " " + words
		s.Facts = map[string]any{"cause": r.Cause.String()}
	case r.Natural == engine.NoPrize:
		s.Says = "nothing to ask for: the word named the miss"
	default:
		s.Says = d.prize(r.Natural) + " could be given"
	}
}

func (d *draw) sayOutcome(s *step) {
	r := &d.record
	s.Facts = map[string]any{"seq": r.Seq}
	if !r.Previous.IsZero() {
		s.Facts["previous_draw"] = string(d.plane.Engine.AppendID(nil, engine.IDDraw, r.Previous))
	}
	if !r.PrevWin.IsZero() {
		s.Facts["previous_win"] = string(d.plane.Engine.AppendID(nil, engine.IDDraw, r.PrevWin))
	}
	if r.Prize == engine.NoPrize {
		s.Says = "a miss"
		return
	}
	s.Says = "won " + d.prize(r.Prize)
	s.Facts["prize"] = d.prize(r.Prize)
	if r.StockAfter != engine.Unlimited {
		s.Facts["stock_after"] = int64(r.StockAfter)
		s.Says += ", of which " + strconv.FormatInt(int64(r.StockAfter), 10) + " were left then"
	}
}

// summary is the answer in one sentence.
func (d *draw) summary() string {
	r := &d.record
	m, _ := d.record.Pity()
	words := causeWords[r.Cause]
	switch {
	case r.Prize == engine.NoPrize && r.Natural == engine.NoPrize:
		return "A miss: the word named no prize."
	case r.Prize == engine.NoPrize && r.Cause == engine.CauseNone:
		return "A miss: the word named " + d.prize(r.Natural) + ", which is a miss with a name."
	case r.Prize == engine.NoPrize:
		return "A miss: the word named " + d.prize(r.Natural) + ", which " + words + "."
	case m.Given >= 0 && m.Count > 0 && m.Extra == engine.NoPrize:
		return "Won " + d.prize(r.Prize) + " by pity " + d.version.Pity[m.Given].ID + "."
	case r.Prize == r.Natural:
		return "Won " + d.prize(r.Prize) + ": the word named it, and it could be given."
	}
	return "Won " + d.prize(r.Prize) + ": the word named " + d.prize(r.Natural) + ", which " + words + "."
}

// instant writes a log time for people.
func instant(t engine.UnixMilli) string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02 15:04:05.000 UTC")
}

// milliseconds writes an interval for people: "10m0s".
func milliseconds(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
