package campaignfile

import "github.com/drawd/drawd/engine"

// fatigueDocument is the canonical form of a fatigue cap.
type fatigueDocument struct {
	ID     string `json:"id"`
	Window any    `json:"window"`
	Limit  uint32 `json:"limit"`
}

// readFatigue reads a fatigue cap: a cap of the namespace that counts hits of users, and no draws.
func (p *policy) readFatigue(_ int, v value) {
	e := capEntry{at: v, Cap: engine.Cap{Prize: -1}}
	fields := p.capFields(&e)
	p.object(v, []field{fields[0], fields[3], fields[4]}) // id, window, limit
	if e.windowed && e.Window.Kind == engine.WindowCampaign {
		p.fault(e.windowAt, "no campaign ends a fatigue cap: use hour, day, week, month, {rolling: 10m} or {cooldown: 30s}")
	}
	p.fatigue = append(p.fatigue, e)
}

// checkFatigue finds the faults of fatigue caps that need more than one value.
func (p *policy) checkFatigue() {
	for i := range p.fatigue {
		e := &p.fatigue[i]
		p.checkCap(e, p.fatigue[:i])
		if e.windowed && e.Window.Kind == engine.WindowSession {
			p.fault(e.windowAt, "sessions are a campaign's: use %s", anyOf(windowNames[1:]))
		}
	}
}

func (p *policy) compileFatigue() (forms []fatigueDocument) {
	for i := range p.fatigue {
		e := &p.fatigue[i]
		p.policy.FatigueCaps = append(p.policy.FatigueCaps, engine.FatigueCap{ID: e.ID, Window: e.Window, Limit: e.Limit})
		forms = append(forms, fatigueDocument{ID: e.ID, Window: windowForm(e.Window), Limit: e.Limit})
	}
	return forms
}
