package dataplane

import (
	"sync"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/render"
)

// pageOdds keeps what the pages of campaigns say of odds: computing it may take a second. It holds one entry for each
// campaign, that of its newest version.
type pageOdds struct {
	mu struct {
		sync.Mutex
		known map[engine.CampaignRef]versionOdds
	}
}

type versionOdds struct {
	version uint32
	json    []byte
}

// of returns the odds of a campaign's live version. While they are computed, other pages with odds wait.
func (p *pageOdds) of(c *engine.Campaign) []byte {
	v := c.Version()
	p.mu.Lock()
	defer p.mu.Unlock()
	if o, ok := p.mu.known[c.Ref()]; ok && o.version == v.Number {
		return o.json
	}
	if p.mu.known == nil {
		p.mu.known = make(map[engine.CampaignRef]versionOdds)
	}
	o := versionOdds{v.Number, render.AppendOdds(nil, v)}
	p.mu.known[c.Ref()] = o
	return o.json
}
