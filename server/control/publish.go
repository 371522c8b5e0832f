package control

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// compile turns a campaign file into a version of the exchange's campaign, or lists every fault of it.
func (x *exchange) compile(source []byte) (*campaignfile.File, *render.Problem) {
	file, faults := campaignfile.Parse(source)
	if len(faults) > 0 {
		return nil, invalidCampaign(faults)
	}
	if got := file.Version.Campaign; got != x.params.campaign {
		faults = append(faults, campaignfile.Fault{
			Pointer: "/campaign", Code: problem.InvalidField, Message: "the file is of campaign " + got + ", the path names " + x.params.campaign,
		})
	}
	faults = append(faults, file.Unstated(x.knownPrizes())...)
	faults = append(faults, file.Masked()...)
	if len(faults) > 0 {
		return nil, invalidCampaign(file.Locate(faults))
	}
	return file, nil
}

func invalidCampaign(faults []campaignfile.Fault) *render.Problem {
	p := refusal(problem.InvalidCampaign, faults[0].Error())
	if n := len(faults) - 1; n > 0 {
		p.Detail += " (and " + itoa(n) + " more, in errors)"
	}
	p.Errors = fieldErrors(faults)
	return p
}

// knownPrizes tells which prize ids the campaign has ever had.
func (x *exchange) knownPrizes() func(string) bool {
	c, found := x.grant.Namespace.Campaign([]byte(x.params.campaign))
	if !found {
		return func(string) bool { return false }
	}
	known := map[string]bool{}
	_, prizes := c.Stock()
	for i := range prizes {
		known[prizes[i].CellID()] = true
	}
	return func(id string) bool { return known[id] }
}

// refusedVersion is the refusal of a version that the engine will not publish as things stand, or nil.
func (x *exchange) refusedVersion(file *campaignfile.File) *render.Problem {
	code, err := x.grant.Namespace.CheckPublish(file.Version, engine.UnixMilli(x.now.UnixMilli()))
	if code == problem.OK {
		return nil
	}
	p := refusal(code, err.Error())
	if code != problem.StockChanged {
		return p
	}
	totals := map[string]engine.Quantity{}
	if c, found := x.grant.Namespace.Campaign([]byte(x.params.campaign)); found {
		_, prizes := c.Stock()
		for i := range prizes {
			totals[prizes[i].CellID()] = prizes[i].Total
		}
	}
	var faults []campaignfile.Fault
	for i := range file.Version.Prizes {
		prize := &file.Version.Prizes[i]
		total, known := totals[prize.ID]
		if !known || prize.Stock == engine.StockUnstated || prize.Stock == total {
			continue
		}
		faults = append(faults, campaignfile.Fault{
			Pointer: "/prizes/" + itoa(i) + "/stock", Code: problem.StockChanged,
			Message: "the current total is " + units(total) + ": leave stock out, or state that and change it with :adjust",
		})
	}
	if len(faults) == 0 {
		faults = []campaignfile.Fault{{Pointer: "/sessions", Code: problem.StockChanged, Message: err.Error()}}
	}
	p.Errors = fieldErrors(file.Locate(faults))
	return p
}

func units(q engine.Quantity) string {
	if q == engine.Unlimited {
		return "unlimited"
	}
	return itoa(int(q))
}

// unfavourable lists what the version takes from users, and says with which live version it was compared: the log holds
// the publish to it. Nothing is taken by the first version of a campaign.
func (x *exchange) unfavourable(file *campaignfile.File) (worse []campaignfile.Fault, compared uint32) {
	c, found := x.grant.Namespace.Campaign([]byte(x.params.campaign))
	if !found {
		return nil, engine.NoVersion
	}
	live := c.Version()
	return file.Locate(campaignfile.Favourable(live, file.Version)), live.Number
}

func (p *Plane) validate(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	var source []byte
	if x.request.ContentLength == 0 {
		d, refused := x.savedDraft()
		if refused != nil {
			return refused
		}
		source = d.source
	} else {
		body, _, refused := x.readFile()
		if refused != nil {
			return refused
		}
		source = body
	}
	file, refused := x.compile(source)
	if refused != nil {
		return refused
	}
	if refused := x.refusedVersion(file); refused != nil {
		// What cannot be published is not valid, whatever publish would call it.
		if len(refused.Errors) == 0 {
			refused.Errors = []render.FieldError{{Code: refused.Code.String(), Message: refused.Detail}}
		}
		return &render.Problem{Code: problem.InvalidCampaign, Detail: refused.Detail, Errors: refused.Errors}
	}
	warnings := append([]campaignfile.Fault{}, file.Warnings...)
	warnings = append(warnings, x.undefended(file)...)
	worse, _ := x.unfavourable(file)
	for _, f := range worse {
		f.Message += " (publishing this must be forced, with a reason)"
		f.Rule = "unfavourable"
		warnings = append(warnings, f)
	}
	return x.answer(http.StatusOK, struct {
		Valid    bool                   `json:"valid"`
		Warnings []campaignfile.Fault   `json:"warnings"`
		Odds     []campaignfile.Odds    `json:"odds"`
		Worst    campaignfile.Liability `json:"liability"`
	}{true, warnings, file.Odds(), campaignfile.Worst(file.Version)})
}

func (p *Plane) publish(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	tag, reason, forced := f.text("draft_etag", 1, 64), f.text("reason", 0, maxForcedReason), f.flag("forced")
	if forced && reason == "" {
		f.fault("reason", "required", "publishing by force needs a reason")
	}
	at := f.instant("at")
	if refused := f.done(); refused != nil {
		return refused
	}
	d, refused := x.savedDraft()
	if refused != nil {
		return refused
	}
	if strings.Trim(tag, `"`) != strings.Trim(etag(d.revision), `"`) {
		return x.versionConflict(d.revision)
	}
	file, refused := x.compile(d.source)
	if refused != nil {
		return refused
	}
	if refused := x.keepsToCampaigns(file); refused != nil {
		return refused
	}
	if refused := x.alreadyPending(); refused != nil {
		return refused
	}
	worse, compared := x.unfavourable(file)
	if len(worse) > 0 {
		if !forced {
			p := refusal(problem.Conflict, `After publication a change must favour users. Publish with "forced": true and a reason to do it nevertheless.`)
			p.Errors = fieldErrors(worse)
			return p
		}
		reason = engine.ForcedPrefix + reason
	}
	if !at.IsZero() {
		return x.publishAt(file, compared, reason, engine.UnixMilli(at.UnixMilli()))
	}
	return x.makeLive(file, compared, reason)
}

// publication is a compiled file under a fresh salt and, for a new campaign, a fresh seed.
func (x *exchange) publication(file *campaignfile.File, compared uint32, reason string) *engine.Publish {
	var seed [16]byte
	var nonce [12]byte
	rand.Read(seed[:]) // never fails: the process ends when the system has no randomness
	rand.Read(nonce[:])
	rand.Read(file.Version.Salt[:])
	return &engine.Publish{
		Namespace: x.grant.Namespace.Ref(), Version: file.Version, SealedSeed: engine.SealSeed(x.plane.ClusterKey, nonce, seed),
		Actor: x.grant.Actor(), Reason: reason, Expect: compared,
	}
}

// whyRefused says in words why the engine refused a version.
func (x *exchange) whyRefused(file *campaignfile.File, r *engine.Result, refused *render.Problem) *render.Problem {
	switch refused.Code {
	case problem.VersionConflict:
		refused.Detail = "Version " + itoa(int(r.Value)) + " became live meanwhile, and this one was compared with another: look at it again, and publish again."
	case problem.StockChanged, problem.InvalidCampaign, problem.Ended, problem.Capacity:
		if why := x.refusedVersion(file); why != nil && why.Code == refused.Code {
			return why
		}
	}
	return refused
}

// makeLive publishes a compiled file at once.
func (x *exchange) makeLive(file *campaignfile.File, compared uint32, reason string) *render.Problem {
	var b engine.Batch
	b.AddPublish(x.publication(file, compared, reason))
	r, refused := x.decide(&b)
	if refused != nil {
		return x.whyRefused(file, r, refused)
	}
	if r.Pending {
		return x.answerPending(uint32(r.Value), nil)
	}
	number := uint32(r.Value)
	c, refused := x.campaign()
	if refused != nil {
		return x.broken("a published campaign is not there", errNotApplied)
	}
	return x.answerPublished(c, number, r.AlreadyLive, b.Time)
}

// answerPublished tells what became live.
func (x *exchange) answerPublished(c *engine.Campaign, number uint32, already bool, at engine.UnixMilli) *render.Problem {
	v := c.VersionNumber(number)
	if v == nil {
		return x.broken("a published version is not there", errNotApplied)
	}
	return x.answer(http.StatusOK, struct {
		Campaign    string `json:"campaign"`
		Version     uint32 `json:"version"`
		Hash        string `json:"hash"`
		AlreadyLive bool   `json:"already_live"`
		At          stamp  `json:"at"`
	}{c.ID(), number, hex.EncodeToString(v.Hash[:]), already, stamp(at)})
}
