package campaignfile

import "github.com/drawd/drawd/engine"

// readPurse reads one purse of a policy.
func (p *policy) readPurse(_ int, v value) {
	x := engine.Purse{Lots: defaultLots}
	p.object(v, []field{
		{name: "id", required: required, read: func(v value) {
			id, ok := p.id(v)
			if ok && len(id) > engine.MaxSourceBytes {
				p.fault(v, "has %d characters; at most %d are allowed for a purse", len(id), engine.MaxSourceBytes)
			}
			for i := range p.policy.Purses {
				if ok && p.policy.Purses[i].ID == id {
					p.fault(v, "purse %q is already defined", id)
				}
			}
			x.ID = id
		}},
		{name: "lots", read: func(v value) { x.Lots = p.readLots(v) }},
		{name: "sources", read: func(v value) { x.Sources = p.readSources(v) }},
	})
	p.policy.Purses = append(p.policy.Purses, x)
}

type purseDocument struct {
	ID      string                    `json:"id"`
	Lots    uint8                     `json:"lots,omitempty"`
	Sources map[string]sourceDocument `json:"sources,omitempty"`
}

func purseForms(purses []engine.Purse) (all []purseDocument) {
	for i := range purses {
		d := purseDocument{ID: purses[i].ID, Sources: sourceForms(purses[i].Sources)}
		if purses[i].Lots != defaultLots {
			d.Lots = purses[i].Lots
		}
		all = append(all, d)
	}
	return all
}
