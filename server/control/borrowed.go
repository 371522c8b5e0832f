package control

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// shared is something that a version has in common with other campaigns, and where its file says so.
type shared struct{ what, pointer string }

// sharedWith lists what draws of a version move outside of its campaign, but for the campaigns that the asker may touch: units of pools, the
// chances of a purse and of other campaigns, and the rows of a pity that the namespace keeps.
func (x *exchange) sharedWith(v *engine.Version) (all []shared) {
	for i := range v.PoolPrizes {
		all = append(all, shared{"pool " + v.PoolPrizes[i].Pool, "/prizes/" + itoa(int(v.PoolPrizes[i].Prize)) + "/pool"})
	}
	for i := range v.Pity {
		if v.Pity[i].Shared {
			all = append(all, shared{"pity " + v.Pity[i].ID + " of the namespace", "/pity/" + itoa(i) + "/scope"})
		}
	}
	if v.Chances == nil {
		return all
	}
	if v.Chances.Mode == engine.ChancesPurse {
		all = append(all, shared{"purse " + v.Chances.Purse, "/chances/purse"})
	}
	for _, p := range v.Chances.Prizes {
		if !x.grant.AllowsCampaign([]byte(p.Campaign)) {
			all = append(all, shared{"chances for campaign " + p.Campaign, "/prizes/" + itoa(int(p.Prize)) + "/chances_for"})
		}
	}
	return all
}

// keepsToCampaigns refuses a version by which a key that is limited to campaigns would reach what is not theirs. What the live version
// shares already somebody has published who may: it stays.
func (x *exchange) keepsToCampaigns(file *campaignfile.File) *render.Problem {
	if !x.grant.Limited() {
		return nil
	}
	was := map[string]bool{}
	if c, found := x.grant.Namespace.Campaign([]byte(x.params.campaign)); found {
		for _, s := range x.sharedWith(c.Version()) {
			was[s.what] = true
		}
	}
	var faults []campaignfile.Fault
	for _, s := range x.sharedWith(file.Version) {
		if !was[s.what] {
			faults = append(faults, campaignfile.Fault{Pointer: s.pointer, Code: problem.Forbidden, Message: s.what + " is not this campaign's alone"})
		}
	}
	if len(faults) == 0 {
		return nil
	}
	p := refusal(problem.Forbidden, "The key is limited to campaigns: what other campaigns share is named first by a key that is not.")
	p.Errors = fieldErrors(file.Locate(faults))
	return p
}
