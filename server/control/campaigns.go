package control

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// errNotApplied is what it means when something decided is not in this node's state.
var errNotApplied = errors.New("control: Decide returned before the entry was applied")

// campaign returns the campaign of the path.
func (x *exchange) campaign() (*engine.Campaign, *render.Problem) {
	c, refused := x.grant.Campaign([]byte(x.params.campaign))
	if refused.Code != problem.OK {
		return nil, x.refusedBy(&refused)
	}
	return c, nil
}

// campaignView is a campaign as an operator sees it.
type campaignView struct {
	Campaign  string          `json:"campaign"`
	Status    string          `json:"status"`
	Version   uint32          `json:"version"`
	Hash      string          `json:"hash"`
	SeedHash  string          `json:"seed_hash"`
	Seq       uint64          `json:"seq"`
	Title     json.RawMessage `json:"title"`
	TimeZone  string          `json:"time_zone"`
	StartsAt  stamp           `json:"starts_at"`
	EndsAt    stamp           `json:"ends_at"`
	Exhausted bool            `json:"exhausted"`
	FencedBy  string          `json:"fenced_by,omitempty"`
	Off       []switchView    `json:"off,omitempty"` // of one campaign only
}

// engineNow is the time at which states are told: the node's clock, but never before log time.
func (x *exchange) engineNow() engine.UnixMilli {
	return max(engine.UnixMilli(x.now.UnixMilli()), x.plane.Engine.LogTime())
}

func (x *exchange) view(c *engine.Campaign) campaignView {
	v, seed := c.Version(), c.SeedHash()
	title := json.RawMessage(v.Title)
	if len(title) == 0 {
		title = json.RawMessage("{}")
	}
	return campaignView{
		Campaign: c.ID(), Status: c.Status(x.engineNow()).String(), Version: v.Number,
		Hash: hex.EncodeToString(v.Hash[:]), SeedHash: hex.EncodeToString(seed[:]), Seq: c.Seq(), Title: title, TimeZone: v.TimeZone,
		StartsAt: stamp(v.StartsAt), EndsAt: stamp(c.EndsAt()), Exhausted: c.Exhausted(), FencedBy: c.FencedBy(),
	}
}

func (p *Plane) listCampaigns(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	items := []campaignView{}
	for _, c := range x.grant.Namespace.Campaigns() {
		if x.grant.AllowsCampaign([]byte(c.ID())) && page.take(c.ID()) {
			items = append(items, x.view(c))
		}
	}
	return x.answer(http.StatusOK, list[campaignView]{items, page.next()})
}

func (p *Plane) getCampaign(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	v := x.view(c)
	for _, s := range c.Namespace().Switches() {
		if kind, rest, inside := strings.Cut(s.Scope, "/"); inside {
			if id, _, _ := strings.Cut(rest, "/"); kind == engine.SwitchPayout.String() || id != c.ID() {
				continue
			}
		}
		v.Off = append(v.Off, x.viewSwitch(&s))
	}
	return x.answer(http.StatusOK, v)
}

// versionView is a version; File and Salt are in the full form only.
type versionView struct {
	Campaign string          `json:"campaign"`
	Version  uint32          `json:"version"`
	Hash     string          `json:"hash"`
	Salt     string          `json:"salt,omitempty"`
	StartsAt stamp           `json:"starts_at"`
	EndsAt   stamp           `json:"ends_at"`
	Live     bool            `json:"live"`
	File     json.RawMessage `json:"file,omitempty"`
}

func viewVersion(c *engine.Campaign, v *engine.Version) versionView {
	return versionView{
		Campaign: c.ID(), Version: v.Number, Hash: hex.EncodeToString(v.Hash[:]),
		StartsAt: stamp(v.StartsAt), EndsAt: stamp(v.EndsAt), Live: v == c.Version(),
	}
}

func (p *Plane) listVersions(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	items := []versionView{}
	for _, v := range c.Versions() {
		if page.take(sortable(v.Number)) {
			items = append(items, viewVersion(c, v))
		}
	}
	return x.answer(http.StatusOK, list[versionView]{items, page.next()})
}

// sortable writes a number so that texts sort as numbers do.
func sortable(n uint32) string {
	text := strconv.FormatUint(uint64(n), 10)
	return "0000000000"[len(text):] + text
}

func (p *Plane) getVersion(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	n, err := strconv.ParseUint(x.params.version, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != x.params.version {
		return refusal(problem.NotFound, "A version is a number from 1.")
	}
	v := c.VersionNumber(uint32(n))
	if v == nil {
		return refusal(problem.NotFound, "The campaign has "+itoa(len(c.Versions()))+" versions.")
	}
	view := viewVersion(c, v)
	view.File = x.fileOf(v)
	if c.Status(x.plane.Engine.LogTime()) == engine.StatusEnded {
		view.Salt = hex.EncodeToString(v.Salt[:])
	}
	return x.answer(http.StatusOK, view)
}
